//! Results that a caller is given as links: kept when a call has ended, and read again by the same actor of the same tenant.
//!
//! Takes: the receipt of a call; later a caller and the id of its result. Gives: the id; the result, or the receipt of a refusal. May
//! name: admit, audit, authorize, config, execute, id, identify, reason, settle, storage.
//!
//! Whoever reads a result is judged by today's rules as if it called the function once more: what it may not call any more, it may
//! not read any more. Nothing runs and no budget is charged, and the book says whose result was read, of which call.

use super::Strongroom;
use crate::admit::{CallerFacts, killed, too_fast};
use crate::audit::bracket::Bracket;
use crate::authorize::{Held, judge};
use crate::config::Effect;
use crate::execute::Answer;
use crate::id::FunctionName;
use crate::identify::Caller;
use crate::reason::{Outcome, Reason};
use crate::settle::Receipt;
use crate::storage::StorageError;
use crate::storage::ledger::{Given, KeptResult, KillTarget, Owned, ResultId};

/// What whoever asks for a result hears when there is none, whatever the cause.
pub(crate) const RESULT_GONE: &str = "there is no such resource";

/// A result that is to be kept.
pub(crate) struct KeepResult<'a> {
    pub(crate) receipt: &'a Receipt,
    pub(crate) function: &'a FunctionName,
    /// As what it is to be shown: a word of the server's.
    pub(crate) form: &'a str,
    /// Its bytes.
    pub(crate) value: &'a str,
}

/// What came of a request for a result.
pub(crate) enum Fetched<T> {
    /// The result.
    Given(T),
    /// The caller has none of this id: its call has not ended, so that it is told what everybody is told.
    Nothing(Box<Caller>),
    /// It may not be given.
    Refused(Box<Receipt>),
}

impl Strongroom {
    /// Keeps a call's result for whoever made the call, and gives what it is found by. The same result of the same function is found
    /// by the same id.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub(crate) async fn keep_result(&self, keep: KeepResult<'_>) -> Result<ResultId, StorageError> {
        let KeepResult { receipt, function, form, value } = keep;
        let (Some(tenant), Some(actor)) = (receipt.tenant.clone(), receipt.actor.clone()) else {
            return Err(StorageError::Failed("a result is nobody's".into()));
        };
        let digest = crate::id::Digest::of(value.as_bytes());
        // None of the names can hold a line's end.
        let what = format!("result\n{tenant}\n{actor}\n{function}\n{form}\n{digest}");
        let id = ResultId::of(&self.key_for(&what));
        let given = Given { function: function.clone(), call_id: receipt.call_id, form: form.to_owned() };
        let whose = Owned { tenant, actor };
        self.room.ledger.keep_result(id, &whose, given, value.as_bytes().to_vec()).await?;
        Ok(id)
    }

    /// Reads a result for the actor who got its link, and ends the caller's call, as `read result <function>`. `show` makes of it what the
    /// caller is given, or says that there is no such part.
    pub(crate) async fn fetch_result<T>(
        &self,
        caller: Caller,
        id: ResultId,
        show: impl FnOnce(&Given, String) -> Option<T>,
    ) -> Fetched<T> {
        let whose = Owned { tenant: caller.tenant().clone(), actor: caller.actor().clone() };
        match self.room.ledger.find_result(id, &whose) {
            Ok(None) => Fetched::Nothing(Box::new(caller)),
            Err(error) => {
                let (reason, why) = (Reason::StorageUnavailable, error.to_string());
                Fetched::Refused(self.refuse_look(caller, READ, reason, &why).await)
            }
            Ok(Some(kept)) => match self.give_result(caller, kept, &whose, show).await {
                Ok(given) => Fetched::Given(given),
                Err(receipt) => Fetched::Refused(receipt),
            },
        }
    }

    async fn give_result<T>(
        &self,
        caller: Caller,
        kept: KeptResult,
        whose: &Owned,
        show: impl FnOnce(&Given, String) -> Option<T>,
    ) -> Result<T, Box<Receipt>> {
        let (mut bracket, caller) = caller.into_parts();
        let given = kept.given.clone();
        bracket.does(&format!("{READ} {}", given.function));
        if let Err(refusal) = self.may_read(&mut bracket, &caller, &given.function) {
            return Err(refuse(bracket, refusal).await);
        }
        bracket.replays(given.call_id);
        let body = match self.room.ledger.read_result(kept, whose).await {
            Ok(body) => body.and_then(|body| String::from_utf8(body).ok()),
            Err(error) => {
                return Err(refuse(bracket, (Reason::StorageUnavailable, error.to_string(), None)).await);
            }
        };
        let length = body.as_ref().map_or(0, String::len);
        let Some(shown) = body.and_then(|body| show(&given, body)) else {
            return Err(refuse(bracket, (Reason::NotFound, RESULT_GONE.into(), None)).await);
        };
        bracket.used(0, &[], length);
        let closed = bracket.close(Reason::Ok, Outcome::Replayed, Effect::Read).await;
        match closed.reason {
            Reason::Ok => Ok(shown),
            reason => {
                let answer = Answer::failed(reason, "the audit log cannot be written");
                Err(Box::new(Receipt::of(closed, answer, Vec::new())))
            }
        }
    }

    /// Whether the caller may call the function now.
    fn may_read(
        &self,
        bracket: &mut Bracket,
        caller: &CallerFacts,
        function: &FunctionName,
    ) -> Result<(), Refusal> {
        let room = &self.room;
        let Some((tool, function)) = room.catalogue.function(function) else {
            return Err((
                Reason::ToolUnknown,
                "the tool that gave this result is not installed any more".into(),
                None,
            ));
        };
        bracket.calls(&tool.digest, &function, None);
        let target = KillTarget {
            tenant: &caller.tenant.config.id,
            actor: Some(&caller.actor),
            tool: Some(&tool.name),
            component: Some(&tool.digest),
            writes: false,
        };
        if let Some(kill) = room.ledger.killed(&target) {
            return Err((kill.reason(), killed(&kill), None));
        }
        caller.tenant.in_time().map_err(|ms| (Reason::RateLimited, too_fast(ms), Some(ms)))?;
        judge(room, bracket, &caller.tenant, caller, (&tool, &function), Held::default())
            .map_err(|(reason, why)| (reason, why, None))
    }
}

/// Why, in words, and when another try makes sense, in milliseconds.
type Refusal = (Reason, String, Option<u64>);

async fn refuse(bracket: Bracket, (reason, message, retry_after_ms): Refusal) -> Box<Receipt> {
    let refused = bracket.refuse(reason, message);
    let refused = match retry_after_ms {
        Some(ms) => refused.retry_after(ms),
        None => refused,
    };
    Box::new(refused.close().await)
}

const READ: &str = "read result";
