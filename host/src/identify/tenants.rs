//! The tenants, with what lasts from call to call: how fast they called, and what follows from their rules.
//!
//! Takes: validated settings. Gives: [`Tenants`]. May name: admit, authorize, config, id,
//! storage, tools.

use super::pace::Pace;
use super::plan::{AtOnce, HostRules, Plan, Plans, quotas};
use crate::admit::line::Ask;
use crate::authorize::cedar::Policies;
use crate::authorize::policy::Left;
use crate::authorize::rights::Rights;
use crate::config::{ActorRule, BudgetRule, Effect, Manifest, Settings, Tenant};
use crate::id::{ActorId, RunId, TenantId, ToolName};
use crate::storage::StorageError;
use crate::storage::ledger::{Amounts, Budget, Count, Per, SqliteLedger, Usage, Who};
use crate::storage::tenant::Quotas;
use crate::tools::Tool;
use hashbrown::HashMap;
use std::sync::Arc;

/// One tenant.
pub(crate) struct TenantState {
    /// Its own copy, in place: a call of a tenant that rested long reads one piece of memory and not two.
    pub(crate) config: Tenant,
    /// Calls; none when they have no rate.
    rate: Option<Pace>,
    /// Looks at what it may call.
    pub(crate) list_rate: Pace,
    plan: Arc<Plan>,
}

/// Whose call it is, for budgets that are not for all calls together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whose<'a> {
    pub(crate) actor: Option<&'a ActorId>,
    pub(crate) tool: Option<&'a ToolName>,
    pub(crate) run: Option<&'a RunId>,
}

impl TenantState {
    /// A tenant with its new rules; what it has used of a rate that stays the same remains used.
    fn new(config: Tenant, plan: Arc<Plan>, before: Option<&Self>) -> Self {
        let rate = config.rate.as_ref().map(|rate| {
            let same = before.filter(|before| before.config.rate.as_ref() == Some(rate));
            same.and_then(|before| before.rate.clone()).unwrap_or_else(|| Pace::of(rate))
        });
        let same = before.filter(|before| before.config.list_rate == config.list_rate);
        let list_rate = same.map_or_else(|| Pace::of(&config.list_rate), |before| before.list_rate.clone());
        Self { config, rate, list_rate, plan }
    }

    /// Whether a tenant with these rules of its own and of the host is this one.
    fn is_as_before(&self, tenant: &Tenant, host: &HostRules) -> bool {
        self.config == *tenant && self.plan.host == *host
    }

    /// What a call of a tool counts against, on a host with so many places.
    pub(crate) fn asks(&self, tool: Option<ToolName>, places: u32) -> Ask {
        let rules = &self.config.concurrency;
        let calls = rules.calls.unwrap_or(match self.plan.host.calls_at_once {
            AtOnce::Of(calls) => calls,
            AtOnce::Part => places - places / 4,
            AtOnce::All => places,
        });
        let tool = tool.and_then(|tool| rules.tools.get(&tool).map(|calls| (tool, *calls)));
        Ask { tenant: self.config.id.clone(), weight: self.config.priority.weight(), calls, tool }
    }

    /// Takes a call of the tenant's rate.
    ///
    /// # Errors
    /// When the rate does not allow it: in how many milliseconds it will.
    pub(crate) fn in_time(&self) -> Result<(), u64> {
        self.rate.as_ref().map_or(Ok(()), Pace::take)
    }

    /// The budgets that a call counts for, in the order of the tenant's file.
    pub(crate) fn budgets(&self, whose: Whose<'_>) -> Arc<[Budget]> {
        match &self.plan.whole {
            Some(whole) => whole.clone(),
            None => self.config.budgets.iter().filter_map(|rule| budget(rule, whose)).collect(),
        }
    }

    /// How much it may keep.
    pub(crate) fn quotas(&self) -> Quotas {
        self.plan.quotas
    }

    /// What a function of a tool may do for this tenant.
    pub(crate) fn rights(&self, tool: &Tool, effect: Effect) -> Arc<Rights> {
        self.plan.rights(tool, effect)
    }

    /// The same for a tool of which only the manifest is known.
    pub(crate) fn rights_by(&self, manifest: &Manifest, effect: Effect) -> Rights {
        self.plan.rights_by(manifest, effect)
    }

    /// All budgets of the tenant, also those of single actors and runs, as far as these were ever counted.
    pub(crate) fn all_budgets(&self, counts: &[Count]) -> Vec<Budget> {
        let of_rule = |rule: &BudgetRule| {
            let of_rule =
                |count: &&Count| (count.of, count.per) == (rule.of, rule.per) && is_of(rule, &count.who);
            let actor = match &rule.actor {
                Some(ActorRule::One(actor)) => Some(actor),
                _ => None,
            };
            match budget(rule, Whose { actor, tool: rule.tool.as_ref(), run: None }) {
                Some(budget) => vec![budget],
                None => {
                    let known = counts.iter().filter(of_rule).cloned();
                    known
                        .map(|count| Budget { count, limit: rule.limit, mode: rule.mode, raised: None })
                        .collect()
                }
            }
        };
        self.config.budgets.iter().flat_map(of_rule).collect()
    }

    /// Whether a rule of the tenant's file counts this.
    pub(crate) fn has_budget(&self, count: &Count) -> bool {
        self.config.budgets.iter().any(|rule| counts(rule, count))
    }

    /// The place in the tenant's file of the rule that made a budget.
    pub(crate) fn rule_of(&self, budget: &Budget) -> Option<usize> {
        let makes = |rule: &BudgetRule| {
            let made = (rule.of, rule.per, rule.limit, rule.mode);
            made == (budget.count.of, budget.count.per, budget.limit, budget.mode)
                && is_of(rule, &budget.count.who)
        };
        self.config.budgets.iter().position(makes)
    }

    /// What is left of the budgets that a call counts for, when the tenant's policies ask for that; `held` is what the
    /// call that is judged holds back itself.
    pub(crate) fn left(
        &self,
        ledger: &SqliteLedger,
        whose: Whose<'_>,
        held: Amounts,
    ) -> Result<Vec<Left>, StorageError> {
        self.left_by(|budgets| ledger.usage_now(&self.config.id, budgets), whose, held)
    }

    /// The same, with what is used told by somebody else.
    pub(crate) fn left_by(
        &self,
        usage: impl FnOnce(&[Budget]) -> Result<Vec<Usage>, StorageError>,
        whose: Whose<'_>,
        held: Amounts,
    ) -> Result<Vec<Left>, StorageError> {
        if !self.config.policies.as_ref().is_some_and(Policies::ask_for_budgets) {
            return Ok(Vec::new());
        }
        let left = |usage: Usage| {
            let Count { of, per, .. } = usage.budget.count;
            let left = usage.left().saturating_add(held.of(of)).min(usage.budget.allows());
            Left { of, per, left }
        };
        Ok(usage(&self.budgets(whose))?.into_iter().map(left).collect())
    }
}

/// The budget that a rule makes for this call; `None` when the rule is not about it.
pub(super) fn budget(rule: &BudgetRule, whose: Whose<'_>) -> Option<Budget> {
    let actor = match &rule.actor {
        None => None,
        Some(ActorRule::Each) => Some(whose.actor?),
        Some(ActorRule::One(actor)) => Some(whose.actor.filter(|caller| *caller == actor)?),
    };
    let tool = match &rule.tool {
        None => None,
        Some(tool) => Some(whose.tool.filter(|called| *called == tool)?),
    };
    let run = match rule.per {
        Per::Run => Some(whose.run?),
        _ => None,
    };
    let count = Count { of: rule.of, per: rule.per, who: Who::of(actor, tool, run) };
    Some(Budget { count, limit: rule.limit, mode: rule.mode, raised: None })
}

/// Whether a rule counts this.
pub(crate) fn counts(rule: &BudgetRule, count: &Count) -> bool {
    (rule.of, rule.per) == (count.of, count.per) && is_of(rule, &count.who)
}

/// Whether a rule counts calls of these.
fn is_of(rule: &BudgetRule, who: &Who) -> bool {
    let actor = rule.actor.as_ref().map(|actor| match actor {
        ActorRule::Each => None,
        ActorRule::One(actor) => Some(actor),
    });
    who.is_about(actor, rule.tool.as_ref(), rule.per == Per::Run)
}

/// All tenants of a host.
pub(crate) struct Tenants {
    // Of many tenants most are cold: one look-up must touch few lines of memory.
    all: HashMap<TenantId, Arc<TenantState>>,
    single: Option<Arc<TenantState>>,
}

impl Tenants {
    /// The tenants of these settings. A tenant that is judged as before keeps its state, the very same one, whatever
    /// changed for others. `host_quotas` is what a tenant may keep where neither its own file nor the host's says anything.
    pub(crate) fn new(settings: &Settings, host_quotas: Quotas, before: Option<&Self>) -> Self {
        let calls_at_once = match (settings.host.calls_at_once, settings.tenants.len()) {
            (Some(calls), _) => AtOnce::Of(calls),
            (None, 0 | 1) => AtOnce::All,
            (None, _) => AtOnce::Part,
        };
        let quotas = quotas(&settings.host.storage, host_quotas);
        let host = HostRules { limits: settings.host.limits, quotas, calls_at_once };
        let mut plans = Plans::new(host);
        let mut state = |tenant: &Arc<Tenant>| {
            let before = before.and_then(|before| before.all.get(&tenant.id));
            match before {
                Some(same) if same.is_as_before(tenant, &host) => same.clone(),
                _ => {
                    let before = before.map(Arc::as_ref);
                    Arc::new(TenantState::new(Tenant::clone(tenant), plans.of(tenant), before))
                }
            }
        };
        let all: HashMap<_, _> = settings.tenants.iter().map(|(id, t)| (id.clone(), state(t))).collect();
        let single = match settings.single_tenant {
            true => all.get(&TenantId::default_tenant()).cloned(),
            false => None,
        };
        Self { all, single }
    }

    pub(crate) fn get(&self, id: &TenantId) -> Option<Arc<TenantState>> {
        self.all.get(id).cloned()
    }

    /// Those that are not the very same there.
    pub(crate) fn others_than<'a>(&'a self, next: &'a Self) -> impl Iterator<Item = &'a TenantId> {
        let same = |id, state| next.all.get(id).is_some_and(|next| Arc::ptr_eq(next, state));
        self.all.iter().filter(move |(id, state)| !same(*id, *state)).map(|(id, _)| id)
    }

    /// The tenant of a host that has no tenants configured.
    pub(crate) fn single(&self) -> Option<Arc<TenantState>> {
        self.single.clone()
    }
}
