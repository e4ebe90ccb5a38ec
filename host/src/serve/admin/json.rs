//! Bodies and paths of requests as checked values, and answers.
//!
//! Takes: text of a request. Gives: values, responses. May name: admin, id, reason, serve, settle.

use super::guard::Text;
use crate::admin::{Leave, Level, Over};
use crate::id::{CallId, IdempotencyKey};
use crate::reason::Reason;
use crate::serve::header_value;
use crate::serve::http::{headers, respond};
use crate::settle::Receipt;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

const CALL_ID: HeaderName = HeaderName::from_static("strongroom-call-id");
const REASON: HeaderName = HeaderName::from_static("strongroom-reason");

/// What a handler gives.
pub(super) type Answer = Result<Response, Refused>;

/// A refusal that is in the book.
pub(super) struct Refused(Response);

impl From<Box<Receipt>> for Refused {
    fn from(receipt: Box<Receipt>) -> Self {
        Self(respond(*receipt, None))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.0
    }
}

/// Why an order is given, for the book: 1 to 200 characters.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Why(pub(super) String);

impl TryFrom<String> for Why {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        match (1..=200).contains(&text.chars().count()) && !text.trim().is_empty() {
            true => Ok(Self(text)),
            false => Err("`why` has 1 to 200 characters"),
        }
    }
}

/// The body as what the route takes.
pub(super) async fn read<T: DeserializeOwned, L: Level, O: Over>(
    mut leave: Leave<L, O>,
    Text(text): &Text,
) -> Result<(Leave<L, O>, T), Refused> {
    leave.asks(text);
    match serde_json::from_str(text) {
        Ok(asked) => Ok((leave, asked)),
        Err(error) => Err(leave.refuse(Reason::ArgumentsInvalid, format!("the body: {error}")).await.into()),
    }
}

/// The last part of a path, which names one thing of a tenant's. What has not its form is not there.
pub(super) async fn named<T, L: Level, O: Over>(
    leave: Leave<L, O>,
    path: Result<Path<(String, String)>, PathRejection>,
    form: impl FnOnce(String) -> Option<T>,
) -> Result<(Leave<L, O>, T), Refused> {
    match path.ok().and_then(|Path((_, name))| form(name)) {
        Some(name) => Ok((leave, name)),
        None => Err(leave.refuse(Reason::NotFound, "there is nothing of this name").await.into()),
    }
}

/// The key under which an order is carried out once.
pub(super) async fn once<L: Level, O: Over>(
    leave: Leave<L, O>,
    headers: &HeaderMap,
) -> Result<(Leave<L, O>, IdempotencyKey), Refused> {
    let (reason, message) = match headers::idempotency_key(headers) {
        Ok(Some(key)) => return Ok((leave, key)),
        Ok(None) => {
            let why = "send an Idempotency-Key of your own, so that the order can be repeated and is carried out once";
            (Reason::IdempotencyKeyRequired, why.to_owned())
        }
        Err(why) => (Reason::ArgumentsInvalid, why),
    };
    Err(leave.refuse(reason, message).await.into())
}

/// An answer, with the call that the book has of it.
pub(super) fn answer(call: CallId, mut body: Value) -> Response {
    if let Some(fields) = body.as_object_mut() {
        fields.insert("schema_version".to_owned(), 1.into());
    }
    let mut response = Response::new(body.to_string().into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.extend(header_value(&call.to_string()).map(|value| (CALL_ID, value)));
    headers.insert(REASON, HeaderValue::from_static(Reason::Ok.code()));
    response
}

/// The same for what was made.
pub(super) fn created(call: CallId, body: Value) -> Response {
    let mut response = answer(call, body);
    *response.status_mut() = StatusCode::CREATED;
    response
}

/// The same for what was made by an earlier order of the same key.
pub(super) fn replayed(call: CallId, body: Value) -> Response {
    let mut response = answer(call, body);
    response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    response
}
