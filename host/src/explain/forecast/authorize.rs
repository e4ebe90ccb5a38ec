//! The rules of a forecast, one after the other, each with the line that decides.
//!
//! Takes: caller, tool and function. Gives: steps. May name: authorize, config, id, reason, tools.
//!
//! The policy answers with its first refusal. Asked with only one of its rules in force, it tells what each of them says;
//! the verdict is what it answers with all of them.

use super::{Caller, Telling};
use crate::authorize::policy::{self, Standing};
use crate::config::{Effect, Tenant, ToolPattern, span_of};
use crate::explain::{Facts, Stage};
use crate::id::FunctionName;
use crate::identify::scopes;
use crate::reason::Reason;
use crate::tools::Described;

pub(super) fn judge(
    facts: &Facts<'_>,
    caller: &Caller<'_>,
    tool: &Described,
    name: &FunctionName,
    effect: Effect,
    telling: &mut Telling,
) {
    let stage = Stage::Authorize;
    telling.pass(stage, format!("{name} is installed, {effect}, component {}", tool.digest));
    let tenant = &*caller.tenant.config;
    let scopes = caller.key.and_then(scopes);
    let standing =
        Standing { role: caller.key.and_then(|key| key.role.as_deref()), scopes: scopes.as_deref() };
    let whole = policy::decide(tenant, standing, name, effect);
    let before = telling.steps.len();
    for (rule, standing, rules) in alone(tenant, standing) {
        match policy::decide(&rules, standing, name, effect) {
            Ok(allowed) => telling.pass(stage, with_line(facts, tenant, deciding(&allowed.because, rule))),
            Err(denied) => {
                telling.stop(stage, Reason::PolicyDenied, with_line(facts, tenant, denied.because));
            }
        }
    }
    let told = telling.steps.iter().skip(before).any(|step| step.reason_code.is_some());
    if let Err(denied) = whole
        && !told
    {
        telling.stop(stage, Reason::PolicyDenied, with_line(facts, tenant, denied.because));
    }
    telling.open(stage, Reason::ArgumentsInvalid, "the arguments are judged when they are there");
}

/// Which of the rules is in force.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    Tools,
    Role,
    Scopes,
}

/// The tenant with each of its rules alone; rules that narrow nothing are left out.
fn alone<'a>(tenant: &Tenant, standing: Standing<'a>) -> Vec<(Rule, Standing<'a>, Tenant)> {
    let mut open = tenant.clone();
    open.tools.allow = vec![ToolPattern::Any];
    open.tools.block = Vec::new();
    let Standing { role, scopes } = standing;
    let mut rules = vec![(Rule::Tools, Standing::default(), Tenant { roles: None, ..tenant.clone() })];
    if tenant.roles.is_some() {
        rules.push((Rule::Role, Standing { role, scopes: None }, open.clone()));
    }
    if scopes.is_some() {
        rules.push((Rule::Scopes, Standing { role: None, scopes }, Tenant { roles: None, ..open }));
    }
    rules
}

/// What the one rule says, without the opened one before it.
fn deciding(because: &str, rule: Rule) -> String {
    let file = because.split(' ').next().unwrap_or_default();
    match (rule, because.split_once(", ")) {
        (Rule::Role, Some((_, rule))) => format!("{file} {rule}"),
        (Rule::Scopes, Some((_, rule))) => rule.to_owned(),
        _ => because.to_owned(),
    }
}

/// The rule with its line: `tenants/acme.toml:3 tools.allow[0]`.
fn with_line(facts: &Facts<'_>, tenant: &Tenant, because: String) -> String {
    let Some(rest) = because.strip_prefix(&tenant.file).map(str::trim_start) else { return because };
    let key = rest.split([' ', ':', ',']).next().unwrap_or_default();
    let steps: Vec<&str> = key.split(['.', '[', ']']).filter(|step| !step.is_empty()).collect();
    // What passes is named by its place alone; the value there says more.
    let value = || facts.sources.get(&tenant.id).and_then(|text| text.get(span_of(text, &steps)?));
    let value = if rest == key { value() } else { None };
    let value = value.map(|value| format!(" = {value}")).unwrap_or_default();
    format!("{} {rest}{value}", facts.place(&tenant.id, &steps))
}
