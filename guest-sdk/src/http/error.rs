//! How a request fails.
//!
//! Takes: nothing. Gives: [`Error`]. May name: nothing.

use std::fmt;

/// Why there is no (usable) response.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Manifest or grant do not allow this origin, method or path, or the address is one that tools may not reach.
    Denied,
    /// The URL, method or a header has a form that cannot be sent.
    Invalid(String),
    /// The service could not be reached, or broke off: name, connection, TLS or protocol.
    Unreachable(String),
    /// The service did not answer in time.
    Timeout,
    /// The response's body is longer than this many bytes.
    TooLarge(usize),
    /// A body is not what it should be: not UTF-8, not JSON of the expected shape.
    Body(String),
    /// The service answered with this status, and [`Response::success`](super::Response::success) was asked for 2xx.
    Status(u16),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied => f.write_str("the tenant did not grant this request"),
            Self::Invalid(what) => write!(f, "the request cannot be sent: {what}"),
            Self::Unreachable(why) => write!(f, "the service cannot be reached: {why}"),
            Self::Timeout => f.write_str("the service did not answer in time"),
            Self::TooLarge(limit) => write!(f, "the response is longer than {limit} bytes"),
            Self::Body(why) => write!(f, "the body is not as expected: {why}"),
            Self::Status(status) => write!(f, "the service answered with status {status}"),
        }
    }
}

impl std::error::Error for Error {}
