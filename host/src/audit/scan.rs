//! Reading a log's bytes as far as they are entries: where they end, which intents are open, what is torn.
//!
//! Takes: bytes in the order of the file. Gives: [`Scan`]. May name: id.

use super::{Entry, LogFile, Phase};
use crate::id::CallId;
use serde::Deserialize;
use std::collections::HashMap;
use std::io::{self, ErrorKind};

/// Bytes that are read at a time.
const CHUNK: usize = 256 * 1024;
/// A line that is longer than this is none of ours.
const LONGEST: usize = 16 * 1024 * 1024;

/// What of an entry the scan needs.
#[derive(Deserialize)]
struct Head {
    seq: u64,
    phase: Phase,
    #[serde(default)]
    call_id: Option<CallId>,
}

/// How far a log was read.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// The length of the part that consists of whole entries.
    pub(super) good: u64,
    /// The sequence number of the next entry.
    pub(super) next_seq: u64,
    /// Intents whose call has no outcome, as lines.
    open: HashMap<CallId, Vec<u8>>,
    /// Bytes after the last whole entry.
    rest: Vec<u8>,
    /// Where the line that is being read begins in `rest`; behind whole lines that are no entries.
    line_at: usize,
}

impl Scan {
    /// Reads on from where the last reading ended, to the end of the file.
    ///
    /// # Errors
    /// `InvalidData` when entries follow after something that is none: the log was damaged or changed.
    pub(super) fn read_on(&mut self, file: &mut dyn LogFile) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        // What was unfinished may have been finished since, so it is read again.
        self.rest.clear();
        self.line_at = 0;
        let mut at = self.good;
        loop {
            let read = file.read_at(at, &mut chunk)?;
            let Some(bytes) = chunk.get(..read).filter(|b| !b.is_empty()) else { return Ok(()) };
            at += read as u64;
            for part in bytes.split_inclusive(|b| *b == b'\n') {
                if self.rest.len() + part.len() > LONGEST {
                    return Err(self.damaged("is longer than any entry"));
                }
                self.rest.extend_from_slice(part);
                if part.ends_with(b"\n") {
                    self.end_line()?;
                }
            }
        }
    }

    fn end_line(&mut self) -> io::Result<()> {
        let line = self.rest.get(self.line_at..).unwrap_or_default();
        let Ok(head) = serde_json::from_slice::<Head>(line) else {
            self.line_at = self.rest.len();
            return Ok(());
        };
        if self.line_at > 0 {
            return Err(self.damaged("is no entry, and entries follow"));
        }
        if head.seq != self.next_seq {
            return Err(self.damaged(&format!("has number {} in place of {}", head.seq, self.next_seq)));
        }
        match (head.phase, head.call_id) {
            (Phase::Intent, Some(call)) => drop(self.open.insert(call, line.to_vec())),
            (_, Some(call)) => drop(self.open.remove(&call)),
            _ => {}
        }
        self.good += line.len() as u64;
        self.next_seq += 1;
        self.rest.clear();
        Ok(())
    }

    fn damaged(&self, what: &str) -> io::Error {
        let cause = format!(
            "the audit log is damaged: the line at byte {} {what}; keep the file and restore it from a copy",
            self.good
        );
        io::Error::new(ErrorKind::InvalidData, cause)
    }

    /// Notes entries that this process has written behind the part that was read.
    pub(super) fn written(&mut self, bytes: u64, entries: u64) {
        self.good += bytes;
        self.next_seq += entries;
    }

    /// Cuts off what a crash left unfinished at the end, and keeps it in a file of its own. Gives how many bytes.
    pub(super) fn mend(&mut self, file: &mut dyn LogFile) -> io::Result<u64> {
        let torn = std::mem::take(&mut self.rest);
        if !torn.is_empty() {
            file.set_aside(self.good, &torn)?;
            file.truncate(self.good)?;
            file.sync()?;
        }
        self.line_at = 0;
        Ok(torn.len() as u64)
    }

    /// Takes the open intents out, in the order of the log.
    pub(super) fn take_open(&mut self) -> Vec<Entry> {
        let lines = std::mem::take(&mut self.open);
        let mut open: Vec<Entry> =
            lines.into_values().filter_map(|l| serde_json::from_slice(&l).ok()).collect();
        open.sort_by_key(|entry| entry.seq);
        open
    }
}
