//! Why a call broke off, from what the engine and the gate know.
//!
//! Takes: an error, the store's data. Gives: an [`Answer`]. May name: admit, config, imports, isolate, reason,
//! storage.

use super::Answer;
use crate::admit;
use crate::imports::gate::Stop;
use crate::imports::state::State;
use crate::isolate::running::Told;
use crate::reason::Reason;
use std::time::Duration;
use wasmtime::Trap;
use wasmtime_wasi::I32Exit;

/// The verdict on a call that trapped.
pub(super) fn of_error(error: &wasmtime::Error, state: &State) -> Answer {
    let stopped = match error.downcast_ref::<Stop>() {
        Some(Stop::Unannounced) => return unannounced(),
        Some(Stop::Asked) => Some((
            Reason::InputRequired,
            "the tool asks its caller; nothing of the call was kept, and it runs again with the answers",
        )),
        Some(Stop::Fuel) => Some((
            Reason::FuelExhausted,
            "the imports that the tool called used up the host's share of its fuel",
        )),
        Some(Stop::Egress) => Some((
            Reason::QuotaExceeded,
            "the tool sent as much to the network as its limit of egress allows",
        )),
        Some(Stop::Stored) => Some((
            Reason::QuotaExceeded,
            "the tool wrote as much to the tenant's storage as its limit of stored bytes allows",
        )),
        Some(Stop::Denied(_) | Stop::NotForWriting) | None => None,
    };
    if let Some((reason, message)) = stopped {
        return Answer::failed(reason, message);
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => return Answer::failed(Reason::FuelExhausted, "the tool used up its fuel"),
        Some(Trap::Interrupt) => {
            return Answer::failed(Reason::DeadlineExceeded, "the tool ran past its deadline");
        }
        _ => {}
    }
    // What a guest does after a refusal or a failed allocation is its own choice, mostly to abort; the cause is ours
    // to name.
    let mut answer = match error.downcast_ref::<I32Exit>() {
        Some(I32Exit(code)) => {
            Answer::failed(Reason::Trapped, format!("the tool ended itself with exit code {code}"))
        }
        None => Answer::failed(Reason::Trapped, trap_text(error)),
    };
    if state.memory.refused() {
        return Answer::failed(Reason::MemoryExceeded, "the tool asked for more memory than its limit");
    }
    explain(&mut answer, state);
    answer
}

/// A call that failed after an import was refused failed for that reason; else one that failed after it met a quota; else one
/// that failed after its caller could not be asked.
pub(super) fn explain(answer: &mut Answer, state: &State) {
    let Some(denial) = state.gate.denial() else {
        if let Some(full) = state.stored.full() {
            answer.reason = Reason::QuotaExceeded;
            answer.message = Some(full.to_owned());
        } else if let Some(kind) = state.talk.unable() {
            answer.reason = Reason::CallerUnable;
            answer.message = Some(format!(
                "the tool asked its caller for `{kind}`, and this caller cannot be asked for it"
            ));
        }
        return;
    };
    let target = denial.target.as_deref().map(|t| format!(" on {t}")).unwrap_or_default();
    answer.reason = Reason::CapabilityDenied;
    answer.message = Some(format!("{}{target} was refused: {}", denial.import.name(), denial.why));
}

/// An effect did not happen because the book could not take that it would.
pub(super) fn unannounced() -> Answer {
    let text = "the audit log cannot be written, so an effect of the call did not happen; the call was stopped there";
    Answer::failed(Reason::AuditUnavailable, text)
}

pub(super) fn deadline(deadline: Duration) -> Answer {
    let text = format!("the call ran longer than its deadline of {} ms", deadline.as_millis());
    Answer::failed(Reason::DeadlineExceeded, text)
}

/// `touched`: whether an effect of the call was announced.
pub(super) fn killed(told: &Told, touched: bool) -> Answer {
    let (reason, mut text) = match told {
        Told::By(kill) => (kill.reason(), admit::killed(kill)),
        Told::Alone => (Reason::Killed, "this call was stopped by an admin; others go on".to_owned()),
    };
    if touched {
        text.push_str("; it was running, and may have taken effect before it was broken off");
    }
    Answer::failed(reason, text)
}

/// The trap itself, without addresses or the host's own frames.
fn trap_text(error: &wasmtime::Error) -> String {
    let cause = error.root_cause().to_string();
    let line = cause.lines().next().unwrap_or_default();
    format!("the tool trapped: {}", line.chars().take(500).collect::<String>())
}
