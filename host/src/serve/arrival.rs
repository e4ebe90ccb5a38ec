//! How a request came: by which connection, for which host name.
//!
//! Takes: a connection's handshake, a request's head, the settings. Gives: [`Arrival`], [`Narrowed`]. May name: config, id, identify.
//!
//! With `[hosts]`, a request must name a host that the settings know, and by TLS the one that its connection was made for. The name
//! grants nothing: whoever acts for another tenant is refused.

use crate::config::HostNames;
use crate::id::TenantId;
use crate::identify::Certificate;
use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, Uri};
use std::sync::Arc;

/// What a TLS connection has shown when it was made.
#[derive(Clone, Default)]
pub(super) struct Arrival {
    /// The client's certificate.
    pub(super) certificate: Option<Arc<Certificate>>,
    /// The host name that the client asked for (SNI), in lower case.
    pub(super) name: Option<Arc<str>>,
}

/// The tenant whose host name a request came by.
#[derive(Clone)]
pub(super) struct Narrowed(pub(super) TenantId);

/// Whose host name a request came by; `None` for everybody's.
///
/// # Errors
/// Why it is none of this host's.
pub(super) fn narrowed(
    hosts: &HostNames,
    uri: &Uri,
    headers: &HeaderMap,
    connection: Option<&Arrival>,
) -> Result<Option<Narrowed>, &'static str> {
    if !hosts.are_told_apart() {
        return Ok(None);
    }
    let name = named(uri, headers)?;
    if connection.and_then(|arrival| arrival.name.as_deref()).is_some_and(|sni| sni != name) {
        return Err("the connection was made for another host name");
    }
    match hosts.whose(&name) {
        Some(tenant) => Ok(tenant.cloned().map(Narrowed)),
        None => Err("this host name is none of this host's"),
    }
}

/// The one host name of a request, in lower case and without the port.
pub(super) fn named(uri: &Uri, headers: &HeaderMap) -> Result<String, &'static str> {
    let mut all = headers.get_all(HOST).iter();
    let (Some(value), None) = (all.next(), all.next()) else {
        return Err("send exactly one Host header");
    };
    let authority = value.to_str().ok().filter(|text| !text.contains('@'));
    let authority = authority.and_then(|text| text.parse::<Authority>().ok());
    let authority = authority.ok_or("the Host header is no host name")?;
    // A request line may name the host once more (RFC 9112, 3.2.2); two that differ are refused.
    if uri.authority().is_some_and(|other| !other.as_str().eq_ignore_ascii_case(authority.as_str())) {
        return Err("the request line and the Host header name different hosts");
    }
    Ok(authority.host().to_ascii_lowercase())
}
