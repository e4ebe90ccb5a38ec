//! Untrusted bytes to requests: HTTP, and the Model Context Protocol.
//!
//! Takes: a host, a listener, the sign to stop. Gives: [`run`], [`run_on`], [`stdio`]. May name: reason, room, serve.
//!
//! Each surface is a folder of its own over one connection loop: `http/` and `mcp/`, and `admin/` on a listener of its own.

mod admin;
mod arrival;
mod connections;
mod credential;
mod http;
mod later;
mod mcp;
mod openapi;
mod paging;
mod patience;
mod streams;
pub mod telemetry;
mod tls;
mod vigil;

use crate::reason::Reason;
use crate::room::Strongroom;
use ::http::HeaderValue;
use connections::Connections;
use later::Later;
pub use later::{LATER_KEPT, LATER_OF_ALL, LATER_OF_ONE};
pub use mcp::stdio;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinError;

/// Connections at once; more of them wait in the system's queue.
pub const MAX_CONNECTIONS: usize = 1024;
/// The same on the listener of the admin API.
pub const MAX_ADMIN_CONNECTIONS: usize = 64;
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

/// Why a host does not serve.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ServeError {
    /// A host without tenants asks nobody for a key, so it must not be within everybody's reach.
    #[error(
        "{0} can be reached from other machines, and without tenants everybody who reaches it could call"
    )]
    #[diagnostic(help("listen on 127.0.0.1, or make `tenants/<id>.toml`, so that callers need a key"))]
    Exposed(SocketAddr),
    /// Keys of admins would go through the network as they are.
    #[error(
        "{0} can be reached from other machines, and without `[tls]` the keys of admins would pass in the clear"
    )]
    #[diagnostic(help(
        "set `admin.listen` to an address of 127.0.0.1, or give the host a certificate with `[tls]`"
    ))]
    AdminInTheClear(SocketAddr),
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
            Self::Exposed(_) | Self::AdminInTheClear(_) | Self::Tls(_) => Reason::ConfigInvalid,
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
    run_on(room, Listeners { calls: listener, admin: None }, shutdown).await
}

/// Where a host is reached.
#[derive(Debug)]
pub struct Listeners {
    /// For those who call tools.
    pub calls: TcpListener,
    /// For those who administrate the host; what is served there is served nowhere else.
    pub admin: Option<TcpListener>,
}

/// The same as [`run`], with the admin API on a listener of its own, which drains along. `GET /admin/openapi.json` there says what
/// it has.
///
/// # Errors
/// As [`run`]; [`ServeError::AdminInTheClear`].
pub async fn run_on(
    room: Strongroom,
    Listeners { calls, admin }: Listeners,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let (address, loopback) = reach(&calls)?;
    if room.settings().single_tenant && !loopback {
        return Err(ServeError::Exposed(address));
    }
    let certificates = tls::Certificates::open(&room).map_err(ServeError::Tls)?;
    let admin = match admin {
        Some(listener) => {
            let (address, loopback) = reach(&listener)?;
            if !loopback && certificates.is_none() {
                return Err(ServeError::AdminInTheClear(address));
            }
            let (router, orders) = admin::router(room.clone(), loopback);
            Some((listener, router, orders))
        }
        None => None,
    };
    room.open_cache().await;
    let (stop, stopping) = watch::channel(false);
    let later = Later::new(stopping.clone());
    let (work, ending) = mcp::Work::new();
    let router = http::router(room.clone(), loopback, later.clone(), stopping, work);

    // Places of their own: no flood of calls keeps an admin out.
    let mut callers = Connections::new(MAX_CONNECTIONS);
    let mut admins = Connections::new(MAX_ADMIN_CONNECTIONS);
    {
        let calls = callers.serve(&calls, certificates.as_ref(), &router, &room);
        let admin = async {
            match &admin {
                Some((listener, router, _)) => {
                    admins.serve(listener, certificates.as_ref(), router, &room).await
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = shutdown => {}
            () = calls => {}
            () = admin => {}
        }
    }
    room.drains();
    drop(calls);
    // The listener goes, and what was ordered goes on.
    let orders = admin.map(|(_, _, orders)| orders);
    stop.send_replace(true);
    let drained = tokio::time::timeout(DRAIN, async {
        tokio::join!(callers.drain(), admins.drain());
        later.ended().await;
        if let Some(orders) = &orders {
            orders.ended().await;
        }
    });
    if drained.await.is_err() {
        let left = callers.left() + admins.left();
        tracing::warn!("{left} connections had to be broken off after {} s", DRAIN.as_secs());
        callers.break_off().await;
        admins.break_off().await;
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

/// Where a listener is, and whether only this machine reaches it.
fn reach(listener: &TcpListener) -> Result<(SocketAddr, bool), ServeError> {
    let address = listener.local_addr().map_err(ServeError::Listener)?;
    Ok((address, address.ip().to_canonical().is_loopback()))
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
