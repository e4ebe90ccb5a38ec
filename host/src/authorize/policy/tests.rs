//! Each rule of a tenant's file alone can deny, and says which line it is. May name: config, id.

use super::*;
use crate::id::TenantId;
use proptest::prelude::*;

fn tenant(text: &str) -> Tenant {
    Tenant::parse(TenantId::new("acme").unwrap(), "tenants/acme.toml", text).unwrap()
}

/// The short form, which must agree with the long one and, without policies, with the one that leaves them out.
fn decided(
    tenant: &Tenant,
    standing: Standing<'_>,
    function: &FunctionName,
    effect: Effect,
) -> Result<Allowed, PolicyDenied> {
    let actor = ActorId::new("agent").unwrap();
    let moment = Moment::default();
    let question = Question { tenant, actor: &actor, standing, function, effect, moment };
    let decided = decide(&question);
    let steps = every_step(&question);
    assert_eq!(steps.iter().all(|step| step.passes), decided.is_ok());
    if let Err(denied) = &decided {
        assert_eq!(steps.iter().find(|step| !step.passes).unwrap().because, denied.because);
    }
    assert_eq!(decide_without_policies(tenant, standing, function, effect), decided);
    decided
}

fn ask(tenant: &Tenant, role: Option<&str>, function: &str, effect: Effect) -> Result<String, String> {
    let standing = Standing { role, scopes: None };
    decided(tenant, standing, &FunctionName::new(function).unwrap(), effect)
        .map(|allowed| allowed.because)
        .map_err(|denied| denied.because)
}

const RULES: &str = "[tools]\nallow = [\"files.read\", \"orders\"]\nblock = [\"orders.delete\"]\n";
const ROLES: &str =
    "[roles.agent]\ntools = [\"*\"]\n[roles.reader]\ntools = [\"orders\", \"files\"]\neffects = [\"read\"]\n";

#[test]
fn allowed_is_what_is_allowed_and_not_blocked() {
    let tenant = tenant(RULES);
    for (function, expected) in [
        ("orders.list", Ok("tenants/acme.toml tools.allow[1]")),
        ("files.read", Ok("tenants/acme.toml tools.allow[0]")),
        ("files.write", Err("tenants/acme.toml tools.allow does not name files.write")),
        ("orders.delete", Err("tenants/acme.toml tools.block[0] = \"orders.delete\" blocks orders.delete")),
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
        decided(&tenant, Standing { role: None, scopes }, &function, Effect::Read).map(|a| a.because)
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
        let rules = std::sync::Arc::make_mut(&mut tenant.rules);
        rules.tools.allow = allow.clone();
        rules.tools.block = block.clone();
        if let Some(agent) = rules.roles.as_mut().and_then(|roles| roles.get_mut("agent")) {
            agent.tools = role.clone();
            agent.effects = if may_write { vec![Effect::Read, Effect::Write] } else { vec![Effect::Read] };
        }
        let standing = Standing { role: Some("agent"), scopes: has_scopes.then_some(scopes.as_slice()) };
        let named = |patterns: &[ToolPattern]| patterns.iter().any(|pattern| pattern.matches(&function));
        let expected = named(&allow)
            && !named(&block)
            && (!has_roles || (named(&role) && (may_write || !writes)))
            && (!has_scopes || named(&scopes));
        prop_assert_eq!(decided(&tenant, standing, &function, effect).is_ok(), expected);
    }
}
