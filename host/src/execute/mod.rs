//! Cell to Outcome: the typed call, under fuel and deadline.
//!
//! Takes: a [`Cell`]. Gives: an [`Ended`]. May name: admit, audit, imports, isolate, reason, storage, tools, typed.
//!
//! Reasons: `ok`, `tool_error`, `fuel_exhausted`, `memory_exceeded`, `deadline_exceeded`, `capability_denied`,
//! `quota_exceeded`, `trapped`, `storage_unavailable`.

mod verdict;

use crate::admit::Terms;
use crate::audit::bracket::{Bracket, storage_trouble};
use crate::imports::ImportRecord;
use crate::isolate::Cell;
use crate::reason::Reason;
use crate::storage::ledger::{Charge, Started};
use crate::tools::ToolFunction;
use crate::typed::{self, Kind, Shape};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::Val;

/// What came of running the call.
pub struct Ended {
    pub(crate) bracket: Bracket,
    pub(crate) function: Arc<ToolFunction>,
    pub(crate) answer: Answer,
    pub(crate) records: Vec<ImportRecord>,
    pub(crate) fuel: u64,
    /// Bytes that it sent to the network.
    pub(crate) egress: u64,
    pub(crate) charge: Charge,
    pub(crate) terms: Terms,
    pub(crate) started: Option<Started>,
    pub(crate) place: OwnedSemaphorePermit,
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
    let Cell {
        bracket,
        tool,
        function,
        arguments,
        mut store,
        guest_fuel,
        deadline,
        charge,
        terms,
        started,
        place,
    } = cell;
    let mut results = match function.signature.result() {
        Some(_) => vec![Val::Bool(false)],
        None => vec![],
    };
    let run = async {
        let instance = tool.pre.instantiate_async(&mut store).await?;
        let callee = instance
            .get_func(&mut store, function.index)
            .ok_or_else(|| wasmtime::format_err!("the export is gone"))?;
        callee.call_async(&mut store, &arguments, &mut results).await
    };
    let ran = tokio::time::timeout(deadline, run).await;

    let left = store.get_fuel().unwrap_or(0);
    let mut state = store.into_data();
    let fuel = guest_fuel.saturating_sub(left).saturating_add(state.gate.spent());
    let answer = match ran {
        Ok(Ok(())) => match typed_answer(&function, &results, json_limits) {
            Ok(mut answer) if answer.reason == Reason::ToolError => {
                verdict::explain(&mut answer, &state);
                answer
            }
            Ok(answer) => match state.stored.commit().await {
                Ok(()) => answer,
                Err(error) => match error.reason() {
                    Reason::StorageUnavailable => {
                        Answer::failed(Reason::StorageUnavailable, storage_trouble(&error.to_string()))
                    }
                    reason => Answer::failed(reason, error.to_string()),
                },
            },
            Err(answer) => answer,
        },
        Ok(Err(error)) => verdict::of_error(&error, &state),
        Err(_) => verdict::deadline(deadline),
    };
    let (egress, records) = (state.gate.egress(), state.gate.take_records());
    Ended { bracket, function, answer, records, fuel, egress, charge, terms, started, place }
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
