//! What can go wrong with stored state, and what to do about it.
//!
//! Takes: SQLite's and the file system's errors. Gives: [`StorageError`]. May name: reason.

use crate::reason::Reason;
use rusqlite::ErrorCode;
use std::fmt;
use std::io;

/// What a tenant keeps, each within a quota of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Keys and values, in all buckets together.
    Keyvalue,
    /// What its tools remember.
    Memory,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keyvalue => "keyvalue",
            Self::Memory => "memory",
        })
    }
}

/// Why state could not be read or written. Nothing of the failed operation was kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// Another process held the file's lock for longer than five seconds.
    #[error("the store is busy: another process holds its lock; try again, or look for a process that hangs")]
    Busy,
    /// The disk is full, or a quota is reached.
    #[error("the store cannot grow: the disk is full or a quota is reached; free some space and try again")]
    Full,
    /// The file is not a store of ours, or was damaged.
    #[error("the store {file} is damaged or not a store ({detail}); {}", remedy(file))]
    Damaged {
        /// The file.
        file: String,
        /// What the check found first.
        detail: String,
    },
    /// A newer version of the program has written the file.
    #[error("the store {file} has schema {found}, this program knows up to {known}; run the newer program")]
    TooNew {
        /// The file.
        file: String,
        /// The schema in the file.
        found: i64,
        /// The newest schema that this program knows.
        known: i64,
    },
    /// The tenant would keep more than its quota.
    #[error("the tenant's {of} holds at most {entries} entries and {bytes} bytes; remove some")]
    Quota {
        /// Of what.
        of: Kept,
        /// Entries that it may have.
        entries: u64,
        /// Bytes that they may have.
        bytes: u64,
    },
    /// The store was closed or deleted while it was in use.
    #[error("the store is closed: the host is shutting down, or the tenant was deleted")]
    Closed,
    /// Any other failure of SQLite or the file system.
    #[error("the store failed: {0}; look at the disk and the folder's permissions")]
    Failed(String),
}

/// What to do about a damaged file.
fn remedy(file: &str) -> &'static str {
    match file {
        "ledger.db" => {
            "put a backup in its place with `strongroom ledger restore`, or make it anew from the audit log with \
             `strongroom ledger rebuild`"
        }
        _ => "restore it from a backup",
    }
}

impl StorageError {
    /// How a call that meets this error ends.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Quota { .. } => Reason::QuotaExceeded,
            _ => Reason::StorageUnavailable,
        }
    }

    /// The same error with the file's name, where the error has a place for it.
    pub(super) fn of_file(self, name: &str) -> Self {
        match self {
            Self::Damaged { file, detail } if file.is_empty() => Self::Damaged { file: name.into(), detail },
            other => other,
        }
    }
}

impl From<rusqlite::Error> for StorageError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { file: String::new(), detail: error.to_string() }
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<io::Error> for StorageError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Failed(error.to_string()),
        }
    }
}
