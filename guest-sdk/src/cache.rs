//! The tool's cache: values that it keeps for a while to save work, and can do without at any moment.
//!
//! Takes: the host's `strongroom:host/cache`. Gives: [`get`], [`set`], [`delete`]. May name: host.
//!
//! Each tool has one for each tenant; no other tool and no other tenant can reach it. A tool asks for it in its manifest
//! (`[needs.cache]`); functions that are declared to read may set values too. A value may be gone before its time, and it is no
//! part of the call's transaction: it stays when the call fails. So cache only what can be asked for again.
//!
//! ```
//! use strongroom_sdk::{cache, fake};
//!
//! fn rate(currency: &str) -> Result<Vec<u8>, cache::Error> {
//!     if let Some(known) = cache::get(currency)? {
//!         return Ok(known);
//!     }
//!     let rate = b"1.08".to_vec(); // what takes long
//!     cache::set(currency, &rate, 600)?;
//!     Ok(rate)
//! }
//!
//! let host = fake::Host::new().cache();
//! assert_eq!(rate("EUR")?, b"1.08");
//! assert!(cache::get("EUR")?.is_some());
//! host.pass_seconds(600);
//! assert!(cache::get("EUR")?.is_none());
//! # Ok::<(), cache::Error>(())
//! ```

use crate::host;
use std::fmt;

/// Why an operation on the cache failed. That the cache is empty, full or unusable is none of it: then nothing is found, and
/// what is set is forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The manifest does not ask for the cache, or the tenant did not grant it.
    Denied,
    /// The key or the time to live is out of its bounds; the message is the host's.
    Invalid(String),
    /// The value is larger than any value, or than all that the tool may cache; the message is the host's.
    TooLarge(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied => f.write_str("the tenant did not grant a cache"),
            Self::Invalid(why) | Self::TooLarge(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Error {}

/// The value of a key (1 to 1,024 bytes), if it was set, has not expired and was not removed.
///
/// # Errors
/// [`Error::Denied`], [`Error::Invalid`].
pub fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
    host::cache_get(key)
}

/// Sets the value of a key for 1 to 604,800 seconds (seven days). A value has at most 262,144 bytes. It counts at once, for
/// other calls too.
///
/// # Errors
/// [`Error::Denied`], [`Error::Invalid`], [`Error::TooLarge`]; then the value before stays.
pub fn set(key: &str, value: &[u8], ttl_seconds: u32) -> Result<(), Error> {
    host::cache_set(key, value, ttl_seconds)
}

/// Removes the value of a key, if there is one.
///
/// # Errors
/// [`Error::Denied`], [`Error::Invalid`].
pub fn delete(key: &str) -> Result<(), Error> {
    host::cache_delete(key)
}
