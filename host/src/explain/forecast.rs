//! How a call of somebody would end, and why: the steps of a call without the call.
//!
//! Takes: [`Facts`] and a [`Question`]. Gives: a [`Forecast`]. May name: admit, authorize, config, id, identify, isolate,
//! moment, reason, storage, tools.
//!
//! Each step asks the function that judges calls. It goes on after a refusal, so that what else stands in the way is seen
//! at once; the verdict is the first refusal, as it is for a call.

mod authorize;
mod rights;

use super::{Facts, Stage};
use crate::admit::{KEY_NEEDED, Terms, killed, tool_of};
use crate::config::{Effect, Keyless};
use crate::id::{ActorId, FunctionName, KeyId, ToolName};
use crate::identify::{TenantState, Tenants, opens};
use crate::moment::utc;
use crate::reason::Reason;
use crate::storage::StorageError;
use crate::storage::ledger::{Amounts, Budget, Kill, KillTarget, StoredKey, Usage};
use crate::storage::tenant::Quotas;
use crate::tools::Described;
use serde::Serialize;
use std::sync::Arc;

/// Whose call of what.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The public part of the caller's key; `None` for a call without one.
    pub key: Option<&'a KeyId>,
    /// `<tool>.<function>`, as a caller would name it.
    pub function: &'a str,
    /// Whether the call would carry an idempotency key of its own.
    pub idempotency_key: bool,
}

/// What a step comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Judgement {
    /// It would let the call pass.
    Pass,
    /// The call would end here.
    Stop,
    /// It would end the call too, if it came so far.
    Also,
    /// It depends on what only the call or the process that serves it knows.
    Open,
}

/// One thing that is judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// In which step of a call.
    pub stage: Stage,
    /// What it comes to.
    pub judgement: Judgement,
    /// Why, in a sentence.
    pub says: String,
    /// How the call would end, where it would; with [`Judgement::Open`], how it may end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<Reason>,
}

/// How a call would end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Forecast {
    /// The function, as it was asked for.
    pub function: String,
    /// Its effect, when it is installed.
    pub effect: Option<Effect>,
    /// What is judged, in the order of a call.
    pub steps: Vec<Judged>,
    /// The first refusal, or `ok` when the call would run.
    pub reason_code: Reason,
    /// Why, in a sentence.
    pub because: String,
    /// Needs of the tool that are bound to nothing, as `http notify`: a call that reaches for one ends as
    /// `capability_denied`.
    pub unbound: Vec<String>,
}

/// Says how the call would end. Not foreseen, because they are not in any file: whether the rate or a place is free at
/// that moment, the arguments, what an idempotency key was used for before, and what the function does when it runs.
///
/// # Errors
/// When the ledger cannot be read.
pub fn forecast(facts: &Facts<'_>, question: &Question<'_>) -> Result<Forecast, StorageError> {
    let mut telling = Telling::default();
    let (mut effect, mut unbound) = (None, Vec::new());
    if let Some(caller) = identify(facts, question, &mut telling) {
        let name = FunctionName::new(question.function).ok();
        let found = name.as_ref().and_then(|name| find(facts.tools, name));
        effect = found.map(|(_, effect)| effect);
        admit(facts, question, &caller, found, &mut telling)?;
        if let (Some(name), Some((tool, effect))) = (&name, found) {
            authorize::judge(facts, &caller, tool, name, effect, &mut telling)?;
            let rights = caller.tenant.rights_by(&tool.manifest, effect);
            unbound = rights::judge(facts, &caller, tool, &rights, &mut telling);
        } else {
            let says = format!("no tool function {:?} is installed", shorten(question.function));
            telling.stop(Stage::Authorize, Reason::ToolUnknown, says);
        }
    }
    let Telling { steps, end } = telling;
    let (reason_code, because) = end.unwrap_or_else(|| (Reason::Ok, allowed(&unbound)));
    Ok(Forecast { function: shorten(question.function), effect, steps, reason_code, because, unbound })
}

fn allowed(unbound: &[String]) -> String {
    match unbound {
        [] => "the call would run".to_owned(),
        needs => format!(
            "the call would run; it ends as {} if it reaches for {}, which the tenant does not grant",
            Reason::CapabilityDenied,
            needs.join(", ")
        ),
    }
}

fn find<'a>(tools: &'a [Described], name: &FunctionName) -> Option<(&'a Described, Effect)> {
    tools.iter().find_map(|tool| Some((tool, tool.effect(name)?)))
}

/// The caller, as far as it is known.
struct Caller<'a> {
    tenant: Arc<TenantState>,
    key: Option<&'a StoredKey>,
}

/// What was said so far, and the first refusal.
#[derive(Default)]
struct Telling {
    steps: Vec<Judged>,
    end: Option<(Reason, String)>,
}

impl Telling {
    fn pass(&mut self, stage: Stage, says: impl Into<String>) {
        let judgement = Judgement::Pass;
        self.steps.push(Judged { stage, judgement, says: says.into(), reason_code: None });
    }

    fn open(&mut self, stage: Stage, reason: Reason, says: impl Into<String>) {
        let judgement = Judgement::Open;
        self.steps.push(Judged { stage, judgement, says: says.into(), reason_code: Some(reason) });
    }

    fn stop(&mut self, stage: Stage, reason: Reason, says: impl Into<String>) {
        let says = says.into();
        let judgement = if self.end.is_some() { Judgement::Also } else { Judgement::Stop };
        self.end.get_or_insert_with(|| (reason, says.clone()));
        self.steps.push(Judged { stage, judgement, says, reason_code: Some(reason) });
    }
}

fn identify<'a>(facts: &Facts<'a>, question: &Question<'_>, telling: &mut Telling) -> Option<Caller<'a>> {
    let tenants = Tenants::new(facts.settings, Quotas::default(), None);
    let stage = Stage::Identify;
    let (tenant, key) = match question.key {
        None => match tenants.single() {
            Some(tenant) => {
                telling.pass(stage, "no key is needed: the host has no tenants' files");
                (tenant, None)
            }
            None => {
                telling.stop(stage, Reason::TenantMissing, "the call carries no key");
                return None;
            }
        },
        Some(id) => {
            let Some(key) = facts.keys.iter().find(|key| key.id == *id) else {
                telling.stop(stage, Reason::TenantUnknown, format!("this host has no key {id}"));
                return None;
            };
            match opens(key, facts.now_ms, &tenants) {
                Some(_) => telling.pass(stage, whose(key)),
                None => telling.stop(stage, Reason::TenantUnknown, ended(key, facts)),
            }
            (tenants.get(&key.tenant)?, Some(&**key))
        }
    };
    let config = &tenant.config;
    match config.suspended {
        true => {
            let place = facts.place(&config.id, &["suspended"]);
            telling.stop(stage, Reason::TenantSuspended, format!("{place} suspends tenant {}", config.id));
        }
        false => telling.pass(stage, format!("tenant {} ({}) is not suspended", config.id, config.file())),
    }
    Some(Caller { tenant, key })
}

fn whose(key: &StoredKey) -> String {
    let role = key.role.as_ref().map(|role| format!(", role {role}")).unwrap_or_default();
    let scopes =
        if key.scopes.is_empty() { String::new() } else { format!(", scopes {}", key.scopes.join(", ")) };
    let ends = key.expires_ms.map(|end| format!(", until {}", utc(end))).unwrap_or_default();
    format!("key {} of {} for tenant {}{role}{scopes}{ends}", key.id, key.actor, key.tenant)
}

fn ended(key: &StoredKey, facts: &Facts<'_>) -> String {
    let id = &key.id;
    match (key.revoked_ms, key.expires_ms) {
        (Some(at), _) => format!("key {id} was revoked at {}", utc(at)),
        (None, Some(end)) if end <= facts.now_ms => format!("key {id} ended at {}", utc(end)),
        _ => format!("key {id} is for tenant {}, which has no file", key.tenant),
    }
}

fn admit(
    facts: &Facts<'_>,
    question: &Question<'_>,
    caller: &Caller<'_>,
    found: Option<(&Described, Effect)>,
    telling: &mut Telling,
) -> Result<(), StorageError> {
    let stage = Stage::Admit;
    let tenant = &caller.tenant.config.id;
    let tool = found.map(|(tool, _)| tool.name.clone()).or_else(|| tool_of(question.function));
    let target = KillTarget {
        tenant,
        actor: Some(caller.key.map_or(facts.local_actor, |key| &key.actor)),
        tool: tool.as_ref(),
        component: found.map(|(tool, _)| &tool.digest),
        writes: found.is_some_and(|(_, effect)| effect == Effect::Write),
    };
    match Kill::against(facts.kills, &target) {
        Some(kill) => {
            let (by, why, at) = (&kill.by, &kill.why, utc(kill.at_unix_ms));
            telling.stop(stage, kill.reason(), format!("{}; set by {by} at {at}, {why:?}", killed(kill)));
        }
        None => {
            let actor = target.actor.map_or_else(String::new, |actor| format!(", actor {tenant}/{actor}"));
            let tool = tool.as_ref().map_or_else(String::new, |tool| format!(", tool {tool}"));
            let component = if found.is_some() { " and its component" } else { "" };
            telling.pass(stage, format!("no kill switch for host, tenant {tenant}{actor}{tool}{component}"));
        }
    }
    match &caller.tenant.config.rate {
        Some(rate) => {
            let (place, per_second) = (facts.place(tenant, &["rate"]), rate.per_second);
            let says = format!(
                "{place} rate: {per_second} calls a second, {} at once; the host that runs counts",
                rate.burst
            );
            telling.open(stage, Reason::RateLimited, says);
        }
        None => telling.pass(stage, "no rate"),
    }
    places(facts, caller, found.map(|(tool, _)| &tool.name), telling);
    match (found, question.idempotency_key) {
        (Some((_, Effect::Write)), true) => telling.pass(stage, "a write, with an idempotency key"),
        (Some((_, Effect::Write)), false) => {
            let (tenant, host) = (&caller.tenant.config.idempotency, &facts.settings.host.idempotency);
            let rule = FunctionName::new(question.function)
                .map_or(Keyless::Require, |function| tenant.of(host, &function, Keyless::Require));
            match rule {
                Keyless::Require => telling.stop(stage, Reason::IdempotencyKeyRequired, KEY_NEEDED),
                Keyless::Derive => telling.pass(
                    stage,
                    format!(
                        "a write; its key is derived, and the same call within {} ms gets its answer and does not run",
                        tenant.window_ms(host)
                    ),
                ),
                Keyless::Off => telling.pass(stage, "a write that may run as often as it is sent"),
            }
        }
        (Some((_, Effect::Read)), _) => telling.pass(stage, "a read, which needs no idempotency key"),
        (None, _) => {}
    }
    let local = ActorId::local();
    let actor = caller.key.map_or(&local, |key| &key.actor);
    let terms = Terms::by(&facts.settings.prices, &caller.tenant, actor, tool.as_ref(), None);
    let most = found.map_or(terms.amounts(0, 0, 0), |(tool, effect)| {
        let limits = caller.tenant.rights_by(&tool.manifest, effect).limits;
        terms.amounts(limits.fuel, limits.egress, limits.stored)
    });
    budgets(facts, caller, &terms.budgets, most, telling)
}

/// Limits of the tenant's own on calls at once; the host's is no rule about this tenant.
fn places(facts: &Facts<'_>, caller: &Caller<'_>, tool: Option<&ToolName>, telling: &mut Telling) {
    let config = &caller.tenant.config;
    let mut open = |path: &[&str], calls: u32, of: &str| {
        let place = facts.place(&config.id, path);
        let says = format!("{place} concurrency: {calls} calls{of} at once; the host that runs counts");
        telling.open(Stage::Admit, Reason::Overloaded, says);
    };
    if let Some(calls) = config.concurrency.calls {
        open(&["concurrency", "calls"], calls, "");
    }
    if let Some((tool, calls)) = tool.and_then(|tool| config.concurrency.tools.get_key_value(tool)) {
        open(&["concurrency", "tools", tool.as_str()], *calls, &format!(" of {tool}"));
    }
}

fn budgets(
    facts: &Facts<'_>,
    caller: &Caller<'_>,
    budgets: &[Budget],
    want: Amounts,
    telling: &mut Telling,
) -> Result<(), StorageError> {
    let stage = Stage::Admit;
    let tenant = &caller.tenant.config.id;
    if budgets.is_empty() {
        telling.pass(stage, "no budgets");
    }
    let used = facts.usage.usage(tenant, budgets, facts.now_ms)?;
    for usage in &used {
        let index = caller.tenant.rule_of(&usage.budget).unwrap_or_default();
        let place = facts.place(tenant, &["budgets", &index.to_string()]);
        let surely = usage.refuses(want, facts.usage.lent_may_be_free(), facts.now_ms);
        let maybe = usage.refuses(want, false, facts.now_ms);
        match (surely, maybe) {
            (Some(exceeded), _) => {
                telling.stop(stage, Reason::BudgetExceeded, format!("{place} budgets[{index}]: {exceeded}"));
            }
            (None, Some(_)) => telling.open(stage, Reason::BudgetExceeded, format!(
                "{place} budgets[{index}]: {}; {} more are lent to a host that runs, which knows how many of them it has spent",
                left(usage, want), usage.reserved,
            )),
            (None, None) => telling.pass(stage, format!("{place} budgets[{index}]: {}", left(usage, want))),
        }
    }
    Ok(())
}

fn left(usage: &Usage, want: Amounts) -> String {
    let budget = &usage.budget;
    format!("{} left of {budget}; the call may use {}", usage.left(), want.of(budget.count.of))
}

fn shorten(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(128).collect()
}
