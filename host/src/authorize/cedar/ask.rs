//! A question in Cedar's terms: a request with its context, and the entities that it is about.
//!
//! Takes: a [`Question`]. Gives: what the authorizer is asked. May name: config.

use super::words::{Words, uid};
use crate::authorize::policy::{Left, Question};
use crate::config::{BudgetOf, Effect, Window};
use cedar_policy::{Context, Entities, Entity, EntityUid, Request, RestrictedExpression};
use std::collections::{HashMap, HashSet};

/// The request and its entities. What they are made of is checked against the schema by a test, not at every call.
///
/// # Errors
/// When Cedar does not take them, which no value of a question brings about.
pub(super) fn ask(words: &Words, question: &Question<'_>) -> Result<(Request, Entities), String> {
    let (tool, name) = question.function.as_str().split_once('.').unwrap_or((question.function.as_str(), ""));
    let actor = uid(&words.actor, question.actor.as_str());
    let function = uid(&words.function, question.function.as_str());
    let effect = match question.effect {
        Effect::Read => &words.read,
        Effect::Write => &words.write,
    };
    let mut facts = HashMap::from([entity("tenant", uid(&words.tenant, question.tenant.id.as_str()))]);
    let roles = question.standing.role.map(|role| uid(&words.role, role));
    facts.extend(roles.clone().map(|role| entity("role", role)));
    let of_function =
        HashMap::from([string("tool", tool), string("name", name), entity("effect", effect.clone())]);
    let entities = [
        Entity::new(actor.clone(), facts, roles.into_iter().collect()),
        Entity::new(function.clone(), of_function, HashSet::from([uid(&words.tool, tool)])),
    ];
    let entities: Vec<Entity> = entities.into_iter().collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    let entities = Entities::from_entities(entities, None).map_err(|e| e.to_string())?;
    let context = Context::from_pairs(context(question)).map_err(|e| e.to_string())?;
    let request = Request::new(actor, words.call.clone(), function, context, None);
    Ok((request.map_err(|e| e.to_string())?, entities))
}

fn context(question: &Question<'_>) -> Vec<(String, RestrictedExpression)> {
    let seconds = question.moment.unix_ms / 1000;
    let (minutes, days) = (seconds / 60, seconds / 86_400);
    let mut pairs = vec![
        long("unix", seconds),
        long("minute", minutes % 60),
        long("hour", minutes / 60 % 24),
        // The first of January 1970 was a Thursday.
        long("weekday", (days + 3) % 7 + 1),
    ];
    for of in [BudgetOf::Calls, BudgetOf::Fuel] {
        let lefts = question.moment.left.iter().filter(|left| left.of == of);
        pairs.extend(lefts.clone().map(|left| long(window(left), left.left)));
        let least = lefts.map(|left| left.left).min();
        pairs.extend(least.map(|least| long(kind(of), least)));
    }
    pairs
}

fn kind(of: BudgetOf) -> &'static str {
    match of {
        BudgetOf::Calls => "calls_left",
        BudgetOf::Fuel => "fuel_left",
    }
}

fn window(left: &Left) -> &'static str {
    match (left.of, left.per) {
        (BudgetOf::Calls, Window::Minute) => "calls_left_minute",
        (BudgetOf::Calls, Window::Hour) => "calls_left_hour",
        (BudgetOf::Calls, Window::Day) => "calls_left_day",
        (BudgetOf::Calls, Window::Total) => "calls_left_total",
        (BudgetOf::Fuel, Window::Minute) => "fuel_left_minute",
        (BudgetOf::Fuel, Window::Hour) => "fuel_left_hour",
        (BudgetOf::Fuel, Window::Day) => "fuel_left_day",
        (BudgetOf::Fuel, Window::Total) => "fuel_left_total",
    }
}

/// Whether a word of the context tells what is left of a budget.
pub(super) fn tells_of_budgets(word: &str) -> bool {
    [BudgetOf::Calls, BudgetOf::Fuel].into_iter().any(|of| word.starts_with(kind(of)))
}

fn long(name: &str, value: u64) -> (String, RestrictedExpression) {
    (name.to_owned(), RestrictedExpression::new_long(i64::try_from(value).unwrap_or(i64::MAX)))
}

fn string(name: &str, value: &str) -> (String, RestrictedExpression) {
    (name.to_owned(), RestrictedExpression::new_string(value.to_owned()))
}

fn entity(name: &str, value: EntityUid) -> (String, RestrictedExpression) {
    (name.to_owned(), RestrictedExpression::new_entity_uid(value))
}
