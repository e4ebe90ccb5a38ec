//! What a call has remembered and forgotten and not yet committed.
//!
//! Takes: the call's changes. Gives: them back, and what of them fits a question. Pure. May name: nothing.

use super::query::Query;
use super::{MAX_PENDING_BYTES, MAX_PENDING_KEYS, MemoryError, MemorySize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// An entry that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Its identifier.
    pub id: String,
    /// Its text.
    pub text: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// How well it fits, more is better: the BM25 weight of a committed entry, the number of the question's words in a
    /// pending one.
    pub score: f64,
    /// Whether the call that asks has remembered it itself and not yet committed.
    pub pending: bool,
}

/// What is kept under an identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) text: String,
    pub(super) tags: Vec<String>,
}

impl Entry {
    /// Bytes that count towards the quota.
    pub(super) fn size(&self, id: &str) -> u64 {
        let tags: usize = self.tags.iter().map(String::len).sum();
        u64::try_from(id.len() + self.text.len() + tags).unwrap_or(u64::MAX)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    /// The size of the committed entry when the call first changed it.
    was: Option<u64>,
    now: Option<Entry>,
}

/// A call's changes, to be committed together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Remembered {
    changes: BTreeMap<String, Change>,
    /// The committed entries that the changes take away or replace.
    goes: MemorySize,
    /// The entries that they bring.
    comes: MemorySize,
}

impl Remembered {
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Option<&Entry>)> {
        self.changes.iter().map(|(id, change)| (id.as_str(), change.now.as_ref()))
    }

    /// Identifiers whose committed entries are no longer what the call sees.
    pub(super) fn ids(&self) -> BTreeSet<String> {
        self.changes.keys().cloned().collect()
    }

    /// Whether the entry is there as the call sees it: `None` when the call has not touched it.
    pub(super) fn has(&self, id: &str) -> Option<bool> {
        self.changes.get(id).map(|change| change.now.is_some())
    }

    /// Changes an entry, or nothing when it fails. `was` is the size of the committed entry, `committed` that of the whole
    /// memory.
    pub(super) fn put(
        &mut self,
        id: &str,
        now: Option<Entry>,
        was: Option<u64>,
        committed: MemorySize,
        quota: MemorySize,
    ) -> Result<(), MemoryError> {
        let old = self.changes.get(id);
        let was = old.map_or(was, |change| change.was);
        let size = |entry: Option<&Entry>| entry.map(|entry| entry.size(id));
        let (mut goes, mut comes) = (self.goes, self.comes);
        if old.is_none() {
            goes = goes.with(was);
        }
        comes = comes.without(size(old.and_then(|change| change.now.as_ref()))).with(size(now.as_ref()));
        let count = self.changes.len() + usize::from(old.is_none());
        let most = u64::try_from(MAX_PENDING_BYTES).unwrap_or(u64::MAX);
        if count > MAX_PENDING_KEYS || comes.bytes > most {
            return Err(MemoryError::TooMuch);
        }
        let before = committed.less(self.goes).plus(self.comes);
        if !quota.allows(before, committed.less(goes).plus(comes)) {
            return Err(MemoryError::Quota { entries: quota.entries, bytes: quota.bytes });
        }
        self.changes.insert(id.to_owned(), Change { was, now });
        (self.goes, self.comes) = (goes, comes);
        Ok(())
    }

    /// The entries that hold words of the question: most of them first, at most `limit`.
    pub(super) fn matching(&self, query: &Query, limit: usize) -> Vec<Found> {
        let entries = self.iter().filter_map(|(id, entry)| Some((id, entry?)));
        let mut scored: Vec<(u32, &str, &Entry)> = entries
            .map(|(id, entry)| {
                let texts = std::iter::once(&entry.text).chain(&entry.tags).map(String::as_str);
                (query.held_by(texts), id, entry)
            })
            .filter(|(held, ..)| *held > 0)
            .collect();
        scored.sort_by_key(|(held, id, _)| (Reverse(*held), *id));
        let found = scored.into_iter().take(limit).map(|(held, id, entry)| Found {
            id: id.to_owned(),
            text: entry.text.clone(),
            tags: entry.tags.clone(),
            score: f64::from(held),
            pending: true,
        });
        found.collect()
    }
}

impl MemorySize {
    fn with(self, bytes: Option<u64>) -> Self {
        bytes.map_or(self, |bytes| self.plus(Self { entries: 1, bytes }))
    }

    fn without(self, bytes: Option<u64>) -> Self {
        bytes.map_or(self, |bytes| self.less(Self { entries: 1, bytes }))
    }

    fn plus(self, other: Self) -> Self {
        let entries = self.entries.saturating_add(other.entries);
        Self { entries, bytes: self.bytes.saturating_add(other.bytes) }
    }

    fn less(self, other: Self) -> Self {
        let entries = self.entries.saturating_sub(other.entries);
        Self { entries, bytes: self.bytes.saturating_sub(other.bytes) }
    }
}
