//! What every process keeps in memory and any process may change: kill switches, API keys, raised budgets, how many alerts
//! there are, and which tenants are being deleted.
//!
//! Takes: the tables. Gives: the same in memory, read again when another process has changed them. May name: id.

use super::admin_keys::AdminKey;
use super::key_table::KeyTable;
use super::keys::StoredKey;
use super::obey;
use super::owner::OwnerId;
use super::raise::{self, Raises};
use super::reserve::Accounts;
use super::switches::{self, Switches};
use super::{SqliteLedger, alerts, deletion};
use crate::id::TenantId;
use crate::storage::StorageError;
use crate::storage::batch;
use crate::storage::sqlite::number;
use parking_lot::{Mutex, RwLock};
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Who must hear which tenants are being deleted; when it returns, this process has none of their files open.
pub(super) type Listener = Box<dyn Fn(&BTreeSet<TenantId>) + Send + Sync>;

/// Who must hear which kill switches are on; gives how many calls it told to stop.
pub(super) type OnSwitches = Box<dyn Fn(&Switches) -> usize + Send + Sync>;

/// The tables in memory.
pub(super) struct Watched {
    pub(super) kills: RwLock<Switches>,
    pub(super) keys: RwLock<KeyTable<StoredKey>>,
    pub(super) admin_keys: RwLock<KeyTable<AdminKey>>,
    pub(super) accounts: Arc<Accounts>,
    pub(super) raises: Raises,
    pub(super) alerts: alerts::Board,
    me: OwnerId,
    deletions: Mutex<Deletions>,
    stops: RwLock<Option<OnSwitches>>,
    told: Mutex<Told>,
    seen: Mutex<Seen>,
}

/// For which change of the switches calls were told to stop, and how many.
#[derive(Default)]
struct Told {
    generation: i64,
    calls: usize,
}

#[derive(Default)]
struct Deletions {
    tenants: BTreeSet<TenantId>,
    listener: Option<Listener>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Seen {
    data: Option<i64>,
    kills: Option<i64>,
    keys: Option<i64>,
    deletions: Option<i64>,
    raises: Option<i64>,
    alerts: Option<i64>,
}

impl Watched {
    pub(super) fn new(me: OwnerId, accounts: Arc<Accounts>) -> Self {
        let (kills, keys, admin_keys) = (RwLock::default(), RwLock::default(), RwLock::default());
        let (raises, alerts) = (Raises::default(), alerts::Board::default());
        let (deletions, stops) = (Mutex::default(), RwLock::default());
        let (told, seen) = (Mutex::default(), Mutex::default());
        Self { kills, keys, admin_keys, accounts, raises, alerts, me, deletions, stops, told, seen }
    }

    /// Reads what has changed. `data_version` moves only when another connection has written, so this costs
    /// microseconds when there is nothing to read. Called with the writer's connection alone.
    pub(super) fn look(&self, c: &Connection) -> Result<(), StorageError> {
        let data = Some(number(c, "data_version")?);
        let before = *self.seen.lock();
        if before.data == data {
            return Ok(());
        }
        let generation = |what| generation(c, what).map(Some);
        let now = Seen {
            data,
            kills: generation("kills")?,
            keys: generation("keys")?,
            deletions: generation("deletions")?,
            raises: generation("raises")?,
            alerts: generation("alerts")?,
        };
        if now.kills != before.kills {
            self.switch(switches::load(c)?);
        }
        if now.keys != before.keys {
            *self.keys.write() = KeyTable::load(c)?;
            *self.admin_keys.write() = KeyTable::load(c)?;
        }
        if now.raises != before.raises {
            self.raises.set(raise::load(c)?);
        }
        if now.alerts != before.alerts {
            self.alerts.newest(alerts::newest(c)?);
        }
        if now.deletions != before.deletions {
            self.let_go(deletion::load(c)?);
            // What of a deleted tenant's budgets was leased to this process is leased no more.
            self.accounts.keep(&deletion::leased(c, self.me)?);
            deletion::has_let_go(c, self.me)?;
        }
        if now.kills != before.kills {
            // Last: a full disk keeps nobody from obeying.
            let (generation, calls) = {
                let told = self.told.lock();
                (told.generation, told.calls)
            };
            obey::note(c, self.me, generation, calls)?;
        }
        *self.seen.lock() = now;
        Ok(())
    }

    /// Puts these switches in force and has the calls that run stopped by them; gives how many were. Two threads read the
    /// table, the one that looks and the one that writes: whoever comes second waits for the first, and changes nothing.
    pub(super) fn switch(&self, switches: Switches) -> usize {
        let generation = switches.generation;
        let mut told = self.told.lock();
        if generation > self.kills.read().generation {
            *self.kills.write() = switches;
            // A call is entered among those that run before it is checked: whoever is not found there now will be refused.
            let calls = self.stops.read().as_ref().map_or(0, |stops| stops(&self.kills.read()));
            *told = Told { generation, calls };
        }
        if told.generation == generation { told.calls } else { 0 }
    }

    /// From now on this one is told.
    pub(super) fn on_switches(&self, listener: OnSwitches) {
        *self.stops.write() = Some(listener);
    }

    /// Tells the listener which tenants are being deleted.
    pub(super) fn let_go(&self, tenants: BTreeSet<TenantId>) {
        let mut deletions = self.deletions.lock();
        if let Some(listener) = &deletions.listener {
            listener(&tenants);
        }
        deletions.tenants = tenants;
    }

    /// From now on this one is told, and at once of those that are being deleted already.
    pub(super) fn listen(&self, listener: Listener) {
        let mut deletions = self.deletions.lock();
        listener(&deletions.tenants);
        deletions.listener = Some(listener);
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("seen", &self.seen).finish_non_exhaustive()
    }
}

/// How often a table was changed.
pub(super) fn generation(c: &Connection, what: &str) -> Result<i64, StorageError> {
    Ok(c.query_row("SELECT n FROM generations WHERE what = ?1", [what], |row| row.get(0))?)
}

/// Counts a change, so that other processes read the table again.
pub(super) fn changed(c: &Connection, what: &str) -> Result<(), StorageError> {
    c.execute("UPDATE generations SET n = n + 1 WHERE what = ?1", [what])?;
    Ok(())
}

impl SqliteLedger {
    /// Changes a table that every process keeps in memory. When the change is durable, this process has taken over what
    /// `look` found behind it, before the caller hears of it.
    pub(super) async fn change_watched<T: Send + 'static, R: Send + 'static>(
        &self,
        what: &'static str,
        change: impl FnOnce(&Connection) -> Result<bool, StorageError> + Send + 'static,
        look: impl FnOnce(&Connection) -> Result<T, StorageError> + Send + 'static,
        adopt: impl FnOnce(&Watched, T) -> R + Send + 'static,
    ) -> Result<(bool, R), StorageError> {
        let (reply, answer) = oneshot::channel();
        let watched = self.inner.watched.clone();
        let work = move |c: &Connection| {
            let done = change(c)?;
            changed(c, what)?;
            Ok((done, look(c)?))
        };
        let finish = move |result: Result<(bool, T), StorageError>| {
            drop(reply.send(result.map(|(done, found)| (done, adopt(&watched, found)))));
        };
        self.inner.writer()?.post(batch::job(work, finish));
        answer.await.unwrap_or(Err(StorageError::Closed))
    }
}
