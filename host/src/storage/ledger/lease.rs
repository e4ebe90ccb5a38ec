//! Leases in the file: how much of each budget every process may spend, never more than the limit together.
//!
//! Takes: asks of this process, inside a transaction. Gives: grants. May name: id.

use super::account::{Ask, Closing, Grant};
use super::budget::{Of, Per};
use super::deletion;
use super::owner::OwnerId;
use crate::id::TenantId;
use crate::storage::StorageError;
use crate::storage::sqlite::{counted, stored};
use rusqlite::{Connection, OptionalExtension, params};

/// A lease covers this many calls like the one that asked, when there is room.
const CALLS_AHEAD: u64 = 64;
/// A large budget is leased by the sixty-fourth, which spares syncs, but never for more calls than this: after a crash
/// the whole lease counts as spent.
const MOST_AHEAD: u64 = 1024;

/// Extends the leases of this process as far as the limits allow; a refused ask changes nothing.
pub(super) fn extend(
    connection: &Connection,
    owner: OwnerId,
    tenant: &TenantId,
    asks: &[Ask],
) -> Result<Vec<Grant>, StorageError> {
    deletion::refuse(connection, tenant)?;
    asks.iter().map(|ask| extend_one(connection, owner, tenant, ask)).collect()
}

fn extend_one(c: &Connection, owner: OwnerId, tenant: &TenantId, ask: &Ask) -> Result<Grant, StorageError> {
    let (of, per) = (ask.of, ask.per);
    let key = (tenant.as_str(), of.as_str(), per.as_str());
    let row = window(c, tenant, of, per)?;
    let (start, spent) = match row {
        Some((start, spent)) if start >= ask.start => (start, spent),
        _ => {
            // A new window: what was spent and leased in the one before it counts no more.
            c.prepare_cached(
                "INSERT INTO budgets (tenant, of, per, window_start, spent) VALUES (?1, ?2, ?3, ?4, 0)
                 ON CONFLICT (tenant, of, per) DO UPDATE SET window_start = ?4, spent = 0",
            )?
            .execute(params![key.0, key.1, key.2, stored(ask.start)])?;
            c.prepare_cached("DELETE FROM leases WHERE tenant = ?1 AND of = ?2 AND per = ?3")?
                .execute(key)?;
            (ask.start, 0)
        }
    };
    let others = leased_to_others(c, owner, tenant, of, per)?;
    let mine = c
        .prepare_cached(
            "SELECT granted FROM leases WHERE tenant = ?1 AND of = ?2 AND per = ?3 AND owner = ?4",
        )?
        .query_row(params![key.0, key.1, key.2, owner.0], |row| row.get(0))
        .optional()?
        .map_or(0, counted);
    // In a window that is later than the one asked for, this process has used nothing yet.
    let used = if start == ask.start { ask.used } else { 0 };
    let allowed = ask.limit.min(i64::MAX.unsigned_abs()).saturating_sub(spent).saturating_sub(others);
    let need = used.saturating_add(ask.want);
    let granted = if need > allowed {
        mine
    } else {
        // Some calls ahead, but never more than half of what is left, so that other processes find some too.
        let room = allowed - need;
        let few = ask.want.saturating_mul(CALLS_AHEAD - 1).min(room / 2);
        let many = ask.want.saturating_mul(MOST_AHEAD - 1).min(ask.limit / CALLS_AHEAD);
        let ahead = few.max(many).min(room);
        mine.max(need.saturating_add(ahead))
    };
    if granted != mine {
        c.prepare_cached(
            "INSERT INTO leases (tenant, of, per, owner, granted) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (tenant, of, per, owner) DO UPDATE SET granted = ?5",
        )?
        .execute(params![key.0, key.1, key.2, owner.0, stored(granted)])?;
    }
    Ok(Grant { of, per, limit: ask.limit, start, leased: granted.min(allowed), allowed })
}

/// The window of a budget that the file knows, and what closed and dead processes have spent in it.
pub(super) fn window(
    c: &Connection,
    tenant: &TenantId,
    of: Of,
    per: Per,
) -> Result<Option<(u64, u64)>, StorageError> {
    let row = c
        .prepare_cached("SELECT window_start, spent FROM budgets WHERE tenant = ?1 AND of = ?2 AND per = ?3")?
        .query_row((tenant.as_str(), of.as_str(), per.as_str()), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(row.map(|(start, spent)| (counted(start), counted(spent))))
}

/// What other processes may spend in that window.
pub(super) fn leased_to_others(
    c: &Connection,
    owner: OwnerId,
    tenant: &TenantId,
    of: Of,
    per: Per,
) -> Result<u64, StorageError> {
    let sum: i64 = c
        .prepare_cached(
            "SELECT coalesce(sum(granted), 0) FROM leases
             WHERE tenant = ?1 AND of = ?2 AND per = ?3 AND owner <> ?4",
        )?
        .query_row(params![tenant.as_str(), of.as_str(), per.as_str(), owner.0], |row| row.get(0))?;
    Ok(counted(sum))
}

/// Gives this process's leases back: only what it has spent stays.
pub(super) fn give_back(
    c: &Connection,
    owner: OwnerId,
    closing: &[(TenantId, Vec<Closing>)],
) -> Result<(), StorageError> {
    for (tenant, books) in closing {
        for book in books {
            c.prepare_cached(
                "UPDATE budgets SET spent = spent + ?5
                 WHERE tenant = ?1 AND of = ?2 AND per = ?3 AND window_start = ?4",
            )?
            .execute(params![
                tenant.as_str(),
                book.of.as_str(),
                book.per.as_str(),
                stored(book.start),
                stored(book.spent)
            ])?;
        }
    }
    c.execute("DELETE FROM leases WHERE owner = ?1", [owner.0])?;
    Ok(())
}

/// Counts everything that a dead process had leased as spent: nobody knows how much of it was.
pub(super) fn count_as_spent(c: &Connection, owner: OwnerId) -> Result<(), StorageError> {
    c.execute(
        "UPDATE budgets SET spent = budgets.spent + l.granted FROM leases AS l
         WHERE l.owner = ?1 AND l.tenant = budgets.tenant AND l.of = budgets.of AND l.per = budgets.per",
        [owner.0],
    )?;
    c.execute("DELETE FROM leases WHERE owner = ?1", [owner.0])?;
    Ok(())
}
