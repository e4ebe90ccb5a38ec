//! A call's side of its tenant's store: what keyvalue and memory write is one transaction.
//!
//! Takes: the stores, the tenant and its quotas. Gives: [`Stored`]. May name: id, storage.

use crate::id::TenantId;
use crate::storage::StorageError;
use crate::storage::tenant::{KvTransaction, Quotas, TenantStores};

/// The call's transaction; begun when the guest first asks for something stored.
pub(crate) struct Stored {
    stores: TenantStores,
    tenant: TenantId,
    quotas: Quotas,
    open: Option<KvTransaction>,
    /// The first quota that the call met, in words.
    full: Option<String>,
}

impl Stored {
    pub(crate) fn new(stores: TenantStores, tenant: TenantId, quotas: Quotas) -> Self {
        Self { stores, tenant, quotas, open: None, full: None }
    }

    /// The transaction, begun if it was not yet.
    pub(super) async fn begin(&mut self) -> Result<&mut KvTransaction, StorageError> {
        if self.open.is_none() {
            let store = self.stores.open(&self.tenant).await?;
            self.open = Some(KvTransaction::new(store).within(self.quotas));
        }
        self.begun().ok_or(StorageError::Closed)
    }

    /// The transaction, if it was begun.
    pub(super) fn begun(&mut self) -> Option<&mut KvTransaction> {
        self.open.as_mut()
    }

    /// Notes that the call met a quota.
    pub(super) fn is_full(&mut self, why: &str) {
        self.full.get_or_insert_with(|| why.to_owned());
    }

    /// The first quota that the call met.
    pub(crate) fn full(&self) -> Option<&str> {
        self.full.as_deref()
    }

    /// Whether there is anything to commit.
    pub(crate) fn has_written(&self) -> bool {
        self.open.as_ref().is_some_and(|transaction| !transaction.writes().is_empty())
    }

    /// Commits what the call wrote: all of it, durably, or nothing.
    pub(crate) async fn commit(self) -> Result<(), StorageError> {
        match self.open {
            Some(transaction) => transaction.commit().await,
            None => Ok(()),
        }
    }
}
