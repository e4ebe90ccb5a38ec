//! Who may speak at all: to a host that asks for no key, programs of this machine and no web page of another site; to every other one
//! no web page but this machine's own and those that the operator names; to one with `[hosts]`, those who ask for one of its host names.
//!
//! Takes: headers. Gives: the request on, or 403, or 421. May name: config, reason, room, serve.
//!
//! A host without tenants trusts whoever reaches its loopback address. A page in a browser on this machine reaches it
//! too: by a foreign `Origin`, or, when its own name has been pointed at 127.0.0.1 (DNS rebinding), by a foreign `Host`.
//!
//! Where a key decides who calls, a page that has none reaches nothing. Its `Origin` is refused all the same, before the key is looked at:
//! the Model Context Protocol asks every server for that (Streamable HTTP, security warning), and what holds for `/mcp` holds for `/v1`.

use super::body;
use super::problem::respond;
use crate::config::HostNames;
use crate::reason::Reason;
use crate::room::Strongroom;
use crate::serve::arrival::{self, Narrowed};
use axum::extract::Request;
use axum::response::Response;
use http::header::{HOST, HeaderName, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Uri};
use std::net::IpAddr;

/// What the guard looks at.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) room: Strongroom,
    pub(super) loopback: bool,
}

impl Guard {
    /// The request, if it may go on, or its refusal.
    pub(super) async fn check(&self, mut request: Request) -> Result<Request, Response> {
        // Asked each time: a reload may have taken the last tenant away.
        let judged = self.room.in_force(|settings| {
            let refused = match settings.single_tenant {
                true if !self.loopback => Some("without tenants, this host serves its own machine only"),
                true => foreign(request.uri(), request.headers()),
                false => strange(request.headers(), &settings.host.mcp.origins),
            };
            match refused {
                Some(why) => Err((Reason::PolicyDenied, why)),
                None => narrowed(&settings.host.hosts, &request).map_err(|why| (Reason::Misdirected, why)),
            }
        });
        let (reason, why) = match judged {
            Ok(narrowed) => {
                if let Some(narrowed) = narrowed {
                    request.extensions_mut().insert(narrowed);
                }
                return Ok(request);
            }
            Err(refused) => refused,
        };
        let (parts, unread) = request.into_parts();
        body::discard(&parts.headers, unread).await;
        Err(respond(self.room.turn_away(reason, why).await, None))
    }
}

fn narrowed(hosts: &HostNames, request: &Request) -> Result<Option<Narrowed>, &'static str> {
    // Whoever watches the host asks by its address, and learns nothing of any tenant.
    if matches!(request.uri().path(), "/livez" | "/readyz") {
        return Ok(None);
    }
    arrival::narrowed(hosts, request.uri(), request.headers(), request.extensions().get())
}

/// Why a request to a host for its own machine is none of this machine's, if it is not.
pub(in crate::serve) fn foreign(uri: &Uri, headers: &HeaderMap) -> Option<&'static str> {
    let host = match only(headers, HOST) {
        Only::One(host) => is_local(host),
        Only::None | Only::Several => false,
    };
    // A request line may name the host once more, and then counts.
    if !host || uri.authority().is_some_and(|authority| !is_local(authority.as_str())) {
        return Some("the Host header must name this machine: localhost, 127.0.0.1 or [::1]");
    }
    let origin = match only(headers, ORIGIN) {
        Only::None => true,
        Only::One(origin) => is_local_origin(origin),
        Only::Several => false,
    };
    (!origin).then_some("the Origin header names another site than this machine's own")
}

/// Why a web page may not speak to a host with tenants, if it may not: it is neither of this machine nor one of those known.
fn strange(headers: &HeaderMap, known: &[String]) -> Option<&'static str> {
    let known = match only(headers, ORIGIN) {
        Only::None => true,
        Only::One(origin) => is_local_origin(origin) || known.iter().any(|known| known == origin),
        Only::Several => false,
    };
    (!known).then_some("the Origin header names a site that `mcp.origins` does not")
}

/// The header as a rule can judge it.
pub(in crate::serve) enum Only<'a> {
    None,
    One(&'a str),
    Several,
}

pub(in crate::serve) fn only(headers: &HeaderMap, name: HeaderName) -> Only<'_> {
    let mut all = headers.get_all(name).iter();
    match (all.next().map(|value| value.to_str()), all.next()) {
        (None, _) => Only::None,
        (Some(Ok(text)), None) => Only::One(text),
        // What is no text is as little ours as what is there twice.
        _ => Only::Several,
    }
}

/// A page that this machine serves.
fn is_local_origin(origin: &str) -> bool {
    let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    rest.is_some_and(is_local)
}

fn is_local(text: &str) -> bool {
    let Ok(authority) = text.parse::<Authority>() else { return false };
    let host = authority.host();
    let literal = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    !text.contains('@')
        && (host.eq_ignore_ascii_case("localhost")
            || literal.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn only_this_machines_names_are_local() {
        for good in ["localhost", "LOCALHOST:8787", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:8787"] {
            assert!(is_local(good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost@evil.example",
            "evil.example@localhost",
            "10.0.0.1",
            "0.0.0.0",
            "[::]",
            "local host",
            "localhost/",
            "127.1",
            ":80",
        ] {
            assert!(!is_local(bad), "{bad}");
        }
    }

    fn refused(uri: &str, headers: &[(HeaderName, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        foreign(&uri.parse().unwrap(), &map).is_some()
    }

    #[test]
    fn a_foreign_host_or_origin_is_refused() {
        let local = (HOST, "localhost:8787");
        assert!(!refused("/v1/tools", std::slice::from_ref(&local)));
        for origin in ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:1"] {
            assert!(!refused("/", &[local.clone(), (ORIGIN, origin)]), "{origin}");
        }
        for origin in ["null", "", "http://evil.example", "file://", "localhost", "http://localhost/x"] {
            assert!(refused("/", &[local.clone(), (ORIGIN, origin)]), "{origin}");
        }
        assert!(refused("/", &[]));
        assert!(refused("/", &[local.clone(), local.clone()]));
        assert!(refused("/", &[(HOST, "evil.example")]));
        assert!(refused("http://evil.example/", std::slice::from_ref(&local)));
        assert!(refused("/", &[local, (ORIGIN, "http://localhost"), (ORIGIN, "http://localhost")]));
    }

    #[test]
    fn of_pages_only_local_and_known_ones_speak_to_a_host_with_tenants() {
        let known = ["https://app.example".to_owned()];
        let refused = |origins: &[&str]| {
            let mut map = HeaderMap::new();
            for origin in origins {
                map.append(ORIGIN, HeaderValue::from_str(origin).unwrap());
            }
            strange(&map, &known).is_some()
        };
        for good in [&[][..], &["https://app.example"], &["http://localhost:6274"], &["http://[::1]:1"]] {
            assert!(!refused(good), "{good:?}");
        }
        for bad in [
            &["null"][..],
            &[""],
            &["https://app.example.evil.example"],
            &["https://app.example:8443"],
            &["http://app.example"],
            &["https://APP.example"],
            &["https://app.example", "https://app.example"],
        ] {
            assert!(refused(bad), "{bad:?}");
        }
    }
}
