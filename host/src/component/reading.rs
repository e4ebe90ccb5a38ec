//! What is read of a component, and what is refused, by example.
//!
//! Takes: components as text. Gives: tests. May name: component, id, reason, typed.

use super::samples;
use super::{ComponentInfo, DocsSource, Import, Limits, Producer, ReadError, read};
use crate::id::Digest;
use crate::reason::Reason;

const WIT: &str =
    "package a:b@0.1.0; interface orders { get: func(id: u64) -> string; } world w { export orders; }";

fn from_wat(text: &str) -> Result<ComponentInfo, ReadError> {
    read(&wat::parse_str(text).unwrap(), &Limits::default())
}

fn message(text: &str) -> String {
    from_wat(text).unwrap_err().to_string()
}

/// A component that exports the functions of an instance that it imports.
fn of_types(types: &str) -> String {
    format!("(component (import \"a:b/c\" (instance $i {types})) (export \"a:b/d\" (instance $i)))")
}

#[test]
fn a_component_tells_what_it_is() {
    let bytes = samples::of_wit(WIT, &[("strongroom:manifest", b"name = \"orders\"\n")]);
    let info = read(&bytes, &Limits::default()).unwrap();
    assert_eq!((info.digest, info.size), (Digest::of(&bytes), bytes.len()));
    assert_eq!(info.manifest_text.as_deref(), Some("name = \"orders\"\n"));
    let [get] = &info.functions[..] else { panic!("{:?}", info.functions) };
    assert_eq!(get.name, "get");
    assert_eq!(get.export.interface.as_deref(), Some("a:b/orders@0.1.0"));
    assert_eq!((info.docs, info.imports), (DocsSource::None, vec![]));
    let by_wit_component = |producer: &Producer| producer.name == "wit-component";
    assert!(info.producers.iter().any(by_wit_component), "{:?}", info.producers);
}

#[test]
fn who_made_it_is_read_from_the_modules_within_too() {
    let inner = b"\x01\x08language\x01\x03Zig\x040.16";
    let info = read(&samples::of_wit(WIT, &[("producers", inner)]), &Limits::default()).unwrap();
    let zig =
        |p: &Producer| (p.field.as_str(), p.name.as_str(), p.version.as_str()) == ("language", "Zig", "0.16");
    assert!(info.producers.iter().any(zig), "{:?}", info.producers);
}

#[test]
fn every_import_is_listed_with_its_functions() {
    let info = from_wat(
        r#"(component
            (import "wasi:io/poll@0.2.0" (instance
                (export "pollable" (type $p (sub resource)))
                (export "[method]pollable.block" (func (param "self" (borrow $p))))
                (export "poll" (func))))
            (import "wasi:io/types-only@0.2.0" (instance (type $t u8) (export "t" (type (eq $t)))))
            (import "bare" (func))
            (import "a:b/c" (instance $i (export "run" (func))))
            (export "a:b/d" (instance $i)))"#,
    );
    let import = |interface: &str, functions: &[&str]| Import {
        interface: Some(interface.to_owned()).filter(|interface| !interface.is_empty()),
        functions: functions.iter().map(|function| (*function).to_owned()).collect(),
    };
    assert_eq!(
        info.unwrap().imports,
        [
            import("wasi:io/poll@0.2.0", &["[method]pollable.block", "poll"]),
            import("wasi:io/types-only@0.2.0", &[]),
            import("a:b/c", &["run"]),
            import("", &["bare"]),
        ]
    );
}

#[test]
fn what_is_no_component_is_told_apart() {
    let read = |bytes: &[u8]| read(bytes, &Limits::default()).unwrap_err();
    assert_eq!(read(b""), ReadError::NotWasm);
    assert_eq!(read(b"\x7fELF"), ReadError::NotWasm);
    assert_eq!(read(b"(component)"), ReadError::Text);
    assert_eq!(read(&wat::parse_str("(module)").unwrap()), ReadError::CoreModule);
    assert_eq!(read(&wat::parse_str("(component)").unwrap()), ReadError::NoFunctions);
    let whole = samples::of_wit(WIT, &[]);
    for end in 4..whole.len() {
        // Cut between two sections it may still be a component, but never one with other functions.
        match super::read(&whole[..end], &Limits::default()) {
            Ok(info) => assert_eq!(info.functions.len(), 1),
            Err(error) => assert_eq!(error.reason(), Reason::ComponentInvalid, "{end}: {error}"),
        }
    }
    let limits = Limits { component: whole.len() - 1, ..Limits::default() };
    assert!(matches!(super::read(&whole, &limits), Err(ReadError::TooLarge { .. })));
}

#[test]
fn a_flipped_byte_never_panics() {
    let whole = samples::of_wit(WIT, &[("strongroom:wit", WIT.as_bytes()), ("package-docs", b"\x01{}")]);
    for place in 0..whole.len() {
        for flip in [1, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[place] ^= flip;
            let _ = super::read(&bytes, &Limits::default());
        }
    }
}

#[test]
fn a_feature_that_is_off_is_named() {
    let core = |module: &str| message(&format!("(component (core module {module}))"));
    for (module, feature) in [
        ("(memory i64 1)", "memory64"),
        ("(memory 1) (memory 1)", "multi-memory"),
        ("(memory 1 2 shared)", "threads"),
        ("(tag)", "exceptions"),
        ("(type (struct))", "gc"),
        ("(func (param v128) (result v128) local.get 0 i32x4.relaxed_trunc_f32x4_s)", "relaxed-simd"),
        ("(type $f (func)) (type (cont $f))", "stack-switching"),
    ] {
        let message = core(module);
        assert!(message.contains(&format!("needs {feature}, which")), "{message}");
    }
    let stream = message(&of_types("(export \"f\" (func (param \"s\" (stream u8))))"));
    assert!(stream.contains("component-model async"), "{stream}");
    let invalid = core("(func (result i32))");
    assert!(invalid.starts_with("the file is not valid WebAssembly: "), "{invalid}");
}

#[test]
fn types_that_json_cannot_stand_for_are_refused_with_their_place() {
    let resource = "(export \"r\" (type $r (sub resource)))";
    let deep = (0..70).fold(String::from("(type $t0 (list string))"), |types, i| {
        format!("{types}(type $t{} (list $t{i}))", i + 1)
    });
    let wide = (0..4100).fold(String::new(), |fields, i| format!("{fields} \"c{i}\""));
    for (types, expected) in [
        (
            format!("{resource}(export \"f\" (func (param \"by\" (list (own $r)))))"),
            "the function `a:b/d#f` cannot be called with JSON: parameter `by`, item: a resource",
        ),
        (
            format!("{resource}(export \"[method]r.f\" (func (param \"self\" (borrow $r))))"),
            "`a:b/d#[method]r.f`",
        ),
        (format!("{resource}(export \"[static]r.f\" (func))"), "belongs to a resource"),
        (format!("{deep}(export \"f\" (func (param \"x\" $t70)))"), "nested more than 64 deep"),
        (
            format!(
                "(type $e' (enum {wide})) (export \"e\" (type $e (eq $e'))) (export \"f\" (func (result $e)))"
            ),
            "more than 4096 parts",
        ),
    ] {
        let message = message(&of_types(&types));
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn imports_of_other_things_than_functions_are_refused() {
    for (import, what) in [
        ("(import \"r\" (type (sub resource)))", "a resource of no interface"),
        ("(import \"m\" (core module))", "a core module"),
        ("(import \"c\" (component))", "a component"),
        ("(import \"url=<https://example.com>\" (func))", "fetched from elsewhere"),
    ] {
        let component = format!(
            "(component {import} (import \"a:b/c\" (instance $i (export \"f\" (func)))) (export \"a:b/d\" (instance $i)))"
        );
        let error = from_wat(&component).unwrap_err();
        assert_eq!(error.reason(), Reason::ImportUnsupported, "{error}");
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn the_types_are_those_of_the_export_also_when_the_same_interface_is_imported() {
    let info = from_wat(
        r#"(component
            (import "a:b/c" (instance (export "f" (func (param "x" u8))) (export "only-imported" (func))))
            (import "a:b/other" (instance $i (export "f" (func (param "y" string)))))
            (export "a:b/c" (instance $i)))"#,
    );
    let info = info.unwrap();
    let [f] = &info.functions[..] else { panic!("{:?}", info.functions) };
    assert!(f.signature.decode_arguments(r#"{"y": "text"}"#, &crate::typed::Limits::default()).is_ok());
}

#[test]
fn the_outermost_manifest_counts_and_two_of_one_rank_do_not() {
    let section = |text: &'static str| ("strongroom:manifest", text.as_bytes());
    let inner = samples::of_wit(WIT, &[section("inner"), section("other")]);
    let limits = Limits::default();
    assert_eq!(read(&inner, &limits).unwrap_err().reason(), Reason::ManifestInvalid);
    let outer = samples::with_section(inner, "strongroom:manifest", b"outer");
    assert_eq!(read(&outer, &limits).unwrap().manifest_text.as_deref(), Some("outer"));
    let small = Limits { manifest: 4, ..limits };
    assert!(read(&outer, &small).unwrap_err().to_string().contains("at most 4"));
}

#[test]
fn docs_that_cannot_be_read_leave_a_note() {
    let deep =
        format!("package a:b; interface c {{ f: func(x: {}u8{}); }}", "list<".repeat(9000), ">".repeat(9000));
    for text in ["package a:b; interface {", &deep, "\u{0}"] {
        let bytes = samples::of_wit(WIT, &[("strongroom:wit", text.as_bytes())]);
        let info = read(&bytes, &Limits::default()).unwrap();
        assert_eq!((info.docs, info.notes.len()), (DocsSource::None, 1));
    }
}
