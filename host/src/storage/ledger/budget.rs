//! Budgets as an operator writes them: how much of what, per which window of time.
//!
//! Takes: numbers from a tenant's file, and the time. Gives: [`Budget`], [`Amounts`], [`Usage`] and the bounds of a
//! window. May name: nothing.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// Calls that were admitted.
    Calls,
    /// Fuel that calls used: guest instructions and host work.
    Fuel,
}

impl Of {
    /// The stable word, in files and in the ledger.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Fuel => "fuel",
        }
    }
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The window after which a budget begins anew. Windows are those of the calendar, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// From second 0 to second 0.
    Minute,
    /// From minute 0 to minute 0.
    Hour,
    /// From midnight to midnight.
    Day,
    /// One window that never ends.
    Total,
}

impl Per {
    /// The stable word, in files and in the ledger.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Total => "total",
        }
    }

    /// How long a window is, in milliseconds; `None` for the one that never ends.
    fn length_ms(self) -> Option<u64> {
        match self {
            Self::Minute => Some(60_000),
            Self::Hour => Some(3_600_000),
            Self::Day => Some(86_400_000),
            Self::Total => None,
        }
    }

    /// When the window around this time began, in milliseconds since 1970.
    pub(crate) fn window_start(self, unix_ms: u64) -> u64 {
        self.length_ms().and_then(|length| unix_ms.checked_rem(length)).map_or(0, |past| unix_ms - past)
    }

    /// When the window with this start ends; `None` for the one that never ends.
    pub(super) fn window_end(self, start: u64) -> Option<u64> {
        self.length_ms().map(|length| start.saturating_add(length))
    }
}

impl fmt::Display for Per {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How much of something a tenant may use in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// What is counted.
    pub of: Of,
    /// The window.
    pub per: Per,
    /// The most that may be used in a window, in calls or units of fuel. Zero lets nothing through.
    pub limit: u64,
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.per {
            Per::Total => write!(f, "{} {} in total", self.limit, self.of),
            per => write!(f, "{} {} per {per}", self.limit, self.of),
        }
    }
}

/// What one call uses, or may use at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Amounts {
    /// Calls: 1 for a call.
    pub calls: u64,
    /// Units of fuel.
    pub fuel: u64,
}

impl Amounts {
    /// One call with so much fuel.
    #[must_use]
    pub fn call(fuel: u64) -> Self {
        Self { calls: 1, fuel }
    }

    /// The amount of one kind.
    #[must_use]
    pub fn of(self, of: Of) -> u64 {
        match of {
            Of::Calls => self.calls,
            Of::Fuel => self.fuel,
        }
    }

    /// The smaller of each amount.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Self { calls: self.calls.min(other.calls), fuel: self.fuel.min(other.fuel) }
    }
}

/// How far a budget is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// The budget.
    pub budget: Budget,
    /// Used in this window by calls that have ended, in calls or units of fuel.
    pub spent: u64,
    /// Held back for calls that are running, and for what other processes on this ledger may still spend.
    pub reserved: u64,
    /// When the window began, in milliseconds since 1970; 0 for a total.
    pub window_start: u64,
    /// When the window ends, in milliseconds since 1970; `None` for a total.
    pub window_ends: Option<u64>,
}

impl Usage {
    /// What is left in this window.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.budget.limit.saturating_sub(self.spent).saturating_sub(self.reserved)
    }
}

impl Usage {
    /// A budget of which nothing was used, in the window of this time (milliseconds since 1970).
    pub(crate) fn none(budget: Budget, now_ms: u64) -> Self {
        let window_start = budget.per.window_start(now_ms);
        let window_ends = budget.per.window_end(window_start);
        Self { budget, spent: 0, reserved: 0, window_start, window_ends }
    }

    /// Why a call that may use this much is refused at this time (milliseconds since 1970); `None` when it fits. With
    /// `lent`, what is reserved may still be free for it.
    #[must_use]
    pub fn refuses(&self, want: Amounts, lent: bool, now_ms: u64) -> Option<Exceeded> {
        let left = if lent { self.budget.limit.saturating_sub(self.spent) } else { self.left() };
        (want.of(self.budget.of) > left).then(|| Exceeded {
            budget: self.budget,
            left,
            retry_after_ms: self.window_ends.map(|end| end.saturating_sub(now_ms).max(1)),
        })
    }
}

/// A budget has no room for a call's worst case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the budget of {budget} has {left} left{}", retry_text(.retry_after_ms))]
pub struct Exceeded {
    /// The budget.
    pub budget: Budget,
    /// What is left of it, less than the call may need.
    pub left: u64,
    /// Milliseconds until the next window begins; `None` when no window follows.
    pub retry_after_ms: Option<u64>,
}

fn retry_text(ms: &Option<u64>) -> String {
    ms.map_or_else(
        || ": ask the operator to raise it".to_owned(),
        |ms| format!(": try again in {} s, or ask for less", ms.div_ceil(1000)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn budgets_read_as_operators_write_them() {
        let budget: Budget = toml::from_str("of = \"calls\"\nper = \"minute\"\nlimit = 1000").unwrap();
        assert_eq!(budget, Budget { of: Of::Calls, per: Per::Minute, limit: 1000 });
        assert!(
            toml::from_str::<Budget>("of = \"calls\"\nper = \"minute\"\nlimit = 1\nhard = true").is_err()
        );
        assert_eq!(budget.to_string(), "1000 calls per minute");
    }

    proptest! {
        #[test]
        fn every_time_is_in_exactly_one_window(t in 0u64..4_102_444_800_000) {
            for per in [Per::Minute, Per::Hour, Per::Day] {
                let start = per.window_start(t);
                let end = per.window_end(start).unwrap();
                prop_assert!(start <= t && t < end);
                prop_assert_eq!(per.window_start(end), end);
                prop_assert_eq!(per.window_start(end - 1), start);
            }
            prop_assert_eq!((Per::Total.window_start(t), Per::Total.window_end(0)), (0, None));
        }
    }
}
