//! What a credential proves: for whom it stands at this moment, or why for nobody.
//!
//! Takes: a credential. Gives: [`Proven`] or [`Unproven`]. May name: config, id, reason, room, storage.

use super::Credential;
use super::certificate::Certificate;
use super::key::{Kind, PresentedKey};
use super::tenants::{TenantState, Tenants};
use super::token::{Fault, Outside, Tokens};
use crate::config::{Meaning, Named, ToolPattern};
use crate::id::{ActorId, KeyId, TenantId};
use crate::reason::Reason;
use crate::room::Room;
use crate::storage::ledger::{StoredKey, TokenTarget};
use std::borrow::Cow;
use std::sync::Arc;

/// When to ask again while an issuer's keys cannot be had, in milliseconds.
const ISSUER_RETRY_MS: u64 = 5_000;

/// For whom a credential stands.
pub(super) struct Proven {
    pub(super) tenant: Arc<TenantState>,
    pub(super) actor: ActorId,
    pub(super) role: Option<String>,
    pub(super) scopes: Option<Vec<ToolPattern>>,
    pub(super) key: Option<KeyId>,
    pub(super) scope_prefix: Option<String>,
    pub(super) keyless: bool,
}

/// The same as it can be compared with another time's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(super) tenant: TenantId,
    pub(super) actor: ActorId,
    pub(super) role: Option<String>,
    pub(super) scopes: Option<Vec<ToolPattern>>,
}

impl Proven {
    pub(super) fn standing(&self) -> Standing {
        let (tenant, actor) = (self.tenant.config.id.clone(), self.actor.clone());
        Standing { tenant, actor, role: self.role.clone(), scopes: self.scopes.clone() }
    }
}

/// Why a credential stands for nobody.
pub(super) struct Unproven {
    pub(super) reason: Reason,
    /// For whoever shows it.
    pub(super) message: Cow<'static, str>,
    /// For the operator, in the book.
    pub(super) note: Option<String>,
    /// In whose book it stands, when that is known.
    pub(super) whose: Option<(TenantId, ActorId)>,
    pub(super) retry_after_ms: Option<u64>,
}

impl Unproven {
    pub(super) fn new(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, message: message.into(), note: None, whose: None, retry_after_ms: None }
    }

    fn noting(self, why: impl Into<String>) -> Self {
        Self { note: Some(why.into()), ..self }
    }

    /// A token. Whoever shows it learns one sentence, and the log says what was wrong.
    fn token(fault: Fault) -> Self {
        let retry = fault.reason == Reason::IssuerUnavailable;
        let unproven = Self::new(fault.reason, Tokens::refusal(fault.reason))
            .noting(format!("the token: {}", fault.why));
        Self { retry_after_ms: retry.then_some(ISSUER_RETRY_MS), ..unproven }
    }

    /// The same for a certificate.
    fn certificate(fault: Fault) -> Self {
        let message = "this certificate opens nothing here: it has ended, nobody vouches for it, or its name means nobody";
        Self::new(fault.reason, message).noting(format!("the client's certificate: {}", fault.why))
    }
}

type Proof = Result<Proven, Unproven>;

/// Verifies the credential. Waits for nothing but the keys of a token's issuer, when they are not known.
pub(super) async fn prove(room: &Room, credential: Credential<'_>) -> Proof {
    match credential {
        Credential::None => match room.tenants().single() {
            Some(tenant) => by_the_operator(room, tenant, true),
            None => Err(Unproven::new(
                Reason::TenantMissing,
                "the request carries no credential; send `Authorization: Bearer sr_live_…`",
            )),
        },
        Credential::ApiKey(text) => by_key(room, text),
        Credential::Bearer(text) => by_bearer(room, text).await,
        Credential::Certificate(shown) => match by_certificate(room, shown)? {
            Some(proven) => Ok(proven),
            None => Err(Unproven::new(
                Reason::TenantMissing,
                "this certificate acts for nobody by itself; send a key or a token with it",
            )),
        },
        Credential::Both(shown, text) => {
            let by_certificate = by_certificate(room, shown)?;
            let proven = by_bearer(room, text).await?;
            if by_certificate.is_none_or(|other| other.tenant.config.id == proven.tenant.config.id) {
                return Ok(proven);
            }
            let whose = Some((proven.tenant.config.id.clone(), proven.actor));
            let message = "the certificate and the other credential are not of one tenant";
            Err(Unproven { whose, ..Unproven::new(Reason::TenantMismatch, message) })
        }
    }
}

async fn by_bearer(room: &Room, text: &str) -> Proof {
    let takes_tokens = room.current().tokens.are_taken();
    match takes_tokens && !PresentedKey::is_meant(text) {
        // In a box: the way of keys, which is the usual one, carries nothing of it.
        true => Box::pin(by_token(room, text)).await,
        false => by_key(room, text),
    }
}

async fn by_token(room: &Room, text: &str) -> Proof {
    let genuine = room
        .tokens()
        .verify(Outside { wire: &room.wire, home: &room.home }, text, room.clock.unix_ms())
        .await
        .map_err(Unproven::token)?;
    let meaning = genuine.meaning();
    let shown = TokenTarget {
        issuer: genuine.rule().url.as_str(),
        id: meaning.id.as_deref(),
        subject: &meaning.subject,
        issued_ms: meaning.issued_ms,
        leeway_ms: genuine.rule().leeway.saturating_mul(1000),
    };
    let refused = |reason, why: String| Unproven::token(Fault { reason, why: why.into() });
    // Asked at every call: a revocation counts for tokens that were verified before it.
    if let Some(order) = room.ledger.revoked(&shown) {
        return Err(refused(Reason::TokenInvalid, format!("it was revoked: {}", order.scope)));
    }
    let Some(tenant) = room.tenants().get(&meaning.tenant) else {
        let why = format!("its tenant {} is not there", meaning.tenant);
        return Err(refused(Reason::TenantUnknown, why));
    };
    let (actor, role, scopes) = (meaning.actor.clone(), meaning.role.clone(), meaning.scopes.clone());
    let proven = open(tenant, actor, role, scopes, None)?;
    Ok(Proven { scope_prefix: genuine.rule().scope_prefix.clone(), ..proven })
}

/// What a certificate proves, by the operator's rules of this moment; nothing for one that carries the requests of others.
fn by_certificate(room: &Room, shown: &Certificate) -> Result<Option<Proven>, Unproven> {
    let refused = |reason, why: String| Unproven::certificate(Fault { reason, why: why.into() });
    let invalid = |why| refused(Reason::CertificateInvalid, why);
    let unknown = |why| refused(Reason::TenantUnknown, why);
    let id = shown.id(room.clock.unix_ms()).map_err(invalid)?;
    let settings = room.settings();
    let trust = settings.host.tls.as_ref().and_then(|tls| tls.trust_of(&id));
    let trust = trust.ok_or_else(|| invalid(format!("the trust domain of {id} is none of this host's")))?;
    let meaning = trust.callers.iter().find_map(|rule| rule.meaning(&id));
    let meaning = meaning.ok_or_else(|| unknown(format!("no rule says whom {id} means")))?;
    let Named { tenant, actor, role, scopes } = match meaning.map_err(unknown)? {
        Meaning::Caller(named) => named,
        Meaning::Companion => return Ok(None),
    };
    let found = room.tenants().get(&tenant);
    let tenant = found.ok_or_else(|| unknown(format!("its tenant {tenant} is not there")))?;
    open(tenant, actor, role.map(|role| role.to_string()), scopes, None).map(Some)
}

pub(super) fn by_the_operator(room: &Room, tenant: Arc<TenantState>, keyless: bool) -> Proof {
    Ok(Proven { keyless, ..open(tenant, room.local_actor(), None, None, None)? })
}

fn by_key(room: &Room, text: &str) -> Proof {
    // One text for every way in which a key can be wrong, so that nobody learns which ids exist.
    let unknown = "this key opens nothing here: it is not one of this host's keys, has ended or was revoked";
    let unknown = || Unproven::new(Reason::TenantUnknown, unknown);
    let shown = PresentedKey::parse(Kind::Tenant, text).ok_or_else(unknown)?;
    let stored = room.ledger.key(shown.id());
    let now = room.clock.unix_ms();
    // The secret is checked also when there is no such id, so that both take the same time.
    let genuine = room.key_maker.verify(&shown, stored.as_ref().map(|k| &k.mac));
    let key = stored.filter(|_| genuine).ok_or_else(unknown)?;
    let tenant = opens(&key, now, &room.current().tenants).ok_or_else(unknown)?;
    open(tenant, key.actor.clone(), key.role.clone(), scopes(&key), Some(key.id.clone()))
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

fn open(
    tenant: Arc<TenantState>,
    actor: ActorId,
    role: Option<String>,
    scopes: Option<Vec<ToolPattern>>,
    key: Option<KeyId>,
) -> Proof {
    if tenant.config.suspended {
        let whose = Some((tenant.config.id.clone(), actor));
        let message = "the operator has suspended this tenant";
        return Err(Unproven { whose, ..Unproven::new(Reason::TenantSuspended, message) });
    }
    Ok(Proven { tenant, actor, role, scopes, key, scope_prefix: None, keyless: false })
}
