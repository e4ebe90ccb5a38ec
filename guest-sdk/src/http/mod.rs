//! Requests to services that the tenant granted.
//!
//! Takes: the host's `wasi:http/outgoing-handler`. Gives: [`Request`] builders and [`Response`]. May name: host.
//!
//! A service is addressed by the name of its need, `http://<need>/path`: the host puts the tenant's own origin there,
//! and adds the tenant's credential, which the tool never sees. An origin that the grant names can also be addressed as itself
//! (`https://example.com/path`). Methods and paths outside of manifest and grant are [`Error::Denied`].
//!
//! ```
//! use strongroom_sdk::http::{self, Method, Response};
//! use strongroom_sdk::fake;
//!
//! let host = fake::Host::new().route(Method::Patch, "http://orders/orders/918", Response::new(200, r#"{"ok":true}"#));
//! let answer = http::patch("http://orders/orders/918").json(&[("status", "shipped")]).send()?;
//! assert_eq!(answer.status, 200);
//! assert_eq!(host.requests()[0].header_value("content-type"), Some("application/json"));
//! # Ok::<(), http::Error>(())
//! ```

mod error;
mod response;
#[cfg(any(target_arch = "wasm32", test))]
mod url;

pub use error::Error;
pub use response::Response;
#[cfg(target_arch = "wasm32")]
pub(crate) use url::split;

use crate::host;
use serde::Serialize;

/// Bytes of a response's body that are accepted unless [`Request::max_body`] says otherwise: 1 MiB.
pub const DEFAULT_MAX_BODY: usize = 1 << 20;

/// What to do with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Read it.
    Get,
    /// Read its headers.
    Head,
    /// Give it something to process.
    Post,
    /// Replace it.
    Put,
    /// Change a part of it.
    Patch,
    /// Remove it.
    Delete,
    /// Ask what can be done with it.
    Options,
}

/// A request that is being put together. Faults in its parts are reported by [`Request::send`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "nothing happens until `send`"]
pub struct Request {
    /// What to do.
    pub method: Method,
    /// With which resource: `http://<need>/path`, or an absolute URL whose origin the tenant granted.
    pub url: String,
    /// Names and values, in order.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// The most bytes that the response's body may have.
    pub max_body: usize,
    fault: Option<Error>,
}

/// A request to read.
pub fn get(url: impl Into<String>) -> Request {
    request(Method::Get, url)
}

/// A request that gives the service something to process.
pub fn post(url: impl Into<String>) -> Request {
    request(Method::Post, url)
}

/// A request to replace.
pub fn put(url: impl Into<String>) -> Request {
    request(Method::Put, url)
}

/// A request to change a part.
pub fn patch(url: impl Into<String>) -> Request {
    request(Method::Patch, url)
}

/// A request to remove.
pub fn delete(url: impl Into<String>) -> Request {
    request(Method::Delete, url)
}

/// A request with any method.
pub fn request(method: Method, url: impl Into<String>) -> Request {
    Request {
        method,
        url: url.into(),
        headers: Vec::new(),
        body: Vec::new(),
        max_body: DEFAULT_MAX_BODY,
        fault: None,
    }
}

/// Text made safe for one segment of a URL's path or for a query value: all but letters, digits and `-._~` is
/// percent-encoded. Use it for each piece of a URL that comes from a caller; a path's segments `.` and `..` have to be
/// refused apart from it, since servers read them as directions even when they are encoded.
///
/// ```
/// assert_eq!(strongroom_sdk::http::encode("../918?x"), "..%2F918%3Fx");
/// ```
#[must_use]
pub fn encode(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

impl Request {
    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the body to a value as JSON, with its content type.
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.header("content-type", "application/json").body(body),
            Err(error) => {
                self.fault = Some(Error::Body(error.to_string()));
                self
            }
        }
    }

    /// Sets the most bytes that the response's body may have; a longer one is [`Error::TooLarge`].
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// The value of the first header with this name, in any case.
    #[must_use]
    pub fn header_value(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// Sends the request and waits for the whole response. Any status is a success here; redirects are not followed.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::Denied`] when manifest or grant do not allow this request.
    pub fn send(self) -> Result<Response, Error> {
        match self.fault {
            Some(fault) => Err(fault),
            None => host::send(self),
        }
    }
}

impl Method {
    /// The name as it is sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}
