//! The keys of those who administrate the host, in a table of their own: none of them is a tenant's, and no tenant's is one.
//!
//! Takes: keys that identify has made. Gives: the key of an id, from memory. May name: id.

use super::key_table::{self, Kept, KeyTable};
use super::schema::damaged;
use super::watched::Watched;
use super::{SqliteLedger, deletion};
use crate::id::{ActorId, KeyId, TenantId};
use crate::storage::StorageError;
use crate::storage::sqlite::{counted, stored};
use parking_lot::RwLock;
use rusqlite::{Connection, Row, params};
use std::fmt;
use std::sync::Arc;

/// What somebody who administrates the host may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminRole {
    /// Everything.
    Operator,
    /// Read everything, and change nothing.
    Auditor,
    /// Read and change what is this tenant's.
    TenantAdmin(TenantId),
}

impl AdminRole {
    /// The stable word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::TenantAdmin(_) => "tenant-admin",
        }
    }

    /// The one tenant that it is about; `None` when it is about the whole host.
    #[must_use]
    pub fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::TenantAdmin(tenant) => Some(tenant),
            Self::Operator | Self::Auditor => None,
        }
    }

    /// The role of this word; `None` for another word, and when a tenant is missing or too much.
    #[must_use]
    pub fn read(word: &str, tenant: Option<TenantId>) -> Option<Self> {
        match (word, tenant) {
            ("operator", None) => Some(Self::Operator),
            ("auditor", None) => Some(Self::Auditor),
            ("tenant-admin", Some(tenant)) => Some(Self::TenantAdmin(tenant)),
            _ => None,
        }
    }
}

/// A key of an admin as the ledger has it.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminKey {
    /// The public part of the key.
    pub id: KeyId,
    /// Who uses it.
    pub actor: ActorId,
    /// What it is for.
    pub role: AdminRole,
    /// HMAC-SHA-256 of the secret under a key of the host's that is for these alone.
    pub mac: [u8; 32],
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it ends, in milliseconds since 1970; `None` for never.
    pub expires_ms: Option<u64>,
    /// When it was revoked, in milliseconds since 1970.
    pub revoked_ms: Option<u64>,
}

impl AdminKey {
    /// Whether the key may be used at this time (milliseconds since 1970).
    #[must_use]
    pub fn is_valid_at(&self, unix_ms: u64) -> bool {
        key_table::is_valid_at(self.expires_ms, self.revoked_ms, unix_ms)
    }
}

impl fmt::Debug for AdminKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminKey")
            .field("id", &self.id)
            .field("actor", &self.actor)
            .field("role", &self.role)
            .field("created_ms", &self.created_ms)
            .field("expires_ms", &self.expires_ms)
            .field("revoked_ms", &self.revoked_ms)
            .finish_non_exhaustive()
    }
}

impl Kept for AdminKey {
    const TABLE: &'static str = "admin_keys";
    const COLUMNS: &'static str = "id, actor, role, tenant, mac, created_ms, expires_ms, revoked_ms";

    fn read(row: &Row<'_>) -> Result<Self, StorageError> {
        let text = |at: usize| row.get::<_, String>(at);
        let time = |at: usize| Ok::<_, StorageError>(row.get::<_, Option<i64>>(at)?.map(counted));
        let tenant: Option<String> = row.get(3)?;
        let tenant = tenant.map(TenantId::new).transpose().map_err(damaged)?;
        Ok(Self {
            id: KeyId::new(text(0)?).map_err(damaged)?,
            actor: ActorId::new(text(1)?).map_err(damaged)?,
            role: AdminRole::read(&text(2)?, tenant)
                .ok_or_else(|| damaged("an admin key has no role that there is"))?,
            mac: row.get(4)?,
            created_ms: counted(row.get(5)?),
            expires_ms: time(6)?,
            revoked_ms: time(7)?,
        })
    }

    fn insert(&self, c: &Connection) -> Result<bool, StorageError> {
        if let Some(tenant) = self.role.tenant() {
            deletion::refuse(c, tenant)?;
        }
        key_table::insert::<Self>(
            c,
            params![
                self.id.as_str(),
                self.actor.as_str(),
                self.role.as_str(),
                self.role.tenant().map(TenantId::as_str),
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
        &watched.admin_keys
    }
}

impl SqliteLedger {
    /// Keeps a new key of an admin, durably. `false`, and nothing kept, when the id is taken. This process knows the key when
    /// the future is ready, other processes on the same ledger within half a second.
    ///
    /// # Errors
    /// [`StorageError`]; the key is not there.
    pub async fn create_admin_key(&self, key: AdminKey) -> Result<bool, StorageError> {
        self.keep_key(key).await
    }

    /// Ends a key of an admin, durably. `false` when there is no such key or it was revoked before.
    ///
    /// # Errors
    /// [`StorageError`]; the key is as it was.
    pub async fn revoke_admin_key(&self, id: &KeyId) -> Result<bool, StorageError> {
        self.revoke_kept::<AdminKey>(id).await
    }

    /// Has a key of an admin end at this time (milliseconds since 1970), durably; one that ends sooner stays as it is. `false`
    /// when there is no such key or it was revoked.
    ///
    /// # Errors
    /// [`StorageError`]; the key is as it was.
    pub async fn end_admin_key(&self, id: &KeyId, at_ms: u64) -> Result<bool, StorageError> {
        self.end_kept::<AdminKey>(id, at_ms).await
    }

    /// The admin's key of this id, revoked and ended ones too. Reads memory only.
    #[must_use]
    pub fn admin_key(&self, id: &KeyId) -> Option<Arc<AdminKey>> {
        self.inner.watched.admin_keys.read().get(id)
    }

    /// Every key of an admin, oldest first.
    #[must_use]
    pub fn admin_keys(&self) -> Vec<Arc<AdminKey>> {
        self.inner.watched.admin_keys.read().sorted()
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{NOON, acme, on_disk};
    use super::*;

    fn key(id: &str, role: AdminRole) -> AdminKey {
        AdminKey {
            id: KeyId::new(id).unwrap(),
            actor: ActorId::new("kim").unwrap(),
            role,
            mac: [0xab; 32],
            created_ms: NOON,
            expires_ms: Some(NOON + 1000),
            revoked_ms: None,
        }
    }

    #[tokio::test]
    async fn a_key_is_kept_once_apart_from_tenants_keys_and_ends_when_it_is_revoked() {
        let (_guard, folder, clock, ledger) = on_disk();
        let other = SqliteLedger::open(&folder, clock.clone()).unwrap();
        let (first, second) = (key("k1", AdminRole::Operator), key("k2", AdminRole::TenantAdmin(acme())));
        assert!(ledger.create_admin_key(first.clone()).await.unwrap());
        assert!(
            !ledger
                .create_admin_key(AdminKey { mac: [0; 32], role: AdminRole::Auditor, ..first.clone() })
                .await
                .unwrap()
        );
        assert!(ledger.create_admin_key(second.clone()).await.unwrap());
        assert_eq!(*ledger.admin_key(&first.id).unwrap(), first);
        assert!(ledger.key(&first.id).is_none() && ledger.keys(None).is_empty());
        while other.admin_keys().len() < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert!(ledger.revoke_admin_key(&first.id).await.unwrap());
        assert!(!ledger.revoke_admin_key(&first.id).await.unwrap());
        assert!(ledger.end_admin_key(&second.id, NOON + 5).await.unwrap());
        while other.admin_key(&second.id).unwrap().is_valid_at(NOON + 5) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        drop(ledger);
        let reopened = SqliteLedger::open(&folder, clock).unwrap();
        assert_eq!(reopened.admin_key(&first.id).unwrap().revoked_ms, Some(NOON));
        assert_eq!(reopened.admin_key(&second.id).unwrap().role, second.role);
        assert!(!format!("{first:?}").contains("171"), "the mac is not printed");
    }

    #[tokio::test]
    async fn a_tenants_admins_go_with_the_tenant() {
        let (_guard, _folder, _clock, ledger) = on_disk();
        let (stays, goes) = (key("k1", AdminRole::Operator), key("k2", AdminRole::TenantAdmin(acme())));
        ledger.create_admin_key(stays.clone()).await.unwrap();
        ledger.create_admin_key(goes.clone()).await.unwrap();
        assert_eq!(ledger.traces(&acme()).unwrap().keys, 1);
        assert!(ledger.known_tenants().unwrap().contains(&acme()));
        ledger.begin_deletion(&acme()).await.unwrap();
        assert!(ledger.create_admin_key(key("k3", AdminRole::TenantAdmin(acme()))).await.is_err());
        ledger.end_deletion(&acme()).await.unwrap();
        assert!(ledger.admin_key(&goes.id).is_none() && ledger.admin_key(&stays.id).is_some());
    }

    #[test]
    fn a_role_names_a_tenant_when_it_is_a_tenants() {
        for role in [AdminRole::Operator, AdminRole::Auditor, AdminRole::TenantAdmin(acme())] {
            assert_eq!(AdminRole::read(role.as_str(), role.tenant().cloned()), Some(role));
        }
        assert_eq!(AdminRole::read("tenant-admin", None), None);
        assert_eq!(AdminRole::read("operator", Some(acme())), None);
        assert_eq!(AdminRole::read("root", None), None);
    }
}
