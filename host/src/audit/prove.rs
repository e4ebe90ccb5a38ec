//! Proofs that somebody can check who does not have the log: that an entry is in it, and that a later log continues an
//! earlier one.
//!
//! Takes: the log's folder, its public keys; for a check the proof and the keys alone. Gives: [`Proof`], [`Proven`]. May
//! name: nothing.

use super::key::{BadCheckpoint, Known, Signed};
use super::read::bundle_at;
use super::shelf::{Shelf, Tiles};
use super::{Entry, cbor};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cap_std::fs::Dir;
use serde::{Deserialize, Serialize};
use std::io;
use tlog_tiles::{
    Hash, HashReader, TileHashReader, check_record, check_tree, record_hash, stored_hash_index,
};

/// The name and version of a proof's form.
pub const PROOF: &str = "strongroom.proof/1";
/// No tree of 2^64 entries needs more hashes.
const MOST_HASHES: usize = 64;

/// A proof, complete in itself but for the public key. All bytes are in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// [`PROOF`].
    pub schema: String,
    /// The log's name.
    pub origin: String,
    /// The signed head that the proof leads to, a C2SP checkpoint.
    pub checkpoint: String,
    /// What is proven.
    #[serde(flatten)]
    pub claim: Claim,
    /// The hashes between the claim and the head's root, nearest first (RFC 6962, section 2.1).
    pub hashes: Vec<String>,
}

/// What a proof is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "proves", rename_all = "snake_case")]
pub enum Claim {
    /// An entry is in the log.
    Inclusion {
        /// The entry's number.
        index: u64,
        /// SHA-256 of a zero byte and the entry.
        leaf_hash: String,
        /// The entry, canonical CBOR; absent when retention has dropped its body.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        entry: Option<String>,
    },
    /// The log of the checkpoint begins with the log of an earlier one.
    Consistency {
        /// The earlier signed head.
        since: String,
    },
}

/// What a checked proof shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// How many entries the log had that the proof leads to.
    pub size: u64,
    /// That log's root, in base64.
    pub root: String,
    /// What was shown about it.
    pub fact: Fact,
}

/// The two things that can be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// It holds this entry at its number; `None` when the proof has the entry's hash alone.
    Holds(u64, Option<Box<Entry>>),
    /// It begins with the log that had so many entries.
    Continues(u64),
}

/// Why a proof could not be made.
#[derive(Debug, thiserror::Error)]
pub enum NoProof {
    /// A file could not be read.
    #[error("the audit log cannot be read: {0}")]
    File(#[from] io::Error),
    /// Nothing is published yet.
    #[error("nothing is published yet; a running host publishes every second, and the end of a command does")]
    Unpublished,
    /// There is no such entry.
    #[error("{0} entries are published, numbered from 0")]
    NoEntry(u64),
    /// The earlier head is of an empty log.
    #[error("a log without entries is the beginning of every log; there is nothing to prove")]
    Empty,
    /// The log is not what was signed, or does not continue the earlier one.
    #[error("{0}")]
    Broken(String),
}

/// Why a proof proves nothing.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadProof {
    /// It is of another form.
    #[error("it is no {PROOF}: {0}")]
    Form(&'static str),
    /// A head in it cannot be trusted.
    #[error("its checkpoint cannot be trusted: {0}")]
    Head(#[from] BadCheckpoint),
    /// The entry in it is another one than the hash in it is of.
    #[error("its entry has another hash")]
    Entry,
    /// The hashes do not lead to the signed root.
    #[error("its hashes do not lead to the root that was signed")]
    Hashes,
}

/// Proves that the published log in a folder holds an entry.
///
/// # Errors
/// [`NoProof`]
pub fn prove_entry(dir: &Dir, known: &Known, index: u64) -> Result<Proof, NoProof> {
    let shelf = Shelf::new(dir)?;
    let head = shelf.head(known)?.ok_or(NoProof::Unpublished)?;
    if index >= head.size {
        return Err(NoProof::NoEntry(head.size));
    }
    let tiles = Tiles::new(&shelf, head.size);
    let reader = TileHashReader::new(head.size, head.root, &tiles);
    let hashes = tlog_tiles::prove_record(head.size, index, &reader).map_err(broken)?;
    let leaf = reader.read_hashes(&[stored_hash_index(0, index)]).map_err(broken)?;
    let leaf = *leaf.first().ok_or(NoProof::NoEntry(head.size))?;
    let (_, bodies) = bundle_at(&shelf, index, head.size)?;
    let entry = bodies.first();
    if entry.is_some_and(|entry| record_hash(entry) != leaf) {
        return Err(NoProof::Broken(format!("entry {index} is not the one that was signed")));
    }
    let entry = entry.map(|entry| STANDARD.encode(entry));
    let claim = Claim::Inclusion { index, leaf_hash: leaf.to_string(), entry };
    Ok(Proof::new(known, &head, claim, &hashes))
}

/// Proves that the published log in a folder continues the one that an earlier head was signed for.
///
/// # Errors
/// [`NoProof`]
pub fn prove_since(dir: &Dir, known: &Known, since: &Signed) -> Result<Proof, NoProof> {
    let shelf = Shelf::new(dir)?;
    let head = shelf.head(known)?.ok_or(NoProof::Unpublished)?;
    if since.size == 0 {
        return Err(NoProof::Empty);
    }
    if since.size > head.size {
        let (has, had) = (head.size, since.size);
        return Err(NoProof::Broken(format!("the log was rolled back: it has {has} entries and had {had}")));
    }
    let hashes = consistency(&shelf, &head, since.size).map_err(broken)?;
    check_tree(&hashes, head.size, head.root, since.size, since.root).map_err(|_| {
        let what = format!("the first {} entries are not the ones that were there before", since.size);
        NoProof::Broken(what)
    })?;
    let since = String::from_utf8_lossy(&since.note).into_owned();
    Ok(Proof::new(known, &head, Claim::Consistency { since }, &hashes))
}

/// The hashes that prove that a published tree continues its own first entries; none when those are none or all of it.
pub(super) fn consistency(shelf: &Shelf, head: &Signed, since: u64) -> Result<Vec<Hash>, tlog_tiles::Error> {
    if since == 0 {
        return Ok(Vec::new());
    }
    let tiles = Tiles::new(shelf, head.size);
    tlog_tiles::prove_tree(head.size, since, &TileHashReader::new(head.size, head.root, &tiles))
}

fn broken(error: tlog_tiles::Error) -> NoProof {
    NoProof::Broken(format!("the log's tiles do not make the tree that was signed: {error}"))
}

impl Proof {
    fn new(known: &Known, head: &Signed, claim: Claim, hashes: &[Hash]) -> Self {
        Self {
            schema: PROOF.to_owned(),
            origin: known.origin().to_owned(),
            checkpoint: String::from_utf8_lossy(&head.note).into_owned(),
            claim,
            hashes: hashes.iter().map(ToString::to_string).collect(),
        }
    }

    /// Checks the proof with a log's public keys, and nothing else.
    ///
    /// # Errors
    /// [`BadProof`]
    pub fn check(&self, known: &Known) -> Result<Proven, BadProof> {
        if self.schema != PROOF {
            return Err(BadProof::Form("its schema is another one"));
        }
        if self.origin != known.origin() {
            return Err(BadCheckpoint::Origin(self.origin.clone()).into());
        }
        let head = known.verify(self.checkpoint.as_bytes())?;
        if self.hashes.len() > MOST_HASHES {
            return Err(BadProof::Form("it has too many hashes"));
        }
        let hashes = self.hashes.iter().map(|text| hash(text)).collect::<Result<Vec<_>, _>>()?;
        let fact = match &self.claim {
            Claim::Inclusion { index, leaf_hash, entry } => {
                let leaf = hash(leaf_hash)?;
                check_record(&hashes, head.size, head.root, *index, leaf).map_err(|_| BadProof::Hashes)?;
                Fact::Holds(*index, entry.as_deref().map(|entry| body(entry, *index, leaf)).transpose()?)
            }
            Claim::Consistency { since } => {
                let since = known.verify(since.as_bytes())?;
                check_tree(&hashes, head.size, head.root, since.size, since.root)
                    .map_err(|_| BadProof::Hashes)?;
                Fact::Continues(since.size)
            }
        };
        Ok(Proven { size: head.size, root: head.root.to_string(), fact })
    }
}

fn body(text: &str, index: u64, leaf: Hash) -> Result<Box<Entry>, BadProof> {
    let bytes = STANDARD.decode(text).map_err(|_| BadProof::Form("its entry is no base64"))?;
    if record_hash(&bytes) != leaf {
        return Err(BadProof::Entry);
    }
    let entry =
        cbor::canonical(&bytes).ok_or(BadProof::Form("its entry is not an entry in its one encoding"))?;
    Ok(Box::new(Entry { seq: index, ..entry }))
}

fn hash(text: &str) -> Result<Hash, BadProof> {
    Hash::parse_hash(text).map_err(|_| BadProof::Form("a hash is no 32 bytes in base64"))
}
