//! Reservations: hold back a call's worst case before it runs, charge what it used after.
//!
//! Takes: a tenant, its budgets, the most a call may use. Gives: a [`Reservation`], then a [`Charge`]. May name: id, reason.

use super::account::{Account, Closing, Now, Part, Tried};
use super::budget::{Amounts, Budget, Count, Exceeded, Usage};
use super::{Ledger, lease};
use crate::id::TenantId;
use crate::reason::Reason;
use crate::storage::StorageError;
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

/// Why nothing was reserved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReserveError {
    /// A budget has no room for the call's worst case.
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
    /// The ledger could not be asked or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl ReserveError {
    /// How a call that meets this error ends.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Exceeded(_) => Reason::BudgetExceeded,
            Self::Storage(e) => e.reason(),
        }
    }
}

/// Every tenant's account in memory. An idle tenant costs some hundred bytes.
#[derive(Debug, Default)]
pub(super) struct Accounts(RwLock<HashMap<TenantId, Arc<Shared>>>);

/// One tenant's account. Whoever extends its leases holds `turn`, so that a crowd asks the file once.
#[derive(Debug, Default)]
struct Shared {
    account: Mutex<Account>,
    turn: tokio::sync::Mutex<()>,
}

impl Accounts {
    fn of(&self, tenant: &TenantId) -> Arc<Shared> {
        if let Some(found) = self.0.read().get(tenant) {
            return found.clone();
        }
        self.0.write().entry(tenant.clone()).or_default().clone()
    }

    /// Forgets the accounts of all tenants but these. Calls that still run settle with the ones they began with.
    pub(super) fn keep(&self, tenants: &BTreeSet<TenantId>) {
        self.0.write().retain(|tenant, _| tenants.contains(tenant));
    }

    /// Forgets a tenant's account.
    pub(super) fn remove(&self, tenant: &TenantId) {
        self.0.write().remove(tenant);
    }

    pub(super) fn close(&self) -> Vec<(TenantId, Vec<Closing>)> {
        let accounts = self.0.read();
        accounts.iter().map(|(tenant, shared)| (tenant.clone(), shared.account.lock().close())).collect()
    }
}

struct Hold {
    ledger: Ledger,
    tenant: TenantId,
    shared: Arc<Shared>,
    parts: Vec<Part>,
    want: Amounts,
}

impl Hold {
    /// Takes the parts out, so that a hold is settled once.
    fn settle(&mut self, actual: Amounts) {
        let parts = std::mem::take(&mut self.parts);
        if parts.is_empty() {
            return;
        }
        let crossed = self.shared.account.lock().settle(&parts, actual);
        if !crossed.is_empty() {
            self.ledger.tell(&self.tenant, crossed);
        }
    }
}

/// What a call may use at most, held back from its tenant's budgets. Dropping it gives everything back.
#[must_use = "a reservation that is dropped is given back"]
pub struct Reservation(Hold);

impl Reservation {
    /// The amounts held back.
    #[must_use]
    pub fn amounts(&self) -> Amounts {
        self.0.want
    }

    /// The call begins: from here on it costs something, in full unless [`Charge::settle`] says how much.
    pub fn commit(mut self) -> Charge {
        let parts = std::mem::take(&mut self.0.parts);
        let Hold { ledger, tenant, shared, want, .. } = &self.0;
        let (ledger, tenant, shared) = (ledger.clone(), tenant.clone(), shared.clone());
        Charge(Hold { ledger, tenant, shared, parts, want: *want })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.0.settle(Amounts::default());
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reservation").field(&self.0.want).finish()
    }
}

/// The cost of a call that runs. Dropping it (a panic, a cancelled future) charges the whole reservation.
#[must_use = "a charge that is dropped charges in full"]
pub struct Charge(Hold);

impl Charge {
    /// The most that can be charged.
    #[must_use]
    pub fn amounts(&self) -> Amounts {
        self.0.want
    }

    /// Charges what the call used and lets the rest go. Gives what was charged: never more than was reserved.
    pub fn settle(mut self, actual: Amounts) -> Amounts {
        let charged = actual.min(self.0.want);
        if charged != actual {
            tracing::warn!(?actual, reserved = ?self.0.want, "a call used more than was reserved for it");
        }
        self.0.settle(charged);
        charged
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.0.settle(self.0.want);
    }
}

impl fmt::Debug for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Charge").field(&self.0.want).finish()
    }
}

impl Ledger {
    /// Holds back what a call may use at most, from every budget or from none, when the leases in memory cover it.
    /// `None` when they do not: then [`Ledger::reserve`] asks the file. Takes a microsecond and waits for no disk.
    ///
    /// # Errors
    /// [`ReserveError::Exceeded`] when a budget is known to have no room, [`ReserveError::Storage`] after
    /// [`Ledger::close`].
    pub fn try_reserve(
        &self,
        tenant: &TenantId,
        budgets: &[Budget],
        want: Amounts,
    ) -> Result<Option<Reservation>, ReserveError> {
        self.inner.writer()?;
        let shared = self.inner.accounts.of(tenant);
        match self.attempt(&shared, budgets, want) {
            Tried::Held(parts) => Ok(Some(self.hold(tenant, shared, parts, want))),
            Tried::Short(_) => Ok(None),
            Tried::Exceeded(exceeded) => Err(exceeded.into()),
        }
    }

    /// Holds back what a call may use at most, from every budget or from none. Waits for one commit when a lease must
    /// grow, which is for about every sixtieth call. No number of callers and processes together spends more than a
    /// limit in a window.
    ///
    /// # Errors
    /// [`ReserveError::Exceeded`] when a budget has no room, [`ReserveError::Storage`] when the file cannot be written.
    pub async fn reserve(
        &self,
        tenant: &TenantId,
        budgets: &[Budget],
        want: Amounts,
    ) -> Result<Reservation, ReserveError> {
        if let Some(reservation) = self.try_reserve(tenant, budgets, want)? {
            return Ok(reservation);
        }
        let shared = self.inner.accounts.of(tenant);
        let turn = shared.clone();
        let _turn = turn.turn.lock().await;
        loop {
            match self.attempt(&shared, budgets, want) {
                Tried::Held(parts) => return Ok(self.hold(tenant, shared, parts, want)),
                Tried::Exceeded(exceeded) => return Err(exceeded.into()),
                Tried::Short(asks) => {
                    let (me, tenant) = (self.inner.presence.id, tenant.clone());
                    let now = self.inner.clock.unix_ms();
                    let extend = move |c: &_| lease::extend(c, me, &tenant, &asks, now);
                    let grants = self.inner.writer()?.run(extend).await?;
                    shared.account.lock().apply(&grants, self.inner.clock.monotonic());
                }
            }
        }
    }

    fn hold(&self, tenant: &TenantId, shared: Arc<Shared>, parts: Vec<Part>, want: Amounts) -> Reservation {
        Reservation(Hold { ledger: self.clone(), tenant: tenant.clone(), shared, parts, want })
    }

    fn attempt(&self, shared: &Shared, budgets: &[Budget], want: Amounts) -> Tried {
        let clock = &self.inner.clock;
        let now = Now { unix_ms: clock.unix_ms(), monotonic: clock.monotonic() };
        shared.account.lock().try_reserve(now, budgets, want)
    }

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

    /// Everything that was ever counted for a tenant and not forgotten.
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

#[cfg(test)]
mod tests {
    use super::super::budget::{Of, Per};
    use super::super::fixture::{NOON, Still, acme, on_disk};
    use super::*;
    use crate::storage::folder::tests::temporary;

    fn budget(of: Of, per: Per, limit: u64) -> Budget {
        Budget::new(of, per, limit)
    }

    fn refusal<T: fmt::Debug>(result: Result<T, ReserveError>) -> Exceeded {
        match result.unwrap_err() {
            ReserveError::Exceeded(e) => e,
            ReserveError::Storage(e) => panic!("{e}"),
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn of_a_hundred_racing_for_the_last_unit_one_wins() {
        let (_guard, _folder, _clock, ledger) = on_disk();
        let budgets = [budget(Of::Calls, Per::Day, 5), budget(Of::Fuel, Per::Hour, 1000)];
        for _ in 0..4 {
            ledger
                .reserve(&acme(), &budgets, Amounts::call(10))
                .await
                .unwrap()
                .commit()
                .settle(Amounts::call(1));
        }
        let mut racers = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let ledger = ledger.clone();
            let budgets = budgets.clone();
            racers.spawn(async move { ledger.reserve(&acme(), &budgets, Amounts::call(10)).await });
        }
        let (won, lost): (Vec<_>, Vec<_>) = racers.join_all().await.into_iter().partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, 99));
        for lost in lost {
            let e = refusal(lost);
            assert_eq!((&e.budget, e.left, e.retry_after_ms), (&budgets[0], 0, Some(43_200_000)));
        }
        drop(won);
        let usage = ledger.usage(&acme(), &budgets).await.unwrap();
        assert_eq!(usage.iter().map(|u| (u.spent, u.reserved)).collect::<Vec<_>>(), [(4, 0), (4, 0)]);
    }

    #[tokio::test]
    async fn a_lease_covers_calls_without_the_file_and_a_drop_decides_the_cost() {
        let (_guard, _folder, _clock, ledger) = on_disk();
        let budgets = [budget(Of::Fuel, Per::Total, 10_000)];
        assert!(ledger.try_reserve(&acme(), &budgets, Amounts::call(100)).unwrap().is_none());
        drop(ledger.reserve(&acme(), &budgets, Amounts::call(100)).await.unwrap());
        let again = ledger.try_reserve(&acme(), &budgets, Amounts::call(100)).unwrap().unwrap();
        assert_eq!(again.commit().settle(Amounts { calls: 9, ..Amounts::call(101) }), Amounts::call(100));
        drop(ledger.try_reserve(&acme(), &budgets, Amounts::call(100)).unwrap().unwrap().commit());
        let held = ledger.try_reserve(&acme(), &budgets, Amounts::call(7)).unwrap().unwrap();
        let usage = ledger.usage(&acme(), &budgets).await.unwrap().remove(0);
        assert_eq!((usage.spent, usage.reserved, usage.left()), (200, 7, 9793));
        assert_eq!(held.amounts(), Amounts::call(7));
    }

    #[tokio::test]
    async fn a_window_begins_anew_and_a_clock_that_goes_back_finds_no_fresh_one() {
        let (_guard, folder, clock, ledger) = on_disk();
        let budgets = [budget(Of::Calls, Per::Minute, 2)];
        let spend = async |ledger: &Ledger| {
            let reserved = ledger.reserve(&acme(), &budgets, Amounts::call(0)).await;
            reserved.map(|r| r.commit().settle(Amounts::call(0)))
        };
        for _ in 0..2 {
            spend(&ledger).await.unwrap();
        }
        assert_eq!(refusal(spend(&ledger).await).retry_after_ms, Some(60_000));
        clock.pass(60_000);
        spend(&ledger).await.unwrap();
        clock.set_back(120_000);
        spend(&ledger).await.unwrap();
        assert_eq!(refusal(spend(&ledger).await).retry_after_ms, Some(180_000));
        ledger.close().await.unwrap();
        let reopened = Ledger::open(&folder, clock).unwrap();
        assert_eq!(refusal(spend(&reopened).await).left, 0);
    }

    #[tokio::test]
    async fn a_clean_end_keeps_what_was_spent_and_a_crash_the_whole_lease() {
        let (_guard, folder, clock, ledger) = on_disk();
        let budgets = [budget(Of::Calls, Per::Total, 1000)];
        let usage = async |ledger: &Ledger| ledger.usage(&acme(), &budgets).await.unwrap().remove(0);
        ledger.reserve(&acme(), &budgets, Amounts::call(1)).await.unwrap().commit().settle(Amounts::call(1));
        ledger.close().await.unwrap();
        assert_eq!(
            ledger.try_reserve(&acme(), &budgets, Amounts::call(1)).unwrap_err(),
            StorageError::Closed.into()
        );
        let second = Ledger::open(&folder, clock.clone()).unwrap();
        assert_eq!((usage(&second).await.spent, usage(&second).await.reserved), (1, 0));
        second.reserve(&acme(), &budgets, Amounts::call(1)).await.unwrap().commit().settle(Amounts::call(1));
        drop(second);
        let third = Ledger::open(&folder, clock).unwrap();
        let after = usage(&third).await;
        assert!((2..=66).contains(&after.spent) && after.reserved == 0, "{after:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn two_processes_share_a_limit() {
        let (_guard, folder) = temporary();
        let ledgers = [(); 2].map(|()| Ledger::open(&folder, Still::at(NOON)).unwrap());
        let budgets = [budget(Of::Calls, Per::Hour, 100)];
        let mut callers = tokio::task::JoinSet::new();
        for i in 0..200 {
            let (ledger, budgets) = (ledgers[i % 2].clone(), budgets.clone());
            callers.spawn(async move {
                let reserved = ledger.reserve(&acme(), &budgets, Amounts::call(0)).await;
                reserved.map(|r| r.commit().settle(Amounts::call(0))).is_ok()
            });
        }
        let admitted = callers.join_all().await.into_iter().filter(|ok| *ok).count();
        assert!((90..=100).contains(&admitted), "{admitted}");
        for ledger in &ledgers {
            ledger.close().await.unwrap();
        }
        let later = Ledger::open(&folder, Still::at(NOON)).unwrap();
        assert_eq!(later.usage(&acme(), &budgets).await.unwrap()[0].spent, admitted as u64);
    }

    #[tokio::test]
    async fn a_changed_limit_counts_at_once() {
        let (_guard, _folder, _clock, ledger) = on_disk();
        let limit = |limit| [budget(Of::Calls, Per::Day, limit)];
        ledger
            .reserve(&acme(), &limit(1000), Amounts::call(0))
            .await
            .unwrap()
            .commit()
            .settle(Amounts::call(0));
        assert_eq!(refusal(ledger.reserve(&acme(), &limit(1), Amounts::call(0)).await).left, 0);
        assert_eq!(refusal(ledger.reserve(&acme(), &limit(0), Amounts::call(0)).await).left, 0);
        drop(ledger.reserve(&acme(), &limit(2), Amounts::call(0)).await.unwrap());
        let huge = ledger
            .reserve(&acme(), &limit(u64::MAX), Amounts { calls: u64::MAX, ..Amounts::default() })
            .await;
        assert!(refusal(huge).left > 1000);
    }
}
