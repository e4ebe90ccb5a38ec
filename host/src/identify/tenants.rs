//! The tenants, with what lasts from call to call: their rate and the rights that were computed for their tools.
//!
//! Takes: validated settings. Gives: [`Tenants`]. May name: admit, authorize, config, id,
//! storage, tools.

use super::pace::Pace;
use crate::admit::line::Ask;
use crate::authorize::cedar::Policies;
use crate::authorize::meet::meet;
use crate::authorize::policy::Left;
use crate::authorize::rights::Rights;
use crate::config::{
    ActorRule, BudgetRule, Effect, Limits, Manifest, Mode, QuotaRule, Settings, StorageRules, Tenant,
    ToolGrant,
};
use crate::id::{ActorId, Digest, RunId, TenantId, ToolName};
use crate::storage::StorageError;
use crate::storage::cache::CacheSize;
use crate::storage::ledger::{Amounts, Budget, Count, Per, SqliteLedger, Usage, Who};
use crate::storage::tenant::{Quotas, Size};
use crate::tools::Tool;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// One tenant.
pub(crate) struct TenantState {
    pub(crate) config: Arc<Tenant>,
    /// The budgets of all calls, when there are no others; else they are put together for each call.
    whole: Option<Arc<[Budget]>>,
    pub(crate) quotas: Quotas,
    /// Calls; none when they have no rate.
    pub(crate) rate: Option<Pace>,
    /// Looks at what it may call.
    pub(crate) list_rate: Pace,
    host_limits: Limits,
    /// How many of its calls run at once where its own file says nothing.
    calls_at_once: AtOnce,
    rights: RwLock<HashMap<ToolName, Known>>,
}

/// How many calls of a tenant run at once where its own file says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtOnce {
    /// So many, says the operator's file.
    Of(u32),
    /// Three quarters of what the host runs, so that no tenant takes all of it.
    Part,
    /// All, because nobody else is there.
    All,
}

/// Whose call it is, for budgets that are not for all calls together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whose<'a> {
    pub(crate) actor: Option<&'a ActorId>,
    pub(crate) tool: Option<&'a ToolName>,
    pub(crate) run: Option<&'a RunId>,
}

/// The rights of one version of a tool, for its functions that write and for those that read.
struct Known {
    edition: Digest,
    write: Arc<Rights>,
    read: Arc<Rights>,
}

impl TenantState {
    /// A tenant with its new rules; what it has used of a rate that stays the same remains used.
    pub(crate) fn new(
        config: Arc<Tenant>,
        host_limits: Limits,
        host_quotas: Quotas,
        calls_at_once: AtOnce,
        before: Option<&Self>,
    ) -> Self {
        let rate = config.rate.as_ref().map(|rate| {
            let same = before.filter(|before| before.config.rate.as_ref() == Some(rate));
            same.and_then(|before| before.rate.clone()).unwrap_or_else(|| Pace::of(rate))
        });
        let same = before.filter(|before| before.config.list_rate == config.list_rate);
        let list_rate = same.map_or_else(|| Pace::of(&config.list_rate), |before| before.list_rate.clone());
        let is_whole =
            |rule: &BudgetRule| rule.actor.is_none() && rule.tool.is_none() && rule.per != Per::Run;
        let everybody = Whose { actor: None, tool: None, run: None };
        let whole = config.budgets.iter().all(is_whole).then(|| {
            let budgets = config.budgets.iter().filter_map(|rule| budget(rule, everybody));
            budgets.collect()
        });
        let quotas = quotas(&config.storage, host_quotas);
        Self { config, whole, quotas, rate, list_rate, host_limits, calls_at_once, rights: RwLock::default() }
    }

    /// Whether a tenant with these rules of its own and of the host is this one.
    fn is_as_before(
        &self,
        tenant: &Tenant,
        limits: Limits,
        host_quotas: Quotas,
        calls_at_once: AtOnce,
    ) -> bool {
        *self.config == *tenant
            && self.host_limits == limits
            && self.calls_at_once == calls_at_once
            && self.quotas == quotas(&tenant.storage, host_quotas)
    }

    /// What a call of a tool counts against, on a host with so many places.
    pub(crate) fn asks(&self, tool: Option<ToolName>, places: u32) -> Ask {
        let rules = &self.config.concurrency;
        let calls = rules.calls.unwrap_or(match self.calls_at_once {
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
        match &self.whole {
            Some(whole) => whole.clone(),
            None => self.config.budgets.iter().filter_map(|rule| budget(rule, whose)).collect(),
        }
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

    /// What a function of a tool may do for this tenant. Computed once for each version of the tool.
    pub(crate) fn rights(&self, tool: &Tool, effect: Effect) -> Arc<Rights> {
        let pick = |known: &Known| match effect {
            Effect::Read => known.read.clone(),
            Effect::Write => known.write.clone(),
        };
        let known = self.rights.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(&tool.name).filter(|k| k.edition == tool.edition) {
            return pick(known);
        }
        drop(known);
        let write = self.met(&tool.manifest);
        let known = Known { edition: tool.edition, read: Arc::new(to_read(&write)), write: Arc::new(write) };
        let rights = pick(&known);
        self.rights.write().unwrap_or_else(PoisonError::into_inner).insert(tool.name.clone(), known);
        rights
    }
}

impl TenantState {
    /// The same for a tool of which only the manifest is known.
    pub(crate) fn rights_by(&self, manifest: &Manifest, effect: Effect) -> Rights {
        let write = self.met(manifest);
        match effect {
            Effect::Read => to_read(&write),
            Effect::Write => write,
        }
    }

    fn met(&self, manifest: &Manifest) -> Rights {
        let nothing = ToolGrant::default();
        let grant = self.config.grants.get(&manifest.name).unwrap_or(&nothing);
        meet(manifest, grant, &self.config.limits, &self.host_limits)
    }
}

/// A function that is declared to read gets no right to write, whatever was granted to its tool: what it declares is
/// what lets its calls go without an idempotency key.
fn to_read(rights: &Rights) -> Rights {
    let mut rights = rights.clone();
    for http in &mut rights.http {
        http.methods.retain(|method| matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS"));
    }
    for dir in &mut rights.dirs {
        dir.mode = Mode::ReadOnly;
    }
    for bucket in &mut rights.kv {
        bucket.mode = Mode::ReadOnly;
    }
    rights.memory = rights.memory.map(|_| Mode::ReadOnly);
    // The cache stays as it is: nothing may rely on what it holds, so setting a value there changes nothing.
    rights
}

/// The budget that a rule makes for this call; `None` when the rule is not about it.
fn budget(rule: &BudgetRule, whose: Whose<'_>) -> Option<Budget> {
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

/// What a file says a tenant may keep, and where it says nothing, what is said elsewhere.
fn quotas(rules: &StorageRules, default: Quotas) -> Quotas {
    let size = |rule: QuotaRule, default: Size| Size {
        entries: rule.entries.unwrap_or(default.entries),
        bytes: rule.bytes.unwrap_or(default.bytes),
    };
    Quotas {
        keyvalue: size(rules.keyvalue, default.keyvalue),
        memory: size(rules.memory, default.memory),
        cache: CacheSize {
            entries: rules.cache.entries.unwrap_or(default.cache.entries),
            bytes: rules.cache.bytes.unwrap_or(default.cache.bytes),
        },
    }
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
        let limits = settings.host.limits;
        let quotas = quotas(&settings.host.storage, host_quotas);
        let at_once = match (settings.host.calls_at_once, settings.tenants.len()) {
            (Some(calls), _) => AtOnce::Of(calls),
            (None, 0 | 1) => AtOnce::All,
            (None, _) => AtOnce::Part,
        };
        let state = |tenant: &Arc<Tenant>| {
            let before = before.and_then(|before| before.all.get(&tenant.id));
            match before {
                Some(same) if same.is_as_before(tenant, limits, quotas, at_once) => same.clone(),
                _ => {
                    let before = before.map(Arc::as_ref);
                    Arc::new(TenantState::new(tenant.clone(), limits, quotas, at_once, before))
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
