//! Limits that are higher for a while: an operator's order with an end, which every process on the ledger obeys.
//!
//! Takes: orders of an operator. Gives: [`Raise`], and budgets with what they were raised by, from memory. May name: id.

use super::budget::{Budget, Count, Raised};
use super::watched::Watched;
use super::{SqliteLedger, deletion, lease, schema};
use crate::id::TenantId;
use crate::storage::StorageError;
use crate::storage::sqlite::{counted, stored};
use hashbrown::HashMap;
use parking_lot::RwLock;
use rusqlite::{Connection, params};
use std::borrow::Cow;

/// A limit that is higher for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raise {
    /// Whose budget.
    pub tenant: TenantId,
    /// Which one: every budget on this count is raised, hard or not.
    pub count: Count,
    /// By how much, in the budget's units; at least 1. It holds for each window until the end.
    pub more: u64,
    /// When it ends by itself, in milliseconds since 1970.
    pub until_ms: u64,
    /// Who ordered it.
    pub by: String,
    /// Why.
    pub why: String,
    /// When it was ordered, in milliseconds since 1970.
    pub at_ms: u64,
}

/// The raises in memory.
#[derive(Debug, Default)]
pub(super) struct Raises(RwLock<HashMap<TenantId, Vec<Raise>>>);

impl Raises {
    pub(super) fn set(&self, all: Vec<Raise>) {
        let mut by_tenant: HashMap<TenantId, Vec<Raise>> = HashMap::new();
        for raise in all {
            by_tenant.entry(raise.tenant.clone()).or_default().push(raise);
        }
        *self.0.write() = by_tenant;
    }

    /// The budgets with what they are raised by at this time (milliseconds since 1970).
    pub(super) fn over<'a>(
        &self,
        tenant: &TenantId,
        budgets: &'a [Budget],
        now_ms: u64,
    ) -> Cow<'a, [Budget]> {
        match self.0.read().get(tenant) {
            None => Cow::Borrowed(budgets),
            Some(raises) => Cow::Owned(over(raises, budgets, now_ms)),
        }
    }

    fn all(&self, now_ms: u64) -> Vec<Raise> {
        let mut all: Vec<_> =
            self.0.read().values().flatten().filter(|r| r.until_ms > now_ms).cloned().collect();
        all.sort_by(|a, b| key(a).cmp(&key(b)));
        all
    }
}

fn key(raise: &Raise) -> (&str, &str, &str, &str) {
    let Count { of, per, who } = &raise.count;
    (raise.tenant.as_str(), of.as_str(), per.as_str(), who.as_str())
}

/// The same budgets with what these raises add to them.
pub(super) fn over(raises: &[Raise], budgets: &[Budget], now_ms: u64) -> Vec<Budget> {
    let raised = |budget: &Budget| {
        let raise = raises.iter().find(|raise| raise.count == budget.count && raise.until_ms > now_ms);
        let raised = raise.map(|raise| Raised { by: raise.more, until_ms: raise.until_ms });
        Budget { raised, ..budget.clone() }
    };
    budgets.iter().map(raised).collect()
}

/// All of them in the file, ended ones too until they are cleaned away.
pub(super) fn load(c: &Connection) -> Result<Vec<Raise>, StorageError> {
    let mut rows = c.prepare_cached(
        "SELECT of, per, who, tenant, more, until_ms, by, why, at_ms FROM raises ORDER BY tenant, of, per, who",
    )?;
    let mut rows = rows.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let tenant = TenantId::new(row.get::<_, String>(3)?).map_err(schema::damaged)?;
        all.push(Raise {
            tenant,
            count: lease::count(row)?,
            more: counted(row.get(4)?),
            until_ms: counted(row.get(5)?),
            by: row.get(6)?,
            why: row.get(7)?,
            at_ms: counted(row.get(8)?),
        });
    }
    Ok(all)
}

/// Removes those that have ended. What is in memory looks at the time by itself.
pub(super) fn clean(c: &Connection, now_ms: u64) -> Result<usize, StorageError> {
    Ok(c.execute("DELETE FROM raises WHERE until_ms <= ?1", [stored(now_ms)])?)
}

impl SqliteLedger {
    /// Raises a budget, durably, until it ends; one that is raised already is raised by this much instead. This process
    /// obeys when the future is ready, other processes on the same ledger within half a second.
    ///
    /// # Errors
    /// [`StorageError`]; the budget is as it was. Also for a tenant that is being deleted.
    pub async fn raise(&self, raise: Raise) -> Result<(), StorageError> {
        let work = move |c: &Connection| {
            deletion::refuse(c, &raise.tenant)?;
            let (tenant, of, per, who) = key(&raise);
            c.execute(
                "INSERT OR REPLACE INTO raises (tenant, of, per, who, more, until_ms, by, why, at_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    tenant,
                    of,
                    per,
                    who,
                    stored(raise.more),
                    stored(raise.until_ms),
                    raise.by,
                    raise.why,
                    stored(raise.at_ms)
                ],
            )?;
            Ok(true)
        };
        self.change_raises(work).await.map(drop)
    }

    /// Ends a raise before its time. `false` when there is none.
    ///
    /// # Errors
    /// [`StorageError`]; the budget is as it was.
    pub async fn lower(&self, tenant: &TenantId, count: &Count) -> Result<bool, StorageError> {
        let (tenant, Count { of, per, who }, now) =
            (tenant.clone(), count.clone(), stored(self.inner.clock.unix_ms()));
        let work = move |c: &Connection| {
            let rows = c.execute(
                "DELETE FROM raises WHERE tenant = ?1 AND of = ?2 AND per = ?3 AND who = ?4 AND until_ms > ?5",
                params![tenant.as_str(), of.as_str(), per.as_str(), who.as_str(), now],
            )?;
            Ok(rows > 0)
        };
        self.change_raises(work).await
    }

    /// The raises that hold now, by tenant and budget. Reads memory only.
    #[must_use]
    pub fn raises(&self) -> Vec<Raise> {
        self.inner.watched.raises.all(self.inner.clock.unix_ms())
    }

    async fn change_raises(
        &self,
        change: impl FnOnce(&Connection) -> Result<bool, StorageError> + Send + 'static,
    ) -> Result<bool, StorageError> {
        let set = |watched: &Watched, all| watched.raises.set(all);
        let (done, ()) = self.change_watched("raises", change, load, set).await?;
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget::{Amounts, BudgetMode, Of, Per};
    use super::super::fixture::{NOON, acme, on_disk};
    use super::*;

    fn raise(of: Of, per: Per, more: u64, until_ms: u64) -> Raise {
        let count = Budget::new(of, per, 0).count;
        let (by, why) = ("kim".to_owned(), "a busy day".to_owned());
        Raise { tenant: acme(), count, more, until_ms, by, why, at_ms: NOON }
    }

    async fn calls(ledger: &SqliteLedger, budgets: &[Budget]) -> u64 {
        let mut count = 0;
        while let Ok(reserved) = ledger.reserve(&acme(), budgets, Amounts::call(0)).await {
            reserved.commit().settle(Amounts::call(0));
            count += 1;
        }
        count
    }

    #[tokio::test]
    async fn a_raised_limit_ends_by_itself_and_outlives_a_restart() {
        let (_guard, folder, clock, ledger) = on_disk();
        let budgets = [Budget::new(Of::Calls, Per::Day, 5)];
        assert_eq!(calls(&ledger, &budgets).await, 5);
        ledger.raise(raise(Of::Calls, Per::Day, 3, NOON + 60_000)).await.unwrap();
        ledger.raise(raise(Of::Fuel, Per::Day, 3, NOON + 60_000)).await.unwrap();
        assert_eq!(calls(&ledger, &budgets).await, 3);
        let usage = ledger.usage(&acme(), &budgets).await.unwrap().remove(0);
        assert_eq!((usage.spent, usage.left(), usage.budget.limit, usage.budget.allows()), (8, 0, 5, 8));
        assert_eq!(ledger.usage_known(&acme(), &budgets), [usage]);
        assert_eq!(ledger.raises().len(), 2);
        ledger.close().await.unwrap();
        drop(ledger);
        let ledger = SqliteLedger::open(&folder, clock.clone()).unwrap();
        // Again for the same budget: by so much instead, and not on top.
        ledger.raise(raise(Of::Calls, Per::Day, 4, NOON + 60_000)).await.unwrap();
        assert_eq!(calls(&ledger, &budgets).await, 1);
        clock.pass(60_000);
        assert!(ledger.raises().is_empty());
        let usage = ledger.usage(&acme(), &budgets).await.unwrap().remove(0);
        assert_eq!((usage.spent, usage.left(), usage.budget.allows()), (9, 0, 5));
        assert_eq!(calls(&ledger, &budgets).await, 0);
        clock.pass(86_400_000);
        assert_eq!(calls(&ledger, &budgets).await, 5);
    }

    #[tokio::test]
    async fn a_raise_can_be_lowered_and_other_processes_hear_of_both() {
        let (_guard, folder, clock, ledger) = on_disk();
        let other = SqliteLedger::open(&folder, clock).unwrap();
        let budgets = [Budget::new(Of::Calls, Per::Total, 0)];
        assert_eq!(calls(&other, &budgets).await, 0);
        ledger.raise(raise(Of::Calls, Per::Total, 2, u64::MAX)).await.unwrap();
        let seen = async |wanted: usize| {
            while other.raises().len() != wanted {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        seen(1).await;
        assert_eq!(calls(&other, &budgets).await, 2);
        assert!(ledger.lower(&acme(), &budgets[0].count).await.unwrap());
        assert!(!ledger.lower(&acme(), &budgets[0].count).await.unwrap());
        seen(0).await;
        assert_eq!(other.usage(&acme(), &budgets).await.unwrap()[0].left(), 0);
    }

    #[tokio::test]
    async fn no_raise_leads_out_of_what_the_ledger_can_hold() {
        let (_guard, _folder, _clock, ledger) = on_disk();
        let most = i64::MAX.unsigned_abs();
        for mode in [BudgetMode::Hard, BudgetMode::Warn] {
            let budgets = [Budget { mode, ..Budget::new(Of::Fuel, Per::Total, most - 1) }];
            ledger.raise(raise(Of::Fuel, Per::Total, u64::MAX, u64::MAX)).await.unwrap();
            let usage = ledger.usage(&acme(), &budgets).await.unwrap().remove(0);
            assert_eq!(usage.budget.allows(), most);
            ledger
                .reserve(&acme(), &budgets, Amounts::call(5))
                .await
                .unwrap()
                .commit()
                .settle(Amounts::call(5));
        }
        ledger.close().await.unwrap();
    }
}
