//! HTTP methods that manifests and grants may name.
//!
//! Takes: text from files. Gives: [`Method`]. May name: nothing.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Why a text is no method that a tool may use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not a method that a tool can use; {fix}")]
pub struct InvalidMethod {
    value: String,
    fix: &'static str,
}

/// An HTTP method: 1 to 32 upper-case letters and `-`, but neither `CONNECT`, which would open a tunnel past
/// every path rule, nor `TRACE`, which would send the injected credential back.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Method(Arc<str>);

impl Method {
    /// Checks the form and makes the method.
    ///
    /// # Errors
    /// [`InvalidMethod`] for lower case, other characters, `CONNECT` and `TRACE`.
    pub fn new(text: &str) -> Result<Self, InvalidMethod> {
        let bad = |fix| Err(InvalidMethod { value: text.chars().take(40).collect(), fix });
        if matches!(text, "CONNECT" | "TRACE") {
            return bad("use GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS");
        }
        let form =
            (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
        if form { Ok(Self(text.into())) } else { bad("write it in upper case, as \"GET\"") }
    }

    /// The method as it stands in a request.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Method {
    type Error = InvalidMethod;
    fn try_from(text: String) -> Result<Self, InvalidMethod> {
        Self::new(&text)
    }
}

impl From<Method> for String {
    fn from(method: Method) -> String {
        method.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_upper_case_and_open_no_tunnel() {
        for good in ["GET", "PATCH", "PROPFIND", "VERSION-CONTROL"] {
            assert_eq!(Method::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "get", "Get", "GET ", "GE\r\nT", "CONNECT", "TRACE", "G*", &"A".repeat(33)] {
            assert!(Method::new(bad).is_err(), "{bad:?}");
        }
    }
}
