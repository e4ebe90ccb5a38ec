//! By which certificate the host shows who it is: `[tls]` of the operator's file.
//!
//! Takes: the table. Gives: [`TlsRule`]. May name: nothing.

use super::clients::{self, TrustRule, TrustTable};
use super::document::Document;
use super::error::ConfigError;
use super::spiffe::SpiffeId;
use serde::{Deserialize, Serialize};

/// Files of the home folder with the server's certificate and its key, and whose certificates clients may show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsRule {
    /// `cert`: the chain in PEM, the server's own certificate first.
    pub cert: HomeFile,
    /// `key`: its private key in PEM (PKCS #8, PKCS #1 or SEC1), mode 0600 or stricter.
    pub key: HomeFile,
    /// `clients`: whether a client must show a certificate. Default `optional`; without trust domains nobody is asked for one.
    pub clients: ClientRule,
    /// `[[tls.trust_domains]]`: whose certificates of clients count. Default: nobody's.
    pub trust_domains: Vec<TrustRule>,
}

impl TlsRule {
    /// The trust domain of an id, if it is one of this host's.
    #[must_use]
    pub fn trust_of(&self, id: &SpiffeId) -> Option<&TrustRule> {
        self.trust_domains.iter().find(|rule| rule.name == *id.domain())
    }
}

/// Whether a client must show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientRule {
    /// Those that show none need a key or a token.
    #[default]
    Optional,
    /// No connection without one.
    Required,
}

/// The table as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsTable {
    cert: HomeFile,
    key: HomeFile,
    #[serde(default)]
    clients: Option<ClientRule>,
    #[serde(default)]
    trust_domains: Vec<TrustTable>,
}

impl TlsTable {
    pub(super) fn rule(self, document: &Document) -> Result<TlsRule, ConfigError> {
        let Self { cert, key, clients, trust_domains } = self;
        if clients.is_some() && trust_domains.is_empty() {
            let fix = "add [[tls.trust_domains]], or remove `clients`";
            return Err(document.fault_at(
                &["tls", "clients"],
                "no certificate of a client could be good",
                "there are no trust domains",
                fix,
            ));
        }
        let trust_domains = clients::read(document, trust_domains)?;
        Ok(TlsRule { cert, key, clients: clients.unwrap_or_default(), trust_domains })
    }
}

/// A file in the home folder: a relative path without `.` and `..`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HomeFile(String);

impl HomeFile {
    /// The path below the home folder.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<HomeFile> for String {
    fn from(file: HomeFile) -> Self {
        file.0
    }
}

impl TryFrom<String> for HomeFile {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        match text.len() <= 255 && !text.chars().any(char::is_control) && text.split('/').all(plain) {
            true => Ok(Self(text)),
            false => Err("write the path of a file in the home folder, as \"tls/cert.pem\"".to_owned()),
        }
    }
}
