//! An answer on its way into the ledger and back: short ones with their row, long ones by way of a file.
//!
//! Takes: answers. Gives: the same answers. May name: id.

use super::answers::{Answers, IN_ROW, InFile, Unnamed, Unread};
use super::claim::{ClaimScope, Claimed, StoredAnswer};
use super::claims::{self, State};
use super::{SqliteLedger, StorageError};
use crate::id::{CallId, TenantId};

/// An answer that can be entered: with its bytes, or with the file that has them.
pub(super) type KeptAnswer = (StoredAnswer, Option<(InFile, Unnamed)>);

impl SqliteLedger {
    /// Whether an answer is too long for its row. A ledger in memory has no files.
    pub(super) fn is_long(&self, answer: &StoredAnswer) -> bool {
        self.long_file(&answer.body).is_some()
    }

    /// Where these bytes go when they are too long for a row.
    pub(super) fn long_file(&self, body: &[u8]) -> Option<&Answers> {
        self.inner.answers.as_ref().filter(|_| body.len() > IN_ROW)
    }

    /// Puts a long answer's bytes into a file. Blocks until it is durable.
    pub(super) fn keep(
        &self,
        tenant: &TenantId,
        call: CallId,
        mut answer: StoredAnswer,
    ) -> Result<KeptAnswer, StorageError> {
        let Some(answers) = self.long_file(&answer.body) else {
            return Ok((answer, None));
        };
        let file = answers.put(tenant, call, &answer.body)?;
        answer.body = Vec::new();
        Ok((answer, Some(file)))
    }

    /// Gives an answer again whose bytes are in a file: as they were written, or not at all. `None` when the key's row
    /// changed meanwhile, and has to be looked at again.
    pub(super) async fn reread(
        &self,
        scope: &ClaimScope,
        call_id: CallId,
        mut answer: StoredAnswer,
        file: InFile,
    ) -> Result<Option<Claimed>, StorageError> {
        let Some(answers) = self.inner.answers.clone() else { return Err(StorageError::Closed) };
        let (tenant, wanted) = (scope.tenant.clone(), file.clone());
        let read = tokio::task::spawn_blocking(move || answers.read(&tenant, &wanted));
        match read.await.unwrap_or(Err(Unread::Failed(StorageError::Closed))) {
            Ok(body) => {
                answer.body = body;
                Ok(Some(Claimed::Replay { answer, call_id }))
            }
            Err(Unread::Failed(error)) => Err(error),
            Err(Unread::Lost(what)) => {
                // A file goes after its row, so one that is not there may have been kept long enough.
                let now = self.inner.clock.unix_ms();
                let found = claims::find(&self.inner.reader.lock(), scope, now)?;
                let state = found.map(|found| found.state);
                if !matches!(state, Some(State::Done { file: Some(named), .. }) if named == file) {
                    return Ok(None);
                }
                let (tenant, function) = (&scope.tenant, &scope.function);
                tracing::error!(%tenant, %function, call = %call_id, "the answer of a write is lost: {what}");
                Ok(Some(Claimed::Lost { call_id, reason: answer.reason }))
            }
        }
    }
}
