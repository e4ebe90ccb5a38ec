//! A ledger made anew from facts that are known from elsewhere, and put in the place of one that is lost.
//!
//! Takes: what was spent, which writes were made, what is stopped. Gives: a new file, and the old one kept beside it.
//! May name: id, reason, step.
//!
//! A ledger that is whole is replaced in one step. One that is damaged may have parts beside it, which go first: meanwhile a
//! marker keeps hosts from starting on half of it.

use super::budget::Count;
use super::copy::BESIDE;
use super::kill::Kill;
use super::owner::Locks;
use super::schema::{FILE, SCHEMA};
use super::switches;
use crate::id::{CallId, Digest, FunctionName, TenantId};
use crate::reason::Reason;
use crate::step::{Step, reached};
use crate::storage::sqlite::{self, stored};
use crate::storage::{Folder, StorageError};
use rusqlite::{Connection, params};
use std::io;

/// The new file until it is whole.
pub(super) const NEW: &str = "ledger.new.db";
/// Stands in the folder while the new file takes the old one's place.
const MARKER: &str = "ledger.half";

/// What a tenant has spent of one count in the latest window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) tenant: TenantId,
    pub(crate) count: Count,
    pub(crate) window_start: u64,
    pub(crate) spent: u64,
}

/// A write that was begun under an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PastWrite {
    pub(crate) tenant: TenantId,
    pub(crate) function: FunctionName,
    pub(crate) key: Digest,
    pub(crate) fingerprint: Digest,
    pub(crate) call_id: CallId,
    pub(crate) at_unix_ms: u64,
    /// How it ended; `None` when nobody knows.
    pub(crate) ended: Option<Reason>,
    /// Whether the host had derived its key.
    pub(crate) derived: bool,
    /// How long its end is known from then, in milliseconds.
    pub(crate) kept_ms: u64,
}

/// Everything that a ledger can be made of.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) spent: Vec<Spent>,
    pub(crate) writes: Vec<PastWrite>,
    pub(crate) kills: Vec<Kill>,
}

/// What is in the ledger's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    Missing,
    Good,
    Damaged(String),
    /// A process has it open, or had when it was lost.
    Open,
}

/// Looks at what is there, as SQLite does it: a log beside the file may be merged into it.
pub(crate) fn standing(folder: &Folder) -> Result<Standing, StorageError> {
    if Locks::of(folder).any_alive()? {
        return Ok(Standing::Open);
    }
    if folder.dir().exists(MARKER) {
        return Ok(Standing::Damaged("another one was taking its place, and that broke off".to_owned()));
    }
    if !folder.dir().exists(FILE) {
        return Ok(Standing::Missing);
    }
    let checked = sqlite::open_to_look(folder, FILE, &SCHEMA).and_then(|opened| match opened {
        Some(connection) => sqlite::check(&connection, FILE).map(|()| Standing::Good),
        None => Ok(Standing::Missing),
    });
    match checked {
        // An empty file is a ledger of nothing.
        Err(StorageError::Damaged { detail, .. }) => Ok(Standing::Damaged(detail)),
        Err(StorageError::Failed(_) | StorageError::TooNew { .. }) => Ok(Standing::Good),
        other => other,
    }
}

/// Refuses a folder in which one ledger was taking another's place.
pub(super) fn refuse_half(folder: &Folder) -> Result<(), StorageError> {
    if !folder.dir().exists(MARKER) {
        return Ok(());
    }
    let what = "a new ledger was being put in place, and that broke off; run `strongroom ledger restore` or `strongroom ledger rebuild` again";
    Err(StorageError::Failed(what.to_owned()))
}

/// Writes a new ledger beside the one that is there.
pub(crate) fn put_new(folder: &Folder, facts: &Facts) -> Result<(), StorageError> {
    for suffix in BESIDE {
        remove(folder, &format!("{NEW}{suffix}"))?;
    }
    let mut connection = sqlite::open(folder, NEW, &SCHEMA)?;
    let change = connection.transaction()?;
    insert(&change, facts)?;
    change.commit()?;
    whole(folder, connection)
}

/// Closes the new file with all of it in the file itself, durably; the log beside it goes.
pub(super) fn whole(folder: &Folder, connection: Connection) -> Result<(), StorageError> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    connection.close().map_err(|(_, error)| StorageError::from(error))?;
    folder.dir().open(NEW)?.sync_all()?;
    reached(Step::LedgerMade);
    Ok(())
}

fn insert(c: &Connection, facts: &Facts) -> Result<(), StorageError> {
    for spent in &facts.spent {
        let Spent { tenant, count: Count { of, per, who }, window_start, spent } = spent;
        c.prepare_cached(
            "INSERT INTO budgets (tenant, of, per, who, window_start, spent) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            tenant.as_str(),
            of.as_str(),
            per.as_str(),
            who.as_str(),
            stored(*window_start),
            stored(*spent)
        ])?;
    }
    for write in &facts.writes {
        let state = if write.ended.is_some() { "done" } else { "unknown" };
        // Owners are numbered from 1: nobody runs these.
        c.prepare_cached(
            "INSERT INTO claims (tenant, function, key, fingerprint, call_id, owner, state, at_ms, reason, fuel, until_ms, kept_ms, sealed)
             VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8, 0, ?9, ?10, 1)",
        )?
        .execute(params![
            write.tenant.as_str(),
            write.function.as_str(),
            write.key.to_string(),
            write.fingerprint.as_bytes(),
            write.call_id.as_bytes(),
            state,
            stored(write.at_unix_ms),
            write.ended.map(Reason::code),
            stored(write.at_unix_ms.saturating_add(write.kept_ms)),
            stored(write.kept_ms),
        ])?;
    }
    for kill in &facts.kills {
        switches::put(c, kill)?;
    }
    Ok(())
}

/// Puts the new ledger in the old one's place and keeps the old one. Gives the old one's new name, if there was one.
/// `was` is how the old one was found.
pub(crate) fn take_over(
    folder: &Folder,
    was: &Standing,
    unix_ms: u64,
) -> Result<Option<String>, StorageError> {
    let aside = format!("ledger.{unix_ms}.db");
    let had = folder.dir().exists(FILE);
    reached(Step::LedgerAnnounced);
    for one in moves(folder, was, &aside)? {
        if one.is_last() {
            reached(Step::LedgerTakes);
        }
        one.make(folder)?;
        reached(one.step());
    }
    Ok(had.then_some(aside))
}

/// One change of the folder; each is durable before the next.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Move {
    Mark,
    Unmark,
    /// A second name for a file.
    Link(String, String),
    /// Another name, if the file is there.
    Rename(String, String),
}

impl Move {
    /// Whether it puts the new file in place.
    fn is_last(&self) -> bool {
        matches!(self, Self::Rename(from, _) if from == NEW)
    }

    /// What is reached by it.
    fn step(&self) -> Step {
        match self {
            Self::Mark => Step::LedgerMarked,
            Self::Unmark => Step::LedgerUnmarked,
            Self::Link(..) => Step::LedgerLinked,
            Self::Rename(..) if self.is_last() => Step::LedgerTaken,
            Self::Rename(..) => Step::LedgerMoved,
        }
    }

    fn make(&self, folder: &Folder) -> Result<(), StorageError> {
        let dir = folder.dir();
        match self {
            Self::Mark => dir.write(MARKER, "")?,
            Self::Unmark => remove(folder, MARKER)?,
            Self::Link(from, to) => match dir.hard_link(from, dir, to) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error.into()),
                // Not every file system has second names.
                Err(_) => {
                    dir.copy(from, dir, to)?;
                    dir.open(to)?.sync_all()?;
                }
                Ok(()) => {}
            },
            Self::Rename(from, to) => match dir.rename(from, dir, to) {
                Err(error) if error.kind() != io::ErrorKind::NotFound || self.is_last() => {
                    return Err(error.into());
                }
                _ => {}
            },
        }
        sync(folder)
    }
}

/// What leads from the old ledger to the new one.
fn moves(folder: &Folder, was: &Standing, aside: &str) -> Result<Vec<Move>, StorageError> {
    let last = Move::Rename(NEW.to_owned(), FILE.to_owned());
    if stands_alone(folder, was)? {
        return Ok(vec![Move::Link(FILE.to_owned(), aside.to_owned()), last]);
    }
    let away = |suffix| Move::Rename(format!("{FILE}{suffix}"), format!("{aside}{suffix}"));
    let away = BESIDE.into_iter().map(away);
    Ok([Move::Mark].into_iter().chain(away).chain([last, Move::Unmark]).collect())
}

/// Whether the ledger is one file and nothing beside it belongs to it: then one renaming replaces it.
fn stands_alone(folder: &Folder, was: &Standing) -> Result<bool, StorageError> {
    let dir = folder.dir();
    // What is damaged is left as it is, with all that lies beside it.
    if *was != Standing::Good {
        return Ok(false);
    }
    match sqlite::fold(folder, FILE) {
        Ok(()) => Ok(BESIDE.iter().skip(1).all(|suffix| !dir.exists(format!("{FILE}{suffix}")))),
        // Somebody reads it, who would find the new file's log beside the old file.
        Err(StorageError::Busy) => Err(StorageError::Busy),
        Err(_) => Ok(false),
    }
}

pub(super) fn remove(folder: &Folder, name: &str) -> Result<(), StorageError> {
    match folder.dir().remove_file(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

pub(super) fn sync(folder: &Folder) -> Result<(), StorageError> {
    Ok(folder.dir().open(".")?.sync_all()?)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{NOON, Still, acme, call};
    use super::super::{Budget, ClaimScope, Claimed, KillMode, KillScope, Of, Per, SqliteLedger};
    use super::*;
    use crate::storage::folder::tests::temporary;

    fn facts() -> Facts {
        let function = FunctionName::new("orders.pay").unwrap();
        let write = |key: &str, ended| PastWrite {
            tenant: acme(),
            function: function.clone(),
            key: Digest::of(key.as_bytes()),
            fingerprint: Digest::of(b"arguments"),
            call_id: call(1),
            at_unix_ms: NOON,
            ended,
            derived: false,
            kept_ms: super::super::KEPT_MS,
        };
        let count = Budget::new(Of::Calls, Per::Total, 0).count;
        Facts {
            spent: vec![Spent { tenant: acme(), count, window_start: 0, spent: 7 }],
            writes: vec![write("done", Some(Reason::Trapped)), write("unknown", None)],
            kills: vec![Kill {
                scope: KillScope::Host,
                mode: KillMode::Freeze,
                by: "kim".into(),
                why: "x".into(),
                at_unix_ms: 3,
            }],
        }
    }

    #[tokio::test]
    async fn a_new_ledger_holds_the_facts_and_the_old_one_is_kept() {
        let (_guard, folder) = temporary();
        assert_eq!(standing(&folder).unwrap(), Standing::Missing);
        folder.dir().write(FILE, "not a database, but longer than a header".repeat(50)).unwrap();
        assert!(matches!(standing(&folder).unwrap(), Standing::Damaged(_)));
        folder.dir().write("ledger.db-wal", "old").unwrap();
        put_new(&folder, &facts()).unwrap();
        assert_eq!(
            take_over(&folder, &Standing::Damaged(String::new()), 5).unwrap().as_deref(),
            Some("ledger.5.db")
        );
        assert!(folder.dir().exists("ledger.5.db-wal") && !folder.dir().exists("ledger.db-wal"));
        assert_eq!(standing(&folder).unwrap(), Standing::Good);
        let ledger = SqliteLedger::open(&folder, Still::at(NOON)).unwrap();
        assert_eq!(standing(&folder).unwrap(), Standing::Open);
        let budgets = [Budget::new(Of::Calls, Per::Total, 9)];
        assert_eq!(ledger.usage(&acme(), &budgets).await.unwrap()[0].left(), 2);
        assert_eq!(ledger.kills(), facts().kills);
        let ask = async |key: &str, fingerprint: &[u8]| {
            let function = FunctionName::new("orders.pay").unwrap();
            let scope = ClaimScope { tenant: acme(), function, key: Digest::of(key.as_bytes()) };
            ledger.claim(scope, *Digest::of(fingerprint).as_bytes(), call(2)).await.unwrap()
        };
        let lost = ask("done", b"arguments").await;
        assert!(matches!(lost, Claimed::Lost { call_id, reason: Reason::Trapped } if call_id == call(1)));
        assert!(matches!(ask("done", b"others").await, Claimed::Mismatch));
        assert!(matches!(ask("unknown", b"arguments").await, Claimed::Unknown { .. }));
        assert!(matches!(ask("fresh", b"arguments").await, Claimed::Fresh(_)));
    }

    #[test]
    fn a_ledger_that_is_whole_is_replaced_in_one_step() {
        let (_guard, folder) = temporary();
        put_new(&folder, &facts()).unwrap();
        take_over(&folder, &Standing::Missing, 1).unwrap();
        // Somebody has read it, and left a log beside it.
        sqlite::open(&folder, FILE, &SCHEMA).unwrap();
        let is_new = || {
            let c = Connection::open(folder.path().join(FILE)).unwrap();
            c.query_row("SELECT count(*) = 0 FROM kills", [], |row| row.get::<_, bool>(0)).unwrap()
        };
        put_new(&folder, &Facts::default()).unwrap();
        let reader = sqlite::open_reader(&folder, FILE, &SCHEMA).unwrap();
        reader.query_row("SELECT count(*) FROM kills", [], |_| Ok(())).unwrap();
        assert_eq!(
            moves(&folder, &Standing::Good, "aside.db"),
            Err(StorageError::Busy),
            "whoever reads it is waited for"
        );
        drop(reader);
        let moves = moves(&folder, &Standing::Good, "aside.db").unwrap();
        for (done, one) in moves.iter().enumerate() {
            assert_eq!((standing(&folder).unwrap(), is_new()), (Standing::Good, false), "after {done}");
            one.make(&folder).unwrap();
        }
        assert_eq!((standing(&folder).unwrap(), is_new(), moves.len()), (Standing::Good, true, 2));
        assert!(folder.dir().exists("aside.db"));
    }

    #[test]
    fn no_host_starts_while_one_takes_the_others_place() {
        let (_guard, folder) = temporary();
        folder.dir().write(MARKER, "").unwrap();
        let refused = SqliteLedger::open(&folder, Still::at(NOON)).unwrap_err();
        assert!(refused.to_string().contains("ledger rebuild"), "{refused}");
        assert!(!folder.dir().exists(FILE));
        assert!(matches!(standing(&folder).unwrap(), Standing::Damaged(_)));
        put_new(&folder, &Facts::default()).unwrap();
        assert_eq!(take_over(&folder, &Standing::Damaged(String::new()), 5).unwrap(), None);
        drop(SqliteLedger::open(&folder, Still::at(NOON)).unwrap());
    }
}
