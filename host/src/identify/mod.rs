//! A credential to a Caller: who asks, for which tenant, established by something the host can verify.
//!
//! Takes: a credential. Gives: a [`Caller`]. May name: admit, audit, config, id, powers, reason, room, storage.
//!
//! Denials: `tenant_missing`, `tenant_unknown`, `token_invalid`, `issuer_unavailable`, `tenant_suspended`. The tenant never comes from arguments, a prompt, a
//! path or a header that a client chooses.

pub mod key;
mod tenants;
mod token;

use crate::admit::CallerFacts;
use crate::audit::bracket::{Bracket, Refused};
use crate::config::ToolPattern;
use crate::id::{ActorId, CallId, KeyId, TenantId};
use crate::reason::Reason;
use crate::room::Room;
use crate::storage::ledger::{StoredKey, TokenTarget};
use key::{ApiKey, Kind, PresentedKey};
use std::sync::Arc;
pub(crate) use tenants::{AtOnce, TenantState, Tenants, Whose, counts};
pub(crate) use token::Tokens;

/// What a request shows for itself.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// Nothing. On a host without tenants that is the tenant `default`; elsewhere it is `tenant_missing`.
    None,
    /// An API key, `sr_live_<id>_<secret>`.
    ApiKey(&'a str),
    /// What stands after `Bearer`: an API key when it begins as one, else an access token of one of the host's issuers, if it
    /// has any. At most 16 KiB.
    Bearer(&'a str),
}

impl std::fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "Credential::None",
            Self::ApiKey(_) => "Credential::ApiKey(..)",
            Self::Bearer(_) => "Credential::Bearer(..)",
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
    /// How scopes begin in tokens of this caller's issuer that name tools.
    scope_prefix: Option<String>,
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

    /// How scopes that name tools begin in the tokens of this caller's issuer; `None` for callers without a token, and when scopes mean
    /// nothing in it.
    #[must_use]
    pub fn scope_prefix(&self) -> Option<&str> {
        self.scope_prefix.as_deref()
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

/// Verifies the credential. Waits for nothing but the keys of a token's issuer, when they are not known.
pub(crate) async fn identify(room: &Room, credential: Credential<'_>) -> Result<Caller, Refused> {
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
        Credential::Bearer(text) => {
            let tokens = room.tokens();
            match tokens.are_taken() && !PresentedKey::is_meant(text) {
                // In a box: the way of keys, which is the usual one, carries nothing of it.
                true => Box::pin(by_token(room, bracket, &tenants, &tokens, text)).await,
                false => by_key(room, bracket, &tenants, text),
            }
        }
    }
}

async fn by_token(
    room: &Room,
    mut bracket: Bracket,
    tenants: &Tenants,
    tokens: &Tokens,
    text: &str,
) -> Result<Caller, Refused> {
    let genuine = match tokens.verify(&room.wire, text, room.clock.unix_ms()).await {
        Ok(genuine) => genuine,
        Err(fault) => {
            bracket.notes(&fault.why);
            let retry = fault.reason == Reason::IssuerUnavailable;
            let refused = bracket.refuse(fault.reason, Tokens::refusal(fault.reason));
            return Err(if retry { refused.retry_after(ISSUER_RETRY_MS) } else { refused });
        }
    };
    let meaning = genuine.meaning();
    let shown = TokenTarget {
        issuer: genuine.rule().url.as_str(),
        id: meaning.id.as_deref(),
        subject: &meaning.subject,
        issued_ms: meaning.issued_ms,
        leeway_ms: genuine.rule().leeway.saturating_mul(1000),
    };
    // Asked at every call: a revocation counts for tokens that were verified before it.
    if let Some(order) = room.ledger.revoked(&shown) {
        bracket.notes(&format!("it was revoked: {}", order.scope));
        return Err(bracket.refuse(Reason::TokenInvalid, Tokens::refusal(Reason::TokenInvalid)));
    }
    let Some(tenant) = tenants.get(&meaning.tenant) else {
        bracket.notes(&format!("its tenant {} is not there", meaning.tenant));
        return Err(bracket.refuse(Reason::TenantUnknown, Tokens::refusal(Reason::TenantUnknown)));
    };
    let (actor, role, scopes) = (meaning.actor.clone(), meaning.role.clone(), meaning.scopes.clone());
    let caller = admit_tenant(bracket, tenant, actor, role, scopes, None)?;
    Ok(Caller { scope_prefix: genuine.rule().scope_prefix.clone(), ..caller })
}

/// When to ask again while an issuer's keys cannot be had, in milliseconds.
const ISSUER_RETRY_MS: u64 = 5_000;

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
    let Some(shown) = PresentedKey::parse(Kind::Tenant, text) else {
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
    Ok(Caller { bracket, tenant, actor, role, scopes, key, scope_prefix: None, keyless: false })
}

/// A new key for a tenant, of this id if one was chosen: the text to hand over once, and what the ledger keeps.
///
/// # Errors
/// When the system has no randomness to give.
pub(crate) fn new_key(room: &Room, id: Option<KeyId>) -> std::io::Result<ApiKey> {
    match id {
        Some(id) => room.key_maker.make_as(id, &*room.entropy),
        None => room.key_maker.make(&*room.entropy),
    }
}
