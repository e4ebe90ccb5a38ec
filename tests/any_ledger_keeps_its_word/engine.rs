//! An engine under the test, and the clock by which it goes.

use super::ops::NOON;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use strongroom::powers::{Clock, Home, SystemClock};
use strongroom::storage::Folder;
use strongroom::storage::ledger::{Ledger, SqliteLedger};

/// How the processes of an engine begin and die.
pub trait Engine: Sized {
    type Ledger: Ledger;
    fn new(clock: Arc<dyn Clock>) -> Self;
    /// A process begins.
    fn open(&self) -> Self::Ledger;
    /// The processes that are there count as dead from here on, although their handles live on.
    fn crash(&self);
}

/// The ledger in SQLite, in a folder of its own.
pub struct Sqlite(tempfile::TempDir, Arc<dyn Clock>);

impl Engine for Sqlite {
    type Ledger = SqliteLedger;

    fn new(clock: Arc<dyn Clock>) -> Self {
        Self(tempfile::tempdir().unwrap(), clock)
    }

    fn open(&self) -> SqliteLedger {
        let home = Home::open(self.0.path()).unwrap();
        let folder = Folder::new(home.dir().try_clone().unwrap(), self.0.path());
        SqliteLedger::open(&folder, self.1.clone()).unwrap()
    }

    fn crash(&self) {
        // Each process holds a lock on a file of its own; the system lets go of it when it dies.
        for entry in std::fs::read_dir(self.0.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "lock") {
                std::fs::remove_file(path).unwrap();
            }
        }
    }
}

/// A clock that goes when it is told to.
#[derive(Debug)]
pub struct Still(pub AtomicU64, Instant);

impl Still {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(NOON), SystemClock.monotonic()))
    }
}

impl Clock for Still {
    fn unix_us(&self) -> u64 {
        self.0.load(Ordering::SeqCst) * 1000
    }
    fn monotonic(&self) -> Instant {
        self.1 + Duration::from_millis(self.0.load(Ordering::SeqCst) - NOON)
    }
}
