//! Memory on one tenant's file: the statements, their limits, and the quota.
//!
//! Takes: a connection, entries and questions. Gives: what is stored. May name: nothing.

use super::query::Query;
use super::remembered::{Entry, Remembered};
use super::size::Size;
use super::{Found, MemoryError};
use crate::storage::sqlite::{counted, stored};
use crate::storage::{Kept, StorageError};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeSet;

/// The longest identifier, in bytes.
pub const MAX_ID: usize = 128;
/// The longest text, in bytes: 64 KiB.
pub const MAX_TEXT: usize = 64 * 1024;
/// The most tags of an entry.
pub const MAX_TAGS: usize = 16;
/// The longest tag, in bytes.
pub const MAX_TAG: usize = 64;
/// The longest question, in bytes.
pub const MAX_QUERY: usize = 4096;
/// The most words of a question that are looked for.
pub const MAX_WORDS: usize = 64;
/// The most entries that one question finds.
pub const MAX_TOP_K: u32 = 100;

/// Between two tags in their column; tags hold no control characters.
const SEPARATOR: char = '\n';

/// The index holds no second copy of the texts: it reads them from the table, and whoever changes a row changes both.
/// `secure-delete` takes a forgotten text's words out of the index at once.
pub(super) const MIGRATION: &str = "CREATE TABLE memory (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
        text TEXT NOT NULL, tags TEXT NOT NULL, bytes INTEGER NOT NULL) STRICT;
    CREATE VIRTUAL TABLE memory_index USING fts5(text, tags, content='memory', content_rowid='n',
        tokenize='unicode61 remove_diacritics 2');
    INSERT INTO memory_index (memory_index, rank) VALUES ('secure-delete', 1);
    CREATE TABLE memory_size (one INTEGER PRIMARY KEY CHECK (one = 1), entries INTEGER NOT NULL,
        bytes INTEGER NOT NULL) STRICT;
    INSERT INTO memory_size VALUES (1, 0, 0);";

pub(super) fn check_id(id: &str) -> Result<(), MemoryError> {
    match (1..=MAX_ID).contains(&id.len()) && !id.contains(char::is_control) {
        true => Ok(()),
        false => Err(MemoryError::Id(id.len())),
    }
}

pub(super) fn check(id: &str, entry: &Entry) -> Result<(), MemoryError> {
    check_id(id)?;
    if !(1..=MAX_TEXT).contains(&entry.text.len()) {
        return Err(MemoryError::Text(entry.text.len()));
    }
    let fits = |tag: &String| (1..=MAX_TAG).contains(&tag.len()) && !tag.contains(char::is_control);
    match entry.tags.len() <= MAX_TAGS && entry.tags.iter().all(fits) {
        true => Ok(()),
        false => Err(MemoryError::Tags),
    }
}

/// The size of a stored entry.
pub(super) fn size_of(c: &Connection, id: &str) -> Result<Option<u64>, StorageError> {
    let mut statement = c.prepare_cached("SELECT bytes FROM memory WHERE id = ?1")?;
    Ok(statement.query_row([id], |row| row.get(0)).optional()?.map(counted))
}

pub(super) fn size(c: &Connection) -> Result<Size, StorageError> {
    let mut statement = c.prepare_cached("SELECT entries, bytes FROM memory_size")?;
    let size =
        |row: &rusqlite::Row<'_>| Ok(Size { entries: counted(row.get(0)?), bytes: counted(row.get(1)?) });
    Ok(statement.query_row([], size)?)
}

/// The best committed entries, without the hidden ones.
pub(super) fn search(
    c: &Connection,
    query: &Query,
    limit: usize,
    hidden: &BTreeSet<String>,
) -> Result<Vec<Found>, StorageError> {
    let Some(expression) = query.expression().filter(|_| limit > 0) else { return Ok(Vec::new()) };
    // The texts are read for the best alone, and entries that fit equally well stand in a fixed order.
    let mut statement = c.prepare_cached(
        "WITH best AS (SELECT rowid AS n, rank AS weight FROM memory_index WHERE memory_index MATCH ?1
                       ORDER BY rank LIMIT ?2)
         SELECT id, text, tags, -weight FROM best JOIN memory USING (n) ORDER BY weight, n",
    )?;
    // So many that enough are left even when every hidden entry is among them.
    let most = i64::try_from(limit.saturating_add(hidden.len())).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![expression, most])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        if hidden.contains(&id) {
            continue;
        }
        let tags: String = row.get(2)?;
        let tags = tags.split(SEPARATOR).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
        found.push(Found { id, text: row.get(1)?, tags, score: row.get(3)?, pending: false });
        if found.len() == limit {
            break;
        }
    }
    Ok(found)
}

/// Makes the changes and keeps the sum; refuses all of them when the tenant would have more than its quota.
pub(super) fn apply(c: &Connection, changes: &Remembered, quota: Size) -> Result<(), StorageError> {
    if changes.is_empty() {
        return Ok(());
    }
    let before = size(c)?;
    let mut after = before;
    for (id, entry) in changes.iter() {
        let was = size_of(c, id)?;
        if was.is_some() {
            remove(c, id)?;
        }
        let now = entry.map(|entry| entry.size(id));
        if let (Some(entry), Some(bytes)) = (entry, now) {
            insert(c, id, entry, bytes)?;
        }
        after = after.without(was).with(now);
    }
    // Other calls may have committed since this one was told that there is room.
    if !quota.allows(before, after) {
        return Err(StorageError::Quota { of: Kept::Memory, entries: quota.entries, bytes: quota.bytes });
    }
    c.prepare_cached("UPDATE memory_size SET entries = ?1, bytes = ?2")?
        .execute([stored(after.entries), stored(after.bytes)])?;
    Ok(())
}

fn remove(c: &Connection, id: &str) -> Result<(), StorageError> {
    c.prepare_cached(
        "INSERT INTO memory_index (memory_index, rowid, text, tags)
         SELECT 'delete', n, text, tags FROM memory WHERE id = ?1",
    )?
    .execute([id])?;
    c.prepare_cached("DELETE FROM memory WHERE id = ?1")?.execute([id])?;
    Ok(())
}

fn insert(c: &Connection, id: &str, entry: &Entry, bytes: u64) -> Result<(), StorageError> {
    let tags = entry.tags.join(&String::from(SEPARATOR));
    c.prepare_cached("INSERT INTO memory (id, text, tags, bytes) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![id, entry.text, tags, stored(bytes)])?;
    c.prepare_cached("INSERT INTO memory_index (rowid, text, tags) VALUES (?1, ?2, ?3)")?
        .execute(params![c.last_insert_rowid(), entry.text, tags])?;
    Ok(())
}
