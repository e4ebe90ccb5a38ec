//! The book on disk: a journal that is written, and the published tree that it becomes, shared by a host's processes.
//!
//! Takes: a directory. Gives: a [`Journal`] on disk. May name: powers.

use super::disk::sync_dir;
use super::edge::Edge;
use super::journal::Synced;
use super::key::{BookKey, PUBLIC_FILE};
use super::load::Loader;
use super::log_file::Presence;
use super::open::Open;
use super::publish::Publisher;
use super::shared::Shared;
use super::tail::Tail;
use super::writer::{Writer, catch_up};
use super::{AuditUnavailable, Entry, Journal, LogFile, Pending};
use crate::powers::Clock;
use cap_std::fs::Dir;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How the log takes its time, and how long its files get.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// How long entries that nobody waits for may wait for others before they are written together. 5 ms.
    pub linger: Duration,
    /// How long after a failure the disk is tried again. 1 s.
    pub retry: Duration,
    /// How often what was written is published, and how often the heads of tenants' trees are told at most. 1 s.
    pub publish: Duration,
    /// How long a file of the journal gets, in bytes, before it goes on in another. 8 MiB.
    pub file: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            linger: Duration::from_millis(5),
            retry: Duration::from_secs(1),
            publish: Duration::from_secs(1),
            file: 8 << 20,
        }
    }
}

/// Where a book is kept, and who signs it.
#[derive(Debug)]
pub struct Place {
    /// The log's folder.
    pub audit: Dir,
    /// Where the newest published head is remembered, apart from the log; `None` to remember it nowhere.
    pub home: Option<Dir>,
    /// The key that signs.
    pub key: BookKey,
}

/// A journal on disk. Dropping it writes what it has taken, publishes it, and waits for that.
#[derive(Debug)]
pub struct FileJournal {
    shared: Arc<Shared>,
    open_intents: Vec<Entry>,
    writer: Option<JoinHandle<()>>,
    publisher: Option<Publishing>,
    _presence: Option<Presence>,
}

/// The thread that publishes, and the way to end it.
#[derive(Debug)]
struct Publishing {
    end: Sender<()>,
    thread: JoinHandle<()>,
}

impl FileJournal {
    /// Opens the book in a folder, and makes it when it is not there. A batch that a crash left unfinished at the end is
    /// put aside in a file `journal/<number>.torn`, with a warning. Blocks: call it at start.
    ///
    /// # Errors
    /// [`AuditUnavailable`] when the files cannot be read and written, do not hold what was signed, or end before what
    /// this host has published of them.
    pub fn open(place: Place, clock: Arc<dyn Clock>, timing: Timing) -> Result<Self, AuditUnavailable> {
        Self::at(place, clock, timing, false).map_err(AuditUnavailable::new)
    }

    /// Opens the book when no other process has it open ([`io::ErrorKind::ResourceBusy`] else), and keeps others out until
    /// this is dropped.
    pub(crate) fn alone(place: Place, clock: Arc<dyn Clock>, timing: Timing) -> io::Result<Self> {
        Self::at(place, clock, timing, true)
    }

    fn at(place: Place, clock: Arc<dyn Clock>, timing: Timing, alone: bool) -> io::Result<Self> {
        let Place { audit, home, key } = place;
        if audit.exists("audit.jsonl") {
            let what = "audit.jsonl is a log of an earlier form; move it away to begin a new one";
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        let presence = Presence::enter(&audit)?;
        if alone && !presence.alone {
            return Err(io::Error::from(io::ErrorKind::ResourceBusy));
        }
        if let Some(text) = home.as_ref().and_then(|home| home.read_to_string(PUBLIC_FILE).ok())
            && text != key.known().text()
        {
            let what = "the audit log's key was changed while it was opened; open it again";
            return Err(io::Error::new(io::ErrorKind::Interrupted, what));
        }
        if let Some(home) = &home {
            // The log's folder is a name in it, and may be new.
            sync_dir(home)?;
        }
        let mut publisher = Publisher::new(&audit, home.as_ref(), key.clone())?;
        let seen = publisher.seen()?;
        let loader = Loader { dir: audit, key, seen };
        let (mut file, mut tail) = loader.load()?;
        file.unlock()?;
        let open_intents = if presence.alone { tail.take_open() } else { Vec::new() };
        if !alone {
            presence.share()?;
        }
        let mut journal = Self::start(file, tail, Some(loader), clock, timing)?;
        (journal.open_intents, journal._presence) = (open_intents, Some(presence));
        if alone {
            // Who has it alone reads it: a first publication that a crash broke off has tiles and no head, as a log has whose head
            // was taken away.
            publisher.publish(false)?;
        }
        let (end, ended) = channel();
        let thread = std::thread::Builder::new().name("strongroom-book".to_owned()).spawn(move || {
            let mut failing = false;
            loop {
                let last = ended.recv_timeout(timing.publish) != Err(RecvTimeoutError::Timeout);
                match publisher.publish(last) {
                    Ok(_) => failing = false,
                    Err(error) if failing => tracing::debug!(%error, "the audit log still cannot be published"),
                    Err(error) => {
                        failing = true;
                        tracing::warn!(%error, "the audit log cannot be published; its journal keeps everything meanwhile");
                    }
                }
                if last {
                    return;
                }
            }
        })?;
        journal.publisher = Some(Publishing { end, thread });
        Ok(journal)
    }

    /// A journal over a file layer of the caller's, as tests need one that fails. Nothing is published.
    ///
    /// # Errors
    /// As [`FileJournal::open`].
    pub fn over(
        mut file: Box<dyn LogFile>,
        key: BookKey,
        clock: Arc<dyn Clock>,
        timing: Timing,
    ) -> Result<Self, AuditUnavailable> {
        let mut tail = Tail::new(key, 0, Edge::default(), Open::default());
        let mut open = || -> io::Result<()> {
            file.lock()?;
            let whole = catch_up(&mut *file, &mut tail)?;
            file.unlock()?;
            if whole { Ok(()) } else { Err(io::Error::other("the journal's next file is not there")) }
        };
        open().map_err(AuditUnavailable::new)?;
        let open_intents = tail.take_open();
        let mut journal = Self::start(file, tail, None, clock, timing).map_err(AuditUnavailable::new)?;
        journal.open_intents = open_intents;
        Ok(journal)
    }

    fn start(
        file: Box<dyn LogFile>,
        tail: Tail,
        loader: Option<Loader>,
        clock: Arc<dyn Clock>,
        timing: Timing,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let writer = Writer::new(file, tail, loader, shared.clone(), clock, timing);
        let writer =
            std::thread::Builder::new().name("strongroom-audit".to_owned()).spawn(|| writer.run())?;
        Ok(Self { shared, open_intents: Vec::new(), writer: Some(writer), publisher: None, _presence: None })
    }

    /// The first intent of each call that had no outcome when the log was opened, oldest first: these calls broke off.
    /// Whoever starts the host appends [`Entry::closing`] for each. Empty when another process has the log open.
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

    fn on_syncs(&self, told: Synced) {
        drop(self.shared.synced.set(told));
    }
}

impl Drop for FileJournal {
    fn drop(&mut self) {
        self.shared.close();
        if let Some(thread) = self.writer.take()
            && thread.join().is_err()
        {
            tracing::error!("the audit log's writer has panicked; its last entries may be missing");
        }
        // After the last entry, so that all of them are published.
        if let Some(Publishing { end, thread }) = self.publisher.take() {
            drop(end);
            if thread.join().is_err() {
                tracing::error!(
                    "the audit log's publisher has panicked; the next start publishes what it left"
                );
            }
        }
    }
}
