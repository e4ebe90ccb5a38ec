//! A host for unit tests: what a tool may reach, and what it did.
//!
//! Takes: the grants that a test gives. Gives: [`Host`]. May name: ask, call, http, kv, config, log.
//!
//! It exists in native builds only, where the wrappers run on it instead of a real host. It belongs to the thread that
//! made it (each test has its own) and lasts until it is dropped. As on a real host, nothing is reachable that was not
//! granted: without a [`Host`], requests and buckets are denied.
//!
//! ```
//! use strongroom_sdk::fake;
//! use strongroom_sdk::http::{self, Method, Response};
//!
//! let host = fake::Host::new().tenant("acme").route(Method::Get, "http://orders/orders", Response::new(200, "[]"));
//! assert_eq!(http::get("http://orders/orders").send()?.body, b"[]");
//! assert_eq!(http::get("http://other/").send().unwrap_err(), http::Error::Denied);
//! assert_eq!(host.requests().len(), 2);
//! # Ok::<(), http::Error>(())
//! ```

mod ask;
mod cache;
pub(crate) mod host;
mod memory;
mod state;

use crate::ask::{Answer, Question};
use crate::call::Budget;
use crate::http::{Error, Method, Request, Response};
use crate::log::Level;
use state::{CURRENT, State};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

/// A message that the tool logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// How much it matters.
    pub level: Level,
    /// The group it belongs to; empty for none.
    pub context: String,
    /// The text.
    pub message: String,
}

/// A report of progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// How much is done.
    pub done: u64,
    /// How much there is to do, if it is known.
    pub total: Option<u64>,
    /// For people.
    pub message: String,
}

/// The fake host of this thread.
#[derive(Debug)]
#[must_use = "the fake host is gone as soon as it is dropped: bind it to a name such as `_host`"]
pub struct Host(Rc<RefCell<State>>);

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    /// A host that grants nothing, in place of the one before on this thread: tenant `default`, actor `test`, no idempotency
    /// key, 1,000,000,000 units of fuel, 10 seconds to the deadline.
    pub fn new() -> Self {
        let state = Rc::new(RefCell::new(State::default()));
        CURRENT.set(Rc::clone(&state));
        Self(state)
    }

    fn with(self, change: impl FnOnce(&mut State)) -> Self {
        change(&mut self.0.borrow_mut());
        self
    }

    /// Sets the tenant.
    pub fn tenant(self, name: &str) -> Self {
        self.with(|state| state.tenant = name.to_owned())
    }

    /// Sets the actor.
    pub fn actor(self, name: &str) -> Self {
        self.with(|state| state.actor = name.to_owned())
    }

    /// Sets the call's identifier.
    pub fn call_id(self, id: &str) -> Self {
        self.with(|state| state.id = id.to_owned())
    }

    /// Sets the idempotency key.
    pub fn idempotency_key(self, key: &str) -> Self {
        self.with(|state| state.idempotency_key = Some(key.to_owned()))
    }

    /// Sets the fuel that is left, in units.
    pub fn fuel_left(self, units: u64) -> Self {
        self.with(|state| state.fuel_left = units)
    }

    /// Adds a budget that the call counts for.
    pub fn budget(self, budget: Budget) -> Self {
        self.with(|state| state.budgets.push(budget))
    }

    /// Sets the time until the deadline, in milliseconds.
    pub fn deadline_ms(self, ms: u64) -> Self {
        self.with(|state| state.deadline_ms = ms)
    }

    /// Sets the value of a configuration key.
    pub fn config(self, key: &str, value: &str) -> Self {
        self.with(|state| drop(state.config.insert(key.to_owned(), value.to_owned())))
    }

    /// Grants a directory of the machine, such as a temporary one.
    pub fn dir(self, need: &str, path: impl AsRef<Path>) -> Self {
        self.with(|state| drop(state.dirs.insert(need.to_owned(), path.as_ref().to_path_buf())))
    }

    /// Grants an empty bucket for reading and writing.
    pub fn bucket(self, need: &str) -> Self {
        self.with(|state| drop(state.buckets.insert(need.to_owned(), BTreeMap::new())))
    }

    /// Grants a bucket, if it is not granted yet, and puts a value into it.
    pub fn stored(self, need: &str, key: &str, value: impl Into<Vec<u8>>) -> Self {
        self.with(|state| {
            drop(state.buckets.entry(need.to_owned()).or_default().insert(key.to_owned(), value.into()))
        })
    }

    /// From now on a bucket can only be read.
    pub fn read_only(self, need: &str) -> Self {
        self.with(|state| state.read_only.extend([need.to_owned()]))
    }

    /// Grants an empty memory for reading and writing.
    pub fn memory(self) -> Self {
        self.with(|state| state.memory = Some(memory::Memory::default()))
    }

    /// Grants the memory, if it is not granted yet, and puts an entry into it.
    pub fn remembered(self, id: &str, text: &str) -> Self {
        self.with(|state| {
            let memory = state.memory.get_or_insert_default();
            drop(memory.entries.insert(id.to_owned(), (text.to_owned(), Vec::new())));
        })
    }

    /// Grants the memory, if it is not granted yet, and from now on it can only be read.
    pub fn memory_read_only(self) -> Self {
        self.with(|state| state.memory.get_or_insert_default().read_only = true)
    }

    /// Grants an empty cache.
    pub fn cache(self) -> Self {
        self.with(|state| state.cache = Some(cache::Cache::default()))
    }

    /// Grants asking the caller, and says what it answers under this key.
    pub fn answer(self, key: &str, answer: Answer) -> Self {
        self.with(|state| drop(state.answers.insert(key.to_owned(), answer)))
    }

    /// Lets time pass for the cache. Without this, nothing in it expires.
    pub fn pass_seconds(&self, seconds: u64) {
        if let Some(cache) = &mut self.0.borrow_mut().cache {
            cache.now = cache.now.saturating_add(seconds);
        }
    }

    /// Answers each request with this method and exactly this URL. The newest answer for the same pair counts.
    pub fn route(self, method: Method, url: &str, response: Response) -> Self {
        self.outcome(method, url, Ok(response))
    }

    /// Fails each request with this method and exactly this URL.
    pub fn failure(self, method: Method, url: &str, error: Error) -> Self {
        self.outcome(method, url, Err(error))
    }

    fn outcome(self, method: Method, url: &str, outcome: Result<Response, Error>) -> Self {
        self.with(|state| drop(state.routes.insert((method.as_str(), url.to_owned()), outcome)))
    }

    /// Answers the requests that no route answers. The closure must not make requests itself.
    pub fn handler(self, answer: impl Fn(&Request) -> Result<Response, Error> + 'static) -> Self {
        self.with(|state| state.handler = Some(Rc::new(answer)))
    }

    /// The requests so far, also those that were denied.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.0.borrow().requests.clone()
    }

    /// The questions to the caller so far, with their keys, also those without an answer.
    #[must_use]
    pub fn questions(&self) -> Vec<(String, Question)> {
        self.0.borrow().questions.clone()
    }

    /// The messages so far.
    #[must_use]
    pub fn logs(&self) -> Vec<LogEntry> {
        self.0.borrow().logs.clone()
    }

    /// The reports of progress so far.
    #[must_use]
    pub fn progress(&self) -> Vec<Progress> {
        self.0.borrow().progress.clone()
    }

    /// What a bucket holds under a key.
    #[must_use]
    pub fn value(&self, need: &str, key: &str) -> Option<Vec<u8>> {
        self.0.borrow().buckets.get(need)?.get(key).cloned()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let current = CURRENT.with_borrow(|current| Rc::ptr_eq(current, &self.0));
        if current {
            CURRENT.set(Rc::default());
        }
    }
}
