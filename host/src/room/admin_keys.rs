//! The keys of those who administrate the host: made, listed, rotated and ended by whoever holds the home folder.
//!
//! Takes: orders of the operator. Gives: a new key's text, once. May name: id, identify, reason, storage.

use super::rotate::LONGEST_GRACE_MS;
use super::{OperateError, Strongroom};
use crate::id::{ActorId, KeyId};
use crate::identify::key::ApiKey;
use crate::reason::Reason;
use crate::storage::ledger::{AdminKey, AdminRole};
use std::sync::Arc;

/// What a new key of an admin is for.
#[derive(Debug, Clone)]
pub struct NewAdminKey {
    /// What whoever holds it may do.
    pub role: AdminRole,
    /// Who uses it.
    pub actor: ActorId,
    /// When it ends, in milliseconds since 1970.
    pub expires_ms: Option<u64>,
}

impl Strongroom {
    /// Makes a key for the admin API, `sr_admin_<id>_<secret>`. Its text is in the answer and nowhere else, ever. It opens nothing
    /// for tenants' calls, as no tenant's key opens the admin API.
    ///
    /// # Errors
    /// [`OperateError::Tenant`] for a tenant that does not exist; otherwise when the ledger or the book cannot be written.
    pub async fn create_admin_key(&self, key: NewAdminKey) -> Result<ApiKey, OperateError> {
        let NewAdminKey { role, actor, expires_ms } = key;
        if let Some(tenant) = role.tenant().filter(|t| !self.room.settings().tenants.contains_key(*t)) {
            return Err(OperateError::Tenant(tenant.clone()));
        }
        self.room.journal.ready()?;
        loop {
            let made = self.room.admin_key_maker.make(&*self.room.entropy).map_err(OperateError::Entropy)?;
            let stored = AdminKey {
                id: made.id.clone(),
                actor: actor.clone(),
                role: role.clone(),
                mac: made.mac,
                created_ms: self.room.clock.unix_ms(),
                expires_ms,
                revoked_ms: None,
            };
            if self.room.ledger.create_admin_key(stored).await? {
                self.enter(&format!("admin-key.create {}", made.id), role.tenant(), Reason::Ok, None).await?;
                return Ok(made);
            }
        }
    }

    /// Makes a new key of an admin for the same actor, with the same role and end, and ends the old one as
    /// [`Strongroom::rotate_key`] does.
    ///
    /// # Errors
    /// [`OperateError::Key`] when there is none that opens; what [`Strongroom::create_admin_key`] says.
    pub async fn rotate_admin_key(&self, id: &KeyId, grace_ms: u64) -> Result<ApiKey, OperateError> {
        let now = self.room.clock.unix_ms();
        let old = self.room.ledger.admin_key(id).filter(|key| key.is_valid_at(now));
        let old = old.ok_or_else(|| OperateError::Key(id.clone()))?;
        let (role, actor) = (old.role.clone(), old.actor.clone());
        let made = self.create_admin_key(NewAdminKey { role, actor, expires_ms: old.expires_ms }).await?;
        let ends_ms = now.saturating_add(grace_ms.min(LONGEST_GRACE_MS));
        if !self.room.ledger.end_admin_key(id, ends_ms).await? {
            return Err(OperateError::Key(id.clone()));
        }
        self.enter(&format!("admin-key.rotate {id}"), old.role.tenant(), Reason::Ok, None).await?;
        Ok(made)
    }

    /// Ends a key of an admin.
    ///
    /// # Errors
    /// [`OperateError::Key`] when there is none that could be ended.
    pub async fn revoke_admin_key(&self, id: &KeyId) -> Result<(), OperateError> {
        let tenant = self.room.ledger.admin_key(id).and_then(|key| key.role.tenant().cloned());
        if !self.room.ledger.revoke_admin_key(id).await? {
            return Err(OperateError::Key(id.clone()));
        }
        self.enter(&format!("admin-key.revoke {id}"), tenant.as_ref(), Reason::Ok, None).await
    }

    /// The keys of admins, without their secrets, which nobody has.
    #[must_use]
    pub fn admin_keys(&self) -> Vec<Arc<AdminKey>> {
        self.room.ledger.admin_keys()
    }
}
