//! The ledger: what tenants have spent, which writes have happened, what is stopped, and who may come in.
//!
//! Takes: reservations, claims, kill switches and keys. Gives: the same, durable, shared by the processes of one host.
//! May name: id, powers, reason.
//!
//! One SQLite file, written by one thread that commits many callers' changes together. What a read-only call needs
//! is in memory: its budget within a lease ([`SqliteLedger::try_reserve`]), kill switches and keys. A writing call waits for
//! two commits, [`Claim::start`] and [`Started::complete`].

mod account;
mod admin_keys;
mod alert;
#[cfg(test)]
mod alert_tests;
mod alerts;
mod answers;
#[cfg(test)]
mod answers_tests;
mod ask;
mod books;
mod budget;
#[cfg(test)]
mod budget_model;
mod claim;
#[cfg(test)]
mod claim_tests;
mod claims;
mod contract;
mod copy;
mod deletion;
#[cfg(test)]
mod fixture;
mod keep;
mod key_table;
mod keys;
mod kill;
mod lease;
mod lookout;
mod merge;
#[cfg(test)]
mod migration_tests;
mod obey;
mod owner;
mod probe;
mod raise;
mod reserve;
#[cfg(test)]
mod reserve_tests;
mod restore;
mod results;
#[cfg(test)]
mod results_tests;
mod schema;
mod switches;
mod token_scope;
mod unknown;
mod usage;
mod view;
mod watched;
mod webhook;
mod who;
mod writer;

pub use admin_keys::{AdminKey, AdminRole};
pub use alert::{Alert, PARTS};
pub use alerts::Alerts;
pub use budget::{Amounts, Budget, BudgetMode, Count, Exceeded, Of, Per, Raised, Usage};
pub use claim::{Claim, ClaimScope, Claimed, StartError, Started, StoredAnswer};
pub(crate) use claims::KEPT_MS;
pub use contract::Ledger;
pub use copy::Sound;
pub(crate) use copy::{back_up, examine, examine_ledger};
pub use deletion::Traces;
pub use keys::StoredKey;
pub use kill::{InvalidScope, Kill, KillMode, KillScope, KillTarget, Order};
pub(crate) use merge::{Brought, Later, Merged};
pub use obey::Obeyed;
pub use raise::Raise;
pub use reserve::{Charge, Reservation, ReserveError};
pub(crate) use restore::{Facts, PastWrite, Spent, Standing, put_new, standing, take_over};
pub(crate) use results::{Given, KeptResult, Owned, RESULT_KEPT_MS, ResultId};
pub use switches::Switches;
pub(crate) use token_scope::TokenTarget;
pub use token_scope::{TokenScope, Which};
pub use unknown::{Settlement, UnknownWrite};
pub(crate) use usage::Counted;
pub use view::LedgerView;
pub(crate) use webhook::Cursor;
pub use who::Who;

use super::sqlite::{self, stored};
use super::{Folder, StorageError};
use crate::id::Digest;
use crate::powers::Clock;
use answers::Answers;
use claims::InFlight;
use owner::Presence;
use parking_lot::Mutex;
use reserve::Accounts;
use rusqlite::Connection;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use watched::Watched;
use writer::Writer;

/// The ledger of a host. Clones are handles to the same one.
#[derive(Clone)]
pub struct SqliteLedger {
    inner: Arc<Inner>,
}

struct Inner {
    /// `None` for a ledger in memory.
    folder: Option<Folder>,
    clock: Arc<dyn Clock>,
    presence: Presence,
    /// `None` for a ledger in memory, which keeps long answers as it keeps short ones.
    answers: Option<Answers>,
    writer: Writer,
    reader: Arc<Mutex<Connection>>,
    watched: Arc<Watched>,
    accounts: Arc<Accounts>,
    in_flight: InFlight,
    closed: AtomicBool,
}

impl Inner {
    fn writer(&self) -> Result<&Writer, StorageError> {
        if self.closed.load(Ordering::Acquire) { Err(StorageError::Closed) } else { Ok(&self.writer) }
    }
}

impl SqliteLedger {
    /// Opens `ledger.db` in the folder, and makes it when it is not there. Several processes of one machine may have
    /// it open; the first checks the whole file. Processes that ended without [`SqliteLedger::close`] are recovered: their
    /// leases count as spent, and writes they had started become unknown; the first also removes the files of answers that
    /// they did not enter. Blocks: call it at start.
    ///
    /// # Errors
    /// [`StorageError`] when the file is damaged, from a newer version, locked, or cannot be written.
    pub fn open(folder: &Folder, clock: Arc<dyn Clock>) -> Result<Self, StorageError> {
        restore::refuse_half(folder)?;
        let mut connection = sqlite::open(folder, schema::FILE, &schema::SCHEMA)?;
        let presence = Presence::enter(&mut connection, Some(folder), stored(clock.unix_ms()))?;
        if presence.alone {
            sqlite::check(&connection, schema::FILE)?;
            Answers::open(folder, presence.id)?.sweep(&mut connection)?;
        }
        // What is deleted is overwritten, and not only let go of.
        connection.pragma_update(None, "secure_delete", true)?;
        let reader = Arc::new(Mutex::new(sqlite::open_reader(folder, schema::FILE, &schema::SCHEMA)?));
        Self::start(Some(folder.clone()), Arc::new(Mutex::new(connection)), reader, presence, clock)
    }

    /// Puts keyed digests in the place of clients' idempotency keys, as an earlier version has kept them. Whoever opens a
    /// ledger for calls does it first; `mac` is what makes the digests of every [`ClaimScope`].
    ///
    /// # Errors
    /// [`StorageError`]; the keys are as they were.
    pub async fn seal(&self, mac: impl Fn(&[u8]) -> Digest + Send + 'static) -> Result<(), StorageError> {
        let sealed = self.inner.writer()?.run(move |c| claims::seal(c, mac)).await?;
        if sealed > 0 {
            self.scrub().await?;
        }
        Ok(())
    }

    /// A ledger in memory, for tests and for hosts that keep nothing: it is gone with its last handle.
    ///
    /// # Errors
    /// [`StorageError`] when the writer's thread cannot be started.
    pub fn in_memory(clock: Arc<dyn Clock>) -> Result<Self, StorageError> {
        let mut connection = sqlite::open_in_memory(&schema::SCHEMA)?;
        let presence = Presence::enter(&mut connection, None, stored(clock.unix_ms()))?;
        let connection = Arc::new(Mutex::new(connection));
        Self::start(None, connection.clone(), connection, presence, clock)
    }

    fn start(
        folder: Option<Folder>,
        connection: Arc<Mutex<Connection>>,
        reader: Arc<Mutex<Connection>>,
        presence: Presence,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StorageError> {
        let accounts = Arc::new(Accounts::default());
        let watched = Arc::new(Watched::new(presence.id, accounts.clone()));
        watched.look(&connection.lock())?;
        if let Some(folder) = &folder {
            lookout::start(sqlite::open_reader(folder, schema::FILE, &schema::SCHEMA)?, &watched)?;
        }
        let answers = folder.as_ref().map(|folder| Answers::open(folder, presence.id)).transpose()?;
        let writer = Writer::start(connection, watched.clone(), clock.clone(), answers.clone())?;
        let (in_flight, closed) = (InFlight::default(), AtomicBool::new(false));
        let inner =
            Inner { folder, clock, presence, answers, writer, reader, watched, accounts, in_flight, closed };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Has a function called after each transaction, on the writer's thread: with how many changes shared it, and how long
    /// it took. The first one counts.
    pub(crate) fn on_commits(&self, told: impl Fn(usize, std::time::Duration) + Send + Sync + 'static) {
        self.inner.writer.tell(told);
    }

    /// Gives this process's leases back, so that only what was spent counts, and takes no more calls. Calls that still
    /// run are charged in full. A ledger that is dropped without it leaves its whole leases as spent.
    ///
    /// # Errors
    /// [`StorageError`]; then the leases count as spent.
    pub async fn close(&self) -> Result<(), StorageError> {
        let writer = self.inner.writer()?;
        self.inner.closed.store(true, Ordering::Release);
        let (me, closing) = (self.inner.presence.id, self.inner.accounts.close());
        writer
            .run(move |c| {
                lease::give_back(c, me, &closing)?;
                owner::leave(c, me)
            })
            .await?;
        self.inner.presence.remove_lock(me);
        self.inner.watched.alerts.close();
        Ok(())
    }
}

impl fmt::Debug for SqliteLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteLedger").field("owner", &self.inner.presence.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::{acme, on_disk};
    use super::*;

    #[tokio::test]
    async fn a_damaged_file_is_refused_and_left_alone() {
        let (_guard, folder, clock, ledger) = on_disk();
        let why = "why ".repeat(10_000);
        ledger.kill(KillScope::Tenant(acme()), KillMode::Stop, "kim", &why).await.unwrap();
        ledger.close().await.unwrap();
        drop(ledger);
        let path = folder.path().join(schema::FILE);
        // The writer's thread closes the file, and merges its log, a moment after the last handle is gone.
        while folder.dir().exists("ledger.db-wal") {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        let mut bytes = folder.dir().read(schema::FILE).unwrap();
        let end = bytes.len();
        bytes[end - 3 * 4096..].fill(0xa5);
        folder.dir().write(schema::FILE, &bytes).unwrap();
        let refused = SqliteLedger::open(&folder, clock).unwrap_err();
        assert!(matches!(&refused, StorageError::Damaged { file, .. } if file == schema::FILE), "{refused}");
        assert_eq!(folder.dir().read(schema::FILE).unwrap().len(), end, "{path:?}");
    }

    #[tokio::test]
    async fn a_crash_costs_a_large_budget_a_bounded_number_of_calls() {
        let (_guard, folder, clock, ledger) = on_disk();
        let budgets = [Budget::new(Of::Calls, Per::Total, 1_000_000_000)];
        drop(ledger.reserve(&acme(), &budgets, Amounts::call(0)).await.unwrap());
        drop(ledger);
        let reopened = SqliteLedger::open(&folder, clock).unwrap();
        assert_eq!(reopened.usage(&acme(), &budgets).await.unwrap()[0].spent, 1024);
    }

    #[tokio::test]
    async fn a_ledger_in_memory_does_the_same() {
        let ledger = SqliteLedger::in_memory(Arc::new(crate::powers::SystemClock)).unwrap();
        let budgets = [Budget::new(Of::Calls, Per::Total, 1)];
        let reserved = ledger.reserve(&acme(), &budgets, Amounts::call(0)).await.unwrap();
        assert!(ledger.reserve(&acme(), &budgets, Amounts::call(0)).await.is_err());
        drop(reserved);
        drop(ledger.reserve(&acme(), &budgets, Amounts::call(0)).await.unwrap().commit());
        assert_eq!(ledger.usage(&acme(), &budgets).await.unwrap()[0].left(), 0);
    }
}
