//! A key's secret is replaced while its clients move to the new one.
//!
//! Takes: a key, how long the old one may go on. Gives: the new one. May name: config, id, identify, reason, storage.

use super::{Made, NewKey, OperateError, Strongroom};
use crate::config::{RoleName, ToolPattern};
use crate::id::KeyId;
use crate::identify::key::ApiKey;
use crate::reason::Reason;

/// The longest time for which an old key goes on beside the new one, in milliseconds: 90 days.
pub const LONGEST_GRACE_MS: u64 = 90 * 86_400_000;

impl Strongroom {
    /// Makes a new key for the same tenant and actor, with the same role, scopes and end, and ends the old one after `grace_ms`
    /// milliseconds (at most [`LONGEST_GRACE_MS`]), or when it would have ended anyway. 0 ends it at once.
    ///
    /// # Errors
    /// [`OperateError::Key`] when there is none that opens; what [`Strongroom::create_key`] says. If the ledger fails between both, the
    /// new key is there, and the old one goes on: order it again for the new one, or revoke.
    pub async fn rotate_key(&self, id: &KeyId, grace_ms: u64) -> Result<ApiKey, OperateError> {
        match self.rotate_key_as(id, grace_ms, None).await? {
            Made::Now(made) => Ok(made),
            Made::Before(id) => Err(OperateError::Key(id)),
        }
    }

    /// The same for a new key whose id was chosen.
    pub(crate) async fn rotate_key_as(
        &self,
        id: &KeyId,
        grace_ms: u64,
        new: Option<KeyId>,
    ) -> Result<Made, OperateError> {
        let now = self.room.clock.unix_ms();
        let old = self.room.ledger.key(id).filter(|key| key.is_valid_at(now));
        let old = old.ok_or_else(|| OperateError::Key(id.clone()))?;
        let role = match old.role.as_deref().map(RoleName::new).transpose() {
            Ok(role) => role,
            Err(_) => return Err(OperateError::Key(id.clone())),
        };
        // A scope that cannot be read allows nothing; left out, the rest must not become no narrowing.
        let scopes: Result<Vec<_>, _> = old.scopes.iter().map(|scope| ToolPattern::parse(scope)).collect();
        let scopes = scopes.map_err(|_| OperateError::Key(id.clone()))?;
        let key = NewKey {
            tenant: old.tenant.clone(),
            actor: old.actor.clone(),
            role,
            scopes,
            expires_ms: old.expires_ms,
        };
        let made = self.make_key(key, new).await?;
        if let Made::Before(_) = made {
            return Ok(made);
        }
        let ends_ms = now.saturating_add(grace_ms.min(LONGEST_GRACE_MS));
        if !self.room.ledger.end_key(id, ends_ms).await? {
            return Err(OperateError::Key(id.clone()));
        }
        self.enter(&format!("key.rotate {id}"), Some(&old.tenant), Reason::Ok, None).await?;
        Ok(made)
    }
}
