//! `POST /v1/tools/{name}`: one governed call.
//!
//! Takes: a request. Gives: the call's answer. May name: admit, identify, id, reason, room, serve.
//!
//! Who asks is settled before the body is read, so strangers cannot make the host hold bodies for them.

use super::body::Fault;
use super::problem::respond;
use super::{body, headers};
use crate::admit::CallRequest;
use crate::id::{IdempotencyKey, RunId};
use crate::reason::Reason;
use crate::room::Strongroom;
use crate::serve::credential::Presented;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};

pub(super) async fn call(
    State(room): State<Strongroom>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    // A name that is no text names no tool; the pipeline says so.
    let function = name.map_or_else(|_| String::new(), |Path(name)| name);
    let (parts, body) = request.into_parts();
    let presented = Presented::read(&parts.headers);
    let caller = match room.identify(presented.credential()).await {
        Ok(caller) => caller,
        Err(receipt) => {
            body::discard(&parts.headers, body).await;
            return respond(presented.explain(*receipt), None);
        }
    };
    match read(&room, &parts.headers, body).await {
        Ok((arguments, idempotency_key, run)) => {
            let trace = headers::trace(&parts.headers);
            let request =
                CallRequest { function, arguments, idempotency_key, run, trace, ..CallRequest::default() };
            respond(room.call_as(caller, request).await, None)
        }
        Err(Fault { status, detail }) => {
            let refused = room.refuse(caller, &function, Reason::ArgumentsInvalid, &detail).await;
            respond(refused, Some(status))
        }
    }
}

/// The parts of a request that the caller's tools see.
async fn read(
    room: &Strongroom,
    headers: &HeaderMap,
    body: Body,
) -> Result<(String, Option<IdempotencyKey>, Option<RunId>), Fault> {
    let names = || Ok((headers::idempotency_key(headers)?, headers::run(headers)?));
    let names = match headers::is_json(headers) {
        true => names().map_err(|detail: String| Fault::new(StatusCode::BAD_REQUEST, detail)),
        false => Err(Fault::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send the header `content-type: application/json` and the body in UTF-8, not compressed",
        )),
    };
    match names {
        Ok((key, run)) => {
            let most = room.settings().host.max_request_body;
            Ok((body::read(headers, body, most).await?, key, run))
        }
        Err(fault) => {
            body::discard(headers, body).await;
            Err(fault)
        }
    }
}
