//! The protocol's own conformance suite finds the server as the specification wants it, in both revisions.
//!
//! The suite calls tools, resources and prompts of certain names. Those here are a component that goes through the whole
//! pipeline, with what its tenant grants it. (That the program itself, without such a component, fails nothing
//! for which none is needed is a test of the command line.)

use crate::http_api::client::Served;
use std::sync::Arc;
use strongroom::config::{AskGrant, Settings, ToolGrant};
use strongroom::id::ToolName;
use strongroom::powers::Home;
use strongroom_tests::{components, conformance, house};
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

/// The settings of a host whose only tenant grants the fixtures what they need.
fn settings() -> Settings {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("strongroom.toml"), NAMES).unwrap();
    let mut settings = Settings::load(Home::open(folder.path()).unwrap().dir()).unwrap();
    for tenant in settings.tenants.values_mut() {
        let grant = ToolGrant { ask: Some(AskGrant::default()), ..ToolGrant::default() };
        let rules = Arc::make_mut(&mut Arc::make_mut(tenant).rules);
        rules.grants.insert(ToolName::new("mcp").unwrap(), grant);
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
        let failed = spawn_blocking(move || conformance::run(&components(), &url, revision)).await.unwrap();
        assert!(failed.is_empty(), "{revision}: {failed:#?}");
    }
}
