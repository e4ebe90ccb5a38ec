//! What a call has remembered and forgotten and not yet committed.
//!
//! Takes: the call's changes. Gives: them back, and what of them fits a question. Pure. May name: nothing.

use super::query::Query;
use super::size::{Room, Tally};
use super::{MAX_PENDING_BYTES, MAX_PENDING_KEYS, MemoryError};
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
    tally: Tally,
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

    /// Changes an entry, or nothing when it fails.
    pub(super) fn put(&mut self, id: &str, now: Option<Entry>, room: Room) -> Result<(), MemoryError> {
        let old = self.changes.get(id);
        let was = old.map_or(room.was, |change| change.was);
        let size = |entry: Option<&Entry>| entry.map(|entry| entry.size(id));
        let takes = was.filter(|_| old.is_none());
        let tally =
            self.tally.with(takes, size(old.and_then(|change| change.now.as_ref())), size(now.as_ref()));
        let count = self.changes.len() + usize::from(old.is_none());
        let most = u64::try_from(MAX_PENDING_BYTES).unwrap_or(u64::MAX);
        if count > MAX_PENDING_KEYS || tally.comes.bytes > most {
            return Err(MemoryError::TooMuch);
        }
        if !self.tally.may_become(tally, room) {
            return Err(MemoryError::Quota { entries: room.quota.entries, bytes: room.quota.bytes });
        }
        self.changes.insert(id.to_owned(), Change { was, now });
        self.tally = tally;
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
