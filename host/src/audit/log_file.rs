//! The file layer under the journal, small enough to be replaced by one that fails on purpose.
//!
//! Takes: a directory. Gives: [`LogFile`]. May name: nothing.

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// The log's file in its directory.
pub const FILE: &str = "audit.jsonl";
/// The file whose lock tells whether any process has the log open.
const PRESENCE: &str = "audit.lock";
/// How long an append waits for another process's append.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_micros(100);

/// A file that grows at its end, and that several processes may share.
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
    /// Keeps bytes that are no entries in a file of their own, durably, before they are cut off.
    ///
    /// # Errors
    /// When they cannot be kept.
    fn set_aside(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
}

/// [`FILE`] in a directory.
#[derive(Debug)]
pub(super) struct DiskFile {
    dir: Dir,
    file: File,
}

impl DiskFile {
    /// Opens the file, and makes it (mode 0600) when it is not there.
    pub(super) fn open(dir: &Dir) -> io::Result<Self> {
        let dir = dir.try_clone()?;
        let file = private(&dir, FILE)?;
        sync_dir(&dir)?;
        Ok(Self { dir, file })
    }
}

fn private(dir: &Dir, name: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    Ok(dir.open_with(name, &options)?.into_std())
}

/// Makes the names of new files durable.
fn sync_dir(dir: &Dir) -> io::Result<()> {
    dir.open(".")?.sync_all()
}

impl LogFile for DiskFile {
    fn lock(&mut self) -> io::Result<()> {
        let attempts = PATIENCE.as_micros() / PAUSE.as_micros();
        for _ in 0..attempts {
            match self.file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
                Err(TryLockError::Error(e)) => return Err(e),
            }
        }
        Err(io::Error::new(ErrorKind::TimedOut, "another process holds the audit log and does not let go"))
    }

    fn unlock(&mut self) -> io::Result<()> {
        self.file.unlock()
    }

    fn size(&mut self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn set_aside(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut torn = private(&self.dir, &format!("audit.{offset}.torn"))?;
        torn.write_all(bytes)?;
        torn.sync_all()?;
        sync_dir(&self.dir)
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
