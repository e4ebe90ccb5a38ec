//! Findings as SARIF 2.1.0, which code-scanning viewers show.
//!
//! Takes: findings and the files that they are about. Gives: a JSON document. May name: nothing.

use super::{Finding, Rule};
use serde_json::{Value, json};

/// The files of a review, as the report names them: relative where it can be, with `/` between names.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// The component.
    pub component: &'a str,
    /// The manifest, when it is a file of its own; one in the component has no lines that a viewer could show.
    pub manifest: Option<&'a str>,
}

/// The document. `accepted` are findings that somebody answers for: they are marked as suppressed.
#[must_use]
pub fn sarif(findings: &[Finding], accepted: &[Finding], files: &Files<'_>) -> Value {
    let open = findings.iter().map(|finding| result(finding, files, json!([])));
    let external = json!([{ "kind": "external", "status": "accepted" }]);
    let suppressed = accepted.iter().map(|finding| result(finding, files, external.clone()));
    let rules: Vec<Value> = Rule::ALL.iter().map(|rule| descriptor(*rule)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "strongroom audit-manifest",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": open.chain(suppressed).collect::<Vec<_>>(),
        }],
    })
}

fn descriptor(rule: Rule) -> Value {
    json!({
        "id": rule.id(),
        "shortDescription": { "text": rule.about() },
        "help": { "text": rule.help() },
        "defaultConfiguration": { "level": rule.severity().as_str() },
    })
}

fn result(finding: &Finding, files: &Files<'_>, suppressions: Value) -> Value {
    let place = &finding.place;
    let physical = match (place.line, files.manifest) {
        (Some(line), Some(manifest)) => {
            json!({ "artifactLocation": { "uri": uri(manifest) }, "region": { "startLine": line } })
        }
        _ => json!({ "artifactLocation": { "uri": uri(files.component) } }),
    };
    let index = Rule::ALL.iter().position(|rule| *rule == finding.rule);
    json!({
        "ruleId": finding.rule.id(),
        "ruleIndex": index,
        "level": finding.severity.as_str(),
        "message": { "text": finding.message },
        "locations": [{
            "physicalLocation": physical,
            "logicalLocations": [{ "fullyQualifiedName": place.item }],
        }],
        "suppressions": suppressions,
    })
}

/// A path as a URI reference: what is not plain is percent-encoded, so that no name becomes a scheme or a query.
fn uri(path: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'-' | b'_' | b'~');
    path.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
