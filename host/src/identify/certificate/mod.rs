//! Certificates of clients: X.509-SVIDs that a trust domain's authorities vouch for, at the handshake and at every request since.
//!
//! Takes: the chain of a connection, who vouches. Gives: [`Certificate`]. May name: config.
//!
//! A chain is verified anew when its time or those who vouch for it have changed: what ends or is distrusted while its connection is
//! open counts no more from then on.

mod svid;
mod trust;

use crate::config::SpiffeId;
use parking_lot::{Mutex, RwLock};
use rustls::pki_types::{CertificateDer, UnixTime};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
pub(crate) use svid::times;
pub(crate) use trust::Trust;

/// Who vouches at this moment; everybody who holds it sees it change.
#[derive(Debug, Clone)]
pub(crate) struct Vouching(Arc<RwLock<Arc<Trust>>>);

impl Vouching {
    pub(crate) fn new(trust: Arc<Trust>) -> Self {
        Self(Arc::new(RwLock::new(trust)))
    }

    pub(crate) fn replace(&self, trust: Arc<Trust>) {
        *self.0.write() = trust;
    }

    fn now(&self) -> Arc<Trust> {
        self.0.read().clone()
    }
}

/// A chain that a client has shown, and has proven to have the key of.
///
/// It comes from a TLS handshake of this host's server and from nowhere else.
pub struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    vouching: Vouching,
    /// What was proven last.
    proven: Mutex<Proven>,
}

struct Proven {
    id: SpiffeId,
    by: Arc<Trust>,
    /// Between these, both included, in seconds since 1970, no certificate of the chain begins or ends.
    from: i64,
    until: i64,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("id", &self.proven.lock().id).finish_non_exhaustive()
    }
}

impl Certificate {
    /// The chain of a handshake that has succeeded, at this time (milliseconds since 1970).
    pub(crate) fn of(chain: &[CertificateDer<'_>], vouching: &Vouching, now_ms: u64) -> Result<Self, String> {
        let chain: Vec<_> = chain.iter().map(|one| one.clone().into_owned()).collect();
        let proven = prove(&chain, vouching.now(), now_ms)?;
        Ok(Self { chain, vouching: vouching.clone(), proven: Mutex::new(proven) })
    }

    /// The id that it proves at this time (milliseconds since 1970).
    pub(super) fn id(&self, now_ms: u64) -> Result<SpiffeId, String> {
        let trust = self.vouching.now();
        let second = seconds(now_ms);
        let mut proven = self.proven.lock();
        let still = Arc::ptr_eq(&proven.by, &trust) && (proven.from..=proven.until).contains(&second);
        if !still {
            *proven = prove(&self.chain, trust, now_ms)?;
        }
        Ok(proven.id.clone())
    }
}

fn seconds(ms: u64) -> i64 {
    i64::try_from(ms / 1000).unwrap_or(i64::MAX)
}

fn prove(chain: &[CertificateDer<'static>], by: Arc<Trust>, now_ms: u64) -> Result<Proven, String> {
    let (leaf, others) = chain.split_first().ok_or("there is none")?;
    let now = UnixTime::since_unix_epoch(Duration::from_millis(now_ms));
    let id = by.prove(leaf, others, now).map_err(|error| error.to_string())?;
    let (mut from, mut until) = (i64::MIN, i64::MAX);
    for one in chain {
        let (begins, ends) = svid::times(one)?;
        (from, until) = (from.max(begins), until.min(ends));
    }
    Ok(Proven { id, by, from, until })
}
