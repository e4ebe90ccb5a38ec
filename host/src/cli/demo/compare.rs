//! What came of a step against what had to: the answer, the book, the services.
//!
//! Takes: a step, what was seen, new entries of the book. Gives: differences in words. May name: act, services, story.

use super::act::Seen;
use super::services::Effects;
use super::story::{Answer, Step};
use serde_json::Value;
use strongroom::audit::{Entry, Phase};
use strongroom::reason::Outcome;

/// What took effect at acme's and at globex's service by then.
pub(super) fn compare_effects(step: &Step, (acme, globex): (Effects, Effects)) -> Vec<String> {
    let (updates, notifications) = step.expect.acme;
    let must = Effects { updates, notifications, refused: 0 };
    [("acme", acme, must), ("globex", globex, Effects::default())]
        .into_iter()
        .filter(|(_, is, must)| is != must)
        .map(|(whose, is, must)| format!("at {whose}'s service {is}; expected {must}"))
        .collect()
}

/// What the caller got; `answers` are those of the steps before.
pub(super) fn compare_answer(step: &Step, seen: &Seen, answers: &[(&str, Option<String>)]) -> Option<String> {
    let answer = seen.answer.as_deref();
    let value: Option<Value> = answer.and_then(|text| serde_json::from_str(text).ok());
    let text = |pointer| value.as_ref()?.pointer(pointer)?.as_str();
    let (holds, must) = match step.expect.answer {
        Answer::Any => return None,
        Answer::Field(pointer, must) => (text(pointer) == Some(must), format!("{must:?} at {pointer}")),
        Answer::Hidden(pointer) => {
            (text(pointer).is_some_and(|t| t.ends_with("****")), format!("asterisks at {pointer}"))
        }
        Answer::Of(title) => {
            let earlier = answers.iter().find(|(of, _)| *of == title).and_then(|(_, text)| text.as_deref());
            (answer.is_some() && answer == earlier, format!("the very answer of {title:?}"))
        }
    };
    (!holds).then(|| format!("the answer is {}, expected {must}", answer.unwrap_or("missing")))
}

/// What the caller was told, what had to be, and what the book says must be the same.
pub(super) fn compare_book(step: &Step, seen: &Seen, fresh: &[Entry]) -> Vec<String> {
    let mut differences = Vec::new();
    let mut same = |what: &str, is: &str, must: &str| {
        if is != must {
            differences.push(format!("{what} {is}, expected {must}"));
        }
    };
    same("reason code", seen.reason.code(), step.expect.reason.code());
    if let Some(outcome) = seen.outcome {
        same("outcome", outcome.as_str(), step.expect.outcome.as_str());
    }
    if !seen.written {
        same("entries in the book", &fresh.len().to_string(), "0");
        return differences;
    }
    // A write of the story has one effect, which is in the book before its outcome; everything else is one entry.
    let runs_a_write = step.act.writes() && step.expect.outcome == Outcome::Executed;
    let intents = fresh.iter().filter(|e| e.phase == Phase::Intent).count();
    same("intents in the book", &intents.to_string(), if runs_a_write { "1" } else { "0" });
    same("entries in the book", &fresh.len().to_string(), if runs_a_write { "2" } else { "1" });
    let Some(entry) = fresh.last() else { return differences };
    let tenant = entry.tenant_id.as_ref().map_or("-", |tenant| tenant.as_str());
    same("tenant in the book", tenant, step.by.tenant().unwrap_or("-"));
    same("reason code in the book", entry.reason_code.code(), step.expect.reason.code());
    same("outcome in the book", entry.outcome.as_str(), step.expect.outcome.as_str());
    if let Some(fuel) = seen.fuel {
        same("fuel in the book", &entry.fuel.to_string(), &fuel.to_string());
    }
    if let Some(call) = seen.call {
        let entry_call = entry.call_id.map(|id| id.to_string()).unwrap_or_default();
        same("call in the book", &entry_call, &call.to_string());
    }
    differences
}
