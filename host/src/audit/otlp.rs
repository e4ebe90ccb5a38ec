//! Entries in the words of OpenTelemetry: log records in OTLP's JSON form.
//!
//! Takes: [`Entry`]. Gives: one `ExportLogsServiceRequest` as JSON. May name: reason.

use super::{Entry, Phase};
use crate::reason::Outcome;
use serde_json::{Value, json};

/// What stands elsewhere in the record: its time, its body, its event's name.
const ELSEWHERE: [&str; 3] = ["time_us", "action", "phase"];

/// The attributes that a field of an entry becomes; a field that is not here is `strongroom.` and its own name.
const NAMES: [(&str, &str); 12] = [
    ("schema", "strongroom.audit.schema"),
    ("seq", "strongroom.audit.seq"),
    ("tenant_id", "strongroom.tenant.id"),
    ("actor_id", "user.id"),
    ("call_id", "strongroom.call.id"),
    ("replayed_call_id", "strongroom.replayed_call.id"),
    ("component", "strongroom.component.digest"),
    ("policy", "strongroom.policy.digest"),
    ("policies", "strongroom.policy.ids"),
    ("arguments", "strongroom.arguments.digest"),
    ("idempotency_key", "strongroom.idempotency_key.digest"),
    ("fuel", "strongroom.fuel.consumed"),
];

/// A number of OpenTelemetry's severities and its name.
type Severity = (u64, &'static str);

/// Entries as one OTLP/JSON request of log records, as a line of a file that OpenTelemetry's collector reads. Nothing of an
/// entry is lost. Records have no trace: the log does not hold in which trace a call was made.
///
/// # Errors
/// When an entry cannot be written as JSON, which no entry of a log is.
pub fn otlp(entries: &[Entry]) -> Result<Value, serde_json::Error> {
    let version = env!("CARGO_PKG_VERSION");
    let records = entries.iter().map(record).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({
        "resourceLogs": [{
            "resource": { "attributes": [
                attribute("service.name", &json!("strongroom")),
                attribute("service.version", &json!(version)),
            ] },
            "scopeLogs": [{
                "scope": { "name": "strongroom.audit", "version": version },
                "logRecords": records,
            }],
        }],
    }))
}

fn record(entry: &Entry) -> Result<Value, serde_json::Error> {
    let (number, text) = severity(entry);
    // A time in nanoseconds fits for the next five hundred years.
    let nanos = entry.time_us.saturating_mul(1000).to_string();
    Ok(json!({
        "timeUnixNano": nanos,
        "observedTimeUnixNano": nanos,
        "severityNumber": number,
        "severityText": text,
        "eventName": format!("strongroom.audit.{}", word(&serde_json::to_value(entry.phase)?)),
        "body": any(&json!(entry.action)),
        "attributes": attributes(entry)?,
    }))
}

fn severity(entry: &Entry) -> Severity {
    match entry.outcome {
        Outcome::Executed | Outcome::Replayed | Outcome::Cached => (9, "INFO"),
        Outcome::Denied | Outcome::Failed => (13, "WARN"),
        // That an effect is about to happen is nothing to worry about; that nobody knows whether it has, is.
        Outcome::Unknown if is_open(entry) => (9, "INFO"),
        Outcome::Unknown => (17, "ERROR"),
    }
}

/// Whether the entry is of something that had not ended yet.
fn is_open(entry: &Entry) -> bool {
    matches!(entry.phase, Phase::Intent | Phase::Import)
}

fn attributes(entry: &Entry) -> Result<Vec<Value>, serde_json::Error> {
    let mut attributes = Vec::new();
    if let Some(function) = entry.action.strip_prefix("call ") {
        attributes.push(attribute("gen_ai.operation.name", &json!("execute_tool")));
        attributes.push(attribute("gen_ai.tool.name", &json!(function)));
    }
    if !matches!(entry.outcome, Outcome::Executed | Outcome::Replayed | Outcome::Cached) && !is_open(entry) {
        attributes.push(attribute("error.type", &json!(entry.reason_code)));
    }
    if let Value::Object(fields) = serde_json::to_value(entry)? {
        let shown =
            fields.iter().filter(|(field, value)| !ELSEWHERE.contains(&field.as_str()) && !value.is_null());
        attributes.extend(shown.map(|(field, value)| attribute(&name(field), value)));
    }
    Ok(attributes)
}

fn name(field: &str) -> String {
    let known = NAMES.iter().find(|(known, _)| *known == field);
    known.map_or_else(|| format!("strongroom.{field}"), |(_, name)| (*name).to_owned())
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn attribute(key: &str, value: &Value) -> Value {
    json!({ "key": key, "value": any(value) })
}

/// A value of protobuf's `AnyValue`, whose integers have 63 bits and stand as text; a greater one is text altogether.
fn any(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(bool) => json!({ "boolValue": bool }),
        Value::Number(number) if number.is_i64() => json!({ "intValue": number.to_string() }),
        Value::Number(number) => json!({ "stringValue": number.to_string() }),
        Value::String(text) => json!({ "stringValue": text }),
        Value::Array(values) => {
            json!({ "arrayValue": { "values": values.iter().map(any).collect::<Vec<_>>() } })
        }
        Value::Object(members) => {
            let values: Vec<Value> = members.iter().map(|(key, value)| attribute(key, value)).collect();
            json!({ "kvlistValue": { "values": values } })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::all;
    use super::*;
    use crate::id::CallId;
    use crate::reason::Reason;
    use serde_json::Map;

    fn records(entries: &[Entry]) -> Vec<Value> {
        let request = otlp(entries).unwrap();
        request.pointer("/resourceLogs/0/scopeLogs/0/logRecords").unwrap().as_array().unwrap().clone()
    }

    #[test]
    fn an_executed_call_is_this_record() {
        let executed = all().into_iter().find(|entry| !entry.imports.is_empty()).unwrap();
        let text = serde_json::to_string_pretty(&otlp(&[executed]).unwrap()).unwrap();
        insta::assert_snapshot!(text.replace(&format!("\"{}\"", env!("CARGO_PKG_VERSION")), "\"[version]\""));
    }

    /// The value that an `AnyValue` stands for, by the rules of OTLP's JSON form alone.
    fn value(any: &Value) -> Value {
        let members = any.as_object().unwrap();
        assert!(members.len() <= 1, "{any}");
        let Some((kind, value)) = members.iter().next() else { return Value::Null };
        let list = || value["values"].as_array().unwrap().iter();
        match kind.as_str() {
            "stringValue" => json!(value.as_str().unwrap()),
            "intValue" => json!(value.as_str().unwrap().parse::<i64>().unwrap()),
            "arrayValue" => list().map(self::value).collect(),
            "kvlistValue" => Value::Object(list().map(pair).collect()),
            other => panic!("{other}"),
        }
    }

    fn pair(attribute: &Value) -> (String, Value) {
        assert_eq!(attribute.as_object().unwrap().len(), 2);
        (attribute["key"].as_str().unwrap().to_owned(), value(&attribute["value"]))
    }

    #[test]
    fn records_keep_to_the_rules_of_otlp_and_nothing_of_an_entry_is_lost() {
        let entries = all();
        let records = records(&entries);
        assert_eq!(records.len(), entries.len());
        for (entry, record) in entries.into_iter().zip(records) {
            let nanos = record["timeUnixNano"].as_str().unwrap().parse::<u64>().unwrap();
            assert_eq!(
                (nanos, &record["observedTimeUnixNano"]),
                (entry.time_us * 1000, &record["timeUnixNano"])
            );
            assert!(record["severityNumber"].as_u64().is_some_and(|n| (1..=24).contains(&n)), "{record}");
            assert!(record["severityText"].is_string(), "{record}");
            assert!(record.get("traceId").is_none() && record.get("spanId").is_none(), "nobody knows them");
            let pairs: Vec<(String, Value)> =
                record["attributes"].as_array().unwrap().iter().map(pair).collect();
            let given: Map<String, Value> = pairs.iter().cloned().collect();
            assert_eq!(given.len(), pairs.len(), "a key stands twice: {record}");
            let mut back = json!({ "tenant_id": null, "actor_id": null });
            for (key, value) in given {
                let field = NAMES.iter().find(|(_, name)| *name == key).map(|(field, _)| *field);
                match field.or_else(|| key.strip_prefix("strongroom.")) {
                    Some(field) => back[field] = value,
                    None => assert!(key.starts_with("gen_ai.") || key == "error.type", "{key}"),
                }
            }
            back["time_us"] = json!(nanos / 1000);
            back["action"] = value(&record["body"]);
            back["phase"] = json!(record["eventName"].as_str().unwrap().strip_prefix("strongroom.audit."));
            assert_eq!(serde_json::from_value::<Entry>(back).unwrap(), entry);
        }
    }

    #[test]
    fn severity_follows_the_outcome_and_only_what_went_wrong_has_an_error() {
        let is = |entry: &Entry| {
            let record = records(std::slice::from_ref(entry)).remove(0);
            let attributes: Map<String, Value> =
                record["attributes"].as_array().unwrap().iter().map(pair).collect();
            (record["severityNumber"].as_u64().unwrap(), attributes.get("error.type").cloned())
        };
        let call = |reason, outcome| Entry::outcome(1, "call orders.get", reason, outcome);
        assert_eq!(is(&call(Reason::Ok, Outcome::Executed)), (9, None));
        assert_eq!(is(&call(Reason::Ok, Outcome::Replayed)), (9, None));
        assert_eq!(is(&call(Reason::PolicyDenied, Outcome::Denied)), (13, Some(json!("policy_denied"))));
        assert_eq!(is(&call(Reason::Trapped, Outcome::Failed)), (13, Some(json!(Reason::Trapped.code()))));
        let intent = Entry::intent(1, "call orders.get", CallId::new(1, [7; 10]));
        assert_eq!(is(&intent), (9, None));
        assert_eq!(is(&Entry::closing(&intent, 2)), (17, Some(json!("outcome_unknown"))));
    }

    #[test]
    fn a_number_that_no_signed_integer_holds_is_text() {
        assert_eq!(any(&json!(i64::MAX)), json!({ "intValue": "9223372036854775807" }));
        assert_eq!(any(&json!(u64::MAX)), json!({ "stringValue": "18446744073709551615" }));
    }
}
