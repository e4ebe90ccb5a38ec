//! What can go wrong with keyvalue and memory.
//!
//! Takes: what a guest writes and asks, and the store's errors. Gives: [`KvError`], [`MemoryError`]. May name: nothing.

use super::MAX_VALUE;
use super::{
    MAX_BUCKET, MAX_ID, MAX_KEY, MAX_PENDING_BYTES, MAX_PENDING_KEYS, MAX_QUERY, MAX_TAG, MAX_TAGS, MAX_TEXT,
};
use crate::storage::StorageError;

/// Why a keyvalue operation failed. It changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KvError {
    /// The bucket's name is empty or too long.
    #[error("a bucket's name has 1 to {MAX_BUCKET} bytes, this one has {0}")]
    Bucket(usize),
    /// The key is empty or too long.
    #[error("a key has 1 to {MAX_KEY} bytes, this one has {0}")]
    Key(usize),
    /// The value is too long.
    #[error("a value has at most {MAX_VALUE} bytes, this one has {0}")]
    Value(usize),
    /// The call has written too much that is not committed yet.
    #[error("a call writes at most {MAX_PENDING_KEYS} keys and {MAX_PENDING_BYTES} bytes; split the work")]
    TooMuch,
    /// The tenant would have more than its quota.
    #[error("the tenant's keyvalue holds at most {entries} entries and {bytes} bytes; delete some")]
    Quota {
        /// Entries that it may have.
        entries: u64,
        /// Bytes that they may have.
        bytes: u64,
    },
    /// `increment` met a value that is no decimal number below 2^64.
    #[error(
        "the value is not a number from 0 to 18446744073709551615 in decimal digits, so it cannot be incremented"
    )]
    NotANumber,
    /// `increment` would pass 2^64 - 1.
    #[error("the number would pass 18446744073709551615")]
    Overflow,
    /// The store could not be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for KvError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

/// Why an operation on the memory failed. It changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// The identifier is empty, too long, or holds control characters.
    #[error("an identifier has 1 to {MAX_ID} bytes and no control characters; this one has {0} bytes")]
    Id(usize),
    /// The text is empty or too long.
    #[error("a text has 1 to {MAX_TEXT} bytes, this one has {0}")]
    Text(usize),
    /// There are too many tags, or one is empty, too long, or holds control characters.
    #[error("an entry has at most {MAX_TAGS} tags of 1 to {MAX_TAG} bytes each, without control characters")]
    Tags,
    /// The question is too long.
    #[error("a query has at most {MAX_QUERY} bytes, this one has {0}")]
    Query(usize),
    /// The call has changed too much that is not committed yet.
    #[error("a call writes at most {MAX_PENDING_KEYS} entries and {MAX_PENDING_BYTES} bytes; split the work")]
    TooMuch,
    /// The tenant would have more than its quota.
    #[error("the tenant's memory holds at most {entries} entries and {bytes} bytes; forget some")]
    Quota {
        /// Entries that it may have.
        entries: u64,
        /// Bytes that they may have.
        bytes: u64,
    },
    /// The store could not be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
