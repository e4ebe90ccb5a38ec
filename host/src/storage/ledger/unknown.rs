//! Writes of which nobody knows whether they took effect: for an operator to look at, and to settle.
//!
//! Takes: a tenant, or a call. Gives: [`UnknownWrite`]. May name: id, reason.

use super::answers::{InFile, Unnamed};
use super::claim::StoredAnswer;
use super::owner::OwnerId;
use super::schema::damaged;
use super::{SqliteLedger, deletion};
use crate::id::{CallId, Digest, FunctionName, TenantId};
use crate::reason::Reason;
use crate::storage::sqlite::{counted, stored};
use crate::storage::{StorageError, batch};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

/// A write under an idempotency key that broke off after it may have taken effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownWrite {
    /// The tenant.
    pub tenant: TenantId,
    /// The function.
    pub function: FunctionName,
    /// The call that broke off.
    pub call_id: CallId,
    /// The keyed digest of its idempotency key, as in the audit log.
    pub key: Digest,
    /// The keyed digest of its arguments, as in the audit log.
    pub arguments: Digest,
    /// When it began, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// How long its answer is given again once there is one, in milliseconds.
    pub kept_ms: u64,
}

/// What an operator has found out about a write that broke off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// It took effect. A repeat gets this answer, or else hears that the write was made and its answer is not known.
    Done(Option<StoredAnswer>),
    /// It had no effect: the key is free again.
    Failed,
}

const COLUMNS: &str = "tenant, function, key, fingerprint, call_id, at_ms, state, owner, until_ms, kept_ms";

/// A row that is not done.
struct Open {
    write: UnknownWrite,
    /// Who runs it, and until when; `None` when it is known that it broke off.
    runs: Option<(OwnerId, u64)>,
}

impl Open {
    fn read(row: &Row<'_>) -> Result<Self, StorageError> {
        let key = Digest::parse(&row.get::<_, String>(2)?);
        let write = UnknownWrite {
            tenant: TenantId::new(row.get::<_, String>(0)?).map_err(damaged)?,
            function: FunctionName::new(row.get::<_, String>(1)?).map_err(damaged)?,
            key: key.ok_or_else(|| damaged("a claim's key is no digest"))?,
            arguments: Digest::from_bytes(row.get(3)?),
            call_id: CallId::from_bytes(row.get(4)?),
            at_unix_ms: counted(row.get(5)?),
            kept_ms: counted(row.get(9)?),
        };
        let runs = match row.get::<_, String>(6)?.as_str() {
            "started" => Some((OwnerId(row.get(7)?), counted(row.get(8)?))),
            _ => None,
        };
        Ok(Self { write, runs })
    }
}

fn all(c: &Connection, tenant: Option<&TenantId>) -> Result<Vec<Open>, StorageError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM claims WHERE state <> 'done' AND (?1 IS NULL OR tenant = ?1) ORDER BY call_id"
    );
    let mut statement = c.prepare_cached(&sql)?;
    let mut rows = statement.query([tenant.map(TenantId::as_str)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Open::read(row)?);
    }
    Ok(found)
}

fn of(c: &Connection, call: CallId) -> Result<Option<Open>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM claims WHERE state <> 'done' AND call_id = ?1");
    c.prepare_cached(&sql)?.query_row([call.as_bytes()], |row| Ok(Open::read(row))).optional()?.transpose()
}

fn change(
    c: &Connection,
    write: &UnknownWrite,
    how: &Settlement,
    file: Option<&InFile>,
    now_ms: u64,
) -> Result<(), StorageError> {
    const ROW: &str = "call_id = ?1 AND tenant = ?2 AND state <> 'done'";
    deletion::refuse(c, &write.tenant)?;
    let (call, tenant) = (write.call_id.as_bytes(), write.tenant.as_str());
    let Settlement::Done(answer) = how else {
        c.execute(&format!("DELETE FROM claims WHERE {ROW}"), params![call, tenant])?;
        return Ok(());
    };
    let reason = answer.as_ref().map_or(Reason::Ok, |answer| answer.reason);
    let body = answer.as_ref().filter(|_| file.is_none()).map(|answer| &answer.body);
    c.execute(
        &format!(
            "UPDATE claims SET state = 'done', at_ms = ?3, until_ms = ?3 + kept_ms, reason = ?4, fuel = 0,
             body = ?5, file = ?6, file_digest = ?7, file_bytes = ?8 WHERE {ROW}"
        ),
        params![
            call,
            tenant,
            stored(now_ms),
            reason.code(),
            body,
            file.map(|file| &file.name),
            file.map(|file| file.digest.as_bytes()),
            file.map(|file| stored(file.bytes)),
        ],
    )?;
    Ok(())
}

impl SqliteLedger {
    /// The writes of which nobody knows whether they took effect, oldest first: those that broke off, and those that have
    /// run so long that nobody waits for them any more.
    ///
    /// # Errors
    /// [`StorageError`] when the file cannot be read.
    pub fn unknown_writes(&self, tenant: Option<&TenantId>) -> Result<Vec<UnknownWrite>, StorageError> {
        let open = all(&self.inner.reader.lock(), tenant)?;
        let mut unknown = Vec::new();
        for open in open {
            if self.is_over(&open)? {
                unknown.push(open.write);
            }
        }
        Ok(unknown)
    }

    /// Settles such a write, durably. Gives what it was; `None` when there is none of this call, also when it still runs.
    ///
    /// # Errors
    /// [`StorageError`]; the write is as it was.
    pub async fn settle_unknown(
        &self,
        call: CallId,
        how: Settlement,
    ) -> Result<Option<UnknownWrite>, StorageError> {
        let (ledger, now) = (self.clone(), self.inner.clock.unix_ms());
        let (how, file) = self.settles(call, how).await?;
        let (file, unnamed) = file.unzip();
        let work = move |c: &Connection| match of(c, call)? {
            Some(open) if ledger.is_over(&open)? => {
                change(c, &open.write, &how, file.as_ref(), now)?;
                Ok(Some(open.write))
            }
            _ => Ok(None),
        };
        let (reply, settled) = tokio::sync::oneshot::channel();
        let finish = move |result: Result<Option<UnknownWrite>, StorageError>| {
            if matches!(result, Ok(Some(_))) {
                unnamed.into_iter().for_each(Unnamed::keep);
            }
            drop(reply.send(result));
        };
        self.inner.writer()?.post(batch::job(work, finish));
        settled.await.unwrap_or(Err(StorageError::Closed))
    }

    /// Puts a long answer into a file of the write's tenant.
    async fn settles(
        &self,
        call: CallId,
        how: Settlement,
    ) -> Result<(Settlement, Option<(InFile, Unnamed)>), StorageError> {
        let answer = match how {
            Settlement::Done(Some(answer)) if self.is_long(&answer) => answer,
            how => return Ok((how, None)),
        };
        let open = of(&self.inner.reader.lock(), call)?;
        // Of no such write nothing is changed, whatever the answer.
        let Some(open) = open else { return Ok((Settlement::Done(None), None)) };
        let ledger = self.clone();
        let kept = tokio::task::spawn_blocking(move || ledger.keep(&open.write.tenant, call, answer));
        let (answer, file) = kept.await.unwrap_or(Err(StorageError::Closed))?;
        Ok((Settlement::Done(Some(answer)), file))
    }

    fn is_over(&self, open: &Open) -> Result<bool, StorageError> {
        Ok(match open.runs {
            None => true,
            Some((_, until_ms)) if until_ms < self.inner.clock.unix_ms() => true,
            Some((owner, _)) => !self.inner.presence.lives(owner)?,
        })
    }
}
