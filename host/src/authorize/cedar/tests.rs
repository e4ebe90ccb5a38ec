//! What a tenant's policies say, and what people read when a policy file is wrong. May name: config, id.

use super::*;
use crate::authorize::policy::{Left, Moment, Standing};
use crate::config::tests::printed;
use crate::config::{Effect, Tenant};
use crate::id::{ActorId, FunctionName, TenantId};
use crate::storage::ledger::{Of, Per};
use cedar_policy::{Entities, Request};
use std::fmt::Write as _;

/// Tuesday, 24 November 2026, 09:05:07 UTC.
const TUESDAY: u64 = 1_795_511_107_000;
const HOUR: u64 = 3_600_000;

struct Asks<'a> {
    role: Option<&'a str>,
    function: &'a str,
    effect: Effect,
    unix_ms: u64,
    left: Vec<Left>,
}

impl Default for Asks<'_> {
    fn default() -> Self {
        let (function, effect) = ("orders.get", Effect::Read);
        Self { role: Some("agent"), function, effect, unix_ms: TUESDAY, left: Vec::new() }
    }
}

fn with_question<T>(asks: &Asks<'_>, then: impl FnOnce(&Question<'_>) -> T) -> T {
    let (tenant, actor) =
        (Tenant { id: TenantId::new("acme").unwrap(), ..Tenant::single() }, ActorId::new("support").unwrap());
    then(&Question {
        tenant: &tenant,
        actor: &actor,
        standing: Standing { role: asks.role, scopes: None },
        function: &FunctionName::new(asks.function).unwrap(),
        effect: asks.effect,
        moment: Moment { unix_ms: asks.unix_ms, left: &asks.left },
    })
}

fn policies(text: &str) -> Policies {
    Policies::parse("policies/acme.cedar", text).unwrap_or_else(|faults| panic!("{}", printed(&faults)))
}

/// Whether the call is permitted, and which policies say so.
fn ask(text: &str, asks: &Asks<'_>) -> (bool, Vec<String>) {
    let opinion = with_question(asks, |question| policies(text).judge(question));
    (opinion.permits, opinion.policies)
}

fn because(text: &str, asks: &Asks<'_>) -> String {
    with_question(asks, |question| policies(text).judge(question)).because
}

fn left(of: Of, per: Per, left: u64) -> Left {
    Left { of, per, left }
}

#[test]
fn nothing_permits_what_no_policy_permits_and_a_forbid_wins() {
    let agents = "permit(principal in Strongroom::Role::\"agent\", action, resource);\n";
    let deletes =
        "@id(\"no-deletes\") forbid(principal, action, resource == Strongroom::Function::\"orders.delete\");";
    let both = format!("{agents}{deletes}");
    let get = Asks::default();
    let delete = Asks { function: "orders.delete", effect: Effect::Write, ..Asks::default() };
    let nobody = Asks { role: None, ..Asks::default() };
    assert_eq!(ask("", &get), (false, vec![]));
    assert_eq!(ask("// nothing\n", &get), (false, vec![]));
    assert_eq!(ask(&both, &get), (true, vec!["policy0".to_owned()]));
    assert_eq!(ask(&both, &nobody), (false, vec![]));
    assert_eq!(ask(&both, &delete), (false, vec!["no-deletes".to_owned()]));
    assert_eq!(ask(agents, &delete), (true, vec!["policy0".to_owned()]));
    assert_eq!(because("", &get), "policies/acme.cedar: no policy permits orders.get");
    assert_eq!(because(&both, &get), "policies/acme.cedar: the policy \"policy0\"");
    assert_eq!(
        because(&both, &delete),
        "policies/acme.cedar: the policy \"no-deletes\" forbids orders.delete"
    );
    let many: String = (0..7).map(|_| "forbid(principal, action, resource);\n").collect();
    assert_eq!(
        because(&many, &get),
        "policies/acme.cedar: the policies \"policy0\", \"policy1\", \"policy2\", \"policy3\", \"policy4\" and 2 more \
         forbid orders.get"
    );
}

#[test]
fn a_policy_that_cannot_be_evaluated_denies_whatever_the_others_say() {
    let permit = "@id(\"all\") permit(principal, action, resource);\n";
    for effect in ["permit", "forbid"] {
        let text = format!(
            "{permit}@id(\"sum\") {effect}(principal, action, resource) when {{ context.unix * 9223372036854775807 > 0 }};"
        );
        assert_eq!(ask(&text, &Asks::default()), (false, vec!["sum".to_owned()]), "{effect}");
        let because = because(&text, &Asks::default());
        assert!(
            because.starts_with("policies/acme.cedar: the policy \"sum\" could not be evaluated: "),
            "{because}"
        );
        assert!(because.contains("overflow") && !because.contains('\n'), "{because}");
    }
}

#[test]
fn policies_see_who_asks_for_what_and_when() {
    let holds = |condition: &str, asks: &Asks<'_>| {
        let text = format!("permit(principal, action, resource) when {{ {condition} }};");
        ask(&text, asks).0
    };
    let write =
        Asks { function: "orders.admin.update", effect: Effect::Write, unix_ms: TUESDAY, ..Asks::default() };
    for (condition, expected) in [
        ("principal == Strongroom::Actor::\"support\"", true),
        ("principal == Strongroom::Actor::\"other\"", false),
        ("principal in Strongroom::Role::\"agent\"", true),
        ("principal has role && principal.role == Strongroom::Role::\"agent\"", true),
        ("principal.tenant == Strongroom::Tenant::\"acme\"", true),
        ("resource in Strongroom::Tool::\"orders\"", true),
        ("resource in Strongroom::Tool::\"files\"", false),
        ("resource == Strongroom::Function::\"orders.admin.update\"", true),
        ("resource.tool == \"orders\" && resource.name == \"admin.update\"", true),
        ("resource.name like \"admin.*\"", true),
        ("resource.effect == Strongroom::Effect::\"write\"", true),
        ("resource.effect == Strongroom::Effect::\"read\"", false),
        ("context.hour == 9 && context.minute == 5 && context.weekday == 2", true),
        ("context.unix == 1795511107", true),
        ("context has calls_left || context has fuel_left", false),
    ] {
        assert_eq!(holds(condition, &write), expected, "{condition}");
    }
    assert!(holds("!(principal has role)", &Asks { role: None, ..Asks::default() }));
    for (days, weekday) in [(0, 4), (3, 7), (4, 1), (19_723, 1), (19_729, 7)] {
        let asks = Asks { unix_ms: days * 24 * HOUR + HOUR / 2, ..Asks::default() };
        assert!(holds(&format!("context.weekday == {weekday} && context.minute == 30"), &asks), "{days}");
    }
    let asks = Asks {
        left: vec![
            left(Of::Calls, Per::Minute, 12),
            left(Of::Calls, Per::Day, 7),
            left(Of::Fuel, Per::Total, u64::MAX),
        ],
        ..Asks::default()
    };
    assert!(holds("context has calls_left && context.calls_left == 7", &asks));
    assert!(holds("context has calls_left_minute && context.calls_left_minute == 12", &asks));
    assert!(holds("context has fuel_left_total && context.fuel_left_total == 9223372036854775807", &asks));
    assert!(holds("!(context has calls_left_hour)", &asks));
}

/// The schema is what policies are validated against, so every question must keep to it.
#[test]
fn every_question_keeps_to_the_schema() {
    let all = Of::ALL.into_iter().flat_map(|of| Per::ALL.map(|per| left(of, per, 5)));
    let words = words::words().unwrap();
    let schema = words.validator.schema();
    for asks in [
        Asks::default(),
        Asks { role: None, ..Asks::default() },
        Asks { effect: Effect::Write, left: all.collect(), ..Asks::default() },
    ] {
        let (request, known) = with_question(&asks, |question| {
            let known = ask::Asked::new().known(words, question).unwrap();
            (ask::request(words, &known, question.moment).unwrap(), known)
        });
        Entities::from_entities(known.entities.clone(), Some(schema)).unwrap();
        let part = |uid: Option<&EntityUid>| uid.unwrap().clone();
        let (principal, action) = (part(request.principal()), part(request.action()));
        let context = request.context().unwrap().clone();
        Request::new(principal, action, part(request.resource()), context, Some(schema)).unwrap();
    }
}

/// What is remembered of earlier questions answers no other one.
#[test]
fn one_after_the_other_questions_are_answered_as_each_by_itself() {
    let text = "permit(principal in Strongroom::Role::\"agent\", action, resource)\n\
                when { resource.effect == Strongroom::Effect::\"read\" && context.hour == 9 };";
    let policies = policies(text);
    for _ in 0..2 {
        for role in [Some("agent"), None, Some("other")] {
            for effect in [Effect::Read, Effect::Write] {
                for later in [0, HOUR] {
                    let asks = Asks { role, effect, unix_ms: TUESDAY + later, ..Asks::default() };
                    let expected = role == Some("agent") && effect == Effect::Read && later == 0;
                    let permits = with_question(&asks, |question| policies.judge(question).permits);
                    assert_eq!(permits, expected, "{role:?} {effect} {later}");
                    assert_eq!(ask(text, &asks).0, expected);
                }
            }
        }
    }
}

#[test]
fn budgets_are_asked_for_only_by_policies_that_look_at_them() {
    for (condition, expected) in [
        ("context.hour > 8", false),
        ("resource.name == \"calls_left\" && principal has role", false),
        ("context has calls_left && context.calls_left > 3", true),
        ("context has \"fuel_left_day\"", true),
        ("context has \"calls\\u{5f}left\"", true),
        ("context == context", true),
        ("[context].contains(context)", true),
    ] {
        let text = format!("permit(principal, action, resource) when {{ {condition} }};");
        let Ok(policies) = Policies::parse("policies/acme.cedar", &text) else {
            panic!("{condition}");
        };
        assert_eq!(policies.ask_for_budgets(), expected, "{condition}");
    }
}

#[test]
fn faults_of_policies_show_the_line_and_what_to_write() {
    let when = |condition: &str| format!("permit(principal, action, resource)\nwhen {{ {condition} }};\n");
    let texts = [
        "permit(principal, action, resource)\nwhen { context.hour > 8 }\n\npermit(principal, action, resource);\n"
            .to_owned(),
        "allow(principal, action, resource);\n".to_owned(),
        when("context.hour >"),
        when("resource.name == 'get'"),
        when("context.hours > 8"),
        when("context.calls_left > 8"),
        when("resource.effect == \"write\""),
        when("resource.effect == Strongroom::Effect::\"wirte\""),
        when("context.hour == \"9\""),
        when("principal in Strongroom::Roles::\"agent\""),
        when("resource in Strongroom::Role::\"agent\""),
        when("context.hour in Strongroom::Role::\"agent\""),
        when("resource.name == \"get\u{202e}\""),
        "permit(principal, action == Strongroom::Action::\"list\", resource);\n".to_owned(),
        "permit(principal == Strongroom::Tenant::\"acme\", action, resource);\n".to_owned(),
        "permit(principal == ?principal, action, resource);\n".to_owned(),
        "@id(\"a\")\npermit(principal, action, resource);\n@id(\"a\")\nforbid(principal, action, resource);\n".to_owned(),
        "@id(\"policy1\")\npermit(principal, action, resource);\nforbid(principal, action, resource);\n".to_owned(),
        "@id(\"\")\npermit(principal, action, resource);\n@id(\"caf\u{e9}\")\nforbid(principal, action, resource);\n"
            .to_owned(),
        "forbid(principal, action, resource);\n".repeat(MAX_POLICIES + 1),
        when(&format!("{}true{}", "(".repeat(33), ")".repeat(33))),
        "// é ü\nforbid(principal, action, resource) when { resource.nam == \"a\" };".to_owned(),
    ];
    let mut all = String::new();
    for text in &texts {
        match Policies::parse("policies/acme.cedar", text) {
            Ok(policies) => panic!("this is no fault:\n{text}\n{policies:?}"),
            Err(faults) => writeln!(all, "{}", printed(&faults)).unwrap(),
        }
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_file_may_be_as_long_as_the_others_and_as_deep_as_people_read() {
    let long = "x".repeat(crate::config::MAX_FILE_BYTES);
    assert!(Policies::parse("policies/acme.cedar", &format!("// {long}")).is_err());
    let most: String = (0..MAX_POLICIES).map(|_| "permit(principal, action, resource);\n").collect();
    assert_eq!(policies(&most).ids().count(), MAX_POLICIES);
    let deep = |depth: usize| format!("{}true{}", "(".repeat(depth), ")".repeat(depth));
    let when = |condition: &str| format!("permit(principal, action, resource) when {{ {condition} }};");
    policies(&when(&deep(31)));
    // Brackets in strings and comments count for nothing.
    let open = "(".repeat(100);
    policies(&format!("// {open}\n{}", when(&format!("resource.name != \"\\\"{open}\""))));
    for (kind, most, condition) in [
        ("if", 31, &|n: usize| format!("{}true", "if true then true else ".repeat(n)) as String),
        ("&&", 400, &|n| format!("true{}", " && true".repeat(n))),
        ("||", 400, &|n| format!("false{}", " || context.hour > 1".repeat(n / 3))),
        ("+", 399, &|n| format!("1 == 1{}", " + 1".repeat(n))),
        (".", 400, &|n| format!("context{}", ".hour".repeat(n))),
        ("!", 400, &|n| format!("{}true", "!".repeat(n))),
        ("has", 399, &|n| format!("context has hour{}", ".a".repeat(n))),
    ] as [(&str, usize, &dyn Fn(usize) -> String); 7]
    {
        // Whatever comes of it, the host goes on.
        let _ = Policies::parse("policies/acme.cedar", &when(&condition(most)));
        let faults = Policies::parse("policies/acme.cedar", &when(&condition(10_000))).unwrap_err();
        assert!(faults.to_string().contains("more than"), "{kind}: {faults}");
    }
}

/// `cargo test --lib authorize::cedar -- --ignored --nocapture` prints what one decision costs.
#[test]
#[ignore = "a measurement"]
#[expect(clippy::disallowed_methods, reason = "it measures time")]
fn what_a_decision_costs() {
    let permit = "permit(principal in Strongroom::Role::\"agent\", action, resource);\n";
    let hours =
        "forbid(principal, action, resource in Strongroom::Tool::\"files\") when { context.hour < 8 };\n";
    for count in [1, 5, 20, MAX_POLICIES] {
        let policies = policies(&format!("{permit}{}", hours.repeat(count - 1)));
        let asks = Asks { left: vec![left(Of::Calls, Per::Day, 7)], ..Asks::default() };
        with_question(&asks, |question| {
            const TIMES: u32 = 5_000;
            let began = std::time::Instant::now();
            for _ in 0..TIMES {
                assert!(policies.judge(question).permits);
            }
            println!("{count} policies: {:?}", began.elapsed() / TIMES);
        });
    }
}
