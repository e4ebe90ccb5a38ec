//! Where in a request a credential is put.
//!
//! Takes: text from the file and the command line. Gives: [`Injection`]. May name: nothing.

use super::super::names::{QueryName, UserName};
use http::HeaderName;
use std::fmt;

/// Longest value, in bytes.
const MAX_VALUE: usize = 16_384;

/// The place of a credential in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Injection {
    /// The value is the header's whole value, as `Bearer …`.
    Header(HeaderName),
    /// The value is a parameter at the end of the query.
    Query(QueryName),
    /// The value is the password of basic authentication, in the header `authorization`.
    Basic(UserName),
}

/// Headers that frame or route a message: a credential there would change where and how it is sent.
const NOT_FOR_CREDENTIALS: &[HeaderName] = &[
    http::header::HOST,
    http::header::CONTENT_LENGTH,
    http::header::TRANSFER_ENCODING,
    http::header::CONNECTION,
    http::header::UPGRADE,
    http::header::TE,
    http::header::TRAILER,
    http::header::EXPECT,
    http::header::ACCEPT_ENCODING,
];

impl Default for Injection {
    fn default() -> Self {
        Self::Header(http::header::AUTHORIZATION)
    }
}

impl Injection {
    /// A header by its name; `None` when it is none, or one that frames or routes the message.
    #[must_use]
    pub fn header(name: &str) -> Option<Self> {
        HeaderName::try_from(name).ok().filter(|name| !NOT_FOR_CREDENTIALS.contains(name)).map(Self::Header)
    }

    /// The kind, as the file's key names it: `header`, `query` or `basic`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Header(_) => "header",
            Self::Query(_) => "query",
            Self::Basic(_) => "basic",
        }
    }

    /// The header's or parameter's name, or the user.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Header(name) => name.as_str(),
            Self::Query(name) => name.as_str(),
            Self::Basic(user) => user.as_str(),
        }
    }

    /// What is wrong with a value for this place, and what to write; `None` when it fits.
    pub(crate) fn refuses(&self, value: &str) -> Option<(&'static str, &'static str)> {
        let long = !(1..=MAX_VALUE).contains(&value.len());
        match self {
            Self::Header(_) => {
                let plain = value.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
                (long || !plain || value.trim() != value).then_some((
                    "cannot stand in a header",
                    "write 1 to 16,384 visible ASCII characters, without spaces or line breaks around them",
                ))
            }
            Self::Query(_) | Self::Basic(_) => (long || value.chars().any(char::is_control)).then_some((
                "cannot stand in a request",
                "write 1 to 16,384 bytes of text, without line breaks and other control characters",
            )),
        }
    }
}

/// `header x-api-key`, `query api_key`, `basic robot`.
impl fmt::Display for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.name())
    }
}
