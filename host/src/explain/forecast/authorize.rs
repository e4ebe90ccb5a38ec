//! The rules of a forecast, one after the other, each with the line that decides.
//!
//! Takes: caller, tool and function. Gives: steps. May name: authorize, config, id, identify, reason, storage,
//! tools.
//!
//! Each rule says what it thinks, also after one that refuses; the verdict is the first refusal.

use super::{Caller, Telling};
use crate::authorize::policy::{self, Finding, Moment, Rule, Standing};
use crate::config::{Effect, Tenant, span_of};
use crate::explain::{Facts, Stage};
use crate::id::{ActorId, FunctionName};
use crate::identify::{Whose, scopes};
use crate::reason::Reason;
use crate::storage::StorageError;
use crate::storage::ledger::Amounts;
use crate::tools::Described;

pub(super) fn judge(
    facts: &Facts<'_>,
    caller: &Caller<'_>,
    tool: &Described,
    name: &FunctionName,
    effect: Effect,
    telling: &mut Telling,
) -> Result<(), StorageError> {
    let stage = Stage::Authorize;
    telling.pass(stage, format!("{name} is installed, {effect}, component {}", tool.digest));
    let tenant = &caller.tenant.config;
    let scopes = caller.key.and_then(scopes);
    let local = ActorId::local();
    // Nothing is reserved for a call that is only foretold: what is left is what it would find.
    let used = |budgets: &[_]| facts.usage.usage(&tenant.id, budgets, facts.now_ms);
    let actor = caller.key.map_or(&local, |key| &key.actor);
    let whose = Whose { actor: Some(actor), tool: Some(&tool.name), run: None };
    let left = caller.tenant.left_by(used, whose, Amounts::default())?;
    let question = policy::Question {
        tenant,
        actor,
        standing: Standing {
            role: caller.key.and_then(|key| key.role.as_deref()),
            scopes: scopes.as_deref(),
        },
        function: name,
        effect,
        moment: Moment { unix_ms: facts.now_ms, left: &left },
    };
    for Finding { rule, passes, because, .. } in policy::every_step(&question) {
        match passes {
            // That nothing blocks it goes without saying.
            true if rule == Rule::Block => {}
            // Only the first rule of a whole decision names the file.
            true if rule == Rule::Role => {
                telling.pass(stage, with_line(facts, tenant, format!("{} {because}", tenant.file())));
            }
            true => telling.pass(stage, with_line(facts, tenant, because.into_owned())),
            false => {
                telling.stop(stage, Reason::PolicyDenied, with_line(facts, tenant, because.into_owned()))
            }
        }
    }
    telling.open(stage, Reason::ArgumentsInvalid, "the arguments are judged when they are there");
    Ok(())
}

/// The rule with its line: `tenants/acme.toml:3 tools.allow[0]`.
fn with_line(facts: &Facts<'_>, tenant: &Tenant, because: String) -> String {
    let Some(rest) = because.strip_prefix(&tenant.file()).map(str::trim_start) else { return because };
    let key = rest.split([' ', ':', ',']).next().unwrap_or_default();
    let steps: Vec<&str> = key.split(['.', '[', ']']).filter(|step| !step.is_empty()).collect();
    // What passes is named by its place alone; the value there says more.
    let value = || facts.sources.get(&tenant.id).and_then(|text| text.get(span_of(text, &steps)?));
    let value = if rest == key { value() } else { None };
    let value = value.map(|value| format!(" = {value}")).unwrap_or_default();
    format!("{} {rest}{value}", facts.place(&tenant.id, &steps))
}
