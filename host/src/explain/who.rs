//! Who reaches something: tenant, role, keys and function, through which grant and by which rule.
//!
//! Takes: [`Facts`] and a [`Target`]. Gives: [`Reach`], one for each way. May name: authorize, config, id, identify,
//! storage, tools.
//!
//! The answer comes from the functions that judge calls themselves, so it cannot say something else than they do.

use super::{Facts, Target};
use crate::authorize::address;
use crate::authorize::origin::Origin;
use crate::authorize::policy::{self, Standing};
use crate::authorize::rights::{HttpRight, Rights};
use crate::config::{Effect, Tenant};
use crate::id::{FunctionName, KeyId, TenantId};
use crate::identify::{Tenants, scopes};
use crate::storage::ledger::{Kill, KillTarget, StoredKey};
use crate::storage::tenant::Quotas;
use crate::tools::Described;
use serde::Serialize;
use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::path::Path;

/// A function by its name, with its effect.
type Function = (FunctionName, Effect);

/// One way to the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// The tenant.
    pub tenant: TenantId,
    /// The role; absent where the tenant's roles narrow nothing.
    pub role: Option<String>,
    /// The keys that can be used now, have the role, and whose scopes let them.
    pub keys: Vec<KeyId>,
    /// Whether it needs no key, on a host without tenants' files.
    pub without_key: bool,
    /// The function that reaches it.
    pub function: FunctionName,
    /// How: the methods and paths, the mode, the effect.
    pub access: String,
    /// The grant, as file and key: `tenants/acme.toml grants.orders.http.orders`; absent for a tool.
    pub grant: Option<String>,
    /// The rules that let the call pass, as the audit log has them.
    pub rule: String,
    /// The tenant's policies, which decide at each call and may deny it all the same: `policies/acme.cedar`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub narrowed_by: Option<String>,
    /// What stops such calls for now: a suspended tenant, a kill switch; not one of a single actor.
    pub stopped: Option<String>,
}

/// Every way to the target, by tenant, function and role. Rights that a kill switch or a suspension stops for now are
/// listed too, with what stops them. Names are not resolved: what an origin's name leads to is checked at each call.
#[must_use]
pub fn who_can(facts: &Facts<'_>, target: &Target) -> Vec<Reach> {
    let tenants = Tenants::new(facts.settings, Quotas::default(), None);
    let mut found = Vec::new();
    for (id, tenant) in &facts.settings.tenants {
        let Some(state) = tenants.get(id) else { continue };
        for tool in facts.tools {
            for function in &tool.functions {
                let rights = state.rights_by(&tool.manifest, function.1);
                for (grant, access) in ways(facts, tenant, tool, function, &rights, target) {
                    callers(facts, tenant, tool, function, &grant, &access, &mut found);
                }
            }
        }
    }
    found
}

/// The grants by which a function reaches the target, and how; one without a grant for the function itself.
fn ways(
    facts: &Facts<'_>,
    tenant: &Tenant,
    tool: &Described,
    function: &Function,
    rights: &Rights,
    target: &Target,
) -> Vec<(Option<String>, String)> {
    let grant = |kind: &str, need: &dyn fmt::Display| {
        Some(format!("{} grants.{}.{kind}.{need}", tenant.file(), tool.name))
    };
    match target {
        Target::Tool(pattern) => {
            let hit = pattern.matches(&function.0);
            hit.then(|| (None, function.1.to_string())).into_iter().collect()
        }
        Target::Endpoint(origins) => {
            let hits = rights.http.iter().filter(|right| origins.iter().any(|o| leads_to(right, o)));
            hits.map(|right| (grant("http", &right.need), requests(right))).collect()
        }
        Target::Path(path) => {
            let hits = rights.dirs.iter().filter_map(|right| {
                let dir = facts.home.join(right.path.as_str());
                let part = within(facts, path, &dir)?;
                Some((grant("dir", &right.need), format!("{} {part}", right.mode)))
            });
            hits.collect()
        }
    }
}

fn leads_to(right: &HttpRight, origin: &Origin) -> bool {
    let literal = origin.dial_host().parse::<IpAddr>().ok();
    !right.methods.is_empty()
        && right.origins.iter().any(|pattern| pattern.matches(origin))
        && literal.is_none_or(|ip| address::may_dial(ip, right.allow_private).is_ok())
}

fn requests(right: &HttpRight) -> String {
    let join = |words: Vec<String>| words.join(",");
    let methods = join(right.methods.iter().map(ToString::to_string).collect());
    let paths = join(right.paths.iter().map(ToString::to_string).collect());
    let mut access = format!("{methods} {paths}");
    if let Some(credential) = &right.credential {
        // Writing to a String cannot fail.
        let _ = write!(access, " with credential {credential}");
    }
    access
}

/// Which part of the path a granted directory opens, with links followed on both sides as far as there is something.
fn within(facts: &Facts<'_>, path: &Path, dir: &Path) -> Option<String> {
    let both = |p: &Path| [Some(p.to_owned()), (facts.real)(p)].into_iter().flatten().collect::<Vec<_>>();
    let (paths, dirs) = (both(path), both(dir));
    let any = |test: &dyn Fn(&Path, &Path) -> bool| paths.iter().any(|p| dirs.iter().any(|d| test(p, d)));
    if any(&|path, dir| path.starts_with(dir)) {
        return Some("all of it".to_owned());
    }
    any(&|path, dir| dir.starts_with(path)).then(|| format!("only {}", dir.display()))
}

fn callers(
    facts: &Facts<'_>,
    tenant: &Tenant,
    tool: &Described,
    function: &Function,
    grant: &Option<String>,
    access: &str,
    found: &mut Vec<Reach>,
) {
    let roles: Vec<Option<String>> = match &tenant.roles {
        None => vec![None],
        Some(roles) => roles.keys().map(|role| Some(role.to_string())).collect(),
    };
    for role in roles {
        let standing = Standing { role: role.as_deref(), scopes: None };
        let decided = policy::decide_without_policies(tenant, standing, &function.0, function.1);
        let Ok(allowed) = decided else { continue };
        let usable = facts.keys.iter().filter(|key| {
            key.tenant == tenant.id
                && key.is_valid_at(facts.now_ms)
                && (role.is_none() || key.role == role)
                && may(tenant, key, function)
        });
        found.push(Reach {
            tenant: tenant.id.clone(),
            keys: usable.map(|key| key.id.clone()).collect(),
            without_key: facts.settings.single_tenant && role.is_none(),
            role,
            function: function.0.clone(),
            access: access.to_owned(),
            grant: grant.clone(),
            rule: allowed.because,
            narrowed_by: tenant.policies.as_ref().map(|policies| policies.file().to_owned()),
            stopped: stopped(facts, tenant, tool, function),
        });
    }
}

fn may(tenant: &Tenant, key: &StoredKey, function: &Function) -> bool {
    let scopes = scopes(key);
    let standing = Standing { role: key.role.as_deref(), scopes: scopes.as_deref() };
    policy::decide_without_policies(tenant, standing, &function.0, function.1).is_ok()
}

fn stopped(facts: &Facts<'_>, tenant: &Tenant, tool: &Described, function: &Function) -> Option<String> {
    if tenant.suspended {
        return Some(format!("{} suspended", tenant.file()));
    }
    let target = KillTarget {
        tenant: &tenant.id,
        actor: None,
        tool: Some(&tool.name),
        component: Some(&tool.digest),
        writes: function.1 == Effect::Write,
    };
    let hit = Kill::against(facts.kills, &target);
    hit.map(|kill| format!("{} {}", kill.mode.verb(), kill.scope))
}
