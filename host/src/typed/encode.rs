//! Component values to JSON text.
//!
//! Takes: a signature or shape, component values. Gives: JSON text that decodes to the same values.
//! May name: typed, reason.

use super::decode::Limits;
use super::shape::{Named, Shape, Signature};
use super::write::{Encoded, members};
use serde::ser::{Serialize, Serializer};
use std::io;
use wasmtime::component::Val;

/// Why values could not be written as JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// More text than [`Limits::bytes`].
    #[error("the value takes more than the limit of {limit} bytes of JSON")]
    TooLarge {
        /// Bytes that may be written.
        limit: usize,
    },
    /// The value is not of the shape: it comes from another function or component.
    #[error("the value is not of its declared type: {problem}")]
    Mismatch {
        /// What was expected.
        problem: String,
    },
}

impl Signature {
    /// Writes arguments as an object with one member for each parameter, in the order of the WIT. Equal arguments
    /// give equal text, however their JSON was written.
    ///
    /// # Errors
    /// [`EncodeError`] for too much text, or values of another signature.
    pub fn encode_arguments(&self, arguments: &[Val], limits: &Limits) -> Result<String, EncodeError> {
        struct Arguments<'a>(&'a Named<Shape>, &'a [Val]);
        impl Serialize for Arguments<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                members(serializer, self.0, self.1.len(), self.1.iter().map(|value| (None, value)))
            }
        }
        text(&Arguments(&self.params, arguments), limits)
    }

    /// Writes what the function returned; `null` when it returns nothing.
    ///
    /// # Errors
    /// As [`Self::encode_arguments`].
    pub fn encode_result(&self, results: &[Val], limits: &Limits) -> Result<String, EncodeError> {
        match (&self.result, results) {
            (None, []) => Ok("null".into()),
            (Some(shape), [value]) => shape.encode(value, limits),
            _ => Err(EncodeError::Mismatch { problem: "another number of results".into() }),
        }
    }

    /// Whether the function answered with the `err` of its `result`.
    #[must_use]
    pub fn is_error(&self, results: &[Val]) -> bool {
        matches!(results, [Val::Result(Err(_))])
    }
}

impl Shape {
    /// Writes one value of this type.
    ///
    /// # Errors
    /// As [`Signature::encode_arguments`].
    pub fn encode(&self, value: &Val, limits: &Limits) -> Result<String, EncodeError> {
        text(&Encoded { shape: self, value }, limits)
    }
}

/// Text that grows up to a limit; it is the only cause of an i/o error here.
struct Bounded {
    text: Vec<u8>,
    limit: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.limit.saturating_sub(self.text.len()) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn text(value: &impl Serialize, limits: &Limits) -> Result<String, EncodeError> {
    let mut bounded = Bounded { text: Vec::with_capacity(limits.bytes.min(256)), limit: limits.bytes };
    serde_json::to_writer(&mut bounded, value).map_err(|error| {
        if error.is_io() {
            EncodeError::TooLarge { limit: limits.bytes }
        } else {
            EncodeError::Mismatch { problem: error.to_string() }
        }
    })?;
    String::from_utf8(bounded.text).map_err(|error| EncodeError::Mismatch { problem: error.to_string() })
}
