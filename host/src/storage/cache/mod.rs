//! What tools cache for a tenant: disposable, bounded, and never seen by another tenant or another tool.
//!
//! Takes: a folder, a clock, randomness. Gives: [`TenantCaches`]. May name: id, powers, storage.
//!
//! Nothing but a wrong argument fails a call. What cannot be read is not there, what cannot be written is forgotten, with
//! a warning: the disk may be full, damaged, or another process may have it open, and then entries are in memory for a while.

mod disk;
mod error;
mod rows;
mod sealed;
mod secret;
mod secrets;
mod shelf;
mod stock;
#[cfg(test)]
mod tests;

pub use error::CacheError;

use super::{Folder, StorageError};
use crate::id::{TenantId, ToolName};
use crate::powers::{Clock, Entropy};
use disk::{Disk, NoDisk};
use parking_lot::{Mutex, RwLock};
use rows::{Broken, Rows};
use secrets::Secrets;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use stock::{Set, Stock};

/// Bytes of a key.
pub const MAX_CACHE_KEY: usize = 1024;
/// Bytes of a value.
pub const MAX_CACHE_VALUE: usize = 256 * 1024;
/// The shortest time to live, in seconds.
pub const MIN_TTL_S: u32 = 1;
/// The longest time to live, in seconds: seven days.
pub const MAX_TTL_S: u32 = 7 * 24 * 3600;
/// Bytes that an entry counts beside its value.
pub const ENTRY_BYTES: u64 = 128;
/// What each tenant may cache, unless the host's operator says otherwise.
pub const CACHE_QUOTA: CacheSize = CacheSize { bytes: 16 << 20, entries: 4096 };

/// Bytes that all tenants together may have on disk, and in memory when there is no disk.
const ON_DISK: u64 = 4 << 30;
const IN_MEMORY: u64 = 64 << 20;
/// How long after a failure the disk is tried again, and how often the same warning is given.
const AGAIN_MS: u64 = 30_000;

/// How much a cache may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheSize {
    /// Bytes of values, and [`ENTRY_BYTES`] for each entry.
    pub bytes: u64,
    /// Entries.
    pub entries: u64,
}

/// Whose cache it is, and how much it may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheOf {
    /// The tenant.
    pub tenant: TenantId,
    /// The tool: what another tool of the tenant has cached is not there.
    pub tool: ToolName,
    /// What all tools of the tenant together may have.
    pub quota: CacheSize,
    /// Bytes that this tool may have of it, if that is less.
    pub share: Option<u64>,
}

/// The caches of all tenants. Clones are handles to the same ones.
#[derive(Clone)]
pub struct TenantCaches(Arc<Caches>);

struct Caches {
    /// `None` keeps them in memory.
    folder: Option<Folder>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    on_disk: u64,
    in_memory: u64,
    stock: RwLock<Option<Arc<Stock>>>,
    opening: Mutex<()>,
}

impl TenantCaches {
    /// Caches in a folder. It is opened when the first value is set or looked for, not before: whoever opens it keeps other
    /// processes out, and they cache in memory.
    #[must_use]
    pub fn new(folder: Folder, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self::with(Some(folder), clock, entropy, ON_DISK, IN_MEMORY)
    }

    /// Caches in memory, for tests and for hosts that keep nothing.
    #[must_use]
    pub fn in_memory(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self::with(None, clock, entropy, ON_DISK, IN_MEMORY)
    }

    fn with(
        folder: Option<Folder>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        on_disk: u64,
        in_memory: u64,
    ) -> Self {
        let (stock, opening) = (RwLock::default(), Mutex::default());
        Self(Arc::new(Caches { folder, clock, entropy, on_disk, in_memory, stock, opening }))
    }

    /// A value that was set and has not expired. What is asked for often is there in some microseconds. Needs a Tokio runtime.
    ///
    /// # Errors
    /// [`CacheError::Key`].
    pub async fn get(&self, of: &CacheOf, key: &str) -> Result<Option<Vec<u8>>, CacheError> {
        checked(key)?;
        if let Some(value) = self.peek(of, key) {
            return Ok(Some(value));
        }
        let (of, key) = (of.clone(), key.to_owned());
        Ok(self.on_disk(move |caches| caches.get_now(&of, &key)).await.flatten())
    }

    /// Sets a value for some seconds, [`MIN_TTL_S`] to [`MAX_TTL_S`]. Older entries of the same tenant make room for it. Needs a
    /// Tokio runtime.
    ///
    /// # Errors
    /// [`CacheError`] for a wrong key, value or time; nothing was changed then.
    pub async fn set(&self, of: &CacheOf, key: &str, value: Vec<u8>, ttl_s: u32) -> Result<(), CacheError> {
        checked(key)?;
        if value.len() > MAX_CACHE_VALUE {
            return Err(CacheError::Value(value.len()));
        }
        if !(MIN_TTL_S..=MAX_TTL_S).contains(&ttl_s) {
            return Err(CacheError::Ttl(ttl_s));
        }
        stock::fits(of, value.len())?;
        let (of, key) = (of.clone(), key.to_owned());
        self.on_disk(move |caches| caches.set_now(&of, &key, &value, ttl_s)).await;
        Ok(())
    }

    /// Removes a value, if there is one. Needs a Tokio runtime.
    ///
    /// # Errors
    /// [`CacheError::Key`].
    pub async fn delete(&self, of: &CacheOf, key: &str) -> Result<(), CacheError> {
        checked(key)?;
        let (of, key) = (of.clone(), key.to_owned());
        self.on_disk(move |caches| caches.asked((), |stock, _| stock.delete(&of, &key))).await;
        Ok(())
    }

    /// Deletes everything that the tenant's tools have cached. Bytes that stay on the disk until it is written over were sealed
    /// under a key that is gone. Another process that has the folder open follows within a minute of its next use. Needs a Tokio
    /// runtime.
    ///
    /// # Errors
    /// [`StorageError`] when the key cannot be removed; call it again then.
    pub async fn delete_tenant(&self, tenant: &TenantId) -> Result<(), StorageError> {
        let tenant = tenant.clone();
        let deleted = self.on_disk(move |caches| caches.delete_now(&tenant)).await;
        deleted.unwrap_or(Err(StorageError::Closed))
    }

    /// Writes out what is left and lets go of the folder. What is set after that is in memory. Needs a Tokio runtime.
    pub async fn close(&self) {
        self.on_disk(|caches| {
            let _one = caches.0.opening.lock();
            let kept = caches.memory_stock(u64::MAX);
            let old = caches.0.stock.write().replace(kept);
            drop(old);
        })
        .await;
    }

    /// Opens what an earlier process has left, so that damage shows at the start. Needs a Tokio runtime.
    pub async fn open(&self) {
        if self.0.folder.as_ref().is_some_and(Disk::is_there) {
            self.on_disk(|caches| caches.asked((), |_, _| Ok(()))).await;
        }
    }

    fn peek(&self, of: &CacheOf, key: &str) -> Option<Vec<u8>> {
        let stock = self.0.stock.read().clone()?;
        stock.peek(of, key, self.0.clock.unix_ms())
    }

    fn get_now(&self, of: &CacheOf, key: &str) -> Option<Vec<u8>> {
        self.asked(None, |stock, now_ms| stock.get(of, key, now_ms))
    }

    fn set_now(&self, of: &CacheOf, key: &str, value: &[u8], ttl_s: u32) {
        self.asked((), |stock, now_ms| {
            let set = stock.set(of, (key, value), (now_ms, ttl_s), &*self.0.entropy)?;
            let told = stock.told_ms.load(Ordering::SeqCst);
            if set == Set::Dropped && now_ms.abs_diff(told) >= AGAIN_MS {
                stock.told_ms.store(now_ms, Ordering::SeqCst);
                tracing::warn!("the cache has no room for a value of tenant {}: it was dropped", of.tenant);
            }
            Ok(())
        });
    }

    fn delete_now(&self, tenant: &TenantId) -> Result<(), StorageError> {
        let stock = self.stock();
        if let Err(broken) = stock.delete_tenant(tenant)? {
            self.broke(&stock, &broken);
        }
        // While entries are in memory, the file of an earlier opening is on the disk still.
        match &self.0.folder {
            Some(folder) if folder.dir().exists(secrets::FOLDER) => {
                Ok(secrets::remove(&folder.child(secrets::FOLDER)?, tenant)?)
            }
            _ => Ok(()),
        }
    }

    /// Asks the stock, and goes on in memory when it breaks.
    fn asked<T>(&self, otherwise: T, ask: impl FnOnce(&Stock, u64) -> Result<T, Broken>) -> T {
        let now_ms = self.0.clock.unix_ms();
        let stock = self.stock();
        let answer = ask(&stock, now_ms).and_then(|answer| stock.sweep(now_ms).map(|()| answer));
        answer.unwrap_or_else(|broken| {
            self.broke(&stock, &broken);
            otherwise
        })
    }

    /// The stock in use; opened if there is none, or if it is time to try the disk again.
    fn stock(&self) -> Arc<Stock> {
        let now_ms = self.0.clock.unix_ms();
        let usable = |stock: &Option<Arc<Stock>>| {
            stock.as_ref().filter(|stock| now_ms < stock.again_ms.load(Ordering::SeqCst)).cloned()
        };
        if let Some(stock) = usable(&self.0.stock.read()) {
            return stock;
        }
        let _one = self.0.opening.lock();
        if let Some(stock) = usable(&self.0.stock.read()) {
            return stock;
        }
        let old = self.0.stock.read().clone();
        let stock = match (self.disk_stock(), old) {
            (Some(stock), _) => stock,
            (None, Some(old)) => {
                old.again_ms.store(now_ms.saturating_add(AGAIN_MS), Ordering::SeqCst);
                old
            }
            (None, None) if self.0.folder.is_none() => self.memory_stock(u64::MAX),
            (None, None) => self.memory_stock(now_ms.saturating_add(AGAIN_MS)),
        };
        let old = self.0.stock.write().replace(stock.clone());
        drop(old);
        stock
    }

    fn disk_stock(&self) -> Option<Arc<Stock>> {
        let folder = self.0.folder.as_ref()?;
        let made = folder.child(secrets::FOLDER).map_err(NoDisk::from).and_then(|keys| {
            let rows = Rows::Disk(Disk::open(folder)?);
            let stock = Stock::new(rows, Secrets::new(Some(keys)), self.0.on_disk);
            stock.map_err(|broken| NoDisk::Failed(broken.why))
        });
        match made {
            Ok(stock) => Some(Arc::new(stock)),
            Err(NoDisk::Busy) => {
                tracing::debug!("another process has the cache open: this one caches in memory");
                None
            }
            Err(NoDisk::Failed(why)) => {
                tracing::warn!("the cache cannot use the disk, and is in memory: {why}");
                None
            }
        }
    }

    fn memory_stock(&self, again_ms: u64) -> Arc<Stock> {
        let stock = Stock::in_memory(self.0.in_memory);
        stock.again_ms.store(again_ms, Ordering::SeqCst);
        Arc::new(stock)
    }

    /// Goes on in memory after a failure.
    fn broke(&self, stock: &Arc<Stock>, Broken { why, damaged }: &Broken) {
        let _one = self.0.opening.lock();
        let current = self.0.stock.read().as_ref().is_some_and(|current| Arc::ptr_eq(current, stock));
        if !current {
            return;
        }
        tracing::warn!("the cache on disk has failed ({why}): for now it is empty, and in memory");
        if let Some(folder) = self.0.folder.as_ref().filter(|_| *damaged)
            && let Err(error) = Disk::condemn(folder)
        {
            tracing::warn!("the damaged cache cannot be marked: {error}");
        }
        let memory = self.memory_stock(self.0.clock.unix_ms().saturating_add(AGAIN_MS));
        let old = self.0.stock.write().replace(memory);
        drop(old);
    }

    /// Does something that may wait for the disk, where it keeps no other call waiting.
    async fn on_disk<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> T + Send + 'static) -> Option<T> {
        let (caches, span) = (self.clone(), tracing::Span::current());
        let listener = tracing::dispatcher::get_default(Clone::clone);
        let done = tokio::task::spawn_blocking(move || {
            tracing::dispatcher::with_default(&listener, || span.in_scope(|| work(&caches)))
        });
        done.await.inspect_err(|error| tracing::warn!("the cache did not answer: {error}")).ok()
    }
}

fn checked(key: &str) -> Result<(), CacheError> {
    if (1..=MAX_CACHE_KEY).contains(&key.len()) { Ok(()) } else { Err(CacheError::Key(key.len())) }
}

impl fmt::Debug for TenantCaches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantCaches").field("folder", &self.0.folder.as_ref().map(Folder::path)).finish()
    }
}
