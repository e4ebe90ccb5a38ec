//! The program as an operator starts it, without any fixture, passes every scenario of the Model Context Protocol's conformance
//! suite that asks for none.

#[path = "../../../tests/support/conformance.rs"]
#[expect(unreachable_pub, reason = "the tests of the library share it")]
mod suite;

use crate::house::{House, component};
use crate::server::Server;
use std::collections::BTreeSet;

/// Scenarios that call a tool, a resource or a prompt of a certain name: in both revisions, and in each.
const BOTH: &[&str] = &[
    "prompts-get-embedded-resource",
    "prompts-get-simple",
    "prompts-get-with-args",
    "prompts-get-with-image",
    "resources-read-binary",
    "resources-read-text",
    "resources-templates-read",
    "tools-call-audio",
    "tools-call-embedded-resource",
    "tools-call-error",
    "tools-call-image",
    "tools-call-mixed-content",
    "tools-call-simple-text",
    "tools-call-with-progress",
];
const EACH: &[(&str, &[&str])] = &[
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
            "server-stateless",
        ],
    ),
    (
        "2025-11-25",
        &[
            "elicitation-sep1034-defaults",
            "elicitation-sep1330-enums",
            "resources-subscribe",
            "resources-unsubscribe",
            "tools-call-elicitation",
            "tools-call-sampling",
            "tools-call-with-logging",
        ],
    ),
];

#[test]
fn what_fails_asks_for_a_fixture() {
    let house = House::new();
    let server = Server::start(&house);
    let url = format!("http://{}/mcp", server.address());
    let components = component("echo");
    for (revision, fixtures) in EACH {
        let failed = suite::run(components.parent().unwrap(), &url, revision);
        let names: BTreeSet<_> = failed.keys().map(String::as_str).collect();
        assert_eq!(names, BOTH.iter().chain(*fixtures).copied().collect(), "{revision}: {failed:#?}");
        // Of many checks of one scenario, those alone that say what they miss.
        let mut whole = failed.get("server-stateless").into_iter().flatten();
        assert!(whole.all(|check| check.contains("Not testable")), "{failed:#?}");
    }
}
