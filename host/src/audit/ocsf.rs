//! An entry in the words of the Open Cybersecurity Schema Framework: class API Activity.
//!
//! Takes: [`Entry`]. Gives: one event as JSON. May name: reason.

use super::{Decision, Entry, Phase};
use crate::reason::Outcome;
use serde_json::{Map, Value, json};

/// The version of the schema that the events follow.
pub const OCSF_VERSION: &str = "1.5.0";

/// API Activity, in the category Application Activity.
const CLASS: u64 = 6003;
const CATEGORY: u64 = 6;

/// What stands elsewhere in the event without loss.
const MAPPED: [&str; 5] = ["seq", "tenant_id", "actor_id", "reason_code", "call_id"];

/// A number of the schema and its caption.
type Word = (u64, &'static str);

/// The entry as an event of class API Activity (6003). Nothing of the entry is lost: what the class has no attribute for
/// stands in `unmapped` under the entry's own names. The attribute `src_endpoint` is left out: the log does not hold where
/// a call came from.
///
/// # Errors
/// When the entry cannot be written as JSON, which no entry of a log is.
pub fn ocsf(entry: &Entry) -> Result<Value, serde_json::Error> {
    let (activity, severity, status) = (activity(entry), severity(entry), status(entry));
    let mut event = json!({
        "activity_id": activity.0,
        "activity_name": activity.1,
        "actor": actor(entry),
        "api": { "operation": entry.action.strip_prefix("call ").unwrap_or(&entry.action) },
        "category_name": "Application Activity",
        "category_uid": CATEGORY,
        "class_name": "API Activity",
        "class_uid": CLASS,
        "metadata": {
            "product": { "name": "strongroom", "vendor_name": "Strongroom", "version": env!("CARGO_PKG_VERSION") },
            "sequence": entry.seq,
            "version": OCSF_VERSION,
        },
        "severity": severity.1,
        "severity_id": severity.0,
        "status": status.1,
        "status_detail": entry.reason_code.code(),
        "status_id": status.0,
        "time": entry.time_us / 1000,
        "type_name": format!("API Activity: {}", activity.1),
        "type_uid": CLASS * 100 + activity.0,
        "unmapped": unmapped(entry)?,
    });
    if let Some(tenant) = &entry.tenant_id {
        set(&mut event, "/metadata", "tenant_uid", json!(tenant));
    }
    if let Some(call) = &entry.call_id {
        set(&mut event, "/metadata", "correlation_uid", json!(call));
        set(&mut event, "/api", "request", json!({ "uid": call }));
    }
    Ok(event)
}

fn set(event: &mut Value, place: &str, name: &str, value: Value) {
    if let Some(Value::Object(members)) = event.pointer_mut(place) {
        members.insert(name.to_owned(), value);
    }
}

/// What was done, as far as this entry shows it: a call that changed nothing outside has read.
fn activity(entry: &Entry) -> Word {
    let effect = |entry: &Entry| {
        let done = entry.imports.iter().filter(|record| record.decision == Decision::Allow);
        matches!(entry.phase, Phase::Intent | Phase::Recovery)
            || done.into_iter().any(|r| r.class == "effect")
    };
    if entry.phase == Phase::Head {
        return (99, "Tree Head");
    }
    if !entry.action.starts_with("call ") {
        let word = entry.action.split(' ').next().unwrap_or_default();
        return match word.rsplit('.').next().unwrap_or_default() {
            "create" => (1, "Create"),
            "delete" | "remove" | "drop" => (4, "Delete"),
            // An admin who looked.
            "list" | "show" | "read" | "self" | "usage" | "health" | "checkpoint" | "verify" | "openapi"
                if word.starts_with("admin.") =>
            {
                (2, "Read")
            }
            _ => (3, "Update"),
        };
    }
    match entry.outcome {
        _ if effect(entry) => (3, "Update"),
        Outcome::Executed | Outcome::Failed => (2, "Read"),
        // Nothing ran, or nobody knows; which of the two the outcome says.
        Outcome::Denied | Outcome::Replayed | Outcome::Cached | Outcome::Unknown => (0, "Unknown"),
    }
}

fn severity(entry: &Entry) -> Word {
    match entry.outcome {
        Outcome::Executed | Outcome::Replayed | Outcome::Cached => (1, "Informational"),
        Outcome::Failed => (2, "Low"),
        Outcome::Denied => (3, "Medium"),
        // That an effect is about to happen is nothing to worry about; that nobody knows whether it has, is.
        Outcome::Unknown if matches!(entry.phase, Phase::Intent | Phase::Import) => (1, "Informational"),
        Outcome::Unknown => (4, "High"),
    }
}

fn status(entry: &Entry) -> Word {
    match entry.outcome {
        Outcome::Executed | Outcome::Replayed | Outcome::Cached => (1, "Success"),
        Outcome::Denied | Outcome::Failed => (2, "Failure"),
        Outcome::Unknown => (0, "Unknown"),
    }
}

/// The schema wants an actor in every event, also where nobody was identified.
fn actor(entry: &Entry) -> Value {
    match &entry.actor_id {
        Some(actor) => json!({ "user": { "uid": actor } }),
        None if entry.action.starts_with("call ") => json!({ "user": { "name": "unknown", "type_id": 0 } }),
        None => json!({ "app_name": "strongroom" }),
    }
}

fn unmapped(entry: &Entry) -> Result<Map<String, Value>, serde_json::Error> {
    let mut rest = match serde_json::to_value(entry)? {
        Value::Object(members) => members,
        other => Map::from_iter([("entry".to_owned(), other)]),
    };
    MAPPED.iter().for_each(|name| {
        rest.remove(*name);
    });
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::super::samples::{all, call, import};
    use super::*;
    use crate::reason::Reason;

    #[test]
    fn an_executed_call_is_this_event() {
        let executed = all().into_iter().find(|entry| !entry.imports.is_empty()).unwrap();
        let mut event = ocsf(&executed).unwrap();
        event["metadata"]["product"]["version"] = "[version]".into();
        insta::assert_snapshot!(serde_json::to_string_pretty(&event).unwrap());
    }

    #[test]
    fn every_event_has_what_the_class_requires() {
        for entry in all() {
            let event = ocsf(&entry).unwrap();
            for number in ["activity_id", "category_uid", "class_uid", "severity_id", "time", "type_uid"] {
                assert!(event[number].is_u64(), "{number}: {event}");
            }
            assert_eq!((&event["class_uid"], &event["category_uid"]), (&json!(6003), &json!(6)));
            assert_eq!(event["type_uid"], 600_300 + event["activity_id"].as_u64().unwrap());
            for text in ["/api/operation", "/metadata/version", "/metadata/product/name"] {
                assert!(event.pointer(text).is_some_and(Value::is_string), "{text}: {event}");
            }
            assert!(event["actor"]["user"].is_object() || event["actor"]["app_name"].is_string(), "{event}");
            assert_eq!(event["metadata"]["sequence"], entry.seq);
            assert_eq!(event["time"], entry.time_us / 1000);
            assert_eq!(event["status_detail"], entry.reason_code.code());
            assert!(event.get("src_endpoint").is_none(), "nobody knows it: {event}");
        }
    }

    #[test]
    fn nothing_of_an_entry_is_lost() {
        for entry in all() {
            let event = ocsf(&entry).unwrap();
            let or_null = |place: &str| event.pointer(place).cloned().unwrap_or_default();
            let mut back = event["unmapped"].clone();
            back["seq"] = or_null("/metadata/sequence");
            back["tenant_id"] = or_null("/metadata/tenant_uid");
            back["actor_id"] = or_null("/actor/user/uid");
            back["reason_code"] = or_null("/status_detail");
            back["call_id"] = or_null("/metadata/correlation_uid");
            assert_eq!(serde_json::from_value::<Entry>(back).unwrap(), entry);
        }
    }

    #[test]
    fn activity_follows_the_effect_and_severity_the_outcome() {
        let is = |entry: &Entry| (activity(entry).0, severity(entry).0, status(entry).0);
        let with = |class, decision| Entry {
            imports: vec![import(class, decision)],
            ..call(Reason::Ok, Outcome::Executed)
        };
        assert_eq!(is(&with("observe", Decision::Allow)), (2, 1, 1));
        assert_eq!(is(&with("effect", Decision::Allow)), (3, 1, 1));
        assert_eq!(is(&with("effect", Decision::Deny)), (2, 1, 1), "nothing happened");
        assert_eq!(is(&call(Reason::PolicyDenied, Outcome::Denied)), (0, 3, 2));
        assert_eq!(is(&call(Reason::Trapped, Outcome::Failed)), (2, 2, 2));
        let intent = Entry { phase: Phase::Intent, ..call(Reason::Ok, Outcome::Unknown) };
        assert_eq!((is(&intent), is(&Entry::closing(&intent, 9))), ((3, 1, 0), (3, 4, 0)));
        let own = |action: &str| Entry::outcome(1, action, Reason::Ok, Outcome::Executed);
        for (action, id) in [
            ("key.create k", 1),
            ("admin.audit.read", 2),
            ("admin.key.create", 1),
            ("admin.key.revoke", 3),
            ("tenant.delete a ends", 4),
            ("kill tool orders", 3),
        ] {
            assert_eq!(activity(&own(action)).0, id, "{action}");
        }
    }
}
