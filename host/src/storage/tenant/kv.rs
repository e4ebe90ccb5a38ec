//! Keyvalue on one tenant's file: the statements, their limits, and the arithmetic of `increment`.
//!
//! Takes: a connection, buckets, keys and values. Gives: what is stored. May name: nothing.

use super::{KvError, Writes, memory};
use crate::storage::StorageError;
use crate::storage::sqlite::Schema;
use rusqlite::{Connection, OptionalExtension, params};

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
    ],
    cache_kib: 512,
};

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

pub(super) fn put(c: &Connection, bucket: &str, key: &str, value: &[u8]) -> Result<(), StorageError> {
    c.prepare_cached(
        "INSERT INTO kv (bucket, key, value) VALUES (?1, ?2, ?3)
         ON CONFLICT (bucket, key) DO UPDATE SET value = ?3",
    )?
    .execute(params![bucket, key, value])?;
    Ok(())
}

pub(super) fn apply(c: &Connection, writes: &Writes) -> Result<(), StorageError> {
    for (bucket, key, value) in writes.iter() {
        match value {
            Some(value) => put(c, bucket, key, value)?,
            None => {
                c.prepare_cached("DELETE FROM kv WHERE bucket = ?1 AND key = ?2")?.execute([bucket, key])?;
            }
        }
    }
    Ok(())
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

pub(super) fn increment(c: &Connection, bucket: &str, key: &str, delta: u64) -> Result<u64, KvError> {
    let sum = add(get(c, bucket, key)?.as_deref(), delta)?;
    put(c, bucket, key, sum.to_string().as_bytes())?;
    Ok(sum)
}
