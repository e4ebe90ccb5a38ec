//! Findings and differences as SARIF 2.1.0, which code-scanning viewers show.
//!
//! Takes: findings or differences, and the files that they are about. Gives: a JSON document. May name: config.

use super::{Difference, Finding, Place, Rule, Weight};
use crate::config::line_of;
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
    let rules = Rule::ALL.iter().map(|rule| {
        let mut described = descriptor(rule.id(), rule.about(), rule.help());
        if let Some(members) = described.as_object_mut() {
            let level = json!({ "level": rule.severity().as_str() });
            members.insert("defaultConfiguration".to_owned(), level);
        }
        described
    });
    report("strongroom audit-manifest", rules.collect(), open.chain(suppressed).collect())
}

/// The document for what a new version could do more, and what it breaks: a result for each difference. `text` is the
/// new version's manifest when it is a file of its own, for its lines.
#[must_use]
pub fn sarif_differences(differences: &[Difference], files: &Files<'_>, text: Option<&str>) -> Value {
    let rules = CHANGES.iter().map(|(id, about, help)| descriptor(id, about, help)).collect();
    let results = differences.iter().map(|difference| {
        let index = change(difference);
        let id = CHANGES.get(index).map(|(id, ..)| *id);
        let path: Vec<&str> = match difference.item.split_once('.') {
            Some(("functions", function)) => vec!["functions", function],
            _ => difference.item.split('.').collect(),
        };
        let line = text.filter(|_| difference.item != "imports").and_then(|text| line_of(text, &path));
        let place = Place { line, item: difference.item.clone() };
        json!({
            "ruleId": id,
            "ruleIndex": index,
            "level": difference.severity.as_str(),
            "message": { "text": difference.message },
            "locations": [location(&place, files)],
        })
    });
    report("strongroom diff", rules, results.collect())
}

/// What differences can be about: an id that never changes its meaning, and two sentences.
const CHANGES: &[(&str, &str, &str)] = &[
    (
        "more-imports",
        "The new version imports what the old one did not.",
        "Ask what it is for; it reaches nothing before a need of the manifest and the tenant's grant allow it.",
    ),
    (
        "more-needs",
        "The new version needs more than the old one did.",
        "Accept it only when the release notes explain it; then look at each tenant's grant.",
    ),
    (
        "more-functions",
        "A function is new, or its declared effect is another.",
        "Look at which tenants and roles may call it: `strongroom who-can TOOL.FUNCTION`.",
    ),
    ("higher-limits", "The new version may use more fuel, memory or time in a call.", "Look at the budgets."),
    (
        "breaks-callers",
        "Callers of the old version are refused, or get what they do not know.",
        "Tell them before it is installed.",
    ),
];

/// The place in [`CHANGES`].
fn change(difference: &Difference) -> usize {
    let about = difference.item.split('.').next().unwrap_or_default();
    match (difference.weight, about) {
        (Weight::Breaks, _) => 4,
        (Weight::AsksForMore, "imports") => 0,
        (Weight::AsksForMore, "needs") => 1,
        (Weight::AsksForMore, "limits") => 3,
        (Weight::AsksForMore, _) => 2,
    }
}

fn report(name: &str, rules: Vec<Value>, results: Vec<Value>) -> Value {
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": name,
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn descriptor(id: &str, about: &str, help: &str) -> Value {
    json!({ "id": id, "shortDescription": { "text": about }, "help": { "text": help } })
}

fn result(finding: &Finding, files: &Files<'_>, suppressions: Value) -> Value {
    let index = Rule::ALL.iter().position(|rule| *rule == finding.rule);
    json!({
        "ruleId": finding.rule.id(),
        "ruleIndex": index,
        "level": finding.severity.as_str(),
        "message": { "text": finding.message },
        "locations": [location(&finding.place, files)],
        "suppressions": suppressions,
    })
}

/// A line of the manifest where there is one to show, or else the component.
fn location(place: &Place, files: &Files<'_>) -> Value {
    let physical = match (place.line, files.manifest) {
        (Some(line), Some(manifest)) => {
            json!({ "artifactLocation": { "uri": uri(manifest) }, "region": { "startLine": line } })
        }
        _ => json!({ "artifactLocation": { "uri": uri(files.component) } }),
    };
    json!({
        "physicalLocation": physical,
        "logicalLocations": [{ "fullyQualifiedName": place.item }],
    })
}

/// A path as a URI reference: what is not plain is percent-encoded, so that no name becomes a scheme or a query.
fn uri(path: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'-' | b'_' | b'~');
    path.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
