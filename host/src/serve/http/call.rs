//! `POST /v1/tools/{name}`: one governed call, answered when it has ended, or later, or with its progress.
//!
//! Takes: a request. Gives: the call's answer. May name: admit, identify, id, imports, reason,
//! room, serve, settle.
//!
//! Who asks is settled before the body is read, so strangers cannot make the host hold bodies for them.

use super::asks::identified;
use super::body::Fault;
use super::challenge::Lacks;
use super::prefer::Wanted;
use super::problem::respond;
use super::{body, calls, events, headers};
use crate::admit::CallRequest;
use crate::id::{IdempotencyKey, RunId};
use crate::identify::Caller;
use crate::imports::Progress;
use crate::reason::Reason;
use crate::room::Strongroom;
use crate::serve::credential::Kept;
use crate::serve::later::Later;
use crate::serve::vigil::Vigil;
use crate::settle::Receipt;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{HeaderMap, StatusCode};
use serde_json::json;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Reports of progress that wait to be sent; more are dropped.
const REPORTS: usize = 8;
/// How often a stream without news says that it is alive.
const BEAT: Duration = Duration::from_secs(15);

pub(super) async fn call(
    State(room): State<Strongroom>,
    State(later): State<Later>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    // A name that is no text names no tool; the pipeline says so.
    let function = name.map_or_else(|_| String::new(), |Path(name)| name);
    let (parts, body) = request.into_parts();
    let (caller, body) = match identified(&room, &parts, body).await {
        Ok(identified) => identified,
        Err(refused) => return refused,
    };
    let request = match read(&room, &parts.headers, body).await {
        Ok((arguments, idempotency_key, run)) => {
            let trace = headers::trace(&parts.headers);
            CallRequest { function, arguments, idempotency_key, run, trace, ..CallRequest::default() }
        }
        Err(Fault { status, detail }) => {
            let refused = room.refuse(caller, &function, Reason::ArgumentsInvalid, &detail).await;
            return respond(refused, Some(status));
        }
    };
    // A call that the token's scopes do not name ends at once, so its answer has the status that says so, whatever was asked for.
    if let Some(lacks) = Lacks::of(&caller, &request.function) {
        return refused(&room, caller, request, lacks).await;
    }
    match Wanted::read(&parts.headers) {
        Wanted::Now => respond(room.call_as(caller, request).await, None),
        Wanted::Events => {
            let vigil = Vigil::of(&room, Arc::new(Kept::of(&parts)), &caller);
            told(room, caller, request, (vigil, later))
        }
        Wanted::Later => {
            let function = request.function.clone();
            match later.begin(room.clone(), caller, request) {
                Ok(id) => calls::begun(id),
                Err(caller) => {
                    let why = calls::no_place();
                    respond(room.refuse(*caller, &function, Reason::Overloaded, &why).await, None)
                }
            }
        }
    }
}

async fn refused(room: &Strongroom, caller: Caller, request: CallRequest, lacks: Lacks) -> Response {
    let receipt = room.call_as(caller, request).await;
    let denied = receipt.reason == Reason::PolicyDenied;
    let mut response = respond(receipt, None);
    if denied {
        response.extensions_mut().insert(lacks);
    }
    response
}

/// The call as a stream: its id, its progress as it comes, its answer. Whoever closes it cancels the call. When the credential
/// ends meanwhile, nothing more is told; the call was allowed when it began, and goes on: broken off in the middle of a write, nobody
/// would know what came of it. What is to stop calls that run is a kill switch.
fn told(room: Strongroom, caller: Caller, request: CallRequest, (vigil, later): (Vigil, Later)) -> Response {
    let (progress, reports) = mpsc::channel(REPORTS);
    let (id, request) = (caller.call_id(), CallRequest { progress: Some(progress), ..request });
    let call = Box::pin(async move { room.call_as(caller, request).await });
    let begun = events::event("call", &json!({ "call_id": id }).to_string());
    let first = stream::once(async { Ok(Bytes::from(begun)) });
    events::response(first.chain(stream::unfold(Some(Told { call, reports, vigil, later }), next)))
}

struct Told {
    call: Pin<Box<dyn Future<Output = Receipt> + Send>>,
    reports: mpsc::Receiver<Progress>,
    vigil: Vigil,
    later: Later,
}

async fn next(told: Option<Told>) -> Option<(Result<Bytes, Infallible>, Option<Told>)> {
    let mut told = told?;
    let (text, goes_on) = tokio::select! {
        biased;
        receipt = &mut told.call => {
            let mut text = String::new();
            while let Ok(report) = told.reports.try_recv() {
                text.push_str(&events::progress(&report));
            }
            return Some((Ok(Bytes::from(text + &events::answer(receipt))), None));
        }
        reason = told.vigil.ended() => (events::lapsed(reason, GOES_ON), false),
        Some(report) = told.reports.recv() => (events::progress(&report), true),
        () = tokio::time::sleep(BEAT) => (events::ALIVE.to_owned(), true),
    };
    if goes_on {
        return Some((Ok(Bytes::from(text)), Some(told)));
    }
    told.later.go_on(told.call);
    Some((Ok(Bytes::from(text)), None))
}

const GOES_ON: &str = "; the call goes on, and a write's answer is given again under its Idempotency-Key";

/// The parts of a request that the caller's tools see.
async fn read(
    room: &Strongroom,
    headers: &HeaderMap,
    body: Body,
) -> Result<(String, Option<IdempotencyKey>, Option<RunId>), Fault> {
    let names = || Ok((headers::idempotency_key(headers)?, headers::run(headers)?));
    let names = match headers::is_json(headers) {
        true => names().map_err(|detail: String| Fault::new(StatusCode::BAD_REQUEST, detail)),
        false => Err(Fault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, headers::NOT_JSON)),
    };
    match names {
        Ok((key, run)) => {
            let most = room.in_force(|settings| settings.host.max_request_body);
            Ok((body::read(headers, body, most).await?, key, run))
        }
        Err(fault) => {
            body::discard(headers, body).await;
            Err(fault)
        }
    }
}
