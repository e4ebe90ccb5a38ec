//! Leases in the file: how much of each budget every process may spend, never more than the limit together.
//!
//! Takes: asks of this process, inside a transaction. Gives: grants. May name: id.

use super::account::{Ask, Closing, Grant, RUN_RESTS};
use super::budget::{Count, Of, Per};
use super::deletion;
use super::owner::OwnerId;
use super::schema::damaged;
use super::who::Who;
use crate::id::TenantId;
use crate::storage::StorageError;
use crate::storage::sqlite::{counted, stored};
use rusqlite::{Connection, OptionalExtension, Row, params};

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
    now_ms: u64,
) -> Result<Vec<Grant>, StorageError> {
    deletion::refuse(connection, tenant)?;
    asks.iter().map(|ask| extend_one(connection, owner, tenant, ask, now_ms)).collect()
}

fn extend_one(
    c: &Connection,
    owner: OwnerId,
    tenant: &TenantId,
    ask: &Ask,
    now_ms: u64,
) -> Result<Grant, StorageError> {
    let (tenant, of, per, who) = key(tenant, &ask.count);
    let (start, spent) = match window(c, tenant, &ask.count)? {
        Some((start, spent)) if start >= ask.start => {
            c.prepare_cached(
                "UPDATE budgets SET touched_ms = ?5 WHERE tenant = ?1 AND of = ?2 AND per = ?3 AND who = ?4",
            )?
            .execute(params![tenant, of, per, who, stored(now_ms)])?;
            (start, spent)
        }
        _ => {
            // A new window: what was spent and leased in the one before it counts no more.
            c.prepare_cached(
                "INSERT INTO budgets (tenant, of, per, who, window_start, spent, told, touched_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, ?6)
                 ON CONFLICT (tenant, of, per, who)
                 DO UPDATE SET window_start = ?5, spent = 0, told = 0, touched_ms = ?6",
            )?
            .execute(params![tenant, of, per, who, stored(ask.start), stored(now_ms)])?;
            c.prepare_cached("DELETE FROM leases WHERE tenant = ?1 AND of = ?2 AND per = ?3 AND who = ?4")?
                .execute((tenant, of, per, who))?;
            (ask.start, 0)
        }
    };
    let others = leased_to_others(c, owner, tenant, &ask.count)?;
    let mine = c
        .prepare_cached(
            "SELECT granted FROM leases
             WHERE tenant = ?1 AND of = ?2 AND per = ?3 AND who = ?4 AND owner = ?5",
        )?
        .query_row(params![tenant, of, per, who, owner.0], |row| row.get(0))
        .optional()?
        .map_or(0, counted);
    // In a window that is later than the one asked for, this process has used nothing yet.
    let used = if start == ask.start { ask.used } else { 0 };
    let others = spent.saturating_add(others);
    let allowed = ask.limit.min(i64::MAX.unsigned_abs()).saturating_sub(others);
    let need = used.saturating_add(ask.want);
    let granted = if need > allowed {
        mine
    } else {
        // Some calls ahead, but never more than half of what is left, so that other processes find some too.
        let room = allowed - need;
        let few = ask.want.saturating_mul(CALLS_AHEAD - 1);
        let ahead = match ask.told.saturating_sub(others).saturating_sub(need) {
            // Beyond a limit that only warns: nobody needs to be left anything.
            0 => few.min(room),
            near => {
                let many = ask.want.saturating_mul(MOST_AHEAD - 1).min(ask.told / CALLS_AHEAD);
                few.min(near / 2).max(many).min(room)
            }
        };
        mine.max(need.saturating_add(ahead))
    };
    if granted != mine {
        c.prepare_cached(
            "INSERT INTO leases (tenant, of, per, who, owner, granted) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (tenant, of, per, who, owner) DO UPDATE SET granted = ?6",
        )?
        .execute(params![tenant, of, per, who, owner.0, stored(granted)])?;
    }
    let count = ask.count.clone();
    Ok(Grant { count, limit: ask.limit, start, leased: granted.min(allowed), allowed, others })
}

pub(super) fn key<'a>(
    tenant: &'a TenantId,
    count: &'a Count,
) -> (&'a str, &'static str, &'static str, &'a str) {
    (tenant.as_str(), count.of.as_str(), count.per.as_str(), count.who.as_str())
}

/// The window of a budget that the file knows, and what closed and dead processes have spent in it.
pub(super) fn window(
    c: &Connection,
    tenant: &str,
    count: &Count,
) -> Result<Option<(u64, u64)>, StorageError> {
    let row = c
        .prepare_cached(
            "SELECT window_start, spent FROM budgets
             WHERE tenant = ?1 AND of = ?2 AND per = ?3 AND who = ?4",
        )?
        .query_row((tenant, count.of.as_str(), count.per.as_str(), count.who.as_str()), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    Ok(row.map(|(start, spent)| (counted(start), counted(spent))))
}

/// The most counts that are listed for a tenant: runs can be many.
pub(super) const MOST_COUNTS: i64 = 10_000;

/// What the file counts for a tenant: runs after everything else, and of the rest the latest.
pub(super) fn counts(c: &Connection, tenant: &TenantId) -> Result<Vec<Count>, StorageError> {
    let mut rows = c.prepare_cached(
        "SELECT of, per, who FROM (SELECT * FROM budgets WHERE tenant = ?1
             ORDER BY per = 'run', touched_ms DESC LIMIT ?2) ORDER BY per = 'run', of, per, who",
    )?;
    let mut rows = rows.query(params![tenant.as_str(), MOST_COUNTS])?;
    let mut counts = Vec::new();
    while let Some(row) = rows.next()? {
        counts.push(count(row)?);
    }
    Ok(counts)
}

/// The count in the first three columns of a row.
pub(super) fn count(row: &Row<'_>) -> Result<Count, StorageError> {
    let word = |at| row.get_ref(at)?.as_str().map_err(rusqlite::Error::from);
    let of = Of::ALL.into_iter().find(|of| word(0).is_ok_and(|word| word == of.as_str()));
    let per = Per::ALL.into_iter().find(|per| word(1).is_ok_and(|word| word == per.as_str()));
    match (of, per) {
        (Some(of), Some(per)) => Ok(Count { of, per, who: Who::from_stored(word(2)?) }),
        _ => Err(damaged(format!("a budget counts {:?} per {:?}", word(0)?, word(1)?))),
    }
}

/// What other processes may spend in that window.
pub(super) fn leased_to_others(
    c: &Connection,
    owner: OwnerId,
    tenant: &str,
    count: &Count,
) -> Result<u64, StorageError> {
    let sum: i64 = c
        .prepare_cached(
            "SELECT coalesce(sum(granted), 0) FROM leases
             WHERE tenant = ?1 AND of = ?2 AND per = ?3 AND who = ?4 AND owner <> ?5",
        )?
        .query_row(
            params![tenant, count.of.as_str(), count.per.as_str(), count.who.as_str(), owner.0],
            |row| row.get(0),
        )?;
    Ok(counted(sum))
}

/// Gives this process's leases back: only what it has spent stays. A lease of which it does not know that any more, since its count
/// rested for too long, counts as spent.
pub(super) fn give_back(
    c: &Connection,
    owner: OwnerId,
    closing: &[(TenantId, Vec<Closing>)],
) -> Result<(), StorageError> {
    for (tenant, counts) in closing {
        for Closing { count, start, spent } in counts {
            let (tenant, of, per, who) = key(tenant, count);
            let known = c
                .prepare_cached(
                    "UPDATE budgets SET spent = spent + ?6
                     WHERE tenant = ?1 AND of = ?2 AND per = ?3 AND who = ?4 AND window_start = ?5",
                )?
                .execute(params![tenant, of, per, who, stored(*start), stored(*spent)])?;
            if known > 0 {
                c.prepare_cached(
                    "DELETE FROM leases WHERE tenant = ?1 AND of = ?2 AND per = ?3 AND who = ?4 AND owner = ?5",
                )?
                .execute(params![tenant, of, per, who, owner.0])?;
            }
        }
    }
    count_as_spent(c, owner)
}

/// Counts everything that a process had leased as spent: nobody knows how much of it was.
pub(super) fn count_as_spent(c: &Connection, owner: OwnerId) -> Result<(), StorageError> {
    c.execute(
        "UPDATE budgets SET spent = budgets.spent + l.granted FROM leases AS l
         WHERE l.owner = ?1 AND l.tenant = budgets.tenant AND l.of = budgets.of AND l.per = budgets.per
           AND l.who = budgets.who",
        [owner.0],
    )?;
    c.execute("DELETE FROM leases WHERE owner = ?1", [owner.0])?;
    Ok(())
}

/// Removes counts of runs that have rested for so long that no process counts for them any more.
pub(super) fn forget_runs(c: &Connection, now_ms: u64) -> Result<usize, StorageError> {
    let rested = u64::try_from(RUN_RESTS.as_millis()).unwrap_or(u64::MAX).saturating_mul(2);
    let before = stored(now_ms.saturating_sub(rested));
    c.execute(
        "DELETE FROM leases WHERE per = 'run' AND EXISTS (SELECT 1 FROM budgets AS b
         WHERE b.tenant = leases.tenant AND b.of = leases.of AND b.per = 'run' AND b.who = leases.who
           AND b.touched_ms < ?1)",
        [before],
    )?;
    Ok(c.execute("DELETE FROM budgets WHERE per = 'run' AND touched_ms < ?1", [before])?)
}
