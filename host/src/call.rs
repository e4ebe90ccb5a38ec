//! The pipeline: one function, seven steps.
//!
//! Takes: a credential and a request. Gives: a [`Receipt`], whatever happened. May name: every stage.
//!
//! Each step takes the proof of the step before it by value and wraps it, so none can be skipped, repeated or mixed up
//! between calls. The audit bracket is opened by the first step, travels inside the proofs and is closed exactly once:
//! by a refusal, by the settlement, or, when a proof is dropped on the way, by itself.

use crate::admit::{CallRequest, admit, admit_again};
use crate::audit::bracket::Refused;
use crate::audit::{AuditUnavailable, Entry};
use crate::authorize::{Authorized, authorize};
use crate::execute::execute;
use crate::identify::{Caller, Credential, identify};
use crate::isolate::cell::isolate;
use crate::room::Room;
use crate::settle::{Receipt, replay, settle};
use crate::step::{Step, reached};
use crate::storage::ledger::UnknownWrite;
use tracing::Instrument as _;

/// Runs one governed call.
pub(crate) async fn call(room: &Room, credential: Credential<'_>, request: CallRequest) -> Receipt {
    match identify(room, credential) {
        Ok(caller) => call_as(room, caller, request).await,
        Err(refused) => refused.close().await,
    }
}

/// The steps after the first, for a server that must know who asks before it reads what is asked.
pub(crate) async fn call_as(room: &Room, caller: Caller, request: CallRequest) -> Receipt {
    let span = caller.bracket.span();
    match run(room, caller, request).instrument(span).await {
        Ok(receipt) => receipt,
        Err(refused) => refused.close().await,
    }
}

async fn run(room: &Room, caller: Caller, request: CallRequest) -> Result<Receipt, Refused> {
    let admission = admit(room, caller, request).await?;
    reached(Step::CallAdmitted);
    let grant = match authorize(room, admission)? {
        Authorized::Fresh(grant) => grant,
        Authorized::Again(earlier) => return Ok(replay(earlier).await),
    };
    let cell = isolate(room, grant).await?;
    reached(Step::CallIsolated);
    let ended = execute(cell, &room.json_limits).await;
    let receipt = settle(room, ended).await;
    reached(Step::CallClosed);
    Ok(receipt)
}

/// Runs a governed call in place of one that broke off, by the operator's order. The order is in the book when the call has
/// the place for certain, and before it runs; what is refused before that changes nothing.
pub(crate) async fn rerun(
    room: &Room,
    caller: Caller,
    request: CallRequest,
    broken: &UnknownWrite,
    order: Entry,
) -> Result<Receipt, AuditUnavailable> {
    let authorized = match admit_again(room, caller, request, broken).await {
        Ok(admission) => authorize(room, admission),
        Err(refused) => Err(refused),
    };
    let cell = match authorized {
        Ok(Authorized::Fresh(grant)) => isolate(room, grant).await,
        Ok(Authorized::Again(earlier)) => return Ok(replay(earlier).await),
        Err(refused) => Err(refused),
    };
    let cell = match cell {
        Ok(cell) => cell,
        Err(refused) => return Ok(refused.close().await),
    };
    // A cell that is not run for this leaves its own write unknown, under the same key.
    room.journal.append(order)?.durable().await?;
    let ended = execute(cell, &room.json_limits).await;
    Ok(settle(room, ended).await)
}
