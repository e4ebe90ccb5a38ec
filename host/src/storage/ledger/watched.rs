//! What every process keeps in memory and any process may change: kill switches and API keys.
//!
//! Takes: the tables. Gives: the same in memory, read again when another process has changed them. May name: nothing.

use super::keys::{self, KeyTable};
use super::kill::{self, KillTable};
use crate::storage::StorageError;
use crate::storage::sqlite::number;
use parking_lot::{Mutex, RwLock};
use rusqlite::Connection;

/// The tables in memory.
#[derive(Debug, Default)]
pub(super) struct Watched {
    pub(super) kills: RwLock<KillTable>,
    pub(super) keys: RwLock<KeyTable>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Seen {
    data: Option<i64>,
    kills: Option<i64>,
    keys: Option<i64>,
}

impl Watched {
    /// Reads what has changed. `data_version` moves only when another connection has written, so this costs
    /// microseconds when there is nothing to read. Called with the writer's connection alone.
    pub(super) fn look(&self, c: &Connection) -> Result<(), StorageError> {
        let data = Some(number(c, "data_version")?);
        let before = *self.seen.lock();
        if before.data == data {
            return Ok(());
        }
        let now = Seen { data, kills: generation(c, "kills")?, keys: generation(c, "keys")? };
        if now.kills != before.kills {
            *self.kills.write() = kill::load(c)?;
        }
        if now.keys != before.keys {
            *self.keys.write() = keys::load(c)?;
        }
        *self.seen.lock() = now;
        Ok(())
    }
}

fn generation(c: &Connection, what: &str) -> Result<Option<i64>, StorageError> {
    let read = c.query_row("SELECT n FROM generations WHERE what = ?1", [what], |row| row.get(0))?;
    Ok(Some(read))
}

/// Counts a change, so that other processes read the table again.
pub(super) fn changed(c: &Connection, what: &str) -> Result<(), StorageError> {
    c.execute("UPDATE generations SET n = n + 1 WHERE what = ?1", [what])?;
    Ok(())
}
