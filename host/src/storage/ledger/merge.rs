//! An earlier copy of the ledger, brought forward: what a later source knows is taken from it, and the rest from the copy.
//!
//! Takes: a copy, and what happened since. Gives: a new file beside the ledger. May name: id, reason, step.
//!
//! Whatever the two say of one thing, the stricter holds: the larger sum, the later write, the key that does not open.

use super::budget::Count;
use super::claims::seal;
use super::copy::bring;
use super::key_table::{self, KeyTable};
use super::restore::{Facts, NEW, PastWrite, Spent, whole};
use super::schema::SCHEMA;
use super::{AdminKey, Raise, StoredKey, deletion, lease, raise, switches};
use crate::id::{CallId, Digest, KeyId, TenantId};
use crate::reason::Reason;
use crate::step::{Step, reached};
use crate::storage::sqlite::{self, counted, stored};
use crate::storage::{Folder, StorageError};
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, BTreeSet};

/// Numbers that alerts may have been given since the copy was made: nobody is to see one of them again.
const ALERTS_SINCE: i64 = 1_000_000;

/// What is known to have happened, also after the copy was made.
#[derive(Debug, Default)]
pub(crate) struct Later {
    pub(crate) facts: Facts,
    /// When the last thing happened that is known here, in milliseconds since 1970.
    pub(crate) newest_ms: u64,
    /// API keys that were made and not revoked.
    pub(crate) keys: BTreeMap<KeyId, TenantId>,
    /// Keys of admins that were made and not revoked.
    pub(crate) admin_keys: BTreeSet<KeyId>,
    /// Tenants that were deleted, and until when what there was of them is gone.
    pub(crate) gone: BTreeMap<TenantId, u64>,
    /// Of the calls that were open in the copy, those of which it is known how they ended.
    pub(crate) ended: BTreeSet<CallId>,
    /// Raises of the copy that do not hold any more.
    pub(crate) lowered: Vec<(TenantId, Count)>,
}

/// What there is now of what only the copy had.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Merged {
    /// API keys that open.
    pub(crate) keys: u64,
    /// API keys that were revoked since, or of which nothing is known.
    pub(crate) revoked: u64,
    /// API keys that were made since, by tenant.
    pub(crate) lost_keys: BTreeMap<TenantId, u64>,
    /// Answers of writes, to be given again.
    pub(crate) answers: u64,
    /// Writes that are known to have been made, without their answers.
    pub(crate) lost_answers: u64,
    /// Writes of which nobody knows whether they took effect.
    pub(crate) unknown: u64,
    /// Raises of limits.
    pub(crate) raises: u64,
}

/// A copy beside the ledger, brought to today's tables.
pub(crate) struct Brought<'a> {
    folder: &'a Folder,
    connection: Connection,
}

impl<'a> Brought<'a> {
    /// Copies the copy, which must be sound. `mac` makes the digests of this host, for a copy from before there were any.
    pub(crate) fn new(
        folder: &'a Folder,
        from: &Folder,
        name: &str,
        mac: impl Fn(&[u8]) -> Digest,
    ) -> Result<Self, StorageError> {
        bring(from, name, folder, NEW)?;
        reached(Step::LedgerBrought);
        let mut connection = sqlite::open(folder, NEW, &SCHEMA)?;
        connection.pragma_update(None, "secure_delete", true)?;
        let change = connection.transaction()?;
        seal(&change, mac)?;
        change.commit()?;
        Ok(Self { folder, connection })
    }

    /// When the last thing happened that the copy knows.
    pub(crate) fn newest_ms(&self) -> Result<u64, StorageError> {
        let sql = "SELECT max(at) FROM (
            SELECT max(opened_ms) AS at FROM owners UNION ALL SELECT max(touched_ms) FROM budgets
            UNION ALL SELECT max(at_ms) FROM claims UNION ALL SELECT max(created_ms) FROM keys
            UNION ALL SELECT max(revoked_ms) FROM keys UNION ALL SELECT max(at_ms) FROM kills
            UNION ALL SELECT max(at_ms) FROM raises UNION ALL SELECT max(at_ms) FROM deletions)";
        let newest: Option<i64> = self.connection.query_row(sql, [], |row| row.get(0))?;
        Ok(newest.map_or(0, counted))
    }

    /// The writes that had not ended.
    pub(crate) fn open_calls(&self) -> Result<BTreeSet<CallId>, StorageError> {
        let mut rows = self.connection.prepare("SELECT call_id FROM claims WHERE state <> 'done'")?;
        let calls = rows.query_map([], |row| Ok(CallId::from_bytes(row.get(0)?)))?;
        Ok(calls.collect::<Result<_, _>>()?)
    }

    /// The limits that were raised.
    pub(crate) fn raises(&self) -> Result<Vec<Raise>, StorageError> {
        raise::load(&self.connection)
    }

    /// Every tenant that it has something of.
    pub(crate) fn tenants(&self) -> Result<BTreeSet<TenantId>, StorageError> {
        deletion::known(&self.connection)
    }

    /// Makes the new file of the copy, and of what happened since if that is known, at this time (milliseconds since 1970).
    pub(crate) fn put_new(mut self, later: Option<&Later>, now_ms: u64) -> Result<Merged, StorageError> {
        let newest = self.newest_ms()?;
        let change = self.connection.transaction()?;
        end_owners(&change, later.is_some_and(|later| later.newest_ms >= newest))?;
        let mut merged = Merged::default();
        if let Some(later) = later {
            forget(&change, later)?;
            merged.revoked = revoke(&change, later, now_ms)?;
            if later.newest_ms >= newest {
                change.execute("DELETE FROM kills", [])?;
            }
            add(&change, &later.facts)?;
        }
        let sequence = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'alerts'";
        let last: i64 = change.query_row(sequence, [], |row| row.get(0))?;
        change.execute("DELETE FROM sqlite_sequence WHERE name = 'alerts'", [])?;
        let next = last.saturating_add(ALERTS_SINCE);
        change.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('alerts', ?1)", [next])?;
        let count = |sql: &str| Ok::<_, StorageError>(counted(change.query_row(sql, [], |row| row.get(0))?));
        merged.answers = count("SELECT count(coalesce(body, file)) FROM claims WHERE state = 'done'")?;
        merged.lost_answers =
            count("SELECT count(*) FROM claims WHERE state = 'done'")?.saturating_sub(merged.answers);
        merged.unknown = count("SELECT count(*) FROM claims WHERE state <> 'done'")?;
        merged.raises = count("SELECT count(*) FROM raises")?;
        let keys = KeyTable::<StoredKey>::load(&change)?.sorted();
        let held: BTreeSet<_> = keys.iter().map(|key| &key.id).collect();
        for (id, tenant) in later.iter().flat_map(|later| &later.keys) {
            if !held.contains(id) {
                *merged.lost_keys.entry(tenant.clone()).or_default() += 1;
            }
        }
        let open = keys.iter().filter(|key| key.is_valid_at(now_ms)).count();
        merged.keys = u64::try_from(open).unwrap_or(u64::MAX);
        change.commit()?;
        sqlite::check(&self.connection, NEW)?;
        whole(self.folder, self.connection)?;
        Ok(merged)
    }
}

/// Closes the accounts of all processes that the copy knows; none of them lives. Where it is known what they have spent, their
/// leases are not needed, but for runs, of which nobody knows.
fn end_owners(c: &Connection, is_known: bool) -> Result<(), StorageError> {
    let which = if is_known { "AND l.per = 'run'" } else { "" };
    // A count may be leased to several processes.
    c.execute(
        &format!(
            "UPDATE budgets SET spent = budgets.spent + l.granted FROM
                 (SELECT tenant, of, per, who, sum(granted) AS granted FROM leases GROUP BY 1, 2, 3, 4) AS l
             WHERE l.tenant = budgets.tenant AND l.of = budgets.of AND l.per = budgets.per
               AND l.who = budgets.who {which}"
        ),
        [],
    )?;
    c.execute_batch(
        "DELETE FROM leases; UPDATE claims SET state = 'unknown' WHERE state = 'started'; DELETE FROM owners;",
    )?;
    Ok(())
}

/// Takes out what has ended since.
fn forget(c: &Connection, later: &Later) -> Result<(), StorageError> {
    for (tenant, until_ms) in &later.gone {
        for (table, time) in [
            ("keys", "created_ms"),
            ("admin_keys", "created_ms"),
            ("claims", "at_ms"),
            ("results", "at_ms"),
            ("budgets", "touched_ms"),
            ("raises", "at_ms"),
            ("alerts", "at_ms"),
            ("deletions", "at_ms"),
        ] {
            let sql = format!("DELETE FROM {table} WHERE tenant = ?1 AND {time} <= ?2");
            c.execute(&sql, params![tenant.as_str(), stored(*until_ms)])?;
        }
    }
    for call in &later.ended {
        c.execute("DELETE FROM claims WHERE call_id = ?1 AND state <> 'done'", [call.as_bytes()])?;
    }
    for (tenant, count) in &later.lowered {
        c.execute(
            "DELETE FROM raises WHERE tenant = ?1 AND of = ?2 AND per = ?3 AND who = ?4",
            lease::key(tenant, count),
        )?;
    }
    Ok(())
}

/// Ends every key that is not known to open.
fn revoke(c: &Connection, later: &Later, now_ms: u64) -> Result<u64, StorageError> {
    let mut revoked = 0;
    for key in KeyTable::<StoredKey>::load(c)?.sorted() {
        let known = key.created_ms > later.newest_ms || later.keys.get(&key.id) == Some(&key.tenant);
        if !known && key_table::revoke::<StoredKey>(c, &key.id, stored(now_ms))? {
            revoked += 1;
        }
    }
    for key in KeyTable::<AdminKey>::load(c)?.sorted() {
        let known = key.created_ms > later.newest_ms || later.admin_keys.contains(&key.id);
        if !known && key_table::revoke::<AdminKey>(c, &key.id, stored(now_ms))? {
            revoked += 1;
        }
    }
    Ok(revoked)
}

/// Adds what was spent, written and stopped.
fn add(c: &Connection, facts: &Facts) -> Result<(), StorageError> {
    for Spent { tenant, count, window_start, spent } in &facts.spent {
        let (tenant, of, per, who) = lease::key(tenant, count);
        c.prepare_cached(
            "INSERT INTO budgets (tenant, of, per, who, window_start, spent) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (tenant, of, per, who) DO UPDATE SET
                 spent = CASE WHEN window_start = ?5 THEN max(spent, ?6) ELSE ?6 END,
                 told = CASE WHEN window_start = ?5 THEN told ELSE 0 END,
                 window_start = ?5
             WHERE window_start <= ?5",
        )?
        .execute(params![tenant, of, per, who, stored(*window_start), stored(*spent)])?;
    }
    for write in &facts.writes {
        let PastWrite { tenant, function, key, fingerprint, call_id, at_unix_ms, ended, kept_ms, .. } = write;
        let state = if ended.is_some() { "done" } else { "unknown" };
        // The answer that the copy has of the same call stays.
        c.prepare_cached(
            "INSERT INTO claims (tenant, function, key, fingerprint, call_id, owner, state, at_ms, reason, fuel, until_ms, kept_ms, sealed)
             VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8, 0, ?9, ?10, 1)
             ON CONFLICT (tenant, function, key) DO UPDATE SET fingerprint = ?4, call_id = ?5, owner = 0, state = ?6,
                 at_ms = ?7, reason = ?8, fuel = 0, body = NULL, file = NULL,
                 file_digest = NULL, file_bytes = NULL, until_ms = ?9, kept_ms = ?10, sealed = 1
             WHERE call_id < ?5 OR (call_id = ?5 AND state <> 'done')",
        )?
        .execute(params![
            tenant.as_str(),
            function.as_str(),
            key.to_string(),
            fingerprint.as_bytes(),
            call_id.as_bytes(),
            state,
            stored(*at_unix_ms),
            ended.map(Reason::code),
            stored(at_unix_ms.saturating_add(*kept_ms)),
            stored(*kept_ms),
        ])?;
    }
    for kill in &facts.kills {
        switches::put(c, kill)?;
    }
    Ok(())
}
