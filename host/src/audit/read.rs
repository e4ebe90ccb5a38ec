//! Reading the book back, entry by entry.
//!
//! Takes: the log's directory and what to look for. Gives: entries, in order. May name: id, reason.

use super::load::Rest;
use super::shelf::{CHECKPOINT, HEIGHT, Shelf, WIDTH, bundle, path};
use super::{Entry, cbor, frame, log_file};
use crate::id::{CallId, TenantId};
use crate::reason::{Outcome, Reason};
use cap_std::fs::Dir;
use std::collections::VecDeque;
use std::io;
use tlog_tiles::Tile;

/// Which entries to give; what is `None` lets every entry through.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Entries of this tenant.
    pub tenant: Option<TenantId>,
    /// Entries whose action has this as one of its words, or as the tool of one: `orders` finds
    /// `call orders.get` and `kill tool orders`.
    pub about: Option<String>,
    /// Entries with this reason code.
    pub reason: Option<Reason>,
    /// Entries with this outcome.
    pub outcome: Option<Outcome>,
    /// Entries of this call.
    pub call_id: Option<CallId>,
    /// Entries of this time or later, in microseconds since 1970.
    pub since_us: Option<u64>,
    /// Entries before this time, in microseconds since 1970.
    pub before_us: Option<u64>,
    /// Entries from this number on; the reading begins there, so what is before it costs nothing.
    pub from_seq: Option<u64>,
}

impl Filter {
    /// Whether an entry is looked for.
    #[must_use]
    pub fn matches(&self, entry: &Entry) -> bool {
        self.tenant.as_ref().is_none_or(|t| entry.tenant_id.as_ref() == Some(t))
            && self.about.as_ref().is_none_or(|about| is_about(&entry.action, about))
            && self.reason.is_none_or(|r| entry.reason_code == r)
            && self.outcome.is_none_or(|o| entry.outcome == o)
            && self.call_id.is_none_or(|c| entry.call_id == Some(c))
            && self.since_us.is_none_or(|t| entry.time_us >= t)
            && self.before_us.is_none_or(|t| entry.time_us < t)
            && self.from_seq.is_none_or(|n| entry.seq >= n)
    }
}

fn is_about(action: &str, about: &str) -> bool {
    action.split(' ').any(|word| word == about || word.split_once('.').is_some_and(|(tool, _)| tool == about))
}

/// The log cannot be read, or not any further.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file could not be opened or read.
    #[error("the audit log cannot be read: {0}")]
    File(#[from] io::Error),
    /// What stands there is no entry.
    #[error("entry {seq} of the audit log is none: {cause}")]
    Entry {
        /// Its number, from 0.
        seq: u64,
        /// Why.
        cause: String,
    },
}

/// Gives the entries that the filter lets through, in the order of the log, reading as it goes. `dir` is the log's folder.
/// What the host has not signed yet is left out. Nothing is verified: that is [`verify`](super::verify)'s.
///
/// # Errors
/// [`ReadError`] when there is no log; the iterator gives one and ends when it cannot be read on.
pub fn read(
    dir: &Dir,
    filter: Filter,
) -> Result<impl Iterator<Item = Result<Entry, ReadError>> + use<>, ReadError> {
    let mut entries = Entries::new(dir, filter.from_seq.unwrap_or(0))?;
    let next = move || entries.next_entry().transpose();
    Ok(std::iter::from_fn(next).filter(move |e| e.as_ref().map_or(true, |entry| filter.matches(entry))))
}

/// All entries of a log: first the published ones, then the journal's.
struct Entries {
    dir: Dir,
    shelf: Shelf,
    size: u64,
    next: u64,
    ready: VecDeque<Vec<u8>>,
    rest: bool,
    ended: bool,
}

impl Entries {
    fn new(dir: &Dir, from: u64) -> Result<Self, ReadError> {
        let shelf = Shelf::new(dir)?;
        if shelf.read(CHECKPOINT)?.is_none() && log_file::files(dir)?.is_empty() {
            return Err(io::Error::from(io::ErrorKind::NotFound).into());
        }
        let size = published(&shelf)?;
        Ok(Self {
            dir: dir.try_clone()?,
            shelf,
            size,
            next: from,
            ready: VecDeque::new(),
            rest: false,
            ended: false,
        })
    }

    fn next_entry(&mut self) -> Result<Option<Entry>, ReadError> {
        while !self.ended {
            if let Some(bytes) = self.ready.pop_front() {
                let seq = self.next;
                self.next += 1;
                return match cbor::decode(&bytes) {
                    Ok(entry) => Ok(Some(Entry { seq, ..entry })),
                    Err(cause) => {
                        self.ended = true;
                        Err(ReadError::Entry { seq, cause: cause.to_string() })
                    }
                };
            }
            if let Err(error) = self.more() {
                self.ended = true;
                return Err(error);
            }
        }
        Ok(None)
    }

    fn more(&mut self) -> Result<(), ReadError> {
        if self.next < self.size {
            let (skipped, entries) = bundle_at(&self.shelf, self.next, self.size)?;
            self.next += skipped;
            self.ready.extend(entries);
            return Ok(());
        }
        if std::mem::replace(&mut self.rest, true) {
            // What was published while the journal was read has left it.
            let size = published(&self.shelf)?;
            self.ended = size <= self.next;
            self.size = size;
            self.rest = self.ended;
            return Ok(());
        }
        match Rest::read(&self.dir, self.next) {
            Ok(rest) => self.ready.extend(rest.entries),
            // The journal's files go when what they hold is published: it is read from there.
            Err(_) if published(&self.shelf)? > self.size => {
                (self.size, self.rest) = (published(&self.shelf)?, false)
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// How far the published tree reaches, by its word alone.
fn published(shelf: &Shelf) -> Result<u64, ReadError> {
    let Some(bytes) = shelf.read(CHECKPOINT)? else { return Ok(0) };
    let text = String::from_utf8_lossy(&bytes);
    let size = text.lines().nth(1).and_then(|line| line.parse().ok());
    Ok(size.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the checkpoint is none"))?)
}

/// The entries of a bundle from a number on, and how many before them are gone because retention dropped their bodies.
pub(super) fn bundle_at(shelf: &Shelf, from: u64, size: u64) -> io::Result<(u64, Vec<Vec<u8>>)> {
    let n = from / WIDTH;
    let Some(tile) = bundle(n, size) else { return Ok((0, Vec::new())) };
    let inside = from - n * WIDTH;
    // A wider form may have taken its place since the size was read; and what was dropped is gone for good.
    let wider = (u64::from(tile.width())..=WIDTH).filter_map(|w| u32::try_from(w).ok());
    for width in wider {
        let path = path(&Tile::new(HEIGHT, 0, n, width, true));
        if let Some(bytes) = shelf.read(&path)? {
            let entries = frame::bundle(&bytes).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, format!("{path} holds no entries"))
            })?;
            let skip = usize::try_from(inside).unwrap_or(usize::MAX);
            let most = usize::try_from(size - n * WIDTH).unwrap_or(usize::MAX);
            return Ok((0, entries.into_iter().take(most).skip(skip).map(<[u8]>::to_vec).collect()));
        }
    }
    if tile.width() < u32::try_from(WIDTH).unwrap_or(u32::MAX) {
        // Not `NotFound`: that is a log that is not there.
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{} is missing", path(&tile))));
    }
    Ok((WIDTH - inside, Vec::new()))
}

/// The published entries of a tree of a size.
pub(super) struct Published<'a> {
    shelf: &'a Shelf,
    size: u64,
    next: u64,
    ready: VecDeque<Vec<u8>>,
}

impl<'a> Published<'a> {
    pub(super) fn new(shelf: &'a Shelf, size: u64) -> Self {
        Self { shelf, size, next: 0, ready: VecDeque::new() }
    }

    fn read(&mut self) -> io::Result<Option<Entry>> {
        while self.ready.is_empty() && self.next < self.size {
            let (skipped, entries) = bundle_at(self.shelf, self.next, self.size)?;
            self.next += skipped;
            self.ready.extend(entries);
        }
        let Some(bytes) = self.ready.pop_front() else { return Ok(None) };
        let entry =
            cbor::decode(&bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))?;
        self.next += 1;
        Ok(Some(Entry { seq: self.next - 1, ..entry }))
    }
}

impl Iterator for Published<'_> {
    type Item = io::Result<Entry>;
    fn next(&mut self) -> Option<Self::Item> {
        let read = self.read().transpose();
        if !matches!(read, Some(Ok(_))) {
            self.size = 0;
        }
        read
    }
}
