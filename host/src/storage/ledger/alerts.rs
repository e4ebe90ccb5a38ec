//! Who hears alerts: everybody who asks, in any process on the ledger, each alert once.
//!
//! Takes: crossings. Gives: [`Alerts`]. May name: id, powers.
//!
//! An alert is a row that is written together with the note that its part of the limit was told of, so that it is told by
//! one process, once, and outlives that process. Rows are kept for seven days.

use super::alert::{Alert, Crossing};
use super::watched::changed;
use super::{Count, Inner, SqliteLedger, lease, schema, webhook};
use crate::id::TenantId;
use crate::storage::sqlite::{counted, stored};
use crate::storage::{StorageError, batch};
use rusqlite::{Connection, Row, params};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, OnceLock};
use tokio::sync::watch;

/// How long alerts are kept.
const KEPT_MS: u64 = 7 * 86_400_000;
/// How many are read at once.
const READ: i64 = 64;

/// What a process does with each alert that it raises, before anybody is told; it must not wait.
pub(crate) type Listener = Box<dyn Fn(&Alert) + Send + Sync>;

/// How far the alerts have come, for those who wait for the next one.
pub(super) struct Board {
    newest: watch::Sender<u64>,
    closed: watch::Sender<bool>,
    listener: OnceLock<Listener>,
}

impl Default for Board {
    fn default() -> Self {
        Self { newest: watch::Sender::new(0), closed: watch::Sender::new(false), listener: OnceLock::new() }
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board").field("newest", &self.newest).finish_non_exhaustive()
    }
}

impl Board {
    /// The number of the latest alert.
    pub(super) fn newest(&self, id: u64) {
        self.newest.send_if_modified(|newest| {
            let later = id > *newest;
            *newest = id.max(*newest);
            later
        });
    }

    /// Becomes true when the ledger is closed.
    pub(super) fn closes(&self) -> watch::Receiver<bool> {
        self.closed.subscribe()
    }

    /// Nobody needs to wait any more.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }
}

/// The alerts of a ledger, of all tenants or of one, in the order of their numbers.
#[derive(Debug)]
pub struct Alerts {
    inner: Arc<Inner>,
    tenant: Option<TenantId>,
    after: u64,
    read: VecDeque<Alert>,
    newest: watch::Receiver<u64>,
    closed: watch::Receiver<bool>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SqliteLedger")
    }
}

impl Alerts {
    /// Waits for the next one; `None` when the ledger was closed. Dropping the future loses none.
    ///
    /// # Errors
    /// [`StorageError`] when the file cannot be read.
    pub async fn next(&mut self) -> Result<Option<Alert>, StorageError> {
        loop {
            if let Some(alert) = self.read.pop_front() {
                self.after = alert.id;
                return Ok(Some(alert));
            }
            if *self.closed.borrow() {
                return Ok(None);
            }
            let newest = *self.newest.borrow_and_update();
            if newest > self.after {
                self.read = after(&self.inner.reader.lock(), self.tenant.as_ref(), self.after)?.into();
                if self.read.is_empty() {
                    // All that came were other tenants'.
                    self.after = newest;
                }
                continue;
            }
            tokio::select! {
                changed = self.newest.changed() => if changed.is_err() { return Ok(None) },
                closed = self.closed.changed() => if closed.is_err() { return Ok(None) },
            }
        }
    }
}

impl SqliteLedger {
    /// The alerts after the one with this number, of all tenants or of one; from now on when it is left out. They are kept
    /// for seven days.
    #[must_use]
    pub fn alerts(&self, tenant: Option<&TenantId>, after: Option<u64>) -> Alerts {
        let board = &self.inner.watched.alerts;
        let (newest, closed) = (board.newest.subscribe(), board.closed.subscribe());
        let latest = *newest.borrow();
        let after = after.map_or(latest, |after| after.min(latest));
        let (inner, tenant) = (self.inner.clone(), tenant.cloned());
        Alerts { inner, tenant, after, read: VecDeque::new(), newest, closed }
    }

    /// From now on this one hears each alert that this process raises, once it is durable. Only the first listener counts.
    pub(crate) fn on_alert(&self, listener: Listener) {
        if self.inner.watched.alerts.listener.set(listener).is_err() {
            tracing::warn!("budget alerts have a listener already");
        }
    }

    /// Tells of parts of limits that were reached, unless another process has.
    pub(super) fn tell(&self, tenant: &TenantId, crossed: Vec<Crossing>) {
        for crossing in crossed {
            let (watched, at_ms) = (self.inner.watched.clone(), self.inner.clock.unix_ms());
            let tenant = tenant.clone();
            let told = move |result: Result<Option<Alert>, StorageError>| match result {
                Ok(None) => {}
                Ok(Some(alert)) => {
                    if let Some(listener) = watched.alerts.listener.get() {
                        listener(&alert);
                    }
                    watched.alerts.newest(alert.id);
                }
                Err(error) => tracing::warn!(%error, "a budget's alert could not be noted, and is not told"),
            };
            self.inner.writer.post(batch::job(move |c| note(c, &tenant, &crossing, at_ms), told));
        }
    }
}

/// Notes that a part of a limit is told of, and the alert with it. `None` when somebody has told of it already, or the
/// window is over.
fn note(
    c: &Connection,
    tenant: &TenantId,
    crossing: &Crossing,
    at_ms: u64,
) -> Result<Option<Alert>, StorageError> {
    let Crossing { count, start, limit, part, spent } = crossing;
    let (name, of, per, who) = lease::key(tenant, count);
    // The limit is part of what was told: at another one, the same part is news again.
    let rows = c
        .prepare_cached(
            "UPDATE budgets SET told = ?6, told_limit = ?7
             WHERE tenant = ?1 AND of = ?2 AND per = ?3 AND who = ?4 AND window_start = ?5
               AND (told < ?6 OR told_limit <> ?7)",
        )?
        .execute(params![name, of, per, who, stored(*start), i64::from(*part), stored(*limit)])?;
    if rows == 0 {
        return Ok(None);
    }
    c.prepare_cached(
        "INSERT INTO alerts (tenant, of, per, who, percent, most, spent, window_start, at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        name,
        of,
        per,
        who,
        i64::from(*part),
        stored(*limit),
        stored(*spent),
        stored(*start),
        stored(at_ms)
    ])?;
    changed(c, "alerts")?;
    let Count { of, per, who } = count;
    Ok(Some(Alert {
        id: counted(c.last_insert_rowid()),
        tenant: tenant.clone(),
        of: *of,
        per: *per,
        who: who.as_str().to_owned(),
        percent: *part,
        limit: *limit,
        spent: *spent,
        window_start_ms: *start,
        at_ms,
    }))
}

/// The number of the latest alert; 0 before the first.
pub(super) fn newest(c: &Connection) -> Result<u64, StorageError> {
    Ok(counted(c.query_row("SELECT coalesce(max(id), 0) FROM alerts", [], |row| row.get(0))?))
}

const COLUMNS: &str = "of, per, who, id, tenant, percent, most, spent, window_start, at_ms";

fn after(c: &Connection, tenant: Option<&TenantId>, after: u64) -> Result<Vec<Alert>, StorageError> {
    let whose = if tenant.is_some() { "tenant = ?3" } else { "?3 IS NULL" };
    let sql = format!("SELECT {COLUMNS} FROM alerts WHERE id > ?1 AND {whose} ORDER BY id LIMIT ?2");
    let mut rows = c.prepare_cached(&sql)?;
    let mut rows = rows.query(params![stored(after), READ, tenant.map(TenantId::as_str)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(alert(row)?);
    }
    Ok(found)
}

fn alert(row: &Row<'_>) -> Result<Alert, StorageError> {
    let count = lease::count(row)?;
    let tenant = TenantId::new(row.get::<_, String>(4)?).map_err(schema::damaged)?;
    Ok(Alert {
        id: counted(row.get(3)?),
        tenant,
        of: count.of,
        per: count.per,
        who: count.who.as_str().to_owned(),
        percent: row.get(5)?,
        limit: counted(row.get(6)?),
        spent: counted(row.get(7)?),
        window_start_ms: counted(row.get(8)?),
        at_ms: counted(row.get(9)?),
    })
}

/// Removes alerts that were kept long enough.
pub(super) fn clean(c: &Connection, now_ms: u64) -> Result<usize, StorageError> {
    let before = stored(now_ms.saturating_sub(KEPT_MS));
    webhook::lose(c, before)?;
    Ok(c.execute("DELETE FROM alerts WHERE at_ms < ?1", [before])?)
}
