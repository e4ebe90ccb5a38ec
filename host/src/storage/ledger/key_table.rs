//! Tables of keys, in the ledger's file and in memory: the same for tenants' keys and for those of admins, and never one table.
//!
//! Takes: a kind of keys. Gives: [`KeyTable`], and the changes of its rows. May name: id.

use super::SqliteLedger;
use super::watched::Watched;
use crate::id::KeyId;
use crate::storage::StorageError;
use crate::storage::sqlite::stored;
use hashbrown::HashMap;
use parking_lot::RwLock;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use std::sync::Arc;

/// A kind of keys, with the table that is its own.
pub(super) trait Kept: Sized + Send + Sync + 'static {
    const TABLE: &'static str;
    /// In the order in which `read` takes them, and `insert` gives them.
    const COLUMNS: &'static str;

    fn read(row: &Row<'_>) -> Result<Self, StorageError>;
    /// `false` when the id is taken.
    fn insert(&self, c: &Connection) -> Result<bool, StorageError>;
    fn id(&self) -> &KeyId;
    fn created_ms(&self) -> u64;
    /// Where a process has them.
    fn in_memory(watched: &Watched) -> &RwLock<KeyTable<Self>>;
}

/// Puts a row into the table of its kind, with the values of all its columns in their order; `false` when the id is taken.
pub(super) fn insert<K: Kept>(c: &Connection, row: &[&dyn ToSql]) -> Result<bool, StorageError> {
    let places = vec!["?"; row.len()].join(", ");
    let sql = format!("INSERT OR IGNORE INTO {} ({}) VALUES ({places})", K::TABLE, K::COLUMNS);
    Ok(c.execute(&sql, row)? == 1)
}

/// The keys in memory.
#[derive(Debug)]
pub(super) struct KeyTable<K>(HashMap<KeyId, Arc<K>>);

impl<K> Default for KeyTable<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Kept> KeyTable<K> {
    pub(super) fn load(c: &Connection) -> Result<Self, StorageError> {
        let mut table = Self::default();
        let mut rows = c.prepare_cached(&format!("SELECT {} FROM {}", K::COLUMNS, K::TABLE))?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            table.put(K::read(row)?);
        }
        Ok(table)
    }

    fn put(&mut self, key: K) {
        self.0.insert(key.id().clone(), Arc::new(key));
    }

    pub(super) fn get(&self, id: &KeyId) -> Option<Arc<K>> {
        self.0.get(id).cloned()
    }

    /// Every key, oldest first.
    pub(super) fn sorted(&self) -> Vec<Arc<K>> {
        self.sorted_of(|_| true)
    }

    /// Those that fit, oldest first.
    pub(super) fn sorted_of(&self, fits: impl Fn(&K) -> bool) -> Vec<Arc<K>> {
        let mut keys: Vec<_> = self.0.values().filter(|key| fits(key)).cloned().collect();
        keys.sort_by(|a, b| (a.created_ms(), a.id()).cmp(&(b.created_ms(), b.id())));
        keys
    }
}

/// Ends a key at once; `false` when there is none that could be ended.
pub(super) fn revoke<K: Kept>(c: &Connection, id: &KeyId, at: i64) -> Result<bool, StorageError> {
    let sql = format!("UPDATE {} SET revoked_ms = ?2 WHERE id = ?1 AND revoked_ms IS NULL", K::TABLE);
    Ok(c.execute(&sql, params![id.as_str(), at])? == 1)
}

/// Has a key end then, or sooner if it does; `false` when there is none that could be ended.
fn end<K: Kept>(c: &Connection, id: &KeyId, at: i64) -> Result<bool, StorageError> {
    let sql = format!(
        "UPDATE {} SET expires_ms = min(coalesce(expires_ms, ?2), ?2) WHERE id = ?1 AND revoked_ms IS NULL",
        K::TABLE
    );
    Ok(c.execute(&sql, params![id.as_str(), at])? == 1)
}

fn find<K: Kept>(c: &Connection, id: &KeyId) -> Result<Option<K>, StorageError> {
    let sql = format!("SELECT {} FROM {} WHERE id = ?1", K::COLUMNS, K::TABLE);
    let found = c.prepare_cached(&sql)?.query_row([id.as_str()], |row| Ok(K::read(row))).optional()?;
    found.transpose()
}

/// Whether a key that ends and was revoked so may be used at this time.
pub(super) fn is_valid_at(expires_ms: Option<u64>, revoked_ms: Option<u64>, unix_ms: u64) -> bool {
    revoked_ms.is_none() && expires_ms.is_none_or(|end| unix_ms < end)
}

impl SqliteLedger {
    pub(super) async fn keep_key<K: Kept>(&self, key: K) -> Result<bool, StorageError> {
        self.change_kept::<K>(&key.id().clone(), move |c| key.insert(c)).await
    }

    pub(super) async fn revoke_kept<K: Kept>(&self, id: &KeyId) -> Result<bool, StorageError> {
        let (of, at) = (id.clone(), stored(self.inner.clock.unix_ms()));
        self.change_kept::<K>(id, move |c| revoke::<K>(c, &of, at)).await
    }

    pub(super) async fn end_kept<K: Kept>(&self, id: &KeyId, at_ms: u64) -> Result<bool, StorageError> {
        let (of, at) = (id.clone(), stored(at_ms));
        self.change_kept::<K>(id, move |c| end::<K>(c, &of, at)).await
    }

    async fn change_kept<K: Kept>(
        &self,
        id: &KeyId,
        change: impl FnOnce(&Connection) -> Result<bool, StorageError> + Send + 'static,
    ) -> Result<bool, StorageError> {
        let id = id.clone();
        let keep = |watched: &Watched, key: Option<K>| {
            if let Some(key) = key {
                K::in_memory(watched).write().put(key);
            }
        };
        let (done, ()) = self.change_watched("keys", change, move |c| find(c, &id), keep).await?;
        Ok(done)
    }
}
