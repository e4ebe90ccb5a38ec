//! How a SQLite file of ours is opened: WAL, full synchronisation, checked, and brought to today's schema.
//!
//! Takes: a folder, a file name and a list of migrations. Gives: a `Connection`. May name: nothing.

use super::{Folder, StorageError};
use cap_std::fs::{OpenOptions, OpenOptionsExt};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::io;
use std::time::Duration;

/// How long one process waits for another's lock.
const BUSY: Duration = Duration::from_secs(5);
/// The pause before the switch to WAL is tried again, for which SQLite itself does not wait.
const PAUSE: Duration = Duration::from_millis(20);

/// The longest file that [`scrub`] writes anew: 64 MiB take a second or two, and others wait for [`BUSY`].
const REWRITTEN: i64 = 64 << 20;

/// The statements that lead from an empty file to today's tables; `user_version` counts how many have run.
/// Statements that were released are never changed: new ones are added at the end.
#[derive(Debug)]
pub(super) struct Schema {
    /// Marks the file as ours, so that another program's database is not taken for a store.
    pub(super) application_id: i64,
    /// One batch of statements per version.
    pub(super) migrations: &'static [&'static str],
    /// KiB of pages that a connection keeps in memory.
    pub(super) cache_kib: u32,
}

/// Opens the file for reading and writing, makes it (mode 0600) when it is not there, and migrates it.
pub(super) fn open(folder: &Folder, name: &str, schema: &Schema) -> Result<Connection, StorageError> {
    // Only ever made here, never opened: to close a second handle of a file lets go of every lock that SQLite holds on
    // it in this process.
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    match folder.dir().open_with(name, &options) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e.into()),
        _ => {}
    }
    prepare(folder, name, schema).map_err(|e| e.of_file(name))
}

fn prepare(folder: &Folder, name: &str, schema: &Schema) -> Result<Connection, StorageError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(folder.path().join(name), flags)?;
    connection.busy_timeout(BUSY)?;
    use_wal(&connection)?;
    settle_in(&mut connection, name, schema)?;
    Ok(connection)
}

/// A store in memory, gone with its connection.
pub(super) fn open_in_memory(schema: &Schema) -> Result<Connection, StorageError> {
    let mut connection = Connection::open_in_memory()?;
    settle_in(&mut connection, "(memory)", schema)?;
    Ok(connection)
}

/// A second connection to a file that [`open`] has prepared, for reading only.
pub(super) fn open_reader(folder: &Folder, name: &str, schema: &Schema) -> Result<Connection, StorageError> {
    // Read-write all the same: a read-only connection cannot recover a WAL. `query_only` forbids the writing.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(folder.path().join(name), flags)?;
    connection.busy_timeout(BUSY)?;
    connection.execute_batch(&format!(
        "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -{};",
        schema.cache_kib
    ))?;
    Ok(connection)
}

/// A connection that only reads a file which may not be there in today's form; `None` when it holds nothing yet.
pub(super) fn open_to_look(
    folder: &Folder,
    name: &str,
    schema: &Schema,
) -> Result<Option<Connection>, StorageError> {
    let look = || {
        let connection = open_reader(folder, name, schema)?;
        let (found, marked) = (number(&connection, "user_version")?, number(&connection, "application_id")?);
        let known = i64::try_from(schema.migrations.len()).unwrap_or(i64::MAX);
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        match (marked == schema.application_id, found) {
            (false, 0) if marked == 0 && tables == 0 => Ok(None),
            (false, _) => {
                let detail = "it is another program's database".to_owned();
                Err(StorageError::Damaged { file: name.to_owned(), detail })
            }
            (true, found) if found > known => {
                Err(StorageError::TooNew { file: name.to_owned(), found, known })
            }
            (true, found) if found < known => Err(StorageError::Failed(format!(
                "{name} is of an earlier version; start the host once, which brings it up to date"
            ))),
            (true, _) => Ok(Some(connection)),
        }
    };
    look().map_err(|e: StorageError| e.of_file(name))
}

fn use_wal(connection: &Connection) -> Result<(), StorageError> {
    let attempts = BUSY.as_millis() / PAUSE.as_millis();
    for _ in 0..attempts {
        match connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0)) {
            Ok(mode) if mode.eq_ignore_ascii_case("wal") => return Ok(()),
            Ok(mode) => {
                return Err(StorageError::Failed(format!(
                    "the file system gives journal mode {mode}, not WAL"
                )));
            }
            Err(e) => match StorageError::from(e) {
                StorageError::Busy => std::thread::sleep(PAUSE),
                other => return Err(other),
            },
        }
    }
    Err(StorageError::Busy)
}

fn settle_in(connection: &mut Connection, name: &str, schema: &Schema) -> Result<(), StorageError> {
    connection.execute_batch(&format!(
        "PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -{};",
        schema.cache_kib
    ))?;
    connection.set_prepared_statement_cache_capacity(64);
    let known = i64::try_from(schema.migrations.len()).unwrap_or(i64::MAX);
    if number(connection, "user_version")? == known
        && number(connection, "application_id")? == schema.application_id
    {
        return Ok(());
    }
    // Two processes may meet here with a new file: the second waits, and finds the work done.
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let (found, marked) = (number(&change, "user_version")?, number(&change, "application_id")?);
    let tables: i64 = change.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if marked != schema.application_id && (marked != 0 || tables != 0) {
        let detail = "it is another program's database".to_owned();
        return Err(StorageError::Damaged { file: name.to_owned(), detail });
    }
    if found > known {
        return Err(StorageError::TooNew { file: name.to_owned(), found, known });
    }
    for migration in schema.migrations.iter().skip(usize::try_from(found).unwrap_or(0)) {
        change.execute_batch(migration)?;
    }
    change.pragma_update(None, "user_version", known)?;
    change.pragma_update(None, "application_id", schema.application_id)?;
    Ok(change.commit()?)
}

/// Reads the whole file and compares its structure with itself.
pub(super) fn check(connection: &Connection, name: &str) -> Result<(), StorageError> {
    let found: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|e| StorageError::from(e).of_file(name))?;
    if found == "ok" { Ok(()) } else { Err(StorageError::Damaged { file: name.to_owned(), detail: found }) }
}

/// The same, and compares every index with its table, which takes longer.
pub(super) fn check_all(connection: &Connection, name: &str) -> Result<(), StorageError> {
    let found: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|e| StorageError::from(e).of_file(name))?;
    if found == "ok" { Ok(()) } else { Err(StorageError::Damaged { file: name.to_owned(), detail: found }) }
}

/// Puts everything of a file that nobody has open into the file itself, so that nothing beside it belongs to it.
pub(super) fn fold(folder: &Folder, name: &str) -> Result<(), StorageError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(folder.path().join(name), flags)?;
    connection.execute_batch("PRAGMA synchronous = FULL")?;
    let attempts = BUSY.as_millis() / PAUSE.as_millis();
    for _ in 0..attempts {
        // It fails as long as anybody else has the file open, even if only to read.
        match connection.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get::<_, String>(0)) {
            Ok(mode) if mode.eq_ignore_ascii_case("delete") => {
                return connection.close().map_err(|(_, error)| error.into());
            }
            Ok(_) => std::thread::sleep(PAUSE),
            Err(e) => match StorageError::from(e) {
                StorageError::Busy => std::thread::sleep(PAUSE),
                other => return Err(other),
            },
        }
    }
    Err(StorageError::Busy)
}

/// Takes out of a file what deleted rows have left in it: they were overwritten where they stood, but when SQLite moves
/// rows to make room, older copies stay in the gaps between. So the file is written anew, unless it is so long that
/// other processes would wait for it too long; and then the log, which has the old pages, is emptied.
pub(super) fn scrub(folder: &Folder, name: &str) -> Result<(), StorageError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(folder.path().join(name), flags)?;
    connection.busy_timeout(BUSY)?;
    // The copy on the way is in memory: a temporary file would be one more place to clean.
    connection
        .execute_batch("PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY;")?;
    let bytes = number(&connection, "page_count")?.saturating_mul(number(&connection, "page_size")?);
    if bytes <= REWRITTEN {
        connection.execute_batch("VACUUM")?;
    } else {
        tracing::warn!(
            file = name,
            bytes,
            "the file is too long to be written anew; run VACUUM on it when nobody calls"
        );
    }
    // From here on the waiting is ours, so that its end is.
    connection.busy_timeout(Duration::ZERO)?;
    let attempts = BUSY.as_millis() / PAUSE.as_millis();
    for _ in 0..attempts {
        // Whoever reads an older state at this moment keeps the log from being emptied.
        let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if busy == 0 {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
    Err(StorageError::Busy)
}

/// The value of a pragma that holds a number.
pub(super) fn number(connection: &Connection, pragma: &str) -> Result<i64, StorageError> {
    Ok(connection.pragma_query_value(None, pragma, |row| row.get(0))?)
}

/// A count as SQLite stores it; counts above 2^63 - 1 are held at that.
pub(super) fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A stored count; a negative number, which we never write, counts as zero.
pub(super) fn counted(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::folder::tests::temporary;
    use super::*;

    const V1: Schema =
        Schema { application_id: 77, migrations: &["CREATE TABLE a (x INTEGER) STRICT;"], cache_kib: 256 };
    const V2: Schema = Schema {
        application_id: 77,
        migrations: &["CREATE TABLE a (x INTEGER) STRICT;", "ALTER TABLE a ADD COLUMN y INTEGER;"],
        cache_kib: 256,
    };

    #[test]
    fn an_old_file_is_migrated_and_a_newer_one_refused() {
        let (_guard, folder) = temporary();
        open(&folder, "s.db", &V1).unwrap().execute("INSERT INTO a VALUES (1)", []).unwrap();
        let new = open(&folder, "s.db", &V2).unwrap();
        new.execute("UPDATE a SET y = 2 WHERE x = 1", []).unwrap();
        drop(new);
        let refused = open(&folder, "s.db", &V1).unwrap_err();
        assert_eq!(refused, StorageError::TooNew { file: "s.db".into(), found: 2, known: 1 });
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        let (_guard, folder) = temporary();
        folder
            .dir()
            .write("text.db", "not a database, but longer than the header of one".repeat(50))
            .unwrap();
        assert!(matches!(open(&folder, "text.db", &V1), Err(StorageError::Damaged { .. })));
        let other = Connection::open(folder.path().join("other.db")).unwrap();
        other.execute_batch("CREATE TABLE theirs (x);").unwrap();
        assert!(matches!(open(&folder, "other.db", &V1), Err(StorageError::Damaged { .. })));
    }

    #[test]
    fn the_file_is_for_its_user_only_and_synced_in_full() {
        use cap_std::fs::PermissionsExt;
        let (_guard, folder) = temporary();
        let connection = open(&folder, "s.db", &V1).unwrap();
        assert_eq!(folder.dir().metadata("s.db").unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(number(&connection, "synchronous").unwrap(), 2);
        check(&connection, "s.db").unwrap();
    }
}
