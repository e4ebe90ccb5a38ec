//! One request to a service that the operator named: sent, answered within a time and a size, nothing followed.
//!
//! Takes: a URL, header fields, a body; the way to the network. Gives: [`Poster`], [`Answer`], [`is_safe`].
//! May name: authorize, imports, powers.

use crate::authorize::address::may_dial;
use crate::imports::dial::{self, Place, Wire, answered};
use crate::powers::{Dial, tls_client};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue, USER_AGENT};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::io::{Error, ErrorKind};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use url::{Host, Url};
use wasmtime_wasi_http::Error as Fault;

/// From the first look at the name to the answer's last byte, unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest answer that is read, in bytes, unless told otherwise.
const LONGEST: usize = 64 * 1024;

/// What a service answered.
#[derive(Debug)]
pub struct Answer {
    /// The status code, as it was sent: a redirect is not followed.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// The whole body, or why it could not be read: it broke off, was too long, or took too long.
    pub body: Result<Vec<u8>, Error>,
}

impl Answer {
    /// The content type in lower case, without its parameters; empty when there is none.
    #[must_use]
    pub fn kind(&self) -> String {
        let kind = self.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }
}

/// Whether what is said to a URL can be read and changed by nobody in between: it is sealed, or stays on this machine.
#[must_use]
pub fn is_safe(url: &Url) -> bool {
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || here
}

/// Sends requests, each over a connection of its own.
#[derive(Debug, Clone)]
pub struct Poster {
    wire: Wire,
    patience: Duration,
    longest: usize,
}

impl Poster {
    /// Sends over this network. An answer has 30 seconds in all, and at most 64 KiB of it are read.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(dial: Arc<dyn Dial>) -> Result<Self, rustls::Error> {
        Ok(Self::of(Wire { dial, tls: tls_client()? }))
    }

    pub(crate) fn of(wire: Wire) -> Self {
        Self { wire, patience: PATIENCE, longest: LONGEST }
    }

    /// With another time for everything together, and another bound on the answer's body, in bytes.
    #[must_use]
    pub fn within(self, patience: Duration, longest: usize) -> Self {
        Self { patience, longest, ..self }
    }

    /// Sends a body by POST. Neither clouds' metadata services nor addresses that are no machine's are connected, and for
    /// `http://localhost` none but this machine's.
    ///
    /// # Errors
    /// When there is no head of an answer in time. A body that cannot be read is no error here: what the head says holds.
    pub async fn post(&self, url: &Url, headers: HeaderMap, body: Vec<u8>) -> Result<Answer, Error> {
        let late = || Error::new(ErrorKind::TimedOut, format!("no answer within {:?}", self.patience));
        let mut over = std::pin::pin!(tokio::time::sleep(self.patience));
        let (answer, connection) = tokio::select! {
            biased;
            begun = self.send(url, headers, body) => begun?,
            () = &mut over => return Err(late()),
        };
        let (parts, body) = answer.into_parts();
        let body = tokio::select! {
            biased;
            body = whole(body, connection, self.longest) => body,
            () = &mut over => Err(late()),
        };
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
    }

    async fn send(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<(Response<Incoming>, Option<Connection>), Error> {
        let host = url.host_str().ok_or_else(|| Error::other("the URL has no host"))?;
        let port = url.port_or_known_default().ok_or_else(|| Error::other("the URL has no port"))?;
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let mut request = Request::builder().method(Method::POST).uri(target);
        if let Some(all) = request.headers_mut() {
            *all = headers;
            all.insert(HOST, HeaderValue::try_from(authority).map_err(Error::other)?);
            let name = concat!("strongroom/", env!("CARGO_PKG_VERSION"));
            all.insert(USER_AGENT, HeaderValue::from_static(name));
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(Error::other)?;
        let stays = url.scheme() == "http" && is_safe(url);
        let may = |ip: IpAddr| may_dial(ip, true).is_ok() && (!stays || ip.to_canonical().is_loopback());
        let place = Place { https: url.scheme() == "https", host, port };
        let stream = dial::connect(&self.wire, place, may).await.map_err(told)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(Error::other)?;
        let mut connection: Connection = Box::pin(connection);
        let (answer, over) =
            answered(sender.send_request(request), &mut connection).await.map_err(Error::other)?;
        Ok((answer, (!over).then_some(connection)))
    }
}

type Connection = Pin<Box<dyn Future<Output = Result<(), hyper::Error>> + Send>>;

async fn whole(body: Incoming, connection: Option<Connection>, longest: usize) -> Result<Vec<u8>, Error> {
    let mut body = std::pin::pin!(Limited::new(body, longest).collect());
    let read = match connection {
        None => body.await,
        Some(connection) => tokio::select! {
            biased;
            read = &mut body => read,
            // The service may close when it has answered; what it said is still to be read.
            _ = connection => body.await,
        },
    };
    Ok(read.map_err(Error::other)?.to_bytes().to_vec())
}

/// Why nothing was connected, in words.
fn told(fault: Fault) -> Error {
    match fault {
        Fault::Connect(error) | Fault::Tls(error) => error,
        Fault::ConnectionRefused => Error::new(ErrorKind::ConnectionRefused, "the connection was refused"),
        Fault::DnsError { .. } => Error::new(ErrorKind::NotFound, "the name cannot be resolved"),
        Fault::DestinationNotFound => Error::new(ErrorKind::NotFound, "the name has no address"),
        Fault::DestinationIpProhibited => Error::other("the name leads to an address that is not connected"),
        other => Error::other(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_sealed_or_stays_here_is_safe() {
        for (url, safe) in [
            ("https://witness.example/", true),
            ("http://127.0.0.1:8080/", true),
            ("http://[::1]:8080/", true),
            ("http://localhost/", true),
            ("http://witness.example/", false),
            ("http://10.0.0.1/", false),
            ("http://localhost.example/", false),
        ] {
            assert_eq!(is_safe(&url.parse().unwrap()), safe, "{url}");
        }
    }
}
