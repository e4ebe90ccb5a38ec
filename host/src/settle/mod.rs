//! Outcome to Receipt: the actual cost charged, the rest released, the answer kept for repeats, the book closed.
//!
//! Takes: an [`Ended`]. Gives: a [`Receipt`]. May name: audit, authorize, execute, id, imports, reason, room, step,
//! storage.

mod receipt;
mod stored;

use crate::authorize::{Cost, Earlier, Replay};
use crate::execute::{Answer, Ended, Fate};
use crate::id::CallId;
use crate::reason::{Outcome, Reason};
use crate::room::Room;
use crate::step::{Step, reached};
use crate::storage::ledger::Started;
pub(crate) use receipt::WITHHELD;
pub use receipt::{FromCache, Receipt};

/// Charges, stores, and gives the receipt when everything it says is durable.
pub(crate) async fn settle(room: &Room, ended: Ended) -> Receipt {
    let Ended {
        mut bracket,
        function,
        mut answer,
        records,
        fuel,
        egress,
        stored,
        charge,
        terms,
        started,
        ticket,
        writing,
        place,
        fate,
        asked,
    } = ended;
    // Whoever hears of the write, or asks after that, is told nothing from before it.
    drop(writing);
    bracket.used(fuel, &records, answer.value.as_deref().map_or(0, str::len));
    let (actual, held) = (terms.amounts(fuel, egress, stored), charge.amounts());
    // Said before the wait, on which a caller may leave.
    bracket.holds(actual.min(held));
    let mut unknown = false;
    let settled = match started {
        None => {
            charge.settle(actual);
            Ok(())
        }
        // Nothing is known of it, or nothing happened: neither is an answer to give again.
        Some(started) if fate != Fate::Answered => {
            charge.settle(actual);
            unknown = broke_off(started, fate, bracket.call_id()).await;
            Ok(())
        }
        Some(started) => {
            let kept = stored::keep(&answer, fuel.min(held.fuel), room.clock.unix_ms());
            started.complete(kept, charge, actual).await.map(drop)
        }
    };
    reached(Step::CallSettled);
    let mut outcome = match answer.reason {
        Reason::Ok => Outcome::Executed,
        _ if unknown => Outcome::Unknown,
        _ => Outcome::Failed,
    };
    if let Err(error) = settled {
        // The effect may have happened and its answer is not kept: a repeat must not run it again.
        bracket.holds(held);
        tracing::error!(call_id = %bracket.call_id(), reason_code = Reason::OutcomeUnknown.code(), %error,
            "the answer of a write could not be stored");
        let text = "the call ran, and its answer could not be stored; an operator must settle it";
        answer = Answer::failed(Reason::OutcomeUnknown, text);
        outcome = Outcome::Unknown;
    }
    let closed = bracket.close(answer.reason, outcome, function.effect).await;
    drop(place);
    let receipt = Receipt { asked, ..Receipt::of(closed, answer, records) };
    // Errors are not kept: what went wrong once may go well the next time.
    if let (Some(ticket), Reason::Ok, Some(value)) = (ticket, receipt.reason, &receipt.value) {
        room.answers.keep(ticket, value, receipt.call_id);
    }
    receipt
}

/// Settles the key of a write that was broken off: free again if it had no effect, else unknown, as a crash would leave it.
/// Gives whether it is unknown.
async fn broke_off(started: Started, fate: Fate, call_id: CallId) -> bool {
    let settled = match fate {
        Fate::Nothing => started.release().await.map(|()| false),
        Fate::Unknown | Fate::Answered => started.lose().await.map(|()| true),
    };
    settled.unwrap_or_else(|error| {
        // Its row says that it was started, which reads as unknown too.
        tracing::error!(%call_id, %error, "the key of a write that was broken off could not be settled");
        true
    })
}

/// Gives an earlier answer again, byte for byte.
pub(crate) async fn replay(replay: Replay) -> Receipt {
    let Replay { mut bracket, function, earlier } = replay;
    let (kept, Cost { reservation, terms, place }) = match earlier {
        Earlier::Written(answer) => {
            let again = stored::again(&answer);
            let closed = bracket.close(again.reason, Outcome::Replayed, function.effect).await;
            return Receipt::of(closed, again, Vec::new());
        }
        Earlier::Read(kept, cost) => (kept, cost),
    };
    // It is one of the tenant's calls, and has used nothing else.
    let charged = reservation.commit().settle(terms.amounts(0, 0, 0));
    bracket.used(0, &[], kept.value.len());
    bracket.holds(charged);
    let answer = Answer { reason: Reason::Ok, value: Some(kept.value.to_string()), message: None };
    let closed = bracket.close(answer.reason, Outcome::Cached, function.effect).await;
    drop(place);
    let receipt = Receipt::of(closed, answer, Vec::new());
    let from = FromCache { call_id: kept.call, age_ms: kept.age_ms, left_ms: kept.left_ms };
    Receipt { cached: receipt.is_ok().then_some(from), ..receipt }
}
