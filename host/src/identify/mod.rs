//! A credential to a Caller: who asks, for which tenant, established by something the host can verify.
//!
//! Takes: a credential. Gives: a [`Caller`]. May name: admit, audit, config, id, powers, reason, room, storage.
//!
//! Denials: `tenant_missing`, `tenant_unknown`, `token_invalid`, `issuer_unavailable`, `certificate_invalid`, `tenant_mismatch`,
//! `tenant_suspended`. The tenant never comes from arguments, a prompt, a path or a header that a client chooses.

mod certificate;
pub mod key;
mod pace;
mod plan;
mod proof;
mod tenants;
mod token;

use crate::admit::CallerFacts;
use crate::audit::bracket::{Bracket, Refused};
use crate::config::ToolPattern;
use crate::id::{ActorId, CallId, KeyId, TenantId};
use crate::reason::Reason;
use crate::room::Room;
use crate::storage::ledger::KillTarget;
pub use certificate::Certificate;
pub(crate) use certificate::{Trust, Vouching, times};
use key::ApiKey;
pub(crate) use plan::rights;
use proof::{Proven, Unproven};
pub(crate) use proof::{Standing, opens, scopes};
use std::sync::Arc;
pub(crate) use tenants::{TenantState, Tenants, Whose, counts};
pub(crate) use token::{Outside, Tokens, ask};

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
    /// The certificate that the client of a TLS connection has shown.
    Certificate(&'a Certificate),
    /// Both. What the bearer shows acts, and the certificate must be of the same tenant.
    Both(&'a Certificate, &'a str),
}

impl std::fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "Credential::None",
            Self::ApiKey(_) => "Credential::ApiKey(..)",
            Self::Bearer(_) => "Credential::Bearer(..)",
            Self::Certificate(_) => "Credential::Certificate(..)",
            Self::Both(..) => "Credential::Both(..)",
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

    /// Refuses the caller, because the host name of the request is another tenant's.
    pub(crate) fn mismatched(self, message: &str) -> Refused {
        self.bracket.refuse(Reason::TenantMismatch, message)
    }

    /// For whom it stands, to ask later whether it still does.
    pub(crate) fn standing(&self) -> Standing {
        Standing {
            tenant: self.tenant().clone(),
            actor: self.actor.clone(),
            role: self.role.clone(),
            scopes: self.scopes.clone(),
        }
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
    admitted(bracket, proof::prove(room, credential).await)
}

/// The operator at the home folder, who acts for a tenant: the tenant's rules decide on him as on everybody without a role.
pub(crate) fn operator(room: &Room, tenant: &TenantId) -> Result<Caller, Refused> {
    let bracket = Bracket::open(room)?;
    let tenants = room.tenants();
    let single = tenants.single().filter(|single| single.config.id == *tenant);
    let keyless = single.is_some();
    let proven = match single.or_else(|| tenants.get(tenant)) {
        Some(tenant) => proof::by_the_operator(room, tenant, keyless),
        None => {
            let message = format!("there is no tenant {tenant} any more");
            Err(Unproven::new(Reason::TenantUnknown, message))
        }
    };
    admitted(bracket, proven)
}

/// Why a credential does not stand any more for whom it stood for, rights included; `None` as long as it does. It is the reason by
/// which the next request is refused; of one that stands for somebody else by now, `policy_denied`. Nothing of it is in the book: it
/// is asked for answers that go on.
pub(crate) async fn lapsed(room: &Room, credential: Credential<'_>, who: &Standing) -> Option<Reason> {
    let proven = match proof::prove(room, credential).await {
        Ok(proven) => proven,
        Err(unproven) => return Some(unproven.reason),
    };
    let (tenant, actor) = (&proven.tenant.config.id, Some(&proven.actor));
    let target = KillTarget { tenant, actor, tool: None, component: None, writes: false };
    match room.ledger.killed(&target) {
        Some(kill) => Some(kill.reason()),
        None => (proven.standing() != *who).then_some(Reason::PolicyDenied),
    }
}

fn admitted(mut bracket: Bracket, proven: Result<Proven, Unproven>) -> Result<Caller, Refused> {
    match proven {
        Ok(proven) => {
            bracket.belongs_to(&proven.tenant.config.id, &proven.actor);
            let Proven { tenant, actor, role, scopes, key, scope_prefix, keyless } = proven;
            Ok(Caller { bracket, tenant, actor, role, scopes, key, scope_prefix, keyless })
        }
        Err(Unproven { reason, message, note, whose, retry_after_ms }) => {
            if let Some((tenant, actor)) = &whose {
                bracket.belongs_to(tenant, actor);
            }
            if let Some(note) = note {
                bracket.notes(&note);
            }
            let refused = bracket.refuse(reason, message);
            Err(match retry_after_ms {
                Some(ms) => refused.retry_after(ms),
                None => refused,
            })
        }
    }
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
