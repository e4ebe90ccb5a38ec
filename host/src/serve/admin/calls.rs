//! The calls that run in this process: listed, and one of them stopped.
//!
//! Takes: requests. Gives: calls. May name: admin, id, isolate, serve.

use super::guard::Text;
use super::json::{Answer, Why, answer, named, read};
use crate::admin::{Change, Leave, OfHost, OfTenant, Read};
use crate::id::CallId;
use crate::isolate::RunningCall;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stop {
    why: Why,
}

pub(super) async fn list(leave: Leave<Read, OfHost>) -> Answer {
    let (call, running) = leave.running().await?;
    Ok(answer(call, shown(&running)))
}

pub(super) async fn list_of_tenant(leave: Leave<Read, OfTenant>) -> Answer {
    let (call, running) = leave.running().await?;
    Ok(answer(call, shown(&running)))
}

pub(super) async fn stop(
    leave: Leave<Change, OfTenant>,
    path: Result<Path<(String, String)>, PathRejection>,
    body: Text,
) -> Answer {
    let (leave, id) = named(leave, path, |text| CallId::parse(&text)).await?;
    let (leave, Stop { why }) = read(leave, &body).await?;
    let (call, stopped) = leave.begin().await?.stop_call(id, &why.0).await?;
    Ok(answer(call, json!({ "stopped": id, "gone": stopped.gone })))
}

fn shown(running: &[RunningCall]) -> Value {
    let call = |call: &RunningCall| {
        json!({
            "call_id": call.call_id,
            "began_ms": call.call_id.unix_ms(),
            "tenant": call.tenant,
            "actor": call.actor,
            "tool": call.tool,
            "component": call.component,
            "writes": call.writes,
        })
    };
    json!({ "calls": running.iter().map(call).collect::<Vec<_>>() })
}
