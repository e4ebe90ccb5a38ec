//! One request to the operator's OTLP endpoint.
//!
//! Takes: a checked endpoint, a body. Gives: whether it was taken. May name: config, powers.

use crate::config::Secret;
use crate::powers::Dial;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use url::{Host, Url};

/// How long one request may take, from the name to the last byte of the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most of an answer that is read; it says nothing that is needed.
const ANSWER: usize = 64 * 1024;

/// Where OTLP goes.
pub(super) struct Endpoint {
    https: bool,
    host: String,
    port: u16,
    authority: HeaderValue,
    /// What stands before `/v1/traces`.
    path: String,
    headers: Vec<(HeaderName, Secret)>,
    dial: Arc<dyn Dial>,
    tls: Arc<rustls::ClientConfig>,
}

impl Endpoint {
    /// `None` when the URL has no host.
    pub(super) fn new(
        url: &Url,
        headers: Vec<(HeaderName, Secret)>,
        dial: Arc<dyn Dial>,
        tls: Arc<rustls::ClientConfig>,
    ) -> Option<Self> {
        let host = match url.host()? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let authority = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str()?),
            None => url.host_str()?.to_owned(),
        };
        Some(Self {
            https: url.scheme() == "https",
            host,
            port: url.port_or_known_default()?,
            authority: HeaderValue::from_str(&authority).ok()?,
            path: url.path().trim_end_matches('/').to_owned(),
            headers,
            dial,
            tls,
        })
    }

    /// Sends a message to `/v1/<signal>`. The error quotes neither headers nor the answer.
    pub(super) async fn post(&self, signal: &str, body: Vec<u8>) -> io::Result<()> {
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
        tokio::time::timeout(PATIENCE, self.exchange(signal, body)).await.map_err(late)?
    }

    async fn exchange(&self, signal: &str, body: Vec<u8>) -> io::Result<()> {
        let stream = self.connect().await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = format!("{}/v1/{signal}", self.path).parse().map_err(io::Error::other)?;
        let headers = request.headers_mut();
        headers.insert(HOST, self.authority.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers
            .insert(USER_AGENT, HeaderValue::from_static(concat!("strongroom/", env!("CARGO_PKG_VERSION"))));
        for (name, secret) in &self.headers {
            let refused = |_| io::Error::other("a header of otlp_headers cannot stand in a request");
            let mut value = HeaderValue::from_str(secret.expose()).map_err(refused)?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let answer = async {
            let answer = sender.send_request(request).await.map_err(io::Error::other)?;
            let status = answer.status();
            // Read to its end, so that the other side is not cut off; what it says counts for nothing.
            drop(Limited::new(answer.into_body(), ANSWER).collect().await);
            Ok::<_, io::Error>(status)
        };
        let mut answer = std::pin::pin!(answer);
        let status = tokio::select! {
            biased;
            status = &mut answer => status?,
            // Once the connection has ended, the answer is there or there will be none.
            _ = connection => answer.await?,
        };
        match status {
            StatusCode::OK | StatusCode::ACCEPTED | StatusCode::NO_CONTENT => Ok(()),
            status => Err(io::Error::other(format!("the endpoint answers {}", status.as_u16()))),
        }
    }

    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the endpoint's name has no address");
        for address in self.dial.resolve(&self.host, self.port).await? {
            match self.dial.connect(address).await {
                Err(error) => last = error,
                Ok(tcp) if !self.https => return Ok(Box::new(tcp)),
                Ok(tcp) => {
                    let name = match self.host.parse::<IpAddr>() {
                        Ok(ip) => rustls::pki_types::ServerName::from(ip),
                        Err(_) => rustls::pki_types::ServerName::try_from(self.host.clone())
                            .map_err(io::Error::other)?,
                    };
                    let tls = tokio_rustls::TlsConnector::from(self.tls.clone());
                    return Ok(Box::new(tls.connect(name, tcp).await?));
                }
            }
        }
        Err(last)
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
