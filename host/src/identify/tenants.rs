//! The tenants, with what lasts from call to call: their rate and the rights that were computed for their tools.
//!
//! Takes: validated settings. Gives: [`Tenants`]. May name: authorize, config, id, storage, tools.

use crate::authorize::rights::{Rights, meet};
use crate::config::{Limits, Settings, Tenant};
use crate::id::{Digest, TenantId, ToolName};
use crate::storage::ledger::Budget;
use crate::tools::Tool;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

/// One tenant.
pub(crate) struct TenantState {
    pub(crate) config: Arc<Tenant>,
    pub(crate) budgets: Vec<Budget>,
    pub(crate) rate: Option<DefaultDirectRateLimiter>,
    host_limits: Limits,
    rights: RwLock<HashMap<ToolName, (Digest, Arc<Rights>)>>,
}

impl TenantState {
    fn new(config: Arc<Tenant>, host_limits: Limits) -> Self {
        let rate = config.rate.as_ref().map(|rate| {
            RateLimiter::direct(Quota::per_second(rate.per_second).allow_burst(rate.burst))
        });
        let budgets = config.budgets.iter().map(Budget::from).collect();
        Self { config, budgets, rate, host_limits, rights: RwLock::default() }
    }

    /// What a tool may do for this tenant. Computed once for each version of the tool.
    pub(crate) fn rights(&self, tool: &Tool) -> Arc<Rights> {
        let known = self.rights.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((digest, rights)) = known.get(&tool.name)
            && *digest == tool.digest
        {
            return rights.clone();
        }
        drop(known);
        let grant = self.config.grants.get(&tool.name);
        let rights = Arc::new(meet(&tool.manifest, grant, &self.config.limits, &self.host_limits));
        let mut known = self.rights.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(tool.name.clone(), (tool.digest, rights.clone()));
        rights
    }
}

/// All tenants of a host.
pub(crate) struct Tenants {
    all: BTreeMap<TenantId, Arc<TenantState>>,
    single: Option<Arc<TenantState>>,
}

impl Tenants {
    pub(crate) fn new(settings: &Settings) -> Self {
        let limits = settings.host.limits;
        let state = |tenant: &Arc<Tenant>| Arc::new(TenantState::new(tenant.clone(), limits));
        let all: BTreeMap<_, _> = settings.tenants.iter().map(|(id, t)| (id.clone(), state(t))).collect();
        let single = match settings.single_tenant {
            true => all.get(TenantId::default_tenant().as_str()).cloned(),
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

    pub(crate) fn ids(&self) -> impl Iterator<Item = &TenantId> {
        self.all.keys()
    }
}
