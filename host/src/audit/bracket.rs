//! What holds a call together in the book: opened before anything else, closed exactly once, whatever happens.
//!
//! Takes: what each stage learns. Gives: the call's entries. May name: config, execute, id, imports, powers, reason,
//! room, settle, storage, telemetry, tools.
//!
//! A bracket that is dropped on the way (a caller who went away, a panic) closes itself: as cancelled before the call
//! ran, as failed after it, and as unknown when a write may have taken effect.

mod act;

use super::announce::Announcer;
use super::{AuditUnavailable, Entry, ImportRecord as Written, Journal, Pending, Phase};
use crate::config::Effect;
use crate::execute::Answer;
use crate::id::{ActorId, CallId, Digest, TenantId};
use crate::imports::ImportRecord;
use crate::powers::Clock;
use crate::reason::{Outcome, Reason};
use crate::room::Room;
use crate::settle::Receipt;
use crate::storage::ledger::{Amounts, Counted, Usage};
use crate::telemetry::TraceParent;
use crate::telemetry::observed::{Observed, Passed};
use crate::tools::ToolFunction;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The book's side of one call.
pub(crate) struct Bracket(Option<Box<Open>>);

struct Open {
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    buffered: bool,
    began: Instant,
    call: CallId,
    runs: Option<Effect>,
    effect: Effect,
    entry: Entry,
    counted: Option<Counted>,
    observed: Observed,
}

/// A call that was refused, not closed yet. It closes as denied.
#[must_use = "a refusal is closed to become a receipt"]
pub(crate) struct Refused {
    bracket: Bracket,
    reason: Reason,
    message: String,
    retry_after_ms: Option<u64>,
}

/// The facts of a call that is in the book.
pub(crate) struct Closed {
    pub(crate) call_id: CallId,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) actor: Option<ActorId>,
    pub(crate) fuel: u64,
    pub(crate) took: Duration,
    pub(crate) reason: Reason,
    pub(crate) outcome: Outcome,
    pub(crate) retry_after_ms: Option<u64>,
    /// How far the budgets that it counts for are used now.
    pub(crate) budgets: Vec<Usage>,
    pub(crate) ended_ms: u64,
}

impl Bracket {
    /// Opens the bracket of a new call; refuses when the book cannot be written.
    pub(crate) fn open(room: &Room) -> Result<Self, Refused> {
        let mut random = [0; 10];
        let drawn = room.entropy.fill(&mut random);
        let now = room.clock.unix_us();
        let call = CallId::new(now / 1000, random);
        let bracket = Self(Some(Box::new(Open {
            journal: room.journal.clone(),
            clock: room.clock.clone(),
            buffered: room.buffered,
            began: room.clock.monotonic(),
            call,
            runs: None,
            effect: Effect::Read,
            counted: None,
            observed: Observed::new(&room.telemetry, call, now),
            entry: Entry {
                call_id: Some(call),
                ..Entry::outcome(now, "identify", Reason::Cancelled, Outcome::Denied)
            },
        })));
        if let Err(error) = drawn {
            return Err(
                bracket.refuse(Reason::StorageUnavailable, format!("the system has no randomness: {error}"))
            );
        }
        if let Err(error) = room.journal.ready() {
            // The cause names the operator's disk and folders: it is for the operator's log, not for tenants.
            let reason_code = error.reason().code();
            tracing::error!(call_id = %call, reason_code, "a call was refused: {error}");
            return Err(
                bracket.refuse(Reason::AuditUnavailable, "the audit log cannot be written; nothing ran")
            );
        }
        Ok(bracket)
    }

    pub(crate) fn call_id(&self) -> CallId {
        self.0.as_ref().map_or_else(|| CallId::new(0, [0; 10]), |open| open.call)
    }

    fn with(&mut self, change: impl FnOnce(&mut Open)) {
        if let Some(open) = &mut self.0 {
            change(open);
        }
    }

    /// The credential was verified.
    pub(crate) fn belongs_to(&mut self, tenant: &TenantId, actor: &ActorId) {
        self.with(|open| {
            open.entry.tenant_id = Some(tenant.clone());
            open.entry.actor_id = Some(actor.clone());
            open.observed.belongs_to(tenant);
        });
    }

    /// Which function is asked for, as the caller named it.
    pub(crate) fn wants(&mut self, function: &str) {
        let mut action = "call ".to_owned();
        action.extend(function.chars().filter(|c| !c.is_control()).take(128));
        self.with(|open| {
            open.entry.action = action;
            open.observed.calls();
        });
    }

    /// What is asked of it: a keyed digest of what must not be readable in the book.
    pub(crate) fn asks(&mut self, arguments: Digest, size: usize) {
        self.with(|open| {
            open.entry.arguments = Some(arguments);
            open.entry.bytes_in = u64::try_from(size).unwrap_or(u64::MAX);
        });
    }

    /// Which budgets it counts for.
    pub(crate) fn counts(&mut self, counted: Counted) {
        self.with(|open| open.counted = Some(counted));
    }

    /// Whose trace it is part of.
    pub(crate) fn continues(&mut self, parent: Option<TraceParent>) {
        self.with(|open| open.observed.continues(parent));
    }

    /// The call's own `tracing` span.
    pub(crate) fn span(&self) -> tracing::Span {
        self.0.as_ref().map_or_else(tracing::Span::none, |open| open.observed.span())
    }

    /// Which function of which component would answer, and under which key when it writes.
    pub(crate) fn calls(&mut self, component: &Digest, function: &ToolFunction, key: Option<Digest>) {
        let effect = function.effect;
        self.with(|open| {
            open.observed.finds(&function.name);
            open.entry.component = Some(*component);
            open.effect = effect;
            open.entry.idempotency_key = key.filter(|_| effect == Effect::Write);
        });
    }

    /// What is charged if nothing is heard of the call again.
    pub(crate) fn holds(&mut self, Amounts { fuel, egress, stored, spend, .. }: Amounts) {
        self.with(|open| {
            (open.entry.charged, open.entry.egress) = (Some(fuel), egress);
            (open.entry.stored, open.entry.spend) = (stored, spend);
        });
    }

    /// Which rules it was judged by, which of them let it pass, and the ids of those that are policies.
    pub(crate) fn judged(&mut self, rules: Digest, because: String, policies: Vec<String>) {
        self.with(|open| {
            open.entry.policy = Some(rules);
            open.entry.note = Some(because);
            open.entry.policies = policies;
            open.passed(Passed::Admit);
        });
    }

    /// What an operator should know of it and the caller does not learn.
    pub(crate) fn notes(&mut self, why: &str) {
        self.with(|open| {
            open.entry.note =
                Some(why.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect())
        });
    }

    /// What the call announces its effects with, once everything about it is known; `None` when it is closed.
    pub(crate) fn announcer(&self) -> Option<Announcer> {
        let open = self.0.as_ref()?;
        Some(Announcer::new(open.journal.clone(), open.clock.clone(), &open.entry))
    }

    /// The call begins to run: from here on it is not refused any more, it fails.
    pub(crate) fn runs(&mut self) {
        self.with(|open| {
            open.runs = Some(open.effect);
            open.passed(Passed::Isolate);
        });
    }

    /// What running cost, and what it reached.
    pub(crate) fn used(&mut self, fuel: u64, records: &[ImportRecord], answer: usize) {
        self.with(|open| {
            let sum =
                |bytes: fn(&ImportRecord) -> u64| records.iter().map(bytes).fold(0, u64::saturating_add);
            open.entry.fuel = fuel;
            open.entry.bytes_in = open.entry.bytes_in.saturating_add(sum(|r| r.bytes_in));
            let answer = u64::try_from(answer).unwrap_or(u64::MAX);
            open.entry.bytes_out = answer.saturating_add(sum(|r| r.bytes_out));
            open.entry.imports = records.iter().map(Written::from).collect();
            open.observed.used(fuel);
            for record in records {
                let allowed = record.decision == crate::imports::Decision::Allow;
                open.observed.imported(record.class().as_str(), allowed, record.count);
            }
            open.passed(Passed::Execute);
        });
    }

    /// Refuses the call.
    pub(crate) fn refuse(mut self, reason: Reason, message: impl Into<String>) -> Refused {
        let message = message.into();
        if matches!(reason, Reason::PolicyDenied | Reason::TenantMismatch | Reason::Misdirected) {
            self.with(|open| open.entry.note = Some(message.clone()));
        }
        let message = match reason {
            Reason::StorageUnavailable => storage_trouble(self.call_id(), &message),
            _ => message,
        };
        Refused { bracket: self, reason, message, retry_after_ms: None }
    }

    /// Closes the bracket; waits until the entry is durable, unless the host buffers calls that only read. Only what has a
    /// result hurries the disk: who is refused, or stopped at a limit, takes no sync from others.
    pub(crate) async fn close(mut self, reason: Reason, outcome: Outcome, effect: Effect) -> Closed {
        let Some(mut open) = self.0.take() else { return Closed::lost(reason, outcome) };
        let appended = open.finish(reason, outcome);
        let wait = !open.buffered || effect == Effect::Write;
        let written = match appended {
            Ok(_) if !wait => Ok(()),
            Ok(pending) if effect == Effect::Write || reason.is_result() => pending.durable().await,
            Ok(pending) => pending.durable_with_others().await,
            Err(error) => Err(error),
        };
        open.closed(match written {
            Ok(()) => (reason, outcome),
            // What did not happen because the log failed is known, whether the log has it or not.
            Err(_) if reason == Reason::AuditUnavailable => (reason, outcome),
            Err(_) => (Reason::AuditUnavailable, Outcome::Unknown),
        })
    }
}

impl Open {
    fn took(&self) -> Duration {
        self.clock.monotonic().saturating_duration_since(self.began)
    }

    /// Told to those who watch, if anybody does.
    fn passed(&mut self, step: Passed) {
        if self.observed.is_traced() {
            let after = self.took();
            self.observed.passed(step, after);
        }
    }

    fn finish(&mut self, reason: Reason, outcome: Outcome) -> Result<Pending, AuditUnavailable> {
        let took = self.took();
        self.observed.ends(reason, outcome, took);
        self.entry.phase = Phase::Outcome;
        self.entry.reason_code = reason;
        self.entry.outcome = outcome;
        self.entry.duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.entry.time_us = self.clock.unix_us();
        let charged = !matches!(outcome, Outcome::Denied | Outcome::Replayed);
        self.entry.charged = self.entry.charged.filter(|fuel| charged && *fuel != self.entry.fuel);
        if !charged {
            (self.entry.egress, self.entry.stored, self.entry.spend) = (0, 0, 0);
        }
        let tenant = self.entry.tenant_id.as_ref().map_or("-", TenantId::as_str);
        tracing::info!(target: "strongroom::call", tenant, call_id = %self.call, action = self.entry.action,
            reason_code = reason.code(), outcome = outcome.as_str(), fuel = self.entry.fuel);
        // The records are the long part, and nothing asks for them here again.
        let imports = std::mem::take(&mut self.entry.imports);
        self.journal.append(Entry { imports, ..self.entry.clone() })
    }

    fn closed(mut self: Box<Self>, (reason, outcome): (Reason, Outcome)) -> Closed {
        let took = self.took();
        self.observed.ends(reason, outcome, took);
        Closed {
            call_id: self.call,
            tenant: self.entry.tenant_id,
            actor: self.entry.actor_id,
            fuel: self.entry.fuel,
            took,
            reason,
            outcome,
            retry_after_ms: None,
            budgets: self.counted.as_ref().map(Counted::known).unwrap_or_default(),
            ended_ms: self.clock.unix_ms(),
        }
    }
}

impl Closed {
    fn lost(reason: Reason, outcome: Outcome) -> Self {
        let call_id = CallId::new(0, [0; 10]);
        Self {
            call_id,
            tenant: None,
            actor: None,
            fuel: 0,
            took: Duration::ZERO,
            reason,
            outcome,
            retry_after_ms: None,
            budgets: Vec::new(),
            ended_ms: 0,
        }
    }
}

impl Drop for Bracket {
    fn drop(&mut self) {
        let Some(mut open) = self.0.take() else { return };
        let outcome = match open.runs {
            None => Outcome::Denied,
            Some(Effect::Read) => Outcome::Failed,
            Some(Effect::Write) => Outcome::Unknown,
        };
        if let Err(error) = open.finish(Reason::Cancelled, outcome) {
            let reason_code = error.reason().code();
            tracing::error!(call_id = %open.call, reason_code, "a cancelled call could not be written to the audit log: {error}");
        }
    }
}

impl Refused {
    /// When another try makes sense.
    pub(crate) fn retry_after(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }

    /// Closes the call as denied.
    pub(crate) async fn close(self) -> Receipt {
        let Self { bracket, reason, message, retry_after_ms } = self;
        // A refusal waits for its entry like a write does: nobody may learn of a denial that the book does not have.
        let mut closed = match reason {
            Reason::AuditUnavailable => bracket.close_unwritten(),
            _ => bracket.close(reason, Outcome::Denied, Effect::Read).await,
        };
        closed.retry_after_ms = retry_after_ms;
        Receipt::of(closed, Answer::failed(reason, message), Vec::new())
    }
}

impl Bracket {
    /// The book cannot be written: the refusal itself is tried, and told in any case.
    fn close_unwritten(mut self) -> Closed {
        let Some(mut open) = self.0.take() else {
            return Closed::lost(Reason::AuditUnavailable, Outcome::Denied);
        };
        // Nothing ran, so nothing is hidden when this entry is lost.
        drop(open.finish(Reason::AuditUnavailable, Outcome::Denied));
        open.closed((Reason::AuditUnavailable, Outcome::Denied))
    }
}

/// Files and paths of the host are its operator's business: they go to the log, and the caller learns what it means.
pub(crate) fn storage_trouble(call_id: CallId, detail: &str) -> String {
    let reason_code = Reason::StorageUnavailable.code();
    tracing::error!(%call_id, reason_code, detail, "storage cannot be used");
    "the tenant's storage cannot be used at the moment; nothing of this call was kept".into()
}

impl Bracket {
    /// The answer is that of an earlier call.
    pub(crate) fn replays(&mut self, earlier: CallId) {
        self.with(|open| open.entry.replayed_call_id = Some(earlier));
    }

    /// The call lists tools, and calls none.
    pub(crate) fn lists(&mut self) {
        self.does("list tools");
        self.with(|open| open.observed.lists());
    }
}
