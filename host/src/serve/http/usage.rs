//! `GET /v1/usage`: how far the caller's tenant has used its budgets. `GET /v1/usage/events`: its alerts, as they come.
//!
//! Takes: a request. Gives: a document, or a stream of server-sent events. May name: identify, id, room, serve,
//! storage.
//!
//! A stream is bounded in number, in what it holds (alerts are read from the ledger as fast as they are taken) and in time;
//! a client that comes again says with `Last-Event-ID` what it has, and misses nothing.

use super::asks::{Asks, Hears};
use super::events;
use super::problem::respond;
use crate::id::TenantId;
use crate::room::Strongroom;
use crate::serve::streams::{Place, Streams};
use crate::serve::vigil::Vigil;
use crate::storage::ledger::{Alert, Alerts, Usage};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::stream;
use http::header::{HeaderMap, HeaderName};
use serde::Serialize;
use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::Sleep;

/// How often a stream without alerts says that it is alive.
const BEAT: Duration = Duration::from_secs(15);
/// How long a stream lasts; its client comes again.
const LASTS: Duration = Duration::from_secs(900);
/// When a client whose stream has ended should come again, in milliseconds.
const RETRY: &str = "retry: 1000\n\n";
/// RFC of server-sent events: the number of the last event that the client has.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

#[derive(Serialize)]
struct Document {
    schema_version: u32,
    tenant: TenantId,
    budgets: Vec<Usage>,
}

pub(super) async fn usage(State(room): State<Strongroom>, Asks(caller): Asks) -> Response {
    let tenant = caller.tenant().clone();
    match room.usage_of(caller).await {
        Ok(budgets) => Json(Document { schema_version: 1, tenant, budgets }).into_response(),
        Err(receipt) => respond(*receipt, None),
    }
}

pub(super) async fn events(
    State(room): State<Strongroom>,
    State(streams): State<Streams>,
    headers: HeaderMap,
    Hears(caller, vigil): Hears,
) -> Response {
    let Some(place) = streams.enter(caller.tenant()) else { return events::full() };
    // One that cannot be read is one that this host has not given: the stream begins now, as without it.
    let after = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()?.parse().ok());
    match room.alerts_of(caller, after).await {
        Ok(alerts) => {
            let ends = Box::pin(tokio::time::sleep(LASTS));
            let live = Live { vigil, alerts, streams, ends, begun: false, over: false, _place: place };
            events::response(stream::unfold(live, next))
        }
        Err(receipt) => respond(*receipt, None),
    }
}

/// A stream that is open.
struct Live {
    vigil: Vigil,
    alerts: Alerts,
    streams: Streams,
    ends: Pin<Box<Sleep>>,
    begun: bool,
    over: bool,
    _place: Place,
}

/// The next piece, when there is one; none when the stream ends.
async fn next(mut live: Live) -> Option<(Result<Bytes, Infallible>, Live)> {
    if !live.begun {
        live.begun = true;
        return Some((Ok(Bytes::from_static(RETRY.as_bytes())), live));
    }
    if live.over {
        return None;
    }
    let text = tokio::select! {
        biased;
        // The server lets its streams end before it waits for them.
        () = live.streams.stopping() => return None,
        () = &mut live.ends => return None,
        // A credential that has ended meanwhile hears nothing more.
        reason = live.vigil.ended() => {
            live.over = true;
            events::lapsed(reason, "")
        }
        alert = live.alerts.next() => match alert {
            Ok(Some(alert)) => event(&alert),
            Ok(None) => return None,
            Err(error) => {
                tracing::error!("alerts cannot be read, and a stream of them ends: {error}");
                return None;
            }
        },
        () = tokio::time::sleep(BEAT) => events::ALIVE.to_owned(),
    };
    Some((Ok(Bytes::from(text)), live))
}

fn event(alert: &Alert) -> String {
    let data = serde_json::to_string(alert).unwrap_or_default();
    format!("id: {}\n{}", alert.id, events::event("budget-alert", &data))
}
