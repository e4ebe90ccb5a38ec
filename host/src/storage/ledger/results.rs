//! Results that were given as links, kept until they are fetched: short ones in a row, long ones in a file as other answers.
//!
//! Takes: results of calls, each under an id that nobody guesses. Gives: the same to the same tenant and actor, for a while. May name:
//! id.
//!
//! Nobody loses a result to a tenant that keeps less: each has its own bound, and when all together have too much, the one that has
//! most gives way, its oldest first.

use super::answers::{Gone, InFile, Unnamed, Unread};
use super::{SqliteLedger, claims, deletion, schema};
use crate::id::{ActorId, CallId, Digest, FunctionName, TenantId};
use crate::storage::sqlite::{counted, stored};
use crate::storage::{StorageError, batch};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::fmt;

/// How long a result is kept from when it was given, in milliseconds: an hour.
pub(crate) const RESULT_KEPT_MS: u64 = 3_600_000;
/// Bytes of kept results of one tenant, and of all tenants together.
pub(super) const RESULTS_EACH: u64 = 64 << 20;
/// See [`RESULTS_EACH`].
pub(super) const RESULTS_IN_ALL: u64 = 1 << 30;
/// What a result counts at least, in bytes: its row and its file are there for a short one, too.
pub(super) const LEAST: u64 = 64 << 10;

/// What a kept result is found by: 128 bits that are known to whoever was given them, and to this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ResultId([u8; 16]);

impl ResultId {
    /// The first half of a digest that only this host can make.
    pub(crate) fn of(mac: &Digest) -> Self {
        let (half, _) = mac.as_bytes().split_at(16);
        Self(half.try_into().unwrap_or_default())
    }

    /// Reads 32 lower-case hexadecimal digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        let lower = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        hex::decode_to_slice(text, &mut bytes).ok().filter(|()| lower)?;
        Some(Self(bytes))
    }
}

impl fmt::Display for ResultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Whose a result is: nobody else finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) tenant: TenantId,
    pub(crate) actor: ActorId,
}

/// Which call gave a result, and as what it is to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) function: FunctionName,
    pub(crate) call_id: CallId,
    /// A word of whoever keeps it.
    pub(crate) form: String,
}

/// A kept result, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptResult {
    pub(crate) id: ResultId,
    pub(crate) given: Given,
    body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Body {
    InRow(Vec<u8>),
    InFile(InFile),
}

impl SqliteLedger {
    /// Keeps a result for an hour from now; one that is kept already under this id is kept longer, and not once more. The tenant's
    /// oldest give way when it has too many. When the future is dropped while it waits, it may be kept all the same.
    ///
    /// # Errors
    /// [`StorageError`] when it cannot be written, and for a tenant that is being deleted; nothing is kept then.
    pub(crate) async fn keep_result(
        &self,
        id: ResultId,
        whose: &Owned,
        given: Given,
        body: Vec<u8>,
    ) -> Result<(), StorageError> {
        let now = self.inner.clock.unix_ms();
        if self.keep_longer(id, whose, now).await? {
            return Ok(());
        }
        let (ledger, tenant, call) = (self.clone(), whose.tenant.clone(), given.call_id);
        let bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let filed = tokio::task::spawn_blocking(move || match ledger.long_file(&body) {
            Some(answers) => answers.put(&tenant, call, &body).map(|file| (Vec::new(), Some(file))),
            None => Ok((body, None)),
        });
        let (body, file) = filed.await.unwrap_or(Err(StorageError::Closed))?;
        let (file, unnamed) = file.unzip();
        let whose = whose.clone();
        let work = move |c: &Connection| {
            deletion::refuse(c, &whose.tenant)?;
            let mut gone = remove(c, "id = ?1", &[&id.0])?;
            gone.extend(make_room(c, &whose.tenant, bytes)?);
            put(c, id, &whose, &given, (&body, file.as_ref(), bytes), now)?;
            Ok(gone)
        };
        self.change(work, unnamed).await.map(drop)
    }

    /// Makes a change that may take rows away, and removes their files once it is durable. Gives how many files went. The file that the
    /// change names is kept then.
    async fn change(
        &self,
        work: impl FnOnce(&Connection) -> Result<Vec<Gone>, StorageError> + Send + 'static,
        named: Option<Unnamed>,
    ) -> Result<usize, StorageError> {
        let (reply, done) = tokio::sync::oneshot::channel();
        let answers = self.inner.answers.clone();
        let finish = move |result: Result<Vec<Gone>, StorageError>| {
            let result = result.map(|gone| {
                named.into_iter().for_each(Unnamed::keep);
                if let Some(answers) = answers {
                    answers.remove(&gone);
                }
                gone.len()
            });
            drop(reply.send(result));
        };
        self.inner.writer()?.post(batch::job(work, finish));
        done.await.unwrap_or(Err(StorageError::Closed))
    }

    /// Whether a result is kept already; then it is kept an hour from now.
    async fn keep_longer(&self, id: ResultId, whose: &Owned, now: u64) -> Result<bool, StorageError> {
        let Some(kept) = self.find_result(id, whose)? else { return Ok(false) };
        if let (Body::InFile(file), Some(answers)) = (&kept.body, &self.inner.answers)
            && !answers.has(&whose.tenant, file)
        {
            return Ok(false);
        }
        let whose = whose.clone();
        let longer = move |c: &Connection| {
            deletion::refuse(c, &whose.tenant)?;
            let sql = "UPDATE results SET at_ms = ?2, until_ms = ?3 WHERE id = ?1";
            let until = stored(now.saturating_add(RESULT_KEPT_MS));
            Ok(c.prepare_cached(sql)?.execute(params![id.0, stored(now), until])? == 1)
        };
        self.inner.writer()?.run(longer).await
    }

    /// A result, for whose it is and as long as it is kept.
    ///
    /// # Errors
    /// [`StorageError`] when the file cannot be read.
    pub(crate) fn find_result(
        &self,
        id: ResultId,
        whose: &Owned,
    ) -> Result<Option<KeptResult>, StorageError> {
        let now = self.inner.clock.unix_ms();
        let reader = self.inner.reader.lock();
        let mut found = reader.prepare_cached(
            "SELECT function, call_id, form, body, file, file_digest, bytes FROM results
             WHERE id = ?1 AND tenant = ?2 AND actor = ?3 AND at_ms <= ?4 AND until_ms > ?4",
        )?;
        let by = params![id.0, whose.tenant.as_str(), whose.actor.as_str(), stored(now)];
        let row = found
            .query_row(by, |row| {
                let file: Option<String> = row.get(4)?;
                let body = match file {
                    Some(name) => Body::InFile(InFile {
                        name,
                        digest: Digest::from_bytes(row.get(5)?),
                        bytes: counted(row.get(6)?),
                    }),
                    None => Body::InRow(row.get(3)?),
                };
                let call_id = CallId::from_bytes(row.get(1)?);
                Ok((row.get::<_, String>(0)?, call_id, row.get(2)?, body))
            })
            .optional()?;
        let Some((function, call_id, form, body)) = row else { return Ok(None) };
        let function = FunctionName::new(function).map_err(schema::damaged)?;
        Ok(Some(KeptResult { id, given: Given { function, call_id, form }, body }))
    }

    /// The bytes of a result that was found: as they were kept, or none. Those of a damaged file are forgotten.
    ///
    /// # Errors
    /// [`StorageError`] when the file cannot be read this time.
    pub(crate) async fn read_result(
        &self,
        kept: KeptResult,
        whose: &Owned,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        let file = match kept.body {
            Body::InRow(body) => return Ok(Some(body)),
            Body::InFile(file) => file,
        };
        let Some(answers) = self.inner.answers.clone() else { return Err(StorageError::Closed) };
        let (tenant, wanted) = (whose.tenant.clone(), file.clone());
        let read = tokio::task::spawn_blocking(move || answers.read(&tenant, &wanted));
        match read.await.unwrap_or(Err(Unread::Failed(StorageError::Closed))) {
            Ok(body) => Ok(Some(body)),
            Err(Unread::Failed(error)) => Err(error),
            Err(Unread::Lost(what)) => {
                let (tenant, function, call_id) = (&whose.tenant, kept.given.function, kept.given.call_id);
                let id = kept.id;
                let forget = move |c: &Connection| remove(c, "id = ?1 AND file = ?2", &[&id.0, &file.name]);
                // What gave way a moment ago has no row any more either, and is no damage.
                if self.change(forget, None).await? > 0 {
                    tracing::error!(%tenant, %function, call = %call_id, "a result that was kept is lost: {what}");
                }
                Ok(None)
            }
        }
    }
}

fn put(
    c: &Connection,
    id: ResultId,
    whose: &Owned,
    given: &Given,
    (body, file, bytes): (&[u8], Option<&InFile>, u64),
    now: u64,
) -> Result<(), StorageError> {
    c.prepare_cached(
        "INSERT INTO results (id, tenant, actor, function, call_id, form, at_ms, until_ms, bytes, counts, body, file, file_digest)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?
    .execute(params![
        id.0,
        whose.tenant.as_str(),
        whose.actor.as_str(),
        given.function.as_str(),
        given.call_id.as_bytes(),
        given.form,
        stored(now),
        stored(now.saturating_add(RESULT_KEPT_MS)),
        stored(bytes),
        stored(bytes.max(LEAST)),
        file.is_none().then_some(body),
        file.map(|file| &file.name),
        file.map(|file| file.digest.as_bytes()),
    ])?;
    Ok(())
}

/// Removes results until one of so many bytes fits: the tenant's own oldest, and when there are too many in all, the oldest of the
/// tenant that has most.
pub(super) fn make_room(c: &Connection, tenant: &TenantId, bytes: u64) -> Result<Vec<Gone>, StorageError> {
    let bytes = bytes.max(LEAST);
    let mut gone = Vec::new();
    loop {
        let own = "SELECT coalesce(sum(counts), 0) FROM results WHERE tenant = ?1";
        let own = counted(c.prepare_cached(own)?.query_row([tenant.as_str()], |row| row.get(0))?);
        let all = "SELECT coalesce(sum(counts), 0) FROM results";
        let all = counted(c.prepare_cached(all)?.query_row([], |row| row.get(0))?);
        let from = if own > 0 && own.saturating_add(bytes) > RESULTS_EACH {
            tenant.as_str().to_owned()
        } else if all > 0 && all.saturating_add(bytes) > RESULTS_IN_ALL {
            let most = "SELECT tenant FROM results GROUP BY tenant ORDER BY sum(counts) DESC, tenant LIMIT 1";
            c.prepare_cached(most)?.query_row([], |row| row.get(0))?
        } else {
            return Ok(gone);
        };
        let oldest = "rowid = (SELECT rowid FROM results WHERE tenant = ?1 ORDER BY at_ms, rowid LIMIT 1)";
        gone.extend(remove(c, oldest, &[&from])?);
    }
}

/// Removes some results that were kept long enough.
pub(super) fn clean(c: &Connection, now_ms: u64) -> Result<Vec<Gone>, StorageError> {
    let which = "rowid IN (SELECT rowid FROM results WHERE until_ms <= ?1 LIMIT ?2)";
    remove(c, which, &[&stored(now_ms), &claims::CLEANED])
}

/// Removes the rows of this condition, and gives the files that they have named.
fn remove(c: &Connection, which: &str, by: &[&dyn rusqlite::ToSql]) -> Result<Vec<Gone>, StorageError> {
    claims::gone(c, &format!("DELETE FROM results WHERE {which} RETURNING tenant, file"), by)
}
