//! The right to put into the book that effects of one call are about to happen, and nothing else.
//!
//! Takes: import records. Gives: entries of phase `intent`. May name: powers, reason.

use super::{AuditUnavailable, Entry, ImportRecord, Journal, Pending, Phase};
use crate::powers::Clock;
use crate::reason::{Outcome, Reason};
use std::sync::Arc;

/// Announces the effects of one call.
#[derive(Debug)]
pub(crate) struct Announcer {
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    /// What every intent of the call says: whose it is, what is called, and by which rules.
    call: Entry,
}

impl Announcer {
    pub(crate) fn new(journal: Arc<dyn Journal>, clock: Arc<dyn Clock>, call: &Entry) -> Self {
        let call = Entry {
            phase: Phase::Intent,
            reason_code: Reason::Ok,
            outcome: Outcome::Unknown,
            ..call.clone()
        };
        Self { journal, clock, call }
    }

    /// Appends the entry; none of its effects may happen before it is durable.
    pub(crate) fn announce(&self, imports: Vec<ImportRecord>) -> Result<Pending, AuditUnavailable> {
        let entry = Entry { time_us: self.clock.unix_us(), imports, ..self.call.clone() };
        self.journal.append(entry).inspect_err(|error| {
            tracing::error!(call_id = ?self.call.call_id, "an effect was stopped: {error}");
        })
    }
}
