//! The tenant's memory: texts that tools keep, found again by the words in them.
//!
//! Takes: the host's `strongroom:host/memory`. Gives: [`remember`], [`retrieve`], [`forget`]. May name: host.
//!
//! There is one memory for each tenant, shared by all tools to which the tenant granted it and by nobody else. A tool asks for it in
//! its manifest (`[needs.memory] mode = "rw"`). What a call remembers and forgets is kept aside and committed when it
//! succeeds, together with its writes to key-value buckets; the call itself sees it at once.
//!
//! ```
//! use strongroom_sdk::{fake, memory};
//!
//! let _host = fake::Host::new().memory();
//! memory::remember(Some("918"), "Order 918 goes to the back door", &["orders"])?;
//! let note = memory::remember(None, "The customer prefers tea", &[])?;
//! assert_eq!(memory::retrieve("which door for order 918?", 1)?[0].id, "918");
//! assert!(memory::forget(&note)?);
//! assert!(memory::retrieve("tea", 10)?.is_empty());
//! # Ok::<(), memory::Error>(())
//! ```

use crate::host;
use std::fmt;

/// Why an operation on the memory failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The manifest does not ask for the memory, the tenant did not grant it, or granted it for reading only.
    Denied,
    /// An argument is empty or longer than its limit; the message is the host's.
    Invalid(String),
    /// The tenant's quota, or the limit of what one call may write, is reached; the message is the host's.
    QuotaExceeded(String),
    /// The store failed; the message is the host's.
    Store(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied => f.write_str("the tenant did not grant this use of its memory"),
            Self::Invalid(why) => f.write_str(why),
            Self::QuotaExceeded(why) => write!(f, "quota exceeded: {why}"),
            Self::Store(why) => write!(f, "the store failed: {why}"),
        }
    }
}

impl std::error::Error for Error {}

/// An entry that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Its identifier.
    pub id: String,
    /// Its text.
    pub text: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// How well it fits, more is better: the BM25 weight of a committed entry, the number of the query's words in a pending
    /// one. The two are not comparable.
    pub score: f64,
    /// Whether this very call remembered it, so that it is not committed yet.
    pub pending: bool,
}

/// Keeps a text and gives the identifier of its entry. With an `id` (1 to 128 bytes), an entry of that identifier is replaced;
/// without one, the host makes one. A text has 1 to 65,536 bytes; there are at most 16 tags of 1 to 64 bytes.
///
/// # Errors
/// [`Error::Denied`] also when it is granted for reading only, [`Error::Invalid`], [`Error::QuotaExceeded`],
/// [`Error::Store`].
pub fn remember(id: Option<&str>, text: &str, tags: &[&str]) -> Result<String, Error> {
    host::remember(id, text, tags.iter().map(|tag| (*tag).to_owned()).collect())
}

/// The entries that fit a query of plain words (at most 4,096 bytes) best: at most `top_k`, and never more than 100. Each
/// holds at least one of the words. This call's own entries come first.
///
/// # Errors
/// [`Error::Denied`], [`Error::Invalid`], [`Error::Store`].
pub fn retrieve(query: &str, top_k: u32) -> Result<Vec<Found>, Error> {
    host::retrieve(query, top_k)
}

/// Removes an entry; says whether there was one.
///
/// # Errors
/// [`Error::Denied`] also when it is granted for reading only, [`Error::Invalid`], [`Error::QuotaExceeded`] when the call
/// has written too much, [`Error::Store`].
pub fn forget(id: &str) -> Result<bool, Error> {
    host::forget(id)
}
