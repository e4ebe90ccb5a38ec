//! The one thread that writes the log: many entries by one write and one sync, and a new try when the disk fails.
//!
//! Takes: batches. Gives: entries on the disk. May name: powers, reason.

use super::scan::Scan;
use super::shared::{Shared, Waiting};
use super::{AuditUnavailable, Entry, LogFile, Phase, Timing};
use crate::powers::Clock;
use crate::reason::{Outcome, Reason};
use std::io;
use std::sync::Arc;

pub(super) struct Writer {
    pub(super) file: Box<dyn LogFile>,
    pub(super) scan: Scan,
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) timing: Timing,
    buffer: Vec<u8>,
    /// Whether this process holds the file's lock.
    locked: bool,
    /// Whether something of a failed write may stand behind the good part. The lock is kept as long.
    dirty: bool,
}

impl Writer {
    pub(super) fn new(
        file: Box<dyn LogFile>,
        scan: Scan,
        shared: Arc<Shared>,
        clock: Arc<dyn Clock>,
        timing: Timing,
    ) -> Self {
        Self { file, scan, shared, clock, timing, buffer: Vec::new(), locked: false, dirty: false }
    }

    pub(super) fn run(mut self) {
        let mut spare = Vec::new();
        while let Some(mut batch) = self.shared.next_batch(&self.timing, std::mem::take(&mut spare)) {
            let below = batch.last().map_or(0, |(ticket, _)| ticket + 1);
            match self.write(batch.iter_mut().map(|(_, entry)| entry)) {
                Ok(()) => self.shared.written(below),
                Err(e) => {
                    self.fail(std::mem::take(&mut batch), &e);
                    if !self.repair() {
                        return;
                    }
                }
            }
            batch.clear();
            spare = batch;
        }
    }

    fn fail(&self, batch: Vec<Waiting>, error: &io::Error) {
        tracing::error!(%error, "the audit log cannot be written; calls are refused until it can");
        self.shared.failed(batch, AuditUnavailable::new(error));
    }

    /// Tries until the disk takes what waits. `false` when the journal closes before.
    fn repair(&mut self) -> bool {
        while let Some((mut batch, below, refused)) = self.shared.next_repair(&self.timing) {
            let mut note = self.note(refused);
            match self.write(batch.iter_mut().map(|(_, entry)| entry).chain(std::iter::once(&mut note))) {
                Ok(()) => {
                    tracing::info!(refused, "the audit log can be written again");
                    self.shared.repaired(below);
                    return true;
                }
                Err(e) => self.shared.failed(batch, AuditUnavailable::new(e)),
            }
        }
        false
    }

    /// The entry that tells of the gap.
    fn note(&self, refused: u64) -> Entry {
        let time = self.clock.unix_us();
        let entry = Entry::outcome(time, "audit.resume", Reason::AuditUnavailable, Outcome::Failed);
        let note = Some(format!("the log could not be written; entries refused meanwhile: {refused}"));
        Entry { phase: Phase::Recovery, note, ..entry }
    }

    fn write<'a>(&mut self, entries: impl Iterator<Item = &'a mut Entry>) -> io::Result<()> {
        if !self.locked {
            self.file.lock()?;
            self.locked = true;
        }
        let result = self.write_locked(entries);
        if self.dirty && self.file.truncate(self.scan.good).is_ok() {
            self.dirty = false;
        }
        // Kept while something half-written may stand there: another process must not write behind it.
        if !self.dirty {
            self.locked = false;
            if let Err(error) = self.file.unlock() {
                tracing::warn!(%error, "the lock of the audit log stays held; other processes cannot write it");
                self.locked = true;
            }
        }
        result
    }

    fn write_locked<'a>(&mut self, entries: impl Iterator<Item = &'a mut Entry>) -> io::Result<()> {
        if self.dirty {
            self.file.truncate(self.scan.good)?;
            self.dirty = false;
        }
        if self.file.size()? != self.scan.good {
            catch_up(&mut *self.file, &mut self.scan)?;
        }
        self.buffer.clear();
        let mut count = 0;
        for entry in entries {
            entry.seq = self.scan.next_seq + count;
            count += 1;
            serde_json::to_writer(&mut self.buffer, entry)?;
            self.buffer.push(b'\n');
        }
        self.dirty = true;
        self.file.append(&self.buffer)?;
        self.file.sync()?;
        self.dirty = false;
        self.scan.written(self.buffer.len() as u64, count);
        Ok(())
    }
}

/// Reads what other processes have written, and puts aside what one of them left unfinished. The lock is held.
pub(super) fn catch_up(file: &mut dyn LogFile, scan: &mut Scan) -> io::Result<()> {
    scan.read_on(file)?;
    if file.size()? < scan.good {
        let cause = format!("the audit log was cut to less than {} bytes; restore it from a copy", scan.good);
        return Err(io::Error::new(io::ErrorKind::InvalidData, cause));
    }
    let torn = scan.mend(file)?;
    if torn > 0 {
        let file = format!("audit.{}.torn", scan.good);
        tracing::warn!(bytes = torn, file, "the audit log ended in an unfinished entry, which was put aside");
    }
    Ok(())
}
