//! The cache, in a component.
//!
//! Takes: raw bindings. Gives: what `fake::cache` gives in native builds. May name: bindings, cache.

use crate::bindings::strongroom::host::cache as raw;
use crate::cache::Error;

pub(crate) fn cache_get(key: &str) -> Result<Option<Vec<u8>>, Error> {
    raw::get(key).map_err(failed)
}

pub(crate) fn cache_set(key: &str, value: &[u8], ttl_seconds: u32) -> Result<(), Error> {
    raw::set(key, value, ttl_seconds).map_err(failed)
}

pub(crate) fn cache_delete(key: &str) -> Result<(), Error> {
    raw::delete(key).map_err(failed)
}

fn failed(error: raw::Error) -> Error {
    match error {
        raw::Error::AccessDenied => Error::Denied,
        raw::Error::Invalid(why) => Error::Invalid(why),
        raw::Error::TooLarge(why) => Error::TooLarge(why),
    }
}
