//! Who may call what, by the tenant's rules: block, allow, roles, the scopes of the caller's key, and the tenant's own
//! policies. Each of them only narrows what the others leave.
//!
//! Takes: a [`Question`]. Gives: [`decide`], and [`every_step`] of it. May name: id, config, storage.
//!
//! A pure decision. Each answer names the rule that made it, so that a person finds the line to change.

use crate::config::{Effect, RoleName, Tenant, ToolPattern};
use crate::id::{ActorId, FunctionName};
use crate::storage::ledger::{Of, Per};
use serde::Serialize;
use std::borrow::Cow;

/// What the caller's credential says about it, besides the tenant and the actor.
#[derive(Debug, Clone, Copy, Default)]
pub struct Standing<'a> {
    /// Its role, if it has one.
    pub role: Option<&'a str>,
    /// What it is narrowed to; `None` narrows nothing, an empty list allows nothing.
    pub scopes: Option<&'a [ToolPattern]>,
}

/// What is left of one budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// What it counts.
    pub of: Of,
    /// Its window.
    pub per: Per,
    /// How much is left in this window, in calls or units of fuel, without the call that is asked about.
    pub left: u64,
}

/// What a decision may depend on besides who asks what.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moment<'a> {
    /// The time, in milliseconds since 1970.
    pub unix_ms: u64,
    /// What is left of the tenant's budgets. It is asked for only by policies that say so
    /// ([`Policies::ask_for_budgets`](super::cedar::Policies::ask_for_budgets)).
    pub left: &'a [Left],
}

/// May this caller call this function now?
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Whose rules count.
    pub tenant: &'a Tenant,
    /// Who asks.
    pub actor: &'a ActorId,
    /// The caller's role and scopes.
    pub standing: Standing<'a>,
    /// What it wants to call.
    pub function: &'a FunctionName,
    /// What that may do.
    pub effect: Effect,
    /// When.
    pub moment: Moment<'a>,
}

/// The parts of a tenant's rules, in the order in which they are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// `tools.block` of the tenant's file.
    Block,
    /// `tools.allow` of the tenant's file.
    Allow,
    /// The caller's role in the tenant's file, where the tenant has roles.
    Role,
    /// The scopes of the caller's key, where it has some.
    Scopes,
    /// The tenant's own policies, `policies/<tenant>.cedar`, where there are some.
    Policies,
}

/// What one part of the rules says to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which part.
    pub rule: Rule,
    /// Whether it lets the call pass.
    pub passes: bool,
    /// The line that says so, or the one that is missing.
    pub because: Cow<'static, str>,
    /// For [`Rule::Policies`], the ids of the policies that decided.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
}

/// The call is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// The rules that allow it, as `tenants/acme.toml tools.allow[0], roles.agent.tools[0]`.
    pub because: String,
    /// The ids of the policies that permit it; empty for a tenant without policies.
    pub policies: Vec<String>,
}

/// The call is denied, with the reason code `policy_denied`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{because}")]
pub struct PolicyDenied {
    /// The rule that denies it, or the one that is missing.
    pub because: String,
    /// The ids of the policies that forbid it, or that could not be evaluated.
    pub policies: Vec<String>,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Block, Self::Allow, Self::Role, Self::Scopes, Self::Policies];
}

/// Decides. All of it must hold: the tenant does not block the function, the tenant allows it, the caller's role (if the
/// tenant has roles) allows it with this effect, so do the caller's scopes, and the tenant's policies (if it has some)
/// permit it.
///
/// # Errors
/// [`PolicyDenied`] with the first rule that denies.
pub fn decide(question: &Question<'_>) -> Result<Allowed, PolicyDenied> {
    first_denial(Rule::ALL.into_iter().filter_map(|rule| judge(rule, question)))
}

/// Decides without the tenant's policies, for those who ask for no certain moment: what is allowed here, policies may
/// still deny.
///
/// # Errors
/// [`PolicyDenied`] with the first rule that denies.
pub fn decide_without_policies(
    tenant: &Tenant,
    standing: Standing<'_>,
    function: &FunctionName,
    effect: Effect,
) -> Result<Allowed, PolicyDenied> {
    let asked = Asked { tenant, standing, function, effect };
    first_denial(Rule::ALL.into_iter().filter_map(|rule| by_file(rule, asked)))
}

/// Everything that [`decide`] would ask, asked to the end: also the rules that come after one that denies. The call is
/// allowed when all of them pass.
#[must_use]
pub fn every_step(question: &Question<'_>) -> Vec<Finding> {
    Rule::ALL.into_iter().filter_map(|rule| judge(rule, question)).collect()
}

fn first_denial(findings: impl Iterator<Item = Finding>) -> Result<Allowed, PolicyDenied> {
    let mut allowed = Allowed { because: String::new(), policies: Vec::new() };
    for Finding { rule, passes, because, policies } in findings {
        if !passes {
            return Err(PolicyDenied { because: because.into_owned(), policies });
        }
        // That nothing blocks it is no rule that allows it.
        if rule != Rule::Block {
            if !allowed.because.is_empty() {
                allowed.because.push_str(", ");
            }
            allowed.because.push_str(&because);
        }
        allowed.policies.extend(policies);
    }
    Ok(allowed)
}

/// What the rules of the tenant's file and of the key depend on.
#[derive(Clone, Copy)]
struct Asked<'a> {
    tenant: &'a Tenant,
    standing: Standing<'a>,
    function: &'a FunctionName,
    effect: Effect,
}

/// What one part says; `None` when the tenant, or the caller's key, has no such part.
fn judge(rule: Rule, question: &Question<'_>) -> Option<Finding> {
    let Question { tenant, standing, function, effect, .. } = *question;
    if rule != Rule::Policies {
        return by_file(rule, Asked { tenant, standing, function, effect });
    }
    let opinion = tenant.policies.as_ref()?.judge(question);
    let because = opinion.because.into();
    Some(Finding { rule, passes: opinion.permits, because, policies: opinion.policies })
}

fn by_file(rule: Rule, asked: Asked<'_>) -> Option<Finding> {
    let said = match rule {
        Rule::Block => block(asked),
        Rule::Allow => allow(asked),
        Rule::Role => role(asked)?,
        Rule::Scopes => scopes(asked)?,
        Rule::Policies => return None,
    };
    let passes = said.is_ok();
    let because = said.unwrap_or_else(Cow::Owned);
    Some(Finding { rule, passes, because, policies: Vec::new() })
}

/// The rule that lets the call pass, or what denies it.
type Said = Result<Cow<'static, str>, String>;

fn block(Asked { tenant, function, .. }: Asked<'_>) -> Said {
    match first(&tenant.tools.block, function) {
        Some((index, pattern)) => {
            Err(format!("{} tools.block[{index}] = \"{pattern}\" blocks {function}", tenant.file()))
        }
        None => Ok("tools.block does not name it".into()),
    }
}

fn allow(Asked { tenant, function, .. }: Asked<'_>) -> Said {
    let file = tenant.file();
    match first(&tenant.tools.allow, function) {
        Some((index, _)) => Ok(format!("{file} tools.allow[{index}]").into()),
        None => Err(format!("{file} tools.allow does not name {function}")),
    }
}

fn role(Asked { tenant, standing, function, effect }: Asked<'_>) -> Option<Said> {
    let roles = tenant.roles.as_ref()?;
    let deny = |rule: &str| Some(Err(format!("{} {rule}", tenant.file())));
    let Some(name) = standing.role else {
        return deny("roles: the caller has no role, and this tenant asks for one");
    };
    let role = RoleName::new(name).ok().and_then(|name| roles.get_key_value(&name));
    let Some((name, role)) = role else {
        return deny("roles does not have the caller's role");
    };
    let Some((index, _)) = first(&role.tools, function) else {
        return deny(&format!("roles.{name}.tools does not name {function}"));
    };
    if !role.effects.contains(&effect) {
        return deny(&format!(
            "roles.{name}.effects does not have \"{effect}\", which is what {function} does"
        ));
    }
    Some(Ok(format!("roles.{name}.tools[{index}]").into()))
}

fn scopes(Asked { standing, function, .. }: Asked<'_>) -> Option<Said> {
    Some(match first(standing.scopes?, function) {
        Some((index, _)) => Ok(format!("the key's scopes[{index}]").into()),
        None => Err(format!("the key's scopes do not name {function}")),
    })
}

/// The first pattern that matches, and its place.
fn first<'a>(patterns: &'a [ToolPattern], function: &FunctionName) -> Option<(usize, &'a ToolPattern)> {
    patterns.iter().enumerate().find(|(_, pattern)| pattern.matches(function))
}

#[cfg(test)]
mod tests;
