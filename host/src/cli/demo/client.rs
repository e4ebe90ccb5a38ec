//! One HTTP request, as any client out there could send it.
//!
//! Takes: an address and a request. Gives: [`Reply`]. May name: nothing.

use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use strongroom::powers::{Dial as _, SystemDial};

/// What came back.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// The connection could not be made.
    #[error("no connection: {0}")]
    Connect(#[from] std::io::Error),
    /// The request has an invalid header or path.
    #[error("the request is not valid: {0}")]
    Request(#[from] axum::http::Error),
    /// The exchange broke off.
    #[error("the exchange broke off: {0}")]
    Exchange(#[from] hyper::Error),
}

/// Sends a request on a connection of its own.
pub(super) async fn send(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Reply, ClientError> {
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, address.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(bytes::Bytes::copy_from_slice(body.as_bytes())))?;
    let stream = SystemDial.connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async move {
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let bytes = body.collect().await?.to_bytes();
        Ok::<_, hyper::Error>((parts, bytes))
    };
    // The sender is gone when the exchange is over, and that ends the connection.
    let (exchanged, _) = tokio::join!(exchange, connection);
    let (parts, bytes) = exchanged?;
    let body = String::from_utf8_lossy(&bytes).into_owned();
    Ok(Reply { status: parts.status, headers: parts.headers, body })
}
