//! Cell to Outcome: the typed call, under fuel and deadline.
//!
//! Takes: a [`Cell`]. Gives: an [`Ended`]. May name: admit, audit, id, imports, isolate, powers, reason, step, storage, tools,
//! typed.
//!
//! Reasons: `ok`, `tool_error`, `fuel_exhausted`, `memory_exceeded`, `deadline_exceeded`, `capability_denied`,
//! `quota_exceeded`, `trapped`, `input_required`, `caller_unable`, `killed`, `storage_unavailable`, `audit_unavailable`.

mod rota;
pub(crate) mod turns;
mod verdict;

use crate::admit::Terms;
use crate::admit::places::Place;
use crate::audit::bracket::{Bracket, storage_trouble};
use crate::id::CallId;
use crate::imports::ImportRecord;
use crate::imports::asking::{Asked, Waited};
use crate::imports::gate::Gate;
use crate::imports::stored::Stored;
use crate::isolate::Cell;
use crate::reason::Reason;
use crate::step::{Step, reached};
use crate::storage::answers::{Ticket, Writing};
use crate::storage::ledger::{Charge, Started};
use crate::tools::ToolFunction;
use crate::typed::{self, Kind, Shape};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::Val;

/// Memory, in bytes, that takes longer to give back than a guest computes between two pauses.
const MUCH: usize = 4 << 20;

/// What came of running the call.
pub struct Ended {
    pub(crate) bracket: Bracket,
    pub(crate) function: Arc<ToolFunction>,
    pub(crate) answer: Answer,
    pub(crate) records: Vec<ImportRecord>,
    pub(crate) fuel: u64,
    /// Bytes that it sent to the network.
    pub(crate) egress: u64,
    /// Bytes that it wrote to the tenant's storage.
    pub(crate) stored: u64,
    pub(crate) charge: Charge,
    pub(crate) terms: Terms,
    pub(crate) started: Option<Started>,
    pub(crate) ticket: Option<Ticket>,
    pub(crate) writing: Option<Writing>,
    pub(crate) place: Place,
    pub(crate) fate: Fate,
    pub(crate) asked: Asked,
}

/// What a write that has ended leaves under its idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Its answer.
    Answered,
    /// That it is unknown whether it took effect.
    Unknown,
    /// Nothing: it had no effect.
    Nothing,
}

impl std::fmt::Debug for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ended").field("answer", &self.answer).finish_non_exhaustive()
    }
}

/// What a call answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) reason: Reason,
    /// JSON text: the result, or the function's own error with `tool_error`.
    pub(crate) value: Option<String>,
    /// For people, when the reason is not `ok`.
    pub(crate) message: Option<String>,
}

impl Answer {
    pub(crate) fn failed(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, value: None, message: Some(message.into()) }
    }
}

/// Runs the call. Consumes the cell: a store serves one call, and is never used again after a trap or otherwise.
///
/// Nothing runs twice:
/// ```compile_fail,E0382
/// # async fn twice(room: &strongroom::Strongroom, cell: strongroom::isolate::Cell) {
/// let first = room.execute(cell).await;
/// let second = room.execute(cell).await;
/// # }
/// ```
pub(crate) async fn execute(cell: Cell, json_limits: &typed::Limits) -> Ended {
    // The place comes first, so that it is given back last, after the store, when this is dropped on the way.
    let Cell {
        place,
        mut seat,
        bracket,
        charge,
        terms,
        started,
        ticket,
        writing,
        tool,
        function,
        arguments,
        mut stay,
        ..
    } = cell;
    let (mut store, guest_fuel, deadline) = (cell.store, cell.guest_fuel, cell.deadline);
    let mut results = match function.signature.result() {
        Some(_) => vec![Val::Bool(false)],
        None => vec![],
    };
    let waited = store.data().facts.waited.clone();
    let ran = {
        let run = pin!(async {
            let instance = tool.pre.instantiate_async(&mut store).await?;
            let callee = instance
                .get_func(&mut store, function.index)
                .ok_or_else(|| wasmtime::format_err!("the export is gone"))?;
            reached(Step::CallRunning);
            callee.call_async(&mut store, &arguments, &mut results).await
        });
        // Dropping what runs is what stops it: a guest stands still at its next pause, a wait of the host's is given up.
        let run = pin!(seat.run(run));
        tokio::select! {
            biased;
            kill = stay.stopped() => Err(kill),
            ran = within(deadline, &waited, run) => Ok(ran),
        }
    };

    let left = store.get_fuel().unwrap_or(0);
    let mut state = match store.data().memory.used() < MUCH {
        true => store.into_data(),
        // Giving much memory back takes the processor, too.
        false => seat.run(pin!(async { store.into_data() })).await,
    };
    drop(seat);
    let fuel = guest_fuel.saturating_sub(left).saturating_add(state.gate.spent());
    let stopped = ran.is_err();
    let answer = match ran {
        // Whatever came of the call, an effect of it did not happen that its guest believes in.
        _ if state.gate.is_unannounced() => verdict::unannounced(),
        Ok(Ok(Ok(()))) => match typed_answer(&function, &results, json_limits) {
            Ok(mut answer) if answer.reason == Reason::ToolError => {
                verdict::explain(&mut answer, &state);
                answer
            }
            Ok(answer) => commit(&mut state.gate, state.stored, bracket.call_id())
                .await
                .map_or_else(|failed| failed, |()| answer),
            Err(answer) => answer,
        },
        Ok(Ok(Err(error))) => verdict::of_error(&error, &state),
        Ok(Err(TooLong)) => verdict::deadline(deadline),
        Err(kill) => verdict::killed(&kill, state.gate.has_announced()),
    };
    // What was not announced did not happen.
    let touched = state.gate.has_announced();
    let fate = match (stopped, answer.reason) {
        (true, _) | (_, Reason::AuditUnavailable) if !touched => Fate::Nothing,
        // It was asked before anything had an effect.
        (false, Reason::InputRequired) => Fate::Nothing,
        (true, _) => Fate::Unknown,
        _ => Fate::Answered,
    };
    let asked = state.talk.end();
    // An answer that depends on what one caller said is nobody else's.
    let ticket = ticket.filter(|_| !asked.spoke);
    let (egress, stored) = (state.gate.egress(), state.gate.stored());
    let records = state.gate.take_records();
    // The guest is gone, and what it stored is committed or gone with it: nothing of it runs any more.
    drop(stay);
    Ended {
        bracket,
        function,
        answer,
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
    }
}

/// A call ran longer than it may.
struct TooLong;

/// Runs to the end, or as long as the deadline and what was spent waiting for the caller.
async fn within<F: Future>(
    deadline: Duration,
    waited: &Waited,
    mut run: Pin<&mut F>,
) -> Result<F::Output, TooLong> {
    let (mut left, mut counted) = (deadline, Duration::ZERO);
    loop {
        match tokio::time::timeout(left, &mut run).await {
            Ok(done) => return Ok(done),
            Err(_) => {
                let total = waited.total();
                left = total.saturating_sub(counted);
                counted = total;
                if left.is_zero() {
                    return Err(TooLong);
                }
            }
        }
    }
}

/// Keeps what the call has written, after the book has that it is about to.
async fn commit(gate: &mut Gate, stored: Stored, call: CallId) -> Result<(), Answer> {
    if stored.has_written() {
        let notice = gate.commit().map_err(|_| verdict::unannounced())?;
        notice.durable().await.map_err(|_| verdict::unannounced())?;
    }
    stored.commit().await.inspect(|()| reached(Step::StoreCommitted)).map_err(|error| match error.reason() {
        Reason::StorageUnavailable => {
            Answer::failed(Reason::StorageUnavailable, storage_trouble(call, &error.to_string()))
        }
        reason => Answer::failed(reason, error.to_string()),
    })
}

/// The result as JSON. A function that gives a WIT `result` answers with its `ok` part or fails with its `err` part.
fn typed_answer(function: &ToolFunction, results: &[Val], limits: &typed::Limits) -> Result<Answer, Answer> {
    let (Some(shape), Some(value)) = (function.signature.result(), results.first()) else {
        return Ok(Answer { reason: Reason::Ok, value: Some("null".into()), message: None });
    };
    let (reason, shape, value): (_, Option<&Shape>, Option<&Val>) = match (shape.kind(), value) {
        (Kind::Result(ok, _), Val::Result(Ok(value))) => (Reason::Ok, ok.as_deref(), value.as_deref()),
        (Kind::Result(_, err), Val::Result(Err(value))) => {
            (Reason::ToolError, err.as_deref(), value.as_deref())
        }
        _ => (Reason::Ok, Some(shape), Some(value)),
    };
    let text = match (shape, value) {
        (Some(shape), Some(value)) => shape.encode(value, limits).map_err(|e| {
            Answer::failed(Reason::Trapped, format!("the result cannot be given as JSON: {e}"))
        })?,
        _ => "null".into(),
    };
    let message = (reason == Reason::ToolError).then(|| "the function answered with its own error".into());
    Ok(Answer { reason, value: Some(text), message })
}
