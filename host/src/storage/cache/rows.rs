//! Where entries are kept: on disk, or in memory when the disk cannot be used.
//!
//! Takes: places and sealed entries. Gives: `Rows`. May name: storage.
//!
//! Each entry is one value under its place, and one mark under the time when it expires. Either may be lost without harm: a
//! value without a mark goes when it is found expired, a mark without a value when its time comes.

use super::disk::Disk;
use super::secret::{Prefix, Row};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// Why entries cannot be kept any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) why: String,
    /// Whether what is on the disk is to blame, and not the disk.
    pub(super) damaged: bool,
}

/// A kept entry, as far as an index needs it.
pub(super) struct Kept {
    pub(super) row: Row,
    /// The first bytes of it.
    pub(super) head: Vec<u8>,
    pub(super) len: usize,
}

/// The entries of all tenants.
pub(super) enum Rows {
    Disk(Disk),
    Memory(Mutex<InMemory>),
}

#[derive(Default)]
pub(super) struct InMemory {
    values: BTreeMap<Row, Vec<u8>>,
    marks: BTreeSet<(u64, Row)>,
}

impl Rows {
    pub(super) fn in_memory() -> Self {
        Self::Memory(Mutex::default())
    }

    pub(super) fn get(&self, row: &Row) -> Result<Option<Vec<u8>>, Broken> {
        match self {
            Self::Disk(disk) => disk.run(|open| Ok(open.values.get(row)?.map(|value| value.to_vec()))),
            Self::Memory(memory) => Ok(memory.lock().values.get(row).cloned()),
        }
    }

    /// Keeps an entry of `bytes` as they are counted, in place of the one before, which was to expire at `before`.
    pub(super) fn put(
        &self,
        row: &Row,
        kept: Vec<u8>,
        (expires_ms, bytes): (u64, u64),
        before: Option<u64>,
    ) -> Result<(), Broken> {
        let before = before.filter(|before| *before != expires_ms);
        match self {
            Self::Disk(disk) => disk.run(|open| {
                open.marks.insert(mark(expires_ms, row), &bytes.to_be_bytes())?;
                open.values.insert(row, kept)?;
                if let Some(before) = before {
                    open.marks.remove(mark(before, row))?;
                }
                Ok(())
            }),
            Self::Memory(memory) => {
                let InMemory { values, marks } = &mut *memory.lock();
                marks.insert((expires_ms, *row));
                values.insert(*row, kept);
                if let Some(before) = before {
                    marks.remove(&(before, *row));
                }
                Ok(())
            }
        }
    }

    pub(super) fn remove(&self, row: &Row, expires_ms: u64) -> Result<(), Broken> {
        match self {
            Self::Disk(disk) => disk.run(|open| {
                open.values.remove(row)?;
                open.marks.remove(mark(expires_ms, row))?;
                Ok(())
            }),
            Self::Memory(memory) => {
                let InMemory { values, marks } = &mut *memory.lock();
                values.remove(row);
                marks.remove(&(expires_ms, *row));
                Ok(())
            }
        }
    }

    /// Takes away the mark alone.
    pub(super) fn unmark(&self, row: &Row, expires_ms: u64) -> Result<(), Broken> {
        match self {
            Self::Disk(disk) => disk.run(|open| open.marks.remove(mark(expires_ms, row)).map(drop)),
            Self::Memory(memory) => {
                memory.lock().marks.remove(&(expires_ms, *row));
                Ok(())
            }
        }
    }

    /// A tenant's entries.
    pub(super) fn of(&self, prefix: &Prefix) -> Result<Vec<Kept>, Broken> {
        let kept = |row: Row, value: &[u8]| Kept {
            row,
            head: value.iter().take(32).copied().collect(),
            len: value.len(),
        };
        match self {
            Self::Disk(disk) => disk.run(|open| {
                let mut all = Vec::new();
                for entry in open.values.scan_prefix(prefix) {
                    let (row, value) = entry?;
                    all.extend(row.as_ref().try_into().ok().map(|row| kept(row, &value)));
                }
                Ok(all)
            }),
            Self::Memory(memory) => {
                let memory = memory.lock();
                let from = std::array::from_fn(|at| prefix.get(at).copied().unwrap_or(0));
                let rows = memory.values.range((Bound::Included(from), Bound::Unbounded));
                let rows = rows.take_while(|(row, _)| row.starts_with(prefix));
                Ok(rows.map(|(row, value)| kept(*row, value)).collect())
            }
        }
    }

    /// Marks whose time has come, oldest first, at most so many.
    pub(super) fn due(&self, now_ms: u64, most: usize) -> Result<Vec<(u64, Row)>, Broken> {
        let Some(end) = now_ms.checked_add(1) else { return Ok(Vec::new()) };
        match self {
            Self::Disk(disk) => disk.run(|open| {
                let mut all = Vec::new();
                for entry in open.marks.range(..end.to_be_bytes()).take(most) {
                    let (key, _) = entry?;
                    match unmarked(&key) {
                        Some(due) => all.push(due),
                        None => drop(open.marks.remove(key)?),
                    }
                }
                Ok(all)
            }),
            Self::Memory(memory) => {
                Ok(memory.lock().marks.range(..(end, [0; 48])).take(most).copied().collect())
            }
        }
    }

    /// Bytes of all entries as they were counted.
    pub(super) fn total(&self) -> Result<u64, Broken> {
        match self {
            Self::Disk(disk) => disk.run(|open| {
                let mut sum = 0_u64;
                for entry in open.marks.iter().values() {
                    let bytes = entry?.as_ref().try_into().map_or(0, u64::from_be_bytes);
                    sum = sum.saturating_add(bytes);
                }
                Ok(sum)
            }),
            Self::Memory(_) => Ok(0),
        }
    }
}

fn mark(expires_ms: u64, row: &Row) -> [u8; 56] {
    let mut key = [0; 56];
    let bytes = expires_ms.to_be_bytes();
    key.iter_mut().zip(bytes.iter().chain(row)).for_each(|(to, from)| *to = *from);
    key
}

fn unmarked(key: &[u8]) -> Option<(u64, Row)> {
    let (expires, row) = key.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*expires), row.try_into().ok()?))
}
