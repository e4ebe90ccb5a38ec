//! One request of a guest on the wire: to the checked address, with the tenant's credential, and without it coming back.
//!
//! Takes: a request that the gate let pass. Gives: its answer. May name: authorize, powers,
//! imports::announce, imports::inject, imports::redact.
//!
//! The name is resolved once, every address that comes back is checked, and exactly a checked address is connected:
//! a name that changes in between changes nothing.

use super::announce::Notice;
use super::inject::Carried;
use super::redact::Redactor;
use crate::authorize::address::may_dial;
use crate::powers::Dial;
use crate::step::{Step, reached};
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, HOST, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, Uri};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

/// Longest wait for a connection, an answer's first byte and each further byte; a guest may ask for less.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a request may go, as the gate decided.
#[derive(Debug)]
pub(crate) struct Approved {
    pub(crate) https: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) authority: String,
    pub(crate) allow_private: bool,
    pub(crate) credential: Option<Carried>,
    /// Takes the tenant's credentials for this origin out of the answer, also out of one to a request without any.
    pub(crate) redactor: Option<Redactor>,
    /// Whether the request is sent with a body.
    pub(crate) body: bool,
    /// What the request waits for.
    pub(crate) notice: Notice,
}

/// What requests are sent with; shared by all calls.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    pub(crate) dial: Arc<dyn Dial>,
    pub(crate) tls: Arc<rustls::ClientConfig>,
}

pub(crate) type Connection = Box<dyn Future<Output = Result<(), Error>> + Send>;

/// A connection, by TLS or without it.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Sends the request and gives the answer's head and the task that carries its body.
pub(crate) async fn send(
    wire: Wire,
    mut to: Approved,
    mut request: Request<WasiBody>,
    options: Option<RequestOptions>,
) -> Result<(Response<WasiBody>, Connection), Error> {
    // The guest's call is stopped by the gate; what is told here, it does not hear.
    std::mem::take(&mut to.notice).durable().await.map_err(|_| Error::HttpRequestDenied)?;
    if !to.body {
        *request.body_mut() = Empty::new().map_err(|never| match never {}).boxed_unsync();
    }
    let limit = |asked: Option<Duration>| asked.unwrap_or(PATIENCE).min(PATIENCE);
    let connect_limit = limit(options.and_then(|o| o.connect_timeout));
    let first_limit = limit(options.and_then(|o| o.first_byte_timeout));
    let next_limit = limit(options.and_then(|o| o.between_bytes_timeout)).max(Duration::from_millis(1));

    let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
    *request.uri_mut() =
        Uri::builder().path_and_query(path).build().map_err(|_| Error::HttpRequestUriInvalid)?;
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::try_from(&to.authority).map_err(|_| Error::HttpRequestUriInvalid)?);
    let redactor = to.redactor.take();
    if redactor.is_some() || to.credential.is_some() {
        // A compressed answer could carry the credential back unseen.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    if let Some(credential) = to.credential.take() {
        credential.put(&mut request)?;
    }

    let place = Place { https: to.https, host: &to.host, port: to.port };
    let may = |ip| may_dial(ip, to.allow_private).is_ok();
    let stream = tokio::time::timeout(connect_limit, connect(&wire, place, may))
        .await
        .map_err(|_| Error::ConnectionTimeout)??;
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(64 * 1024)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(Error::Hyper)?;
    reached(Step::EffectLeaves);
    let mut connection = Box::pin(async move { connection.await.map_err(Error::Hyper) });
    let answer = async {
        tokio::time::timeout(first_limit, sender.send_request(request))
            .await
            .map_err(|_| Error::ConnectionReadTimeout)?
            .map_err(Error::Hyper)
    };
    let (answer, over) = answered(answer, &mut connection).await?;
    let (mut parts, body) = answer.into_parts();
    if let Some(redactor) = &redactor {
        if parts.headers.contains_key(http::header::CONTENT_ENCODING) {
            return Err(Error::HttpResponseContentCoding(None));
        }
        strip(&mut parts.headers, redactor);
    }
    let body = Answer { body, redactor, held: BytesMut::new(), limit: next_limit, wait: None, ended: false };
    let io: Connection = match over {
        true => Box::new(std::future::ready(Ok(()))),
        false => Box::new(connection),
    };
    Ok((Response::from_parts(parts, body.boxed_unsync()), io))
}

/// The answer, and whether the connection is over. A service may answer before it has read everything, and close: then
/// the connection ends with a fault, and the answer is there all the same. Taken for a failure, it would be an effect
/// that the caller is told did not happen.
pub(crate) async fn answered<T, E>(
    answer: impl Future<Output = Result<T, E>>,
    connection: &mut (impl Future<Output = Result<(), E>> + Unpin),
) -> Result<(T, bool), E> {
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => answer.map(|answer| (answer, false)),
        // Whoever waits on a connection that is over hears so at once.
        ended = connection => match (answer.await, ended) {
            (Ok(answer), _) => Ok((answer, true)),
            (Err(_), Err(cause)) | (Err(cause), Ok(())) => Err(cause),
        },
    }
}

/// Whom to connect to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) https: bool,
    pub(crate) host: &'a str,
    pub(crate) port: u16,
}

/// Connects to an address of the place that may be reached.
pub(crate) async fn connect(
    wire: &Wire,
    to: Place<'_>,
    may: impl Fn(IpAddr) -> bool,
) -> Result<Box<dyn Stream>, Error> {
    let bare = to.host.trim_start_matches('[').trim_end_matches(']');
    let addresses = wire
        .dial
        .resolve(bare, to.port)
        .await
        .map_err(|_| Error::DnsError { rcode: Some("name not resolved".into()), info_code: None })?;
    // One inner address among outer ones is how a name is made to lead inside: none of them is used then.
    if !addresses.iter().all(|a| may(a.ip())) {
        return Err(Error::DestinationIpProhibited);
    }
    let mut last = Error::DestinationNotFound;
    for address in addresses {
        match wire.dial.connect(address).await {
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                last = Error::ConnectionRefused
            }
            Err(error) => last = Error::Connect(error),
            Ok(tcp) => {
                // Small requests must not wait for a full packet; a refusal of the option costs only time.
                let _ = tcp.set_nodelay(true);
                if !to.https {
                    return Ok(Box::new(tcp));
                }
                let name = match bare.parse::<IpAddr>() {
                    Ok(ip) => rustls::pki_types::ServerName::from(ip),
                    Err(_) => rustls::pki_types::ServerName::try_from(bare.to_owned())
                        .map_err(|_| Error::HttpRequestUriInvalid)?,
                };
                let tls = tokio_rustls::TlsConnector::from(wire.tls.clone());
                return Ok(Box::new(tls.connect(name, tcp).await.map_err(Error::Tls)?));
            }
        }
    }
    Err(last)
}

/// Drops every header of an answer that carries the credential back.
fn strip(headers: &mut HeaderMap, redactor: &Redactor) {
    let found: Vec<HeaderName> = headers
        .iter()
        .filter(|(name, value)| redactor.finds(value.as_bytes()) || redactor.finds(name.as_str().as_bytes()))
        .map(|(name, _)| name.clone())
        .collect();
    for name in found {
        headers.remove(name);
    }
}

/// An answer's body: each piece within its time, the credential blanked.
struct Answer {
    body: hyper::body::Incoming,
    redactor: Option<Redactor>,
    held: BytesMut,
    limit: Duration,
    wait: Option<Pin<Box<tokio::time::Sleep>>>,
    ended: bool,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        loop {
            if this.ended {
                return Poll::Ready(None);
            }
            let frame = match Pin::new(&mut this.body).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    let limit = this.limit;
                    let wait = this.wait.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
                    ready!(wait.as_mut().poll(cx));
                    this.ended = true;
                    return Poll::Ready(Some(Err(Error::ConnectionReadTimeout)));
                }
            };
            this.wait = None;
            let Some(redactor) = &this.redactor else {
                return Poll::Ready(frame.map(|f| f.map_err(Error::Hyper)));
            };
            match frame {
                None => {
                    this.ended = true;
                    let rest = redactor.push(&mut this.held, &[], true);
                    return Poll::Ready((!rest.is_empty()).then(|| Ok(Frame::data(rest))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(Error::Hyper(error)))),
                Some(Ok(frame)) => {
                    // Trailers are dropped: nothing needs them from a service that was given a credential, and they
                    // could carry it.
                    let Ok(data) = frame.into_data() else { continue };
                    let ready = redactor.push(&mut this.held, &data, false);
                    if !ready.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(ready))));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn an_answer_counts_also_when_its_connection_breaks_in_the_same_moment() {
        for (says, ends, expected) in [
            (Some("accepted"), Err("broken"), Ok(("accepted", true))),
            (Some("accepted"), Ok(()), Ok(("accepted", true))),
            (None, Err("broken"), Err("broken")),
            (None, Ok(()), Err("no answer")),
        ] {
            let (tell, told) = oneshot::channel();
            let answer = async { told.await.map_err(|_| "no answer") };
            let mut connection = Box::pin(async move {
                match says {
                    Some(answer) => tell.send(answer).unwrap(),
                    None => drop(tell),
                }
                ends
            });
            assert_eq!(answered(answer, &mut connection).await, expected);
        }
    }
}
