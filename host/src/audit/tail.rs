//! The end of the book: what the journal holds behind the published tree, checked as it is read.
//!
//! Takes: a journal's bytes in order. Gives: [`Tail`]: where the good part ends, the trees there, which intents are open.
//! May name: nothing.

use super::edge::Edge;
use super::frame::{self, Frame, LONGEST_NOTE};
use super::key::{BookKey, Signed};
use super::open::Open;
use super::trees::{Draft, Trees, Wrong};
use super::{Entry, LogFile, Phase, cbor};
use crate::step::{Step, reached};
use std::io::{self, ErrorKind};
use tlog_tiles::{Checkpoint, record_hash};

/// Bytes that are read at a time.
const CHUNK: usize = 256 * 1024;
/// What a disk writes at once, or not at all.
const SECTOR: usize = 512;
/// The most bytes that one batch may have: a longer one is none of ours.
const LONGEST_BATCH: usize = 512 << 20;

/// How far the journal was read.
#[derive(Debug)]
pub(super) struct Tail {
    key: BookKey,
    /// The number of the first entry of the file that is read at present.
    pub(super) file: u64,
    /// The length of the good part of the file that is read at present: whole batches.
    pub(super) good: u64,
    /// How many entries lie before the end of the good part.
    pub(super) next_seq: u64,
    /// The tree at the end of the good part, or the published one as long as that is larger.
    pub(super) edge: Edge,
    /// The tenants' trees at the same place as `edge`.
    pub(super) trees: Trees,
    open: Open,
    /// Bytes after the good part.
    rest: Vec<u8>,
}

/// A batch as far as it was read.
struct Batch {
    edge: Edge,
    next_seq: u64,
    trees: Draft,
    changes: Vec<Entry>,
    wrong: Option<(u64, Wrong)>,
}

/// Where reading came to an end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// At the end of the file.
    Here,
    /// At the word that the journal goes on in another file.
    Moved,
}

impl Tail {
    /// Begins at the start of a file whose first entry has a number, with the tree that is published and the intents
    /// that were open there. The tenants' trees are those of an empty log.
    pub(super) fn new(key: BookKey, first: u64, published: Edge, open: Open) -> Self {
        let (trees, rest) = (Trees::default(), Vec::new());
        Self { key, file: first, good: 0, next_seq: first, edge: published, trees, open, rest }
    }

    /// With the tenants' trees at the published tree's end.
    pub(super) fn with(self, trees: Trees) -> Self {
        Self { trees, ..self }
    }

    /// Goes on in another file, which begins where the one before ended.
    pub(super) fn next_file(&mut self) {
        self.file = self.next_seq;
        self.good = 0;
        self.rest.clear();
    }

    /// Goes on in a new file behind the published tree, which holds more than the journal does.
    pub(super) fn begin_at_edge(&mut self) {
        self.next_seq = self.edge.size();
        self.next_file();
    }

    /// Reads on from the good part's end to the end of the file.
    ///
    /// # Errors
    /// `InvalidData` when batches are there that do not make the tree that was signed: the journal was damaged or changed.
    pub(super) fn read_on(&mut self, file: &mut dyn LogFile) -> io::Result<End> {
        // What was unfinished may have been finished since, so it is read again.
        self.rest.clear();
        let mut chunk = vec![0; CHUNK];
        let size = file.size()?;
        let (mut at, mut seen) = (self.good, 0);
        let mut batch = self.batch();
        let mut fault = None;
        loop {
            let read = file.read_at(at, &mut chunk)?;
            let Some(bytes) = chunk.get(..read).filter(|b| !b.is_empty()) else { break };
            at += len(read);
            self.rest.extend_from_slice(bytes);
            if self.rest.len() > LONGEST_BATCH {
                return Err(self.damaged("a batch is longer than any"));
            }
            while fault.is_none()
                && let Some((frame, length)) = frame::next(self.rest.get(seen..).unwrap_or_default())
            {
                seen += length;
                let taken = match frame {
                    Frame::Entry(entry) => batch.take(entry, &self.trees),
                    // Only the last note can be half written: the ones before it are proven by it.
                    Frame::Commit(note) if self.good + len(seen + LONGEST_NOTE) >= size => {
                        batch.check(note).and_then(|taken| {
                            self.key
                                .known()
                                .verify(note)
                                .map(|_| taken)
                                .map_err(|bad| format!("a batch's end: {bad}"))
                        })
                    }
                    Frame::Commit(note) => batch.check(note),
                    Frame::Moved if batch.next_seq == self.next_seq => {
                        self.rest.clear();
                        return Ok(End::Moved);
                    }
                    Frame::Moved => Err("the journal moves on within a batch".to_owned()),
                };
                match taken {
                    Ok(Taken::Entry) => {}
                    Ok(Taken::Whole) => {
                        self.adopt(batch, seen);
                        seen = 0;
                        batch = self.batch();
                    }
                    Err(what) => fault = Some(what),
                }
            }
        }
        // A crash leaves a batch without its signed end, or one with a hole. Any other signed end in what is left means that
        // bytes before it changed.
        let ends = self.commit_ends();
        let torn = ends.as_slice() == [self.rest.len()] && self.has_a_hole();
        if !ends.is_empty() && !torn {
            let what = fault.unwrap_or_else(|| "a batch cannot be read, and others follow".to_owned());
            return Err(self.damaged(&what));
        }
        Ok(End::Here)
    }

    fn batch(&self) -> Batch {
        let (edge, next_seq) = (self.edge.clone(), self.next_seq);
        Batch { edge, next_seq, trees: Draft::default(), changes: Vec::new(), wrong: None }
    }

    fn adopt(&mut self, batch: Batch, bytes: usize) {
        self.good += len(bytes);
        self.rest.drain(..bytes.min(self.rest.len()));
        self.next_seq = batch.next_seq;
        self.edge = batch.edge;
        self.trees.adopt(batch.trees);
        if let Some((seq, wrong)) = batch.wrong {
            tracing::error!("entry {seq} of the audit log {wrong}; this host tells the right head");
        }
        for entry in batch.changes {
            self.open.take(entry);
        }
    }

    /// Where signed ends end in what is left.
    fn commit_ends(&self) -> Vec<usize> {
        let begin = format!("{}\n", self.key.known().origin());
        let starts = self.rest.windows(begin.len()).enumerate().filter(|(_, w)| *w == begin.as_bytes());
        let ends = starts.filter_map(|(at, _)| {
            // The length stands before the note; it is believed only if what follows is signed.
            let length = at.checked_sub(2).and_then(|at| self.rest.get(at..)?.first_chunk::<2>());
            let length = length.map_or(0, |b| usize::from(u16::from_be_bytes(*b)).min(LONGEST_NOTE));
            let note = self.rest.get(at..at + length)?;
            self.key.known().verify(note).is_ok().then_some(at + length)
        });
        ends.collect()
    }

    /// Whether a sector in what is left is zeros: when the power goes, the disk may have written the end of a batch and
    /// not all of what stands before it.
    fn has_a_hole(&self) -> bool {
        let first = SECTOR - usize::try_from(self.good).map_or(0, |good| good % SECTOR);
        let (first, others) = self.rest.split_at(first.min(self.rest.len()));
        std::iter::once(first).chain(others.chunks(SECTOR)).any(|sector| sector.iter().all(|byte| *byte == 0))
    }

    fn damaged(&self, what: &str) -> io::Error {
        let cause = format!(
            "the audit log is damaged after entry {}: {what}; keep its folder and restore it from a copy",
            self.next_seq
        );
        io::Error::new(ErrorKind::InvalidData, cause)
    }

    /// Notes a batch that this process has written behind the part that was read.
    pub(super) fn written(&mut self, bytes: usize, edge: Edge, trees: Draft) {
        self.good += len(bytes);
        self.next_seq = edge.size();
        self.edge = edge;
        self.trees.adopt(trees);
    }

    /// Cuts off what a crash left unfinished at the end, and keeps it in a file of its own. Gives how many bytes.
    pub(super) fn mend(&mut self, file: &mut dyn LogFile) -> io::Result<usize> {
        let torn = std::mem::take(&mut self.rest);
        if !torn.is_empty() {
            file.set_aside(self.next_seq, &torn)?;
            reached(Step::TornKept);
            file.truncate(self.good)?;
            file.sync()?;
            reached(Step::TornCut);
        }
        Ok(torn.len())
    }

    /// The head of the tree at the end of the good part, signed.
    pub(super) fn sign(&self, edge: &Edge) -> io::Result<Signed> {
        let root = edge.root().map_err(|e| io::Error::other(format!("{e:?}")))?;
        self.key.sign(edge.size(), root).ok_or_else(|| io::Error::other("the log's name cannot be signed"))
    }

    /// Takes the open intents out, oldest first.
    pub(super) fn take_open(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.open).into_entries()
    }
}

/// What a piece of the journal was.
enum Taken {
    Entry,
    /// The end of a batch, which makes the tree that was signed.
    Whole,
}

impl Batch {
    fn take(&mut self, bytes: &[u8], trees: &Trees) -> Result<Taken, String> {
        // What is published is checked by the published tree, not here.
        if self.next_seq >= self.edge.size() {
            let mut entry =
                cbor::decode(bytes).map_err(|e| format!("entry {} is none: {e}", self.next_seq))?;
            let hash = record_hash(bytes);
            self.edge.push(hash).map_err(|e| e.to_string())?;
            entry.seq = self.next_seq;
            if let Err(wrong) = self.trees.take(trees, (&entry).into(), hash) {
                self.wrong.get_or_insert((entry.seq, wrong));
            }
            if matches!(entry.phase, Phase::Intent | Phase::Outcome | Phase::Recovery) {
                self.changes.push(entry);
            }
        }
        self.next_seq += 1;
        Ok(Taken::Entry)
    }

    /// Whether the entries make the tree that the note names.
    fn check(&self, note: &[u8]) -> Result<Taken, String> {
        let end = note.iter().enumerate().filter(|(_, b)| **b == b'\n').nth(2).map(|(at, _)| at);
        let text = end.and_then(|end| note.get(..=end)).unwrap_or_default();
        let head = Checkpoint::from_bytes(text).map_err(|_| "a batch has no signed end".to_owned())?;
        if head.size() != self.next_seq {
            return Err(format!("{} entries are there and {} are signed", self.next_seq, head.size()));
        }
        // Smaller trees than the published one are covered by that.
        if self.next_seq < self.edge.size() || self.edge.root().is_ok_and(|root| root == *head.hash()) {
            return Ok(Taken::Whole);
        }
        Err("the entries are not the ones that were signed".to_owned())
    }
}

fn len(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
