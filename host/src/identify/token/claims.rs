//! What verified claims mean on this host: for whom, until when, for which tenant, who acts, and how far.
//!
//! Takes: claims whose signature was checked, the issuer's rule, the time. Gives: [`Meaning`]. May name: config, id, identify::token, reason.

use super::strict::Object;
use super::{Fault, invalid};
use crate::config::{IssuerRule, TenantRule, ToolPattern};
use crate::id::{ActorId, TenantId};
use crate::reason::Reason;
use serde_json::Value;

/// The latest time that a token may name, in seconds since 1970: the end of the year 9999.
const LAST: f64 = 253_402_300_799.0;
/// Longest claim that names somebody or something, in bytes.
const MAX_NAME: usize = 512;

/// What a token stands for.
#[derive(Debug, Clone)]
pub(crate) struct Meaning {
    pub(crate) tenant: TenantId,
    pub(crate) actor: ActorId,
    pub(crate) role: Option<String>,
    pub(crate) scopes: Option<Vec<ToolPattern>>,
    /// The claim `jti`.
    pub(crate) id: Option<String>,
    /// What the actor's claim says, as the issuer wrote it.
    pub(crate) subject: String,
    /// When it was issued, in milliseconds since 1970.
    pub(crate) issued_ms: Option<u64>,
    /// From when on it is refused, in milliseconds since 1970, leeway included.
    pub(crate) ends_ms: u64,
}

/// Judges the claims at this time (milliseconds since 1970).
pub(super) fn judge(claims: &Object, rule: &IssuerRule, now_ms: u64) -> Result<Meaning, Fault> {
    let leeway = rule.leeway.saturating_mul(1000);
    if claims.text("iss") != Some(rule.url.as_str()) {
        return Err(invalid("its claim `iss` is another one"));
    }
    audience(claims, rule)?;
    let expires = time(claims, "exp")?.ok_or_else(|| invalid("it has no claim `exp`"))?;
    let ends_ms = expires.saturating_add(leeway);
    if now_ms >= ends_ms {
        return Err(invalid("it has expired"));
    }
    let latest = now_ms.saturating_add(leeway);
    if time(claims, "nbf")?.is_some_and(|from| from > latest) {
        return Err(invalid("its claim `nbf` is in the future"));
    }
    let issued_ms = time(claims, "iat")?;
    if issued_ms.is_some_and(|at| at > latest) {
        return Err(invalid("its claim `iat` is in the future"));
    }
    let (actor, subject) = actor(claims, rule)?;
    Ok(Meaning {
        tenant: tenant(claims, rule)?,
        actor,
        subject,
        role: role(claims, rule)?,
        scopes: scopes(claims, rule)?,
        id: optional_name(claims, "jti")?.map(ToOwned::to_owned),
        issued_ms,
        ends_ms,
    })
}

/// `aud` is one text or a list of texts (RFC 7519, 4.1.3); one of them is this host's, byte for byte.
fn audience(claims: &Object, rule: &IssuerRule) -> Result<(), Fault> {
    let ours =
        |value: &Value| value.as_str().is_some_and(|text| rule.audiences.iter().any(|a| a.as_str() == text));
    let meant = match claims.get("aud") {
        None => return Err(invalid("it has no claim `aud`")),
        Some(Value::Array(all)) => all.iter().all(Value::is_string) && all.iter().any(ours),
        Some(one) => ours(one),
    };
    if meant { Ok(()) } else { Err(invalid("its claim `aud` does not name this host")) }
}

/// A NumericDate (RFC 7519, 2) in milliseconds: a number, which may have a fraction.
fn time(claims: &Object, name: &'static str) -> Result<Option<u64>, Fault> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| (0.0..=LAST).contains(seconds));
    let seconds = seconds.ok_or_else(|| invalid(format!("its claim `{name}` is no time")))?;
    // Cut to whole milliseconds; in range by the check above.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to the year 9999")]
    Ok(Some((seconds * 1000.0) as u64))
}

/// A claim that names something: text, or nothing.
fn optional_name<'a>(claims: &'a Object, name: &str) -> Result<Option<&'a str>, Fault> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() && text.len() <= MAX_NAME => Ok(Some(text)),
        Some(_) => Err(invalid(format!("its claim `{name}` is no text of 1 to {MAX_NAME} bytes"))),
    }
}

/// The same for one that must be there.
fn name<'a>(claims: &'a Object, name: &str) -> Result<&'a str, Fault> {
    optional_name(claims, name)?.ok_or_else(|| invalid(format!("it has no claim `{name}`")))
}

fn tenant(claims: &Object, rule: &IssuerRule) -> Result<TenantId, Fault> {
    match &rule.tenant {
        TenantRule::One(tenant) => Ok(tenant.clone()),
        TenantRule::Claim(claim, tenants) => {
            let value = name(claims, claim.as_str())?;
            tenants.get(value).cloned().ok_or_else(|| Fault {
                reason: Reason::TenantUnknown,
                why: format!("no tenant is mapped to what its claim `{}` says", claim.as_str()).into(),
            })
        }
    }
}

fn actor(claims: &Object, rule: &IssuerRule) -> Result<(ActorId, String), Fault> {
    let claim = rule.actor_claim.as_str();
    let subject = name(claims, claim)?;
    let actor = ActorId::new(format!("{}{subject}", rule.actor_prefix));
    let actor = actor.map_err(|_| invalid(format!("its claim `{claim}` is no actor's name")))?;
    Ok((actor, subject.to_owned()))
}

/// A value that is not mapped gives no role, and never the rights of somebody without one.
fn role(claims: &Object, rule: &IssuerRule) -> Result<Option<String>, Fault> {
    let default = rule.role.as_ref().map(ToString::to_string);
    let Some((claim, roles)) = &rule.roles else { return Ok(default) };
    let mapped = optional_name(claims, claim.as_str())?.map(|value| roles.get(value));
    match (mapped, default) {
        (Some(Some(role)), _) => Ok(Some(role.to_string())),
        (_, Some(default)) => Ok(Some(default)),
        _ => Err(invalid(format!("its claim `{}` names no role", claim.as_str()))),
    }
}

/// The scopes of tools, one text with spaces between them (RFC 8693, 4.2) or a list. None of them is nothing that may be called.
fn scopes(claims: &Object, rule: &IssuerRule) -> Result<Option<Vec<ToolPattern>>, Fault> {
    let Some(prefix) = &rule.scope_prefix else { return Ok(None) };
    let claim = rule.scope_claim.as_str();
    let all: Vec<&str> = match claims.get(claim) {
        None => Vec::new(),
        Some(Value::String(text)) => text.split(' ').collect(),
        Some(Value::Array(list)) => {
            let texts: Option<Vec<_>> = list.iter().map(Value::as_str).collect();
            texts.ok_or_else(|| invalid(format!("its claim `{claim}` has other things than texts")))?
        }
        Some(_) => return Err(invalid(format!("its claim `{claim}` is no text"))),
    };
    let ours = all.into_iter().filter_map(|scope| scope.strip_prefix(prefix.as_str()));
    // One that cannot be read allows nothing, so leaving it out narrows, never widens.
    Ok(Some(ours.filter_map(|scope| ToolPattern::parse(scope).ok()).collect()))
}
