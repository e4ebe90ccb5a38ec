//! Access tokens of the operator's issuers (RFC 9068, JWTs of any OpenID Connect provider): genuine, meant for this host, still good,
//! not revoked, and mapped to a tenant by the operator.
//!
//! Takes: a bearer token, the issuers' rules. Gives: [`Tokens`], [`Meaning`]. May name: config, id, imports::dial, powers, reason, storage.
//!
//! Whoever shows a token that is refused learns one sentence, whatever was wrong; what it was stands in the audit log.

mod claims;
mod crypto;
mod fetch;
mod jwks;
mod jws;
mod keyring;
mod strict;

use crate::config::IssuerRule;
use crate::reason::Reason;
pub(crate) use claims::Meaning;
pub(crate) use fetch::Outside;
use jsonwebtoken::Validation;
use jws::Unverified;
use keyring::{Fetched, Keyring};
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use strict::Object;

/// The most verified tokens that are remembered.
const REMEMBERED: u64 = 10_000;

/// Asks an issuer for its keys, as if there were none of before: how many tokens of its may be signed with.
///
/// # Errors
/// Why they cannot be had, for the operator.
pub(crate) async fn ask(out: Outside<'_>, rule: &IssuerRule) -> Result<usize, String> {
    Ok(fetch::keys(&out.wire_to(rule)?, rule).await?.len())
}

/// Why a token is refused: the reason for everybody, and what was wrong for the operator.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) reason: Reason,
    pub(crate) why: Cow<'static, str>,
}

fn invalid(why: impl Into<Cow<'static, str>>) -> Fault {
    Fault { reason: Reason::TokenInvalid, why: why.into() }
}

/// A token that was verified, and by which keys.
struct Verified {
    issuer: Arc<Keyring>,
    keys: Arc<Fetched>,
    meaning: Meaning,
}

/// A token that counts at this moment.
pub(crate) struct Genuine(Arc<Verified>);

impl Genuine {
    pub(crate) fn meaning(&self) -> &Meaning {
        &self.0.meaning
    }

    pub(crate) fn rule(&self) -> &IssuerRule {
        self.0.issuer.rule()
    }
}

/// The issuers, and the tokens of theirs that were verified a while ago.
pub(crate) struct Tokens {
    issuers: HashMap<String, Arc<Keyring>>,
    verified: Cache<[u8; 32], Arc<Verified>>,
}

impl Tokens {
    /// These issuers. One that was there before keeps its keys; no verified token is kept.
    pub(crate) fn new(rules: &[IssuerRule], before: Option<&Self>) -> Self {
        if !rules.is_empty() {
            crypto::install();
        }
        let keyring = |rule: &IssuerRule| {
            let before = before.and_then(|before| before.issuers.get(rule.url.as_str()));
            (rule.url.as_str().to_owned(), Arc::new(Keyring::new(rule, before.map(Arc::as_ref))))
        };
        Self { issuers: rules.iter().map(keyring).collect(), verified: Cache::new(REMEMBERED) }
    }

    /// Whether there is anybody whose tokens count.
    pub(crate) fn are_taken(&self) -> bool {
        !self.issuers.is_empty()
    }

    /// What whoever shows a token that is refused learns.
    pub(crate) fn refusal(reason: Reason) -> &'static str {
        match reason {
            Reason::IssuerUnavailable => "this token cannot be checked at the moment; try again",
            _ => {
                "this token opens nothing here: it is not genuine, not meant for this host, has ended or was revoked"
            }
        }
    }

    /// Verifies a token at this time (milliseconds since 1970).
    pub(crate) async fn verify(&self, out: Outside<'_>, token: &str, now_ms: u64) -> Result<Genuine, Fault> {
        if token.len() > jws::MAX_TOKEN {
            return Err(invalid("the token is longer than 16 KiB"));
        }
        let digest: [u8; 32] = Sha256::digest(token).into();
        if let Some(known) = self.verified.get(&digest) {
            if known.issuer.still(&known.keys, now_ms) && now_ms < known.meaning.ends_ms {
                known.issuer.keep_fresh(out, now_ms);
                return Ok(Genuine(known));
            }
            self.verified.invalidate(&digest);
        }
        let verified = Arc::new(self.prove(out, token, now_ms).await?);
        self.verified.insert(digest, verified.clone());
        Ok(Genuine(verified))
    }

    async fn prove(&self, out: Outside<'_>, token: &str, now_ms: u64) -> Result<Verified, Fault> {
        let shown = Unverified::read(token)?;
        let issuer = self.issuers.get(&shown.issuer);
        let issuer = issuer.ok_or_else(|| invalid("its issuer is none of this host's"))?;
        let rule = issuer.rule();
        if !rule.algorithms.contains(&shown.algorithm) {
            return Err(invalid("its issuer's tokens are not signed with this algorithm"));
        }
        if !rule.types.contains(&shown.kind) {
            return Err(invalid("its `typ` is not one that this issuer's access tokens have"));
        }
        let (key, keys) = issuer.find(out, shown.kid.as_deref(), shown.algorithm, now_ms).await?;
        // Times are judged below, by the host's own clock; audience and issuer are judged twice.
        let mut rules = Validation::new(jwks::library(shown.algorithm));
        (rules.validate_exp, rules.validate_nbf) = (false, false);
        rules.set_required_spec_claims(&["exp", "iss", "aud"]);
        rules.set_issuer(&[rule.url.as_str()]);
        let audiences: Vec<_> = rule.audiences.iter().map(|audience| audience.as_str()).collect();
        rules.set_audience(&audiences);
        let proven = jsonwebtoken::decode::<Object>(token, &key, &rules);
        let proven = proven.map_err(|error| invalid(format!("it is not verified: {error}")))?;
        let meaning = claims::judge(&proven.claims, rule, now_ms)?;
        Ok(Verified { issuer: issuer.clone(), keys, meaning })
    }
}
