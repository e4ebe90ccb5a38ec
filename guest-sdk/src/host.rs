//! The wrappers' way to the host, in a component.
//!
//! Takes: raw bindings. Gives: what `fake::host` gives in native builds, under the same names. May name: bindings, call, http,
//! kv, config, log.

use crate::bindings::strongroom::host::call;
use crate::bindings::wasi::config::store as settings;
use crate::bindings::wasi::keyvalue::{atomics, store};
use crate::bindings::wasi::logging::logging;
use crate::{call as told, config, kv, log};
use std::time::Duration;

mod ask;
mod cache;
mod http;
mod memory;

pub(crate) use ask::{ask_able, ask_all};
pub(crate) use cache::{cache_delete, cache_get, cache_set};
pub(crate) use call::{actor, deadline, fuel_left, id, idempotency_key, progress, tenant};
pub(crate) use http::send;
pub(crate) use memory::{forget, remember, retrieve};

pub(crate) fn budgets() -> Vec<told::Budget> {
    let budget = |budget: call::Budget| {
        let call::Budget { of, per, actor, tool, limit, left, hard, ends_in } = budget;
        let ends_in = ends_in.map(Duration::from_millis);
        told::Budget { of, per, actor, tool, limit, left, hard, ends_in }
    };
    call::budgets().into_iter().map(budget).collect()
}

pub(crate) fn log(level: log::Level, context: &str, message: &str) {
    let level = match level {
        log::Level::Trace => logging::Level::Trace,
        log::Level::Debug => logging::Level::Debug,
        log::Level::Info => logging::Level::Info,
        log::Level::Warn => logging::Level::Warn,
        log::Level::Error => logging::Level::Error,
        log::Level::Critical => logging::Level::Critical,
    };
    logging::log(level, context, message);
}

pub(crate) fn config_get(key: &str) -> Result<Option<String>, config::Error> {
    settings::get(key).map_err(|error| match error {
        settings::Error::Upstream(why) | settings::Error::Io(why) => config::Error::Unavailable(why),
    })
}

/// A page of keys, and where the next one starts.
type Page = (Vec<String>, Option<u64>);

#[derive(Debug)]
pub(crate) struct Bucket(store::Bucket);

impl Bucket {
    pub(crate) fn open(need: &str) -> Result<Self, kv::Error> {
        store::open(need).map(Self).map_err(failed)
    }

    pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, kv::Error> {
        self.0.get(key).map_err(failed)
    }

    pub(crate) fn set(&self, key: &str, value: &[u8]) -> Result<(), kv::Error> {
        self.0.set(key, value).map_err(failed)
    }

    pub(crate) fn delete(&self, key: &str) -> Result<(), kv::Error> {
        self.0.delete(key).map_err(failed)
    }

    pub(crate) fn exists(&self, key: &str) -> Result<bool, kv::Error> {
        self.0.exists(key).map_err(failed)
    }

    pub(crate) fn list_keys(&self, cursor: Option<u64>) -> Result<Page, kv::Error> {
        self.0.list_keys(cursor).map(|page| (page.keys, page.cursor)).map_err(failed)
    }

    pub(crate) fn increment(&self, key: &str, delta: u64) -> Result<u64, kv::Error> {
        atomics::increment(&self.0, key, delta).map_err(failed)
    }
}

fn failed(error: store::Error) -> kv::Error {
    match error {
        store::Error::AccessDenied => kv::Error::Denied,
        store::Error::NoSuchStore => kv::Error::NoSuchBucket,
        store::Error::Other(why) => kv::Error::Store(why),
    }
}
