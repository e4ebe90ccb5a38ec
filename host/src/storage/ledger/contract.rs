//! What a call's pipeline asks of a ledger, in its own terms, so that another engine can be put under it.
//!
//! Takes: nothing. Gives: the trait [`Ledger`], kept by the one on SQLite. May name: id.
//!
//! The promises are those of the methods here. `tests/any_ledger_keeps_its_word.rs` plays random interleavings of all of
//! them on an engine and on a model of about a hundred lines, and an engine of your own goes into the same test.

use super::{
    Amounts, Budget, Charge, Claim, ClaimScope, Claimed, Count, Kill, KillMode, KillScope, KillTarget, Raise,
    Reservation, ReserveError, StartError, Started, StoredAnswer, Usage,
};
use crate::id::{CallId, TenantId};
use crate::storage::StorageError;
use std::future::Future;
use std::time::Duration;

/// A ledger: budgets that are never overshot, writes that happen once, switches that stop. Clones are the same ledger.
///
/// Whatever is given away here is a right that ends with its owner: a future that is dropped and a call that panics cost
/// what is said at each type, and never leave something held for ever.
pub trait Ledger: Clone + Send + Sync + 'static {
    /// A call's worst case, held back. Dropped, it is given back whole.
    type Reservation: Send + 'static;
    /// What a call that has begun may cost. Dropped, it is charged whole.
    type Charge: Send + 'static;
    /// The right to be the one write of a key. Dropped, it leaves no trace.
    type Claim: Send + 'static;
    /// A write that has begun, durably. Dropped, nobody knows its outcome.
    type Started: Send + 'static;

    /// Holds back what a call may use at most, from all of the budgets or from none. However many do so at once, no window
    /// of a budget ever has more reserved and spent together than its limit.
    ///
    /// # Errors
    /// [`ReserveError`]; nothing is held back.
    fn reserve(
        &self,
        tenant: &TenantId,
        budgets: &[Budget],
        want: Amounts,
    ) -> impl Future<Output = Result<Self::Reservation, ReserveError>> + Send;

    /// The call begins, and costs something from here on.
    fn begin(&self, reservation: Self::Reservation) -> Self::Charge;

    /// Charges what the call used, at most what was reserved, and lets the rest go. Gives what was charged.
    fn settle(&self, charge: Self::Charge, actual: Amounts) -> Amounts;

    /// Asks for the right to be the one write of a key. `fingerprint` stands for the arguments.
    ///
    /// # Errors
    /// [`StorageError`]; nothing is claimed.
    fn claim(
        &self,
        scope: ClaimScope,
        fingerprint: [u8; 32],
        call: CallId,
    ) -> impl Future<Output = Result<Claimed<Self::Claim>, StorageError>> + Send;

    /// Notes durably that the write begins, and what it has to run.
    ///
    /// # Errors
    /// [`StartError`]; nothing was noted, and the key is as it was.
    fn start(
        &self,
        claim: Self::Claim,
        deadline: Duration,
    ) -> impl Future<Output = Result<Self::Started, StartError>> + Send;

    /// Stores the answer durably and charges what the call used: both or neither. Gives what was charged.
    ///
    /// # Errors
    /// [`StorageError`]; the outcome is unknown, and the whole charge is taken.
    fn complete(
        &self,
        write: Self::Started,
        answer: StoredAnswer,
        charge: Self::Charge,
        actual: Amounts,
    ) -> impl Future<Output = Result<Amounts, StorageError>> + Send;

    /// Notes durably that nobody knows whether the write took effect.
    ///
    /// # Errors
    /// [`StorageError`]; the outcome is unknown then, too.
    fn lose(&self, write: Self::Started) -> impl Future<Output = Result<(), StorageError>> + Send;

    /// Forgets the write durably, which is known to have had no effect: its key is free.
    ///
    /// # Errors
    /// [`StorageError`]; the outcome is unknown then.
    fn release(&self, write: Self::Started) -> impl Future<Output = Result<(), StorageError>> + Send;

    /// Turns a kill switch on, durably, in the place of one of the same scope. Gives how many running calls were told.
    ///
    /// # Errors
    /// [`StorageError`]; the switch is as it was.
    fn kill(
        &self,
        scope: KillScope,
        mode: KillMode,
        by: &str,
        why: &str,
    ) -> impl Future<Output = Result<usize, StorageError>> + Send;

    /// Turns a kill switch off, durably. `false` when it was not on.
    ///
    /// # Errors
    /// [`StorageError`]; the switch is as it was.
    fn revive(&self, scope: KillScope) -> impl Future<Output = Result<bool, StorageError>> + Send;

    /// The kill switch that refuses this call, if one does; waits for nothing.
    fn killed(&self, call: &KillTarget<'_>) -> Option<Kill>;

    /// Raises the budgets on one count, durably, until it ends; one that is raised already is raised by this much instead.
    ///
    /// # Errors
    /// [`StorageError`]; the budget is as it was.
    fn raise(&self, raise: Raise) -> impl Future<Output = Result<(), StorageError>> + Send;

    /// Ends a raise before its time, durably. `false` when there is none.
    ///
    /// # Errors
    /// [`StorageError`]; the budget is as it was.
    fn lower(
        &self,
        tenant: &TenantId,
        count: &Count,
    ) -> impl Future<Output = Result<bool, StorageError>> + Send;

    /// How far each budget is used in its present window.
    ///
    /// # Errors
    /// [`StorageError`] when the ledger cannot be read.
    fn usage(
        &self,
        tenant: &TenantId,
        budgets: &[Budget],
    ) -> impl Future<Output = Result<Vec<Usage>, StorageError>> + Send;

    /// Ends this process's part in the ledger: what was spent counts, what is held is charged whole.
    ///
    /// # Errors
    /// [`StorageError`]; then everything that this process may have spent counts as spent.
    fn close(&self) -> impl Future<Output = Result<(), StorageError>> + Send;
}

impl Ledger for super::SqliteLedger {
    type Reservation = Reservation;
    type Charge = Charge;
    type Claim = Claim;
    type Started = Started;

    async fn reserve(
        &self,
        tenant: &TenantId,
        budgets: &[Budget],
        want: Amounts,
    ) -> Result<Reservation, ReserveError> {
        self.reserve(tenant, budgets, want).await
    }

    fn begin(&self, reservation: Reservation) -> Charge {
        reservation.commit()
    }

    fn settle(&self, charge: Charge, actual: Amounts) -> Amounts {
        charge.settle(actual)
    }

    async fn claim(
        &self,
        scope: ClaimScope,
        fingerprint: [u8; 32],
        call: CallId,
    ) -> Result<Claimed, StorageError> {
        self.claim(scope, fingerprint, call).await
    }

    async fn start(&self, claim: Claim, deadline: Duration) -> Result<Started, StartError> {
        claim.start(deadline).await
    }

    async fn complete(
        &self,
        write: Started,
        answer: StoredAnswer,
        charge: Charge,
        actual: Amounts,
    ) -> Result<Amounts, StorageError> {
        write.complete(answer, charge, actual).await
    }

    async fn lose(&self, write: Started) -> Result<(), StorageError> {
        write.lose().await
    }

    async fn release(&self, write: Started) -> Result<(), StorageError> {
        write.release().await
    }

    async fn kill(
        &self,
        scope: KillScope,
        mode: KillMode,
        by: &str,
        why: &str,
    ) -> Result<usize, StorageError> {
        self.kill(scope, mode, by, why).await
    }

    async fn revive(&self, scope: KillScope) -> Result<bool, StorageError> {
        self.revive(scope).await
    }

    fn killed(&self, call: &KillTarget<'_>) -> Option<Kill> {
        self.killed(call)
    }

    async fn raise(&self, raise: Raise) -> Result<(), StorageError> {
        self.raise(raise).await
    }

    async fn lower(&self, tenant: &TenantId, count: &Count) -> Result<bool, StorageError> {
        self.lower(tenant, count).await
    }

    async fn usage(&self, tenant: &TenantId, budgets: &[Budget]) -> Result<Vec<Usage>, StorageError> {
        self.usage(tenant, budgets).await
    }

    async fn close(&self) -> Result<(), StorageError> {
        self.close().await
    }
}
