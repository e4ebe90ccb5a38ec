//! What one reading of JSON shares: the limits, and what went wrong where.
//!
//! Takes: limits. Gives: errors with their place. May name: typed.

use super::decode::{DecodeError, Limits};
use serde::de::Error;
use std::cell::{Cell, RefCell};
use std::fmt;

/// What one reading shares: what may still be read, and what went wrong where.
pub(super) struct Context {
    limits: Limits,
    values: Cell<usize>,
    bytes: Cell<usize>,
    problem: RefCell<Option<String>>,
    /// The steps to the place of the problem, innermost first, filled in on the way out.
    place: RefCell<Vec<String>>,
}

impl Context {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limits: *limits,
            values: Cell::new(limits.values),
            bytes: Cell::new(limits.bytes),
            problem: RefCell::default(),
            place: RefCell::default(),
        }
    }

    /// Takes `count` values off what may still be read.
    pub(super) fn charge<E: Error>(&self, count: usize) -> Result<(), E> {
        match self.values.get().checked_sub(count) {
            Some(left) => {
                self.values.set(left);
                Ok(())
            }
            None => Err(self.fail(format!("more than the limit of {} values", self.limits.values))),
        }
    }

    /// Takes a text off what may still be read; text from a parsed value was not measured as a whole.
    pub(super) fn charge_text<E: Error>(&self, text: &str) -> Result<(), E> {
        match self.bytes.get().checked_sub(text.len()) {
            Some(left) => {
                self.bytes.set(left);
                Ok(())
            }
            None => Err(self.fail(format!("more than the limit of {} bytes of text", self.limits.bytes))),
        }
    }

    /// Notes the problem; the error that serde carries is only a sign that there is one.
    #[cold]
    pub(super) fn fail<E: Error>(&self, problem: String) -> E {
        self.problem.replace(Some(problem));
        E::custom("")
    }

    /// Names the step that led to an error.
    pub(super) fn at<T, E>(&self, step: impl fmt::Display, result: Result<T, E>) -> Result<T, E> {
        if result.is_err() {
            self.place.borrow_mut().push(step.to_string());
        }
        result
    }

    #[cold]
    pub(super) fn explain(&self, error: &serde_json::Error) -> DecodeError {
        let problem = match self.problem.take() {
            Some(problem) => problem,
            None if error.is_data() => expectation(&error.to_string()),
            None => return DecodeError::Syntax { problem: error.to_string() },
        };
        let place = self.place.take().iter().rev().map(|step| format!("/{step}")).collect();
        DecodeError::Value { place, problem }
    }

    #[cold]
    pub(super) fn twice<E: Error>(&self, name: &str) -> E {
        self.fail(format!("`{name}` stands here twice"))
    }
}

/// Serde's own words for a wrong type, without the value that it would repeat.
fn expectation(message: &str) -> String {
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    message
        .rsplit_once(", expected ")
        .map_or_else(|| message.to_owned(), |(_, wanted)| format!("expected {wanted}"))
}
