//! Copies of the ledger's file: made while hosts work on it, looked at before they are believed, and brought back.
//!
//! Takes: the folder of the file and that of the copy. Gives: a copy that is whole or none, and [`Sound`]. May name:
//! nothing.
//!
//! A copy is made page by page within one reading transaction: nobody waits for it, and it is of one moment. `VACUUM INTO` would
//! give the same moment, but writes the whole file anew in one step, which nobody can follow and which changes more than it has to.

use super::restore::{refuse_half, remove, sync};
use super::schema::{FILE, SCHEMA};
use crate::storage::sqlite::{self, number};
use crate::storage::{Folder, StorageError};
use cap_std::fs::{MetadataExt as _, OpenOptions, OpenOptionsExt as _};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

/// Pages that are copied before it is told how far it is: one MiB.
const PAGES: i32 = 256;
/// What SQLite puts beside a file.
pub(super) const BESIDE: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// What a ledger's file is, when nothing is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sound {
    /// The version of its tables.
    pub schema: u64,
    /// The version that this program writes; an older file is brought to it when a host opens it.
    pub known: u64,
    /// Its length.
    pub bytes: u64,
}

/// Reads a whole file, of a ledger or of a copy, and says what it is. Of a ledger that hosts work on, one moment is read.
pub(crate) fn examine(folder: &Folder, name: &str) -> Result<Sound, StorageError> {
    let look = || {
        let connection = sqlite::open_reader(folder, name, &SCHEMA)?;
        let (found, marked) = (number(&connection, "user_version")?, number(&connection, "application_id")?);
        if marked != SCHEMA.application_id {
            let detail = "it is no ledger".to_owned();
            return Err(StorageError::Damaged { file: name.to_owned(), detail });
        }
        let known = i64::try_from(SCHEMA.migrations.len()).unwrap_or(i64::MAX);
        if found > known {
            return Err(StorageError::TooNew { file: name.to_owned(), found, known });
        }
        sqlite::check_all(&connection, name)?;
        let bytes = number(&connection, "page_count")?.saturating_mul(number(&connection, "page_size")?);
        let [schema, known, bytes] = [found, known, bytes].map(sqlite::counted);
        Ok(Sound { schema, known, bytes })
    };
    look().map_err(|error: StorageError| error.of_file(name))
}

/// Reads the whole ledger of a folder; `None` when there is none yet.
pub(crate) fn examine_ledger(folder: &Folder) -> Result<Option<Sound>, StorageError> {
    refuse_half(folder)?;
    if !folder.dir().exists(FILE) {
        return Ok(None);
    }
    examine(folder, FILE).map(Some)
}

/// Makes a copy of the folder's ledger; `None` when there is none yet. It has its name when it is whole, checked and durable,
/// and only its user can read it. `progress` hears how many pages are done, and of how many.
pub(crate) fn back_up(
    folder: &Folder,
    to: &Folder,
    name: &str,
    replace: bool,
    progress: impl FnMut(u64, u64),
) -> Result<Option<Sound>, StorageError> {
    refuse_half(folder)?;
    if !folder.dir().exists(FILE) {
        return Ok(None);
    }
    let (here, there) = (folder.dir().dir_metadata()?, to.dir().dir_metadata()?);
    if (here.dev(), here.ino()) == (there.dev(), there.ino()) && name.starts_with("ledger.") {
        let what = format!("{name} is a name of the ledger's own in this folder; take another one");
        return Err(StorageError::Failed(what));
    }
    // What another one that runs writes to is another file, and so is what one that was killed has left.
    let part = Part::new(to, format!("{name}.{}.part", std::process::id()))?;
    let source = sqlite::open_reader(folder, FILE, &SCHEMA)?;
    copy(&source, to, &part.name, progress).map_err(|error| error.of_file(FILE))?;
    let sound = examine(to, &part.name)?;
    if !replace && to.dir().exists(name) {
        return Err(exists(name));
    }
    part.take_name(name)?;
    Ok(Some(sound))
}

/// Why nothing was written where something is.
fn exists(name: &str) -> StorageError {
    StorageError::Failed(format!("{name} is there already"))
}

/// Copies another file of ours beside the ledger, under this name, as it is.
pub(super) fn bring(from: &Folder, name: &str, folder: &Folder, new: &str) -> Result<(), StorageError> {
    for suffix in BESIDE {
        remove(folder, &format!("{new}{suffix}"))?;
    }
    make(folder, new)?;
    let source = sqlite::open_reader(from, name, &SCHEMA)?;
    copy(&source, folder, new, |_, _| {}).map_err(|error| error.of_file(name))
}

/// Copies what the source holds at this moment into a file that is empty. Whoever reads it needs nothing beside it.
fn copy(
    source: &Connection,
    to: &Folder,
    name: &str,
    mut progress: impl FnMut(u64, u64),
) -> Result<(), StorageError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut target = Connection::open_with_flags(to.path().join(name), flags)?;
    target.execute_batch("PRAGMA synchronous = FULL")?;
    // One reading transaction around all steps: else the copy would begin anew whenever somebody writes.
    source.execute_batch("BEGIN")?;
    source.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let backup = Backup::new(source, &mut target)?;
    loop {
        match backup.step(PAGES)? {
            StepResult::Done => break,
            StepResult::More => {
                let state = backup.progress();
                let of = u64::try_from(state.pagecount).unwrap_or(0);
                progress(of.saturating_sub(u64::try_from(state.remaining).unwrap_or(0)), of);
            }
            _ => return Err(StorageError::Busy),
        }
    }
    drop(backup);
    source.execute_batch("COMMIT")?;
    drop(target);
    // The copy says of itself that it has a log beside it, as the ledger does.
    let target = Connection::open_with_flags(to.path().join(name), flags)?;
    target.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    target.close().map_err(|(_, error)| StorageError::from(error))?;
    to.dir().open(name)?.sync_all()?;
    Ok(())
}

fn make(folder: &Folder, name: &str) -> Result<(), StorageError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    folder.dir().open_with(name, &options)?;
    Ok(())
}

/// A copy until it is whole. What is not taken goes again.
struct Part<'a> {
    folder: &'a Folder,
    name: String,
}

impl<'a> Part<'a> {
    fn new(folder: &'a Folder, name: String) -> Result<Self, StorageError> {
        for suffix in BESIDE {
            remove(folder, &format!("{name}{suffix}"))?;
        }
        make(folder, &name)?;
        Ok(Self { folder, name })
    }

    fn take_name(self, name: &str) -> Result<(), StorageError> {
        self.folder.dir().rename(&self.name, self.folder.dir(), name)?;
        sync(self.folder)
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        for suffix in BESIDE {
            if let Err(error) = remove(self.folder, &format!("{}{suffix}", self.name)) {
                tracing::warn!(%error, file = self.name, "a part of a copy stays behind");
            }
        }
    }
}
