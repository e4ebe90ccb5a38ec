//! The one thread that writes the log: many entries by one write and one sync, and a new try when the disk fails.
//!
//! Takes: batches. Gives: entries on the disk. May name: powers, reason.

use super::load::Loader;
use super::shared::{Shared, Waiting};
use super::tail::{End, Tail};
use super::trees::Draft;
use super::{AuditUnavailable, Entry, LogFile, Phase, Timing, cbor, frame};
use crate::powers::Clock;
use crate::reason::{Outcome, Reason};
use crate::step::{Step, reached};
use std::io;
use std::sync::Arc;
use std::time::Instant;
use tlog_tiles::{Hash, record_hash};

/// The most import records that one entry holds: more go into entries of their own before it.
const RECORDS: usize = 400;

pub(super) struct Writer {
    pub(super) file: Box<dyn LogFile>,
    pub(super) tail: Tail,
    /// Opens the log anew, when other processes have gone on without this one.
    loader: Option<Loader>,
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) timing: Timing,
    buffer: Vec<u8>,
    /// Whether the entries to write begin a new file of the journal, so that the ones before can go.
    anew: bool,
    /// Whether this process holds the file's lock.
    locked: bool,
    /// Whether something of a failed write may stand behind the good part. The lock is kept as long.
    dirty: bool,
    /// When the heads of tenants' trees were told last.
    told: Option<Instant>,
}

impl Writer {
    pub(super) fn new(
        file: Box<dyn LogFile>,
        tail: Tail,
        loader: Option<Loader>,
        shared: Arc<Shared>,
        clock: Arc<dyn Clock>,
        timing: Timing,
    ) -> Self {
        let (buffer, locked, dirty, told, anew) = (Vec::new(), false, false, None, false);
        Self { file, tail, loader, shared, clock, timing, buffer, anew, locked, dirty, told }
    }

    pub(super) fn run(mut self) {
        let mut spare = Vec::new();
        while let Some(mut batch) =
            self.shared.next_batch(&self.timing, std::mem::take(&mut spare), self.tail.trees.has_untold())
        {
            if batch.is_empty() {
                self.told = None;
            }
            let below = batch.last().map(|(ticket, _)| ticket + 1);
            self.anew = drops(&batch);
            match self.write(batch.iter_mut().map(|(_, entry)| entry)) {
                Ok(()) => below.into_iter().for_each(|below| self.shared.written(below)),
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
        self.told = None;
        if self.tail.trees.has_untold()
            && let Err(error) = self.write(std::iter::empty())
        {
            tracing::warn!(%error, "the heads of the tenants' trees could not be written; the next start writes them");
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
            self.anew = drops(&batch);
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
        if self.dirty && self.file.truncate(self.tail.good).is_ok() {
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
            self.file.truncate(self.tail.good)?;
            self.dirty = false;
        }
        if self.file.size()? != self.tail.good {
            self.catch_up()?;
        }
        if self.tail.good > self.timing.file || (self.anew && self.tail.good > 0) {
            self.dirty = true;
            self.file.rotate(self.tail.next_seq)?;
            self.dirty = false;
            self.tail.next_file();
        }
        self.buffer.clear();
        let mut edge = self.tail.edge.clone();
        let mut trees = Draft::default();
        for entry in entries {
            if entry.imports.len() > RECORDS {
                for part in parts(entry) {
                    let hash = write_entry(&part, &mut self.buffer, &mut edge)?;
                    trees.take(&self.tail.trees, (&part).into(), hash).map_err(io::Error::other)?;
                }
            }
            entry.seq = edge.size();
            let hash = write_entry(entry, &mut self.buffer, &mut edge)?;
            trees.take(&self.tail.trees, (&*entry).into(), hash).map_err(io::Error::other)?;
        }
        let now = self.clock.monotonic();
        let due = self.told.is_none_or(|told| now.saturating_duration_since(told) >= self.timing.publish);
        if due {
            for (tenant, head) in self.tail.trees.untold(&trees) {
                let entry = Entry::telling(self.clock.unix_us(), tenant, head);
                let hash = write_entry(&entry, &mut self.buffer, &mut edge)?;
                trees.take(&self.tail.trees, (&entry).into(), hash).map_err(io::Error::other)?;
            }
        }
        // Others have told the heads that were to be told.
        if self.buffer.is_empty() {
            return Ok(());
        }
        frame::put_commit(&mut self.buffer, &self.tail.sign(&edge)?.note);
        let began = self.clock.monotonic();
        reached(Step::BatchBegun);
        self.dirty = true;
        self.file.append(&self.buffer)?;
        reached(Step::BatchAppended);
        self.file.sync()?;
        reached(Step::BatchSynced);
        self.dirty = false;
        if let Some(synced) = self.shared.synced.get() {
            let entries =
                usize::try_from(edge.size().saturating_sub(self.tail.next_seq)).unwrap_or(usize::MAX);
            synced(entries, self.clock.monotonic().saturating_duration_since(began));
        }
        self.tail.written(self.buffer.len(), edge, trees);
        if due {
            self.told = Some(now);
        }
        Ok(())
    }

    fn catch_up(&mut self) -> io::Result<()> {
        if catch_up(&mut *self.file, &mut self.tail)? {
            return Ok(());
        }
        let Some(loader) = &self.loader else {
            return Err(io::Error::other("the journal goes on in a file that is not there"));
        };
        // The new handle's lock is another one, and this one would keep it out.
        self.file.unlock()?;
        self.locked = false;
        (self.file, self.tail) = loader.load()?;
        self.locked = true;
        Ok(())
    }
}

/// Whether one of the entries orders that bodies of others be dropped, which the journal must not keep then.
fn drops(batch: &[Waiting]) -> bool {
    batch.iter().any(|(_, entry)| entry.drops_below().is_some())
}

impl Drop for Writer {
    /// However its thread ends: nobody waits for it any longer, and nothing more is taken.
    fn drop(&mut self) {
        self.shared.abandoned();
    }
}

/// Takes import records out of an entry, into entries that come before it.
fn parts(entry: &mut Entry) -> Vec<Entry> {
    let records = std::mem::take(&mut entry.imports);
    let (more, last) = records.split_at(records.len() - records.len() % RECORDS);
    entry.imports = last.to_vec();
    let part = |imports: &[_]| Entry {
        phase: Phase::Import,
        tenant_id: entry.tenant_id.clone(),
        actor_id: entry.actor_id.clone(),
        call_id: entry.call_id,
        component: entry.component,
        imports: imports.to_vec(),
        ..Entry::outcome(entry.time_us, entry.action.clone(), Reason::Ok, Outcome::Unknown)
    };
    more.chunks(RECORDS).map(part).collect()
}

fn write_entry(entry: &Entry, to: &mut Vec<u8>, edge: &mut super::edge::Edge) -> io::Result<Hash> {
    let start = to.len() + 2;
    to.extend_from_slice(&[0, 0]);
    cbor::encode(entry, to);
    let length = to.len() - start;
    let Some(length) = u16::try_from(length).ok().filter(|_| length <= cbor::LONGEST) else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "an entry is longer than any may be"));
    };
    if let Some(place) = to.get_mut(start - 2..start) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    let hash = record_hash(to.get(start..).unwrap_or_default());
    edge.push(hash).map_err(|e| io::Error::other(e.to_string()))?;
    Ok(hash)
}

/// Reads what other processes have written, and puts aside what one of them left unfinished. The lock is held. `false`
/// when the journal goes on in a file that is gone already.
pub(super) fn catch_up(file: &mut dyn LogFile, tail: &mut Tail) -> io::Result<bool> {
    loop {
        if file.size()? < tail.good {
            let cause = "the audit log's journal was cut while it was in use; restore it from a copy";
            return Err(io::Error::new(io::ErrorKind::InvalidData, cause));
        }
        match tail.read_on(file)? {
            End::Here => break,
            End::Moved if file.follow(tail.next_seq)? => tail.next_file(),
            End::Moved => return Ok(false),
        }
    }
    let torn = tail.mend(file)?;
    if torn > 0 {
        tracing::warn!(
            bytes = torn,
            seq = tail.next_seq,
            "the journal ended in an unfinished batch, which was put aside"
        );
    }
    Ok(true)
}
