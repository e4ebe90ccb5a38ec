//! One entry of the book: facts and digests, never arguments, results or secrets.
//!
//! Takes: what a call or an operator did. Gives: [`Entry`]. May name: id, reason.

use crate::id::{ActorId, CallId, Digest, TenantId};
use crate::reason::{Outcome, Reason};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The name and version of an entry's form.
pub const SCHEMA: &str = "strongroom.audit/1";

/// Which part of a call an entry tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// An effect is about to happen: its import records say which, once for each import and target of a call. Its outcome
    /// is `unknown` until another entry of the same call says more.
    Intent,
    /// More import calls of a call than its outcome's entry can hold; it comes before that entry.
    Import,
    /// The call, or the operator's action, has ended; for a call that was denied it is the only entry.
    Outcome,
    /// Written after a crash or a failure of the log itself, for what it left open.
    Recovery,
    /// The head of a tenant's own tree, so that no second version of the tenant's log can exist unseen.
    Head,
}

/// The head of a tree: how many entries it holds, and its root (RFC 6962).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Entries.
    pub size: u64,
    /// The root's hash.
    pub root: Digest,
}

/// Whether an import call was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The call had the right.
    Allow,
    /// It had not; nothing happened.
    Deny,
}

/// Import calls of one kind on one target within a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportRecord {
    /// The import's name, as `interface.function`.
    pub import: Cow<'static, str>,
    /// What kind of thing it does: `observe`, `effect`, `time` or `entropy`.
    pub class: Cow<'static, str>,
    /// Whether it was let through.
    pub decision: Decision,
    /// What it was done to: a path, an origin, a bucket; without query strings and values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Cow<'static, str>>,
    /// Of a request that was refused, its method; absent when no grant could name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Cow<'static, str>>,
    /// Why it was refused: what was missing, never a value of the caller's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Cow<'static, str>>,
    /// How many calls.
    pub count: u64,
    /// Bytes that came to the guest.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes_in: u64,
    /// Bytes that the guest gave.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes_out: u64,
    /// Fuel charged for them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub fuel: u64,
    /// When the first of them was, in microseconds after the call began.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub first_us: u64,
    /// When the last of them was, in microseconds after the call began.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub last_us: u64,
}

impl ImportRecord {
    /// One call of an import of which nothing more is known.
    #[must_use]
    pub fn new(
        import: impl Into<Cow<'static, str>>,
        class: impl Into<Cow<'static, str>>,
        decision: Decision,
    ) -> Self {
        Self {
            import: import.into(),
            class: class.into(),
            decision,
            target: None,
            method: None,
            why: None,
            count: 1,
            bytes_in: 0,
            bytes_out: 0,
            fuel: 0,
            first_us: 0,
            last_us: 0,
        }
    }
}

/// One entry of the book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// [`SCHEMA`].
    pub schema: Cow<'static, str>,
    /// The entry's place in the book, from 0 and without gaps. The journal sets it.
    pub seq: u64,
    /// When, in microseconds since 1970.
    pub time_us: u64,
    /// Which part of the call this is.
    pub phase: Phase,
    /// The tenant; `null` when none was identified, and for the host's own actions.
    pub tenant_id: Option<TenantId>,
    /// Who acted; `null` when nobody was identified.
    pub actor_id: Option<ActorId>,
    /// What was done: `call orders.update-status`, `kill tool orders`, `key.create`.
    pub action: String,
    /// How it ended; `ok` in an intent.
    pub reason_code: Reason,
    /// What became of it; `unknown` in an intent.
    pub outcome: Outcome,
    /// The call; absent for an operator's actions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<CallId>,
    /// For a replay and for an answer from the cache, the call whose answer was given again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed_call_id: Option<CallId>,
    /// Digest of the component that ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Digest>,
    /// Digest of the rules that the call was judged by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Digest>,
    /// The ids of the tenant's policies that decided: those that permitted the call, or that denied it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// HMAC-SHA-256 under the host's key of the SHA-256 of the arguments: of a call that writes in their canonical form
    /// (RFC 8785), of another as they were sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Digest>,
    /// For a function that writes, HMAC-SHA-256 of the idempotency key under the host's key. One that the host derived is
    /// SHA-256 of the lines `strongroom derived key`, tenant, actor, function and `arguments`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<Digest>,
    /// What the call imported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<ImportRecord>,
    /// Fuel that the call used.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub fuel: u64,
    /// Bytes of the arguments and of what imports gave.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes_in: u64,
    /// Bytes of the result and of what the guest gave to imports.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes_out: u64,
    /// How long the call took, in microseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub duration_us: u64,
    /// Why, in a few words: which rule denied, who lifted a kill switch. Never a value of the caller's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// In an entry of phase `head`, the head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Head>,
    /// Fuel that the tenant's budgets were charged with, where that is not `fuel`: the whole reservation of a call that
    /// broke off. In an intent, what is charged when nothing follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charged: Option<u64>,
    /// Bytes sent to the network that the tenant's budgets were charged with. In an intent, as in `charged`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub egress: u64,
    /// Bytes written to the tenant's files, keyvalue and memory that its budgets were charged with. In an intent, as in `charged`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub stored: u64,
    /// Micro-units of the operator's currency that the tenant's budgets were charged with. In an intent, as in `charged`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub spend: u64,
}

/// How the action of an entry begins that tells of dropped bodies.
const DROP: &str = "audit.drop ";

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Entry {
    /// An entry of what has ended, with everything absent that its caller does not set.
    #[must_use]
    pub fn outcome(time_us: u64, action: impl Into<String>, reason_code: Reason, outcome: Outcome) -> Self {
        Self {
            schema: Cow::Borrowed(SCHEMA),
            seq: 0,
            time_us,
            phase: Phase::Outcome,
            tenant_id: None,
            actor_id: None,
            action: action.into(),
            reason_code,
            outcome,
            call_id: None,
            replayed_call_id: None,
            component: None,
            policy: None,
            policies: Vec::new(),
            arguments: None,
            idempotency_key: None,
            imports: Vec::new(),
            fuel: 0,
            bytes_in: 0,
            bytes_out: 0,
            duration_us: 0,
            note: None,
            head: None,
            charged: None,
            egress: 0,
            stored: 0,
            spend: 0,
        }
    }

    /// An entry that an effect of this call is about to happen.
    #[must_use]
    pub fn intent(time_us: u64, action: impl Into<String>, call_id: CallId) -> Self {
        let entry = Self::outcome(time_us, action, Reason::Ok, Outcome::Unknown);
        Self { phase: Phase::Intent, call_id: Some(call_id), ..entry }
    }

    /// The entry that tells the head of a tenant's own tree: of all the tenant's entries before it.
    #[must_use]
    pub(super) fn telling(time_us: u64, tenant: TenantId, head: Head) -> Self {
        let entry = Self::outcome(time_us, "audit.head", Reason::Ok, Outcome::Executed);
        Self { phase: Phase::Head, tenant_id: Some(tenant), head: Some(head), ..entry }
    }

    /// The entry that tells that the bodies of all entries below a number are dropped.
    #[must_use]
    pub fn drops(time_us: u64, below: u64) -> Self {
        Self::outcome(time_us, format!("{DROP}{below}"), Reason::Ok, Outcome::Executed)
    }

    /// Below which number the bodies of entries were dropped, if the entry tells of that. Only the host's own do.
    pub(super) fn drops_below(&self) -> Option<u64> {
        let own = self.tenant_id.is_none() && self.call_id.is_none() && self.phase == Phase::Outcome;
        self.action.strip_prefix(DROP).filter(|_| own)?.parse().ok()
    }

    /// The entry that closes a call that broke off, from the first of its intents: all of them may have taken effect.
    #[must_use]
    pub fn closing(intent: &Self, time_us: u64) -> Self {
        Self {
            phase: Phase::Recovery,
            time_us,
            reason_code: Reason::OutcomeUnknown,
            outcome: Outcome::Unknown,
            note: Some(format!("its intents begin with entry {}", intent.seq)),
            ..intent.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_always_has_its_required_fields_and_reads_back() {
        let mut entry = Entry::intent(5, "call orders.get", CallId::new(1, [2; 10]));
        let json = serde_json::to_value(&entry).unwrap();
        for field in
            ["schema", "seq", "time_us", "phase", "tenant_id", "actor_id", "action", "reason_code", "outcome"]
        {
            assert!(json.get(field).is_some(), "{field}");
        }
        entry.imports.push(ImportRecord {
            target: Some("https://example.com".into()),
            method: Some("GET".into()),
            bytes_out: 7,
            fuel: 9,
            ..ImportRecord::new("wasi:http/outgoing-handler.handle", "effect", Decision::Deny)
        });
        entry.component = Some(Digest::of(b"x"));
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
        assert!(!text.contains('\n'));
    }
}
