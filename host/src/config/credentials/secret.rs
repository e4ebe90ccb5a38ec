//! A text that must not be seen.
//!
//! Takes: the text. Gives: [`Secret`]. May name: nothing.

use std::fmt;
use zeroize::Zeroizing;

/// A text that must not be seen. It prints nothing of itself, is wiped when dropped, and cannot be cloned.
#[derive(PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps the text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for the one request that carries it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
