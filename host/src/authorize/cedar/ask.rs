//! A question in Cedar's terms: a request with its context, and the entities that it is about.
//!
//! Takes: a [`Question`]. Gives: what the authorizer is asked. May name: config, id, storage.

use super::words::{Words, uid};
use crate::authorize::policy::{Moment, Question};
use crate::config::Effect;
use crate::id::{ActorId, FunctionName, TenantId};
use crate::storage::ledger::{Of, Per};
use cedar_policy::{Context, Entities, Entity, EntityUid, Request, RestrictedExpression};
use moka::sync::Cache;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The questions that are remembered, of one tenant.
const MOST_KNOWN: u64 = 1_000;

/// The part of a question that is the same at any time: who, and what.
pub(super) struct Known {
    principal: EntityUid,
    resource: EntityUid,
    pub(super) entities: Entities,
}

/// What has been asked before: putting the entities together costs more than all the rest.
pub(super) struct Asked(Cache<Key, Arc<Known>>);

type Key = (TenantId, ActorId, Option<String>, FunctionName, Effect);

impl Asked {
    pub(super) fn new() -> Self {
        Self(Cache::new(MOST_KNOWN))
    }

    /// The entities of a question.
    ///
    /// # Errors
    /// When Cedar does not take them, which no value of a question brings about.
    pub(super) fn known(&self, words: &Words, question: &Question<'_>) -> Result<Arc<Known>, String> {
        let Question { tenant, actor, standing, function, effect, .. } = *question;
        let role = standing.role.map(str::to_owned);
        let key = (tenant.id.clone(), actor.clone(), role, function.clone(), effect);
        if let Some(known) = self.0.get(&key) {
            return Ok(known);
        }
        let known = Arc::new(entities(words, question)?);
        self.0.insert(key, known.clone());
        Ok(known)
    }
}

fn entities(words: &Words, question: &Question<'_>) -> Result<Known, String> {
    let (tool, name) = question.function.as_str().split_once('.').unwrap_or((question.function.as_str(), ""));
    let principal = uid(&words.actor, question.actor.as_str());
    let resource = uid(&words.function, question.function.as_str());
    let effect = match question.effect {
        Effect::Read => &words.read,
        Effect::Write => &words.write,
    };
    let role = question.standing.role.map(|role| uid(&words.role, role));
    let mut of_actor = HashMap::from([entity("tenant", uid(&words.tenant, question.tenant.id.as_str()))]);
    of_actor.extend(role.clone().map(|role| entity("role", role)));
    let of_function =
        HashMap::from([string("tool", tool), string("name", name), entity("effect", effect.clone())]);
    let both = [
        Entity::new(principal.clone(), of_actor, role.into_iter().collect()),
        Entity::new(resource.clone(), of_function, HashSet::from([uid(&words.tool, tool)])),
    ];
    let both: Vec<Entity> = both.into_iter().collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    let entities = Entities::from_entities(both, None).map_err(|e| e.to_string())?;
    Ok(Known { principal, resource, entities })
}

/// The request about known entities. That both keep to the schema is checked by a test, not at every call.
///
/// # Errors
/// When Cedar does not take it, which no value of a question brings about.
pub(super) fn request(words: &Words, known: &Known, moment: Moment<'_>) -> Result<Request, String> {
    let context = Context::from_pairs(context(moment)).map_err(|e| e.to_string())?;
    let (principal, resource) = (known.principal.clone(), known.resource.clone());
    Request::new(principal, words.call.clone(), resource, context, None).map_err(|e| e.to_string())
}

fn context(moment: Moment<'_>) -> Vec<(String, RestrictedExpression)> {
    let seconds = moment.unix_ms / 1000;
    let (minutes, days) = (seconds / 60, seconds / 86_400);
    let mut pairs = vec![
        long("unix", seconds),
        long("minute", minutes % 60),
        long("hour", minutes / 60 % 24),
        // The first of January 1970 was a Thursday.
        long("weekday", (days + 3) % 7 + 1),
    ];
    for (of, name) in KINDS {
        let lefts = moment.left.iter().filter(|left| left.of == of);
        for per in Per::ALL {
            let least = lefts.clone().filter(|left| left.per == per).map(|left| left.left).min();
            pairs.extend(least.map(|least| long(&format!("{name}_{per}"), least)));
        }
        pairs.extend(lefts.map(|left| left.left).min().map(|least| long(name, least)));
    }
    pairs
}

/// What is left of each kind of budget, as the context names it; with the window's word behind it, of that window.
const KINDS: [(Of, &str); 5] = [
    (Of::Calls, "calls_left"),
    (Of::Fuel, "fuel_left"),
    (Of::Egress, "egress_left"),
    (Of::Stored, "stored_left"),
    (Of::Spend, "spend_left"),
];

/// Whether a word of the context tells what is left of a budget.
pub(super) fn tells_of_budgets(word: &str) -> bool {
    KINDS.into_iter().any(|(_, name)| word.starts_with(name))
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
