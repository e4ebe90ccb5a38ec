//! One issuer's keys in memory: fetched when one is missing, once for all who wait, and never waited for by others.
//!
//! Takes: an issuer's rule. Gives: [`Keyring`]. May name: config, identify::token, imports::dial, reason.
//!
//! | | |
//! |---|---|
//! | older than [`FRESH_MS`] | used, while one fetch runs beside |
//! | older than the rule's `keys_ttl` | not used any more: fail closed |
//! | a key id that is not there | one fetch, at most one a minute |
//! | a fetch that fails | the keys from before stay until their time is over |
//! | a fetch that succeeds | what it brought counts, and nothing else: a key that is gone was withdrawn |

use super::fetch::{self, Outside, PATIENCE};
use super::jwks::KeySet;
use super::{Fault, invalid};
use crate::config::{IssuerRule, TokenAlgorithm};
use crate::reason::Reason;
use jsonwebtoken::DecodingKey;
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// From which age on keys are fetched again although they are known, in milliseconds: so long a key counts at most after its issuer
/// has withdrawn it.
const FRESH_MS: u64 = 300_000;
/// How often keys are fetched at most, in milliseconds.
const PAUSE_MS: u64 = 60_000;
/// The same while there are none that could be used.
const PAUSE_WITHOUT_MS: u64 = 5_000;

/// The keys of one fetch.
pub(super) struct Fetched {
    keys: KeySet,
    /// In milliseconds since 1970.
    at_ms: u64,
}

/// The keys of one issuer.
pub(super) struct Keyring {
    rule: IssuerRule,
    current: Arc<RwLock<Arc<Fetched>>>,
    flight: Arc<Mutex<Flight>>,
}

#[derive(Default)]
struct Flight {
    /// At most one task, which ends with the keyring.
    task: JoinSet<()>,
    began_ms: Option<u64>,
    /// Closes when the task has ended.
    done: Option<watch::Receiver<()>>,
}

impl Keyring {
    /// The keys of an issuer; those of `before`, when its rule finds the same ones.
    pub(super) fn new(rule: &IssuerRule, before: Option<&Self>) -> Self {
        let rule = rule.clone();
        let same = |before: &&Self| {
            let (old, new) = (&before.rule, &rule);
            (&old.url, &old.jwks_uri, &old.algorithms, &old.ca)
                == (&new.url, &new.jwks_uri, &new.algorithms, &new.ca)
        };
        if let Some(Self { current, flight, .. }) = before.filter(same) {
            return Self { rule, current: current.clone(), flight: flight.clone() };
        }
        let none = Fetched { keys: KeySet::default(), at_ms: 0 };
        Self { rule, current: Arc::new(RwLock::new(Arc::new(none))), flight: Arc::default() }
    }

    pub(super) fn rule(&self) -> &IssuerRule {
        &self.rule
    }

    /// Whether keys can still be used at this time, and are those that are used.
    pub(super) fn still(&self, fetched: &Arc<Fetched>, now_ms: u64) -> bool {
        Arc::ptr_eq(&self.current.read(), fetched) && self.usable(fetched, now_ms)
    }

    /// Has the keys fetched again when it is time; nobody waits for it.
    pub(super) fn keep_fresh(&self, out: Outside<'_>, now_ms: u64) {
        let at_ms = self.current.read().at_ms;
        if now_ms.saturating_sub(at_ms) >= FRESH_MS {
            drop(self.fetch(out, now_ms));
        }
    }

    /// The key that a token's header means. Waits for a fetch when it is not known, at most [`PATIENCE`].
    pub(super) async fn find(
        &self,
        out: Outside<'_>,
        kid: Option<&str>,
        algorithm: TokenAlgorithm,
        now_ms: u64,
    ) -> Result<(DecodingKey, Arc<Fetched>), Fault> {
        if let Some(found) = self.known(kid, algorithm, now_ms) {
            self.keep_fresh(out, now_ms);
            return Ok(found);
        }
        if let Some(mut done) = self.fetch(out, now_ms) {
            // It never sends: that it is closed is the sign.
            drop(tokio::time::timeout(PATIENCE, done.changed()).await);
        }
        match self.known(kid, algorithm, now_ms) {
            Some(found) => Ok(found),
            None if self.usable(&self.current.read(), now_ms) => {
                Err(invalid("its issuer has no such key for its algorithm"))
            }
            None => Err(Fault {
                reason: Reason::IssuerUnavailable,
                why: format!("the keys of {} cannot be had", self.rule.url).into(),
            }),
        }
    }

    fn usable(&self, fetched: &Fetched, now_ms: u64) -> bool {
        // A clock that was put back makes nothing younger than it is for longer than that.
        let age = now_ms.abs_diff(fetched.at_ms);
        fetched.at_ms > 0 && age < self.rule.keys_ttl.saturating_mul(1000)
    }

    fn known(
        &self,
        kid: Option<&str>,
        algorithm: TokenAlgorithm,
        now_ms: u64,
    ) -> Option<(DecodingKey, Arc<Fetched>)> {
        let current = self.current.read().clone();
        if !self.usable(&current, now_ms) {
            return None;
        }
        let key = current.keys.find(kid, algorithm)?.key.clone();
        Some((key, current))
    }

    /// The end of the fetch that runs or begins now; `None` when it is too early for another one.
    fn fetch(&self, out: Outside<'_>, now_ms: u64) -> Option<watch::Receiver<()>> {
        let mut flight = self.flight.lock();
        while flight.task.try_join_next().is_some() {
            flight.done = None;
        }
        if let Some(done) = &flight.done {
            return Some(done.clone());
        }
        let pause = match self.usable(&self.current.read(), now_ms) {
            true => PAUSE_MS,
            false => PAUSE_WITHOUT_MS,
        };
        if flight.began_ms.is_some_and(|began| now_ms.abs_diff(began) < pause) {
            return None;
        }
        let (wire, rule, current) = (out.wire_to(&self.rule), self.rule.clone(), self.current.clone());
        let (ends, done) = watch::channel(());
        flight.began_ms = Some(now_ms);
        flight.done = Some(done.clone());
        flight.task.spawn(async move {
            let keys = match wire {
                Ok(wire) => fetch::keys(&wire, &rule).await,
                Err(why) => Err(why),
            };
            match keys {
                Ok(keys) => *current.write() = Arc::new(Fetched { keys, at_ms: now_ms.max(1) }),
                Err(why) => tracing::warn!(issuer = %rule.url, "the issuer's keys cannot be fetched: {why}"),
            }
            drop(ends);
        });
        Some(done)
    }
}
