//! Claims in the file, and those of calls that run in this process.
//!
//! Takes: scopes and answers. Gives: what is known of an idempotency key. May name: id, reason.

use super::answers::{Gone, InFile};
use super::claim::{ClaimScope, StoredAnswer};
use super::deletion;
use super::owner::OwnerId;
use super::schema::damaged;
use crate::id::{CallId, Digest, TenantId};
use crate::reason::Reason;
use crate::storage::StorageError;
use crate::storage::sqlite::{counted, stored};
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// How long an answer is kept at least, in milliseconds: 24 hours.
pub(crate) const KEPT_MS: u64 = 86_400_000;
/// Old answers that one cleaning removes at most, so that it holds nobody up.
pub(super) const CLEANED: u32 = 500;

/// Keys of calls that are between claim and end in this process.
#[derive(Debug, Default)]
pub(super) struct InFlight(Mutex<HashMap<ClaimScope, Held>>);

#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) fingerprint: [u8; 32],
    /// No two claims have the same: it tells the claim that holds a key from one that held it before.
    pub(super) call_id: CallId,
    /// Until when it holds the key, in milliseconds since 1970.
    pub(super) until_ms: u64,
    /// How long its answer will be given again, in milliseconds.
    pub(super) kept_ms: u64,
    /// The call that broke off, and whose place this one takes when it starts.
    pub(super) instead_of: Option<CallId>,
}

impl InFlight {
    /// Enters a call, or gives the one that holds the key. One that has held it longer than it may has to make room.
    pub(super) fn enter(&self, scope: &ClaimScope, call: Held, now_ms: u64) -> Option<Held> {
        match self.0.lock().entry(scope.clone()) {
            Entry::Occupied(held) if held.get().until_ms >= now_ms => Some(*held.get()),
            Entry::Occupied(mut late) => {
                late.insert(call);
                None
            }
            Entry::Vacant(place) => {
                place.insert(call);
                None
            }
        }
    }

    /// Lets a call hold its key longer, if it still does.
    pub(super) fn extend(&self, scope: &ClaimScope, call: Held) {
        if let Some(held) = self.0.lock().get_mut(scope).filter(|held| held.call_id == call.call_id) {
            held.until_ms = call.until_ms;
        }
    }

    /// Takes a call out, if it still holds the key.
    pub(super) fn leave(&self, scope: &ClaimScope, call: Held) {
        if let Entry::Occupied(held) = self.0.lock().entry(scope.clone())
            && held.get().call_id == call.call_id
        {
            held.remove();
        }
    }
}

/// What the file has about a key.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) fingerprint: [u8; 32],
    pub(super) call_id: CallId,
    pub(super) owner: OwnerId,
    /// Of a started write, until when it counts as running; of one that is done, until when its answer is given again.
    pub(super) until_ms: u64,
    pub(super) state: State,
}

#[derive(Debug)]
pub(super) enum State {
    Started,
    Done {
        /// The answer; without its bytes when they are in a file.
        answer: StoredAnswer,
        file: Option<InFile>,
    },
    /// Done, but the answer is not known.
    Lost {
        reason: Reason,
    },
    Unknown,
}

/// Reads a key's row; an answer older than the time it is kept counts as not there.
pub(super) fn find(c: &Connection, scope: &ClaimScope, now_ms: u64) -> Result<Option<Found>, StorageError> {
    let found = c
        .prepare_cached(
            "SELECT fingerprint, call_id, owner, state, at_ms, reason, fuel, body, until_ms, file, file_digest,
                    file_bytes FROM claims
             WHERE tenant = ?1 AND function = ?2 AND key = ?3",
        )?
        .query_row((scope.tenant.as_str(), scope.function.as_str(), scope.key.to_string()), |row| {
            Ok(read(row))
        })
        .optional()?
        .transpose()?;
    Ok(found.filter(|found| match &found.state {
        State::Done { .. } | State::Lost { .. } => found.until_ms >= now_ms,
        State::Started | State::Unknown => true,
    }))
}

fn read(row: &Row<'_>) -> Result<Found, StorageError> {
    let state = match row.get::<_, String>(3)?.as_str() {
        "started" => State::Started,
        "unknown" => State::Unknown,
        _ => {
            let code: String = row.get(5)?;
            let reason = Reason::ALL.iter().find(|r| r.code() == code);
            let reason = *reason.ok_or_else(|| damaged(format!("an answer has the reason {code:?}")))?;
            let at_unix_ms = counted(row.get(4)?);
            let file = match row.get(9)? {
                Some(name) => Some(InFile {
                    name,
                    digest: Digest::from_bytes(row.get(10)?),
                    bytes: counted(row.get(11)?),
                }),
                None => None,
            };
            match (row.get(7)?, file) {
                (None, None) => State::Lost { reason },
                (body, file) => {
                    let (body, fuel) = (body.unwrap_or_default(), counted(row.get(6)?));
                    State::Done { answer: StoredAnswer { reason, body, fuel, at_unix_ms }, file }
                }
            }
        }
    };
    Ok(Found {
        fingerprint: row.get(0)?,
        call_id: CallId::from_bytes(row.get(1)?),
        owner: OwnerId(row.get(2)?),
        until_ms: counted(row.get(8)?),
        state,
    })
}

/// Enters a started write. `false` when the key has a row already, from another process, or when the one whose place it
/// takes has none any more.
pub(super) fn start(
    c: &Connection,
    owner: OwnerId,
    scope: &ClaimScope,
    call: Held,
    now_ms: u64,
) -> Result<bool, StorageError> {
    deletion::refuse(c, &scope.tenant)?;
    if let Some(broken) = call.instead_of
        && !give_way(c, scope, broken)?
    {
        return Ok(false);
    }
    if find(c, scope, now_ms)?.is_some() {
        return Ok(false);
    }
    c.prepare_cached(
        "INSERT OR REPLACE INTO claims (tenant, function, key, fingerprint, call_id, owner, state, at_ms, until_ms, kept_ms, sealed)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'started', ?7, ?8, ?9, 1)",
    )?
    .execute(params![
        scope.tenant.as_str(),
        scope.function.as_str(),
        scope.key.to_string(),
        call.fingerprint,
        call.call_id.as_bytes(),
        owner.0,
        stored(now_ms),
        stored(call.until_ms),
        stored(call.kept_ms),
    ])?;
    Ok(true)
}

/// Removes a write that broke off, for another in its place. `false` when it is not there any more.
fn give_way(c: &Connection, scope: &ClaimScope, broken: CallId) -> Result<bool, StorageError> {
    let sql = "DELETE FROM claims
               WHERE tenant = ?1 AND function = ?2 AND key = ?3 AND call_id = ?4 AND state <> 'done'";
    let (tenant, function, key) = (scope.tenant.as_str(), scope.function.as_str(), scope.key.to_string());
    Ok(c.prepare_cached(sql)?.execute(params![tenant, function, key, broken.as_bytes()])? == 1)
}

/// Stores the answer of a started write, to be given again for as long as was said when it began. What is in a file is not
/// in the row.
pub(super) fn complete(
    c: &Connection,
    scope: &ClaimScope,
    call: CallId,
    answer: &StoredAnswer,
    file: Option<&InFile>,
) -> Result<(), StorageError> {
    let rows = c
        .prepare_cached(
            "UPDATE claims SET state = 'done', at_ms = ?5, reason = ?6, fuel = ?7, body = ?8, until_ms = ?5 + kept_ms,
             file = ?9, file_digest = ?10, file_bytes = ?11
             WHERE tenant = ?1 AND function = ?2 AND key = ?3 AND call_id = ?4 AND state = 'started'",
        )?
        .execute(params![
            scope.tenant.as_str(),
            scope.function.as_str(),
            scope.key.to_string(),
            call.as_bytes(),
            stored(answer.at_unix_ms),
            answer.reason.code(),
            stored(answer.fuel),
            file.is_none().then_some(&answer.body),
            file.map(|file| &file.name),
            file.map(|file| file.digest.as_bytes()),
            file.map(|file| stored(file.bytes)),
        ])?;
    if rows == 1 {
        Ok(())
    } else {
        Err(StorageError::Failed("a started write is not in the ledger any more".into()))
    }
}

/// Marks a started write as one whose effect nobody knows.
pub(super) fn lose(c: &Connection, scope: &ClaimScope, call: CallId) -> Result<(), StorageError> {
    let sql = "UPDATE claims SET state = 'unknown'
               WHERE tenant = ?1 AND function = ?2 AND key = ?3 AND call_id = ?4 AND state = 'started'";
    end(c, sql, scope, call)
}

/// Forgets a started write that had no effect.
pub(super) fn release(c: &Connection, scope: &ClaimScope, call: CallId) -> Result<(), StorageError> {
    let sql = "DELETE FROM claims
               WHERE tenant = ?1 AND function = ?2 AND key = ?3 AND call_id = ?4 AND state = 'started'";
    end(c, sql, scope, call)
}

/// A claim changes its own row alone: the key may be another's by now, when it was taken for dead.
fn end(c: &Connection, sql: &str, scope: &ClaimScope, call: CallId) -> Result<(), StorageError> {
    let (tenant, function, key) = (scope.tenant.as_str(), scope.function.as_str(), scope.key.to_string());
    c.prepare_cached(sql)?.execute(params![tenant, function, key, call.as_bytes()])?;
    Ok(())
}

/// Removes some answers that were kept long enough. Unknown writes stay until somebody settles them. Gives the files that
/// have no row any more.
pub(super) fn clean(c: &Connection, now_ms: u64) -> Result<Vec<Gone>, StorageError> {
    let sql = "DELETE FROM claims WHERE rowid IN
               (SELECT rowid FROM claims WHERE state = 'done' AND until_ms < ?1 LIMIT ?2) RETURNING tenant, file";
    gone(c, sql, params![stored(now_ms), CLEANED])
}

/// Removes a key's answer if it was kept long enough, because the key is used again.
pub(super) fn expire(c: &Connection, scope: &ClaimScope, now_ms: u64) -> Result<Vec<Gone>, StorageError> {
    let sql = "DELETE FROM claims WHERE tenant = ?1 AND function = ?2 AND key = ?3 AND state = 'done'
               AND until_ms < ?4 RETURNING tenant, file";
    let (tenant, function, key) = (scope.tenant.as_str(), scope.function.as_str(), scope.key.to_string());
    gone(c, sql, params![tenant, function, key, stored(now_ms)])
}

/// Runs what deletes rows, and gives the files that they have named.
pub(super) fn gone(c: &Connection, sql: &str, by: &[&dyn ToSql]) -> Result<Vec<Gone>, StorageError> {
    let mut statement = c.prepare_cached(sql)?;
    let mut rows = statement.query(by)?;
    let mut files = Vec::new();
    while let Some(row) = rows.next()? {
        if let Some(name) = row.get(1)? {
            let tenant = TenantId::new(row.get::<_, String>(0)?).map_err(damaged)?;
            files.push(Gone { tenant, name });
        }
    }
    Ok(files)
}

/// Puts keyed digests in the place of clients' keys and of arguments' digests, as an earlier version has written them.
pub(super) fn seal(c: &Connection, mac: impl Fn(&[u8]) -> Digest) -> Result<usize, StorageError> {
    let rows = c
        .prepare("SELECT rowid, key, fingerprint FROM claims WHERE sealed = 0")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<Vec<(i64, String, Vec<u8>)>, _>>()?;
    for (row, key, fingerprint) in &rows {
        let (key, fingerprint) = (mac(key.as_bytes()).to_string(), mac(fingerprint));
        c.prepare_cached("UPDATE claims SET key = ?2, fingerprint = ?3, sealed = 1 WHERE rowid = ?1")?
            .execute(params![row, key, fingerprint.as_bytes()])?;
    }
    Ok(rows.len())
}
