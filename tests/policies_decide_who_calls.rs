//! A tenant's Cedar policies narrow further who may call what and when; what decided is in the book.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use strongroom::audit::{Entry, Filter, read};
use strongroom::explain::story;
use strongroom::id::Digest;
use strongroom::identify::Credential;
use strongroom::powers::{Clock, Home};
use strongroom::reason::{Outcome, Reason};
use strongroom_tests::{House, Plan, house};

const ROLES: &str = r#"
[tools]
allow = ["prober", "echo"]
block = ["prober.env"]
[roles.reader]
tools = ["*"]
[roles.writer]
tools = ["*"]
[grants.prober.keyvalue.cart]
mode = "rw"
"#;

const NOW: (&str, &str) = ("prober.now", "{}");
const RANDOM: (&str, &str) = ("prober.random", r#"{"bytes":1}"#);
const SET: (&str, &str) = ("prober.kv-set", r#"{"bucket":"cart","key":"k","value":"MQ=="}"#);
const ECHO: (&str, &str) = ("echo.echo-u8", r#"{"value":1}"#);

fn plan(rules: &str, policies: &str) -> Plan {
    house().tenant("acme", rules).file("policies/acme.cedar", policies).tool("prober").tool("echo")
}

async fn ends(house: &House, key: &str, (function, arguments): (&str, &str)) -> Reason {
    house.call_as(key, function, arguments).await.reason
}

/// The functions that a key sees.
async fn listed(house: &House, key: &str) -> BTreeSet<String> {
    let caller = house.room.identify(Credential::ApiKey(key)).await.unwrap();
    let listed = house.room.list(caller).await.unwrap();
    listed.iter().map(|listed| listed.function.name.to_string()).collect()
}

/// The last entry of the book about a call of this function.
fn last(house: &House, function: &str) -> Entry {
    let audit = Home::open(house.path().join("audit")).unwrap();
    let entries = read(audit.dir(), Filter::default()).unwrap().map(Result::unwrap);
    entries.filter(|entry| entry.action == format!("call {function}")).last().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_policy_file_the_tenants_file_alone_decides() {
    let house = house().tenant("acme", ROLES).tool("prober").tool("echo").build().await;
    let key = house.key_for("acme", Some("reader"), &[]).await;
    for call in [NOW, RANDOM, SET, ECHO] {
        assert_eq!(ends(&house, &key, call).await, Reason::Ok, "{call:?}");
    }
    let entry = last(&house, NOW.0);
    assert_eq!(entry.policy, Some(Digest::of(ROLES.as_bytes())));
    assert!(entry.policies.is_empty() && !serde_json::to_string(&entry).unwrap().contains("policies"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_needs_a_permit_and_a_forbid_wins() {
    let policies = r#"
        @id("readers-read")
        permit(principal in Strongroom::Role::"reader", action, resource)
        when { resource.effect == Strongroom::Effect::"read" };
        @id("writers")
        permit(principal in Strongroom::Role::"writer", action, resource in Strongroom::Tool::"prober");
        @id("no-random")
        forbid(principal, action, resource == Strongroom::Function::"prober.random");
    "#;
    let house = plan(ROLES, policies).build().await;
    let reader = house.key_for("acme", Some("reader"), &[]).await;
    let writer = house.key_for("acme", Some("writer"), &[]).await;
    let scoped = house.key_for("acme", Some("writer"), &["prober.now"]).await;
    for (key, call, expected, decided) in [
        (&reader, NOW, Reason::Ok, &["readers-read"][..]),
        (&writer, NOW, Reason::Ok, &["writers"]),
        (&writer, SET, Reason::Ok, &["writers"]),
        (&reader, SET, Reason::PolicyDenied, &[]),
        (&reader, RANDOM, Reason::PolicyDenied, &["no-random"]),
        (&writer, RANDOM, Reason::PolicyDenied, &["no-random"]),
        (&writer, ECHO, Reason::PolicyDenied, &[]),
        // What the tenant's file or the key's scopes deny, no policy can permit.
        (&writer, ("prober.env", "{}"), Reason::PolicyDenied, &[]),
        (&scoped, SET, Reason::PolicyDenied, &[]),
        (&scoped, NOW, Reason::Ok, &["writers"]),
    ] {
        let receipt = house.call_as(key, call.0, call.1).await;
        assert_eq!(receipt.reason, expected, "{receipt:?}");
        let entry = last(&house, call.0);
        assert_eq!(entry.policies, decided, "{entry:?}");
        assert_eq!(entry.call_id, Some(receipt.call_id));
        let both = [ROLES, policies].map(|text| *Digest::of(text.as_bytes()).as_bytes());
        assert_eq!(entry.policy, Some(Digest::of(both.as_flattened())));
        let shown = format!("{:?}", story(&[entry]));
        let said = receipt.message.unwrap_or_default();
        if decided.is_empty() {
            assert!(!shown.contains("policies: "), "{shown}");
        } else {
            assert!(shown.contains(&format!("policies: {}", decided.join(", "))), "{shown}");
        }
        if decided == ["no-random"] {
            assert_eq!(said, "policies/acme.cedar: the policy \"no-random\" forbids prober.random");
            assert_eq!(receipt.outcome, Outcome::Denied);
        }
    }
    assert_eq!(
        house.call_as(&writer, ECHO.0, ECHO.1).await.message.unwrap(),
        "policies/acme.cedar: no policy permits echo.echo-u8"
    );
    let seen = listed(&house, &reader).await;
    assert!(seen.contains("prober.now"), "{seen:?}");
    for hidden in ["prober.random", "prober.kv-set", "prober.env"] {
        assert!(!seen.contains(hidden), "{hidden}");
    }
    let seen = listed(&house, &writer).await;
    assert!(
        seen.contains("prober.kv-set") && seen.iter().all(|name| name.starts_with("prober.")),
        "{seen:?}"
    );
    assert_eq!(listed(&house, &scoped).await, BTreeSet::from(["prober.now".to_owned()]));
}

/// A clock that a test sets; it starts at midnight, Monday, 4 January 2027, in UTC.
#[derive(Debug)]
struct Set(AtomicU64);

const MONDAY: u64 = 1_799_020_800;

impl Set {
    fn to(&self, day: u64, hour: u64, minute: u64) {
        let seconds = MONDAY + ((day * 24 + hour) * 60 + minute) * 60;
        self.0.store(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for Set {
    fn unix_us(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_know_the_time() {
    let policies = r#"
        permit(principal, action, resource);
        @id("office-hours")
        forbid(principal, action, resource)
        when { resource.effect == Strongroom::Effect::"write" }
        unless {
          context.weekday <= 5 && context.hour * 60 + context.minute >= 8 * 60 + 30 && context.hour < 17
        };
    "#;
    let clock = Arc::new(Set(AtomicU64::new(0)));
    clock.to(0, 0, 0);
    let house = plan(ROLES, policies).build_with(|builder| builder.clock(clock.clone())).await;
    let key = house.key_for("acme", Some("writer"), &[]).await;
    for (day, hour, minute, open) in [
        (0, 8, 29, false),
        (0, 8, 30, true),
        (1, 16, 59, true),
        (1, 17, 0, false),
        (4, 12, 0, true),
        (5, 12, 0, false),
        (6, 12, 0, false),
        (7, 12, 0, true),
    ] {
        clock.to(day, hour, minute);
        let expected = if open { Reason::Ok } else { Reason::PolicyDenied };
        assert_eq!(ends(&house, &key, SET).await, expected, "day {day}, {hour}:{minute}");
        assert_eq!(ends(&house, &key, NOW).await, Reason::Ok);
        assert_eq!(listed(&house, &key).await.contains(SET.0), open, "listed as it can be called");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_know_what_is_left_of_budgets() {
    let rules = format!(
        "{ROLES}[[budgets]]\nof = \"calls\"\nper = \"day\"\nlimit = 6\n[[budgets]]\nof = \"calls\"\nper = \"total\"\nlimit = 100\n"
    );
    // The last two calls of a day are the writers'.
    let policies = r#"
        permit(principal, action, resource);
        @id("kept-for-writers")
        forbid(principal in Strongroom::Role::"reader", action, resource)
        when { context has calls_left_day && context.calls_left_day <= 2 };
    "#;
    let clock = Arc::new(Set(AtomicU64::new(0)));
    clock.to(0, 9, 0);
    let house = plan(&rules, policies).build_with(|builder| builder.clock(clock.clone())).await;
    let reader = house.key_for("acme", Some("reader"), &[]).await;
    let writer = house.key_for("acme", Some("writer"), &[]).await;
    for _ in 0..4 {
        assert!(!listed(&house, &reader).await.is_empty());
        assert_eq!(ends(&house, &reader, NOW).await, Reason::Ok);
    }
    assert!(listed(&house, &reader).await.is_empty());
    for _ in 0..3 {
        // What is denied costs nothing.
        assert_eq!(ends(&house, &reader, NOW).await, Reason::PolicyDenied);
        assert_eq!(last(&house, NOW.0).policies, ["kept-for-writers"]);
    }
    for expected in [Reason::Ok, Reason::Ok, Reason::BudgetExceeded] {
        assert_eq!(ends(&house, &writer, NOW).await, expected);
    }
    clock.to(1, 0, 0);
    assert_eq!(ends(&house, &reader, NOW).await, Reason::Ok, "a new day");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_cannot_be_evaluated_denies() {
    let policies = r#"
        permit(principal, action, resource);
        @id("sum")
        permit(principal, action, resource == Strongroom::Function::"prober.now")
        when { context.unix * 9223372036854775807 > 0 };
    "#;
    let house = plan(ROLES, policies).build().await;
    let key = house.key_for("acme", Some("reader"), &[]).await;
    assert_eq!(ends(&house, &key, RANDOM).await, Reason::Ok);
    let receipt = house.call_as(&key, NOW.0, NOW.1).await;
    assert_eq!(receipt.reason, Reason::PolicyDenied);
    assert!(receipt.message.unwrap().contains("\"sum\" could not be evaluated"));
    assert_eq!(last(&house, NOW.0).policies, ["sum"]);
    let seen = listed(&house, &key).await;
    assert!(seen.contains(RANDOM.0) && !seen.contains(NOW.0));
}

/// Of permits for every role and function, each taken away in turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taking_one_permit_away_denies_the_calls_that_needed_it_and_no_other() {
    let calls = [NOW, RANDOM, SET, ECHO];
    let permits: Vec<(&str, &str)> =
        ["reader", "writer"].iter().flat_map(|role| calls.map(|(function, _)| (*role, function))).collect();
    let without = |removed: Option<usize>| -> String {
        let kept = permits.iter().enumerate().filter(|(place, _)| Some(*place) != removed);
        kept.map(|(place, (role, function))| {
            format!(
                "@id(\"p{place}\")\npermit(principal in Strongroom::Role::\"{role}\", action == Strongroom::Action::\"call\", \
                 resource == Strongroom::Function::\"{function}\");\n"
            )
        })
        .collect()
    };
    let house = plan(ROLES, &without(None)).build().await;
    let keys = [
        ("reader", house.key_for("acme", Some("reader"), &[]).await),
        ("writer", house.key_for("acme", Some("writer"), &[]).await),
    ];
    for removed in [None].into_iter().chain((0..permits.len()).map(Some)) {
        std::fs::write(house.path().join("policies/acme.cedar"), without(removed)).unwrap();
        house.room.apply(house.read_settings()).await.unwrap();
        for (role, key) in &keys {
            for call in calls {
                let place = permits.iter().position(|permit| *permit == (*role, call.0)).unwrap();
                let expected = if removed == Some(place) { Reason::PolicyDenied } else { Reason::Ok };
                assert_eq!(ends(&house, key, call).await, expected, "without {removed:?}: {role} {call:?}");
            }
        }
    }
}

/// The blocks of the guide are policies that a tenant could use as they are.
#[test]
fn every_policy_of_the_guide_is_valid() {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/policies.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let blocks: Vec<&str> =
        guide.split("```cedar\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 5, "{}", blocks.len());
    for block in &blocks {
        let policies = strongroom::authorize::cedar::Policies::parse("docs/policies.md", block);
        assert!(policies.is_ok_and(|policies| policies.ids().count() > 0), "{block}");
    }
    // Together they are one file: no two share an id.
    strongroom::authorize::cedar::Policies::parse("docs/policies.md", &blocks.concat()).unwrap();
    // Every word of the context is told.
    for word in [
        "hour",
        "minute",
        "weekday",
        "unix",
        "calls_left",
        "fuel_left",
        "egress_left",
        "stored_left",
        "spend_left",
        "_minute",
        "_day",
        "_month",
        "_run",
        "_total",
    ] {
        assert!(guide.contains(word), "{word}");
    }
}
