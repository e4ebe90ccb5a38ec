//! An issuer's documents over the network: one request each, bounded in size and time, redirects not followed.
//!
//! Takes: URLs that the operator or the issuer's own document names. Gives: the issuer's [`KeySet`]. May name: authorize, config,
//! imports::dial, identify::token, pem, powers.

use super::jwks::KeySet;
use crate::authorize::address::may_dial;
use crate::config::{IssuerRule, WebUrl};
use crate::imports::dial::{Place, Wire, connect};
use crate::pem;
use crate::powers::tls_client_with;
use bytes::Bytes;
use cap_std::fs::Dir;
use http::header::{ACCEPT, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use std::time::Duration;

/// How long the keys may take, discovery included.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Longest document, in bytes.
const MAX_DOCUMENT: usize = 256 * 1024;

/// What issuers are asked with.
#[derive(Clone, Copy)]
pub(crate) struct Outside<'a> {
    pub(crate) wire: &'a Wire,
    /// Where the files are that say whom to trust.
    pub(crate) home: &'a Dir,
}

impl Outside<'_> {
    /// The way to an issuer, which trusts its own authorities when the operator names them. Their file is read each time.
    pub(crate) fn wire_to(&self, rule: &IssuerRule) -> Result<Wire, String> {
        let Some(ca) = &rule.ca else { return Ok(self.wire.clone()) };
        let roots = pem::authorities(self.home, ca.as_str()).map_err(|error| error.to_string())?;
        let tls = tls_client_with(roots).map_err(|error| error.to_string())?;
        Ok(Wire { dial: self.wire.dial.clone(), tls })
    }
}

/// What of a discovery document counts (OpenID Connect Discovery 1.0, 3).
#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: WebUrl,
}

/// The keys, as they are published now. The error is for the operator.
pub(super) async fn keys(wire: &Wire, rule: &IssuerRule) -> Result<KeySet, String> {
    let fetched = tokio::time::timeout(PATIENCE, async {
        let place = match &rule.jwks_uri {
            Some(place) => place.clone(),
            None => discover(wire, &rule.url).await?,
        };
        let document = get(wire, &place).await.map_err(|why| format!("{place}: {why}"))?;
        KeySet::read(&document, &rule.algorithms).map_err(|why| format!("{place}: {why}"))
    });
    fetched.await.unwrap_or_else(|_| Err(format!("there was no answer within {} s", PATIENCE.as_secs())))
}

async fn discover(wire: &Wire, issuer: &WebUrl) -> Result<WebUrl, String> {
    let place = format!("{}/.well-known/openid-configuration", issuer.as_str().trim_end_matches('/'));
    let place = WebUrl::try_from(place)?;
    let document = get(wire, &place).await.map_err(|why| format!("{place}: {why}"))?;
    let found: Discovered = serde_json::from_slice(&document)
        .map_err(|_| format!("{place}: there is no `issuer`, or no `jwks_uri` that is https"))?;
    if found.issuer != issuer.as_str() {
        // Section 4.3: else one issuer could speak for another.
        return Err(format!("{place}: it is the document of another issuer"));
    }
    match found.jwks_uri.is_loopback() && !issuer.is_loopback() {
        true => Err(format!("{place}: its `jwks_uri` leads to this machine")),
        false => Ok(found.jwks_uri),
    }
}

async fn get(wire: &Wire, url: &WebUrl) -> Result<Bytes, String> {
    let parts = url.parts().ok_or("this is no URL")?;
    let host = parts.host_str().ok_or("it names no host")?;
    let port = parts.port_or_known_default().ok_or("it names no port")?;
    // The operator named the issuer, which may well be inside of his network; cloud metadata stays closed.
    let place = Place { https: parts.scheme() == "https", host, port };
    let may = |ip| may_dial(ip, true).is_ok();
    let stream = connect(wire, place, may).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(64 * 1024)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let authority = match parts.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    let request = Request::get(parts.path())
        .header(HOST, authority)
        .header(ACCEPT, "application/json")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let answer = async move {
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        if answer.status() != StatusCode::OK {
            return Err(format!("the answer's status is {}", answer.status().as_u16()));
        }
        let body = Limited::new(answer.into_body(), MAX_DOCUMENT).collect().await;
        body.map(|body| body.to_bytes()).map_err(|error| error.to_string())
    };
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // The connection may end before its answer was taken from it, and hand over what it has.
        _ = connection => answer.await,
    }
}
