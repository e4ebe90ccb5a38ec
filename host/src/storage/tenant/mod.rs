//! Each tenant's own store: one SQLite file in a folder of its own, so that nothing is shared and deleting is unlinking.
//!
//! Takes: a tenant. Gives: its [`TenantStore`], and a [`KvTransaction`] over its keyvalue and memory for a call. May name: id.

mod error;
mod kv;
mod memory;
mod overlay;
mod query;
#[cfg(test)]
mod quota_tests;
mod recall;
mod remembered;
mod size;
mod store;
mod transaction;

pub use error::{KvError, MemoryError};
pub use kv::{KeyPage, MAX_BUCKET, MAX_KEY, MAX_PAGE, MAX_VALUE};
pub use memory::{MAX_ID, MAX_QUERY, MAX_TAG, MAX_TAGS, MAX_TEXT, MAX_TOP_K, MAX_WORDS};
pub use overlay::{MAX_PENDING_BYTES, MAX_PENDING_KEYS, Writes};
pub use remembered::Found;
pub use size::{KEYVALUE_QUOTA, MEMORY_QUOTA, Quotas, Size};
pub use store::TenantStore;
pub use transaction::KvTransaction;

use super::{Folder, StorageError};
use crate::id::TenantId;
use moka::sync::Cache;
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Stores that stay open while nobody uses them, unless the host says otherwise. Each takes seven file handles.
pub const OPEN_STORES: u64 = 64;
/// How long an unused store stays open.
const IDLE: Duration = Duration::from_secs(300);

/// A store, and whose it is, as long as somebody holds it.
type Held = (TenantId, Weak<TenantStore>);

/// The stores of all tenants. Clones are handles to the same ones.
#[derive(Clone)]
pub struct TenantStores {
    /// `None` keeps them in memory.
    folder: Option<Folder>,
    open: Cache<TenantId, Arc<TenantStore>>,
    /// Tenants whose stores nobody may open. Held while one is opened, so that none slips through.
    closed: Arc<RwLock<BTreeSet<TenantId>>>,
    /// Every store that somebody may still hold: running calls do, also of stores that were idle for too long.
    held: Arc<Mutex<Vec<Held>>>,
}

impl TenantStores {
    /// Stores under `<folder>/<tenant>/store.db`. At most `open` of them ([`OPEN_STORES`] is a good number) stay open
    /// unused, for five minutes.
    #[must_use]
    pub fn new(folder: Folder, open: u64) -> Self {
        Self::with(Some(folder), Cache::builder().max_capacity(open).time_to_idle(IDLE).build())
    }

    /// Stores in memory, for tests and for hosts that keep nothing.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::with(None, Cache::builder().build())
    }

    fn with(folder: Option<Folder>, open: Cache<TenantId, Arc<TenantStore>>) -> Self {
        Self { folder, open, closed: Arc::default(), held: Arc::default() }
    }

    /// The tenant's store; it is made when it is not there yet. An open store is found in under a microsecond; opening
    /// one takes some milliseconds, on a thread that may block. Needs a Tokio runtime.
    ///
    /// # Errors
    /// [`StorageError`] when it is damaged, from a newer version, locked, or cannot be written; and
    /// [`StorageError::Closed`] while the tenant is being deleted.
    pub async fn open(&self, tenant: &TenantId) -> Result<Arc<TenantStore>, StorageError> {
        if let Some(store) = self.open.get(tenant) {
            return Ok(store);
        }
        let (stores, tenant) = (self.clone(), tenant.clone());
        let opened = tokio::task::spawn_blocking(move || {
            let closed = stores.closed.read();
            if closed.contains(&tenant) {
                return Err(StorageError::Closed);
            }
            stores.open.try_get_with(tenant.clone(), || stores.open_now(&tenant)).map_err(|e| (*e).clone())
        });
        opened.await.unwrap_or(Err(StorageError::Closed))
    }

    fn open_now(&self, tenant: &TenantId) -> Result<Arc<TenantStore>, StorageError> {
        let store = match &self.folder {
            Some(folder) => TenantStore::on_disk(&folder.child(tenant.as_str())?)?,
            None => TenantStore::in_memory()?,
        };
        let store = Arc::new(store);
        let mut held = self.held.lock();
        held.retain(|(_, store)| store.strong_count() > 0);
        held.push((tenant.clone(), Arc::downgrade(&store)));
        Ok(store)
    }

    /// Closes the stores of these tenants, and lets nobody open them until it is called with others. Calls that still
    /// hold one get [`StorageError::Closed`]. Blocks until what is being written is written.
    pub fn let_go(&self, tenants: &BTreeSet<TenantId>) {
        let mut closed = self.closed.write();
        tenants.iter().for_each(|tenant| self.close(tenant));
        closed.clone_from(tenants);
    }

    /// Whether the tenant has a folder here.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn has(&self, tenant: &TenantId) -> io::Result<bool> {
        self.folder.as_ref().map_or(Ok(false), |folder| folder.dir().try_exists(tenant.as_str()))
    }

    /// The tenants that have a folder here.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn known_tenants(&self) -> io::Result<Vec<TenantId>> {
        let Some(folder) = &self.folder else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for entry in folder.dir().entries()? {
            found.extend(TenantId::new(entry?.file_name().to_string_lossy()));
        }
        Ok(found)
    }

    fn close(&self, tenant: &TenantId) {
        self.open.invalidate(tenant);
        let held = std::mem::take(&mut *self.held.lock());
        let (these, others): (Vec<_>, Vec<_>) = held.into_iter().partition(|(whose, _)| whose == tenant);
        self.held.lock().extend(others);
        these.iter().filter_map(|(_, store)| store.upgrade()).for_each(|store| store.close());
    }

    /// Deletes everything that the tenant has stored. Calls that still hold the store get [`StorageError::Closed`].
    /// No other process may have it open: see [`TenantStores::let_go`].
    ///
    /// # Errors
    /// [`StorageError`] when the folder cannot be removed; call it again then.
    pub async fn delete(&self, tenant: &TenantId) -> Result<(), StorageError> {
        let (stores, tenant) = (self.clone(), tenant.clone());
        let deleted = tokio::task::spawn_blocking(move || {
            // Nobody opens one meanwhile.
            let _closed = stores.closed.write();
            stores.close(&tenant);
            let Some(folder) = &stores.folder else { return Ok(()) };
            match folder.dir().remove_dir_all(tenant.as_str()) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(e) => Err(e.into()),
                // So that a power failure does not bring it back.
                Ok(()) => Ok(folder.dir().open(".")?.into_std().sync_all()?),
            }
        });
        deleted.await.unwrap_or(Err(StorageError::Closed))
    }
}

impl fmt::Debug for TenantStores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantStores")
            .field("folder", &self.folder.as_ref().map(Folder::path))
            .field("open", &self.open.entry_count())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::folder::tests::temporary;

    fn tenant(name: &str) -> TenantId {
        TenantId::new(name).unwrap()
    }

    async fn put(stores: &TenantStores, name: &str, value: &str) {
        let mut call = KvTransaction::new(stores.open(&tenant(name)).await.unwrap());
        call.set("b", "k", value.as_bytes().to_vec()).unwrap();
        call.commit().await.unwrap();
    }

    async fn got(stores: &TenantStores, name: &str) -> Option<Vec<u8>> {
        stores.open(&tenant(name)).await.unwrap().get("b", "k").unwrap()
    }

    #[tokio::test]
    async fn tenants_share_nothing_and_deleting_one_leaves_the_other() {
        let (_guard, folder) = temporary();
        let stores = TenantStores::new(folder.clone(), 4);
        put(&stores, "acme", "canary").await;
        assert_eq!(got(&stores, "globex").await, None);
        put(&stores, "globex", "mine").await;
        let held = stores.open(&tenant("acme")).await.unwrap();
        stores.delete(&tenant("acme")).await.unwrap();
        assert_eq!(held.get("b", "k").unwrap_err(), StorageError::Closed.into());
        assert!(!folder.dir().exists("acme"));
        assert_eq!(
            (got(&stores, "acme").await, got(&stores, "globex").await),
            (None, Some(b"mine".to_vec()))
        );
        stores.delete(&tenant("never-there")).await.unwrap();
    }

    #[tokio::test]
    async fn a_store_that_is_let_go_stays_closed_for_whoever_holds_it_and_opens_for_nobody() {
        let (_guard, folder) = temporary();
        let stores = TenantStores::new(folder.clone(), 0);
        put(&stores, "acme", "canary").await;
        let held = stores.open(&tenant("acme")).await.unwrap();
        stores.open.run_pending_tasks();
        let mut call = KvTransaction::new(held.clone());
        call.set("b", "k", b"late".to_vec()).unwrap();
        stores.let_go(&BTreeSet::from([tenant("acme")]));
        assert_eq!(call.commit().await.unwrap_err(), StorageError::Closed);
        assert_eq!(stores.open(&tenant("acme")).await.unwrap_err(), StorageError::Closed);
        put(&stores, "globex", "goes on").await;
        stores.delete(&tenant("acme")).await.unwrap();
        assert_eq!(stores.open(&tenant("acme")).await.unwrap_err(), StorageError::Closed);
        assert!(!stores.has(&tenant("acme")).unwrap());
        assert_eq!(stores.known_tenants().unwrap(), [tenant("globex")]);
        stores.let_go(&BTreeSet::new());
        assert_eq!(got(&stores, "acme").await, None);
    }

    #[tokio::test]
    async fn idle_stores_are_bounded_and_what_is_committed_outlives_them() {
        let (_guard, folder) = temporary();
        let stores = TenantStores::new(folder, 2);
        for i in 0..6 {
            put(&stores, &format!("t{i}"), &i.to_string()).await;
        }
        stores.open.run_pending_tasks();
        assert!(stores.open.entry_count() <= 2);
        for i in 0..6 {
            assert_eq!(got(&stores, &format!("t{i}")).await, Some(i.to_string().into_bytes()));
        }
    }

    #[tokio::test]
    async fn a_damaged_store_is_its_tenants_trouble_alone() {
        let (_guard, folder) = temporary();
        folder.child("acme").unwrap().dir().write("store.db", "garbage ".repeat(1000)).unwrap();
        let stores = TenantStores::new(folder, 2);
        assert!(matches!(stores.open(&tenant("acme")).await.unwrap_err(), StorageError::Damaged { .. }));
        put(&stores, "globex", "fine").await;
    }
}
