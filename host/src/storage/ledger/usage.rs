//! How far budgets are used: exactly, with the file; or as far as this process knows, from memory.
//!
//! Takes: a tenant and its budgets. Gives: [`Usage`]. May name: id.

use super::budget::{Amounts, Budget, Count, Of, Usage};
use super::reserve::Shared;
use super::{SqliteLedger, lease};
use crate::id::TenantId;
use crate::storage::StorageError;
use serde::ser::{Serialize, SerializeStruct as _, Serializer};
use std::fmt;
use std::sync::Arc;

/// The budgets that one call counts for, to be looked at without the file.
#[derive(Clone)]
pub(crate) struct Counted {
    ledger: SqliteLedger,
    tenant: TenantId,
    budgets: Arc<[Budget]>,
    held: Amounts,
}

impl Counted {
    pub(crate) fn new(
        ledger: &SqliteLedger,
        tenant: &TenantId,
        budgets: &Arc<[Budget]>,
        held: Amounts,
    ) -> Self {
        Self { ledger: ledger.clone(), tenant: tenant.clone(), budgets: budgets.clone(), held }
    }

    /// How far they are used, as [`SqliteLedger::usage_known`] knows it.
    pub(crate) fn known(&self) -> Vec<Usage> {
        if self.budgets.is_empty() {
            Vec::new()
        } else {
            self.ledger.usage_known(&self.tenant, &self.budgets)
        }
    }

    /// What the call holds back itself.
    pub(crate) fn held(&self, of: Of) -> u64 {
        self.held.of(of)
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counted").field("budgets", &self.budgets).finish_non_exhaustive()
    }
}

/// As it is told everywhere: what is counted of whom, the limit with what it was raised by, and what is used and left.
impl Serialize for Usage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Budget { count: Count { of, per, who }, mode, raised, .. } = &self.budget;
        let mut row = serializer.serialize_struct("Usage", 13)?;
        row.serialize_field("of", of)?;
        row.serialize_field("per", per)?;
        row.serialize_field("actor", &who.actor())?;
        row.serialize_field("tool", &who.tool())?;
        row.serialize_field("run", &who.run())?;
        row.serialize_field("mode", mode)?;
        row.serialize_field("limit", &self.budget.allows())?;
        row.serialize_field("raised", raised)?;
        row.serialize_field("spent", &self.spent)?;
        row.serialize_field("reserved", &self.reserved)?;
        row.serialize_field("left", &self.left())?;
        row.serialize_field("window_start_ms", &self.window_start)?;
        row.serialize_field("window_ends_ms", &self.window_ends)?;
        row.end()
    }
}

impl SqliteLedger {
    /// How far each budget is used in its present window, by all processes on this ledger.
    ///
    /// # Errors
    /// [`StorageError`] when the file cannot be read.
    pub async fn usage(&self, tenant: &TenantId, budgets: &[Budget]) -> Result<Vec<Usage>, StorageError> {
        self.usage_now(tenant, budgets)
    }

    /// The same for the middle of a call, and for callers that do not wait: it reads, and waits for no commit.
    pub(crate) fn usage_now(
        &self,
        tenant: &TenantId,
        budgets: &[Budget],
    ) -> Result<Vec<Usage>, StorageError> {
        let shared = self.inner.accounts.of(tenant);
        let budgets = self.inner.watched.raises.over(tenant, budgets, self.inner.clock.unix_ms());
        let reader = self.inner.reader.lock();
        budgets.iter().map(|budget| self.usage_of(&reader, &shared, tenant, budget)).collect()
    }

    fn usage_of(
        &self,
        reader: &rusqlite::Connection,
        shared: &Shared,
        tenant: &TenantId,
        budget: &Budget,
    ) -> Result<Usage, StorageError> {
        let per = budget.count.per;
        let mine = shared.account.lock().used(&budget.count);
        let file = lease::window(reader, tenant.as_str(), &budget.count)?;
        let now = per.window_start(self.inner.clock.unix_ms());
        let start = now.max(mine.map_or(0, |m| m.start)).max(file.map_or(0, |f| f.0));
        let (mut spent, mut reserved) =
            mine.filter(|m| m.start == start).map_or((0, 0), |m| (m.spent, m.reserved));
        if let Some((_, before)) = file.filter(|f| f.0 == start) {
            let me = self.inner.presence.id;
            let others = lease::leased_to_others(reader, me, tenant.as_str(), &budget.count)?;
            spent = before.saturating_add(spent);
            reserved = reserved.saturating_add(others);
        }
        let (budget, window_ends) = (budget.clone(), per.window_end(start));
        Ok(Usage { budget, spent, reserved, window_start: start, window_ends })
    }

    /// What is counted for a tenant and not forgotten; of more than 10,000 counts the latest.
    ///
    /// # Errors
    /// [`StorageError`] when the file cannot be read.
    pub fn counts(&self, tenant: &TenantId) -> Result<Vec<Count>, StorageError> {
        lease::counts(&self.inner.reader.lock(), tenant)
    }

    /// How far each budget is used, as far as this process knows without the file: exact for a process that is alone,
    /// and as new as its last lease where there are others. For what goes into every answer.
    #[must_use]
    pub fn usage_known(&self, tenant: &TenantId, budgets: &[Budget]) -> Vec<Usage> {
        let shared = self.inner.accounts.of(tenant);
        let account = shared.account.lock();
        let now = self.inner.clock.unix_ms();
        let budgets = self.inner.watched.raises.over(tenant, budgets, now);
        let known = |budget: &Budget| {
            let usage = Usage::none(budget.clone(), now);
            match account.used(&budget.count).filter(|used| used.start >= usage.window_start) {
                None => usage,
                Some(used) => Usage {
                    spent: used.spent.saturating_add(used.others),
                    reserved: used.reserved,
                    window_start: used.start,
                    window_ends: budget.count.per.window_end(used.start),
                    ..usage
                },
            }
        };
        budgets.iter().map(known).collect()
    }
}
