//! Alerts: a budget's use has crossed 50, 80 or 100 % of its limit.
//!
//! Takes: what was spent. Gives: [`Crossing`]s, each once a window. May name: id.

use super::budget::{Budget, Count};
use serde::Serialize;
use std::fmt;

/// The parts of a limit that are told of, in percent.
pub const PARTS: [u8; 3] = [50, 80, 100];

/// A part of a limit that was reached, as one process has seen it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Crossing {
    pub(super) count: Count,
    pub(super) start: u64,
    pub(super) limit: u64,
    /// In percent, one of [`PARTS`].
    pub(super) part: u8,
    /// What all processes together had spent, as far as this one knew.
    pub(super) spent: u64,
}

/// A budget whose use has reached a part of its limit. Told once for each part in each window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// Its number on this ledger; later ones have higher numbers.
    pub id: u64,
    /// Whose budget.
    pub tenant: crate::id::TenantId,
    /// What it counts: `calls`, `fuel`, `egress`, `stored`, `spend`.
    pub of: super::Of,
    /// Its window.
    pub per: super::Per,
    /// Whose calls it counts, as `actor=kim tool=orders`; empty for all of the tenant's.
    pub who: String,
    /// The part of the limit that was reached, in percent: 50, 80 or 100.
    pub percent: u8,
    /// The limit, in the budget's units.
    pub limit: u64,
    /// What was used of it.
    pub spent: u64,
    /// When the window began, in milliseconds since 1970; 0 for a run and for a total.
    pub window_start_ms: u64,
    /// When it was reached, in milliseconds since 1970.
    pub at_ms: u64,
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = super::Who::from_stored(&self.who);
        let count = Count { of: self.of, per: self.per, who };
        let budget = Budget { count, ..Budget::new(self.of, self.per, self.limit) };
        write!(f, "{} % of {budget} are used", self.percent)
    }
}

/// What a count's alerts are about, and how far they have been told.
#[derive(Debug, Default)]
pub(super) struct Told {
    limit: u64,
    part: u8,
    others: u64,
}

impl Told {
    /// From now on the alerts are about this limit.
    pub(super) fn about(&mut self, limit: u64) {
        if self.limit != limit {
            (self.limit, self.part) = (limit, 0);
        }
    }

    /// What others have spent, or may.
    pub(super) fn others(&mut self, spent: u64) {
        self.others = spent;
    }

    pub(super) fn of_others(&self) -> u64 {
        self.others
    }

    /// The highest part that is reached now and was not before.
    pub(super) fn crosses(&mut self, count: &Count, start: u64, spent: u64) -> Option<Crossing> {
        let spent = spent.saturating_add(self.others);
        let reached = |part: &u8| u128::from(spent) * 100 >= u128::from(self.limit) * u128::from(*part);
        let part = PARTS.into_iter().rev().find(reached).filter(|part| *part > self.part)?;
        self.part = part;
        // A limit of nothing is reached by nothing.
        (self.limit > 0).then(|| Crossing { count: count.clone(), start, limit: self.limit, part, spent })
    }
}
