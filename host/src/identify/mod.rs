//! A credential to a Caller: who asks, for which tenant, established by something the host can verify.
//!
//! Takes: a credential. Gives: a [`Caller`]. May name: admit, audit, config, id, powers, reason, room, storage.
//!
//! Denials: `tenant_missing`, `tenant_unknown`, `tenant_suspended`. The tenant never comes from arguments, a prompt, a
//! path or a header that a client chooses.

pub mod key;
mod tenants;

use crate::admit::CallerFacts;
use crate::audit::bracket::{Bracket, Refused};
use crate::config::ToolPattern;
use crate::id::{ActorId, CallId, KeyId, TenantId};
use crate::reason::Reason;
use crate::room::Room;
use crate::storage::ledger::StoredKey;
use key::{ApiKey, PresentedKey};
use std::sync::Arc;
pub(crate) use tenants::{AtOnce, TenantState, Tenants, Whose, counts};

/// What a request shows for itself.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// Nothing. On a host without tenants that is the tenant `default`; elsewhere it is `tenant_missing`.
    None,
    /// An API key, `sr_live_<id>_<secret>`.
    ApiKey(&'a str),
}

impl std::fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "Credential::None",
            Self::ApiKey(_) => "Credential::ApiKey(..)",
        })
    }
}

/// A verified caller. Only the first step makes one; admission takes it by value, so it serves one call.
///
/// It cannot be made by hand:
/// ```compile_fail,E0451
/// # fn forge(real: strongroom::identify::Caller) -> strongroom::identify::Caller {
/// strongroom::identify::Caller { role: Some("admin".into()), ..real }
/// # }
/// ```
/// nor copied, so that one verification cannot serve two calls:
/// ```compile_fail,E0599
/// # fn copy(caller: strongroom::identify::Caller) -> strongroom::identify::Caller {
/// caller.clone()
/// # }
/// ```
#[must_use = "a caller that is not used leaves an audit entry of a call that never was"]
pub struct Caller {
    pub(crate) bracket: Bracket,
    pub(crate) tenant: Arc<TenantState>,
    actor: ActorId,
    role: Option<String>,
    scopes: Option<Vec<ToolPattern>>,
    key: Option<KeyId>,
    /// Nobody was asked for a credential, because the host has no tenants.
    keyless: bool,
}

impl Caller {
    /// The tenant that the call is for.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant.config.id
    }

    /// Who acts for it.
    #[must_use]
    pub fn actor(&self) -> &ActorId {
        &self.actor
    }

    /// The call's id, as it will stand in the audit log.
    #[must_use]
    pub fn call_id(&self) -> CallId {
        self.bracket.call_id()
    }

    /// The role in the tenant's file, when the key has one.
    #[must_use]
    pub fn role(&self) -> Option<&str> {
        self.role.as_deref()
    }

    /// What the key is narrowed to; `None` for no narrowing.
    #[must_use]
    pub fn scopes(&self) -> Option<&[ToolPattern]> {
        self.scopes.as_deref()
    }

    /// Whether the caller stands for the whole tenant: without a role, and not narrowed to some tools.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.role.is_none() && self.scopes.is_none()
    }

    /// The public part of the key, when there was one.
    #[must_use]
    pub fn key(&self) -> Option<&KeyId> {
        self.key.as_ref()
    }
}

impl Caller {
    /// The bracket and the facts go separate ways from admission on.
    pub(crate) fn into_parts(self) -> (Bracket, CallerFacts) {
        let Self { bracket, tenant, actor, role, scopes, keyless, .. } = self;
        (bracket, CallerFacts { tenant, actor, role, scopes, keyless })
    }
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller")
            .field("tenant", self.tenant())
            .field("actor", &self.actor)
            .finish_non_exhaustive()
    }
}

/// Verifies the credential.
pub(crate) fn identify(room: &Room, credential: Credential<'_>) -> Result<Caller, Refused> {
    let bracket = Bracket::open(room)?;
    let tenants = room.tenants();
    match credential {
        Credential::None => match tenants.single() {
            Some(tenant) => by_the_operator(room, bracket, tenant, true),
            None => Err(bracket.refuse(
                Reason::TenantMissing,
                "the request carries no credential; send `Authorization: Bearer sr_live_…`",
            )),
        },
        Credential::ApiKey(text) => by_key(room, bracket, &tenants, text),
    }
}

/// The operator at the home folder, who acts for a tenant: the tenant's rules decide on him as on everybody without a role.
pub(crate) fn operator(room: &Room, tenant: &TenantId) -> Result<Caller, Refused> {
    let bracket = Bracket::open(room)?;
    let tenants = room.tenants();
    let single = tenants.single().filter(|single| single.config.id == *tenant);
    let keyless = single.is_some();
    match single.or_else(|| tenants.get(tenant)) {
        Some(tenant) => by_the_operator(room, bracket, tenant, keyless),
        None => Err(bracket.refuse(Reason::TenantUnknown, format!("there is no tenant {tenant} any more"))),
    }
}

fn by_the_operator(
    room: &Room,
    bracket: Bracket,
    tenant: Arc<TenantState>,
    keyless: bool,
) -> Result<Caller, Refused> {
    let caller = admit_tenant(bracket, tenant, room.local_actor(), None, None, None)?;
    Ok(Caller { keyless, ..caller })
}

fn by_key(room: &Room, bracket: Bracket, tenants: &Tenants, text: &str) -> Result<Caller, Refused> {
    // One text for every way in which a key can be wrong, so that nobody learns which ids exist.
    let unknown = "this key opens nothing here: it is not one of this host's keys, has ended or was revoked";
    let Some(shown) = PresentedKey::parse(text) else {
        return Err(bracket.refuse(Reason::TenantUnknown, unknown));
    };
    let stored = room.ledger.key(shown.id());
    let now = room.clock.unix_ms();
    // The secret is checked also when there is no such id, so that both take the same time.
    let genuine = room.key_maker.verify(&shown, stored.as_ref().map(|k| &k.mac));
    let genuine = stored.filter(|_| genuine);
    let tenant = genuine.as_ref().and_then(|key| opens(key, now, tenants));
    match (genuine, tenant) {
        (Some(key), Some(tenant)) => {
            let scopes = scopes(&key);
            admit_tenant(bracket, tenant, key.actor.clone(), key.role.clone(), scopes, Some(key.id.clone()))
        }
        _ => Err(bracket.refuse(Reason::TenantUnknown, unknown)),
    }
}

/// The tenant that a key opens at this time (milliseconds since 1970), if it opens any.
pub(crate) fn opens(key: &StoredKey, now_ms: u64, tenants: &Tenants) -> Option<Arc<TenantState>> {
    if key.is_valid_at(now_ms) { tenants.get(&key.tenant) } else { None }
}

/// What a key is narrowed to; `None` for no narrowing.
pub(crate) fn scopes(key: &StoredKey) -> Option<Vec<ToolPattern>> {
    match key.scopes.is_empty() {
        true => None,
        // A scope that cannot be read allows nothing, so leaving it out narrows the key, never widens it.
        false => Some(key.scopes.iter().filter_map(|s| ToolPattern::parse(s).ok()).collect()),
    }
}

fn admit_tenant(
    mut bracket: Bracket,
    tenant: Arc<TenantState>,
    actor: ActorId,
    role: Option<String>,
    scopes: Option<Vec<ToolPattern>>,
    key: Option<KeyId>,
) -> Result<Caller, Refused> {
    bracket.belongs_to(&tenant.config.id, &actor);
    if tenant.config.suspended {
        return Err(bracket.refuse(Reason::TenantSuspended, "the operator has suspended this tenant"));
    }
    Ok(Caller { bracket, tenant, actor, role, scopes, key, keyless: false })
}

/// A new key for a tenant: the text to hand over once, and what the ledger keeps.
///
/// # Errors
/// When the system has no randomness to give.
pub(crate) fn new_key(room: &Room) -> std::io::Result<ApiKey> {
    room.key_maker.make(&*room.entropy)
}
