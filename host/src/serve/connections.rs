//! The connections of one listener: accepted while there are places, served within their limits, drained at the end.
//!
//! Takes: a listener, a router, certificates. Gives: served connections. May name: room, serve.

use super::patience::Patient;
use super::tls::{Certificates, HANDSHAKE};
use super::{HEAD_TIMEOUT, MAX_HEAD, WRITE_TIMEOUT, report};
use crate::room::Strongroom;
use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

/// How long to wait when the system gives no more connections (too many open files).
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Those of one listener.
pub(super) struct Connections {
    protocol: http1::Builder,
    places: Arc<Semaphore>,
    graceful: Option<GracefulShutdown>,
    tasks: JoinSet<()>,
}

impl Connections {
    /// None yet, and never more than `most` at once.
    pub(super) fn new(most: usize) -> Self {
        let mut protocol = http1::Builder::new();
        protocol.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
        protocol.max_header_size(MAX_HEAD).max_buf_size(2 * MAX_HEAD);
        let (places, graceful) = (Arc::new(Semaphore::new(most)), Some(GracefulShutdown::new()));
        Self { protocol, places, graceful, tasks: JoinSet::new() }
    }

    /// Serves them until it is dropped; it never ends by itself.
    pub(super) async fn serve(
        &mut self,
        listener: &TcpListener,
        certificates: Option<&Certificates>,
        router: &Router,
        room: &Strongroom,
    ) {
        // Drained already: nobody is accepted any more.
        let Some(graceful) = &self.graceful else { return std::future::pending().await };
        loop {
            let (stream, place) = tokio::select! {
                biased;
                Some(ended) = self.tasks.join_next() => {
                    report(ended);
                    continue;
                }
                accepted = accept(listener, &self.places) => accepted,
            };
            let service = TowerToHyperService::new(router.clone());
            // Mostly a client that went away or sent what is no HTTP: its own business, and told to it.
            let ended = |error: hyper::Error| tracing::debug!("a connection ended: {error}");
            let open = room.connected();
            match certificates {
                None => {
                    let stream = TokioIo::new(Patient::new(stream, WRITE_TIMEOUT));
                    let connection = graceful.watch(self.protocol.serve_connection(stream, service));
                    self.tasks.spawn(async move {
                        connection.await.unwrap_or_else(ended);
                        drop((place, open));
                    });
                }
                Some(certificates) => {
                    let (certificates, watcher, protocol) =
                        (certificates.clone(), graceful.watcher(), self.protocol.clone());
                    let acceptor = certificates.acceptor();
                    self.tasks.spawn(async move {
                        match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
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
    }

    /// Lets the requests that run end, and waits for the connections.
    pub(super) async fn drain(&mut self) {
        if let Some(graceful) = self.graceful.take() {
            graceful.shutdown().await;
        }
        while let Some(ended) = self.tasks.join_next().await {
            report(ended);
        }
    }

    /// How many there are.
    pub(super) fn left(&self) -> usize {
        self.tasks.len()
    }

    /// Breaks those off that are left.
    pub(super) async fn break_off(&mut self) {
        self.tasks.shutdown().await;
    }
}

/// The next connection, as soon as there is a place for it.
pub(super) async fn accept(
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
