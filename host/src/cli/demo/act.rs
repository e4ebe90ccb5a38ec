//! Does one act of the story, as a client, an agent or an operator does it.
//!
//! Takes: a [`House`] and a [`Step`]. Gives: [`Seen`]. May name: client, house, play, proof, services, story.

use super::client::send;
use super::house::House;
use super::play::Played;
use super::proof::{balance, secrets};
use super::services::listen;
use super::story::{Act, Call, Step};
use super::{DemoError, Who};
use axum::http::{Method, StatusCode};
use serde_json::Value;
use std::io;
use std::time::Duration;
use strongroom::admit::CallRequest;
use strongroom::id::{CallId, IdempotencyKey, ToolName};
use strongroom::identify::Credential;
use strongroom::powers::{Clock as _, SystemClock};
use strongroom::reason::{Outcome, Reason};
use strongroom::serve;
use strongroom::storage::ledger::KillScope;
use tokio::sync::oneshot;

/// What came of an act, as whoever did it sees it.
pub(super) struct Seen {
    pub(super) reason: Reason,
    /// Over HTTP only the book tells.
    pub(super) outcome: Option<Outcome>,
    pub(super) fuel: Option<u64>,
    pub(super) took: Duration,
    pub(super) call: Option<CallId>,
    pub(super) answer: Option<String>,
    pub(super) message: Option<String>,
    /// Whether the act leaves an entry in the book.
    pub(super) written: bool,
    pub(super) differences: Vec<String>,
}

/// Does it.
pub(super) async fn act(house: &House, step: &Step, played: &[Played]) -> Result<Seen, DemoError> {
    let began = SystemClock.monotonic();
    let mut seen = match &step.act {
        Act::Call(call) => return by_library(house, step.by, *call).await,
        Act::Http { call, query, headers } => over_http(house, step.by, *call, query, headers).await?,
        Act::Kill(tool) => {
            house.room.kill(scope(tool)?, "the demo shows its kill switch").await?;
            Seen::done(Outcome::Executed)
        }
        Act::Revive(tool) => {
            let was = house.room.revive(scope(tool)?).await?;
            let differences = if was { Vec::new() } else { vec!["the tool was not stopped".into()] };
            Seen { differences, ..Seen::done(Outcome::Executed) }
        }
        Act::Balance => balance(house, step.by).await?,
        Act::Secrets => secrets(house, played)?,
    };
    seen.took = SystemClock.monotonic().saturating_duration_since(began);
    Ok(seen)
}

impl Seen {
    pub(super) fn done(outcome: Outcome) -> Self {
        Self {
            reason: Reason::Ok,
            outcome: Some(outcome),
            fuel: None,
            took: Duration::ZERO,
            call: None,
            answer: None,
            message: None,
            written: true,
            differences: Vec::new(),
        }
    }
}

fn scope(tool: &str) -> Result<KillScope, DemoError> {
    Ok(KillScope::Tool(ToolName::new(tool).map_err(std::io::Error::other)?))
}

async fn by_library(house: &House, by: Who, call: Call) -> Result<Seen, DemoError> {
    let credential = house.key(by).map_or(Credential::None, Credential::ApiKey);
    let request = CallRequest {
        function: call.function.into(),
        arguments: call.arguments.into(),
        idempotency_key: call.key.map(IdempotencyKey::new).transpose().map_err(std::io::Error::other)?,
        ..CallRequest::default()
    };
    let receipt = house.room.call(credential, request).await;
    Ok(Seen {
        reason: receipt.reason,
        outcome: Some(receipt.outcome),
        fuel: Some(receipt.fuel),
        took: receipt.took,
        call: Some(receipt.call_id),
        answer: receipt.value,
        message: receipt.message,
        written: true,
        differences: Vec::new(),
    })
}

/// The call as a client sends it to `strongroom serve`, with claims of its own in the query and the headers.
async fn over_http(
    house: &House,
    by: Who,
    call: Call,
    query: &str,
    claims: &[(&str, &str)],
) -> Result<Seen, DemoError> {
    let listener = listen().await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = serve::run(house.room.clone(), listener, async {
        // Stopped or dropped: both end it.
        let _ = stopped.await;
    });
    let asking = async move {
        let authorization = house.key(by).map(|key| format!("Bearer {key}"));
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        headers.extend(call.key.map(|key| ("idempotency-key", key)));
        headers.extend(claims);
        let path = format!("/v1/tools/{}?{query}", call.function);
        let reply = send(address, Method::POST, &path, &headers, call.arguments).await;
        drop(stop);
        reply
    };
    let (served, reply) = tokio::join!(serving, asking);
    served?;
    let reply = reply?;
    let told = |name| reply.headers.get(name)?.to_str().ok();
    let code = Value::from(told("strongroom-reason"));
    let reason = serde_json::from_value::<Reason>(code)
        .map_err(|_| io::Error::other(format!("status {} without a reason code", reply.status)))?;
    let (answer, message) = match reply.status {
        StatusCode::OK => (Some(reply.body.clone()), None),
        _ => (None, Some(reply.body.clone())),
    };
    Ok(Seen {
        reason,
        outcome: None,
        call: told("strongroom-call-id").and_then(CallId::parse),
        fuel: told("strongroom-fuel").and_then(|fuel| fuel.parse().ok()),
        answer,
        message,
        ..Seen::done(Outcome::Executed)
    })
}
