//! Asking a call's caller: by whom and how it can be asked, what a call has asked, and how long it waited.
//!
//! Takes: how the caller can be asked. Gives: [`Asking`], and the call's `Talk`. May name: config, id, powers.
//!
//! Questions and answers are JSON as the Model Context Protocol has it; see `question`.

use super::question::{Answer, Question};
use crate::config::AskKind;
use crate::id::Digest;
use crate::powers::{BoxFuture, Clock};
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The longest that a call waits for its caller, in all.
pub const WAIT: Duration = Duration::from_secs(300);
/// The most questions of one call.
pub const MOST: usize = 16;
/// The longest answer, in bytes of its JSON text.
pub const ANSWER: usize = 64 * 1024;

/// Someone who can be asked while the call waits.
pub trait Asks: Send + Sync + fmt::Debug {
    /// Asks all of these, each a request of the protocol, and gives their results in the same order.
    fn ask(&self, requests: Vec<Value>) -> BoxFuture<'_, Result<Vec<Value>, Unanswered>>;
}

/// Why somebody gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// Too many calls wait for an answer already.
    Busy,
    /// The client answered with an error, or is gone.
    Failed(String),
}

/// Whether a call's caller can be asked, and how.
#[derive(Debug, Clone)]
pub struct Asking {
    /// What it can be asked for.
    pub able: BTreeSet<AskKind>,
    /// Says why a request cannot be put into the words of its protocol, if so.
    pub fits: fn(&Value) -> Result<(), String>,
    /// How.
    pub way: AskWay,
}

impl Default for Asking {
    fn default() -> Self {
        Self { able: BTreeSet::new(), fits: |_| Ok(()), way: AskWay::None }
    }
}

/// How a caller is asked.
#[derive(Debug, Clone, Default)]
pub enum AskWay {
    /// There is no way.
    #[default]
    None,
    /// The call waits for the answer.
    Waiting(Arc<dyn Asks>),
    /// The call ends at its first question without an answer, and runs again with what was answered.
    Rounds(BTreeMap<String, Given>),
}

impl Asking {
    /// Whether the call may wait for its caller.
    #[must_use]
    pub(crate) fn waits(&self) -> bool {
        matches!(self.way, AskWay::Waiting(_))
    }
}

/// An answer of an earlier round.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// The question that it answers; `None` when the caller answered before it was asked.
    pub question: Option<Digest>,
    /// The protocol's result.
    pub answer: Value,
}

/// A question without an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// Its key in the call.
    pub key: String,
    /// The digest of what is asked.
    pub question: Digest,
    /// The protocol's request.
    pub request: Value,
}

/// What a call has asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asked {
    /// The questions without an answer, with `input_required`.
    pub pending: Vec<Pending>,
    /// What its caller could not be asked for.
    pub unable: Option<AskKind>,
    /// Whether what the caller said, or can be asked for, counted at all.
    pub(crate) spoke: bool,
}

/// How long a call has waited for its caller.
#[derive(Debug)]
pub(crate) struct Waited {
    clock: Arc<dyn Clock>,
    time: Mutex<(Duration, Option<Instant>)>,
}

impl Waited {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock, time: Mutex::new((Duration::ZERO, None)) })
    }

    /// All of it, with the wait that goes on at the moment.
    pub(crate) fn total(&self) -> Duration {
        let (past, since) = *self.time.lock();
        let now = since.map(|since| self.clock.monotonic().saturating_duration_since(since));
        past.saturating_add(now.unwrap_or_default())
    }

    /// Counts the time until what is given is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Wait {
        self.time.lock().1 = Some(self.clock.monotonic());
        Wait(self.clone())
    }
}

/// A wait that goes on.
pub(crate) struct Wait(Arc<Waited>);

impl Drop for Wait {
    fn drop(&mut self) {
        let total = self.0.total();
        *self.0.time.lock() = (total, None);
    }
}

/// What one call asks its caller. It ends with the call.
#[derive(Debug)]
pub(crate) struct Talk {
    pub(super) asking: Asking,
    pub(super) waited: Arc<Waited>,
    /// What was asked under each key, and what was answered.
    pub(super) known: HashMap<String, (Digest, Option<Answer>)>,
    pub(super) asked: Asked,
}

impl Talk {
    pub(crate) fn new(asking: Asking, waited: Arc<Waited>) -> Self {
        Self { asking, waited, known: HashMap::new(), asked: Asked::default() }
    }

    /// What the caller could not be asked for.
    pub(crate) fn unable(&self) -> Option<AskKind> {
        self.asked.unable
    }

    pub(crate) fn end(self) -> Asked {
        self.asked
    }

    /// The answer of an earlier round to this question, if it fits.
    pub(super) fn given(&self, key: &str, question: &Question, digest: Digest) -> Option<Answer> {
        let AskWay::Rounds(given) = &self.asking.way else { return None };
        let given = given.get(key).filter(|given| given.question.is_none_or(|of| of == digest))?;
        question.read(&given.answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::powers::SystemClock;

    #[test]
    fn only_waiting_counts() {
        let waited = Waited::new(Arc::new(SystemClock));
        assert_eq!(waited.total(), Duration::ZERO);
        let wait = waited.begin();
        std::thread::sleep(Duration::from_millis(2));
        assert!(waited.total() >= Duration::from_millis(2));
        drop(wait);
        let total = waited.total();
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(waited.total(), total);
    }
}
