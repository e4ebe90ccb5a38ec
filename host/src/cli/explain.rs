//! What a call did, for people and for programs.
//!
//! Takes: a [`Receipt`]. Gives: text and JSON. May name: settle, imports, storage.

use super::out::Table;
use serde_json::{Value, json};
use strongroom::imports::{Decision, ImportRecord};
use strongroom::settle::{FromCache, Receipt};
use strongroom::storage::ledger::Usage;

/// Every import call, then what the whole came to.
pub(crate) fn text(receipt: &Receipt) -> String {
    let mut table = Table::new(["import", "class", "decision", "count", "in", "out", "fuel", "target"]);
    for record in &receipt.imports {
        table.row([
            record.import.name(),
            record.class().as_str().to_owned(),
            decision(record).to_owned(),
            record.count.to_string(),
            record.bytes_in.to_string(),
            record.bytes_out.to_string(),
            record.fuel.to_string(),
            record.target.as_deref().unwrap_or("").to_owned(),
        ]);
    }
    let (fuel, took) = (receipt.fuel, receipt.took.as_micros());
    let end = format!("{} {}  fuel {fuel}  {took} µs  {}", receipt.outcome, receipt.reason, receipt.call_id);
    let imports =
        if receipt.imports.is_empty() { "no import was called".to_owned() } else { table.to_string() };
    let budget = |usage: &Usage| format!("{} left of {}\n", usage.left(), usage.budget);
    let budgets: String = receipt.budgets.iter().map(budget).collect();
    format!("{imports}\n{budgets}{end}")
}

/// The receipt; the result is in it as JSON, not as text.
pub(crate) fn json(receipt: &Receipt) -> Value {
    let value = receipt.value.as_deref().map(|text| {
        // The text is the host's own output; should it not read back, it is still better shown than lost.
        serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
    });
    json!({
        "call_id": receipt.call_id,
        "tenant": receipt.tenant,
        "actor": receipt.actor,
        "reason_code": receipt.reason,
        "outcome": receipt.outcome,
        "value": value,
        "message": receipt.message,
        "retry_after_ms": receipt.retry_after_ms,
        "cached": receipt.cached.map(from),
        "fuel": receipt.fuel,
        "took_us": u64::try_from(receipt.took.as_micros()).unwrap_or(u64::MAX),
        "budgets": receipt.budgets,
        "imports": receipt.imports.iter().map(record).collect::<Vec<_>>(),
    })
}

fn from(cached: FromCache) -> Value {
    json!({ "call_id": cached.call_id, "age_ms": cached.age_ms, "left_ms": cached.left_ms })
}

fn record(record: &ImportRecord) -> Value {
    json!({
        "import": record.import.name(),
        "class": record.class(),
        "decision": record.decision,
        "target": record.target.as_deref(),
        "count": record.count,
        "bytes_in": record.bytes_in,
        "bytes_out": record.bytes_out,
        "fuel": record.fuel,
    })
}

fn decision(record: &ImportRecord) -> &'static str {
    match record.decision {
        Decision::Allow => "allow",
        Decision::Deny => "deny",
    }
}
