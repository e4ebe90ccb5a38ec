//! Outcome to Receipt: the actual cost charged, the rest released, the answer kept for repeats, the book closed.
//!
//! Takes: an [`Ended`]. Gives: a [`Receipt`]. May name: audit, authorize, execute, id, imports, reason, room, step,
//! storage.

mod receipt;
mod stored;

use crate::authorize::Replay;
use crate::execute::{Answer, Ended};
use crate::reason::{Outcome, Reason};
use crate::room::Room;
use crate::step::{Step, reached};
use crate::storage::ledger::Amounts;
pub use receipt::Receipt;

/// Charges, stores, and gives the receipt when everything it says is durable.
pub(crate) async fn settle(room: &Room, ended: Ended) -> Receipt {
    let Ended { mut bracket, function, mut answer, records, touched, fuel, charge, started, place } = ended;
    bracket.used(fuel, &records, answer.value.as_deref().map_or(0, str::len));
    let (actual, held) = (Amounts::call(fuel), charge.amounts());
    // Said before the wait, on which a caller may leave.
    bracket.holds(fuel.min(held.fuel));
    let stored = match started {
        None => {
            charge.settle(actual);
            Ok(())
        }
        // Nothing happened, and that the log could not be written is nothing to repeat for a day: the key is free again.
        Some(started) if answer.reason == Reason::AuditUnavailable && !touched => {
            charge.settle(actual);
            started.release().await
        }
        Some(started) => {
            let kept = stored::keep(&answer, fuel.min(held.fuel), room.clock.unix_ms());
            started.complete(kept, charge, actual).await.map(drop)
        }
    };
    reached(Step::CallSettled);
    let mut outcome = match answer.reason {
        Reason::Ok => Outcome::Executed,
        _ => Outcome::Failed,
    };
    if let Err(error) = stored {
        // The effect may have happened and its answer is not kept: a repeat must not run it again.
        bracket.holds(held.fuel);
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
