//! What the ledger's tests share.
//!
//! Takes: nothing. Gives: a clock that stands still, and names. May name: id, powers.

use super::*;
use crate::id::{CallId, TenantId};
use crate::storage::folder::tests::temporary;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

/// A clock that moves when it is told to.
#[derive(Debug)]
pub(super) struct Still {
    ms: AtomicU64,
    forward: AtomicU64,
    origin: Instant,
}

impl Still {
    pub(super) fn at(ms: u64) -> Arc<Self> {
        let origin = crate::powers::SystemClock.monotonic();
        Arc::new(Self { ms: AtomicU64::new(ms), forward: AtomicU64::new(0), origin })
    }

    pub(super) fn pass(&self, ms: u64) {
        self.ms.fetch_add(ms, Ordering::SeqCst);
        self.forward.fetch_add(ms, Ordering::SeqCst);
    }

    /// Sets it forward: nobody has waited for that time.
    pub(super) fn set_forward(&self, ms: u64) {
        self.ms.fetch_add(ms, Ordering::SeqCst);
    }

    pub(super) fn set_back(&self, ms: u64) {
        self.ms.fetch_sub(ms, Ordering::SeqCst);
    }
}

impl Clock for Still {
    fn unix_us(&self) -> u64 {
        self.ms.load(Ordering::SeqCst) * 1000
    }
    fn monotonic(&self) -> Instant {
        self.origin + Duration::from_millis(self.forward.load(Ordering::SeqCst))
    }
}

/// Noon of some day.
pub(super) const NOON: u64 = 1_800_000_000_000 - 1_800_000_000_000 % 86_400_000 + 43_200_000;

pub(super) fn acme() -> TenantId {
    TenantId::new("acme").unwrap()
}

pub(super) fn call(n: u8) -> CallId {
    CallId::new(NOON, [n; 10])
}

/// A ledger in a folder of its own.
pub(super) fn on_disk() -> (tempfile::TempDir, Folder, Arc<Still>, SqliteLedger) {
    let (guard, folder) = temporary();
    let clock = Still::at(NOON);
    let ledger = SqliteLedger::open(&folder, clock.clone()).unwrap();
    (guard, folder, clock, ledger)
}
