//! What a call did through its imports: one record for a run of equal calls.
//!
//! Takes: what the gate saw. Gives: [`ImportRecord`]. May name: imports::table.

use super::table::Class;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Whether the gate let a call pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The call had the right and went on to its implementation.
    Allow,
    /// The call had no right and reached nothing.
    Deny,
}

/// A run of equal import calls: same import, same decision for the same reason, same target, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRecord {
    /// The row of the table.
    pub import: &'static super::table::Import,
    /// Whether it passed.
    pub decision: Decision,
    /// What it reached for: `workspace:/a.txt`, `https://api.example.com/orders/1` (never a query string), a key's
    /// bucket; `None` for imports without a target.
    pub target: Option<Arc<str>>,
    /// Of a request that was refused, its method; only when it is one that a grant could name.
    pub method: Option<Arc<str>>,
    /// Why it was refused, in a sentence that is safe to show.
    pub why: Option<Arc<str>>,
    /// How many calls.
    pub count: u64,
    /// Bytes that came to the guest.
    pub bytes_in: u64,
    /// Bytes that the guest gave.
    pub bytes_out: u64,
    /// Fuel charged.
    pub fuel: u64,
    /// When the first of them was, in microseconds after the call began.
    pub first_us: u64,
    /// When the last of them was.
    pub last_us: u64,
}

impl ImportRecord {
    /// The class of the import.
    #[must_use]
    pub fn class(&self) -> Class {
        self.import.class
    }
}
