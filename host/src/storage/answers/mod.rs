//! Answers of functions that only read, kept for a while: each tenant's own, bounded, in memory.
//!
//! Takes: a clock, answers. Gives: [`Answers`]. May name: id, powers.
//!
//! A call that looks and finds nothing gets a [`Ticket`], and its answer is kept under that alone. What makes answers old (a
//! write, other rules, another edition of the tool) counts up, and a ticket from before the count is worth nothing: so an
//! answer that a write overtook is never kept, whichever of the two ends first.

mod owner;
mod stock;
#[cfg(test)]
mod tests;

use crate::id::{CallId, Digest, TenantId, ToolName};
use crate::powers::Clock;
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use stock::Stock;

/// Bytes of one answer that is kept.
pub(crate) const MAX_ANSWER: usize = 256 * 1024;
/// Bytes of kept answers of one tenant, and of all tenants together.
pub(crate) const ANSWERS_EACH: u64 = 8 << 20;
/// See [`ANSWERS_EACH`].
pub(crate) const ANSWERS_IN_ALL: u64 = 64 << 20;
/// Bytes that an answer counts beside its text.
pub(crate) const ANSWER_BYTES: u64 = 512;

/// Which call it is: everything that its answer may depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Whose. No answer leaves its tenant.
    pub(crate) tenant: TenantId,
    /// Of which tool.
    pub(crate) tool: ToolName,
    /// Everything else.
    pub(crate) rest: Digest,
}

/// An answer that was given a moment ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// JSON text.
    pub(crate) value: Arc<str>,
    /// The call that it was given to.
    pub(crate) call: CallId,
    /// How long ago that call began, and how long the answer is kept still, in milliseconds.
    pub(crate) age_ms: u64,
    pub(crate) left_ms: u64,
}

/// Leave to keep one answer, if nothing has made it old meanwhile.
#[derive(Debug)]
pub(crate) struct Ticket {
    asked: Asked,
    /// What was counted when the call began.
    began: u64,
    at_ms: u64,
    kept_for: Duration,
}

/// What there is for a call.
#[derive(Debug)]
pub(crate) enum Looked {
    Found(Kept),
    Missing(Ticket),
}

/// The kept answers of all tenants. Clones are handles to the same ones.
#[derive(Clone)]
pub(crate) struct Answers {
    clock: Arc<dyn Clock>,
    stock: Arc<Mutex<Stock>>,
}

/// A call that writes. When it ends, however it does, what it may have changed is old.
#[must_use = "answers are old from when this is dropped"]
pub(crate) struct Writing {
    answers: Answers,
    tenant: TenantId,
    tool: ToolName,
    shares: bool,
}

impl Answers {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with(clock, ANSWERS_EACH, ANSWERS_IN_ALL)
    }

    fn with(clock: Arc<dyn Clock>, each: u64, in_all: u64) -> Self {
        Self { clock, stock: Arc::new(Mutex::new(Stock::new(each, in_all))) }
    }

    /// The answer to this call, or leave to keep one for so long.
    pub(crate) fn look(&self, asked: Asked, kept_for: Duration) -> Looked {
        let at_ms = self.clock.unix_ms();
        let mut stock = self.stock.lock();
        match stock.find(&asked, at_ms) {
            Some(kept) => Looked::Found(kept),
            None => Looked::Missing(Ticket { began: stock.counted(), asked, at_ms, kept_for }),
        }
    }

    /// Keeps an answer. It is as old as its call: what it tells was read after that began, and not later.
    pub(crate) fn keep(&self, ticket: Ticket, value: &str, call: CallId) {
        if value.len() <= MAX_ANSWER {
            self.stock.lock().keep(ticket, value, call, self.clock.unix_ms());
        }
    }

    /// A call of this tool begins that writes. `shares`: it may change what other tools of the tenant see too.
    pub(crate) fn writing(&self, tenant: TenantId, tool: ToolName, shares: bool) -> Writing {
        Writing { answers: self.clone(), tenant, tool, shares }
    }

    /// Everything of these tenants goes.
    pub(crate) fn forget_tenants<'a>(&self, tenants: impl IntoIterator<Item = &'a TenantId>) {
        let mut stock = self.stock.lock();
        tenants.into_iter().for_each(|tenant| stock.forget_tenant(tenant));
    }

    /// Everything of a tool goes, of all tenants.
    pub(crate) fn forget_tool(&self, tool: &ToolName) {
        self.stock.lock().forget_tool(tool);
    }

    /// Everything goes.
    pub(crate) fn forget_all(&self) {
        self.stock.lock().forget_all();
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let tool = (!self.shares).then_some(&self.tool);
        self.answers.stock.lock().wrote(&self.tenant, tool);
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answers")
    }
}
