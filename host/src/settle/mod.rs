//! Outcome to Receipt: the actual cost charged, the rest released, the answer kept for repeats, the book closed.
//!
//! Takes: an [`Ended`]. Gives: a [`Receipt`]. May name: audit, authorize, execute, id, imports, reason, room, storage.

mod receipt;
mod stored;

use crate::authorize::Replay;
use crate::execute::{Answer, Ended};
use crate::reason::{Outcome, Reason};
use crate::room::Room;
pub use receipt::Receipt;

/// Charges, stores, and gives the receipt when everything it says is durable.
pub(crate) async fn settle(room: &Room, ended: Ended) -> Receipt {
    let Ended { mut bracket, function, mut answer, records, fuel, egress, charge, terms, started, place } =
        ended;
    bracket.used(fuel, &records, answer.value.as_deref().map_or(0, str::len));
    let actual = terms.amounts(fuel, egress);
    let stored = match started {
        None => {
            charge.settle(actual);
            Ok(())
        }
        Some(started) => {
            let kept = stored::keep(&answer, fuel.min(charge.amounts().fuel), room.clock.unix_ms());
            started.complete(kept, charge, actual).await.map(drop)
        }
    };
    let mut outcome = match answer.reason {
        Reason::Ok => Outcome::Executed,
        _ => Outcome::Failed,
    };
    if let Err(error) = stored {
        // The effect may have happened and its answer is not kept: a repeat must not run it again.
        tracing::error!(%error, "the answer of a write could not be stored");
        let text = "the call ran, and its answer could not be stored; an operator must settle it";
        answer = Answer::failed(Reason::OutcomeUnknown, text);
        outcome = Outcome::Unknown;
    }
    let closed = bracket.close(answer.reason, outcome, function.effect).await;
    drop(place);
    Receipt::of(closed, answer, records)
}

/// Gives an earlier answer again, byte for byte.
pub(crate) async fn replay(replay: Replay) -> Receipt {
    let Replay { bracket, function, answer } = replay;
    let again = stored::again(&answer);
    let closed = bracket.close(again.reason, Outcome::Replayed, function.effect).await;
    Receipt::of(closed, again, Vec::new())
}
