//! Values that the tenant's operator set for this tool.
//!
//! Takes: the host's `wasi:config/store`. Gives: [`get`], [`require`]. May name: host.
//!
//! A key is readable when the manifest lists it (`[needs.config] keys = […]`) and the tenant set it; any other key reads
//! as `None`, so that a tool cannot find out which keys exist.
//!
//! ```
//! use strongroom_sdk::{config, fake};
//!
//! let _host = fake::Host::new().config("currency", "EUR");
//! assert_eq!(config::get("currency")?, Some("EUR".to_owned()));
//! assert_eq!(config::get("secret")?, None);
//! # Ok::<(), config::Error>(())
//! ```

use crate::host;
use std::fmt;

/// Why a value could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// [`require`] only: the manifest does not list the key, or the tenant set no value.
    Missing(String),
    /// The host could not read its configuration.
    Unavailable(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(key) => write!(f, "no value for the configuration key {key:?}"),
            Self::Unavailable(why) => write!(f, "configuration is unavailable: {why}"),
        }
    }
}

impl std::error::Error for Error {}

/// The value of a key, if there is one.
///
/// # Errors
/// [`Error::Unavailable`].
pub fn get(key: &str) -> Result<Option<String>, Error> {
    host::config_get(key)
}

/// The value of a key that the tool cannot do without.
///
/// # Errors
/// [`Error::Missing`], [`Error::Unavailable`].
pub fn require(key: &str) -> Result<String, Error> {
    get(key)?.ok_or_else(|| Error::Missing(key.to_owned()))
}
