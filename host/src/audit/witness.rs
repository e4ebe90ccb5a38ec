//! What a log and a witness say to each other: that the log continues the head that the witness holds (C2SP tlog-witness).
//!
//! Takes: the log's folder, its public keys, the head that was kept. Gives: the head to keep, the request that asks for a
//! cosignature, the answer's cosignatures. May name: nothing.

use super::prove::consistency;
use super::shelf::{CHECKPOINT, Shelf};
use super::{BadCheckpoint, Known, Signed, Witness};
use cap_std::fs::Dir;
use std::io;
use tlog_tiles::{Hash, check_tree};

/// Where a host keeps its newest head with the cosignatures that witnesses gave, in the log's folder.
pub const WITNESSED: &str = "checkpoint.witnessed";

/// Why a head is not kept or sent.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A file could not be read.
    #[error("the audit log cannot be read: {0}")]
    File(#[from] io::Error),
    /// Nothing is published yet, and nothing was kept.
    #[error("nothing is published yet; a running host publishes every second, and the end of a command does")]
    Unpublished,
    /// The log's head cannot be trusted.
    #[error("the log's checkpoint cannot be trusted: {0}")]
    Head(BadCheckpoint),
    /// The log has no head any more.
    #[error("the log is gone, and it had {0} entries")]
    Gone(u64),
    /// The log does not continue the one that was kept.
    #[error("{what}")]
    Broken {
        /// Why not.
        what: String,
        /// The head that it has now.
        found: Box<Signed>,
    },
}

/// The published head of the log in a folder, when the log continues the one that an earlier head was kept of.
///
/// # Errors
/// [`Refusal`]
pub fn continued(dir: &Dir, known: &Known, kept: Option<&Signed>) -> Result<Signed, Refusal> {
    let shelf = Shelf::new(dir)?;
    let had = kept.map_or(0, |kept| kept.size);
    let head = match (head(&shelf, known)?, kept) {
        (Some(head), _) => head,
        (None, Some(kept)) if kept.size > 0 => return Err(Refusal::Gone(kept.size)),
        (None, _) => return Err(Refusal::Unpublished),
    };
    let hashes = proof(&shelf, &head, had)?;
    match kept {
        Some(kept) if had > 0 && check_tree(&hashes, head.size, head.root, had, kept.root).is_err() => {
            let what = format!("its first {had} entries are not the ones that were there before");
            Err(Refusal::Broken { what, found: Box::new(head) })
        }
        _ => Ok(head),
    }
}

/// The body of the request that asks a witness to cosign the published head, and that head. `old` is how many entries the
/// head had that the witness holds; 0 when it holds none.
///
/// # Errors
/// [`Refusal`]
pub fn request(dir: &Dir, known: &Known, old: u64) -> Result<(Signed, Vec<u8>), Refusal> {
    let shelf = Shelf::new(dir)?;
    let head = head(&shelf, known)?.ok_or(if old > 0 { Refusal::Gone(old) } else { Refusal::Unpublished })?;
    let mut body = format!("old {old}\n");
    for hash in proof(&shelf, &head, old)? {
        body.push_str(&format!("{hash}\n"));
    }
    body.push('\n');
    let body = [body.as_bytes(), &head.note].concat();
    Ok((head, body))
}

/// The cosignatures of known witnesses in a witness's answer, each a line as it stands at the end of the head's note. What
/// others say is left alone, as the specification asks.
#[must_use]
pub fn cosignatures(head: &Signed, answer: &str, witnesses: &[Witness]) -> Vec<String> {
    let lines = answer.lines().take(100).map(|line| format!("{line}\n"));
    let known = |line: &String| {
        let note = [&head.note, line.as_bytes()].concat();
        witnesses.iter().any(|witness| witness.cosigned(&note).is_some())
    };
    lines.filter(known).collect()
}

/// The head's note with these cosignatures, and with those of others that an earlier note of the same head had.
#[must_use]
pub fn cosigned(head: &Signed, lines: &[String], earlier: Option<&[u8]>) -> Vec<u8> {
    let (text, signatures) = parts(&head.note);
    let signer = |line: &str| line.rsplit_once(' ').map(|(signer, _)| signer.to_owned());
    let ours: Vec<_> = signatures.lines().chain(lines.iter().map(String::as_str)).map(signer).collect();
    let mut note = head.note.clone();
    if let Some((_, others)) = earlier.map(parts).filter(|(same, _)| *same == text) {
        for line in others.lines().filter(|line| !ours.contains(&signer(line))) {
            note.extend_from_slice(line.as_bytes());
            note.push(b'\n');
        }
    }
    lines.iter().for_each(|line| note.extend_from_slice(line.as_bytes()));
    note
}

/// Puts a note in a file, durably and whole: whoever reads it sees the one before or this one.
///
/// # Errors
/// When it cannot be written; the one before is still there.
pub fn keep(dir: &Dir, file: &str, note: &[u8]) -> io::Result<()> {
    let mut shelf = Shelf::new(dir)?;
    shelf.put(file, note)?;
    shelf.settle()
}

/// A note's text, and the lines of its signatures.
fn parts(note: &[u8]) -> (String, String) {
    let note = String::from_utf8_lossy(note).into_owned();
    note.rsplit_once("\n\n")
        .map_or_else(Default::default, |(text, lines)| (text.to_owned(), lines.to_owned()))
}

fn head(shelf: &Shelf, known: &Known) -> Result<Option<Signed>, Refusal> {
    let bytes = shelf.read(CHECKPOINT)?;
    bytes.map(|bytes| known.verify(&bytes)).transpose().map_err(Refusal::Head)
}

fn proof(shelf: &Shelf, head: &Signed, old: u64) -> Result<Vec<Hash>, Refusal> {
    let broken = |what| Refusal::Broken { what, found: Box::new(head.clone()) };
    if old > head.size {
        return Err(broken(format!("it was rolled back: it has {} entries and had {old}", head.size)));
    }
    consistency(shelf, head, old)
        .map_err(|error| broken(format!("its tiles do not make the tree that was signed: {error}")))
}
