//! The book as a file of JSON lines, shared by the processes of a host.
//!
//! Takes: a directory. Gives: a [`Journal`] on disk. May name: powers.

use super::log_file::{DiskFile, Presence};
use super::scan::Scan;
use super::shared::Shared;
use super::writer::{Writer, catch_up};
use super::{AuditUnavailable, Entry, Journal, LogFile, Pending};
use crate::powers::Clock;
use cap_std::fs::Dir;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// How the writer takes its time.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// How long entries that nobody waits for may wait for others before they are written together. 5 ms.
    pub linger: Duration,
    /// How long after a failure the disk is tried again. 1 s.
    pub retry: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { linger: Duration::from_millis(5), retry: Duration::from_secs(1) }
    }
}

/// A journal on disk. Dropping it writes what it has taken, and waits for that.
#[derive(Debug)]
pub struct FileJournal {
    shared: Arc<Shared>,
    open_intents: Vec<Entry>,
    thread: Option<JoinHandle<()>>,
    _presence: Option<Presence>,
}

impl FileJournal {
    /// Opens `audit.jsonl` in the directory, and makes it when it is not there. An entry that a crash left unfinished at
    /// the end is put aside in a file `audit.<offset>.torn`, with a warning. Blocks: call it at start.
    ///
    /// # Errors
    /// [`AuditUnavailable`] when the file cannot be read and written, or holds something that is no entry.
    pub fn open(dir: &Dir, clock: Arc<dyn Clock>) -> Result<Self, AuditUnavailable> {
        let open = || -> io::Result<Self> {
            let presence = Presence::enter(dir)?;
            let mut journal = Self::start(Box::new(DiskFile::open(dir)?), clock, Timing::default())?;
            presence.share()?;
            if !presence.alone {
                // They may be of calls that run in another process.
                journal.open_intents.clear();
            }
            journal._presence = Some(presence);
            Ok(journal)
        };
        open().map_err(AuditUnavailable::new)
    }

    /// A journal over a file layer of the caller's, as tests need one that fails.
    ///
    /// # Errors
    /// As [`FileJournal::open`].
    pub fn over(
        file: Box<dyn LogFile>,
        clock: Arc<dyn Clock>,
        timing: Timing,
    ) -> Result<Self, AuditUnavailable> {
        Self::start(file, clock, timing).map_err(AuditUnavailable::new)
    }

    fn start(mut file: Box<dyn LogFile>, clock: Arc<dyn Clock>, timing: Timing) -> io::Result<Self> {
        let mut scan = Scan::default();
        // The long reading goes without the lock; under it, only what came meanwhile is read.
        scan.read_on(&mut *file)?;
        file.lock()?;
        catch_up(&mut *file, &mut scan)?;
        file.unlock()?;
        let open_intents = scan.take_open();
        let shared = Arc::new(Shared::default());
        let writer = Writer::new(file, scan, shared.clone(), clock, timing);
        let thread =
            std::thread::Builder::new().name("strongroom-audit".to_owned()).spawn(|| writer.run())?;
        Ok(Self { shared, open_intents, thread: Some(thread), _presence: None })
    }

    /// The intents that had no outcome when the log was opened, oldest first: their calls broke off. Whoever starts the
    /// host appends [`Entry::closing`] for each. Empty when another process has the log open.
    #[must_use]
    pub fn open_intents(&self) -> &[Entry] {
        &self.open_intents
    }
}

impl Journal for FileJournal {
    fn append(&self, entry: Entry) -> Result<Pending, AuditUnavailable> {
        self.shared.append(entry)
    }

    fn ready(&self) -> Result<(), AuditUnavailable> {
        self.shared.ready()
    }
}

impl Drop for FileJournal {
    fn drop(&mut self) {
        self.shared.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the audit log's writer has panicked; its last entries may be missing");
        }
    }
}
