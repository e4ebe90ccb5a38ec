//! By which certificate the host shows who it is: `[tls]` of the operator's file.
//!
//! Takes: the table. Gives: [`TlsRule`]. May name: nothing.

use serde::{Deserialize, Serialize};

/// Files of the home folder with the server's certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsRule {
    /// `cert`: the chain in PEM, the server's own certificate first.
    pub cert: HomeFile,
    /// `key`: its private key in PEM (PKCS #8, PKCS #1 or SEC1), mode 0600 or stricter.
    pub key: HomeFile,
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
