//! `strongroom:host/call`, gated: who this call is for, what is left of it, how far it is.
//!
//! Takes: the call's facts. Gives: the gated view. May name: id, powers, storage,
//! imports::gate.

use super::asking::Waited;
use super::bindings::strongroom::host::call;
use super::gate::{Audited, FromStop};
use super::logging::{LogSender, clean};
use super::table;
use super::yields::Yields;
use crate::id::{ActorId, CallId, FunctionName, IdempotencyKey, TenantId};
use crate::powers::Clock;
use crate::storage::ledger::{BudgetMode, Count, Counted, Usage};
use std::sync::Arc;
use std::time::Instant;
use wasmtime::Result;

/// Longest progress message, in bytes.
const MESSAGE: usize = 1024;

/// What a call may know of itself; set by the host before the tool starts.
#[derive(Debug, Clone)]
pub(crate) struct CallFacts {
    pub(crate) tenant: TenantId,
    pub(crate) actor: ActorId,
    pub(crate) id: CallId,
    pub(crate) function: FunctionName,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) deadline: Instant,
    pub(crate) waited: Arc<Waited>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) progress: Option<ProgressSender>,
    pub(crate) logs: Option<LogSender>,
    pub(crate) done: u64,
    pub(crate) counted: Counted,
    /// Whether what the tool writes stands in the host's log.
    pub(crate) tells: bool,
}

/// How far a call is, as the tool tells it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Progress {
    /// Work done, in the tool's own unit; never goes down.
    pub done: u64,
    /// All the work, in the same unit, when the tool knows it.
    pub total: Option<u64>,
    /// For people; at most 1,024 bytes.
    pub message: String,
}

/// Where progress goes. Bounded: reports that nobody fetches in time are dropped, the call does not wait.
pub type ProgressSender = tokio::sync::mpsc::Sender<Progress>;

impl Audited<'_, &mut CallFacts> {
    fn tell<T: Yields>(&mut self, row: &'static table::Import, value: T) -> Result<T> {
        self.gate.enter(row, None, None, 0).map_err(wasmtime::Error::from_stop)?;
        self.gate.leave(None, &value).map_err(wasmtime::Error::from_stop)?;
        Ok(value)
    }
}

impl call::Host for Audited<'_, &mut CallFacts> {
    fn tenant(&mut self) -> Result<String> {
        self.tell(&table::CALL_TENANT, self.inner.tenant.to_string())
    }

    fn actor(&mut self) -> Result<String> {
        self.tell(&table::CALL_ACTOR, self.inner.actor.to_string())
    }

    fn id(&mut self) -> Result<String> {
        self.tell(&table::CALL_ID, self.inner.id.to_string())
    }

    fn idempotency_key(&mut self) -> Result<Option<String>> {
        self.tell(&table::CALL_IDEMPOTENCY_KEY, self.inner.key.as_ref().map(ToString::to_string))
    }

    /// The host's share alone; the linker's own function stands before this one and adds the guest's.
    fn fuel_left(&mut self) -> Result<u64> {
        self.fuel_left_with(0)
    }

    fn deadline(&mut self) -> Result<u64> {
        let now = self.inner.clock.monotonic();
        let left =
            self.inner.deadline.saturating_duration_since(now).saturating_add(self.inner.waited.total());
        self.tell(&table::CALL_DEADLINE, u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
    }

    fn progress(&mut self, done: u64, total: Option<u64>, message: String) -> Result<()> {
        let bytes = message.bytes();
        self.gate.enter(&table::CALL_PROGRESS, None, None, bytes).map_err(wasmtime::Error::from_stop)?;
        if done < self.inner.done {
            return Ok(());
        }
        self.inner.done = done;
        if let Some(sender) = &self.inner.progress {
            // A full or closed channel means that nobody is looking at the moment, which is no failure of the call.
            let _ = sender.try_send(Progress { done, total, message: clean(&message, MESSAGE) });
        }
        Ok(())
    }

    fn budgets(&mut self) -> Result<Vec<call::Budget>> {
        let CallFacts { counted, clock, .. } = &*self.inner;
        let now = clock.unix_ms();
        let told = |usage: Usage| {
            let Count { of, per, who } = &usage.budget.count;
            let left = usage.left().saturating_add(counted.held(*of)).min(usage.budget.allows());
            call::Budget {
                of: of.as_str().to_owned(),
                per: per.as_str().to_owned(),
                actor: who.actor().is_some(),
                tool: who.tool().is_some(),
                limit: usage.budget.allows(),
                left,
                hard: usage.budget.mode == BudgetMode::Hard,
                ends_in: usage.window_ends.map(|end| end.saturating_sub(now)),
            }
        };
        let all = counted.known().into_iter().map(told).collect();
        self.tell(&table::CALL_BUDGETS, all)
    }
}

impl Audited<'_, &mut CallFacts> {
    /// The guest's own fuel is the store's, which views do not see: the linker hands it in.
    pub(super) fn fuel_left_with(&mut self, guest: u64) -> Result<u64> {
        self.tell(&table::CALL_FUEL_LEFT, ())?;
        Ok(guest.saturating_add(self.gate.left()))
    }
}
