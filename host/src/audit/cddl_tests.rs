//! The published description of an entry and the encoder say the same.
//!
//! Takes: `docs/audit.cddl`. Gives: every field of it, compared. May name: id, reason.

use super::{Decision, Entry, Head, ImportRecord, Phase, cbor};
use crate::id::{ActorId, CallId, Digest, TenantId};
use crate::reason::{Outcome, Reason};
use minicbor::decode::Decoder;
use serde_json::Value;

const CDDL: &str = include_str!("../../../docs/audit.cddl");

/// The numbers and names of a rule's fields, and whether each has to be there.
fn fields(rule: &str) -> Vec<(u8, String, bool)> {
    let body = CDDL.split(&format!("\n{rule} = {{\n")).nth(1).unwrap().split("\n}").next().unwrap();
    let line = |line: &str| {
        let (field, name) = line.split_once(';').unwrap();
        let required = !field.trim_start().starts_with('?');
        let number = field.trim_start_matches([' ', '?']).split(':').next().unwrap().parse().unwrap();
        (number, name.trim().to_owned(), required)
    };
    body.lines().map(line).collect()
}

/// The keys of an encoded entry's map, or of its first import's.
fn keys(entry: &Entry, of_import: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    cbor::encode(entry, &mut bytes);
    let mut d = Decoder::new(&bytes);
    let mut fields = d.map().unwrap().unwrap();
    let mut found = Vec::new();
    while fields > 0 {
        let key = d.u8().unwrap();
        if of_import && key == 14 {
            d.array().unwrap();
            fields = d.map().unwrap().unwrap() + 1;
            found.clear();
        } else {
            found.push(key);
            d.skip().unwrap();
        }
        fields -= 1;
    }
    found
}

fn full() -> Entry {
    let digest = Some(Digest::of(b"x"));
    let call = Some(CallId::new(1, [2; 10]));
    let mut entry = Entry::outcome(5, "call orders.get", Reason::Ok, Outcome::Executed);
    entry.tenant_id = Some(TenantId::new("acme").unwrap());
    entry.actor_id = Some(ActorId::new("agent").unwrap());
    (entry.call_id, entry.replayed_call_id) = (call, call);
    (entry.component, entry.policy, entry.arguments, entry.idempotency_key) =
        (digest, digest, digest, digest);
    (entry.fuel, entry.bytes_in, entry.bytes_out, entry.duration_us) = (1, 2, 3, 4);
    (entry.note, entry.policies) = (Some("why".into()), vec!["p".into()]);
    entry.head = Some(Head { size: 1, root: Digest::of(b"y") });
    (entry.charged, entry.egress, entry.spend, entry.stored) = (Some(7), 8, 9, 10);
    entry.imports = vec![ImportRecord {
        import: "wasi:http/outgoing-handler.handle".into(),
        class: "effect".into(),
        decision: Decision::Allow,
        target: Some("https://example.com".into()),
        method: Some("GET".into()),
        why: Some("no right".into()),
        count: 1,
        bytes_in: 2,
        bytes_out: 3,
        fuel: 4,
        first_us: 5,
        last_us: 6,
    }];
    entry
}

/// What is left of an object when everything but one of its optional members is taken away.
fn only(object: &Value, keep: &str, required: &[&str]) -> Value {
    let mut object = object.clone();
    object.as_object_mut().unwrap().retain(|name, _| name == keep || required.contains(&name.as_str()));
    object
}

/// Each optional field alone adds its own number, under the name that JSON gives it.
fn compare(rule: &str, whole: &Value, to_entry: impl Fn(Value) -> Entry, of_import: bool) {
    let fields = fields(rule);
    let required: Vec<&str> = fields.iter().filter(|f| f.2).map(|f| f.1.as_str()).collect();
    let numbers: Vec<u8> = fields.iter().filter(|f| f.2).map(|f| f.0).collect();
    let written = |value: Value| keys(&to_entry(value), of_import);
    assert_eq!(written(only(whole, "", &required)), numbers, "{rule}: the fields that have to be there");
    for (number, name, _) in fields.iter().filter(|f| !f.2) {
        let mut expected = numbers.clone();
        expected.push(*number);
        expected.sort_unstable();
        assert_eq!(written(only(whole, name, &required)), expected, "{rule}: {name}");
    }
    let mut named: Vec<&str> = fields.iter().map(|f| f.1.as_str()).collect();
    let mut json: Vec<&str> = whole.as_object().unwrap().keys().map(String::as_str).collect();
    named.sort_unstable();
    json.sort_unstable();
    assert_eq!(named, json, "{rule}: no field is left out");
}

#[test]
fn the_description_has_the_fields_of_the_encoding_by_number_and_name() {
    let whole = serde_json::to_value(full()).unwrap();
    let mut members = whole.clone();
    members.as_object_mut().unwrap().remove("seq");
    let entry = |mut value: Value| {
        value["seq"] = 0.into();
        serde_json::from_value(value).unwrap()
    };
    compare("entry", &members, entry, false);
    let import = |value: Value| {
        let mut entry = full();
        entry.imports = vec![serde_json::from_value(value).unwrap()];
        entry
    };
    compare("import", &whole["imports"][0], import, true);
}

#[test]
fn the_description_has_every_word_and_number() {
    let one = |rule: &str| CDDL.lines().find(|line| line.starts_with(rule)).unwrap();
    let words: Vec<String> = Outcome::ALL.iter().map(|o| format!("\"{}\"", o.as_str())).collect();
    assert_eq!(one("outcome ="), format!("outcome = {}", words.join(" / ")));
    for phase in [Phase::Intent, Phase::Import, Phase::Outcome, Phase::Recovery, Phase::Head] {
        let mut entry = full();
        entry.phase = phase;
        let mut bytes = Vec::new();
        cbor::encode(&entry, &mut bytes);
        // A map of 25 fields (two bytes), 0: 1, 1: 5, 2: the phase.
        let word = serde_json::to_value(phase).unwrap();
        assert!(one("phase =").contains(&format!(" {}: {}", word.as_str().unwrap(), bytes[7])), "{word}");
    }
}
