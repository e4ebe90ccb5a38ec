//! Copies of the ledger's file, made while hosts work on it, and whether a file is whole.
//!
//! Takes: the home folder, and where the copy goes. Gives: a copy, [`Sound`]. May name: powers, storage.

use crate::powers::Home;
use crate::storage::ledger::{Sound, back_up, examine, examine_ledger};
use crate::storage::{Folder, StorageError};
use std::io;

/// Where a copy of the ledger is, or is to be.
#[derive(Debug, Clone)]
pub struct CopyFile {
    /// Its folder, on a local disk.
    pub folder: Folder,
    /// Its name there.
    pub name: String,
}

impl CopyFile {
    fn is_there(&self) -> bool {
        self.folder.dir().exists(&self.name)
    }
}

/// Why there is no copy, or none that can be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum CopyError {
    /// No host has written a ledger yet.
    #[error("there is no ledger yet")]
    NoLedger,
    /// There is no copy of this name.
    #[error("there is no copy {0}")]
    NoCopy(String),
    /// Something has this name already.
    #[error("{0} is there already")]
    There(String),
    /// The file is damaged, or of another program.
    #[error("{file} is damaged, or no ledger: {detail}")]
    Damaged {
        /// The file.
        file: String,
        /// What the check found first.
        detail: String,
    },
    /// The file could not be read or written.
    #[error(transparent)]
    Storage(StorageError),
}

impl From<StorageError> for CopyError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Damaged { file, detail } => Self::Damaged { file, detail },
            other => Self::Storage(other),
        }
    }
}

impl From<io::Error> for CopyError {
    fn from(error: io::Error) -> Self {
        Self::Storage(error.into())
    }
}

fn of(home: &Home) -> io::Result<Folder> {
    Ok(Folder::new(home.dir().try_clone()?, home.path()))
}

/// Makes a copy of a home folder's ledger, also while hosts work on it: of one moment, with everything that was acknowledged
/// before it was ordered. It has its name once it is whole, checked and durable; a file that has the name already is replaced
/// if that is allowed. `progress` hears how many pages are done, and of how many.
///
/// # Errors
/// [`CopyError`]; nothing is left of the copy, and what had its name is as it was.
pub fn backup(
    home: &Home,
    to: &CopyFile,
    replace: bool,
    progress: impl FnMut(u64, u64),
) -> Result<Sound, CopyError> {
    if !replace && to.is_there() {
        return Err(CopyError::There(to.name.clone()));
    }
    let made = back_up(&of(home)?, &to.folder, &to.name, replace, progress)?;
    made.ok_or(CopyError::NoLedger)
}

/// Reads the whole ledger of a home folder, also while hosts work on it, and says what it is.
///
/// # Errors
/// [`CopyError`] when it is damaged, of a newer version, cannot be read, or is not there.
pub fn check(home: &Home) -> Result<Sound, CopyError> {
    examine_ledger(&of(home)?)?.ok_or(CopyError::NoLedger)
}

/// The same for a copy.
///
/// # Errors
/// As [`check`].
pub fn check_copy(copy: &CopyFile) -> Result<Sound, CopyError> {
    if !copy.is_there() {
        return Err(CopyError::NoCopy(copy.name.clone()));
    }
    Ok(examine(&copy.folder, &copy.name)?)
}
