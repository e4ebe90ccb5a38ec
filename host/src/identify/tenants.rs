//! The tenants, with what lasts from call to call: their rate and the rights that were computed for their tools.
//!
//! Takes: validated settings. Gives: [`Tenants`]. May name: authorize, config, id, storage, tools.

use crate::authorize::meet::meet;
use crate::authorize::rights::Rights;
use crate::config::{
    BudgetOf, BudgetRule, Effect, Limits, Mode, QuotaRule, Settings, Tenant, ToolGrant, Window,
};
use crate::id::{Digest, TenantId, ToolName};
use crate::storage::ledger::{Budget, Of, Per};
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
    pub(crate) rate: Option<DefaultDirectRateLimiter>,
    host_limits: Limits,
    rights: RwLock<HashMap<ToolName, Known>>,
}

/// The rights of one version of a tool, for its functions that write and for those that read.
struct Known {
    digest: Digest,
    write: Arc<Rights>,
    read: Arc<Rights>,
}

impl TenantState {
    fn new(config: Arc<Tenant>, host_limits: Limits, host_quotas: Quotas) -> Self {
        let rate = config.rate.as_ref().map(|rate| {
            let at_least_one = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
            let quota = Quota::per_second(at_least_one(rate.per_second));
            RateLimiter::direct(quota.allow_burst(at_least_one(rate.burst)))
        });
        let budgets = config.budgets.iter().map(budget).collect();
        let quotas = Quotas {
            keyvalue: quota(config.storage.keyvalue, host_quotas.keyvalue),
            memory: quota(config.storage.memory, host_quotas.memory),
        };
        Self { config, budgets, quotas, rate, host_limits, rights: RwLock::default() }
    }

    /// What a function of a tool may do for this tenant. Computed once for each version of the tool.
    pub(crate) fn rights(&self, tool: &Tool, effect: Effect) -> Arc<Rights> {
        let pick = |known: &Known| match effect {
            Effect::Read => known.read.clone(),
            Effect::Write => known.write.clone(),
        };
        let known = self.rights.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(&tool.name).filter(|k| k.digest == tool.digest) {
            return pick(known);
        }
        drop(known);
        let nothing = ToolGrant::default();
        let grant = self.config.grants.get(&tool.name).unwrap_or(&nothing);
        let write = meet(&tool.manifest, grant, &self.config.limits, &self.host_limits);
        let known = Known { digest: tool.digest, read: Arc::new(to_read(&write)), write: Arc::new(write) };
        let rights = pick(&known);
        self.rights.write().unwrap_or_else(PoisonError::into_inner).insert(tool.name.clone(), known);
        rights
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
    rights
}

fn budget(rule: &BudgetRule) -> Budget {
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
fn quota(rule: QuotaRule, default: Size) -> Size {
    Size { entries: rule.entries.unwrap_or(default.entries), bytes: rule.bytes.unwrap_or(default.bytes) }
}

/// All tenants of a host.
pub(crate) struct Tenants {
    all: BTreeMap<TenantId, Arc<TenantState>>,
    single: Option<Arc<TenantState>>,
}

impl Tenants {
    /// `quotas` is what a tenant may keep where neither its own file nor the host's says anything.
    pub(crate) fn new(settings: &Settings, quotas: Quotas) -> Self {
        let (limits, storage) = (settings.host.limits, settings.host.storage);
        let quotas = Quotas {
            keyvalue: quota(storage.keyvalue, quotas.keyvalue),
            memory: quota(storage.memory, quotas.memory),
        };
        let state = |tenant: &Tenant| Arc::new(TenantState::new(Arc::new(tenant.clone()), limits, quotas));
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
