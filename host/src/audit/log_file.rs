//! The file layer under the journal, small enough to be replaced by one that fails on purpose.
//!
//! Takes: a directory. Gives: [`LogFile`]. May name: nothing.

use super::disk;
use super::frame;
use crate::step::{Step, reached};
use cap_std::fs::{Dir, OpenOptions};
use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::time::Duration;

pub(super) use super::disk::{private, sync_dir};

/// The folder of the journal's files in the log's; each is named by the number of its first entry.
pub(super) const JOURNAL: &str = "journal";
/// The file whose lock keeps other processes from appending.
const APPEND_LOCK: &str = "append.lock";
/// The file whose lock tells whether any process has the log open.
const PRESENCE: &str = "audit.lock";
/// How long an append waits for another process's append.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_micros(100);

/// A file that grows at its end and goes on in another, and that several processes may share.
pub trait LogFile: Send + 'static {
    /// Keeps other processes from appending until [`LogFile::unlock`].
    ///
    /// # Errors
    /// When another process holds it too long.
    fn lock(&mut self) -> io::Result<()>;
    /// Lets other processes append.
    ///
    /// # Errors
    /// When the lock cannot be given up.
    fn unlock(&mut self) -> io::Result<()>;
    /// The file's length in bytes.
    ///
    /// # Errors
    /// When it cannot be found out.
    fn size(&mut self) -> io::Result<u64>;
    /// Reads from an offset; 0 bytes at the end.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Writes at the end.
    ///
    /// # Errors
    /// When not all of it was written; some of it may be there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Waits until everything appended is on the disk.
    ///
    /// # Errors
    /// When it may not be.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file to a length.
    ///
    /// # Errors
    /// When it cannot be cut.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
    /// Keeps bytes that are no entries in a file of their own, durably, before they are cut off. `seq` is the number that
    /// the first of them would have had.
    ///
    /// # Errors
    /// When they cannot be kept.
    fn set_aside(&mut self, seq: u64, bytes: &[u8]) -> io::Result<()>;
    /// Ends this file and goes on in a new one, whose first entry will have this number.
    ///
    /// # Errors
    /// When the new one cannot be made, or the old one not ended; this one stays the current then.
    fn rotate(&mut self, first: u64) -> io::Result<()>;
    /// Goes on in the file that begins with this number, as another process has made it. `false` when there is none.
    ///
    /// # Errors
    /// When it cannot be opened.
    fn follow(&mut self, first: u64) -> io::Result<bool>;
}

/// A file of the journal in its directory.
#[derive(Debug)]
pub(super) struct DiskFile {
    dir: Dir,
    lock: File,
    file: File,
}

impl DiskFile {
    /// Opens the file whose first entry has this number, and makes it (mode 0600) when it is not there. `dir` is the log's
    /// folder.
    pub(super) fn open(dir: &Dir, first: u64) -> io::Result<Self> {
        let lock = private(dir, APPEND_LOCK)?;
        disk::make_folders(dir, JOURNAL)?;
        sync_dir(dir)?;
        let dir = dir.open_dir(JOURNAL)?;
        let file = private(&dir, &name(first))?;
        sync_dir(&dir)?;
        Ok(Self { dir, lock, file })
    }
}

/// The file that begins with this entry.
pub(super) fn name(first: u64) -> String {
    format!("{first:020}")
}

/// The numbers of the first entries of all files of a journal, in order. `dir` is the log's folder.
pub(super) fn files(dir: &Dir) -> io::Result<Vec<u64>> {
    numbered(dir, JOURNAL)
}

/// The numbers of all files of a folder that are named as [`name`] does, in order; none when the folder is not there.
pub(super) fn numbered(dir: &Dir, folder: &str) -> io::Result<Vec<u64>> {
    let entries = match dir.read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut found = Vec::new();
    for entry in entries {
        if let Some(first) =
            entry?.file_name().to_str().filter(|n| n.len() == 20).and_then(|n| n.parse().ok())
        {
            found.push(first);
        }
    }
    found.sort_unstable();
    Ok(found)
}

impl LogFile for DiskFile {
    fn lock(&mut self) -> io::Result<()> {
        let attempts = PATIENCE.as_micros() / PAUSE.as_micros();
        for _ in 0..attempts {
            match self.lock.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
                Err(TryLockError::Error(e)) => return Err(e),
            }
        }
        Err(io::Error::new(ErrorKind::TimedOut, "another process holds the audit log and does not let go"))
    }

    fn unlock(&mut self) -> io::Result<()> {
        self.lock.unlock()
    }

    fn size(&mut self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        disk::append(&mut self.file, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        disk::sync(&self.file)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        disk::cut(&self.file, len)
    }

    fn set_aside(&mut self, seq: u64, bytes: &[u8]) -> io::Result<()> {
        let mut torn = private(&self.dir, &format!("{}.torn", name(seq)))?;
        disk::append(&mut torn, bytes)?;
        disk::sync(&torn)?;
        sync_dir(&self.dir)
    }

    fn rotate(&mut self, first: u64) -> io::Result<()> {
        // The new file first: a crash in between leaves an empty one, and the old one without an end is gone on with.
        let next = private(&self.dir, &name(first))?;
        sync_dir(&self.dir)?;
        reached(Step::JournalNext);
        disk::append(&mut self.file, &frame::moved())?;
        disk::sync(&self.file)?;
        reached(Step::JournalMoved);
        self.file = next;
        Ok(())
    }

    fn follow(&mut self, first: u64) -> io::Result<bool> {
        let mut options = OpenOptions::new();
        options.read(true).append(true);
        match self.dir.open_with(name(first), &options) {
            Ok(file) => self.file = file.into_std(),
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(e),
        }
        Ok(true)
    }
}

/// A process's presence at the log. The lock goes with it.
#[derive(Debug)]
pub(super) struct Presence {
    /// Whether no other process had the log open.
    pub(super) alone: bool,
    lock: File,
}

impl Presence {
    /// Enters. A process that is alone keeps others out until [`Presence::share`], so that what it finds open in the
    /// log is nobody's; one that is not waits here for the first.
    pub(super) fn enter(dir: &Dir) -> io::Result<Self> {
        let lock = private(dir, PRESENCE)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { alone: true, lock }),
            Err(TryLockError::WouldBlock) => {
                lock.lock_shared()?;
                Ok(Self { alone: false, lock })
            }
            Err(TryLockError::Error(e)) => Err(e),
        }
    }

    /// Lets other processes open the log.
    pub(super) fn share(&self) -> io::Result<()> {
        self.lock.lock_shared()
    }
}
