//! Opening the book: the published tree, then the journal behind it, nothing missing in between.
//!
//! Takes: the log's folder and its key. Gives: the journal's file and [`Tail`]. May name: nothing.

use super::disk;
use super::edge::Edge;
use super::key::{BookKey, Signed};
use super::log_file::{self, DiskFile};
use super::shelf::{Shelf, Tiles};
use super::tail::Tail;
use super::writer::catch_up;
use super::{LogFile, frame, open, trees_file};
use cap_std::fs::Dir;
use std::io::{self, ErrorKind};
use tlog_tiles::{TileHashReader, tree_hash};

/// How often a start begins anew because another process published meanwhile.
const ATTEMPTS: u32 = 10;

/// Opens the log of one folder, as often as it is asked.
#[derive(Debug)]
pub(super) struct Loader {
    pub(super) dir: Dir,
    pub(super) key: BookKey,
    /// The newest head that this host has ever published, as the home folder remembers it.
    pub(super) seen: Option<Signed>,
}

impl Loader {
    /// The journal at its end, with the append lock of it held, so that no other process writes meanwhile.
    pub(super) fn load(&self) -> io::Result<(Box<dyn LogFile>, Tail)> {
        let (mut file, mut tail) = self.begin()?;
        // The long reading goes without the lock; under it, only what came meanwhile is read.
        tail.read_on(&mut *file)?;
        file.lock()?;
        if !catch_up(&mut *file, &mut tail)? {
            return Err(io::Error::new(
                ErrorKind::Interrupted,
                "the journal went on while it was opened; open it again",
            ));
        }
        if tail.next_seq < tail.edge.size() {
            // The journal lost what was not synced when the machine stopped, and the published tree has it.
            self.remove(&log_file::files(&self.dir)?)?;
            file = Box::new(DiskFile::open(&self.dir, tail.edge.size())?);
            tail.begin_at_edge();
            file.lock()?;
        } else {
            self.forget_unused(tail.file)?;
        }
        Ok((file, tail))
    }

    /// A rotation that a crash cut off leaves an empty file behind the one that is gone on with.
    fn forget_unused(&self, current: u64) -> io::Result<()> {
        let unused: Vec<u64> =
            log_file::files(&self.dir)?.into_iter().filter(|first| *first > current).collect();
        for first in &unused {
            if self.dir.metadata(format!("{}/{}", log_file::JOURNAL, log_file::name(*first)))?.len() > 0 {
                return Err(damaged(format!("the journal does not lead to its file of entry {first}")));
            }
        }
        self.remove(&unused)
    }

    fn remove(&self, files: &[u64]) -> io::Result<()> {
        for first in files {
            disk::remove(&self.dir, &format!("{}/{}", log_file::JOURNAL, log_file::name(*first)))?;
        }
        Ok(())
    }

    fn begin(&self) -> io::Result<(Box<dyn LogFile>, Tail)> {
        let shelf = Shelf::new(&self.dir)?;
        let mut attempt = 1;
        loop {
            let head = shelf.head(self.key.known())?;
            match self.begin_at(&shelf, head.as_ref()) {
                // Another process published meanwhile, and took away tiles that wider ones replace.
                Err(_) if attempt < ATTEMPTS && shelf.head(self.key.known())? != head => attempt += 1,
                begun => return begun,
            }
        }
    }

    fn begin_at(&self, shelf: &Shelf, head: Option<&Signed>) -> io::Result<(Box<dyn LogFile>, Tail)> {
        let published = head.map_or(0, |head| head.size);
        let edge = self.edge(shelf, head)?;
        let files = log_file::files(&self.dir)?;
        if let Some(seen) = &self.seen {
            self.not_behind(shelf, seen, head, files.last().copied())?;
        }
        let open = open::load(shelf, published)?;
        let trees = trees_file::load(shelf, self.key.known(), head)?;
        let first = self.first(&files, published)?;
        let file = DiskFile::open(&self.dir, first)?;
        Ok((Box::new(file), Tail::new(self.key.clone(), first, edge, open).with(trees)))
    }

    /// The right edge of the published tree, proven by its signed root.
    fn edge(&self, shelf: &Shelf, head: Option<&Signed>) -> io::Result<Edge> {
        let Some(head) = head.filter(|head| head.size > 0) else { return Ok(Edge::default()) };
        let tiles = Tiles::new(shelf, head.size);
        Edge::load(head.size, &TileHashReader::new(head.size, head.root, &tiles)).map_err(|error| {
            damaged(format!(
                "its tiles do not make the tree of {} entries that was signed ({error})",
                head.size
            ))
        })
    }

    /// The number of the file to begin with. Files that the published tree covers wholly are left to the publisher.
    fn first(&self, files: &[u64], published: u64) -> io::Result<u64> {
        let Some(first) = files.iter().rev().find(|first| **first <= published) else {
            return match files.first() {
                Some(first) => Err(damaged(format!("entries {published} to {} are missing", first - 1))),
                None => Ok(published),
            };
        };
        Ok(*first)
    }

    /// Refuses a log that ends before what was published of it, or has another tree there.
    fn not_behind(
        &self,
        shelf: &Shelf,
        seen: &Signed,
        head: Option<&Signed>,
        journal: Option<u64>,
    ) -> io::Result<()> {
        let published = head.map_or(0, |head| head.size);
        if published < seen.size {
            return Err(damaged(format!(
                "it was rolled back: {} entries are published and {} had been{}",
                published,
                seen.size,
                journal.map_or_else(String::new, |first| format!(" (its journal begins at entry {first})"))
            )));
        }
        let (Some(head), true) = (head, seen.size > 0) else { return Ok(()) };
        let tiles = Tiles::new(shelf, head.size);
        let root = tree_hash(seen.size, &TileHashReader::new(head.size, head.root, &tiles));
        match root {
            Ok(root) if root == seen.root => Ok(()),
            _ => {
                Err(damaged(format!("its first {} entries are not the ones that were published", seen.size)))
            }
        }
    }
}

fn damaged(what: String) -> io::Error {
    io::Error::new(
        ErrorKind::InvalidData,
        format!("the audit log is damaged: {what}; keep its folder and restore it from a copy"),
    )
}

/// The entries of the journal from a number on, up to the last signed batch, with the note that signs it.
pub(super) struct Rest {
    pub(super) entries: Vec<Vec<u8>>,
    pub(super) note: Option<Vec<u8>>,
}

impl Rest {
    /// Reads them from the journal's files.
    pub(super) fn read(dir: &Dir, from: u64) -> io::Result<Self> {
        let mut rest = Self { entries: Vec::new(), note: None };
        let files = log_file::files(dir)?;
        let at = files.iter().rposition(|first| *first <= from).unwrap_or(0);
        let mut next = from;
        for first in files.get(at..).unwrap_or_default() {
            if *first > next {
                return Err(damaged(format!("entries {next} to {} are missing", first - 1)));
            }
            let bytes = match dir.read(format!("{}/{}", log_file::JOURNAL, log_file::name(*first))) {
                Ok(bytes) => bytes,
                // The publisher took it away: what it held is published now.
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            };
            next = rest.take(&bytes, *first, from);
        }
        Ok(rest)
    }

    fn take(&mut self, bytes: &[u8], first: u64, from: u64) -> u64 {
        let (mut at, mut seq, mut committed) = (0, first, first);
        let mut batch = Vec::new();
        while let Some((frame, length)) = frame::next(bytes.get(at..).unwrap_or_default()) {
            at += length;
            match frame {
                frame::Frame::Entry(entry) => {
                    if seq >= from {
                        batch.push(entry.to_vec());
                    }
                    seq += 1;
                }
                frame::Frame::Commit(note) => {
                    self.entries.append(&mut batch);
                    self.note = Some(note.to_vec());
                    committed = seq;
                }
                frame::Frame::Moved => break,
            }
        }
        committed
    }
}
