//! A tenant leaves the ledger: first every process lets go of its files, then its rows go, and the row that says so last.
//!
//! Takes: a tenant. Gives: [`Traces`] of it, and their end. May name: id.
//!
//! Between [`SqliteLedger::begin_deletion`] and [`SqliteLedger::end_deletion`] nothing is written for the tenant, by any process: no
//! claim, no lease, no key. What broke off half-way is begun again, and ends.

use super::key_table::KeyTable;
use super::owner::OwnerId;
use super::watched::{Listener, changed, generation};
use super::{SqliteLedger, schema, switches};
use crate::id::TenantId;
use crate::storage::sqlite::{counted, stored};
use crate::storage::{StorageError, batch, sqlite};
use rusqlite::{Connection, params};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long other processes have to let go of a tenant's files, which takes them a quarter of a second.
const LET_GO: Duration = Duration::from_secs(5);
/// How often it is looked whether they have.
const LOOK: Duration = Duration::from_millis(20);

/// What the ledger has of a tenant: numbers of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traces {
    /// API keys and keys of the tenant's admins, ended ones too.
    pub keys: u64,
    /// Budgets of which something was used.
    pub budgets: u64,
    /// Idempotency keys with their answers.
    pub claims: u64,
    /// Results that were given as links, and are kept.
    pub results: u64,
    /// Kill switches: its own, and those of its actors.
    pub kills: u64,
    /// Whether its deletion was begun.
    pub deleting: bool,
}

impl Traces {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The kill switches that name a tenant or an actor of it.
const KILLS: &str = "FROM kills WHERE (scope = 'tenant' AND name = ?1)
                     OR (scope = 'actor' AND substr(name, 1, length(?1) + 1) = ?1 || '/')";
/// Each table with the column that names the tenant.
const TABLES: [&str; 8] =
    ["keys", "admin_keys", "budgets", "leases", "claims", "results", "raises", "alerts"];

pub(super) fn load(c: &Connection) -> Result<BTreeSet<TenantId>, StorageError> {
    tenants(c, "SELECT tenant FROM deletions")
}

/// The tenants of which a process holds leases.
pub(super) fn leased(c: &Connection, owner: OwnerId) -> Result<BTreeSet<TenantId>, StorageError> {
    tenants(c, &format!("SELECT DISTINCT tenant FROM leases WHERE owner = {}", owner.0))
}

/// Every tenant that there is something of.
pub(super) fn known(c: &Connection) -> Result<BTreeSet<TenantId>, StorageError> {
    let sql = "SELECT tenant FROM keys UNION SELECT tenant FROM admin_keys WHERE tenant IS NOT NULL
               UNION SELECT tenant FROM budgets UNION SELECT tenant FROM claims
               UNION SELECT tenant FROM results
               UNION SELECT tenant FROM deletions UNION SELECT name FROM kills WHERE scope = 'tenant'
               UNION SELECT substr(name, 1, instr(name, '/') - 1) FROM kills WHERE scope = 'actor'";
    tenants(c, sql)
}

fn tenants(c: &Connection, sql: &str) -> Result<BTreeSet<TenantId>, StorageError> {
    let mut statement = c.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut found = BTreeSet::new();
    while let Some(row) = rows.next()? {
        found.insert(TenantId::new(row.get::<_, String>(0)?).map_err(schema::damaged)?);
    }
    Ok(found)
}

/// Notes that this process has none of the files open.
pub(super) fn has_let_go(c: &Connection, owner: OwnerId) -> Result<(), StorageError> {
    let now = generation(c, "deletions")?;
    c.execute("UPDATE owners SET let_go = ?2 WHERE id = ?1", params![owner.0, now])?;
    Ok(())
}

/// Refuses to write for a tenant that is being deleted.
pub(super) fn refuse(c: &Connection, tenant: &TenantId) -> Result<(), StorageError> {
    let mut statement = c.prepare_cached("SELECT 1 FROM deletions WHERE tenant = ?1")?;
    if statement.exists([tenant.as_str()])? { Err(StorageError::Closed) } else { Ok(()) }
}

fn count(c: &Connection, sql: &str, tenant: &TenantId) -> Result<u64, StorageError> {
    Ok(counted(c.prepare_cached(sql)?.query_row([tenant.as_str()], |row| row.get(0))?))
}

fn traces(c: &Connection, tenant: &TenantId) -> Result<Traces, StorageError> {
    Ok(Traces {
        keys: count(c, "SELECT count(*) FROM keys WHERE tenant = ?1", tenant)?.saturating_add(count(
            c,
            "SELECT count(*) FROM admin_keys WHERE tenant = ?1",
            tenant,
        )?),
        budgets: count(c, "SELECT count(*) FROM budgets WHERE tenant = ?1", tenant)?,
        claims: count(c, "SELECT count(*) FROM claims WHERE tenant = ?1", tenant)?,
        results: count(c, "SELECT count(*) FROM results WHERE tenant = ?1", tenant)?,
        kills: count(c, &format!("SELECT count(*) {KILLS}"), tenant)?,
        deleting: count(c, "SELECT count(*) FROM deletions WHERE tenant = ?1", tenant)? > 0,
    })
}

impl SqliteLedger {
    /// Says who closes the files of tenants that are being deleted, in this process: it is called with all of them
    /// whenever that changes, on the ledger's own thread, and lets nobody open them until they are not among them.
    pub fn on_deletions(&self, listener: impl Fn(&BTreeSet<TenantId>) + Send + Sync + 'static) {
        let listener: Listener = Box::new(listener);
        self.inner.watched.listen(listener);
    }

    /// What the ledger has of a tenant.
    ///
    /// # Errors
    /// [`StorageError`] when the file cannot be read.
    pub fn traces(&self, tenant: &TenantId) -> Result<Traces, StorageError> {
        traces(&self.inner.reader.lock(), tenant)
    }

    /// Every tenant that the ledger has something of.
    ///
    /// # Errors
    /// [`StorageError`] when the file cannot be read.
    pub fn known_tenants(&self) -> Result<BTreeSet<TenantId>, StorageError> {
        known(&self.inner.reader.lock())
    }

    /// Writes of a tenant that run at the moment, in any process.
    ///
    /// # Errors
    /// [`StorageError`] when the file cannot be read.
    pub fn running_writes(&self, tenant: &TenantId) -> Result<usize, StorageError> {
        let owners = {
            let reader = self.inner.reader.lock();
            let sql = "SELECT owner FROM claims WHERE tenant = ?1 AND state = 'started'";
            let mut statement = reader.prepare_cached(sql)?;
            let owners = statement.query_map([tenant.as_str()], |row| row.get(0))?;
            owners.collect::<Result<Vec<i64>, _>>()?
        };
        let mut running = 0;
        for owner in owners {
            running += usize::from(self.inner.presence.lives(OwnerId(owner))?);
        }
        Ok(running)
    }

    /// Begins to delete a tenant, durably, and waits until no process has its files open. From here on nothing is
    /// written for it.
    ///
    /// # Errors
    /// [`StorageError::Busy`] when another process has not let go within five seconds; begin again then.
    pub async fn begin_deletion(&self, tenant: &TenantId) -> Result<(), StorageError> {
        let (at, name) = (stored(self.inner.clock.unix_ms()), tenant.clone());
        let change = move |c: &Connection| {
            c.execute(
                "INSERT OR IGNORE INTO deletions (tenant, at_ms) VALUES (?1, ?2)",
                params![name.as_str(), at],
            )?;
            Ok(())
        };
        let ((), changes) = self.change_deletions(change).await?;
        self.all_have_let_go(changes).await
    }

    /// Waits until every process has taken over this change of deletions and of keys.
    async fn all_have_let_go(&self, changes: i64) -> Result<(), StorageError> {
        let looks = LET_GO.as_millis() / LOOK.as_millis();
        for _ in 0..looks {
            if self.all_let_go(changes)? {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(StorageError::Busy)
    }

    fn all_let_go(&self, changes: i64) -> Result<bool, StorageError> {
        let late = {
            let reader = self.inner.reader.lock();
            let mut statement = reader.prepare_cached("SELECT id FROM owners WHERE let_go < ?1")?;
            let late = statement.query_map([changes], |row| row.get(0))?;
            late.collect::<Result<Vec<i64>, _>>()?
        };
        for owner in late {
            if self.inner.presence.lives(OwnerId(owner))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes everything of a tenant from the file, so that no byte of it stays behind, with the files of its answers, and last the note that it is
    /// being deleted. Gives what there was. Keys stop at once in this process, within half a second in others.
    ///
    /// # Errors
    /// [`StorageError`], [`Busy`](StorageError::Busy) when another process has not taken it over within five seconds; end it again
    /// then.
    pub async fn end_deletion(&self, tenant: &TenantId) -> Result<Traces, StorageError> {
        let name = tenant.clone();
        let rows = move |c: &Connection| {
            let found = traces(c, &name)?;
            for table in TABLES {
                c.execute(&format!("DELETE FROM {table} WHERE tenant = ?1"), [name.as_str()])?;
            }
            Ok(found)
        };
        let (found, changes) = self.change_deletions(rows).await?;
        self.remove_answers(tenant).await?;
        self.inner.accounts.remove(tenant);
        self.scrub().await?;
        // Others hear of switches sooner than of keys: the tenant stays stopped until nobody knows its keys any more.
        self.all_have_let_go(changes).await?;
        let name = tenant.clone();
        let last = move |c: &Connection| {
            c.execute(&format!("DELETE {KILLS}"), [name.as_str()])?;
            c.execute("DELETE FROM deletions WHERE tenant = ?1", [name.as_str()])?;
            Ok(())
        };
        self.change_deletions(last).await?;
        self.scrub().await?;
        Ok(found)
    }

    /// Removes the files of a tenant's answers, also those that no row names.
    ///
    /// # Errors
    /// [`StorageError`] when one cannot be removed.
    pub async fn remove_answers(&self, tenant: &TenantId) -> Result<(), StorageError> {
        let Some(answers) = self.inner.answers.clone() else { return Ok(()) };
        let tenant = tenant.clone();
        let remove = move || answers.remove_tenant(&tenant);
        tokio::task::spawn_blocking(remove).await.unwrap_or(Err(StorageError::Closed))
    }

    /// Changes rows of a tenant that is being deleted; this process and the others take the change over. Gives the number
    /// of such changes so far.
    async fn change_deletions<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<(T, i64), StorageError> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let (watched, me) = (self.inner.watched.clone(), self.inner.presence.id);
        let work = move |c: &Connection| {
            let done = change(c)?;
            for what in ["keys", "kills", "deletions"] {
                changed(c, what)?;
            }
            has_let_go(c, me)?;
            Ok((
                done,
                generation(c, "deletions")?,
                load(c)?,
                (KeyTable::load(c)?, KeyTable::load(c)?),
                switches::load(c)?,
            ))
        };
        let finish = move |result: Result<(T, i64, _, _, _), StorageError>| {
            let result = result.map(|(done, changes, deletions, keys, kills)| {
                (*watched.keys.write(), *watched.admin_keys.write()) = keys;
                watched.switch(kills);
                watched.let_go(deletions);
                (done, changes)
            });
            drop(reply.send(result));
        };
        self.inner.writer()?.post(batch::job(work, finish));
        answer.await.unwrap_or(Err(StorageError::Closed))
    }

    /// Takes out of the file what deleted rows have left in it, and empties its log.
    ///
    /// # Errors
    /// [`StorageError::Busy`] when another process has read or written without a pause for five seconds.
    pub async fn scrub(&self) -> Result<(), StorageError> {
        let Some(folder) = self.inner.folder.clone() else { return Ok(()) };
        let scrub = move || sqlite::scrub(&folder, schema::FILE);
        tokio::task::spawn_blocking(scrub).await.unwrap_or(Err(StorageError::Closed))
    }
}
