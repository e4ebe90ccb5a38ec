//! The memory, in a component.
//!
//! Takes: raw bindings. Gives: what `fake::memory` gives in native builds. May name: bindings, memory.

use crate::bindings::strongroom::host::memory as raw;
use crate::memory::{Error, Found};

pub(crate) fn remember(id: Option<&str>, text: &str, tags: Vec<String>) -> Result<String, Error> {
    raw::remember(id, text, &tags).map_err(failed)
}

pub(crate) fn retrieve(query: &str, top_k: u32) -> Result<Vec<Found>, Error> {
    let found = raw::retrieve(query, top_k).map_err(failed)?;
    Ok(found
        .into_iter()
        .map(|f| Found { id: f.id, text: f.text, tags: f.tags, score: f.score, pending: f.pending })
        .collect())
}

pub(crate) fn forget(id: &str) -> Result<bool, Error> {
    raw::forget(id).map_err(failed)
}

fn failed(error: raw::Error) -> Error {
    match error {
        raw::Error::AccessDenied => Error::Denied,
        raw::Error::Invalid(why) => Error::Invalid(why),
        raw::Error::QuotaExceeded(why) => Error::QuotaExceeded(why),
        raw::Error::Other(why) => Error::Store(why),
    }
}
