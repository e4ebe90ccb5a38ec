//! Entries for tests: any, and of every kind.
//!
//! Takes: nothing. Gives: entries. May name: id, reason.

use super::{Decision, Entry, Head, ImportRecord, Phase, cbor};
use crate::id::{ActorId, CallId, Digest, TenantId};
use crate::reason::{Outcome, Reason};
use proptest::prelude::*;
use std::borrow::Cow;

/// Any entries.
pub(super) fn entries() -> impl Strategy<Value = Entry> {
    let digest = || proptest::option::of(any::<[u8; 32]>().prop_map(Digest::from_bytes));
    let call = || proptest::option::of(any::<[u8; 16]>().prop_map(CallId::from_bytes));
    let record = ("[a-z:/]{1,20}", any::<bool>(), proptest::option::of(".{0,30}"), any::<[u64; 6]>())
        .prop_map(|(import, allow, target, [count, bytes_in, bytes_out, fuel, first_us, last_us])| {
            ImportRecord {
                import: import.into(),
                class: "effect".into(),
                decision: if allow { Decision::Allow } else { Decision::Deny },
                method: target.clone().map(Cow::Owned),
                why: (!allow).then_some("no grant".into()),
                target: target.map(Cow::Owned),
                count,
                bytes_in: bytes_in % 3,
                bytes_out,
                fuel,
                first_us: first_us % 2,
                last_us,
            }
        });
    let names = (proptest::option::of("[a-z]{1,9}"), proptest::option::of("[a-z]{1,9}"), ".{0,40}");
    let kind = (0..Reason::ALL.len(), 0_usize..5, 0_u8..5);
    let lists = (proptest::collection::vec(record, 0..4), proptest::collection::vec(".{0,9}", 0..3));
    let more = (digest(), digest(), digest(), digest(), call(), call());
    (any::<[u64; 4]>(), names, kind, lists, more, proptest::option::of(".{0,20}")).prop_map(
        |(n, (tenant, actor, action), (r, o, p), (imports, policies), more, note)| {
            let [time, fuel, bytes_in, duration_us] = n;
            let mut entry = Entry::outcome(time, action, Reason::ALL[r], Outcome::ALL[o]);
            entry.phase = cbor::phase(p).unwrap();
            entry.tenant_id = tenant.map(|t| TenantId::new(t).unwrap());
            entry.actor_id = actor.map(|a| ActorId::new(a).unwrap());
            (entry.fuel, entry.bytes_in, entry.duration_us) = (fuel, bytes_in % 2, duration_us);
            (entry.component, entry.policy, entry.arguments, entry.idempotency_key) =
                (more.0, more.1, more.2, more.3);
            (entry.call_id, entry.replayed_call_id) = (more.4, more.5);
            entry.head = more.0.map(|root| Head { size: fuel, root });
            entry.charged = more.1.map(|_| duration_us);
            (entry.egress, entry.spend, entry.stored) = (fuel % 2, duration_us % 3, time % 2);
            (entry.imports, entry.policies, entry.note) = (imports, policies, note);
            entry
        },
    )
}

pub(super) fn import(class: &'static str, decision: Decision) -> ImportRecord {
    ImportRecord {
        target: Some("https://api.example.com".into()),
        bytes_in: 3,
        bytes_out: 7,
        fuel: 9,
        ..ImportRecord::new("wasi:http/outgoing-handler.handle", class, decision)
    }
}

pub(super) fn call(reason: Reason, outcome: Outcome) -> Entry {
    let entry = Entry::outcome(1_700_000_000_123_456, "call orders.update-status", reason, outcome);
    Entry {
        seq: 4711,
        tenant_id: Some(TenantId::new("acme").unwrap()),
        actor_id: Some(ActorId::new("agent-7").unwrap()),
        call_id: Some(CallId::new(1_700_000_000_123, [7; 10])),
        ..entry
    }
}

/// Entries of every kind.
pub(super) fn all() -> Vec<Entry> {
    let executed = Entry {
        imports: vec![import("effect", Decision::Allow)],
        component: Some(Digest::of(b"component")),
        fuel: 1200,
        duration_us: 3456,
        note: Some("a note".into()),
        ..call(Reason::Ok, Outcome::Executed)
    };
    let intent = Entry { phase: Phase::Intent, ..call(Reason::Ok, Outcome::Unknown) };
    let head = Entry {
        phase: Phase::Head,
        head: Some(Head { size: 2, root: Digest::of(b"root") }),
        ..Entry::outcome(5, "tenant.head acme", Reason::Ok, Outcome::Executed)
    };
    let stranger = Entry::outcome(6, "call orders.get", Reason::TenantUnknown, Outcome::Denied);
    let own = Entry::outcome(7, "audit.resume", Reason::Ok, Outcome::Executed);
    let closing = Entry::closing(&intent, 9);
    let mut all: Vec<Entry> = Outcome::ALL.iter().map(|o| call(Reason::ToolError, *o)).collect();
    all.extend([executed, intent, head, stranger, own, closing, Entry::drops(8, 256)]);
    all
}
