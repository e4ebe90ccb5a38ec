//! Server-sent events (WHATWG HTML, 9.2): how many streams there may be, and how an event is written.
//!
//! Takes: tenants, events. Gives: [`Streams`], responses. May name: id, imports, reason, serve, settle.

use super::problem::Problem;
use crate::id::TenantId;
use crate::imports::Progress;
use crate::reason::Reason;
use crate::settle::Receipt;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::Stream;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::watch;

/// Streams at once: of one tenant, and of all.
const OF_ONE: usize = 4;
const OF_ALL: usize = 128;
/// What a stream sends when it has nothing to tell, so that everybody on the way knows that it lives.
pub(super) const ALIVE: &str = ":\n\n";

/// The streams that are open, and the sign that they should end.
#[derive(Clone, Debug)]
pub(in crate::serve) struct Streams {
    open: Arc<Mutex<HashMap<TenantId, usize>>>,
    stopping: watch::Receiver<bool>,
}

impl Streams {
    pub(super) fn new(stopping: watch::Receiver<bool>) -> Self {
        Self { open: Arc::default(), stopping }
    }

    /// The sign that the server ends.
    pub(in crate::serve) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.clone()
    }

    /// A place for one more, if there is one.
    pub(in crate::serve) fn enter(&self, tenant: &TenantId) -> Option<Place> {
        let mut open = self.open.lock();
        if open.values().sum::<usize>() >= OF_ALL || open.get(tenant).is_some_and(|n| *n >= OF_ONE) {
            return None;
        }
        *open.entry(tenant.clone()).or_default() += 1;
        Some(Place { open: self.open.clone(), tenant: tenant.clone() })
    }
}

/// A place of a tenant, given back with it.
pub(in crate::serve) struct Place {
    open: Arc<Mutex<HashMap<TenantId, usize>>>,
    tenant: TenantId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock();
        if let Some(count) = open.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.tenant);
            }
        }
    }
}

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
    fn a_tenant_has_a_few_places_and_gives_them_back() {
        let streams = Streams::new(watch::channel(false).1);
        let tenant = |n: usize| TenantId::new(format!("t{n}")).unwrap();
        let held: Vec<_> = (0..OF_ONE).map(|_| streams.enter(&tenant(0)).unwrap()).collect();
        assert!(streams.enter(&tenant(0)).is_none() && streams.enter(&tenant(1)).is_some());
        drop(held);
        let held: Vec<_> = (0..OF_ALL).map(|n| streams.enter(&tenant(n)).unwrap()).collect();
        assert!(streams.enter(&tenant(OF_ALL)).is_none());
        drop(held);
        assert!(streams.open.lock().is_empty());
    }

    #[test]
    fn an_event_is_lines_and_an_empty_one() {
        assert_eq!(event("answer", "{}"), "event: answer\ndata: {}\n\n");
        assert_eq!(event("answer", "{\n}"), "event: answer\ndata: {\ndata: }\n\n");
    }
}
