//! API keys: whose they are, until when, and what checks their secret. The secret itself is nowhere.
//!
//! Takes: keys that identify has made. Gives: the key of an id, from memory. May name: id.

use super::SqliteLedger;
use super::deletion;
use super::key_table::{self, Kept, KeyTable};
use super::schema::damaged;
use super::watched::Watched;
use crate::id::{ActorId, KeyId, TenantId};
use crate::storage::StorageError;
use crate::storage::sqlite::{counted, stored};
use parking_lot::RwLock;
use rusqlite::{Connection, Row, params};
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
        key_table::is_valid_at(self.expires_ms, self.revoked_ms, unix_ms)
    }

    /// What may be shown of it at this time (milliseconds since 1970), as a JSON object.
    #[must_use]
    pub fn shown_at(&self, unix_ms: u64) -> serde_json::Value {
        serde_json::json!({
            "id": self.id,
            "tenant": self.tenant,
            "actor": self.actor,
            "role": self.role,
            "scopes": self.scopes,
            "created_ms": self.created_ms,
            "expires_ms": self.expires_ms,
            "revoked_ms": self.revoked_ms,
            "valid": self.is_valid_at(unix_ms),
        })
    }
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

impl Kept for StoredKey {
    const TABLE: &'static str = "keys";
    const COLUMNS: &'static str = "id, tenant, actor, role, scopes, mac, created_ms, expires_ms, revoked_ms";

    fn read(row: &Row<'_>) -> Result<Self, StorageError> {
        let text = |at: usize| row.get::<_, String>(at);
        let time = |at: usize| Ok::<_, StorageError>(row.get::<_, Option<i64>>(at)?.map(counted));
        let scopes = serde_json::from_str(&text(4)?).map_err(|e| damaged(format!("a key's scopes: {e}")))?;
        Ok(Self {
            id: KeyId::new(text(0)?).map_err(damaged)?,
            tenant: TenantId::new(text(1)?).map_err(damaged)?,
            actor: ActorId::new(text(2)?).map_err(damaged)?,
            role: row.get(3)?,
            scopes,
            mac: row.get(5)?,
            created_ms: counted(row.get(6)?),
            expires_ms: time(7)?,
            revoked_ms: time(8)?,
        })
    }

    fn insert(&self, c: &Connection) -> Result<bool, StorageError> {
        deletion::refuse(c, &self.tenant)?;
        let scopes = serde_json::to_string(&self.scopes).map_err(|e| StorageError::Failed(e.to_string()))?;
        key_table::insert::<Self>(
            c,
            params![
                self.id.as_str(),
                self.tenant.as_str(),
                self.actor.as_str(),
                self.role,
                scopes,
                self.mac,
                stored(self.created_ms),
                self.expires_ms.map(stored),
                self.revoked_ms.map(stored),
            ],
        )
    }

    fn id(&self) -> &KeyId {
        &self.id
    }

    fn created_ms(&self) -> u64 {
        self.created_ms
    }

    fn in_memory(watched: &Watched) -> &RwLock<KeyTable<Self>> {
        &watched.keys
    }
}

impl SqliteLedger {
    /// Keeps a new key, durably. `false`, and nothing kept, when the id is taken. This process knows the key when the
    /// future is ready, other processes on the same ledger within half a second.
    ///
    /// # Errors
    /// [`StorageError`]; the key is not there.
    pub async fn create_key(&self, key: StoredKey) -> Result<bool, StorageError> {
        self.keep_key(key).await
    }

    /// Ends a key, durably. `false` when there is no such key or it was revoked before.
    ///
    /// # Errors
    /// [`StorageError`]; the key is as it was.
    pub async fn revoke_key(&self, id: &KeyId) -> Result<bool, StorageError> {
        self.revoke_kept::<StoredKey>(id).await
    }

    /// Has a key end at this time (milliseconds since 1970), durably; one that ends sooner stays as it is. `false` when there is no
    /// such key or it was revoked.
    ///
    /// # Errors
    /// [`StorageError`]; the key is as it was.
    pub async fn end_key(&self, id: &KeyId, at_ms: u64) -> Result<bool, StorageError> {
        self.end_kept::<StoredKey>(id, at_ms).await
    }

    /// The key of this id, revoked and ended ones too. Reads memory only.
    #[must_use]
    pub fn key(&self, id: &KeyId) -> Option<Arc<StoredKey>> {
        self.inner.watched.keys.read().get(id)
    }

    /// Every key, or every key of one tenant, oldest first.
    #[must_use]
    pub fn keys(&self, tenant: Option<&TenantId>) -> Vec<Arc<StoredKey>> {
        self.inner.watched.keys.read().sorted_of(|key| tenant.is_none_or(|tenant| key.tenant == *tenant))
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
