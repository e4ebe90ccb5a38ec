//! `/metrics`, `/livez` and `/readyz` on a listener of the operator's own, apart from the callers' one.
//!
//! Takes: a host, a listener, the sign to stop. Gives: [`run`]. May name: reason, room, serve.
//!
//! Nobody is asked for a key: the operator chooses who reaches the address. It goes on answering while the callers'
//! listener drains, so that whoever routes calls learns of it.

use super::connections::accept;
use super::http::health;
use super::http::is_foreign;
use super::patience::Patient;
use super::{HEAD_TIMEOUT, ServeError, WRITE_TIMEOUT, report};
use crate::room::Strongroom;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::pin::pin;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Connections at once; more of them wait.
const CONNECTIONS: usize = 16;
/// Bytes of a request's head.
const HEAD: usize = 16 * 1024;

/// Serves until `ended` is ready.
///
/// # Errors
/// [`ServeError::Listener`] when the listener has no address.
pub async fn run(
    room: Strongroom,
    listener: TcpListener,
    ended: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let address = listener.local_addr().map_err(ServeError::Listener)?;
    let mut router = Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .with_state(room);
    if address.ip().to_canonical().is_loopback() {
        router = router.layer(from_fn(own));
    }
    let mut protocol = http1::Builder::new();
    protocol.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut ended = pin!(ended);
    loop {
        let (stream, place) = tokio::select! {
            biased;
            () = &mut ended => return Ok(()),
            Some(ended) = connections.join_next() => {
                report(ended);
                continue;
            }
            accepted = accept(&listener, &places) => accepted,
        };
        let service = TowerToHyperService::new(router.clone());
        let stream = TokioIo::new(Patient::new(stream, WRITE_TIMEOUT));
        let connection = protocol.serve_connection(stream, service);
        connections.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("a connection for metrics ended: {error}");
            }
            drop(place);
        });
    }
}

/// A page in a browser on this machine has no business here.
async fn own(request: Request, next: Next) -> Response {
    match is_foreign(request.uri(), request.headers()) {
        Some(why) => (StatusCode::FORBIDDEN, why).into_response(),
        None => next.run(request).await,
    }
}

async fn metrics(State(room): State<Strongroom>) -> Response {
    match room.metrics() {
        Ok(text) => ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(error) => {
            tracing::error!("metrics cannot be written: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
