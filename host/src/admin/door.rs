//! The first step of an admin's request: whose key it is. The second: whether its role allows what is asked.
//!
//! Takes: a credential, what is asked of whom. Gives: [`Admin`], and from it a [`Leave`]. May name: audit, id, identify,
//! reason, room, settle, storage.

use super::leave::{Leave, Level, Over};
use crate::audit::bracket::Bracket;
use crate::id::{ActorId, KeyId, TenantId};
use crate::identify::key::{Kind, PresentedKey};
use crate::reason::Reason;
use crate::room::Strongroom;
use crate::settle::Receipt;
use crate::storage::ledger::{AdminKey, AdminRole};
use std::sync::Arc;

/// One text for every way in which a key can be wrong, so that nobody learns which ids exist.
const UNKNOWN: &str = "this opens nothing here; send one header `Authorization: Bearer sr_admin_…` with a key of `strongroom admin key create`";

/// The way in for admins. It holds the host, and gives it to nobody without a proof.
#[derive(Clone, Debug)]
pub(crate) struct Door(Strongroom);

/// An admin whose key was verified. One verification serves one request.
#[must_use = "an admin who is not let in or refused leaves an entry of a request that never was"]
pub(crate) struct Admin {
    room: Strongroom,
    bracket: Bracket,
    key: Arc<AdminKey>,
}

impl Door {
    pub(crate) fn new(room: Strongroom) -> Self {
        Self(room)
    }

    /// Longest body of a request, in bytes.
    pub(crate) fn max_body(&self) -> u64 {
        self.0.settings().host.max_request_body
    }

    /// Refuses a request before it is known whose it is.
    pub(crate) async fn turn_away(&self, action: &str, reason: Reason, why: &str) -> Receipt {
        match Bracket::open(self.0.inner()) {
            Ok(mut bracket) => {
                bracket.does(action);
                bracket.refuse(reason, why).close().await
            }
            Err(refused) => refused.close().await,
        }
    }

    /// Verifies what stands after `Bearer`; what is none is a key that opens nothing.
    ///
    /// # Errors
    /// The receipt of a refusal: `admin_unknown`, `audit_unavailable`.
    pub(crate) async fn enter(&self, action: &str, shown: Option<&str>) -> Result<Admin, Box<Receipt>> {
        let room = self.0.inner();
        let mut bracket = match Bracket::open(room) {
            Ok(bracket) => bracket,
            Err(refused) => return Err(Box::new(refused.close().await)),
        };
        bracket.does(action);
        let parsed = shown.and_then(|text| PresentedKey::parse(Kind::Admin, text));
        let Some(parsed) = parsed else {
            return Err(Box::new(bracket.refuse(Reason::AdminUnknown, UNKNOWN).close().await));
        };
        let stored = room.ledger.admin_key(parsed.id());
        // The secret is checked also when there is no such id, so that both take the same time.
        let genuine = room.admin_key_maker.verify(&parsed, stored.as_ref().map(|key| &key.mac));
        let now = room.clock.unix_ms();
        match stored.filter(|key| genuine && key.is_valid_at(now)) {
            Some(key) => {
                bracket.by_admin(&actor(&key), &how(&key));
                Ok(Admin { room: self.0.clone(), bracket, key })
            }
            None => Err(Box::new(bracket.refuse(Reason::AdminUnknown, UNKNOWN).close().await)),
        }
    }
}

impl Admin {
    /// Whether the role of the key allows this, for whom it is asked.
    ///
    /// # Errors
    /// The receipt of a refusal: `role_denied`, `not_found` and `tenant_suspended`. To an admin of one tenant another one is
    /// refused in the same words whether it is there or not.
    pub(crate) async fn may<L: Level, O: Over>(self, over: &str) -> Result<Leave<L, O>, Box<Receipt>> {
        let Self { room, mut bracket, key } = self;
        let verdict = O::judge(&room, &key.role, L::RANK, over);
        if let Some(own) = key.role.tenant() {
            // Whatever was asked for, it is this tenant's admin who asked.
            bracket.concerns(own);
        }
        let over = match verdict {
            Ok(over) => over,
            Err((reason, message)) => {
                bracket.notes(&format!("{}; asked for {over:?}", how(&key)));
                let asked = TenantId::new(over).ok().filter(|_| key.role.tenant().is_none());
                // The tenant's log has it when there is such a tenant, and no log begins with what was misspelt.
                if let Some(asked) = asked.filter(|asked| room.has_anything_of(asked).is_ok_and(|has| has)) {
                    bracket.concerns(&asked);
                }
                return Err(Box::new(bracket.refuse(reason, message).close().await));
            }
        };
        if let Some(tenant) = over.tenant() {
            bracket.concerns(tenant);
        }
        let call = bracket.call_id();
        let room = room.acting_as(actor(&key), format!("{}, {call}", how(&key)));
        Ok(Leave::granted(room, bracket, over, key))
    }
}

/// How the book calls an admin: by the role as well, so that nobody takes him for an actor of a tenant.
fn actor(key: &AdminKey) -> ActorId {
    let name = format!("{}:{}", key.role.as_str(), key.actor);
    // Names that would be too long are refused when a key is made.
    ActorId::new(&name).unwrap_or_else(|_| key.actor.clone())
}

/// By which key he is known.
fn how(key: &AdminKey) -> String {
    format!("{} by the admin key {}", key.role.as_str(), key.id)
}

/// The role as answers have it.
pub(super) fn role(key: &AdminKey) -> (&'static str, KeyId, ActorId) {
    (key.role.as_str(), key.id.clone(), key.actor.clone())
}

/// Whether a role may do something of this rank to the host as a whole.
pub(super) fn of_host(role: &AdminRole, rank: u8) -> bool {
    match role {
        AdminRole::Operator => true,
        AdminRole::Auditor => rank == 0,
        AdminRole::TenantAdmin(_) => false,
    }
}
