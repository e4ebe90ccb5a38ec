//! What a call has written and not yet committed.
//!
//! Takes: the call's writes. Gives: them back, over what is stored. Pure. May name: nothing.

use super::remembered::Remembered;
use super::size::{Room, Tally};
use super::{KeyPage, KvError, MAX_PAGE, MAX_VALUE, kv};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// The most keys, and the most entries of the memory, that a call may write before it ends.
pub const MAX_PENDING_KEYS: usize = 10_000;
/// The most bytes, keys and values together, that a call may write before it ends: 16 MiB; and as many again in its memory.
pub const MAX_PENDING_BYTES: usize = 16 * 1024 * 1024;

/// A key that the call has set, or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    /// The size of the committed entry when the call first changed it.
    was: Option<u64>,
    now: Option<Vec<u8>>,
}

/// A call's writes to keyvalue and memory, to be committed together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Writes {
    buckets: BTreeMap<String, BTreeMap<String, Change>>,
    keys: usize,
    bytes: usize,
    tally: Tally,
    pub(super) memory: Remembered,
}

impl Writes {
    /// Whether there is nothing to commit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys == 0 && self.memory.is_empty()
    }

    /// How many keys are written or deleted.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.keys
    }

    /// Bytes of keys and values that are held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Sets a key, or deletes it with `None`; or changes nothing when it fails.
    pub(super) fn put(
        &mut self,
        bucket: &str,
        key: &str,
        value: Option<Vec<u8>>,
        room: Room,
    ) -> Result<(), KvError> {
        let size = value.as_ref().map_or(0, Vec::len);
        if size > MAX_VALUE {
            return Err(KvError::Value(size));
        }
        let old = self.buckets.get(bucket).and_then(|keys| keys.get(key));
        let was = old.map_or(room.was, |change| change.was);
        let of = |value: Option<&Vec<u8>>| value.map(|value| kv::entry_size(key, value.len()));
        let before = old.and_then(|change| change.now.as_ref());
        let tally = self.tally.with(was.filter(|_| old.is_none()), of(before), of(value.as_ref()));
        let held = old.map_or(0, |_| key.len() + before.map_or(0, Vec::len));
        let (keys, bytes) = (self.keys + usize::from(old.is_none()), self.bytes - held + key.len() + size);
        if keys > MAX_PENDING_KEYS || bytes > MAX_PENDING_BYTES {
            return Err(KvError::TooMuch);
        }
        if !self.tally.may_become(tally, room) {
            return Err(KvError::Quota { entries: room.quota.entries, bytes: room.quota.bytes });
        }
        self.buckets.entry(bucket.to_owned()).or_default().insert(key.to_owned(), Change { was, now: value });
        (self.keys, self.bytes, self.tally) = (keys, bytes, tally);
        Ok(())
    }

    /// What the call has written to a key: `None` when nothing, `Some(None)` when it deleted it.
    #[must_use]
    pub fn get(&self, bucket: &str, key: &str) -> Option<Option<&[u8]>> {
        self.buckets.get(bucket)?.get(key).map(|change| change.now.as_deref())
    }

    /// Every write to keyvalue: bucket, key, and the value or `None` for a deletion.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, Option<&[u8]>)> {
        self.buckets.iter().flat_map(|(bucket, keys)| {
            keys.iter().map(move |(key, change)| (bucket.as_str(), key.as_str(), change.now.as_deref()))
        })
    }

    /// A page of a bucket as the call sees it. `stored` gives the first so many stored keys after a key.
    pub(super) fn list<E>(
        &self,
        bucket: &str,
        after: Option<&str>,
        limit: usize,
        stored: impl FnOnce(&str, usize) -> Result<Vec<String>, E>,
    ) -> Result<KeyPage, E> {
        let (limit, after) = (limit.clamp(1, MAX_PAGE), after.unwrap_or(""));
        let own = || {
            let range = (Bound::Excluded(after), Bound::Unbounded);
            self.buckets.get(bucket).into_iter().flat_map(move |keys| keys.range::<str, _>(range))
        };
        let deleted: BTreeSet<&str> =
            own().filter(|(_, change)| change.now.is_none()).map(|(k, _)| k.as_str()).collect();
        // So many that a full page and one more are left even when every deleted key is among them.
        let stored = stored(after, limit + 1 + deleted.len())?;
        let mut keys: BTreeSet<String> =
            stored.into_iter().filter(|key| !deleted.contains(key.as_str())).collect();
        keys.extend(own().filter(|(_, change)| change.now.is_some()).take(limit + 1).map(|(k, _)| k.clone()));
        let more = keys.len() > limit;
        let keys: Vec<String> = keys.into_iter().take(limit).collect();
        let after = keys.last().filter(|_| more).cloned();
        Ok(KeyPage { keys, after })
    }
}

#[cfg(test)]
mod tests {
    use super::super::size::Size;
    use super::*;

    /// Room for anything, over a store without entries.
    const ROOM: Room = Room {
        was: None,
        total: Size { entries: 0, bytes: 0 },
        quota: Size { entries: u64::MAX, bytes: u64::MAX },
    };

    #[test]
    fn limits_hold_and_a_refused_write_changes_nothing() {
        let mut writes = Writes::default();
        assert_eq!(
            writes.put("b", "k", Some(vec![0; MAX_VALUE + 1]), ROOM),
            Err(KvError::Value(MAX_VALUE + 1))
        );
        assert!(writes.is_empty());
        for i in 0..16 {
            let fits = writes.put("b", &format!("{i:02}"), Some(vec![0; MAX_VALUE]), ROOM);
            assert_eq!(fits.is_ok(), i < 15, "{i}");
        }
        assert_eq!((writes.keys(), writes.bytes()), (15, 15 * (MAX_VALUE + 2)));
        writes.put("b", "00", None, ROOM).unwrap();
        assert_eq!((writes.keys(), writes.bytes()), (15, 14 * MAX_VALUE + 15 * 2));
        writes.put("b", "15", Some(vec![0; MAX_VALUE]), ROOM).unwrap();
    }

    #[test]
    fn a_call_writes_a_bounded_number_of_keys() {
        let mut writes = Writes::default();
        for i in 0..MAX_PENDING_KEYS {
            writes.put("b", &i.to_string(), None, ROOM).unwrap();
        }
        assert_eq!(writes.put("b", "one more", None, ROOM), Err(KvError::TooMuch));
        writes.put("b", "0", Some(vec![1]), ROOM).unwrap();
    }
}
