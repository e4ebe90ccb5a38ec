//! What the fake host of a thread knows.
//!
//! Takes: nothing. Gives: [`State`], one for each thread. May name: ask, call, http, fake.

use super::cache::Cache;
use super::memory::Memory;
use super::{LogEntry, Progress};
use crate::ask::{Answer, Question};
use crate::call::Budget;
use crate::http::{Error, Request, Response};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;

thread_local! {
    /// The host that the wrappers reach on this thread.
    pub(super) static CURRENT: RefCell<Rc<RefCell<State>>> = RefCell::default();
}

/// Answers a request that has no route of its own.
pub(super) type Handler = Rc<dyn Fn(&Request) -> Result<Response, Error>>;

pub(super) struct State {
    pub(super) tenant: String,
    pub(super) actor: String,
    pub(super) id: String,
    pub(super) idempotency_key: Option<String>,
    pub(super) fuel_left: u64,
    pub(super) deadline_ms: u64,
    pub(super) budgets: Vec<Budget>,
    pub(super) config: BTreeMap<String, String>,
    pub(super) buckets: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    pub(super) read_only: BTreeSet<String>,
    pub(super) memory: Option<Memory>,
    pub(super) cache: Option<Cache>,
    pub(super) answers: BTreeMap<String, Answer>,
    pub(super) questions: Vec<(String, Question)>,
    pub(super) dirs: BTreeMap<String, PathBuf>,
    pub(super) routes: BTreeMap<(&'static str, String), Result<Response, Error>>,
    pub(super) handler: Option<Handler>,
    pub(super) requests: Vec<Request>,
    pub(super) logs: Vec<LogEntry>,
    pub(super) progress: Vec<Progress>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            tenant: "default".to_owned(),
            actor: "test".to_owned(),
            id: "01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
            idempotency_key: None,
            fuel_left: 1_000_000_000,
            deadline_ms: 10_000,
            budgets: Vec::new(),
            config: BTreeMap::new(),
            buckets: BTreeMap::new(),
            read_only: BTreeSet::new(),
            memory: None,
            cache: None,
            answers: BTreeMap::new(),
            questions: Vec::new(),
            dirs: BTreeMap::new(),
            routes: BTreeMap::new(),
            handler: None,
            requests: Vec::new(),
            logs: Vec::new(),
            progress: Vec::new(),
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("tenant", &self.tenant)
            .field("requests", &self.requests)
            .finish_non_exhaustive()
    }
}
