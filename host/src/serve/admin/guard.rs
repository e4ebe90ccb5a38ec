//! What is no admin's program is turned away first: web pages, names that were pointed at this machine, bodies that are no JSON
//! or too long.
//!
//! Takes: a request. Gives: it on with its body as text, or a refusal that is in the book. May name: admin, reason, serve.

use super::orders::Orders;
use crate::admin::Door;
use crate::reason::Reason;
use crate::serve::http::headers::{NOT_JSON, is_json};
use crate::serve::http::{Only, body, is_foreign, only, respond};
use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::ORIGIN;
use http::{Method, StatusCode};
use std::sync::Arc;

/// What a request that is turned away is called in the book.
const ACTION: &str = "admin.request";

/// What the guard looks at.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) door: Door,
    pub(super) loopback: bool,
    pub(super) orders: Orders,
}

/// A request's body.
#[derive(Clone)]
pub(super) struct Text(pub(super) Arc<str>);

pub(super) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let (mut parts, unread) = request.into_parts();
    // No page has business here: there is no answer that a browser would let one read, and it may not ask either.
    let foreign = match only(&parts.headers, ORIGIN) {
        Only::None if guard.loopback => is_foreign(&parts.uri, &parts.headers),
        Only::None => None,
        Only::One(_) | Only::Several => Some("the admin API is for programs; a web page's Origin is refused"),
    };
    if let Some(why) = foreign {
        body::discard(&parts.headers, unread).await;
        return respond(guard.door.turn_away(ACTION, Reason::PolicyDenied, why).await, None);
    }
    if !unread.is_end_stream() && !is_json(&parts.headers) {
        body::discard(&parts.headers, unread).await;
        let receipt = guard.door.turn_away(ACTION, Reason::ArgumentsInvalid, NOT_JSON).await;
        return respond(receipt, Some(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    match body::read(&parts.headers, unread, guard.door.max_body()).await {
        Ok(text) => {
            parts.extensions.insert(Text(text.into()));
            let looks = parts.method == Method::GET;
            let request = Request::from_parts(parts, Body::empty());
            match looks {
                true => next.run(request).await,
                false => guard.orders.carry_out(next.run(request)).await,
            }
        }
        Err(fault) => {
            let receipt = guard.door.turn_away(ACTION, Reason::ArgumentsInvalid, &fault.detail).await;
            respond(receipt, Some(fault.status))
        }
    }
}
