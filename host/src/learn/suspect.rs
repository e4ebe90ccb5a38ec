//! What nobody should be talked into granting: denials that look like an attempt and not like a need.
//!
//! Takes: a [`Wish`]. Gives: why it is suspect. May name: authorize, imports.

use super::Known;
use super::wish::{Want, Wish};
use crate::authorize::address::{Reach, reach};
use crate::authorize::origin::Origin;
use crate::authorize::path::RequestPath;
use crate::imports::http::USERINFO;
use std::net::IpAddr;

/// Names by which clouds hand out the machine's own credentials.
const METADATA: &[&str] =
    &["metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"];
/// Targets of this length may have been cut.
const CUT: usize = 1024;

/// Why the wish looks like an attack, if it does.
pub(super) fn attack(known: &Known<'_>, wish: &Wish) -> Option<String> {
    let (path, name) = match &wish.want {
        Want::Http { scheme, authority, path, .. } | Want::Inside { scheme, authority, path } => {
            if authority.starts_with(USERINFO) || authority.contains('@') {
                return Some(
                    "the URL carries userinfo, as links do that pretend to lead elsewhere".to_owned(),
                );
            }
            if let Err(unclear) = RequestPath::parse(path) {
                return Some(format!("{unclear}, as requests do that try to get around the rules"));
            }
            if scheme.len() + authority.len() + path.len() + 3 >= CUT {
                return Some("it is too long to stand in the book in full".to_owned());
            }
            (path.as_str(), "")
        }
        Want::Dir { path, .. } => {
            if path.split(['/', '\\']).any(|part| part == "..") {
                return Some("the path climbs with `..`".to_owned());
            }
            if path.chars().any(char::is_control) {
                return Some("the path holds control characters".to_owned());
            }
            (path.as_str(), "")
        }
        Want::Bucket { name, .. } => ("", name.as_str()),
        _ => return None,
    };
    let others = || known.settings.tenants.keys().filter(|other| **other != wish.tenant);
    let parts = path.split('/').chain(name.split('/'));
    let stranger = parts.filter_map(|part| others().find(|other| other.as_str() == part)).next();
    stranger.map(|other| format!("it names another tenant, {other}"))
}

/// Why nothing may ever be connected to this origin, as far as its name tells.
pub(super) fn never(origin: &Origin) -> Option<&'static str> {
    let host = origin.dial_host();
    let literal = host.parse::<IpAddr>().ok().map(reach);
    match literal {
        Some(Reach::Never) => Some("no tool is connected to this address (metadata, multicast, reserved)"),
        None if METADATA.contains(&host.as_str()) => Some(
            "this is the name of a cloud's metadata service, which hands out the machine's own credentials",
        ),
        _ => None,
    }
}

/// Whether the origin leads inside, as far as its name tells.
pub(super) fn private(origin: &Origin) -> bool {
    let host = origin.dial_host();
    match host.parse::<IpAddr>() {
        Ok(address) => reach(address) == Reach::Private,
        Err(_) => {
            let inside = ["localhost", "local", "internal", "lan", "home.arpa"];
            let under =
                |end: &str| host.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
            !host.contains('.') || inside.iter().any(|end| under(end))
        }
    }
}
