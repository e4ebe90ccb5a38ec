//! `/v1/calls/{id}`: a call that went on after its request was answered; how far it is, its answer, its end.
//!
//! Takes: a request. Gives: the call's answer, or that it runs. May name: id, identify, imports, reason, room, serve, settle.
//!
//! Whoever began a call finds it; for everybody else it is not there.

use super::asks::{Asks, Hears};
use super::events;
use super::prefer::{APPLIED, wait};
use super::problem::{Problem, respond};
use crate::id::CallId;
use crate::imports::Progress;
use crate::reason::Reason;
use crate::room::Strongroom;
use crate::serve::header_value;
use crate::serve::later::{LATER_OF_ALL, LATER_OF_ONE, Later, Stage};
use crate::serve::streams::{Place, Streams};
use crate::serve::vigil::Vigil;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::stream;
use http::header::{HeaderMap, LOCATION, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde_json::json;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::watch;

/// How often an open stream says that it is alive.
const BEAT: Duration = Duration::from_secs(15);

/// The answer to a request whose call has only begun.
pub(super) fn begun(id: CallId) -> Response {
    let mut response = running(id, None);
    response.headers_mut().insert(APPLIED, HeaderValue::from_static("respond-async"));
    response
}

/// The words of the refusal when there is no place for another one.
pub(super) fn no_place() -> String {
    format!("a tenant has at most {LATER_OF_ONE} calls that run so at once, and all together {LATER_OF_ALL}")
}

fn running(id: CallId, progress: Option<&Progress>) -> Response {
    let body = json!({ "schema_version": 1, "call_id": id, "status": "running", "progress": progress });
    let mut response = (StatusCode::ACCEPTED, axum::Json(body)).into_response();
    let headers = response.headers_mut();
    headers.extend(header_value(&format!("/v1/calls/{id}")).map(|value| (LOCATION, value)));
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

type Named = Result<Path<String>, PathRejection>;

/// `GET`: 202 while it runs, and then its answer, as if it had been waited for.
pub(super) async fn fetch(
    State(room): State<Strongroom>,
    State(later): State<Later>,
    id: Named,
    headers: HeaderMap,
    Asks(caller): Asks,
) -> Response {
    let found = named(id).and_then(|id| Some((id, later.find(id, &caller)?)));
    let action = action("look at", found.as_ref().map(|(id, _)| *id));
    if let Err(receipt) = room.looked(caller, &action, Ok(())).await {
        return respond(*receipt, None);
    }
    let Some((id, mut stage)) = found else { return not_there() };
    // When its time is over, the call says how far it is.
    drop(tokio::time::timeout(wait(&headers), stage.wait_for(|s| matches!(s, Stage::Ended(_)))).await);
    let stage = stage.borrow().clone();
    match stage {
        Stage::Runs(progress) => running(id, progress.as_ref()),
        Stage::Ended(receipt) => respond((*receipt).clone(), None),
    }
}

/// `DELETE`: the call is cancelled when it still runs, and its answer is kept no longer.
pub(super) async fn cancel(
    State(room): State<Strongroom>,
    State(later): State<Later>,
    id: Named,
    Asks(caller): Asks,
) -> Response {
    let found = named(id).filter(|id| later.find(*id, &caller).is_some());
    match room.looked(caller, &action("cancel", found), Ok(())).await {
        Err(receipt) => respond(*receipt, None),
        Ok(()) => match found {
            None => not_there(),
            Some(id) => {
                later.forget(id);
                StatusCode::NO_CONTENT.into_response()
            }
        },
    }
}

/// `GET …/events`: its progress as it comes, then its answer.
pub(super) async fn events(
    State(room): State<Strongroom>,
    State(later): State<Later>,
    State(streams): State<Streams>,
    id: Named,
    Hears(caller, vigil): Hears,
) -> Response {
    let found = named(id).and_then(|id| Some((id, later.find(id, &caller)?)));
    let place = streams.enter(caller.tenant());
    let action = action("watch", found.as_ref().map(|(id, _)| *id));
    if let Err(receipt) = room.looked(caller, &action, Ok(())).await {
        return respond(*receipt, None);
    }
    match (found, place) {
        (None, _) => not_there(),
        (_, None) => events::full(),
        (Some((_, mut stage)), Some(place)) => {
            stage.mark_changed();
            events::response(stream::unfold(Some(Live { stage, vigil, _place: place }), next))
        }
    }
}

struct Live {
    stage: watch::Receiver<Stage>,
    vigil: Vigil,
    _place: Place,
}

async fn next(live: Option<Live>) -> Option<(Result<Bytes, Infallible>, Option<Live>)> {
    let mut live = live?;
    let told = loop {
        let changed = tokio::select! {
            biased;
            // A credential that has ended meanwhile hears nothing more; the call goes on.
            reason = live.vigil.ended() => {
                return Some((Ok(Bytes::from(events::lapsed(reason, "; the call goes on"))), None));
            }
            changed = live.stage.changed() => changed,
            () = tokio::time::sleep(BEAT) => break Some(events::ALIVE.to_owned()),
        };
        if changed.is_err() {
            let cancelled = events::problem(&Problem::new(Reason::Cancelled, CANCELLED));
            return Some((Ok(Bytes::from(cancelled)), None));
        }
        let stage = live.stage.borrow_and_update().clone();
        match stage {
            Stage::Runs(None) => {}
            Stage::Runs(Some(progress)) => break Some(events::progress(&progress)),
            Stage::Ended(receipt) => {
                return Some((Ok(Bytes::from(events::answer((*receipt).clone()))), None));
            }
        }
    };
    Some((Ok(Bytes::from(told?)), Some(live)))
}

const CANCELLED: &str = "the call was cancelled";

fn named(id: Named) -> Option<CallId> {
    CallId::parse(&id.ok()?.0)
}

fn action(does: &str, id: Option<CallId>) -> String {
    match id {
        Some(id) => format!("{does} {id}"),
        None => format!("{does} a call that is not there"),
    }
}

fn not_there() -> Response {
    let detail = "there is no such call of yours: it was not begun with `Prefer: respond-async`, its answer was kept for 10 \
                  minutes, or the server was started anew; a write's answer is given again under its Idempotency-Key";
    Problem::plain(StatusCode::NOT_FOUND, detail).into()
}
