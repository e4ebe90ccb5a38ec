//! The protocol's own conformance suite finds the server as the specification wants it, in both revisions.
//!
//! The suite calls tools, resources and prompts of certain names. Those here are a component that goes through the whole
//! pipeline of the program as an operator starts it, with what its tenant grants it. (That the program fails nothing for
//! which no such component is needed, without one, is a test of the command line.)

mod key;

use strongroom_tests::{Serving, components, conformance, house};
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

/// A tenant that grants the fixtures what they need.
const RULES: &str = "[tools]\nallow = [\"mcp\"]\n[grants.mcp.ask]\n";

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_fails_nothing() {
    let house = house().tool("mcp").file("strongroom.toml", NAMES).tenant("acme", RULES).build().await;
    let key = house.key("acme").await;
    let folder = house.leave().await;
    let mut serving = Serving::start(folder.path());
    let url = format!("http://{}/mcp", key::shown(serving.address.clone(), key).await);
    for revision in ["2026-07-28", "2025-11-25"] {
        let url = url.clone();
        let failed = spawn_blocking(move || conformance::run(&components(), &url, revision)).await.unwrap();
        assert!(failed.is_empty(), "{revision}: {failed:#?}");
    }
    serving.terminate();
    assert!(spawn_blocking(move || serving.ended()).await.unwrap().success());
}
