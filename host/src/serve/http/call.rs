//! `POST /v1/tools/{name}`: one governed call.
//!
//! Takes: a request. Gives: the call's answer. May name: admit, identify, reason, room, serve, settle.
//!
//! Who asks is settled before the body is read, so strangers cannot make the host hold bodies for them.

use super::credential::Presented;
use super::problem::respond;
use super::{body, headers};
use crate::admit::CallRequest;
use crate::reason::Reason;
use crate::room::Strongroom;
use crate::settle::Receipt;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::StatusCode;

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
            return respond(explained(*receipt, presented), None);
        }
    };
    let (status, detail) = if headers::is_json(&parts.headers) {
        let max = room.settings().host.max_request_body;
        match headers::idempotency_key(&parts.headers) {
            Ok(idempotency_key) => match body::read(&parts.headers, body, max).await {
                Ok(arguments) => {
                    let request = CallRequest { function, arguments, idempotency_key, progress: None };
                    return respond(room.call_as(caller, request).await, None);
                }
                Err(fault) => (fault.status, fault.detail),
            },
            Err(detail) => {
                body::discard(&parts.headers, body).await;
                (StatusCode::BAD_REQUEST, detail)
            }
        }
    } else {
        body::discard(&parts.headers, body).await;
        let detail = "the body is not application/json in UTF-8, as it is, not compressed".to_owned();
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
    };
    respond(room.refuse(caller, &function, Reason::ArgumentsInvalid, &detail).await, Some(status))
}

/// The refusal of a header that holds no key says so; of one that holds a wrong key, no more than the pipeline does.
pub(super) fn explained(mut receipt: Receipt, presented: Presented<'_>) -> Receipt {
    if presented == Presented::Malformed && receipt.reason == Reason::TenantUnknown {
        receipt.message = Some("send exactly one header `Authorization: Bearer sr_live_…`".into());
    }
    receipt
}
