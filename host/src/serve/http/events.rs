//! Server-sent events (WHATWG HTML, 9.2), as they are written.
//!
//! Takes: events. Gives: their text, responses. May name: imports, reason, serve, settle.

use super::problem::Problem;
use crate::imports::Progress;
use crate::reason::Reason;
use crate::serve::streams::{OF_ALL, OF_ONE};
use crate::settle::Receipt;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::Stream;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use std::convert::Infallible;

/// What a stream sends when it has nothing to tell, so that everybody on the way knows that it lives.
pub(super) const ALIVE: &str = ":\n\n";

/// The refusal when there is no place.
pub(super) fn full() -> Response {
    let detail = format!("a tenant has at most {OF_ONE} streams at once, and all together {OF_ALL}");
    Problem::new(Reason::Overloaded, &detail).into()
}

/// One event; its data may have several lines.
pub(super) fn event(name: &str, data: &str) -> String {
    let mut text = format!("event: {name}\n");
    for line in data.split(['\n', '\r']) {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
    text
}

/// How far a call is.
pub(super) fn progress(progress: &Progress) -> String {
    event("progress", &serde_json::to_string(progress).unwrap_or_default())
}

/// How a call ended: `answer` with the bytes that would be the body, or `problem` with the problem.
pub(super) fn answer(receipt: Receipt) -> String {
    match receipt.reason {
        Reason::Ok => event("answer", receipt.value.as_deref().unwrap_or("null")),
        _ => problem(&Problem::of(receipt)),
    }
}

/// The same for what has no receipt.
pub(super) fn problem(problem: &Problem) -> String {
    event("problem", &problem.text())
}

/// Why a stream ends before its time: the credential by which it was opened stands no more for its caller.
pub(super) fn lapsed(reason: Reason, and: &str) -> String {
    let detail =
        format!("the credential by which this stream was opened does not stand for its caller any more{and}");
    problem(&Problem::new(reason, &detail))
}

/// The answer that is a stream of them.
pub(super) fn response(events: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static) -> Response {
    let mut response = Response::new(Body::from_stream(events));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_lines_and_an_empty_one() {
        assert_eq!(event("answer", "{}"), "event: answer\ndata: {}\n\n");
        assert_eq!(event("answer", "{\n}"), "event: answer\ndata: {\ndata: }\n\n");
    }
}
