//! The tenants, with what lasts from call to call: their rate and the rights that were computed for their tools.
//!
//! Takes: validated settings. Gives: [`Tenants`]. May name: admit, authorize, config, id,
//! storage, tools.

use crate::admit::line::Ask;
use crate::authorize::cedar::Policies;
use crate::authorize::meet::meet;
use crate::authorize::policy::Left;
use crate::authorize::rights::Rights;
use crate::config::{
    BudgetOf, BudgetRule, Effect, Limits, Manifest, Mode, QuotaRule, Settings, StorageRules, Tenant,
    ToolGrant, Window,
};
use crate::id::{Digest, TenantId, ToolName};
use crate::storage::StorageError;
use crate::storage::cache::CacheSize;
use crate::storage::ledger::{Amounts, Budget, Ledger, Of, Per, Usage};
use crate::storage::tenant::{Quotas, Size};
use crate::tools::Tool;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError, RwLock};

/// One tenant.
pub(crate) struct TenantState {
    pub(crate) config: Arc<Tenant>,
    pub(crate) budgets: Vec<Budget>,
    pub(crate) quotas: Quotas,
    pub(crate) rate: Option<Arc<DefaultDirectRateLimiter>>,
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
            if let Some(limiter) = same.and_then(|before| before.rate.clone()) {
                return limiter;
            }
            let at_least_one = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
            let quota = Quota::per_second(at_least_one(rate.per_second));
            Arc::new(RateLimiter::direct(quota.allow_burst(at_least_one(rate.burst))))
        });
        let budgets = config.budgets.iter().map(budget).collect();
        let quotas = quotas(&config.storage, host_quotas);
        Self { config, budgets, quotas, rate, host_limits, calls_at_once, rights: RwLock::default() }
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

    /// What is left of the tenant's budgets, when its policies ask for that; `held` is what the call that is judged holds
    /// back itself.
    pub(crate) fn left(&self, ledger: &Ledger, held: Amounts) -> Result<Vec<Left>, StorageError> {
        self.left_by(|budgets| ledger.usage_now(&self.config.id, budgets), held)
    }

    /// The same, with what is used told by somebody else.
    pub(crate) fn left_by(
        &self,
        usage: impl FnOnce(&[Budget]) -> Result<Vec<Usage>, StorageError>,
        held: Amounts,
    ) -> Result<Vec<Left>, StorageError> {
        if !self.config.policies.as_ref().is_some_and(Policies::ask_for_budgets) {
            return Ok(Vec::new());
        }
        let usage = usage(&self.budgets)?;
        let left = |(rule, usage): (&BudgetRule, Usage)| {
            let left = usage.left().saturating_add(held.of(usage.budget.of)).min(rule.limit);
            Left { of: rule.of, per: rule.per, left }
        };
        Ok(self.config.budgets.iter().zip(usage).map(left).collect())
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

/// A budget of a tenant's file as the ledger counts it.
pub(crate) fn budget(rule: &BudgetRule) -> Budget {
    let of = match rule.of {
        BudgetOf::Calls => Of::Calls,
        BudgetOf::Fuel => Of::Fuel,
    };
    let per = match rule.per {
        Window::Minute => Per::Minute,
        Window::Hour => Per::Hour,
        Window::Day => Per::Day,
        Window::Total => Per::Total,
    };
    Budget { of, per, limit: rule.limit }
}

/// What the rule says, and where it says nothing, the default.
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
    all: BTreeMap<TenantId, Arc<TenantState>>,
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
        let state = |tenant: &Tenant| {
            let before = before.and_then(|before| before.all.get(&tenant.id));
            match before {
                Some(same) if same.is_as_before(tenant, limits, quotas, at_once) => same.clone(),
                _ => {
                    let before = before.map(Arc::as_ref);
                    Arc::new(TenantState::new(Arc::new(tenant.clone()), limits, quotas, at_once, before))
                }
            }
        };
        let all: BTreeMap<_, _> = settings.tenants.iter().map(|(id, t)| (id.clone(), state(t))).collect();
        let single = match settings.single_tenant {
            true => all.get(&TenantId::default_tenant()).cloned(),
            false => None,
        };
        Self { all, single }
    }

    pub(crate) fn get(&self, id: &TenantId) -> Option<Arc<TenantState>> {
        self.all.get(id).cloned()
    }

    /// The tenant of a host that has no tenants configured.
    pub(crate) fn single(&self) -> Option<Arc<TenantState>> {
        self.single.clone()
    }
}
