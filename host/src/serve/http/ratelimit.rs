//! What is left of the caller's budgets, as draft-ietf-httpapi-ratelimit-headers-10 has it.
//!
//! Takes: budgets. Gives: `RateLimit-Policy` and `RateLimit`. May name: storage.
//!
//! Only hard budgets are there: a client slows down for nothing else. Two budgets on one count are one policy, that with
//! less left.

use crate::storage::ledger::{BudgetMode, Count, Of, Usage};
use http::header::{HeaderMap, HeaderName, HeaderValue};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// The largest integer of a structured field (RFC 9651, 3.3.1).
const MOST: u64 = 999_999_999_999_999;

/// Puts them in; without a hard budget, neither.
pub(super) fn put(budgets: &[Usage], now_ms: u64, headers: &mut HeaderMap) {
    let mut shown: Vec<(String, &Usage)> = Vec::new();
    for usage in budgets.iter().filter(|usage| usage.budget.mode == BudgetMode::Hard) {
        let name = name(&usage.budget.count);
        match shown.iter_mut().find(|(other, _)| *other == name) {
            Some((_, other)) if usage.left() < other.left() => *other = usage,
            Some(_) => {}
            None => shown.push((name, usage)),
        }
    }
    if shown.is_empty() {
        return;
    }
    let (mut policies, mut limits) = (Vec::new(), Vec::new());
    for (name, usage) in shown {
        let (quota, unit) = (usage.budget.allows().min(MOST), unit(usage.budget.count.of));
        let window = usage.window_ends.map(|end| end.saturating_sub(usage.window_start) / 1000);
        let window = window.map(|seconds| format!(";w={seconds}")).unwrap_or_default();
        policies.push(format!("\"{name}\";q={quota};qu=\"{unit}\"{window}"));
        let reset = usage.window_ends.map(|end| end.saturating_sub(now_ms).div_ceil(1000));
        let reset = reset.map(|seconds| format!(";t={seconds}")).unwrap_or_default();
        limits.push(format!("\"{name}\";r={}{reset}", usage.left().min(MOST)));
    }
    for (field, items) in [(POLICY, policies), (LIMIT, limits)] {
        if let Ok(value) = HeaderValue::from_str(&items.join(", ")) {
            headers.insert(field, value);
        }
    }
}

/// `calls-minute`; with `-actor` and `-tool` for those that count one actor's or one tool's calls alone.
fn name(count: &Count) -> String {
    let Count { of, per, who } = count;
    let actor = if who.actor().is_some() { "-actor" } else { "" };
    let tool = if who.tool().is_some() { "-tool" } else { "" };
    format!("{of}-{per}{actor}{tool}")
}

fn unit(of: Of) -> &'static str {
    match of {
        Of::Calls => "requests",
        Of::Fuel => "fuel",
        Of::Egress => "egress-bytes",
        Of::Stored => "stored-bytes",
        Of::Spend => "micro-units",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ActorId, ToolName};
    use crate::storage::ledger::{Budget, Per, Who};

    fn told(budgets: &[Usage]) -> (Option<String>, Option<String>) {
        let mut headers = HeaderMap::new();
        put(budgets, 90_500, &mut headers);
        let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap().to_owned());
        (text(POLICY), text(LIMIT))
    }

    fn used(budget: Budget, spent: u64) -> Usage {
        Usage { spent, ..Usage::none(budget, 90_500) }
    }

    #[test]
    fn hard_budgets_are_told_by_name_and_unit() {
        let (kim, orders) = (ActorId::new("kim").unwrap(), ToolName::new("orders").unwrap());
        let who = Who::of(Some(&kim), Some(&orders), None);
        let both = Budget {
            count: Count { of: Of::Egress, per: Per::Month, who },
            ..Budget::new(Of::Egress, Per::Month, 9)
        };
        let budgets = [
            used(Budget::new(Of::Calls, Per::Minute, 1000), 18),
            used(Budget { mode: BudgetMode::Warn, ..Budget::new(Of::Calls, Per::Hour, 5) }, 1),
            used(Budget::new(Of::Fuel, Per::Total, u64::MAX), 0),
            used(both, 20),
        ];
        let (policy, limit) = told(&budgets);
        assert_eq!(
            policy.unwrap(),
            "\"calls-minute\";q=1000;qu=\"requests\";w=60, \"fuel-total\";q=999999999999999;qu=\"fuel\", \
             \"egress-month-actor-tool\";q=9;qu=\"egress-bytes\";w=2678400"
        );
        assert_eq!(
            limit.unwrap(),
            "\"calls-minute\";r=982;t=30, \"fuel-total\";r=999999999999999, \"egress-month-actor-tool\";r=0;t=2678310"
        );
    }

    #[test]
    fn of_two_on_one_count_the_one_with_less_left_is_told_and_of_none_nothing() {
        let tight = used(Budget::new(Of::Calls, Per::Day, 10), 4);
        let wide = used(Budget::new(Of::Calls, Per::Day, 100), 4);
        for order in [[tight.clone(), wide.clone()], [wide, tight]] {
            assert_eq!(told(&order).1.unwrap(), "\"calls-day\";r=6;t=86310");
        }
        let warns = used(Budget { mode: BudgetMode::Warn, ..Budget::new(Of::Calls, Per::Day, 10) }, 4);
        assert_eq!((told(&[]), told(&[warns])), ((None, None), (None, None)));
    }
}
