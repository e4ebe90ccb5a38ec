//! All cached entries of one opening: rows, the tenants' secrets, an index for each tenant, and what is asked for often.
//!
//! Takes: rows. Gives: `Stock`. May name: id, powers.
//!
//! A tenant's entries change under one lock, so its index is always that of its rows. Values that are asked for often stay
//! in memory, of all tenants together: one that is pushed out of there by another tenant is still among the rows.

use super::rows::{Broken, Kept, Rows};
use super::sealed::{self, Head};
use super::secret::{Prefix, Row, prefix_of, tool_of};
use super::secrets::Secrets;
use super::shelf::{Shelf, Slot};
use super::{CacheError, CacheOf, CacheSize, ENTRY_BYTES};
use crate::id::TenantId;
use crate::powers::Entropy;
use moka::sync::Cache;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Values that are asked for often, in bytes.
const HOT: u64 = 32 << 20;
/// Indexes that stay in memory while nobody uses them, and for how long. A full one takes about half a megabyte.
const SHELVES: u64 = 128;
const IDLE: Duration = Duration::from_secs(300);
/// Locks that the tenants share.
const LOCKS: usize = 64;
/// How often expired entries are looked for, and how many are removed at a time.
const SWEEP_MS: u64 = 60_000;
const SWEEP: usize = 10_000;

/// What is cached.
pub(super) struct Stock {
    pub(super) rows: Rows,
    pub(super) secrets: Secrets,
    shelves: Cache<Prefix, Arc<Mutex<Shelf>>>,
    hot: Cache<Row, Hot>,
    locks: Vec<Mutex<()>>,
    total: AtomicU64,
    /// Bytes that all tenants together may have, and each of them, whatever its quota.
    most: u64,
    each: u64,
    swept_ms: AtomicU64,
    pub(super) told_ms: AtomicU64,
    /// When the disk is tried again, for a stock in memory.
    pub(super) again_ms: AtomicU64,
}

#[derive(Clone)]
struct Hot {
    head: Head,
    value: Arc<[u8]>,
}

/// What became of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    Kept,
    /// The host as a whole has no room for it, or the tenant was just deleted.
    Dropped,
}

impl Stock {
    pub(super) fn new(rows: Rows, secrets: Secrets, most: u64) -> Result<Self, Broken> {
        let total = rows.total()?;
        Ok(Self::with(rows, secrets, (most, most), total))
    }

    /// A small one: each tenant has a sixteenth of it, so that some tenants do not take it all.
    pub(super) fn in_memory(most: u64) -> Self {
        Self::with(Rows::in_memory(), Secrets::new(None), (most, most / 16), 0)
    }

    fn with(rows: Rows, secrets: Secrets, (most, each): (u64, u64), total: u64) -> Self {
        let hot = if matches!(rows, Rows::Disk(_)) { HOT } else { 0 };
        let weight =
            |_: &Row, hot: &Hot| u32::try_from(hot.value.len()).unwrap_or(u32::MAX).saturating_add(256);
        Self {
            total: AtomicU64::new(total),
            rows,
            secrets,
            shelves: Cache::builder().max_capacity(SHELVES).time_to_idle(IDLE).build(),
            hot: Cache::builder().max_capacity(hot).weigher(weight).build(),
            locks: (0..LOCKS).map(|_| Mutex::default()).collect(),
            most,
            each,
            swept_ms: AtomicU64::new(0),
            told_ms: AtomicU64::new(0),
            again_ms: AtomicU64::new(u64::MAX),
        }
    }

    /// A value that is in memory; `None` when the rows have to be asked.
    pub(super) fn peek(&self, of: &CacheOf, key: &str, now_ms: u64) -> Option<Vec<u8>> {
        let secret = self.secrets.known(&of.tenant)?;
        let hot = self.hot.get(&secret.row(&of.tenant, &of.tool, key))?;
        (hot.head.lives(now_ms) && !secret.is_gone()).then(|| hot.value.to_vec())
    }

    pub(super) fn get(&self, of: &CacheOf, key: &str, now_ms: u64) -> Result<Option<Vec<u8>>, Broken> {
        let Some(secret) = self.secrets.existing(&of.tenant) else { return Ok(None) };
        let row = secret.row(&of.tenant, &of.tool, key);
        let _locked = self.lock(&row);
        let Some(kept) = self.rows.get(&row)? else { return Ok(None) };
        match sealed::open(&secret, &row, &kept) {
            Some((head, value)) if head.lives(now_ms) => {
                self.hot.insert(row, Hot { head, value: value.as_slice().into() });
                Ok(Some(value))
            }
            // Expired, or not what was put there: the same to whoever asks.
            _ => {
                self.discard(&row)?;
                Ok(None)
            }
        }
    }

    pub(super) fn set(
        &self,
        of: &CacheOf,
        (key, value): (&str, &[u8]),
        (now_ms, ttl_s): (u64, u32),
        entropy: &dyn Entropy,
    ) -> Result<Set, Broken> {
        let Some(secret) = self.secrets.or_new(&of.tenant, entropy) else { return Ok(Set::Dropped) };
        let row = secret.row(&of.tenant, &of.tool, key);
        let bytes = counted(value.len());
        let expires_ms = now_ms.saturating_add(u64::from(ttl_s).saturating_mul(1000));
        let _locked = self.lock(&row);
        if secret.is_gone() {
            return Ok(Set::Dropped);
        }
        let shelf = self.shelf(secret.prefix())?;
        let mut shelf = shelf.lock();
        let before = shelf.remove(&row);
        self.less(before.map_or(0, |slot| slot.bytes));
        let quota = CacheSize { bytes: of.quota.bytes.min(self.each), ..of.quota };
        for (row, slot) in shelf.make_room(tool_of(&row), bytes, quota, of.share) {
            self.evict(&row, slot)?;
        }
        while self.total.load(Ordering::SeqCst).saturating_add(bytes) > self.most {
            match shelf.pop() {
                Some((row, slot)) => self.evict(&row, slot)?,
                None => {
                    self.hot.invalidate(&row);
                    if let Some(before) = before {
                        self.rows.remove(&row, before.expires_ms)?;
                    }
                    return Ok(Set::Dropped);
                }
            }
        }
        let head = Head { set_ms: now_ms, expires_ms, order: shelf.next() };
        let kept = match sealed::seal(&secret, entropy, &row, &head, value) {
            Ok(kept) => kept,
            Err(error) => return Err(Broken { why: error.to_string(), damaged: false }),
        };
        self.rows.put(&row, kept, (expires_ms, bytes), before.map(|slot| slot.expires_ms))?;
        shelf.hold(row, Slot { order: head.order, bytes, expires_ms });
        self.total.fetch_add(bytes, Ordering::SeqCst);
        self.hot.insert(row, Hot { head, value: value.into() });
        Ok(Set::Kept)
    }

    pub(super) fn delete(&self, of: &CacheOf, key: &str) -> Result<(), Broken> {
        let Some(secret) = self.secrets.existing(&of.tenant) else { return Ok(()) };
        let row = secret.row(&of.tenant, &of.tool, key);
        let _locked = self.lock(&row);
        self.discard(&row)
    }

    /// Removes everything of a tenant, its secret first: without it, no byte that is left anywhere can be read.
    pub(super) fn delete_tenant(&self, tenant: &TenantId) -> std::io::Result<Result<(), Broken>> {
        let Some(secret) = self.secrets.delete(tenant)? else { return Ok(Ok(())) };
        let _locked = self.lock_of(secret.prefix());
        self.shelves.invalidate(secret.prefix());
        Ok(self.rows.of(secret.prefix()).and_then(|all| {
            for Kept { row, head, len } in all {
                let slot = slot(&head, len);
                self.evict(&row, slot)?;
            }
            Ok(())
        }))
    }

    /// Removes expired entries, and those of tenants that another process has deleted, when it was not done for a minute.
    pub(super) fn sweep(&self, now_ms: u64) -> Result<(), Broken> {
        let swept = self.swept_ms.load(Ordering::SeqCst);
        if now_ms.abs_diff(swept) < SWEEP_MS
            || self.swept_ms.compare_exchange(swept, now_ms, Ordering::SeqCst, Ordering::SeqCst).is_err()
        {
            return Ok(());
        }
        for tenant in self.secrets.lost() {
            // Its file is gone already, so this cannot fail for it.
            if let Ok(removed) = self.delete_tenant(&tenant) {
                removed?;
            }
        }
        for (expires_ms, row) in self.rows.due(now_ms, SWEEP)? {
            let _locked = self.lock(&row);
            let kept = self.rows.get(&row)?;
            let lives = kept.as_deref().and_then(Head::of).is_some_and(|head| head.lives(now_ms));
            if let Some(kept) = kept.filter(|_| !lives) {
                // An index that is not there need not be made for this.
                if let Some(shelf) = self.shelves.get(&prefix_of(&row)) {
                    shelf.lock().remove(&row);
                }
                self.evict(&row, slot(&kept, kept.len()))?;
            }
            self.rows.unmark(&row, expires_ms)?;
        }
        Ok(())
    }

    /// Removes an entry, if it is there. The caller holds its lock.
    fn discard(&self, row: &Row) -> Result<(), Broken> {
        let shelf = self.shelf(&prefix_of(row))?;
        let slot = shelf.lock().remove(row);
        match slot {
            Some(slot) => self.evict(row, slot),
            None => {
                self.hot.invalidate(row);
                Ok(())
            }
        }
    }

    /// Removes an entry that no shelf holds any more.
    fn evict(&self, row: &Row, slot: Slot) -> Result<(), Broken> {
        self.hot.invalidate(row);
        self.less(slot.bytes);
        self.rows.remove(row, slot.expires_ms)
    }

    /// A tenant's index. The caller holds its lock.
    fn shelf(&self, prefix: &Prefix) -> Result<Arc<Mutex<Shelf>>, Broken> {
        let load = || {
            let mut shelf = Shelf::default();
            for Kept { row, head, len } in self.rows.of(prefix)? {
                shelf.hold(row, slot(&head, len));
            }
            Ok(Arc::new(Mutex::new(shelf)))
        };
        self.shelves.try_get_with(*prefix, load).map_err(|broken: Arc<Broken>| (*broken).clone())
    }

    fn less(&self, bytes: u64) {
        let _ = self
            .total
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |sum| Some(sum.saturating_sub(bytes)));
    }

    fn lock(&self, row: &Row) -> Option<parking_lot::MutexGuard<'_, ()>> {
        self.lock_of(&prefix_of(row))
    }

    fn lock_of(&self, prefix: &Prefix) -> Option<parking_lot::MutexGuard<'_, ()>> {
        // Prefixes are random, so one byte spreads them.
        let [first, ..] = prefix;
        self.locks.get(usize::from(*first) % LOCKS).map(Mutex::lock)
    }

    #[cfg(test)]
    pub(super) fn total(&self) -> u64 {
        self.total.load(Ordering::SeqCst)
    }
}

/// Bytes that an entry counts.
pub(super) fn counted(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX).saturating_add(ENTRY_BYTES)
}

/// Checks that an entry can fit at all.
pub(super) fn fits(of: &CacheOf, value: usize) -> Result<(), CacheError> {
    let most = of.share.map_or(of.quota.bytes, |share| share.min(of.quota.bytes));
    let entry = counted(value);
    if entry > most || of.quota.entries == 0 { Err(CacheError::TooLarge { entry, most }) } else { Ok(()) }
}

fn slot(head: &[u8], len: usize) -> Slot {
    let head = Head::of(head).unwrap_or(Head { set_ms: 0, expires_ms: 0, order: 0 });
    Slot { order: head.order, bytes: counted(sealed::value_len(len)), expires_ms: head.expires_ms }
}
