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
/// A child process that is being started has a copy of every open file, and so of a lock that was just given up, until
/// its program is loaded: that is waited for. On a machine that is full of work it was seen to take longer than 30 ms.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);
const LOCK_PAUSE: Duration = Duration::from_millis(10);
/// Is there when it was found damaged while it was used.
const DAMAGED: &str = "damaged";
/// Stands in sled since it was begun.
const BEGUN: &str = "begun";
/// How long sled's file was when it was closed; gone while it is open.
const CLOSED: &str = "closed";
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
    /// Held until it is closed.
    place: Option<(Folder, File)>,
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
        let first = match whole(folder)? {
            Ok(()) => start(folder),
            Err(why) => Err(Broken::damage(why)),
        };
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
            Ok(open) => Ok(Self { open: Some(open), place: Some((folder.clone(), lock)) }),
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
        let (open, place) = (self.open.take(), self.place.take());
        let closed = on_a_thread("cache closes", move || {
            if let Some(Open { values, marks, db }) = open {
                // Handles that are dropped write out what is left.
                drop((values, marks, db));
            }
            if let Some((folder, _lock)) = place {
                if let Err(error) = let_go(&folder) {
                    tracing::debug!(%error, "nobody knows whether the file of the cache is let go of");
                }
                // Without the note, the next opening takes sled's word for it that the file is whole.
                let _ = len(&folder).and_then(|len| folder.dir().write(CLOSED, len.to_string()));
            }
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
    match locked(&file, LOCK_PATIENCE)? {
        true => Ok(file),
        false => Err(NoDisk::Busy),
    }
}

/// Takes a file's lock, trying for so long; `false` when somebody else has held it all the while.
fn locked(file: &File, patience: Duration) -> io::Result<bool> {
    for _ in 0..patience.as_millis() / LOCK_PAUSE.as_millis() {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(false)
}

/// Waits until sled has let go of its file: its threads may write to it, cut it and hold its lock a moment longer than the last
/// handle, and an opening meanwhile would fail.
fn let_go(folder: &Folder) -> io::Result<()> {
    let file = match folder.dir().open(format!("{DB}/db")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?.into_std(),
    };
    match locked(&file, PATIENCE)? {
        true => Ok(()),
        false => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Whether sled's file is as it was left, as far as that can be seen from outside.
fn whole(folder: &Folder) -> io::Result<Result<(), &'static str>> {
    if folder.dir().exists(DAMAGED) {
        return Ok(Err("it failed while it was used"));
    }
    let left: u64 = match folder.dir().read(CLOSED) {
        Ok(left) => std::str::from_utf8(&left).ok().and_then(|left| left.parse().ok()).unwrap_or(0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Ok(())),
        Err(error) => return Err(error),
    };
    absent(folder.dir().remove_file(CLOSED))?;
    // sled would take the rest for all that there ever was.
    Ok(if len(folder).unwrap_or(0) < left { Err("its file is shorter than it was") } else { Ok(()) })
}

fn len(folder: &Folder) -> io::Result<u64> {
    folder.dir().metadata(format!("{DB}/db")).map(|file| file.len())
}

/// Opens sled's folder and looks through it.
fn start(folder: &Folder) -> Result<Open, Broken> {
    let (path, was_there) = (folder.path().join(DB), Disk::is_there(folder));
    match on_a_thread("cache opens", move || caught(|| look_through(path))) {
        // sled takes a file that it cannot read for a new one.
        Ok(Ok((open, false))) if was_there => {
            drop(Disk { open: Some(open), place: None });
            Err(Broken::damage("sled has lost what was there"))
        }
        Ok(opened) => opened.map(|(open, _)| open),
        Err(why) => Err(Broken::fault(why)),
    }
}

/// The handles, and whether it was begun before.
fn look_through(path: PathBuf) -> sled::Result<(Open, bool)> {
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
    let begun = open.db.insert(BEGUN, &[])?.is_some();
    if !begun {
        open.db.flush()?;
    }
    Ok((open, begun))
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
