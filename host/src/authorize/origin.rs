//! Web origins: scheme, host and port in one normal form, and the patterns that grants bind.
//!
//! Takes: text from files and from guests. Gives: [`Origin`], [`OriginPattern`]. May name: nothing.
//!
//! Everything that a lenient URL parser would mend silently (backslashes, tabs, userinfo, a missing slash) is
//! refused before the parser sees it. What it may normalise (case, IDN, the many ways to write an IPv4
//! address, a default port) is normalised here, and only the normal form is compared and connected.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use url::{Host, Url};

/// Why a text is no origin or origin pattern: what is wrong, and after the semicolon what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}; {fix}")]
pub struct InvalidOrigin {
    what: &'static str,
    fix: &'static str,
}

fn invalid<T>(what: &'static str, fix: &'static str) -> Result<T, InvalidOrigin> {
    Err(InvalidOrigin { what, fix })
}

const SHAPE: &str = "write scheme, host and, if it is not the default, port: \"https://api.example.com\"";

/// How an origin is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// Without encryption; default port 80.
    Http,
    /// Over TLS; default port 443.
    Https,
}

impl Scheme {
    /// `http` or `https`, in any case; `None` for every other scheme.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Http, Self::Https].into_iter().find(|scheme| text.eq_ignore_ascii_case(scheme.as_str()))
    }

    /// The scheme in lower case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A place on the web: scheme, host, port. Two origins are equal exactly when they are the same place by
/// name. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin(Arc<Parts>);

#[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Parts {
    text: String,
    scheme: Scheme,
    host: Host<String>,
    port: u16,
}

impl Origin {
    /// Reads `http://host[:port]` or `https://host[:port]` and normalises it.
    ///
    /// # Errors
    /// When the text is anything else: another scheme, userinfo, a path (also `/`), a query, a trailing dot,
    /// white space, a zone id, a wildcard.
    pub fn parse(text: &str) -> Result<Self, InvalidOrigin> {
        let (scheme, authority) = split(text)?;
        Self::from_parts(scheme, authority)
    }

    /// Normalises an origin that arrives in parts, as requests carry it.
    ///
    /// # Errors
    /// As [`Origin::parse`].
    pub fn from_parts(scheme: Scheme, authority: &str) -> Result<Self, InvalidOrigin> {
        plain(authority)?;
        let Ok(url) = Url::parse(&format!("{}://{authority}/", scheme.as_str())) else {
            return invalid("the host or the port is not valid", SHAPE);
        };
        let bare = url.username().is_empty() && url.password().is_none() && url.path() == "/";
        let (true, Some(host), Some(port)) = (bare, url.host(), url.port_or_known_default()) else {
            return invalid("this is more or less than scheme, host and port", SHAPE);
        };
        if port == 0 {
            return invalid("port 0 cannot be connected to", SHAPE);
        }
        if let Host::Domain(name) = &host {
            dns_name(name)?;
        }
        let host = host.to_owned();
        let text = render(scheme, &host, port);
        Ok(Self(Arc::new(Parts { text, scheme, host, port })))
    }

    /// The scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.0.scheme
    }

    /// The host: a name in lower-case ASCII (IDN as punycode), or an address.
    #[must_use]
    pub fn host(&self) -> &Host<String> {
        &self.0.host
    }

    /// The host as a resolver takes it: IPv6 addresses without brackets.
    #[must_use]
    pub fn dial_host(&self) -> String {
        match &self.0.host {
            Host::Domain(name) => name.clone(),
            Host::Ipv4(v4) => v4.to_string(),
            Host::Ipv6(v6) => v6.to_string(),
        }
    }

    /// The port, never 0.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// Host and, unless it is the scheme's default, port: what stands in a `Host` header.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.0.text.split_once("://").map_or("", |(_, authority)| authority)
    }

    /// The normal form, `https://host[:port]`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }
}

/// One origin, or every subdomain of a name: `https://*.example.com` is any depth below `example.com`, but
/// not `example.com` itself. Scheme and port are always exact.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum OriginPattern {
    /// Exactly this origin.
    Exact(Origin),
    /// Every name below this origin's host, which is a name and never an address.
    Below(Origin),
}

impl OriginPattern {
    /// Reads an origin, or an origin whose host starts with `*.`.
    ///
    /// # Errors
    /// As [`Origin::parse`], and for a wildcard in any other place, over an address, or over a top-level
    /// name.
    pub fn parse(text: &str) -> Result<Self, InvalidOrigin> {
        let (scheme, authority) = split(text)?;
        let Some(parent) = authority.strip_prefix("*.") else {
            if authority.contains('*') {
                return invalid(
                    "a wildcard in this place could match anything",
                    "`*` stands only for the whole first label: \"https://*.example.com\"",
                );
            }
            return Origin::from_parts(scheme, authority).map(Self::Exact);
        };
        let parent = Origin::from_parts(scheme, parent)?;
        match parent.host() {
            Host::Domain(name) if name.contains('.') => Ok(Self::Below(parent)),
            _ => invalid(
                "a wildcard over an address or a top-level name is too wide",
                "name the domain: \"https://*.example.com\"",
            ),
        }
    }

    /// Whether the origin is one of these.
    #[must_use]
    pub fn matches(&self, origin: &Origin) -> bool {
        match self {
            Self::Exact(exact) => exact == origin,
            Self::Below(parent) => {
                same_door(parent, origin)
                    && matches!((parent.host(), origin.host()), (Host::Domain(p), Host::Domain(name)) if is_below(name, p))
            }
        }
    }

    /// Whether everything that `other` matches is matched here too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Exact(origin)) => self.matches(origin),
            (Self::Exact(_), Self::Below(_)) => false,
            (Self::Below(parent), Self::Below(inner)) => parent == inner || self.matches(inner),
        }
    }

    /// The one origin that this is, if it is one.
    #[must_use]
    pub fn exact(&self) -> Option<&Origin> {
        match self {
            Self::Exact(origin) => Some(origin),
            Self::Below(_) => None,
        }
    }
}

/// Scheme and the rest of a text that starts with `http://` or `https://`.
fn split(text: &str) -> Result<(Scheme, &str), InvalidOrigin> {
    let Some((scheme, authority)) = text.split_once("://") else {
        return invalid("the scheme is missing", SHAPE);
    };
    match Scheme::parse(scheme) {
        Some(scheme) => Ok((scheme, authority)),
        None => invalid("the scheme is neither http nor https", SHAPE),
    }
}

/// Refuses what a URL parser would cut off, skip or reinterpret.
fn plain(authority: &str) -> Result<(), InvalidOrigin> {
    if authority.is_empty() {
        return invalid("the host is missing", SHAPE);
    }
    if authority.len() > 512 {
        return invalid("the host is longer than any name can be", SHAPE);
    }
    for c in authority.chars() {
        match c {
            '@' => {
                return invalid("user and password do not belong into an origin", "use a credential instead");
            }
            '/' | '?' | '#' => {
                return invalid(
                    "an origin ends after host and port",
                    "put paths into `paths`; leave out the slash",
                );
            }
            '\\' | '%' => return invalid("backslash and percent are no part of a host", SHAPE),
            c if c.is_whitespace() || c.is_control() => {
                return invalid("white space and control characters are no part of a host", SHAPE);
            }
            _ => {}
        }
    }
    if authority.ends_with(':') {
        return invalid("the port after the colon is missing", SHAPE);
    }
    Ok(())
}

/// The form of a name after normalisation: labels of `[a-z0-9_-]`, no trailing dot.
fn dns_name(name: &str) -> Result<(), InvalidOrigin> {
    if name.ends_with('.') {
        return invalid("the host ends with a dot", "leave out the trailing dot");
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
    };
    if name.len() > 253 || !name.split('.').all(label) {
        return invalid("the host is not a valid name", SHAPE);
    }
    Ok(())
}

fn same_door(a: &Origin, b: &Origin) -> bool {
    a.scheme() == b.scheme() && a.port() == b.port()
}

fn is_below(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent).and_then(|rest| rest.strip_suffix('.')).is_some_and(|below| !below.is_empty())
}

fn render(scheme: Scheme, host: &Host<String>, port: u16) -> String {
    let scheme_text = scheme.as_str();
    if port == scheme.default_port() {
        format!("{scheme_text}://{host}")
    } else {
        format!("{scheme_text}://{host}:{port}")
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0.text)
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(origin) => f.write_str(origin.as_str()),
            Self::Below(parent) => write!(f, "{}://*.{}", parent.scheme().as_str(), parent.authority()),
        }
    }
}

impl fmt::Debug for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl TryFrom<String> for Origin {
    type Error = InvalidOrigin;
    fn try_from(text: String) -> Result<Self, InvalidOrigin> {
        Self::parse(&text)
    }
}

impl TryFrom<String> for OriginPattern {
    type Error = InvalidOrigin;
    fn try_from(text: String) -> Result<Self, InvalidOrigin> {
        Self::parse(&text)
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> String {
        origin.as_str().to_owned()
    }
}

impl From<OriginPattern> for String {
    fn from(pattern: OriginPattern) -> String {
        pattern.to_string()
    }
}

#[cfg(test)]
mod tests;
