//! A clock that goes when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use strongroom::powers::{Clock, SystemClock};

/// A clock whose time of day stands still until it is told to go on; what is measured by it goes on as ever.
#[derive(Debug)]
pub struct Still(AtomicU64);

impl Still {
    /// It stands at this time, in milliseconds since 1970.
    pub fn at(unix_ms: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(unix_ms)))
    }

    /// So many milliseconds go by.
    pub fn pass(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for Still {
    fn unix_us(&self) -> u64 {
        self.0.load(Ordering::SeqCst) * 1000
    }
    fn monotonic(&self) -> Instant {
        SystemClock.monotonic()
    }
}
