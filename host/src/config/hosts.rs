//! Which host names are whose: `[hosts]` of the operator's file.
//!
//! Takes: the table. Gives: [`HostNames`]. May name: id.
//!
//! ```toml
//! [hosts]
//! "acme.tools.example" = "acme"
//! ```

use super::document::Document;
use super::error::ConfigError;
use super::url::WebUrl;
use crate::id::TenantId;
use std::collections::BTreeMap;

/// The most host names of one host.
const MAX_HOSTS: usize = 1_024;

/// Host names and their tenants. A name grants nothing: it only refuses whoever acts for another tenant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostNames {
    names: BTreeMap<String, TenantId>,
    /// The host of `public_url`, which is everybody's.
    shared: Option<String>,
}

impl HostNames {
    /// Whether requests are held against their host name at all.
    #[must_use]
    pub fn are_told_apart(&self) -> bool {
        !self.names.is_empty()
    }

    /// Whose a host name is, in lower case and without a port: `None` for one that is not this host's, `Some(None)` for the one
    /// that is everybody's.
    #[must_use]
    pub fn whose(&self, name: &str) -> Option<Option<&TenantId>> {
        match self.names.get(name) {
            Some(tenant) => Some(Some(tenant)),
            None => (self.shared.as_deref() == Some(name)).then_some(None),
        }
    }

    /// The names that are a tenant's.
    pub fn names(&self) -> impl Iterator<Item = (&str, &TenantId)> {
        self.names.iter().map(|(name, tenant)| (name.as_str(), tenant))
    }

    /// The URL of this host under one of its names: `public_url` with another host.
    #[must_use]
    pub fn url(&self, public: &WebUrl, name: &str) -> Option<WebUrl> {
        let parts = public.parts()?;
        let origin = parts.origin().ascii_serialization();
        let path = public.as_str().strip_prefix(origin.as_str()).unwrap_or_default();
        let port = parts.port().map(|port| format!(":{port}")).unwrap_or_default();
        WebUrl::try_from(format!("{}://{name}{port}{path}", parts.scheme())).ok()
    }

    pub(super) fn read(
        document: &Document,
        names: BTreeMap<String, TenantId>,
        public: Option<&WebUrl>,
    ) -> Result<Self, ConfigError> {
        let at = |key: &str, what: &str, label: &str, fix: &str| {
            document.fault_at(&["hosts", key], what, label, fix)
        };
        if let Some(bad) = names.keys().find(|name| !is_host(name)) {
            let fix = "write a DNS name in lower case, without a port and without a dot at its end";
            return Err(at(bad, "this is no host name", "not a name", fix));
        }
        if let Some(last) = names.keys().nth(MAX_HOSTS) {
            return Err(at(last, "there are more than 1,024 host names", "one too many", "remove some"));
        }
        let shared = public.and_then(|url| Some(url.parts()?.host_str()?.to_owned()));
        Ok(Self { names, shared })
    }
}

/// A DNS name (RFC 1123, 2.1) in lower case, and no IP address.
fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253
        && text.split('.').all(label)
        && !text.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_dns_names() {
        for good in ["acme.tools.example", "localhost", "a-1.b", "xn--bcher-kva.example"] {
            assert!(is_host(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "A.b",
            "a..b",
            "a_b",
            "-a.b",
            "a-.b",
            "a:1",
            "127.0.0.1",
            "[::1]",
            "*.a",
            "a b",
        ] {
            assert!(!is_host(bad), "{bad}");
        }
    }

    #[test]
    fn the_url_of_a_name_has_the_path_and_the_port_of_the_public_one() {
        let url = |public: &str| {
            let public = WebUrl::try_from(public.to_owned()).unwrap();
            HostNames::default().url(&public, "acme.example").unwrap().as_str().to_owned()
        };
        assert_eq!(url("https://tools.example"), "https://acme.example");
        assert_eq!(url("https://tools.example/base/"), "https://acme.example/base/");
        assert_eq!(url("https://tools.example:8443/x"), "https://acme.example:8443/x");
    }
}
