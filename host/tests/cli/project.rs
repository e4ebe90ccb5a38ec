//! `new`: the project that it makes builds and passes its own test, offline.

use crate::house::{House, Told, told};
use crate::words;
use std::path::PathBuf;
use std::process::Command;

/// One folder for all runs of this test, so that the SDK's dependencies are built once.
fn target() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.ancestors().nth(3).unwrap().join("new-project")
}

fn cargo(house: &House, words: &[&str]) -> Told {
    let mut command = assert_cmd::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(house.path().join("parcel-tracker")).env("CARGO_TARGET_DIR", target());
    command.env_remove("RUSTFLAGS").args(words).arg("--offline");
    told(&mut command)
}

fn has_wasm_target() -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let libdir =
        Command::new(rustc).args(["--print", "target-libdir", "--target", "wasm32-wasip2"]).output().unwrap();
    let place = String::from_utf8_lossy(&libdir.stdout).trim().to_owned();
    std::fs::read_dir(place).is_ok_and(|files| {
        files.flatten().any(|file| file.file_name().to_string_lossy().starts_with("libstd-"))
    })
}

#[test]
fn a_new_project_builds_tests_and_runs() {
    let house = House::new();
    house.run(["new", "parcel-tracker"]).ok().says("cargo test");
    house.run(["new", "parcel-tracker"]).failed(2, "usage").says("not empty");
    let tested = cargo(&house, &["test"]);
    assert!(tested.ok().stdout.contains("2 passed"), "{tested:?}");
    if !has_wasm_target() {
        eprintln!("no wasm32-wasip2 in this toolchain: the component of the new project is not built");
        return;
    }
    cargo(&house, &["build", "--release", "--target", "wasm32-wasip2"]).ok();
    let component = target().join("wasm32-wasip2/release/parcel_tracker.wasm");
    let greeted = house.run(words!["run", &component, "greet", r#"{"name": "Ada"}"#]);
    assert_eq!(greeted.ok().stdout, "\"Hello, Ada!\"\n");
    house.run(words!["install", &component]).ok();
    let called = house.run(["call", "parcel-tracker.greet", r#"{"name": "Ada", "language": "german"}"#]);
    assert_eq!(called.ok().stdout, "\"Guten Tag, Ada!\"\n");
}
