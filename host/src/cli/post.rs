//! One request to a service that the operator named: sent, answered within a time and a size, nothing followed.
//!
//! Takes: a URL and a body. Gives: [`Answer`]. May name: powers.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use std::io::{Error, ErrorKind};
use std::time::Duration;
use strongroom::powers::{Dial as _, SystemDial, tls_client};
use tokio::io::{AsyncRead, AsyncWrite};
use url::{Host, Url};

/// From the first look at the name to the answer's last byte.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest answer that is read.
const LONGEST: usize = 64 * 1024;

/// What a service answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The content type, without its parameters.
    pub(crate) kind: String,
    pub(crate) body: String,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Whether what is said to a URL can be read and changed by nobody in between: it is sealed, or stays on this machine.
pub(crate) fn is_safe(url: &Url) -> bool {
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || here
}

/// Sends a body by POST.
///
/// # Errors
/// When there is no whole answer of at most 64 KiB within 30 seconds.
pub(crate) async fn post(url: &Url, body: Vec<u8>) -> Result<Answer, Error> {
    let sent = tokio::time::timeout(PATIENCE, send(url, body)).await;
    sent.unwrap_or_else(|_| {
        let what = format!("no answer within {} s", PATIENCE.as_secs());
        Err(Error::new(ErrorKind::TimedOut, what))
    })
}

async fn send(url: &Url, body: Vec<u8>) -> Result<Answer, Error> {
    let host = url.host_str().ok_or_else(|| Error::other("the URL has no host"))?;
    let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let request = Request::builder()
        .method(Method::POST)
        .uri(url.path())
        .header(HOST, authority)
        .header(USER_AGENT, concat!("strongroom/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(Bytes::from(body)))
        .map_err(Error::other)?;
    let stream = connect(url, host).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(Error::other)?;
    let talk = async {
        let answer = sender.send_request(request).await.map_err(Error::other)?;
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), LONGEST).collect().await.map_err(Error::other)?;
        let body = String::from_utf8(body.to_bytes().to_vec()).map_err(Error::other)?;
        Ok(Answer { status, kind, body })
    };
    let mut connection = std::pin::pin!(connection);
    let mut talk = std::pin::pin!(talk);
    tokio::select! {
        biased;
        answer = &mut talk => answer,
        // The service may close when it has answered; what it said is still to be read.
        _ = &mut connection => talk.await,
    }
}

async fn connect(url: &Url, host: &str) -> Result<Box<dyn Stream>, Error> {
    let port = url.port_or_known_default().ok_or_else(|| Error::other("the URL has no port"))?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let mut last = Error::new(ErrorKind::NotFound, "the name has no address");
    for address in SystemDial.resolve(bare, port).await? {
        let tcp = match SystemDial.connect(address).await {
            Ok(tcp) => tcp,
            Err(error) => {
                last = error;
                continue;
            }
        };
        if url.scheme() == "http" {
            return Ok(Box::new(tcp));
        }
        let name = rustls::pki_types::ServerName::try_from(bare.to_owned()).map_err(Error::other)?;
        let tls = tokio_rustls::TlsConnector::from(tls_client().map_err(Error::other)?);
        return Ok(Box::new(tls.connect(name, tcp).await?));
    }
    Err(last)
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
