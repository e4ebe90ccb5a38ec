//! Reservations: hold back a call's worst case before it runs, charge what it used after.
//!
//! Takes: a tenant, its budgets, the most a call may use. Gives: a [`Reservation`], then a [`Charge`]. May name: id, reason.

use super::account::{Account, Closing, Now, Part, Tried};
use super::budget::{Amounts, Budget, Exceeded};
use super::{SqliteLedger, lease};
use crate::id::TenantId;
use crate::reason::Reason;
use crate::step::{Step, reached};
use crate::storage::StorageError;
use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeSet;
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
pub(super) struct Shared {
    pub(super) account: Mutex<Account>,
    turn: tokio::sync::Mutex<()>,
}

impl Accounts {
    pub(super) fn of(&self, tenant: &TenantId) -> Arc<Shared> {
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
    ledger: SqliteLedger,
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

impl SqliteLedger {
    /// Holds back what a call may use at most, from every budget or from none, when the leases in memory cover it.
    /// `None` when they do not: then [`SqliteLedger::reserve`] asks the file. Takes a microsecond and waits for no disk.
    ///
    /// # Errors
    /// [`ReserveError::Exceeded`] when a budget is known to have no room, [`ReserveError::Storage`] after
    /// [`SqliteLedger::close`].
    pub fn try_reserve(
        &self,
        tenant: &TenantId,
        budgets: &[Budget],
        want: Amounts,
    ) -> Result<Option<Reservation>, ReserveError> {
        self.inner.writer()?;
        let shared = self.inner.accounts.of(tenant);
        match self.attempt(tenant, &shared, budgets, want) {
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
            match self.attempt(tenant, &shared, budgets, want) {
                Tried::Held(parts) => return Ok(self.hold(tenant, shared, parts, want)),
                Tried::Exceeded(exceeded) => return Err(exceeded.into()),
                Tried::Short(asks) => {
                    let (me, tenant) = (self.inner.presence.id, tenant.clone());
                    let now = self.inner.clock.unix_ms();
                    let extend = move |c: &_| lease::extend(c, me, &tenant, &asks, now);
                    let grants = self.inner.writer()?.run(extend).await?;
                    reached(Step::LeaseExtended);
                    shared.account.lock().apply(&grants, self.inner.clock.monotonic());
                }
            }
        }
    }

    fn hold(&self, tenant: &TenantId, shared: Arc<Shared>, parts: Vec<Part>, want: Amounts) -> Reservation {
        Reservation(Hold { ledger: self.clone(), tenant: tenant.clone(), shared, parts, want })
    }

    fn attempt(&self, tenant: &TenantId, shared: &Shared, budgets: &[Budget], want: Amounts) -> Tried {
        let clock = &self.inner.clock;
        let now = Now { unix_ms: clock.unix_ms(), monotonic: clock.monotonic() };
        let budgets = self.inner.watched.raises.over(tenant, budgets, now.unix_ms);
        shared.account.lock().try_reserve(now, &budgets, want)
    }
}
