//! Keyvalue on one tenant's file: the statements, their limits, the quota, and the arithmetic of `increment`.
//!
//! Takes: a connection, buckets, keys and values. Gives: what is stored. May name: nothing.

use super::size::Size;
use super::{KvError, Writes, memory};
use crate::storage::sqlite::{Schema, counted, stored};
use crate::storage::{Kept, StorageError};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// The longest bucket name, in bytes.
pub const MAX_BUCKET: usize = 255;
/// The longest key, in bytes.
pub const MAX_KEY: usize = 1024;
/// The longest value, in bytes.
pub const MAX_VALUE: usize = 1024 * 1024;
/// The most keys that one listing gives.
pub const MAX_PAGE: usize = 1000;

/// The file in the tenant's folder.
pub(super) const FILE: &str = "store.db";

/// Released migrations are never changed; a new version of the schema is one more entry.
pub(super) const SCHEMA: Schema = Schema {
    application_id: 0x5372_5473,
    migrations: &[
        "CREATE TABLE kv (bucket TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
                   PRIMARY KEY (bucket, key)) STRICT;",
        memory::MIGRATION,
        SIZE,
    ],
    cache_kib: 512,
};

/// The running total, and what was stored before there was one.
const SIZE: &str = "CREATE TABLE kv_size (one INTEGER PRIMARY KEY CHECK (one = 1), entries INTEGER NOT NULL,
        bytes INTEGER NOT NULL) STRICT;
    INSERT INTO kv_size
        SELECT 1, count(*), coalesce(sum(octet_length(key) + length(value)), 0) FROM kv;";

/// Keys of a bucket in the order of their bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyPage {
    /// The keys.
    pub keys: Vec<String>,
    /// Where the next page begins: after this key. `None` on the last page.
    pub after: Option<String>,
}

pub(super) fn check_bucket(bucket: &str) -> Result<(), KvError> {
    if (1..=MAX_BUCKET).contains(&bucket.len()) { Ok(()) } else { Err(KvError::Bucket(bucket.len())) }
}

pub(super) fn check(bucket: &str, key: &str) -> Result<(), KvError> {
    check_bucket(bucket)?;
    if (1..=MAX_KEY).contains(&key.len()) { Ok(()) } else { Err(KvError::Key(key.len())) }
}

pub(super) fn get(c: &Connection, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
    let mut statement = c.prepare_cached("SELECT value FROM kv WHERE bucket = ?1 AND key = ?2")?;
    Ok(statement.query_row([bucket, key], |row| row.get(0)).optional()?)
}

pub(super) fn exists(c: &Connection, bucket: &str, key: &str) -> Result<bool, StorageError> {
    let mut statement = c.prepare_cached("SELECT 1 FROM kv WHERE bucket = ?1 AND key = ?2")?;
    Ok(statement.exists([bucket, key])?)
}

/// The first keys after `after`, at most `limit`.
pub(super) fn list(
    c: &Connection,
    bucket: &str,
    after: &str,
    limit: usize,
) -> Result<Vec<String>, StorageError> {
    // Keys are never empty, so that "after the empty key" is the beginning.
    let mut statement =
        c.prepare_cached("SELECT key FROM kv WHERE bucket = ?1 AND key > ?2 ORDER BY key LIMIT ?3")?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let keys = statement.query_map(params![bucket, after, limit], |row| row.get(0))?;
    Ok(keys.collect::<Result<_, _>>()?)
}

/// Bytes of an entry that count towards the quota.
pub(super) fn entry_size(key: &str, value: usize) -> u64 {
    u64::try_from(key.len().saturating_add(value)).unwrap_or(u64::MAX)
}

/// The size of all entries.
pub(super) fn size(c: &Connection) -> Result<Size, StorageError> {
    let mut statement = c.prepare_cached("SELECT entries, bytes FROM kv_size")?;
    let size = |row: &Row<'_>| Ok(Size { entries: counted(row.get(0)?), bytes: counted(row.get(1)?) });
    Ok(statement.query_row([], size)?)
}

/// The size of one entry, and of all of them, at one moment. Reads no value.
pub(super) fn sizes(c: &Connection, bucket: &str, key: &str) -> Result<(Option<u64>, Size), StorageError> {
    let mut statement = c.prepare_cached(
        "SELECT (SELECT length(value) FROM kv WHERE bucket = ?1 AND key = ?2), entries, bytes FROM kv_size",
    )?;
    let sizes = |row: &Row<'_>| {
        let value: Option<i64> = row.get(0)?;
        let entry = value.map(|value| entry_size(key, usize::try_from(value).unwrap_or(0)));
        Ok((entry, Size { entries: counted(row.get(1)?), bytes: counted(row.get(2)?) }))
    };
    Ok(statement.query_row([bucket, key], sizes)?)
}

fn put(c: &Connection, bucket: &str, key: &str, value: &[u8]) -> Result<(), StorageError> {
    c.prepare_cached(
        "INSERT INTO kv (bucket, key, value) VALUES (?1, ?2, ?3)
         ON CONFLICT (bucket, key) DO UPDATE SET value = ?3",
    )?
    .execute(params![bucket, key, value])?;
    Ok(())
}

fn keep_size(c: &Connection, size: Size) -> Result<(), StorageError> {
    c.prepare_cached("UPDATE kv_size SET entries = ?1, bytes = ?2")?
        .execute([stored(size.entries), stored(size.bytes)])?;
    Ok(())
}

/// Makes the changes and keeps the sum; refuses all of them when the tenant would have more than its quota.
pub(super) fn apply(c: &Connection, writes: &Writes, quota: Size) -> Result<(), StorageError> {
    if writes.keys() == 0 {
        return Ok(());
    }
    let before = size(c)?;
    let mut after = before;
    for (bucket, key, value) in writes.iter() {
        let (was, _) = sizes(c, bucket, key)?;
        match value {
            Some(value) => put(c, bucket, key, value)?,
            None => {
                c.prepare_cached("DELETE FROM kv WHERE bucket = ?1 AND key = ?2")?.execute([bucket, key])?;
            }
        }
        after = after.without(was).with(value.map(|value| entry_size(key, value.len())));
    }
    // Other calls may have committed since this one was told that there is room.
    if !quota.allows(before, after) {
        return Err(StorageError::Quota { of: Kept::Keyvalue, entries: quota.entries, bytes: quota.bytes });
    }
    keep_size(c, after)
}

/// Adds to a number that is kept as decimal text; a key that is not there counts as 0.
pub(super) fn add(value: Option<&[u8]>, delta: u64) -> Result<u64, KvError> {
    let number = match value {
        None => 0,
        Some(digits) if digits.iter().all(u8::is_ascii_digit) => str::from_utf8(digits)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
            .ok_or(KvError::NotANumber)?,
        Some(_) => return Err(KvError::NotANumber),
    };
    number.checked_add(delta).ok_or(KvError::Overflow)
}

/// Adds at once, or changes nothing when it fails.
pub(super) fn increment(
    c: &Connection,
    bucket: &str,
    key: &str,
    delta: u64,
    quota: Size,
) -> Result<u64, KvError> {
    let sum = add(get(c, bucket, key)?.as_deref(), delta)?;
    let (was, before) = sizes(c, bucket, key)?;
    let digits = sum.to_string();
    let after = before.without(was).with(Some(entry_size(key, digits.len())));
    if !quota.allows(before, after) {
        return Err(KvError::Quota { entries: quota.entries, bytes: quota.bytes });
    }
    put(c, bucket, key, digits.as_bytes())?;
    keep_size(c, after)?;
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::folder::tests::temporary;
    use crate::storage::sqlite;

    #[test]
    fn an_old_file_is_counted_once_when_it_is_migrated() {
        let (_guard, folder) = temporary();
        let old = Schema { migrations: SCHEMA.migrations.get(..2).unwrap(), ..SCHEMA };
        let file = sqlite::open(&folder, FILE, &old).unwrap();
        for (bucket, key, value) in
            [("a", "plain", b"12".as_slice()), ("b", "plain", b""), ("b", "\u{e4}\u{20ac}\0x", b"\0\0\0")]
        {
            put(&file, bucket, key, value).unwrap();
        }
        assert!(size(&file).is_err(), "the old schema has no total");
        drop(file);
        for _ in 0..2 {
            let new = sqlite::open(&folder, FILE, &SCHEMA).unwrap();
            assert_eq!(size(&new).unwrap(), Size { entries: 3, bytes: 5 + 2 + 5 + 7 + 3 });
            assert_eq!(sizes(&new, "b", "\u{e4}\u{20ac}\0x").unwrap().0, Some(10));
        }
    }
}
