//! Whether calls can run, found out by doing what a call does: writing the ledger, asking the book, making an instance.
//!
//! Takes: nothing. Gives: [`Health`]. May name: every stage.

use super::Strongroom;
use crate::isolate::probe::Probe;
use crate::reason::Reason;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// For how long an answer is given again: each costs a sync of the disk, and anybody may ask.
const FRESH: Duration = Duration::from_secs(1);
/// How long the ledger may take; whoever asks has no more patience.
const PATIENCE: Duration = Duration::from_secs(2);

/// One part of the host: well, or the reason with which calls are refused because of it.
pub type Check = Result<(), Reason>;

/// How the host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// The audit log takes entries.
    pub audit: Check,
    /// The ledger takes changes, and they become durable.
    pub ledger: Check,
    /// A store and an instance can be made.
    pub engine: Check,
    /// Whether the sign to stop was given: calls that run go on, and nobody should send new ones.
    pub draining: bool,
    /// Since when older settings are in force than those on disk, in milliseconds since 1970.
    pub stale_since: Option<u64>,
}

impl Health {
    /// Whether new calls should be sent here. Settings that are stale run them well.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.draining && self.checks().iter().all(|(_, check)| check.is_ok())
    }

    /// The parts by their names.
    pub fn checks(&self) -> [(&'static str, Check); 3] {
        [("audit", self.audit), ("ledger", self.ledger), ("engine", self.engine)]
    }
}

/// What is remembered between two questions.
#[derive(Default)]
pub(crate) struct Asked {
    probe: Probe,
    last: tokio::sync::Mutex<Option<(Instant, Check, Check)>>,
    draining: AtomicBool,
}

impl Asked {
    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

impl Strongroom {
    /// How the host is. What costs something is done once a second at most; within it the answer is the same.
    pub async fn health(&self) -> Health {
        let room = &self.room;
        let draining = self.is_draining();
        // Costs nothing, so it is never old.
        let audit = room.journal.ready().map_err(|error| {
            tracing::warn!(reason_code = error.reason().code(), "not ready: {error}");
            error.reason()
        });
        let mut last = room.health.last.lock().await;
        let now = room.clock.monotonic();
        let fresh = last.filter(|(at, _, _)| now.saturating_duration_since(*at) < FRESH);
        let (ledger, engine) = match fresh {
            Some((_, ledger, engine)) => (ledger, engine),
            None => {
                let found = (self.ledger_takes().await, self.engine_makes().await);
                *last = Some((now, found.0, found.1));
                found
            }
        };
        Health { audit, ledger, engine, draining, stale_since: self.stale_since() }
    }

    /// The causes may hold paths of the operator's; they go to the operator's log.
    async fn ledger_takes(&self) -> Check {
        let wrong = |why: &dyn std::fmt::Display| {
            tracing::warn!(reason_code = Reason::StorageUnavailable.code(), "not ready: the ledger: {why}");
            Reason::StorageUnavailable
        };
        match tokio::time::timeout(PATIENCE, self.room.ledger.probe()).await {
            Ok(written) => written.map_err(|error| wrong(&error)),
            Err(_) => Err(wrong(&format_args!("no answer in {} s", PATIENCE.as_secs()))),
        }
    }

    async fn engine_makes(&self) -> Check {
        self.room.health.probe.instantiate(&self.room.engine).await.map_err(|error| {
            tracing::warn!(reason_code = Reason::Overloaded.code(), "not ready: the engine: {error:#}");
            Reason::Overloaded
        })
    }

    /// Whether the sign to stop was given.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.room.health.is_draining()
    }

    /// From now on the host says that nobody should send it new calls.
    pub(crate) fn drains(&self) {
        self.room.health.draining.store(true, Ordering::Relaxed);
    }
}
