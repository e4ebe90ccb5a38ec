//! Components for tests, made from WIT or WebAssembly text.
//!
//! Takes: text. Gives: bytes. May name: nothing.

use std::fmt::Write as _;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::abi::{AbiVariant, WasmType};
use wit_parser::{Function, Resolve, WorldItem};

/// A component of the only world of a WIT package. A function whose parameter and result both lie in memory gives
/// back what it was given; others trap. `sections` are put into its core module.
pub(super) fn of_wit(wit: &str, sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("world.wit", wit).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mut module = r#"(module (memory (export "memory") 16) (global $free (mut i32) (i32.const 64))
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            global.get $free global.get $free local.get 3 i32.add i32.const 15 i32.add i32.const -16 i32.and
            global.set $free)"#
        .to_owned();
    for (key, item) in &resolve.worlds[world].exports {
        match item {
            WorldItem::Function(function) => export(&mut module, &resolve, &function.name, function),
            WorldItem::Interface { id, .. } => {
                for function in resolve.interfaces[*id].functions.values() {
                    let name = format!("{}#{}", resolve.name_world_key(key), function.name);
                    export(&mut module, &resolve, &name, function);
                }
            }
            WorldItem::Type { .. } => {}
        }
    }
    module.push(')');
    let mut module = wat::parse_str(&module).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    for (name, data) in sections {
        module = with_section(module, name, data);
    }
    ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
}

fn export(module: &mut String, resolve: &Resolve, name: &str, function: &Function) {
    let signature = resolve.wasm_signature(AbiVariant::GuestExport, function);
    let words = |types: &[WasmType]| types.iter().map(|ty| word(*ty)).collect::<Vec<_>>().join(" ");
    let (params, results) = (words(&signature.params), words(&signature.results));
    let echoes = signature.params == [WasmType::Pointer] && signature.results == [WasmType::Pointer];
    let body = if echoes { "local.get 0" } else { "unreachable" };
    write!(module, "(func (export {name:?}) (param {params}) (result {results}) {body})").unwrap();
}

fn word(ty: WasmType) -> &'static str {
    match ty {
        WasmType::I32 | WasmType::Pointer | WasmType::Length => "i32",
        WasmType::I64 | WasmType::PointerOrI64 => "i64",
        WasmType::F32 => "f32",
        WasmType::F64 => "f64",
    }
}

/// The module or component with one more custom section at its end.
pub(super) fn with_section(mut bytes: Vec<u8>, name: &str, data: &[u8]) -> Vec<u8> {
    let mut content = leb(name.len());
    content.extend(name.as_bytes());
    content.extend(data);
    bytes.push(0);
    bytes.extend(leb(content.len()));
    bytes.extend(content);
    bytes
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
