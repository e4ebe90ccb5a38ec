//! What the order and notification services are sent, and what their answers mean.
//!
//! Takes: requests. Gives: answers with a status of 2xx, or the contract's error. May name: the contract's types.

use crate::exports::strongroom::orders::orders::{Error, Status};
use serde::{Deserialize, Serialize};
use strongroom_sdk::http;

/// Body of `PATCH /orders/{id}`.
#[derive(Serialize)]
pub(crate) struct Change {
    pub(crate) status: Status,
}

/// Body of `POST /notifications`.
#[derive(Serialize)]
pub(crate) struct Notification<'a> {
    pub(crate) order: &'a str,
    pub(crate) kind: &'a str,
}

#[derive(Deserialize)]
struct Accepted {
    id: String,
}

/// The URL of an order. Numbers are checked, so that none can lead to another path.
pub(crate) fn order_url(id: &str) -> Result<String, Error> {
    let id = id.strip_prefix('#').unwrap_or(id);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=64).contains(&id.len()) && id.bytes().all(allowed) {
        Ok(format!("http://orders/orders/{id}"))
    } else {
        Err(Error::InvalidId)
    }
}

/// Sends a request and takes an answer of 2xx.
pub(crate) fn sent(request: http::Request) -> Result<http::Response, Error> {
    Ok(request.header("accept", "application/json").send()?.success()?)
}

/// The service's number for a notification. The notification was accepted, so an answer without one is no error.
pub(crate) fn notification_id(answer: &http::Response) -> Option<String> {
    answer.json().ok().map(|accepted: Accepted| accepted.id)
}

impl From<http::Error> for Error {
    fn from(error: http::Error) -> Self {
        match error {
            http::Error::Denied => Self::NotPermitted,
            http::Error::Status(404) => Self::NotFound,
            http::Error::Status(status @ 400..500) => Self::Refused(status),
            other => Self::Unavailable(other.to_string()),
        }
    }
}
