//! What a service answered.
//!
//! Takes: status, headers and body. Gives: [`Response`]. May name: error.

use super::{Error, find};
use serde::de::DeserializeOwned;

/// A whole response; the body has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code, 100 to 599.
    pub status: u16,
    /// Names and values, in order; bytes that are not UTF-8 are replaced. The host takes credentials out.
    pub headers: Vec<(String, String)>,
    /// The body, as it was sent.
    pub body: Vec<u8>,
}

impl Response {
    /// A response without headers, as fakes need it.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The value of the first header with this name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// Whether the status is from 200 to 299.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// This response if its status is from 200 to 299.
    ///
    /// # Errors
    /// [`Error::Status`] with the status.
    pub fn success(self) -> Result<Self, Error> {
        if self.is_success() { Ok(self) } else { Err(Error::Status(self.status)) }
    }

    /// The body as text.
    ///
    /// # Errors
    /// [`Error::Body`] when it is not UTF-8.
    pub fn text(&self) -> Result<&str, Error> {
        std::str::from_utf8(&self.body).map_err(|error| Error::Body(error.to_string()))
    }

    /// The body read as JSON.
    ///
    /// # Errors
    /// [`Error::Body`] when it is not JSON of this shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| Error::Body(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_2xx_is_success() {
        assert!(Response::new(204, "").success().is_ok());
        assert_eq!(Response::new(404, "").success().unwrap_err(), Error::Status(404));
        assert_eq!(Response::new(302, "").success().unwrap_err(), Error::Status(302));
    }

    #[test]
    fn headers_are_found_in_any_case() {
        let answer = Response::new(200, "").with_header("Content-Type", "text/html");
        assert_eq!(answer.header("content-type"), Some("text/html"));
        assert_eq!(answer.header("etag"), None);
    }
}
