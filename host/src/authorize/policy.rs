//! Who may call what, by the tenant's rules: block, allow, roles, and the scopes of the caller's key.
//!
//! Takes: tenant, caller's role and scopes, function and effect. Gives: [`decide`]. May name: id, config.
//!
//! A pure decision. Each answer names the rule that made it, so that a person finds the line to change.

use crate::config::{Effect, RoleName, Tenant, ToolPattern};
use crate::id::FunctionName;
use std::fmt::Write;

/// What the caller's credential says about it, besides the tenant.
#[derive(Debug, Clone, Copy, Default)]
pub struct Standing<'a> {
    /// Its role, if it has one.
    pub role: Option<&'a str>,
    /// What it is narrowed to; `None` narrows nothing, an empty list allows nothing.
    pub scopes: Option<&'a [ToolPattern]>,
}

/// The call is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// The rules that allow it, as `tenants/acme.toml tools.allow[0], roles.agent.tools[0]`.
    pub because: String,
}

/// The call is denied, with the reason code `policy_denied`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{because}")]
pub struct PolicyDenied {
    /// The rule that denies it, or the one that is missing.
    pub because: String,
}

/// Decides whether a caller may call a function with this effect. All of it must hold: the tenant does not
/// block the function, the tenant allows it, the caller's role (if the tenant has roles) allows it with this
/// effect, and so do the caller's scopes.
///
/// # Errors
/// [`PolicyDenied`] with the rule.
pub fn decide(
    tenant: &Tenant,
    standing: Standing<'_>,
    function: &FunctionName,
    effect: Effect,
) -> Result<Allowed, PolicyDenied> {
    let file = &tenant.file;
    let deny = |rule: &str| Err(PolicyDenied { because: format!("{file} {rule}") });
    if let Some((index, pattern)) = first(&tenant.tools.block, function) {
        return deny(&format!("tools.block[{index}] = \"{pattern}\" blocks {function}"));
    }
    let Some((allow, _)) = first(&tenant.tools.allow, function) else {
        return deny(&format!("tools.allow does not name {function}"));
    };
    let mut because = format!("{file} tools.allow[{allow}]");
    if let Some(roles) = &tenant.roles {
        let Some(name) = standing.role else {
            return deny("roles: the caller has no role, and this tenant asks for one");
        };
        let role = RoleName::new(name).ok().and_then(|name| roles.get_key_value(&name));
        let Some((name, role)) = role else {
            return deny("roles does not have the caller's role");
        };
        let Some((index, _)) = first(&role.tools, function) else {
            return deny(&format!("roles.{name}.tools does not name {function}"));
        };
        if !role.effects.contains(&effect) {
            return deny(&format!(
                "roles.{name}.effects does not have \"{effect}\", which is what {function} does"
            ));
        }
        // Writing to a String cannot fail.
        let _ = write!(because, ", roles.{name}.tools[{index}]");
    }
    if let Some(scopes) = standing.scopes {
        let Some((index, _)) = first(scopes, function) else {
            return Err(PolicyDenied { because: format!("the key's scopes do not name {function}") });
        };
        let _ = write!(because, ", the key's scopes[{index}]");
    }
    Ok(Allowed { because })
}

/// The first pattern that matches, and its place.
fn first<'a>(patterns: &'a [ToolPattern], function: &FunctionName) -> Option<(usize, &'a ToolPattern)> {
    patterns.iter().enumerate().find(|(_, pattern)| pattern.matches(function))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TenantId;
    use proptest::prelude::*;

    fn tenant(text: &str) -> Tenant {
        Tenant::parse(TenantId::new("acme").unwrap(), "tenants/acme.toml", text).unwrap()
    }

    fn ask(tenant: &Tenant, role: Option<&str>, function: &str, effect: Effect) -> Result<String, String> {
        let standing = Standing { role, scopes: None };
        decide(tenant, standing, &FunctionName::new(function).unwrap(), effect)
            .map(|allowed| allowed.because)
            .map_err(|denied| denied.because)
    }

    const RULES: &str = "[tools]\nallow = [\"files.read\", \"orders\"]\nblock = [\"orders.delete\"]\n";
    const ROLES: &str = "[roles.agent]\ntools = [\"*\"]\n[roles.reader]\ntools = [\"orders\", \"files\"]\neffects = [\"read\"]\n";

    #[test]
    fn allowed_is_what_is_allowed_and_not_blocked() {
        let tenant = tenant(RULES);
        for (function, expected) in [
            ("orders.list", Ok("tenants/acme.toml tools.allow[1]")),
            ("files.read", Ok("tenants/acme.toml tools.allow[0]")),
            ("files.write", Err("tenants/acme.toml tools.allow does not name files.write")),
            (
                "orders.delete",
                Err("tenants/acme.toml tools.block[0] = \"orders.delete\" blocks orders.delete"),
            ),
            ("orders-eu.list", Err("tenants/acme.toml tools.allow does not name orders-eu.list")),
        ] {
            for role in [None, Some("anything")] {
                let answer = ask(&tenant, role, function, Effect::Write);
                assert_eq!(answer.as_deref().map_err(String::as_str), expected);
            }
        }
    }

    #[test]
    fn nothing_is_allowed_by_saying_nothing() {
        let empty = tenant("");
        assert!(ask(&empty, None, "orders.list", Effect::Read).is_err());
        let blocked = tenant("[tools]\nallow = [\"*\"]\nblock = [\"*\"]\n");
        assert!(ask(&blocked, None, "orders.list", Effect::Read).is_err());
        assert!(ask(&Tenant::single(), None, "orders.list", Effect::Write).is_ok());
    }

    #[test]
    fn roles_narrow_tools_and_effects() {
        let tenant = tenant(&format!("{RULES}{ROLES}"));
        for (role, function, effect, expected) in [
            (
                Some("agent"),
                "orders.list",
                Effect::Write,
                Ok("tenants/acme.toml tools.allow[1], roles.agent.tools[0]"),
            ),
            (
                Some("agent"),
                "files.write",
                Effect::Write,
                Err("tenants/acme.toml tools.allow does not name files.write"),
            ),
            (
                Some("reader"),
                "files.read",
                Effect::Read,
                Ok("tenants/acme.toml tools.allow[0], roles.reader.tools[1]"),
            ),
            (
                Some("reader"),
                "orders.update",
                Effect::Write,
                Err(
                    "tenants/acme.toml roles.reader.effects does not have \"write\", which is what orders.update does",
                ),
            ),
            (
                Some("admin"),
                "orders.list",
                Effect::Read,
                Err("tenants/acme.toml roles does not have the caller's role"),
            ),
            (
                Some("Not\u{1b}A Role"),
                "orders.list",
                Effect::Read,
                Err("tenants/acme.toml roles does not have the caller's role"),
            ),
            (
                None,
                "orders.list",
                Effect::Read,
                Err("tenants/acme.toml roles: the caller has no role, and this tenant asks for one"),
            ),
        ] {
            let answer = ask(&tenant, role, function, effect);
            assert_eq!(answer.as_deref().map_err(String::as_str), expected);
        }
    }

    #[test]
    fn scopes_narrow_further_and_never_widen() {
        let tenant = tenant(RULES);
        let orders = [ToolPattern::parse("orders.list").unwrap(), ToolPattern::parse("mail").unwrap()];
        let ask = |scopes, function| {
            let function = FunctionName::new(function).unwrap();
            decide(&tenant, Standing { role: None, scopes }, &function, Effect::Read).map(|a| a.because)
        };
        assert_eq!(
            ask(Some(&orders), "orders.list").unwrap(),
            "tenants/acme.toml tools.allow[1], the key's scopes[0]"
        );
        assert_eq!(
            ask(Some(&orders), "orders.get").unwrap_err().to_string(),
            "the key's scopes do not name orders.get"
        );
        assert!(ask(Some(&orders), "mail.send").is_err());
        assert!(ask(Some(&[]), "orders.list").is_err());
    }

    fn patterns() -> impl Strategy<Value = Vec<ToolPattern>> {
        let pattern =
            prop_oneof!["\\*", "[ab]", "[ab]\\.[xy]"].prop_map(|text| ToolPattern::parse(&text).unwrap());
        proptest::collection::vec(pattern, 0..3)
    }

    proptest! {
        /// Each rule alone can deny, and what is allowed is allowed by all of them.
        #[test]
        fn a_call_is_allowed_exactly_if_every_rule_allows_it(
            allow in patterns(), block in patterns(), role in patterns(), scopes in patterns(),
            has_roles: bool, has_scopes: bool, may_write: bool, writes: bool, function in "[abc]\\.[xyz]",
        ) {
            let function = FunctionName::new(function).unwrap();
            let effect = if writes { Effect::Write } else { Effect::Read };
            let mut tenant = tenant(if has_roles { "[roles.agent]\ntools = [\"*\"]\n" } else { "" });
            tenant.tools.allow = allow.clone();
            tenant.tools.block = block.clone();
            if let Some(agent) = tenant.roles.as_mut().and_then(|roles| roles.get_mut("agent")) {
                agent.tools = role.clone();
                agent.effects = if may_write { vec![Effect::Read, Effect::Write] } else { vec![Effect::Read] };
            }
            let standing = Standing { role: Some("agent"), scopes: has_scopes.then_some(scopes.as_slice()) };
            let named = |patterns: &[ToolPattern]| patterns.iter().any(|pattern| pattern.matches(&function));
            let expected = named(&allow)
                && !named(&block)
                && (!has_roles || (named(&role) && (may_write || !writes)))
                && (!has_scopes || named(&scopes));
            prop_assert_eq!(decide(&tenant, standing, &function, effect).is_ok(), expected);
        }
    }
}
