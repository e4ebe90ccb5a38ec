//! What a call has written and not yet committed.
//!
//! Takes: the call's writes. Gives: them back, over what is stored. Pure. May name: nothing.

use super::remembered::Remembered;
use super::{KeyPage, KvError, MAX_PAGE, MAX_VALUE, kv};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// The most keys, and the most entries of the memory, that a call may write before it ends.
pub const MAX_PENDING_KEYS: usize = 10_000;
/// The most bytes, keys and values together, that a call may write before it ends: 16 MiB; and as many again in its memory.
pub const MAX_PENDING_BYTES: usize = 16 * 1024 * 1024;

/// A call's writes to keyvalue and memory, to be committed together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Writes {
    buckets: BTreeMap<String, BTreeMap<String, Option<Vec<u8>>>>,
    keys: usize,
    bytes: usize,
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

    /// Sets a key, or deletes it with `None`.
    ///
    /// # Errors
    /// [`KvError`] when a name or the value is too long or the call has written too much; nothing changes then.
    pub fn put(&mut self, bucket: &str, key: &str, value: Option<Vec<u8>>) -> Result<(), KvError> {
        kv::check(bucket, key)?;
        let size = value.as_ref().map_or(0, Vec::len);
        if size > MAX_VALUE {
            return Err(KvError::Value(size));
        }
        let old = self.get(bucket, key).map(|v| v.map_or(0, <[u8]>::len));
        let keys = self.keys + usize::from(old.is_none());
        let bytes = self.bytes - old.map_or(0, |len| len + key.len()) + size + key.len();
        if keys > MAX_PENDING_KEYS || bytes > MAX_PENDING_BYTES {
            return Err(KvError::TooMuch);
        }
        self.buckets.entry(bucket.to_owned()).or_default().insert(key.to_owned(), value);
        (self.keys, self.bytes) = (keys, bytes);
        Ok(())
    }

    /// What the call has written to a key: `None` when nothing, `Some(None)` when it deleted it.
    #[must_use]
    pub fn get(&self, bucket: &str, key: &str) -> Option<Option<&[u8]>> {
        self.buckets.get(bucket)?.get(key).map(Option::as_deref)
    }

    /// Every write to keyvalue: bucket, key, and the value or `None` for a deletion.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, Option<&[u8]>)> {
        self.buckets.iter().flat_map(|(bucket, keys)| {
            keys.iter().map(move |(key, value)| (bucket.as_str(), key.as_str(), value.as_deref()))
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
        let deleted: BTreeSet<&str> = own().filter(|(_, v)| v.is_none()).map(|(k, _)| k.as_str()).collect();
        // So many that a full page and one more are left even when every deleted key is among them.
        let stored = stored(after, limit + 1 + deleted.len())?;
        let mut keys: BTreeSet<String> =
            stored.into_iter().filter(|key| !deleted.contains(key.as_str())).collect();
        keys.extend(own().filter(|(_, v)| v.is_some()).take(limit + 1).map(|(k, _)| k.clone()));
        let more = keys.len() > limit;
        let keys: Vec<String> = keys.into_iter().take(limit).collect();
        let after = keys.last().filter(|_| more).cloned();
        Ok(KeyPage { keys, after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_and_a_refused_write_changes_nothing() {
        let mut writes = Writes::default();
        assert_eq!(writes.put("", "k", None), Err(KvError::Bucket(0)));
        assert_eq!(writes.put("b", "", None), Err(KvError::Key(0)));
        assert_eq!(writes.put("b", &"k".repeat(1025), None), Err(KvError::Key(1025)));
        assert_eq!(writes.put("b", "k", Some(vec![0; MAX_VALUE + 1])), Err(KvError::Value(MAX_VALUE + 1)));
        assert!(writes.is_empty());
        for i in 0..16 {
            let fits = writes.put("b", &format!("{i:02}"), Some(vec![0; MAX_VALUE]));
            assert_eq!(fits.is_ok(), i < 15, "{i}");
        }
        assert_eq!((writes.keys(), writes.bytes()), (15, 15 * (MAX_VALUE + 2)));
        writes.put("b", "00", None).unwrap();
        assert_eq!((writes.keys(), writes.bytes()), (15, 14 * MAX_VALUE + 15 * 2));
        writes.put("b", "15", Some(vec![0; MAX_VALUE])).unwrap();
    }

    #[test]
    fn a_call_writes_a_bounded_number_of_keys() {
        let mut writes = Writes::default();
        for i in 0..MAX_PENDING_KEYS {
            writes.put("b", &i.to_string(), None).unwrap();
        }
        assert_eq!(writes.put("b", "one more", None), Err(KvError::TooMuch));
        writes.put("b", "0", Some(vec![1])).unwrap();
    }
}
