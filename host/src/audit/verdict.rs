//! What verifying the book can come to.
//!
//! Takes: nothing. Gives: [`Verified`] and [`Bad`]. May name: nothing.

use super::key::BadCheckpoint;
use super::shelf::CHECKPOINT;
use std::io;

/// What was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Entries in all.
    pub entries: u64,
    /// How many of them are in the published tree; the rest is in the journal.
    pub published: u64,
    /// Entries whose bodies retention has dropped; their hashes are verified.
    pub dropped: u64,
    /// Heads of tenants' own trees that entries tell, each compared with the tenant's entries before it.
    pub heads: u64,
    /// Below which number the log's newest order drops bodies; 0 when none was ever dropped.
    pub dropped_below: u64,
    /// The root of the tree over all entries, in base64.
    pub root: String,
}

/// Why a log is not what was signed.
#[derive(Debug, thiserror::Error)]
pub enum Bad {
    /// A file could not be read.
    #[error("{file}: {cause}")]
    File {
        /// Which file, in the log's folder.
        file: String,
        /// Why.
        cause: io::Error,
    },
    /// A file that belongs to the log is not there.
    #[error("{0} is missing")]
    Missing(String),
    /// Entries were published, and no head of them is there.
    #[error(
        "checkpoint is missing: it was removed, or the host was killed when it published for the first time; start the host, which signs what it \
         finds to be its own, and verify again"
    )]
    NoHead,
    /// A signed head is none of this log.
    #[error("{file}: {cause}")]
    Head {
        /// Which file.
        file: String,
        /// Why.
        cause: BadCheckpoint,
    },
    /// An entry is not what it was.
    #[error("entry {seq} ({file}) {what}")]
    Entry {
        /// Its number.
        seq: u64,
        /// Where it stands.
        file: String,
        /// What is wrong.
        what: &'static str,
    },
    /// A tile is not what it was.
    #[error("{file} holds other hashes than its entries have")]
    Tile {
        /// Which tile.
        file: String,
    },
    /// The list of open intents is not the one that the entries make.
    #[error(
        "the file open does not list the intents that the entries leave open; remove it, and it is made again"
    )]
    OpenIntents,
    /// What lasts of dropped entries is not what the log's own order says.
    #[error("{file} is not what it was when the bodies of entries were dropped")]
    Kept {
        /// Which file.
        file: String,
    },
    /// The entries make another tree than was signed.
    #[error("the entries make another tree than the signed head of {0} entries says")]
    Root(u64),
    /// There is more than was signed.
    #[error(
        "{0} is there, behind the end of what was signed: the log was rolled back, or something was added"
    )]
    Beyond(String),
    /// The journal ends in something that is no whole batch.
    #[error(
        "{file} ends in {bytes} bytes after entry {seq} that are no signed batch: a crash leaves such (the next start puts \
         them aside), and so does a change"
    )]
    Unfinished {
        /// Which file.
        file: String,
        /// How many entries are good before it.
        seq: u64,
        /// How many bytes.
        bytes: usize,
    },
    /// A file beside a tenant's log is not what belongs there.
    #[error("{file} {what}")]
    Beside {
        /// Which file.
        file: &'static str,
        /// What is wrong.
        what: String,
    },
    /// The log ends before a head that was kept elsewhere, or is another one.
    #[error("{0}")]
    Witness(String),
}

impl Bad {
    /// The file at fault, named in the log's folder, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::File { file, .. }
            | Self::Missing(file)
            | Self::Head { file, .. }
            | Self::Entry { file, .. }
            | Self::Tile { file }
            | Self::Kept { file }
            | Self::Beyond(file)
            | Self::Unfinished { file, .. } => Some(file),
            Self::Beside { file, .. } => Some(file),
            Self::NoHead => Some(CHECKPOINT),
            Self::OpenIntents => Some("open"),
            Self::Root(_) | Self::Witness(_) => None,
        }
    }

    /// The number of the entry at fault, if it is one: everything before it is what was signed.
    #[must_use]
    pub fn seq(&self) -> Option<u64> {
        match self {
            Self::Entry { seq, .. } | Self::Unfinished { seq, .. } => Some(*seq),
            _ => None,
        }
    }
}
