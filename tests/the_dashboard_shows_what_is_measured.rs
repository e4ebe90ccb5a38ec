//! The dashboard asks for metrics and labels that there are, it shows all of them, and the documentation has them with
//! unit, kind and meaning.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use strongroom::telemetry::{METRICS, MetricKind};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every text under the key `expr`, anywhere.
fn queries(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "expr" => into.push(text.clone()),
                    member => queries(member, into),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| queries(item, into)),
        _ => {}
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

#[test]
fn the_dashboard_asks_for_every_metric_and_for_no_other() {
    let dashboard: Value = serde_json::from_str(&read("docs/grafana/strongroom.json")).unwrap();
    let mut all = Vec::new();
    queries(&dashboard, &mut all);
    assert!(all.len() >= 10);
    let ours = |word: &&str| {
        word.starts_with("strongroom_") || word.starts_with("mcp_") || word.starts_with("gen_ai_")
    };
    let mut asked = BTreeSet::new();
    for query in &all {
        for word in words(query).filter(ours) {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end));
            let metric = METRICS.iter().find(|m| match m.kind {
                MetricKind::Histogram(_) => base == Some(m.prometheus),
                _ => m.prometheus == word,
            });
            let label = METRICS.iter().any(|m| m.prometheus_labels().any(|label| label == word));
            assert!(metric.is_some() || label, "{word} is neither a metric nor a label: {query}");
            asked.extend(metric.map(|metric| metric.prometheus));
        }
    }
    let known: BTreeSet<_> = METRICS.iter().map(|metric| metric.prometheus).collect();
    assert_eq!(asked, known);
}

#[test]
fn the_documentation_has_the_table() {
    let docs = read("docs/telemetry.md");
    let mut table = String::from("| `/metrics` | OTLP | kind, unit | labels | |\n|---|---|---|---|---|\n");
    for metric in METRICS {
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram(_) => "histogram",
        };
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        table.push_str(&format!(
            "| `{}` | `{}` | {kind}, {} | {} | {} |\n",
            metric.prometheus,
            metric.otlp,
            metric.unit,
            labels.join(" "),
            metric.help
        ));
    }
    assert!(docs.contains(&table), "docs/telemetry.md should hold:\n{table}");
}
