//! The folder list tells the flow, headers tell what each file takes, gives and may name, and no file breaks its word.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Longest file, in lines; above that it has more than one reason to exist.
const LONGEST: usize = 400;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && name != "vendor" {
            rust_files(&path, into);
        } else if name.ends_with(".rs") {
            into.push(path);
        }
    }
}

fn files(folders: &[&str]) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for folder in folders.iter().filter(|folder| root().join(folder).is_dir()) {
        rust_files(&root().join(folder), &mut all);
    }
    all.sort();
    all
}

/// The `//!` lines at the top of a file, as one text.
fn header(text: &str) -> String {
    let lines = text.lines().take_while(|line| line.starts_with("//!"));
    lines.map(|line| line.trim_start_matches("//!").trim()).collect::<Vec<_>>().join(" ")
}

/// The modules that a header allows: what stands between `May name:` and the end of that sentence.
fn may_name(header: &str) -> Option<BTreeSet<String>> {
    let list = header.split("May name:").nth(1)?.split('.').next()?;
    let words = list.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    Some(words.filter(|w| !w.is_empty()).map(|w| w.split(':').next().unwrap_or(w).to_owned()).collect())
}

/// The top-level modules that the code names, tests left out.
fn named(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    let code = code.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    code.split("crate::")
        .skip(1)
        .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .filter(|name: &String| {
            root().join("host/src").join(name).is_dir()
                || root().join(format!("host/src/{name}.rs")).is_file()
        })
        .collect()
}

#[test]
fn every_module_of_the_host_says_what_it_names_and_keeps_to_it() {
    let source = root().join("host/src");
    let mut faults = Vec::new();
    for path in files(&["host/src"]) {
        let shown = path.strip_prefix(&source).unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let head = header(&text);
        if head.is_empty() {
            faults.push(format!("{shown}: no `//!` header"));
            continue;
        }
        let test_only = shown.contains("tests") || shown.contains("golden") || shown.contains("sample");
        if shown.starts_with("cli/") || shown == "main.rs" || shown == "lib.rs" || test_only {
            continue;
        }
        let own = shown.split(['/', '.']).next().unwrap_or_default().to_owned();
        let folder = std::fs::read_to_string(source.join(&own).join("mod.rs"))
            .or_else(|_| std::fs::read_to_string(source.join(format!("{own}.rs"))))
            .unwrap_or_default();
        let allowed: Vec<_> = [may_name(&head), may_name(&header(&folder))].into_iter().flatten().collect();
        if allowed.is_empty() {
            faults.push(format!("{shown}: the header does not say what it may name"));
            continue;
        }
        let everything = allowed.iter().any(|a| a.contains("every"));
        for name in named(&text) {
            if name != own && !everything && !allowed.iter().any(|a| a.contains(&name)) {
                faults.push(format!("{shown}: names `{name}`, which its header does not allow"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn files_are_small_and_have_one_reason_to_exist() {
    let mut faults = Vec::new();
    for path in files(&["host", "guest-sdk", "plugins", "tests", "xtask"]) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        if lines > LONGEST {
            faults.push(format!("{}: {lines} lines", path.display()));
        }
        if ["utils", "util", "common", "helpers", "helper", "manager", "misc"].contains(&name.as_str()) {
            faults.push(format!("{}: the name says nothing", path.display()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_guest_has_a_test_and_every_promise_is_declared() {
    let tests: String = files(&["tests", "host/tests"])
        .iter()
        .filter(|path| !path.components().any(|c| c.as_os_str() == "guests"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    for entry in std::fs::read_dir(root().join("tests/guests/src")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.extension().is_some_and(|e| e == "rs") && name != "lib" {
            assert!(tests.contains(&format!("\"{name}\"")), "the guest {name} is used by no test");
        }
    }
    let declared = std::fs::read_to_string(root().join("tests/promises.rs")).unwrap();
    let alone = std::fs::read_to_string(root().join("tests/Cargo.toml")).unwrap();
    for entry in std::fs::read_dir(root().join("tests")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.extension().is_some_and(|e| e == "rs") && name != "promises" && name != "support" {
            let runs =
                declared.contains(&format!("mod {name};")) || alone.contains(&format!("\"{name}.rs\""));
            assert!(runs, "tests/{name}.rs is not declared, so it never runs");
        }
    }
}
