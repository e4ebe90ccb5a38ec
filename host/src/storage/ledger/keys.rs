//! API keys: whose they are, until when, and what checks their secret. The secret itself is nowhere.
//!
//! Takes: keys that identify has made. Gives: the key of an id, from memory. May name: id.

use super::SqliteLedger;
use super::deletion;
use super::watched::Watched;
use crate::id::{ActorId, KeyId, TenantId};
use crate::storage::StorageError;
use crate::storage::sqlite::{counted, stored};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// An API key as the ledger has it.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// The public part of the key.
    pub id: KeyId,
    /// The tenant that it speaks for.
    pub tenant: TenantId,
    /// Who uses it.
    pub actor: ActorId,
    /// The role in the tenant's file; `None` for the whole of what the tenant may do.
    pub role: Option<String>,
    /// Scopes that narrow the key further.
    pub scopes: Vec<String>,
    /// HMAC-SHA-256 of the secret under the host's own key.
    pub mac: [u8; 32],
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it ends, in milliseconds since 1970; `None` for never.
    pub expires_ms: Option<u64>,
    /// When it was revoked, in milliseconds since 1970.
    pub revoked_ms: Option<u64>,
}

impl StoredKey {
    /// Whether the key may be used at this time (milliseconds since 1970).
    #[must_use]
    pub fn is_valid_at(&self, unix_ms: u64) -> bool {
        is_valid_at(self.expires_ms, self.revoked_ms, unix_ms)
    }
}

/// Whether a key that ends and was revoked so may be used at this time.
pub(super) fn is_valid_at(expires_ms: Option<u64>, revoked_ms: Option<u64>, unix_ms: u64) -> bool {
    revoked_ms.is_none() && expires_ms.is_none_or(|end| unix_ms < end)
}

impl fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredKey")
            .field("id", &self.id)
            .field("tenant", &self.tenant)
            .field("actor", &self.actor)
            .field("role", &self.role)
            .field("scopes", &self.scopes)
            .field("created_ms", &self.created_ms)
            .field("expires_ms", &self.expires_ms)
            .field("revoked_ms", &self.revoked_ms)
            .finish_non_exhaustive()
    }
}

/// The keys in memory.
#[derive(Debug, Default)]
pub(super) struct KeyTable(HashMap<KeyId, Arc<StoredKey>>);

impl KeyTable {
    /// Every key, or every key of one tenant, oldest first.
    pub(super) fn sorted(&self, tenant: Option<&TenantId>) -> Vec<Arc<StoredKey>> {
        let mut keys: Vec<_> =
            self.0.values().filter(|k| tenant.is_none_or(|t| k.tenant == *t)).cloned().collect();
        keys.sort_by(|a, b| (a.created_ms, &a.id).cmp(&(b.created_ms, &b.id)));
        keys
    }
}

const COLUMNS: &str = "id, tenant, actor, role, scopes, mac, created_ms, expires_ms, revoked_ms";

pub(super) fn load(c: &Connection) -> Result<KeyTable, StorageError> {
    let mut table = HashMap::new();
    let mut rows = c.prepare_cached(&format!("SELECT {COLUMNS} FROM keys"))?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let key = read(row)?;
        table.insert(key.id.clone(), Arc::new(key));
    }
    Ok(KeyTable(table))
}

fn read(row: &Row<'_>) -> Result<StoredKey, StorageError> {
    let damaged = |detail: String| StorageError::Damaged { file: super::schema::FILE.into(), detail };
    let text = |at: usize| row.get::<_, String>(at);
    let time = |at: usize| Ok::<_, StorageError>(row.get::<_, Option<i64>>(at)?.map(counted));
    let scopes = serde_json::from_str(&text(4)?).map_err(|e| damaged(format!("a key's scopes: {e}")))?;
    Ok(StoredKey {
        id: KeyId::new(text(0)?).map_err(|e| damaged(e.to_string()))?,
        tenant: TenantId::new(text(1)?).map_err(|e| damaged(e.to_string()))?,
        actor: ActorId::new(text(2)?).map_err(|e| damaged(e.to_string()))?,
        role: row.get(3)?,
        scopes,
        mac: row.get(5)?,
        created_ms: counted(row.get(6)?),
        expires_ms: time(7)?,
        revoked_ms: time(8)?,
    })
}

fn insert(c: &Connection, key: &StoredKey) -> Result<bool, StorageError> {
    deletion::refuse(c, &key.tenant)?;
    let scopes = serde_json::to_string(&key.scopes).map_err(|e| StorageError::Failed(e.to_string()))?;
    let rows = c.execute(
        &format!("INSERT OR IGNORE INTO keys ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"),
        params![
            key.id.as_str(),
            key.tenant.as_str(),
            key.actor.as_str(),
            key.role,
            scopes,
            key.mac,
            stored(key.created_ms),
            key.expires_ms.map(stored),
            key.revoked_ms.map(stored),
        ],
    )?;
    Ok(rows == 1)
}

pub(super) fn revoke(c: &Connection, id: &KeyId, at: i64) -> Result<bool, StorageError> {
    revoke_in(c, "keys", id, at)
}

/// Ends a key of a table of keys at once.
pub(super) fn revoke_in(c: &Connection, table: &str, id: &KeyId, at: i64) -> Result<bool, StorageError> {
    let sql = format!("UPDATE {table} SET revoked_ms = ?2 WHERE id = ?1 AND revoked_ms IS NULL");
    Ok(c.execute(&sql, params![id.as_str(), at])? == 1)
}

/// Has a key of a table of keys end then, or sooner if it does.
pub(super) fn end_in(c: &Connection, table: &str, id: &KeyId, at: i64) -> Result<bool, StorageError> {
    let sql = format!(
        "UPDATE {table} SET expires_ms = min(coalesce(expires_ms, ?2), ?2) WHERE id = ?1 AND revoked_ms IS NULL"
    );
    Ok(c.execute(&sql, params![id.as_str(), at])? == 1)
}

fn find(c: &Connection, id: &KeyId) -> Result<Option<StoredKey>, StorageError> {
    let mut statement = c.prepare_cached(&format!("SELECT {COLUMNS} FROM keys WHERE id = ?1"))?;
    let found = statement.query_row([id.as_str()], |row| Ok(read(row))).optional()?;
    found.transpose()
}

impl SqliteLedger {
    /// Keeps a new key, durably. `false`, and nothing kept, when the id is taken. This process knows the key when the
    /// future is ready, other processes on the same ledger within half a second.
    ///
    /// # Errors
    /// [`StorageError`]; the key is not there.
    pub async fn create_key(&self, key: StoredKey) -> Result<bool, StorageError> {
        let id = key.id.clone();
        self.change_keys(id, move |c| insert(c, &key)).await
    }

    /// Ends a key, durably. `false` when there is no such key or it was revoked before.
    ///
    /// # Errors
    /// [`StorageError`]; the key is as it was.
    pub async fn revoke_key(&self, id: &KeyId) -> Result<bool, StorageError> {
        let (id, at) = (id.clone(), stored(self.inner.clock.unix_ms()));
        self.change_keys(id.clone(), move |c| revoke(c, &id, at)).await
    }

    /// Has a key end at this time (milliseconds since 1970), durably; one that ends sooner stays as it is. `false` when there is no
    /// such key or it was revoked.
    ///
    /// # Errors
    /// [`StorageError`]; the key is as it was.
    pub async fn end_key(&self, id: &KeyId, at_ms: u64) -> Result<bool, StorageError> {
        let (id, at) = (id.clone(), stored(at_ms));
        self.change_keys(id.clone(), move |c| end_in(c, "keys", &id, at)).await
    }

    async fn change_keys(
        &self,
        id: KeyId,
        change: impl FnOnce(&Connection) -> Result<bool, StorageError> + Send + 'static,
    ) -> Result<bool, StorageError> {
        let keep = |watched: &Watched, key: Option<StoredKey>| {
            if let Some(key) = key {
                watched.keys.write().0.insert(key.id.clone(), Arc::new(key));
            }
        };
        let (done, ()) = self.change_watched("keys", change, move |c| find(c, &id), keep).await?;
        Ok(done)
    }

    /// The key of this id, revoked and ended ones too. Reads memory only.
    #[must_use]
    pub fn key(&self, id: &KeyId) -> Option<Arc<StoredKey>> {
        self.inner.watched.keys.read().0.get(id).cloned()
    }

    /// Every key, or every key of one tenant, oldest first.
    #[must_use]
    pub fn keys(&self, tenant: Option<&TenantId>) -> Vec<Arc<StoredKey>> {
        self.inner.watched.keys.read().sorted(tenant)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{NOON, acme, on_disk};
    use super::*;

    fn key(id: &str) -> StoredKey {
        StoredKey {
            id: KeyId::new(id).unwrap(),
            tenant: acme(),
            actor: ActorId::new("agent-7").unwrap(),
            role: Some("agent".into()),
            scopes: vec!["orders".into()],
            mac: [0xab; 32],
            created_ms: NOON,
            expires_ms: Some(NOON + 1000),
            revoked_ms: None,
        }
    }

    #[tokio::test]
    async fn a_key_is_kept_once_and_ends_when_it_is_revoked() {
        let (_guard, folder, clock, ledger) = on_disk();
        let other = SqliteLedger::open(&folder, clock.clone()).unwrap();
        assert!(ledger.create_key(key("k1")).await.unwrap());
        assert!(!ledger.create_key(StoredKey { mac: [0; 32], ..key("k1") }).await.unwrap());
        assert!(ledger.create_key(key("k2")).await.unwrap());
        assert_eq!(*ledger.key(&key("k1").id).unwrap(), key("k1"));
        while other.keys(Some(&acme())).len() < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert!(ledger.revoke_key(&key("k1").id).await.unwrap());
        assert!(!ledger.revoke_key(&key("k1").id).await.unwrap());
        while other.key(&key("k1").id).unwrap().is_valid_at(NOON) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        drop(ledger);
        let reopened = SqliteLedger::open(&folder, clock).unwrap();
        assert_eq!(reopened.key(&key("k1").id).unwrap().revoked_ms, Some(NOON));
        assert!(reopened.key(&key("k2").id).unwrap().is_valid_at(NOON + 999));
        assert!(!reopened.key(&key("k2").id).unwrap().is_valid_at(NOON + 1000));
        assert!(reopened.keys(Some(&TenantId::new("globex").unwrap())).is_empty());
        assert!(!format!("{:?}", key("k1")).contains("171"), "the mac is not printed");
    }
}
