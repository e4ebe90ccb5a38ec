//! Untrusted bytes to requests: HTTP, and the Model Context Protocol.
//!
//! Takes: a host, a listener, the sign to stop. Gives: [`run`], [`stdio`]. May name: reason, room, serve.
//!
//! Each surface is a folder of its own over one connection loop: `http/` and `mcp/`.

mod arrival;
mod credential;
mod http;
mod later;
mod mcp;
mod patience;
mod streams;
pub mod telemetry;
mod tls;
mod vigil;

use crate::reason::Reason;
use crate::room::Strongroom;
use ::http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use later::Later;
pub use later::{LATER_KEPT, LATER_OF_ALL, LATER_OF_ONE};
pub use mcp::stdio;
use patience::Patient;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinError, JoinSet};

/// Connections at once; more of them wait in the system's queue.
pub const MAX_CONNECTIONS: usize = 1024;
/// Bytes of a request's head, its first line and all headers; more is answered with 431, as are more than 100 headers.
pub const MAX_HEAD: usize = 64 * 1024;
/// How long a connection may take for a request's head. It counts from the answer before, so it is also how long a
/// connection may be idle.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a request's body may take.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a client may take nothing of its answer.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long requests that run may go on after the sign to stop; what still runs then is cancelled.
pub const DRAIN: Duration = Duration::from_secs(30);

/// How long to wait when the system gives no more connections (too many open files).
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Why a host does not serve.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ServeError {
    /// A host without tenants asks nobody for a key, so it must not be within everybody's reach.
    #[error(
        "{0} can be reached from other machines, and without tenants everybody who reaches it could call"
    )]
    #[diagnostic(help("listen on 127.0.0.1, or make `tenants/<id>.toml`, so that callers need a key"))]
    Exposed(SocketAddr),
    /// The certificate or its key cannot be used.
    #[error("the server's certificate cannot be used: {0}")]
    #[diagnostic(help(
        "`[tls]` in strongroom.toml names two files of the home folder, a chain and its key, in PEM"
    ))]
    Tls(#[source] io::Error),
    /// The listener does not work.
    #[error("the listener cannot be used: {0}")]
    Listener(#[source] io::Error),
    /// A client on standard input does not speak the protocol.
    #[error("the client does not speak the Model Context Protocol: {0}")]
    Unheard(#[source] io::Error),
}

impl ServeError {
    /// The stable word for it.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Exposed(_) | Self::Tls(_) => Reason::ConfigInvalid,
            Self::Listener(_) => Reason::Overloaded,
            Self::Unheard(_) => Reason::ArgumentsInvalid,
        }
    }
}

/// Serves HTTP on the listener until `shutdown` is ready, lets the requests that run end (at most [`DRAIN`]), and
/// returns when no connection is left. The host itself is left open: [`Strongroom::close`] comes after.
///
/// | | |
/// |---|---|
/// | `POST /mcp` | the same calls by the Model Context Protocol, streamable HTTP; `GET` and `DELETE` of sessions |
/// | `POST /v1/tools/{name}` | one governed call; the body is the arguments object. `Prefer: respond-async` answers 202 at once, `Accept: text/event-stream` with progress |
/// | `GET /v1/calls/{id}` | the answer of a call that was begun so, or 202 as long as it runs; `DELETE` cancels it, `…/events` streams its progress |
/// | `GET /v1/tools` | what the caller may call |
/// | `GET /v1/usage` | how far the caller's tenant has used its budgets |
/// | `GET /v1/usage/events` | its budget alerts, as server-sent events |
/// | `GET /v1/audit` | the tenant's own entries of the audit log |
/// | `POST /v1/memory/retrieve` | what the tenant remembers and fits a query best |
/// | `GET /openapi.json` | the API as OpenAPI 3.1, with the tools that the caller may call |
/// | `GET /.well-known/oauth-protected-resource` | whose tokens count here, also with `/mcp` (RFC 9728) |
/// | `GET /livez` | 200 as long as the program serves |
/// | `GET /readyz` | 200 when calls can run and no stop was asked for, else 503; says `"config":"stale"` while a file at fault keeps older settings in force |
///
/// A client that goes away cancels its call. Dropping this future cancels all of them.
///
/// # Errors
/// [`ServeError::Exposed`] for a host without tenants on an address that is not loopback; [`ServeError::Tls`]; [`ServeError::Listener`].
pub async fn run(
    room: Strongroom,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let address = listener.local_addr().map_err(ServeError::Listener)?;
    let loopback = address.ip().to_canonical().is_loopback();
    if room.settings().single_tenant && !loopback {
        return Err(ServeError::Exposed(address));
    }
    let certificates = tls::Certificates::open(&room).map_err(ServeError::Tls)?;
    room.open_cache().await;
    let (stop, stopping) = watch::channel(false);
    let later = Later::new(stopping.clone());
    let (work, ending) = mcp::Work::new();
    let router = http::router(room.clone(), loopback, later.clone(), stopping, work);
    let mut protocol = http1::Builder::new();
    protocol.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    protocol.max_header_size(MAX_HEAD).max_buf_size(2 * MAX_HEAD);

    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let (stream, place) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(ended) = connections.join_next() => {
                report(ended);
                continue;
            }
            accepted = accept(&listener, &places) => accepted,
        };
        let service = TowerToHyperService::new(router.clone());
        // Mostly a client that went away or sent what is no HTTP: its own business, and told to it.
        let ended = |error: hyper::Error| tracing::debug!("a connection ended: {error}");
        let open = room.connected();
        match &certificates {
            None => {
                let stream = TokioIo::new(Patient::new(stream, WRITE_TIMEOUT));
                let connection = graceful.watch(protocol.serve_connection(stream, service));
                connections.spawn(async move {
                    connection.await.unwrap_or_else(ended);
                    drop((place, open));
                });
            }
            Some(certificates) => {
                let (certificates, watcher, protocol) =
                    (certificates.clone(), graceful.watcher(), protocol.clone());
                let acceptor = certificates.acceptor();
                connections.spawn(async move {
                    match tokio::time::timeout(tls::HANDSHAKE, acceptor.accept(stream)).await {
                        Ok(Ok(stream)) => match certificates.arrived(&stream) {
                            Ok(arrival) => {
                                let service = service_fn(move |mut request: Request<Incoming>| {
                                    certificates.look();
                                    request.extensions_mut().insert(arrival.clone());
                                    service.call(request)
                                });
                                let stream = TokioIo::new(Patient::new(stream, WRITE_TIMEOUT));
                                watcher
                                    .watch(protocol.serve_connection(stream, service))
                                    .await
                                    .unwrap_or_else(ended);
                            }
                            Err(error) => tracing::info!("a client's certificate is refused: {error}"),
                        },
                        Ok(Err(error)) => tracing::info!("a handshake failed: {error}"),
                        Err(_) => tracing::debug!("a handshake took too long"),
                    }
                    drop((place, open));
                });
            }
        }
    }
    room.drains();
    drop(listener);
    stop.send_replace(true);
    let drained = tokio::time::timeout(DRAIN, async {
        graceful.shutdown().await;
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
        later.ended().await;
    });
    if drained.await.is_err() {
        tracing::warn!("{} connections had to be broken off after {} s", connections.len(), DRAIN.as_secs());
        connections.shutdown().await;
    }
    drop(router);
    ending.wait().await;
    Ok(())
}

/// Whether the files of `[tls]` can be served with, as they are now.
///
/// # Errors
/// [`ServeError::Tls`] with the file's name.
pub fn check_tls(room: &Strongroom) -> Result<(), ServeError> {
    tls::Certificates::open(room).map(drop).map_err(ServeError::Tls)
}

/// The next connection, as soon as there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // Nobody closes the semaphore, so there always is a permit in the end.
    let place = places.clone().acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!("answers of a connection may wait for more: {error}");
                }
                return (stream, place);
            }
            Err(error) => {
                tracing::warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!("a connection's task broke off: {error}");
    }
}

/// A header's value from text of ours; text that no header can carry is left out.
fn header_value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok()
}
