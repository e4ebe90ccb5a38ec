//! Addresses of services that the operator names: https, or http on this machine.
//!
//! Takes: text. Gives: [`WebUrl`]. May name: nothing.

use serde::{Deserialize, Serialize};
use std::fmt;
use url::{Host, Url};

/// A URL by https, or by http on loopback, without user, query and fragment. It stays as it was written: issuers are
/// compared byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebUrl(String);

impl WebUrl {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its parts.
    #[must_use]
    pub fn parts(&self) -> Option<Url> {
        Url::parse(&self.0).ok()
    }

    /// Whether it is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.parts().is_some_and(|url| loopback(&url))
    }
}

/// Whether a URL's host is this machine.
fn loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

impl fmt::Display for WebUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<WebUrl> for String {
    fn from(url: WebUrl) -> Self {
        url.0
    }
}

impl TryFrom<String> for WebUrl {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let fault = |why: &str| {
            let shown: String = text.chars().take(80).collect();
            format!("{shown:?} {why}; write a URL as \"https://login.example.com\"")
        };
        if text.len() > 2_048 || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(fault("is not a URL of at most 2,048 visible ASCII characters"));
        }
        let url = Url::parse(&text).map_err(|error| fault(&format!("is not a URL ({error})")))?;
        let secure = url.scheme() == "https" || (url.scheme() == "http" && loopback(&url));
        match secure {
            false => Err(fault("is not https, and http is for this machine alone")),
            true if url.host().is_none() => Err(fault("names no host")),
            true if !url.username().is_empty() || url.password().is_some() => {
                Err(fault("holds a user or a password"))
            }
            true if text.contains(['?', '#', '\\']) => Err(fault("has a query or a fragment")),
            true => Ok(Self(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_reached_by_https_or_on_this_machine() {
        for good in [
            "https://a.example",
            "https://a.example/",
            "https://a.example:8443/t/x",
            "http://127.0.0.1:1",
            "http://localhost:1/x",
            "http://[::1]:1",
        ] {
            assert_eq!(WebUrl::try_from(good.to_owned()).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "a.example",
            "http://a.example",
            "ftp://a.example",
            "https://u@a.example",
            "https://u:p@a.example",
            "https://a.example?x=1",
            "https://a.example#x",
            "https://a.example/ü",
            "http://localhost.evil.example",
            "file:///etc/passwd",
        ] {
            assert!(WebUrl::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
