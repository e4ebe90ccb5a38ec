//! Plays the story: does each step, and compares what came of it with what had to.
//!
//! Takes: a [`House`] and steps. Gives: [`Played`] steps. May name: act, compare, house,
//! services, story.

use super::DemoError;
use super::act::{Seen, act};
use super::compare::{compare_answer, compare_book, compare_effects};
use super::house::House;
use super::services::Effects;
use super::story::{Answer, Step};
use serde::Serialize;
use serde_json::Value;
use strongroom::audit::{Entry, Filter, Phase, read};
use strongroom::id::TenantId;
use strongroom::reason::{Outcome, Reason};

/// A step that was done.
#[derive(Debug, Serialize)]
pub(super) struct Played {
    pub(super) step: usize,
    pub(super) title: &'static str,
    /// As the book has it, whatever was claimed.
    pub(super) tenant: Option<TenantId>,
    pub(super) action: String,
    pub(super) reason_code: Reason,
    pub(super) outcome: Outcome,
    pub(super) fuel: u64,
    pub(super) duration_us: u64,
    pub(super) answer: Option<Value>,
    /// What people are told: the reason of a refusal, or what the step shows.
    pub(super) message: Option<String>,
    /// What had taken effect at the services by then.
    pub(super) acme_service: Effects,
    pub(super) globex_service: Effects,
    /// Where it differs from what had to come of it; empty when it does not.
    pub(super) differences: Vec<String>,
}

impl Played {
    /// Whether it went as it had to.
    pub(super) fn is_as_expected(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Does all steps in order, each compared at once.
pub(super) async fn play(house: &House, steps: &[Step]) -> Result<Vec<Played>, DemoError> {
    let mut played: Vec<Played> = Vec::with_capacity(steps.len());
    let mut answers: Vec<(&str, Option<String>)> = Vec::new();
    let mut known = book(house)?.len();
    for (step, number) in steps.iter().zip(1..) {
        let seen = act(house, step, &played).await?;
        let mut fresh = book(house)?.split_off(known);
        known += fresh.len();
        // Alerts are written a moment after the call that they are about, and belong to no step.
        fresh.retain(|entry| !entry.action.starts_with("budget.alert"));
        let mut differences = seen.differences.clone();
        differences.extend(compare_answer(step, &seen, &answers));
        differences.extend(compare_book(step, &seen, &fresh));
        let effects = (house.acme.service.effects(), house.globex.service.effects());
        differences.extend(compare_effects(step, effects));
        let entry = fresh.last();
        answers.push((step.title, seen.answer.clone()));
        played.push(Played {
            step: number,
            title: step.title,
            tenant: entry.and_then(|e| e.tenant_id.clone()),
            action: step.act.to_string(),
            reason_code: seen.reason,
            outcome: seen.outcome.or(entry.map(|e| e.outcome)).unwrap_or(Outcome::Unknown),
            fuel: seen.fuel.or(entry.map(|e| e.fuel)).unwrap_or_default(),
            duration_us: u64::try_from(seen.took.as_micros()).unwrap_or(u64::MAX),
            answer: seen.answer.as_deref().map(json),
            message: remark(step, &seen),
            acme_service: effects.0,
            globex_service: effects.1,
            differences,
        });
    }
    Ok(played)
}

/// An answer is JSON; whatever it is instead is shown as text.
fn json(answer: &str) -> Value {
    serde_json::from_str(answer).unwrap_or_else(|_| answer.into())
}

/// All entries of the book, as an auditor reads them: from the file.
pub(super) fn book(house: &House) -> Result<Vec<Entry>, DemoError> {
    let entries = read(&house.home.open_dir("audit")?, Filter::default())?;
    // Heads of tenants' trees come when a second has passed, and not by any step.
    Ok(entries.filter(|e| e.as_ref().map_or(true, |e| e.phase != Phase::Head)).collect::<Result<_, _>>()?)
}

/// What was said to the caller, or the part of the answer on which the step's claim rests.
fn remark(step: &Step, seen: &Seen) -> Option<String> {
    let answer = seen.answer.as_deref();
    let at = |pointer: &str| {
        let value: Value = serde_json::from_str(answer?).ok()?;
        let field = pointer.rsplit('/').next().unwrap_or(pointer);
        Some(format!("{field}: {}", value.pointer(pointer)?.as_str()?))
    };
    let shown = match step.expect.answer {
        Answer::Field(pointer, _) | Answer::Hidden(pointer) => at(pointer),
        Answer::Of(title) => Some(format!("the answer of \"{title}\", byte for byte")),
        Answer::Any => None,
    };
    match (&seen.message, answer) {
        (Some(message), Some(answer)) => Some(format!("{message}: {answer}")),
        (Some(message), None) => Some(message.clone()),
        (None, _) => shown,
    }
}
