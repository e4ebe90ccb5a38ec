//! What a caller gets: the answer, and what it cost.
//!
//! Takes: a closed bracket and an answer. Gives: [`Receipt`]. May name: audit, execute, id, imports, reason,
//! storage.

use crate::audit::bracket::Closed;
use crate::execute::Answer;
use crate::id::{ActorId, CallId, TenantId};
use crate::imports::ImportRecord;
use crate::imports::asking::Asked;
use crate::reason::{Outcome, Reason};
use crate::storage::ledger::Usage;
use std::time::Duration;

/// Where an answer comes from for which nothing ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct FromCache {
    /// The call that it was given to first.
    pub call_id: CallId,
    /// How long ago that call began, in milliseconds.
    pub age_ms: u64,
    /// How long it is still given, if nothing makes it old before, in milliseconds.
    pub left_ms: u64,
}

/// How a call ended, for the caller. The audit log has the same facts.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// The call.
    pub call_id: CallId,
    /// The tenant, once it was known.
    pub tenant: Option<TenantId>,
    /// Who acted for it.
    pub actor: Option<ActorId>,
    /// Why it ended so.
    pub reason: Reason,
    /// What became of it.
    pub outcome: Outcome,
    /// JSON text: the result with `ok`, the function's own error with `tool_error`.
    pub value: Option<String>,
    /// For people, when the reason is not `ok`.
    pub message: Option<String>,
    /// When another try makes sense, in milliseconds.
    pub retry_after_ms: Option<u64>,
    /// For an answer that an equal call was given a moment ago: which, and how old it is.
    pub cached: Option<FromCache>,
    /// Fuel used, in units.
    pub fuel: u64,
    /// How long it took, from its beginning to its last durable entry.
    pub took: Duration,
    /// What the call did through its imports.
    pub imports: Vec<ImportRecord>,
    /// How far the budgets that the call counts for are used now, as far as this process knows; also when it was refused.
    /// Empty before the tenant and the function are known, and without budgets.
    pub budgets: Vec<Usage>,
    /// What the tool asked its caller, or could not ask it.
    pub asked: Asked,
    /// When it ended, in milliseconds since 1970.
    pub ended_ms: u64,
}

/// Whatever was done, nobody is told what no entry says.
pub(crate) const WITHHELD: &str = "the audit log cannot be written; the answer is withheld";

impl Receipt {
    pub(crate) fn of(closed: Closed, answer: Answer, imports: Vec<ImportRecord>) -> Self {
        let Closed { call_id, tenant, actor, fuel, took, reason, outcome, retry_after_ms, budgets, ended_ms } =
            closed;
        // When the book could not be written, the answer is withheld: what is not in the book did not happen.
        let written = reason == answer.reason;
        let message = match written {
            true => answer.message,
            false => Some(WITHHELD.into()),
        };
        let value = answer.value.filter(|_| written);
        Self {
            call_id,
            tenant,
            actor,
            reason,
            outcome,
            value,
            message,
            retry_after_ms,
            cached: None,
            fuel,
            took,
            imports,
            budgets,
            asked: Asked::default(),
            ended_ms,
        }
    }

    /// Whether the call did what was asked, now or earlier.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.reason == Reason::Ok
    }

    /// Whether the answer is an earlier one to the same call, by its idempotency key.
    #[must_use]
    pub fn is_replayed(&self) -> bool {
        self.outcome == Outcome::Replayed
    }

    /// Whether the answer is one that an equal call was given a moment ago.
    #[must_use]
    pub fn is_cached(&self) -> bool {
        self.outcome == Outcome::Cached
    }
}

#[cfg(test)]
impl Receipt {
    /// One that was refused, for tests of what is made of receipts.
    pub(crate) fn sample(reason: Reason) -> Self {
        Self {
            call_id: CallId::new(1, [2; 10]),
            tenant: None,
            actor: None,
            reason,
            outcome: Outcome::Denied,
            value: None,
            message: Some("so it is".into()),
            retry_after_ms: None,
            cached: None,
            fuel: 7,
            took: Duration::ZERO,
            imports: Vec::new(),
            budgets: Vec::new(),
            asked: Asked::default(),
            ended_ms: 0,
        }
    }
}
