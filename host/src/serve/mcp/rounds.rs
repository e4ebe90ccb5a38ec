//! Questions to a client without sessions (protocol 2026-07-28): a round ends with `input_required`, and the next brings answers.
//!
//! Takes: what came with a request; what a call asked. Gives: [`Brought`], and the result that asks. May name: id, imports, room,
//! serve, settle.
//!
//! The state that goes to the client and comes back is sealed, for an hour: bound to tenant, actor, function and arguments, so
//! it is worth nothing to anybody else and for nothing else. It is signed and not encrypted, and holds nothing but what the
//! client itself has said.

use super::asker;
use crate::id::{ActorId, Digest, TenantId};
use crate::imports::asking::{ANSWER, Given, MOST, Pending};
use crate::room::Strongroom;
use crate::settle::Receipt;
use rmcp::ErrorData;
use rmcp::model::{
    InputRequests, InputRequiredResult, InputResponses, RequestStateCodec, RequestStateError, SealOptions,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a state counts.
const LASTS: Duration = Duration::from_secs(3600);
/// The longest state that is read, in bytes.
const LONGEST: usize = MOST * ANSWER * 2;

/// What a state holds: the answers so far, each with the question that it answers, and the questions that are open.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    answers: BTreeMap<String, (Option<Digest>, Value)>,
    questions: BTreeMap<String, Digest>,
}

/// What a request brings beside its arguments.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) responses: Option<InputResponses>,
    pub(super) state: Option<String>,
}

/// What a call is, for the binding of its state.
pub(super) struct Call<'a> {
    pub(super) tenant: &'a TenantId,
    pub(super) actor: &'a ActorId,
    pub(super) function: &'a str,
    pub(super) arguments: &'a str,
}

impl Call<'_> {
    fn bound(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&(self.tenant, self.actor, self.function, Digest::of(self.arguments.as_bytes())))
    }
}

/// The host's seal for states.
fn codec(room: &Strongroom) -> Result<RequestStateCodec, String> {
    let key = room.key_for("request state of the Model Context Protocol");
    RequestStateCodec::try_new(key.as_bytes().to_vec()).map_err(|error| error.to_string())
}

/// The answers that a request brings, or why they cannot be taken.
pub(super) fn read(
    room: &Strongroom,
    call: &Call<'_>,
    sent: Sent,
) -> Result<BTreeMap<String, Given>, String> {
    let responses = sent.responses.unwrap_or_default();
    if responses.values().any(|answer| answer.to_string().len() > ANSWER) {
        return Err(format!("an answer is longer than {ANSWER} bytes"));
    }
    let Some(sealed) = sent.state else {
        // Whoever answers before it was asked says what it would have said then.
        let given = responses.into_iter().map(|(key, answer)| (key, Given { question: None, answer }));
        return Ok(given.take(MOST).collect());
    };
    if sealed.len() > LONGEST {
        return Err(format!("the state is longer than {LONGEST} bytes"));
    }
    let bound = call.bound().map_err(|error| error.to_string())?;
    let state: State = codec(room)?.open_json_with(&sealed, &bound).map_err(|error| match error {
        RequestStateError::Expired => "the time of the state is over; begin anew".to_owned(),
        _ => "the state is not one that this host gave to this caller for this call".to_owned(),
    })?;
    let State { answers, questions } = state;
    let mut given: BTreeMap<String, Given> =
        answers.into_iter().map(|(key, (question, answer))| (key, Given { question, answer })).collect();
    for (key, answer) in responses {
        // What was not asked is not looked at.
        if let Some(question) = questions.get(&key) {
            given.insert(key, Given { question: Some(*question), answer });
        }
    }
    Ok(given)
}

/// The result that asks.
pub(super) fn required(
    room: &Strongroom,
    call: &Call<'_>,
    given: &BTreeMap<String, Given>,
    receipt: &Receipt,
) -> Result<InputRequiredResult, ErrorData> {
    let broken = |error: String| {
        tracing::error!(call_id = %receipt.call_id, "questions could not be put into a result: {error}");
        ErrorData::internal_error("the questions of the tool cannot be put", None)
    };
    let mut requests = InputRequests::new();
    let mut state = State::default();
    for (key, Given { question, answer }) in given {
        state.answers.insert(key.clone(), (*question, answer.clone()));
    }
    for Pending { key, question, request } in &receipt.asked.pending {
        requests.insert(key.clone(), asker::input_request(request.clone()).map_err(broken)?);
        // An answer that did not fit is forgotten.
        state.answers.remove(key);
        state.questions.insert(key.clone(), *question);
    }
    let bound = call.bound().map_err(|error| broken(error.to_string()))?;
    let options = SealOptions::new().associated_data(&bound).ttl(LASTS);
    let sealed = codec(room).map_err(broken)?.seal_json_with(&state, &options);
    let sealed = sealed.map_err(|error| broken(error.to_string()))?;
    Ok(InputRequiredResult::new(Some(requests), Some(sealed)))
}
