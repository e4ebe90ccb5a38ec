//! Writes that broke off after they may have taken effect: listed, and settled by an operator's word.
//!
//! Takes: requests. Gives: what waits, and what it was. May name: admin, id, room, serve, storage.

use super::guard::Text;
use super::json::{Answer, Why, answer, named, read};
use crate::admin::{Leave, OfHost, OfTenant, Operate, Read};
use crate::id::CallId;
use crate::reason::Reason;
use crate::room::{SettleAs, UnknownCall};
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settle {
    outcome: Outcome,
    /// JSON of the function's result; a result that is `null` is said so.
    #[serde(default, deserialize_with = "there")]
    answer: Option<Value>,
    why: Why,
}

fn there<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(d).map(Some)
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Done,
    Failed,
}

pub(super) async fn list(leave: Leave<Read, OfHost>) -> Answer {
    let (call, writes) = leave.unknown().await?;
    Ok(answer(call, shown(&writes)))
}

pub(super) async fn list_of_tenant(leave: Leave<Read, OfTenant>) -> Answer {
    let (call, writes) = leave.unknown().await?;
    Ok(answer(call, shown(&writes)))
}

pub(super) async fn settle(
    leave: Leave<Operate, OfTenant>,
    path: Result<Path<(String, String)>, PathRejection>,
    body: Text,
) -> Answer {
    let (leave, id) = named(leave, path, |text| CallId::parse(&text)).await?;
    let (leave, Settle { outcome, answer: result, why }) = read(leave, &body).await?;
    let how = match (outcome, result) {
        (Outcome::Done, result) => SettleAs::Done(result.map(|result| result.to_string())),
        (Outcome::Failed, None) => SettleAs::Failed,
        (Outcome::Failed, Some(_)) => {
            let why = "a write that had no effect has no answer";
            return Err(leave.refuse(Reason::ArgumentsInvalid, why).await.into());
        }
    };
    let (call, write) = leave.begin().await?.settle(id, how, &why.0).await?;
    Ok(answer(call, json!({ "settled": write.call_id, "function": write.function })))
}

fn shown(writes: &[UnknownCall]) -> Value {
    let write = |UnknownCall { write, actor, announced }: &UnknownCall| {
        json!({
            "call_id": write.call_id, "tenant": write.tenant, "actor": actor, "function": write.function,
            "at_ms": write.at_unix_ms, "arguments": write.arguments, "idempotency_key": write.key,
            "announced": announced,
        })
    };
    json!({ "unknown": writes.iter().map(write).collect::<Vec<_>>() })
}
