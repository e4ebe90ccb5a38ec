//! Budgets as an operator writes them: how much of what, by whom, per which window of time.
//!
//! Takes: numbers from a tenant's file, and the time. Gives: [`Budget`], [`Amounts`], [`Usage`] and the bounds of a
//! window. May name: id, moment.

use super::who::Who;
use crate::moment::{month_start, utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// Calls that were admitted; `per = "run"`, they are the steps of a run.
    Calls,
    /// Fuel that calls used: guest instructions and host work.
    Fuel,
    /// Bytes that calls sent to the network: paths, header fields and bodies of their requests.
    Egress,
    /// Bytes that calls wrote to the tenant's files, keyvalue and memory: names, keys and contents.
    Stored,
    /// What calls cost by `prices.toml`, in micro-units of the operator's currency.
    Spend,
}

impl Of {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Calls, Self::Fuel, Self::Egress, Self::Stored, Self::Spend];

    /// The stable word, in files and in the ledger.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Fuel => "fuel",
            Self::Egress => "egress",
            Self::Stored => "stored",
            Self::Spend => "spend",
        }
    }
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The window after which a budget begins anew. Windows of time are those of the calendar, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// One run of the caller's, by the name that it gives it. A run that rests for a day is forgotten.
    Run,
    /// From second 0 to second 0.
    Minute,
    /// From minute 0 to minute 0.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From the first of a month to the next.
    Month,
    /// One window that never ends.
    Total,
}

impl Per {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Run, Self::Minute, Self::Hour, Self::Day, Self::Month, Self::Total];

    /// The stable word, in files and in the ledger.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
            Self::Total => "total",
        }
    }

    /// How long a window is, in milliseconds; `None` for those that have no length of their own.
    fn length_ms(self) -> Option<u64> {
        match self {
            Self::Minute => Some(60_000),
            Self::Hour => Some(3_600_000),
            Self::Day => Some(86_400_000),
            Self::Month | Self::Run | Self::Total => None,
        }
    }

    /// When the window around this time began, in milliseconds since 1970.
    pub(crate) fn window_start(self, unix_ms: u64) -> u64 {
        if self == Self::Month {
            return month_start(unix_ms);
        }
        self.length_ms().and_then(|length| unix_ms.checked_rem(length)).map_or(0, |past| unix_ms - past)
    }

    /// When the window with this start ends; `None` for one that time does not end.
    pub(super) fn window_end(self, start: u64) -> Option<u64> {
        match self {
            // No month is longer than 31 days, and none begins within 3 days of another's end.
            Self::Month => Some(month_start(start.saturating_add(32 * 86_400_000))),
            _ => self.length_ms().map(|length| start.saturating_add(length)),
        }
    }
}

impl fmt::Display for Per {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is counted as one: a thing, a window, and whose calls.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Count {
    /// The thing.
    pub of: Of,
    /// The window.
    pub per: Per,
    /// Whose calls.
    pub who: Who,
}

impl fmt::Display for Count {
    /// `calls per day (actor=kim)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, per, who } = self;
        write!(f, "{of} per {per}{who}")
    }
}

/// What happens at a budget's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BudgetMode {
    /// A call that may go beyond it is refused.
    #[default]
    Hard,
    /// Nothing is refused; alerts tell of it.
    Warn,
}

/// How much of something may be used in a window.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Budget {
    /// What is counted.
    pub count: Count,
    /// The most that may be used in a window: calls, units of fuel, bytes or micro-units. Zero lets nothing through.
    pub limit: u64,
    /// What happens there.
    pub mode: BudgetMode,
    /// How much more is allowed for a while, by an operator's order.
    pub raised: Option<Raised>,
}

/// How much more of a budget is allowed for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Raised {
    /// By how much, in the budget's units.
    pub by: u64,
    /// Until when, in milliseconds since 1970.
    pub until_ms: u64,
}

impl Budget {
    /// A hard budget over all calls of a tenant.
    #[must_use]
    pub fn new(of: Of, per: Per, limit: u64) -> Self {
        Self { count: Count { of, per, who: Who::default() }, limit, mode: BudgetMode::Hard, raised: None }
    }

    /// The most that may be used in a window now, with what it was raised by. Never more than a signed 64-bit integer holds.
    #[must_use]
    pub fn allows(&self) -> u64 {
        self.limit.saturating_add(self.raised.map_or(0, |raised| raised.by)).min(i64::MAX.unsigned_abs())
    }

    /// The limit at which calls are refused: none, where a budget only warns.
    pub(super) fn refuses_at(&self) -> u64 {
        match self.mode {
            BudgetMode::Hard => self.allows(),
            BudgetMode::Warn => u64::MAX,
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count { of, per, who } = &self.count;
        let of = match of {
            Of::Egress => "bytes of egress",
            Of::Stored => "stored bytes",
            Of::Spend => "micro-units",
            of => of.as_str(),
        };
        match per {
            Per::Total => write!(f, "{} {of} in total{who}", self.allows())?,
            per => write!(f, "{} {of} per {per}{who}", self.allows())?,
        }
        match self.raised {
            Some(Raised { by, until_ms }) => write!(f, ", raised by {by} until {}", utc(until_ms)),
            None => Ok(()),
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
    /// Bytes sent to the network.
    pub egress: u64,
    /// Bytes written to the tenant's files, keyvalue and memory.
    pub stored: u64,
    /// Micro-units of the operator's currency.
    pub spend: u64,
}

impl Amounts {
    /// One call with so much fuel, which sends, stores and costs nothing.
    #[must_use]
    pub fn call(fuel: u64) -> Self {
        Self { calls: 1, fuel, ..Self::default() }
    }

    /// The amount of one kind.
    #[must_use]
    pub fn of(self, of: Of) -> u64 {
        match of {
            Of::Calls => self.calls,
            Of::Fuel => self.fuel,
            Of::Egress => self.egress,
            Of::Stored => self.stored,
            Of::Spend => self.spend,
        }
    }

    /// The smaller of each amount.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Self {
            calls: self.calls.min(other.calls),
            fuel: self.fuel.min(other.fuel),
            egress: self.egress.min(other.egress),
            stored: self.stored.min(other.stored),
            spend: self.spend.min(other.spend),
        }
    }
}

/// How far a budget is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The budget.
    pub budget: Budget,
    /// Used in this window by calls that have ended, in the budget's units.
    pub spent: u64,
    /// Held back for calls that are running, and for what other processes on this ledger may still spend.
    pub reserved: u64,
    /// When the window began, in milliseconds since 1970; 0 for a run and for a total.
    pub window_start: u64,
    /// When the window ends, in milliseconds since 1970; `None` for a run and for a total.
    pub window_ends: Option<u64>,
}

impl Usage {
    /// What is left in this window.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.budget.allows().saturating_sub(self.spent).saturating_sub(self.reserved)
    }

    /// A budget of which nothing was used, in the window of this time (milliseconds since 1970).
    pub(crate) fn none(budget: Budget, now_ms: u64) -> Self {
        let per = budget.count.per;
        let window_start = per.window_start(now_ms);
        Self { budget, spent: 0, reserved: 0, window_start, window_ends: per.window_end(window_start) }
    }

    /// Why a call that may use this much is refused at this time (milliseconds since 1970); `None` when it fits. With
    /// `lent`, what is reserved may still be free for it.
    #[must_use]
    pub fn refuses(&self, want: Amounts, lent: bool, now_ms: u64) -> Option<Exceeded> {
        let left = if lent { self.budget.allows().saturating_sub(self.spent) } else { self.left() };
        let refused = self.budget.mode == BudgetMode::Hard && want.of(self.budget.count.of) > left;
        refused.then(|| Exceeded {
            budget: self.budget.clone(),
            left,
            retry_after_ms: self.window_ends.map(|end| end.saturating_sub(now_ms).max(1)),
        })
    }
}

/// A budget has no room for a call's worst case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
    use crate::id::ActorId;
    use proptest::prelude::*;

    #[test]
    fn budgets_read_as_people_say_them() {
        let kim = ActorId::new("kim").unwrap();
        let each = |of, per, who| {
            Budget { count: Count { of, per, who }, limit: 9, mode: BudgetMode::Hard, raised: None }
                .to_string()
        };
        assert_eq!(Budget::new(Of::Calls, Per::Minute, 1000).to_string(), "1000 calls per minute");
        assert_eq!(
            each(Of::Spend, Per::Total, Who::of(Some(&kim), None, None)),
            "9 micro-units in total (actor=kim)"
        );
        let raised = Budget {
            raised: Some(Raised { by: 5, until_ms: 0 }),
            ..Budget::new(Of::Calls, Per::Total, u64::MAX)
        };
        assert_eq!(raised.allows(), i64::MAX.unsigned_abs());
        let raised =
            Budget { raised: Some(Raised { by: 5, until_ms: 0 }), ..Budget::new(Of::Calls, Per::Day, 7) };
        assert_eq!(raised.to_string(), "12 calls per day, raised by 5 until 1970-01-01T00:00:00Z");
        assert_eq!(each(Of::Egress, Per::Month, Who::default()), "9 bytes of egress per month");
    }

    proptest! {
        #[test]
        fn every_time_is_in_exactly_one_window(t in 0u64..4_102_444_800_000) {
            for per in [Per::Minute, Per::Hour, Per::Day, Per::Month] {
                let start = per.window_start(t);
                let end = per.window_end(start).unwrap();
                prop_assert!(start <= t && t < end);
                prop_assert_eq!(per.window_start(end), end);
                prop_assert_eq!(per.window_start(end - 1), start);
            }
            for per in [Per::Run, Per::Total] {
                prop_assert_eq!((per.window_start(t), per.window_end(0)), (0, None));
            }
        }
    }
}
