//! Who reaches something: tenant, role, keys and function, through which grant and by which rule.
//!
//! Takes: [`Facts`] and a [`Target`]. Gives: [`Reach`], one for each way. May name: authorize, config, id, identify,
//! storage, tools.
//!
//! The answer comes from the functions that judge calls themselves, so it cannot say something else than they do.

use super::Target;
use crate::authorize::address;
use crate::authorize::origin::Origin;
use crate::authorize::policy::{self, Standing};
use crate::authorize::rights::{HttpRight, Rights};
use crate::config::{Settings, Tenant, ToolPattern};
use crate::id::{FunctionName, KeyId, TenantId};
use crate::identify::Tenants;
use crate::storage::ledger::{Kill, KillScope, StoredKey};
use crate::storage::tenant::Quotas;
use crate::tools::{Tool, ToolFunction};
use serde::Serialize;
use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is known of a host.
pub struct Facts<'a> {
    /// The operator's files.
    pub settings: &'a Settings,
    /// The installed tools.
    pub tools: &'a [Arc<Tool>],
    /// The API keys, ended ones too.
    pub keys: &'a [Arc<StoredKey>],
    /// The kill switches that are on.
    pub kills: &'a [Kill],
    /// Where relative directories of grants begin.
    pub home: &'a Path,
    /// The time, in milliseconds since 1970.
    pub now_ms: u64,
    /// The real path of something that is there, links followed; `None` when it is not there.
    pub real: &'a dyn Fn(&Path) -> Option<PathBuf>,
}

impl fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts").field("home", &self.home).finish_non_exhaustive()
    }
}

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
    /// What stops such calls for now: a suspended tenant, a kill switch.
    pub stopped: Option<String>,
}

/// Every way to the target, by tenant, function and role. Rights that a kill switch or a suspension stops for now are
/// listed too, with what stops them. Names are not resolved: what an origin's name leads to is checked at each call.
#[must_use]
pub fn who_can(facts: &Facts<'_>, target: &Target) -> Vec<Reach> {
    let tenants = Tenants::new(facts.settings, Quotas::default());
    let mut found = Vec::new();
    for (id, tenant) in &facts.settings.tenants {
        let Some(state) = tenants.get(id) else { continue };
        for tool in facts.tools {
            for function in tool.functions() {
                let rights = state.rights(tool, function.effect);
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
    tool: &Tool,
    function: &ToolFunction,
    rights: &Rights,
    target: &Target,
) -> Vec<(Option<String>, String)> {
    let grant = |kind: &str, need: &dyn fmt::Display| {
        Some(format!("{} grants.{}.{kind}.{need}", tenant.file, tool.name))
    };
    match target {
        Target::Tool(pattern) => {
            let hit = pattern.matches(&function.name);
            hit.then(|| (None, function.effect.to_string())).into_iter().collect()
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
    tool: &Tool,
    function: &ToolFunction,
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
        let Ok(allowed) = policy::decide(tenant, standing, &function.name, function.effect) else { continue };
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
            function: function.name.clone(),
            access: access.to_owned(),
            grant: grant.clone(),
            rule: allowed.because,
            stopped: stopped(facts, tenant, tool),
        });
    }
}

fn may(tenant: &Tenant, key: &StoredKey, function: &ToolFunction) -> bool {
    let scopes: Vec<_> = key.scopes.iter().filter_map(|scope| ToolPattern::parse(scope).ok()).collect();
    let scopes = (!key.scopes.is_empty()).then_some(scopes.as_slice());
    let standing = Standing { role: key.role.as_deref(), scopes };
    policy::decide(tenant, standing, &function.name, function.effect).is_ok()
}

fn stopped(facts: &Facts<'_>, tenant: &Tenant, tool: &Tool) -> Option<String> {
    if tenant.suspended {
        return Some(format!("{} suspended", tenant.file));
    }
    let hit = facts.kills.iter().find(|kill| match &kill.scope {
        KillScope::Host => true,
        KillScope::Tenant(id) => *id == tenant.id,
        KillScope::Tool(name) => *name == tool.name,
    });
    hit.map(|kill| format!("kill {}", kill.scope))
}
