//! The tenant's key-value store: values that last from call to call.
//!
//! Takes: the host's `wasi:keyvalue`. Gives: [`open`], [`Bucket`]. May name: host.
//!
//! A bucket is opened by the name of a need in the manifest (`[needs.keyvalue.<name>] mode = "rw"`); the tenant's grant
//! binds it to a real one, which other tenants can never see. Writes of a call are kept aside and committed
//! together when it succeeds; the call itself reads its own writes. [`Bucket::increment`] is the exception: it takes effect at
//! once.
//!
//! ```
//! use strongroom_sdk::{fake, kv};
//!
//! let _host = fake::Host::new().bucket("cart");
//! let cart = kv::open("cart")?;
//! cart.set_json("918", &vec!["tea", "cup"])?;
//! assert_eq!(cart.get_json::<Vec<String>>("918")?, Some(vec!["tea".to_owned(), "cup".to_owned()]));
//! assert_eq!(cart.increment("opened", 1)?, 1);
//! assert_eq!(kv::open("other").unwrap_err(), kv::Error::Denied);
//! # Ok::<(), kv::Error>(())
//! ```

use crate::host;
use serde::{Serialize, de::DeserializeOwned};
use std::fmt;

/// Why an operation on a bucket failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The manifest does not name the bucket, the tenant did not grant it, or granted it for reading only.
    Denied,
    /// The host has no such bucket.
    NoSuchBucket,
    /// The stored bytes are not the JSON that was asked for, or a value could not be written as JSON.
    Json(String),
    /// The store failed; the message is the host's.
    Store(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied => f.write_str("the tenant did not grant this use of the bucket"),
            Self::NoSuchBucket => f.write_str("there is no such bucket"),
            Self::Json(why) => write!(f, "stored value: {why}"),
            Self::Store(why) => write!(f, "the store failed: {why}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error.to_string())
    }
}

/// An open bucket.
#[derive(Debug)]
pub struct Bucket(host::Bucket);

/// Opens a bucket by the name of its need.
///
/// # Errors
/// [`Error::Denied`], [`Error::NoSuchBucket`], [`Error::Store`].
pub fn open(need: &str) -> Result<Bucket, Error> {
    host::Bucket::open(need).map(Bucket)
}

impl Bucket {
    /// The bytes stored under a key.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Store`].
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.0.get(key)
    }

    /// Stores bytes under a key, in place of what was there.
    ///
    /// # Errors
    /// [`Error::Denied`] also for a bucket granted for reading only, [`Error::Store`].
    pub fn set(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        self.0.set(key, value)
    }

    /// Removes a key; a missing one is no error.
    ///
    /// # Errors
    /// [`Error::Denied`] also for a bucket granted for reading only, [`Error::Store`].
    pub fn delete(&self, key: &str) -> Result<(), Error> {
        self.0.delete(key)
    }

    /// Whether a key exists.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Store`].
    pub fn exists(&self, key: &str) -> Result<bool, Error> {
        self.0.exists(key)
    }

    /// All keys, sorted. Every page is fetched: on a large bucket this is dear.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Store`].
    pub fn list(&self) -> Result<Vec<String>, Error> {
        let mut keys = Vec::new();
        let mut cursor = None;
        loop {
            let (page, next) = self.0.list_keys(cursor)?;
            keys.extend(page);
            match next {
                // A page that leads back to itself would never end.
                Some(_) if next == cursor => {
                    return Err(Error::Store("the list of keys does not end".to_owned()));
                }
                Some(_) => cursor = next,
                None => break,
            }
        }
        keys.sort_unstable();
        Ok(keys)
    }

    /// Adds to the number under a key and gives the sum; a missing key counts as 0. Atomic, and in effect at once, even
    /// when the call fails later.
    ///
    /// # Errors
    /// [`Error::Denied`] also for a bucket granted for reading only, [`Error::Store`] when the value is no number.
    pub fn increment(&self, key: &str, delta: u64) -> Result<u64, Error> {
        self.0.increment(key, delta)
    }

    /// The value stored under a key as JSON.
    ///
    /// # Errors
    /// As [`Bucket::get`], and [`Error::Json`].
    pub fn get_json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        self.get(key)?.map(|bytes| serde_json::from_slice(&bytes)).transpose().map_err(Error::from)
    }

    /// Stores a value as JSON.
    ///
    /// # Errors
    /// As [`Bucket::set`], and [`Error::Json`].
    pub fn set_json<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<(), Error> {
        self.set(key, &serde_json::to_vec(value)?)
    }
}
