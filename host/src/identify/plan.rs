//! What follows from the rules of a tenant's file and of the host's. Tenants whose files say the same share it: of many tenants most
//! have one of a few plans, and a call of one that rested long finds this in the processor's caches.
//!
//! Takes: rules. Gives: [`Plan`], in which nothing is a tenant's own. May name: authorize, config, id, storage, tools.

use super::tenants::{Whose, budget};
use crate::authorize::meet::meet;
use crate::authorize::rights::Rights;
use crate::config::{
    BudgetRule, Effect, Limits, Manifest, Mode, QuotaRule, StorageRules, Tenant, TenantRules, ToolGrant,
};
use crate::id::{Digest, ToolName};
use crate::storage::cache::CacheSize;
use crate::storage::ledger::{Budget, Per};
use crate::storage::tenant::{Quotas, Size};
use crate::tools::Tool;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// What the host's own file says about all tenants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct HostRules {
    pub(super) limits: Limits,
    /// What a tenant may keep where its own file says nothing.
    pub(super) quotas: Quotas,
    pub(super) calls_at_once: AtOnce,
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

/// What tenants with the same rules have in common.
pub(super) struct Plan {
    rules: Arc<TenantRules>,
    pub(super) host: HostRules,
    pub(super) quotas: Quotas,
    /// The budgets of all calls, when there are no others; else they are put together for each call.
    pub(super) whole: Option<Arc<[Budget]>>,
    rights: RwLock<HashMap<ToolName, Known>>,
}

/// The rights of one version of a tool, for its functions that write and for those that read.
struct Known {
    edition: Digest,
    write: Arc<Rights>,
    read: Arc<Rights>,
}

impl Plan {
    fn new(rules: Arc<TenantRules>, host: HostRules) -> Self {
        let is_whole =
            |rule: &BudgetRule| rule.actor.is_none() && rule.tool.is_none() && rule.per != Per::Run;
        let everybody = Whose { actor: None, tool: None, run: None };
        let whole = rules.budgets.iter().all(is_whole).then(|| {
            let budgets = rules.budgets.iter().filter_map(|rule| budget(rule, everybody));
            budgets.collect()
        });
        let quotas = quotas(&rules.storage, host.quotas);
        Self { rules, host, quotas, whole, rights: RwLock::default() }
    }

    /// What a function of a tool may do. Computed once for each version of the tool.
    pub(super) fn rights(&self, tool: &Tool, effect: Effect) -> Arc<Rights> {
        let pick = |known: &Known| match effect {
            Effect::Read => known.read.clone(),
            Effect::Write => known.write.clone(),
        };
        let known = self.rights.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(&tool.name).filter(|k| k.edition == tool.edition) {
            return pick(known);
        }
        drop(known);
        let write = met(&self.rules, &self.host.limits, &tool.manifest);
        let known = Known { edition: tool.edition, read: Arc::new(to_read(&write)), write: Arc::new(write) };
        let rights = pick(&known);
        self.rights.write().unwrap_or_else(PoisonError::into_inner).insert(tool.name.clone(), known);
        rights
    }

    /// The same for a tool of which only the manifest is known.
    pub(super) fn rights_by(&self, manifest: &Manifest, effect: Effect) -> Rights {
        rights(&self.rules, &self.host.limits, manifest, effect)
    }
}

/// What a function of a tool may do for a tenant with these rules, on a host with these limits.
pub(crate) fn rights(tenant: &TenantRules, host: &Limits, manifest: &Manifest, effect: Effect) -> Rights {
    let write = met(tenant, host, manifest);
    match effect {
        Effect::Read => to_read(&write),
        Effect::Write => write,
    }
}

fn met(tenant: &TenantRules, host: &Limits, manifest: &Manifest) -> Rights {
    let nothing = ToolGrant::default();
    let grant = tenant.grants.get(&manifest.name).unwrap_or(&nothing);
    meet(manifest, grant, &tenant.limits, host)
}

/// The plans of a host, by the digests of the files that they follow from.
pub(super) struct Plans {
    host: HostRules,
    made: HashMap<Digest, Arc<Plan>>,
}

impl Plans {
    pub(super) fn new(host: HostRules) -> Self {
        Self { host, made: HashMap::new() }
    }

    pub(super) fn of(&mut self, tenant: &Tenant) -> Arc<Plan> {
        let new = || Arc::new(Plan::new(tenant.rules.clone(), self.host));
        let plan = self.made.entry(tenant.digest).or_insert_with(new);
        match plan.rules == tenant.rules {
            true => plan.clone(),
            false => new(),
        }
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

/// What a file says a tenant may keep, and where it says nothing, what is said elsewhere.
pub(super) fn quotas(rules: &StorageRules, default: Quotas) -> Quotas {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TenantId;

    fn tenant(id: &str, text: &str) -> Arc<Tenant> {
        Arc::new(Tenant::parse(TenantId::new(id).unwrap(), &format!("tenants/{id}.toml"), text).unwrap())
    }

    #[test]
    fn tenants_share_a_plan_when_their_files_say_the_same_and_only_then() {
        let one = "[limits]\nfuel = 1000\n[[budgets]]\nof = \"calls\"\nper = \"day\"\nlimit = 9\n";
        let host =
            HostRules { limits: Limits::default(), quotas: Quotas::default(), calls_at_once: AtOnce::All };
        let mut plans = Plans::new(host);
        let (acme, globex) = (plans.of(&tenant("acme", one)), plans.of(&tenant("globex", one)));
        assert!(Arc::ptr_eq(&acme, &globex));
        let other = plans.of(&tenant("initech", &one.replace("9", "8")));
        assert!(!Arc::ptr_eq(&acme, &other));
        assert_eq!((acme.whole.as_ref().unwrap()[0].limit, other.whole.as_ref().unwrap()[0].limit), (9, 8));
        // A digest alone gives nobody another's rules.
        let forged = Tenant { digest: tenant("acme", one).digest, ..(*tenant("umbrella", "")).clone() };
        assert!(!Arc::ptr_eq(&acme, &plans.of(&forged)));
    }
}
