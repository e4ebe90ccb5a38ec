//! The disk's side: sled, which is quick, and which may lose or damage its file. So everything here can be thrown away.
//!
//! Takes: a folder. Gives: `Disk`, or why not. May name: storage.
//!
//! sled can panic on a damaged file, and its threads can hang after that. So it is opened and closed on a thread of its own
//! that nobody waits for without end, and a panic in an operation is caught and ends its use.

use super::rows::Broken;
use crate::storage::Folder;
use cap_std::fs::{OpenOptions, OpenOptionsExt as _};
use std::fs::{File, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// sled's folder.
const DB: &str = "db";
/// Whose lock says that a process has it open.
const LOCK: &str = "lock";
/// Is there when it was found damaged while it was used.
const DAMAGED: &str = "damaged";
/// sled's own memory.
const MEMORY: u64 = 16 << 20;
/// What was set is on the disk after this long.
const FLUSH_MS: u64 = 1000;
/// A file up to this size is read as a whole when it is opened; of a larger one only the index.
const READ_WHOLE: u64 = 32 << 20;
/// How long opening and closing may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is on the disk, open.
pub(super) struct Disk {
    open: Option<Open>,
    lock: Option<File>,
}

/// sled's handles.
pub(super) struct Open {
    pub(super) values: sled::Tree,
    pub(super) marks: sled::Tree,
    db: sled::Db,
}

/// Why there is nothing on disk.
#[derive(Debug)]
pub(super) enum NoDisk {
    /// Another process has it open.
    Busy,
    /// It cannot be used.
    Failed(String),
}

impl From<io::Error> for NoDisk {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl Disk {
    /// Opens what is there. What is damaged is dropped and made anew.
    pub(super) fn open(folder: &Folder) -> Result<Self, NoDisk> {
        let lock = lock(folder)?;
        let was = folder.dir().exists(DAMAGED);
        let first = if was { Err(Broken::damage("it failed while it was used")) } else { start(folder) };
        let open = match first {
            Err(Broken { why, damaged: true }) => {
                tracing::warn!("the tenants' cache on disk is damaged ({why}): it is dropped and begun anew");
                absent(folder.dir().remove_dir_all(DB))?;
                absent(folder.dir().remove_file(DAMAGED))?;
                start(folder)
            }
            other => other,
        };
        match open {
            Ok(open) => Ok(Self { open: Some(open), lock: Some(lock) }),
            Err(Broken { why, .. }) => Err(NoDisk::Failed(why)),
        }
    }

    /// Whether there is something to open.
    pub(super) fn is_there(folder: &Folder) -> bool {
        folder.dir().exists(DB)
    }

    /// Says for the next opening that what is there is damaged.
    pub(super) fn condemn(folder: &Folder) -> io::Result<()> {
        folder.dir().write(DAMAGED, [])
    }

    /// Runs an operation.
    pub(super) fn run<T>(&self, operation: impl FnOnce(&Open) -> sled::Result<T>) -> Result<T, Broken> {
        let open = self.open.as_ref().ok_or_else(|| Broken::fault("it is closed"))?;
        // Nothing of ours is half-done in there, and sled is not asked again after a panic.
        caught(|| operation(open))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let (open, lock) = (self.open.take(), self.lock.take());
        let closed = on_a_thread("cache closes", move || {
            if let Some(Open { values, marks, db }) = open {
                // Handles that are dropped write out what is left.
                drop((values, marks, db));
            }
            drop(lock);
        });
        if let Err(why) = closed {
            tracing::warn!("the tenants' cache on disk was not closed: {why}");
        }
    }
}

impl Broken {
    fn damage(why: impl Into<String>) -> Self {
        Self { why: why.into(), damaged: true }
    }

    fn fault(why: impl Into<String>) -> Self {
        Self { why: why.into(), damaged: false }
    }
}

impl From<sled::Error> for Broken {
    fn from(error: sled::Error) -> Self {
        let why = error.to_string();
        match error {
            sled::Error::Io(error) => {
                // A file that ends too early or is not there; everything else is the disk's fault.
                let damaged = matches!(
                    error.kind(),
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::NotFound
                );
                Self { why, damaged }
            }
            _ => Self::damage(why),
        }
    }
}

fn lock(folder: &Folder) -> Result<File, NoDisk> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    let file = folder.dir().open_with(LOCK, &options)?.into_std();
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(NoDisk::Busy),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Opens sled's folder and looks through it.
fn start(folder: &Folder) -> Result<Open, Broken> {
    let path = folder.path().join(DB);
    match on_a_thread("cache opens", move || caught(|| look_through(path))) {
        Ok(opened) => opened,
        Err(why) => Err(Broken::fault(why)),
    }
}

fn look_through(path: PathBuf) -> sled::Result<Open> {
    let config = sled::Config::new()
        .path(path)
        .cache_capacity(MEMORY)
        .flush_every_ms(Some(FLUSH_MS))
        .mode(sled::Mode::LowSpace);
    let db = config.open()?;
    let open = Open { values: db.open_tree("values")?, marks: db.open_tree("marks")?, db };
    for entry in &open.marks {
        entry?;
    }
    if open.db.size_on_disk()? <= READ_WHOLE {
        for entry in &open.values {
            entry?;
        }
    }
    Ok(open)
}

fn caught<T>(operation: impl FnOnce() -> sled::Result<T>) -> Result<T, Broken> {
    match catch_unwind(AssertUnwindSafe(operation)) {
        Ok(done) => Ok(done?),
        Err(_) => Err(Broken::damage("sled has panicked")),
    }
}

/// Does something on a thread of its own, and gives up waiting for it at some time.
fn on_a_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    let (tell, told) = mpsc::sync_channel(1);
    let work = move || {
        // Whoever has given up waiting does not hear it.
        let _ = tell.send(work());
    };
    thread::Builder::new().name(name.to_owned()).spawn(work).map_err(|e| e.to_string())?;
    told.recv_timeout(PATIENCE).map_err(|error| match error {
        RecvTimeoutError::Timeout => format!("it took longer than {} s", PATIENCE.as_secs()),
        RecvTimeoutError::Disconnected => "its thread has panicked".to_owned(),
    })
}

/// What is not there needs no removing.
fn absent(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
