//! Whether something that was denied may be suggested, and as what.
//!
//! Takes: a [`Wish`] and what is known of the host. Gives: [`Judged`]. May name: authorize, config, identify, storage,
//! tools.

use super::wish::{Want, Wish};
use super::{Known, http, suspect};
use crate::authorize::method::Method;
use crate::authorize::origin::Origin;
use crate::authorize::path::PathPattern;
use crate::authorize::policy::{self, Standing};
use crate::authorize::rights::Rights;
use crate::config::{Effect, Mode, RoleName, Tenant, TenantRules};
use crate::id::NeedName;
use crate::tools::Described;
use std::sync::Arc;

/// What comes of a wish.
pub(super) enum Judged {
    /// The rules allow it by now.
    Allowed,
    /// It is not suggested, for this reason.
    Refused(String),
    /// It can be granted.
    Asks(Box<Ask>),
}

/// What to grant.
pub(super) enum Ask {
    /// The function in `tools.allow`.
    Allow,
    /// The function in the tools of a role.
    Role(RoleName),
    /// A request.
    Http(Request),
    /// One more origin in the list of a grant.
    Origin(NeedName, Origin),
    /// Addresses inside for a grant; only proposed.
    Private(NeedName),
    /// A directory.
    Dir(NeedName, Mode),
    /// A bucket.
    Bucket(NeedName, Mode),
    /// The memory.
    Memory(Mode),
    Cache,
    /// The caller.
    Caller,
}

/// A request to grant.
pub(super) struct Request {
    pub(super) need: NeedName,
    /// Where it goes; `None` when the tool calls the need by its name, and the need is bound to nothing.
    pub(super) origin: Option<Origin>,
    pub(super) method: Method,
    pub(super) path: PathPattern,
    /// The manifest's pattern that covers the path.
    pub(super) pattern: PathPattern,
    /// Whether it leads inside, or nobody knows where; only proposed then.
    pub(super) private: bool,
}

pub(super) fn refused(why: impl Into<String>) -> Judged {
    Judged::Refused(why.into())
}

fn asks(ask: Ask) -> Judged {
    Judged::Asks(Box::new(ask))
}

pub(super) fn judge(known: &Known<'_>, wish: &Wish) -> Judged {
    if known.settings.single_tenant {
        return refused("this host has no tenants' files: make `tenants/default.toml` first, and a key");
    }
    let Some(tenant) = known.settings.tenants.get(&wish.tenant) else {
        return refused("the tenant has no file any more");
    };
    let found = known.tool(&wish.tool).and_then(|tool| Some((tool, tool.effect(&wish.function)?)));
    let Some((tool, effect)) = found else {
        return refused("the function is not installed any more");
    };
    if let Some(why) = suspect::attack(known, wish) {
        return refused(why);
    }
    if let Want::Call { rule } = &wish.want {
        return call(tenant, wish, effect, rule);
    }
    if allows(known, tenant, tool, wish) {
        return Judged::Allowed;
    }
    let (name, needs) = (&tool.name, &tool.manifest.needs);
    let moded =
        |needed: Mode, write: bool, what: &str, ask: &dyn Fn(Mode) -> Ask| match (write, needed, effect) {
            (true, Mode::ReadOnly, _) => {
                refused(format!("the manifest of {name} asks for {what} to read only"))
            }
            (true, _, Effect::Read) => {
                refused(format!("{} is declared to read, so it changes nothing", wish.function))
            }
            (true, ..) => asks(ask(Mode::ReadWrite)),
            (false, ..) => asks(ask(Mode::ReadOnly)),
        };
    let unasked = |what: &str| refused(format!("the manifest of {name} does not ask for {what}"));
    match &wish.want {
        Want::Call { .. } => refused("it is no import"),
        Want::Http { .. } | Want::Inside { .. } => {
            match http::judge(tenant, tool, &rights(known, tenant, tool, effect), wish) {
                Ok(ask) => asks(ask),
                Err(why) => refused(why),
            }
        }
        Want::Dir { need, write, .. } => match needs.dir.get_key_value(need.as_str()) {
            None => unasked(&format!("dir {need}")),
            Some((need, needed)) => {
                moded(needed.mode, *write, &format!("dir {need}"), &|mode| Ask::Dir(need.clone(), mode))
            }
        },
        Want::Bucket { name: bucket, open, write } => {
            let only = match (bucket.as_str(), needs.keyvalue.len()) {
                ("" | "default", 1) => needs.keyvalue.first_key_value(),
                _ => None,
            };
            let bound = || {
                let rights = rights(known, tenant, tool, effect);
                let right = rights.kv.into_iter().find(|right| right.bucket.as_str() == bucket)?;
                needs.keyvalue.get_key_value(&right.need)
            };
            let need = if *open { needs.keyvalue.get_key_value(bucket.as_str()).or(only) } else { bound() };
            match need {
                None => unasked(&format!("keyvalue {bucket}")),
                Some((need, needed)) => moded(needed.mode, *write, &format!("keyvalue {need}"), &|mode| {
                    Ask::Bucket(need.clone(), mode)
                }),
            }
        }
        Want::Memory { write } => match &needs.memory {
            None => unasked("the memory"),
            Some(needed) => moded(needed.mode, *write, "the memory", &Ask::Memory),
        },
        Want::Cache => match &needs.cache {
            None => unasked("the cache"),
            Some(_) => asks(Ask::Cache),
        },
        Want::Caller { kind } => {
            match needs.ask.iter().flat_map(|need| &need.kinds).any(|known| known.to_string() == *kind) {
                false => unasked(&format!("ask {kind}")),
                true => asks(Ask::Caller),
            }
        }
        Want::Config { key } => match needs.config.keys.iter().any(|known| known.as_str() == key) {
            false => unasked(&format!("config {key}")),
            true => refused(format!(
                "the value is yours to choose: write it as `{key}` in [grants.{name}.config] values"
            )),
        },
        Want::Other { .. } => refused("no grant gives this: raw sockets are given to no tool"),
    }
}

/// A call that the policy denied.
fn call(tenant: &Tenant, wish: &Wish, effect: Effect, rule: &str) -> Judged {
    let Some(place) = rule.strip_prefix(&tenant.file()).map(str::trim_start) else {
        return refused(match rule.starts_with("the key's scopes") {
            true => format!("{rule}: make a key with this scope, if its owner should have it"),
            false => format!("a rule denies it that only a person can change: {rule}"),
        });
    };
    if tenant.tools.block.iter().any(|pattern| pattern.matches(&wish.function)) {
        return refused(format!("{} blocks it, which somebody wrote on purpose", tenant.file()));
    }
    if !tenant.tools.allow.iter().any(|pattern| pattern.matches(&wish.function)) {
        return asks(Ask::Allow);
    }
    let role =
        role_of(place).filter(|name| tenant.roles.as_ref().is_some_and(|roles| roles.contains_key(name)));
    match role {
        Some(role) => {
            let standing = Standing { role: Some(role.as_str()), scopes: None };
            let named = tenant.roles.as_ref().and_then(|roles| roles.get(&role));
            match policy::decide_without_policies(tenant, standing, &wish.function, effect) {
                Ok(_) => Judged::Allowed,
                Err(_) if named.is_some_and(|role| !role.effects.contains(&effect)) => {
                    refused(format!("the role {role} may not {effect}, which somebody wrote on purpose"))
                }
                Err(_) => asks(Ask::Role(role)),
            }
        }
        None if place.starts_with("roles") => {
            refused("the caller's key has no role of this tenant: make one that has")
        }
        None if place.starts_with("tools") => Judged::Allowed,
        None => refused(format!("a rule denies it that only a person can change: {rule}")),
    }
}

/// The role in `roles.agent.tools does not name …`.
fn role_of(place: &str) -> Option<RoleName> {
    RoleName::new(place.strip_prefix("roles.")?.split('.').next()?).ok()
}

fn rights(known: &Known<'_>, tenant: &Tenant, tool: &Described, effect: Effect) -> Rights {
    crate::identify::rights(tenant, &known.settings.host.limits, &tool.manifest, effect)
}

/// Whether these rules let the wish pass. Asks what judges calls.
pub(super) fn allows(known: &Known<'_>, tenant: &Tenant, tool: &Described, wish: &Wish) -> bool {
    let Some(effect) = tool.effect(&wish.function) else { return false };
    let writes = |write: bool, mode: Mode| !write || mode == Mode::ReadWrite;
    let rights = rights(known, tenant, tool, effect);
    match &wish.want {
        Want::Call { rule } => {
            let role = rule.strip_prefix(&tenant.file()).and_then(|place| role_of(place.trim_start()));
            let standing = Standing { role: role.as_ref().map(RoleName::as_str), scopes: None };
            let tenant = match role {
                Some(_) => tenant.clone(),
                None => {
                    let rules = TenantRules { roles: None, ..(*tenant.rules).clone() };
                    Tenant { rules: Arc::new(rules), ..tenant.clone() }
                }
            };
            policy::decide_without_policies(&tenant, standing, &wish.function, effect).is_ok()
        }
        Want::Http { scheme, authority, path, .. } => http::method_of(tool, &wish.want)
            .is_some_and(|method| rights.http(method.as_str(), scheme, authority, path).is_ok()),
        Want::Inside { .. } => http::dialled(&rights, &wish.want).is_some_and(|right| right.allow_private),
        Want::Dir { need, write, .. } => rights.dir(need).is_ok_and(|right| writes(*write, right.mode)),
        Want::Bucket { name, open: true, write } => rights.bucket(name, *write).is_ok(),
        Want::Bucket { name, open: false, write } => {
            rights.kv.iter().any(|right| right.bucket.as_str() == name && writes(*write, right.mode))
        }
        Want::Memory { write } => rights.memory(*write).is_ok(),
        Want::Cache => rights.cache().is_ok(),
        Want::Caller { kind } => rights.ask.iter().any(|known| known.to_string() == *kind),
        Want::Config { key } => rights.config(key).is_ok(),
        Want::Other { .. } => false,
    }
}
