//! The wrappers' way to the host, in native builds.
//!
//! Takes: the state of this thread. Gives: what `host` gives in a component, under the same names. May name: http, kv,
//! config, log, fake.

pub(crate) use super::ask::{ask_able, ask_all};
pub(crate) use super::cache::{cache_delete, cache_get, cache_set};
pub(crate) use super::memory::{forget, remember, retrieve};
use super::state::{CURRENT, State};
use super::{LogEntry, Progress};
use crate::http::{Error, Request, Response};
use crate::{call, config, kv, log};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

/// Keys on a page of [`Bucket::list_keys`]: few, so that tests meet the second page.
const PAGE: usize = 16;

fn state<T>(look: impl FnOnce(&mut State) -> T) -> T {
    let current = CURRENT.with_borrow(Rc::clone);
    look(&mut current.borrow_mut())
}

pub(crate) fn tenant() -> String {
    state(|state| state.tenant.clone())
}

pub(crate) fn actor() -> String {
    state(|state| state.actor.clone())
}

pub(crate) fn id() -> String {
    state(|state| state.id.clone())
}

pub(crate) fn idempotency_key() -> Option<String> {
    state(|state| state.idempotency_key.clone())
}

pub(crate) fn fuel_left() -> u64 {
    state(|state| state.fuel_left)
}

pub(crate) fn budgets() -> Vec<call::Budget> {
    state(|state| state.budgets.clone())
}

pub(crate) fn deadline() -> u64 {
    state(|state| state.deadline_ms)
}

pub(crate) fn progress(done: u64, total: Option<u64>, message: &str) {
    state(|state| state.progress.push(Progress { done, total, message: message.to_owned() }));
}

pub(crate) fn log(level: log::Level, context: &str, message: &str) {
    let entry = LogEntry { level, context: context.to_owned(), message: message.to_owned() };
    state(|state| state.logs.push(entry));
}

#[expect(clippy::unnecessary_wraps, reason = "a real host can fail")]
pub(crate) fn config_get(key: &str) -> Result<Option<String>, config::Error> {
    Ok(state(|state| state.config.get(key).cloned()))
}

/// A need that is not granted gets a place where nothing is and nothing can be made.
pub(crate) fn dir(need: &str) -> PathBuf {
    state(|state| state.dirs.get(need).cloned())
        .unwrap_or_else(|| PathBuf::from("/dev/null/not-granted").join(need))
}

pub(crate) fn send(request: Request) -> Result<Response, Error> {
    let (outcome, handler) = state(|state| {
        state.requests.push(request.clone());
        let route = (request.method.as_str(), request.url.clone());
        (state.routes.get(&route).cloned(), state.handler.clone())
    });
    // The handler runs with the state free, so that it may look at configuration or log.
    let response =
        outcome.or_else(|| handler.map(|answer| answer(&request))).unwrap_or(Err(Error::Denied))?;
    if response.body.len() > request.max_body { Err(Error::TooLarge(request.max_body)) } else { Ok(response) }
}

/// A page of keys, and where the next one starts.
type Page = (Vec<String>, Option<u64>);

#[derive(Debug)]
pub(crate) struct Bucket {
    need: String,
}

impl Bucket {
    pub(crate) fn open(need: &str) -> Result<Self, kv::Error> {
        let bucket = Self { need: need.to_owned() };
        bucket.read(|_| bucket.need.clone()).map(|need| Self { need })
    }

    fn read<T>(&self, look: impl FnOnce(&BTreeMap<String, Vec<u8>>) -> T) -> Result<T, kv::Error> {
        state(|state| state.buckets.get(&self.need).map(look)).ok_or(kv::Error::Denied)
    }

    fn write<T>(&self, change: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> T) -> Result<T, kv::Error> {
        state(|state| {
            if state.read_only.contains(&self.need) {
                return Err(kv::Error::Denied);
            }
            state.buckets.get_mut(&self.need).map(change).ok_or(kv::Error::Denied)
        })
    }

    pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, kv::Error> {
        self.read(|values| values.get(key).cloned())
    }

    pub(crate) fn set(&self, key: &str, value: &[u8]) -> Result<(), kv::Error> {
        self.write(|values| drop(values.insert(key.to_owned(), value.to_vec())))
    }

    pub(crate) fn delete(&self, key: &str) -> Result<(), kv::Error> {
        self.write(|values| drop(values.remove(key)))
    }

    pub(crate) fn exists(&self, key: &str) -> Result<bool, kv::Error> {
        self.read(|values| values.contains_key(key))
    }

    pub(crate) fn list_keys(&self, cursor: Option<u64>) -> Result<Page, kv::Error> {
        let start = usize::try_from(cursor.unwrap_or(0)).unwrap_or(usize::MAX);
        self.read(|values| {
            let keys: Vec<String> = values.keys().skip(start).take(PAGE).cloned().collect();
            let next = start.saturating_add(keys.len());
            (keys, (next < values.len()).then_some(next as u64))
        })
    }

    pub(crate) fn increment(&self, key: &str, delta: u64) -> Result<u64, kv::Error> {
        self.write(|values| {
            let old = match values.get(key) {
                None => Some(0),
                Some(bytes) => std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()),
            };
            let sum: Option<u64> = old.and_then(|old: u64| old.checked_add(delta));
            let sum = sum.ok_or_else(|| kv::Error::Store("not a number, or past its end".to_owned()))?;
            values.insert(key.to_owned(), sum.to_string().into_bytes());
            Ok(sum)
        })?
    }
}

#[cfg(test)]
mod tests {
    use crate::fake::Host;
    use crate::http::{self, Method, Response};
    use crate::{call, config, kv};

    #[test]
    fn nothing_is_reachable_without_a_grant() {
        let _host = Host::new();
        assert_eq!(http::get("http://orders/").send().unwrap_err(), http::Error::Denied);
        assert_eq!(kv::open("cart").unwrap_err(), kv::Error::Denied);
        assert_eq!(config::get("currency").unwrap(), None);
        assert_eq!(config::require("currency").unwrap_err(), config::Error::Missing("currency".to_owned()));
    }

    #[test]
    fn a_dropped_host_takes_its_grants_along() {
        drop(Host::new().tenant("acme").bucket("cart"));
        assert_eq!(call::tenant(), "default");
        assert!(kv::open("cart").is_err());
    }

    #[test]
    fn a_newer_host_outlives_the_drop_of_an_older_one() {
        let old = Host::new().tenant("acme");
        let _new = Host::new().tenant("globex");
        drop(old);
        assert_eq!(call::tenant(), "globex");
    }

    #[test]
    fn lists_go_over_pages_and_are_sorted() {
        let _host = Host::new().bucket("cart");
        let cart = kv::open("cart").unwrap();
        for n in (0..40).rev() {
            cart.set(&format!("{n:02}"), b"x").unwrap();
        }
        let keys = cart.list().unwrap();
        assert_eq!((keys.len(), keys.first().unwrap().as_str(), keys.is_sorted()), (40, "00", true));
    }

    #[test]
    fn a_read_only_bucket_refuses_every_write() {
        let _host = Host::new().stored("cart", "n", "41").read_only("cart");
        let cart = kv::open("cart").unwrap();
        assert_eq!(cart.get("n").unwrap().unwrap(), b"41");
        assert_eq!(cart.set("n", b"").unwrap_err(), kv::Error::Denied);
        assert_eq!(cart.delete("n").unwrap_err(), kv::Error::Denied);
        assert_eq!(cart.increment("n", 1).unwrap_err(), kv::Error::Denied);
    }

    #[test]
    fn increments_add_up_and_refuse_what_is_no_number() {
        let _host = Host::new().stored("cart", "n", "41").stored("cart", "text", "tea");
        let cart = kv::open("cart").unwrap();
        assert_eq!(cart.increment("n", 1).unwrap(), 42);
        assert!(matches!(cart.increment("text", 1), Err(kv::Error::Store(_))));
        assert!(matches!(cart.increment("n", u64::MAX), Err(kv::Error::Store(_))));
    }

    #[test]
    fn a_longer_body_than_asked_for_is_refused() {
        let _host = Host::new().route(Method::Get, "http://page/", Response::new(200, "0123456789"));
        assert_eq!(http::get("http://page/").max_body(9).send().unwrap_err(), http::Error::TooLarge(9));
        assert!(http::get("http://page/").max_body(10).send().is_ok());
    }

    #[test]
    fn a_handler_answers_what_no_route_answers() {
        let host = Host::new().handler(|request| Ok(Response::new(200, request.url.clone())));
        assert_eq!(http::post("http://a/b").body("x").send().unwrap().body, b"http://a/b");
        assert_eq!(host.requests()[0].body, b"x");
    }
}
