//! What is counted by function, found without building a label: the names are bounded, and so is the memory for them.
//!
//! Takes: installed functions. Gives: their counters. May name: id, reason.

use super::meters::OfCalls;
use crate::id::FunctionName;
use crate::reason::{Outcome, Reason};
use parking_lot::RwLock;
use prometheus::{Histogram, IntCounter};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// The most functions that are counted by name, in the order of their first calls; all later ones share [`OTHER`].
pub const MOST_FUNCTIONS: usize = 200;
/// The name under which all functions are counted that have none of their own, also those that are not installed.
pub const OTHER: &str = "_other";

/// The counters of one operation on one function; each is made when it first counts.
pub(crate) struct Cells {
    method: &'static str,
    pub(super) name: Arc<str>,
    calls: Vec<OnceLock<IntCounter>>,
    durations: Vec<OnceLock<Histogram>>,
    pub(super) fuel: OnceLock<IntCounter>,
}

impl Cells {
    fn new(method: &'static str, name: &str) -> Arc<Self> {
        let outcomes = Outcome::ALL.len();
        let mut calls = Vec::new();
        calls.resize_with(Reason::ALL.len() * outcomes, OnceLock::new);
        let mut durations = Vec::new();
        durations.resize_with(outcomes, OnceLock::new);
        Arc::new(Self { method, name: name.into(), calls, durations, fuel: OnceLock::new() })
    }

    /// Counts a call.
    pub(super) fn count(&self, of: &OfCalls, reason: Reason, outcome: Outcome, seconds: f64) {
        let (row, column) = (reason as usize, outcome as usize);
        if let Some(cell) = self.calls.get(row * Outcome::ALL.len() + column) {
            let labels = [self.method, &*self.name, reason.code(), outcome.as_str()];
            cell.get_or_init(|| of.calls.with_label_values(&labels)).inc();
        }
        if let Some(cell) = self.durations.get(column) {
            let labels = [self.method, &*self.name, outcome.as_str()];
            cell.get_or_init(|| of.duration.with_label_values(&labels)).observe(seconds);
        }
    }

    /// Counts what it used.
    pub(super) fn burn(&self, of: &OfCalls, fuel: u64) {
        self.fuel.get_or_init(|| of.fuel.with_label_values(&[&*self.name])).inc_by(fuel);
    }
}

/// All of them.
pub(crate) struct Functions {
    /// For calls of which no installed function is known, by operation.
    nameless: [Arc<Cells>; 3],
    other: Arc<Cells>,
    named: RwLock<HashMap<FunctionName, Arc<Cells>>>,
}

impl Functions {
    pub(super) fn new() -> Self {
        let nameless = [Method::None, Method::Call, Method::List].map(|method| Cells::new(method.name(), ""));
        let other = Cells::new("tools/call", OTHER);
        Self { nameless, other, named: RwLock::default() }
    }

    /// Those of an installed function.
    pub(super) fn of(&self, function: &FunctionName) -> Arc<Cells> {
        if let Some(cells) = self.named.read().get(function) {
            return cells.clone();
        }
        let mut named = self.named.write();
        if named.len() >= MOST_FUNCTIONS && !named.contains_key(function) {
            return self.other.clone();
        }
        named.entry(function.clone()).or_insert_with(|| Cells::new("tools/call", function.as_str())).clone()
    }

    /// Those of a call whose function is not installed.
    pub(super) fn unknown(&self) -> &Arc<Cells> {
        &self.other
    }

    /// Those of an operation without a function.
    pub(super) fn without(&self, method: Method) -> Arc<Cells> {
        let [none, call, list] = &self.nameless;
        match method {
            Method::None => none,
            Method::Call => call,
            Method::List => list,
        }
        .clone()
    }
}

/// An operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    None,
    Call,
    List,
}

impl Method {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Call => "tools/call",
            Self::List => "tools/list",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_bound_share_one() {
        let functions = Functions::new();
        for number in 0..MOST_FUNCTIONS + 800 {
            let name = FunctionName::new(format!("tool.f{number}")).unwrap();
            let cells = functions.of(&name);
            let expected = if number < MOST_FUNCTIONS { name.as_str() } else { OTHER };
            assert_eq!(&*cells.name, expected);
        }
        assert_eq!(functions.named.read().len(), MOST_FUNCTIONS);
        assert_eq!(&*functions.of(&FunctionName::new("tool.f0").unwrap()).name, "tool.f0");
    }
}
