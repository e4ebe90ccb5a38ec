//! The sentences about the worst case, and the report of differences, as people and programs read them.
//!
//! Takes: nothing. Gives: nothing. May name: nothing.

use super::samples::{CACHE, CONFIG, DIRS, HTTP, MEMORY, STORE, STRANGE, Sample, component};
use super::tests::sarif_schema;
use super::{Files, Powers, WorstCase, differences, sarif_differences, worst_case};

const FILES: &str = r#"(import "wasi:filesystem/types@0.2.0" (instance
    (export "descriptor" (type $d (sub resource)))
    (export "[method]descriptor.unlink-file-at" (func (param "self" (borrow $d)) (param "path" string)))))"#;
const OTHERS: &str = r#"(import "wasi:clocks/wall-clock@0.2.0" (instance (export "now" (func))))
    (import "wasi:random/random@0.2.0" (instance (export "get-random-u64" (func (result u64)))))
    (import "wasi:cli/stderr@0.2.0" (instance (export "get-stderr" (func))))
    (import "strongroom:host/call@0.1.0" (instance (export "tenant" (func (result string)))))"#;
const SOCKETS: &str =
    r#"(import "wasi:sockets/tcp-create-socket@0.2.0" (instance (export "create-tcp-socket" (func))))"#;

const NEEDS: &str = r#"
[needs.http.api]
methods = ["GET", "PATCH", "DELETE"]
paths = ["/orders/*", "/files/**", "/health"]
[needs.http.web]
methods = ["GET"]
paths = ["/**"]
[needs.http.notify]
methods = ["POST"]
paths = ["/notifications"]
[needs.dir.archive]
[needs.dir.workspace]
mode = "rw"
[needs.keyvalue.cart]
mode = "rw"
[needs.keyvalue.ledger]
[needs.memory]
mode = "rw"
[needs.config]
keys = ["currency", "region", "unit"]
[limits]
fuel = 123_456_789
memory = "16MiB"
deadline_ms = 2500
"#;

fn told(imports: &str, functions: &[(&str, &str)], manifest: &str) -> String {
    let functions: Vec<_> = functions.iter().map(|(name, _)| (*name, "")).zip(functions).collect();
    let exports: Vec<_> = functions.iter().map(|(export, _)| *export).collect();
    let effects: String = functions
        .iter()
        .map(|(_, (name, effect))| format!("[functions.{name}]\neffect = \"{effect}\"\n"))
        .collect();
    let sample = Sample::new(&component(imports, &exports, ""), &format!("{effects}{manifest}"));
    let subject = sample.subject();
    let lines = worst_case(subject.info, subject.manifest);
    lines.iter().map(|WorstCase { need, sentence }| format!("{need}: {sentence}\n")).collect()
}

#[test]
fn each_need_has_its_sentence() {
    let all = format!("{HTTP}{DIRS}{FILES}{STORE}{MEMORY}{CONFIG}{OTHERS}");
    let mixed = [("get", "read"), ("remove", "write"), ("update", "write")];
    insta::assert_snapshot!("some_functions_write", told(&all, &mixed, NEEDS));
    insta::assert_snapshot!("all_functions_write", told(&all, &[("update", "write")], NEEDS));
    insta::assert_snapshot!("no_function_writes", told(&all, &[("get", "read")], NEEDS));
    let many: Vec<_> =
        [("a", "write"), ("b", "write"), ("c", "write"), ("d", "write"), ("e", "write"), ("f", "read")]
            .into();
    assert!(
        told(&all, &many, NEEDS)
            .contains("PATCH and DELETE only from its 5 functions that are declared `write`.")
    );
}

#[test]
fn what_is_not_imported_cannot_be_done_and_what_is_not_needed_is_refused() {
    let write = [("update", "write")];
    insta::assert_snapshot!("imports_nothing", told("", &write, NEEDS));
    let all = format!("{HTTP}{DIRS}{FILES}{STORE}{MEMORY}{CONFIG}{OTHERS}{SOCKETS}");
    insta::assert_snapshot!("needs_nothing", told(&all, &write, ""));
    let read_only = format!("{DIRS}{FILES}").replace("unlink-file-at", "readlink-at");
    let told_dir = told(&read_only, &write, "[needs.dir.workspace]\nmode = \"rw\"\n");
    assert!(told_dir.contains("it asks to, but imports nothing that could"), "{told_dir}");
    assert!(told(STRANGE, &write, "").contains("wasi:nn/tensor@0.2.0, which no tool gets"));
    let cached = told(CACHE, &write, "[needs.cache]\n");
    assert!(
        cached.contains("cache: With `cache` it can read and replace what its own earlier calls"),
        "{cached}"
    );
    assert!(told("", &write, "[needs.cache]\n").contains("it does not import strongroom:host/cache."));
    assert!(told(CACHE, &write, "").contains("It imports strongroom:host/cache without a need for it"));
    assert!(told("", &write, "").contains("imports: It imports nothing that reaches out of a call"));
}

#[test]
fn differences_are_reported_for_viewers_by_the_schema() {
    let old = Sample::new(&component(HTTP, &[("get", "")], ""), "[functions.get]\neffect = \"read\"\n");
    let new = "[functions.put]\neffect = \"write\"\n[needs.http.api]\nmethods = [\"GET\"]\npaths = [\"/a\"]\n\
               [limits]\nfuel = 2_000_000_000\n";
    let new = Sample::new(&component(&format!("{HTTP}{STORE}"), &[("put", "")], ""), new);
    let subject = new.subject();
    let found = differences(old.subject().into(), subject.into());
    let validator = jsonschema::validator_for(&sarif_schema()).unwrap();
    for (manifest, text) in [(None, None), (Some("tool.toml"), subject.text)] {
        let report = sarif_differences(&found, &Files { component: "new/probe.wasm", manifest }, text);
        let faults: Vec<_> = validator.iter_errors(&report).map(|e| e.to_string()).collect();
        assert!(faults.is_empty(), "{faults:?}");
        let results = report["runs"][0]["results"].as_array().unwrap();
        let shown: Vec<_> = results
            .iter()
            .map(|result| {
                let place = &result["locations"][0]["physicalLocation"];
                let rule = result["ruleIndex"].as_u64().unwrap() as usize;
                assert_eq!(report["runs"][0]["tool"]["driver"]["rules"][rule]["id"], result["ruleId"]);
                let (id, level) = (result["ruleId"].as_str().unwrap(), result["level"].as_str().unwrap());
                format!("{id} {level} {} {}", place["artifactLocation"]["uri"], place["region"]["startLine"])
            })
            .collect();
        let at = |line: u64| match manifest {
            Some(_) => format!("\"tool.toml\" {line}"),
            None => "\"new/probe.wasm\" null".to_owned(),
        };
        assert_eq!(
            shown,
            [
                format!("more-functions error {}", at(3)),
                "more-imports error \"new/probe.wasm\" null".to_owned(),
                format!("higher-limits note {}", at(9)),
                format!("more-needs warning {}", at(5)),
                // The function that is gone has no line of its own any more.
                format!("breaks-callers warning {}", at(3)),
            ]
        );
    }
}

#[test]
fn what_was_accepted_is_read_back_as_it_was_written() {
    let all = format!("{HTTP}{DIRS}{FILES}{STORE}{MEMORY}{CONFIG}{OTHERS}");
    let wide = Sample::new(&component(&all, &[("get", "")], ""), NEEDS);
    let bare = Sample::new(&component("", &[("get", "")], ""), "");
    for (sample, other) in [(&wide, &bare), (&bare, &wide)] {
        let powers = Powers::of(sample.subject().into());
        let text = serde_json::to_string(&powers).unwrap();
        let read: Powers = serde_json::from_str(&text).unwrap();
        assert_eq!(read, powers);
        assert!(powers.beyond(&read).is_empty());
        let other = Powers::of(other.subject().into());
        assert_eq!(powers.beyond(&other), read.beyond(&other));
        assert!(serde_json::from_str::<Powers>(&text.replacen('{', "{\"more\": 1, ", 1)).is_err());
    }
}
