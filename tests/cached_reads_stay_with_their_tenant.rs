//! An answer of a read is given again only where the tool's manifest says so, only to an equal call of the same tenant that is
//! allowed at that moment, never after a write or a change of the rules, and never without its entry in the book.

use std::sync::Arc;
use strongroom::NewKey;
use strongroom::admit::CallRequest;
use strongroom::id::{ActorId, TenantId, ToolName};
use strongroom::identify::Credential;
use strongroom::reason::{Outcome, Reason};
use strongroom::settle::Receipt;
use strongroom::storage::ledger::KillScope;
use strongroom_tests::{House, Still, component, house, request_with_key};

const RULES: &str = "[tools]\nallow = [\"*\"]\n[grants.prober.keyvalue.cart]\nmode = \"rw\"\n\
                     [grants.prober.config]\nvalues = { greeting = \"hello\" }\n";
/// Bytes by chance: who gets the same ones twice was given an earlier answer.
const RANDOM: (&str, &str) = ("prober.random", r#"{"bytes":16}"#);
const GET: (&str, &str) = ("prober.kv-get", r#"{"bucket":"cart","key":"n"}"#);
const ADD: (&str, &str) = ("prober.kv-increment", r#"{"bucket":"cart","key":"n","delta":1}"#);
const GREETING: (&str, &str) = ("prober.config-get", r#"{"key":"greeting"}"#);
/// It needs a right that nobody is granted here, and so it fails.
const FAILS: (&str, &str) = ("prober.read-file", r#"{"path":"/data/x"}"#);

fn manifest() -> String {
    let mut manifest = include_str!("guests/src/prober.toml").to_owned();
    for function in ["random", "kv-get", "config-get", "read-file"] {
        let line = format!("\n{function}.effect = \"read\"\n");
        assert!(manifest.contains(&line));
        manifest = manifest.replace(&line, &format!("{line}{function}.cache = \"60s\"\n"));
    }
    manifest
}

async fn a_house(more: &str) -> (House, Arc<Still>) {
    let clock = Still::at(1_769_862_600_000);
    let rules = format!("{more}{RULES}");
    let plan = house().tenant("acme", &rules).tenant("globex", &rules).tool_with("prober", &manifest());
    (plan.build_with(|builder| builder.clock(clock.clone())).await, clock)
}

async fn key_of(house: &House, tenant: &str, actor: &str) -> String {
    let (tenant, actor) = (TenantId::new(tenant).unwrap(), ActorId::new(actor).unwrap());
    let key = NewKey { tenant, actor, role: None, scopes: Vec::new(), expires_ms: None };
    house.room.create_key(key).await.unwrap().text.to_string()
}

async fn read(house: &House, key: &str, (function, arguments): (&str, &str)) -> Receipt {
    let (function, arguments) = (function.to_owned(), arguments.to_owned());
    let request = CallRequest { function, arguments, ..CallRequest::default() };
    house.room.call(Credential::ApiKey(key), request).await
}

async fn ran(house: &House, key: &str, what: (&str, &str)) -> String {
    let receipt = read(house, key, what).await;
    assert_eq!((receipt.reason, receipt.outcome), (Reason::Ok, Outcome::Executed), "{receipt:?}");
    assert!(receipt.fuel > 0 && receipt.cached.is_none());
    receipt.value.unwrap()
}

async fn cached(house: &House, key: &str, what: (&str, &str)) -> String {
    let receipt = read(house, key, what).await;
    assert_eq!((receipt.reason, receipt.outcome), (Reason::Ok, Outcome::Cached), "{receipt:?}");
    assert!(receipt.fuel == 0 && receipt.imports.is_empty() && receipt.is_cached());
    receipt.value.unwrap()
}

async fn add(house: &House, key: &str) {
    let receipt = house.call_as(key, ADD.0, ADD.1).await;
    assert_eq!(receipt.reason, Reason::Ok, "{receipt:?}");
}

fn rewrite(house: &House, tenant: &str, text: &str) {
    std::fs::write(house.path().join(format!("tenants/{tenant}.toml")), text).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_tenant_and_each_actor_has_its_own() {
    let (house, _) = a_house("").await;
    let (kim, globex) = (key_of(&house, "acme", "kim").await, key_of(&house, "globex", "kim").await);
    let (lee, kims) = (key_of(&house, "acme", "lee").await, key_of(&house, "acme", "kim").await);
    let first = ran(&house, &kim, RANDOM).await;
    assert_eq!(cached(&house, &kim, RANDOM).await, first);
    assert_eq!(
        cached(&house, &kims, (RANDOM.0, "{ \"bytes\" : 16 }")).await,
        first,
        "spelling does not matter"
    );
    let others = ran(&house, &globex, RANDOM).await;
    assert_ne!(others, first);
    assert_ne!(ran(&house, &lee, RANDOM).await, first);
    assert_ne!(ran(&house, &kim, (RANDOM.0, r#"{"bytes":17}"#)).await, first);
    assert_eq!((cached(&house, &kim, RANDOM).await, cached(&house, &globex, RANDOM).await), (first, others));
    // What the manifest says nothing about always runs, and so does a call with a key of its own.
    let now = ("prober.insecure-random", r#"{"bytes":16}"#);
    assert_ne!(ran(&house, &kim, now).await, ran(&house, &kim, now).await);
    let keyed = request_with_key(RANDOM.0, RANDOM.1, "mine");
    assert_eq!(house.room.call(Credential::ApiKey(&kim), keyed).await.outcome, Outcome::Executed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whole_numbers_that_differ_are_different_questions() {
    let (house, _) = a_house("").await;
    let key = key_of(&house, "acme", "kim").await;
    // As doubles, and so in RFC 8785, both are the same number. That many bytes nobody gets; it is the question that counts.
    let asked = |bytes: u64| CallRequest {
        function: RANDOM.0.to_owned(),
        arguments: format!("{{\"bytes\":{bytes}}}"),
        ..CallRequest::default()
    };
    for bytes in [9_007_199_254_740_992, 9_007_199_254_740_993] {
        let receipt = house.room.call(Credential::ApiKey(&key), asked(bytes)).await;
        assert_ne!(receipt.outcome, Outcome::Cached, "{receipt:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_ends_with_its_time() {
    let (house, clock) = a_house("").await;
    let key = key_of(&house, "acme", "kim").await;
    let first = ran(&house, &key, RANDOM).await;
    clock.pass(59_999);
    let last = read(&house, &key, RANDOM).await.cached.unwrap();
    assert_eq!((last.age_ms, last.left_ms), (59_999, 1));
    clock.pass(1);
    assert_ne!(ran(&house, &key, RANDOM).await, first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_writes_reads_what_was_written() {
    let (house, _) = a_house("").await;
    let (key, globex) = (key_of(&house, "acme", "kim").await, key_of(&house, "globex", "kim").await);
    add(&house, &key).await;
    let one = ran(&house, &key, GET).await;
    let theirs = ran(&house, &globex, GET).await;
    assert_eq!(cached(&house, &key, GET).await, one);
    add(&house, &key).await;
    let two = ran(&house, &key, GET).await;
    assert_ne!(two, one);
    assert_eq!(cached(&house, &globex, GET).await, theirs, "another tenant's write is none of its own");
    // A write that fails may have changed something too.
    let trap = r#"{"bucket":"cart","key":"n","value":"MQ=="}"#;
    assert_eq!(house.call_as(&key, "prober.kv-set-and-trap", trap).await.reason, Reason::Trapped);
    assert_eq!(ran(&house, &key, GET).await, two);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_rules_ask_anew_and_the_tenant_can_switch_it_off() {
    let (house, _) = a_house("").await;
    let (key, globex) = (key_of(&house, "acme", "kim").await, key_of(&house, "globex", "kim").await);
    assert_eq!(ran(&house, &key, GREETING).await, "\"hello\"");
    let theirs = ran(&house, &globex, RANDOM).await;
    rewrite(&house, "acme", &RULES.replace("hello", "good day"));
    house.room.apply(house.read_settings()).await.unwrap();
    assert_eq!(ran(&house, &key, GREETING).await, "\"good day\"");
    assert_eq!(cached(&house, &key, GREETING).await, "\"good day\"");
    assert_eq!(cached(&house, &globex, RANDOM).await, theirs, "nothing changed for this one");
    rewrite(&house, "acme", &format!("cache_results = false\n{RULES}"));
    house.room.apply(house.read_settings()).await.unwrap();
    for _ in 0..2 {
        ran(&house, &key, GREETING).await;
    }
    // Another edition of the tool, and then the first again.
    let beside = manifest().replace("0.1.0", "0.1.1");
    for text in [&beside, &manifest()] {
        house.room.install_accepted(component("prober"), "prober", Some(text)).await.unwrap();
        assert_ne!(ran(&house, &globex, RANDOM).await, theirs);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_call_gets_no_answer() {
    let (house, _) = a_house("").await;
    let key = key_of(&house, "acme", "kim").await;
    ran(&house, &key, RANDOM).await;
    let scope = KillScope::Tool(ToolName::new("prober").unwrap());
    house.room.kill(scope.clone(), "drill").await.unwrap();
    assert_eq!(read(&house, &key, RANDOM).await.reason, Reason::Killed);
    house.room.revive(scope).await.unwrap();
    cached(&house, &key, RANDOM).await;
    rewrite(&house, "acme", &RULES.replace("allow = [\"*\"]", "allow = [\"prober.kv-get\"]"));
    house.room.apply(house.read_settings()).await.unwrap();
    let denied = read(&house, &key, RANDOM).await;
    assert_eq!((denied.reason, denied.value), (Reason::PolicyDenied, None));
    let malformed = read(&house, &key, (GET.0, "{}")).await;
    assert_eq!(malformed.reason, Reason::ArgumentsInvalid);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_are_not_kept() {
    let (house, _) = a_house("").await;
    let key = key_of(&house, "acme", "kim").await;
    for _ in 0..2 {
        let receipt = read(&house, &key, FAILS).await;
        assert_eq!((receipt.outcome, receipt.fuel > 0), (Outcome::Failed, true), "{receipt:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_costs_a_call_and_is_in_the_book() {
    let budget = "budgets = [{ of = \"calls\", per = \"total\", limit = 3 }, { of = \"spend\", per = \"total\", limit = 1_000_000_000 }]\n";
    let (house, _) = a_house(budget).await;
    std::fs::write(house.path().join("prices.toml"), "[default]\ncall = 7\nfuel = 1000\n").unwrap();
    house.room.apply(house.read_settings()).await.unwrap();
    let key = key_of(&house, "acme", "kim").await;
    let first = read(&house, &key, GREETING).await;
    assert_eq!(first.outcome, Outcome::Executed, "{first:?}");
    let spent = |receipt: &Receipt| receipt.budgets.iter().map(|usage| usage.spent).collect::<Vec<_>>();
    let before = spent(&first);
    let again = read(&house, &key, GREETING).await;
    assert_eq!(again.cached.unwrap().call_id, first.call_id);
    assert_eq!(spent(&again), [before[0] + 1, before[1] + 7], "one call, and its price without fuel");
    cached(&house, &key, GREETING).await;
    assert_eq!(read(&house, &key, GREETING).await.reason, Reason::BudgetExceeded);
    let book = house.book();
    let entry = |id: &str| -> serde_json::Value {
        let entries = book.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let own: Vec<_> = entries.filter(|entry| entry["call_id"] == id).collect();
        assert_eq!(own.len(), 1, "{book}");
        own[0].clone()
    };
    let (ran, given) = (entry(&first.call_id.to_string()), entry(&again.call_id.to_string()));
    assert_eq!((&given["outcome"], &given["reason_code"]), (&"cached".into(), &"ok".into()));
    assert_eq!(given["replayed_call_id"], first.call_id.to_string());
    for same in ["tenant_id", "actor_id", "action", "component", "arguments", "policy", "note"] {
        assert_eq!(given[same], ran[same], "{same}");
        assert!(!given[same].is_null(), "{same}: {given}");
    }
    assert_eq!((given["bytes_in"].as_u64(), given["bytes_out"].as_u64()), (Some(18), Some(7)));
    assert_eq!((given["spend"].as_u64(), given.get("fuel"), given.get("imports")), (Some(7), None, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_goes_with_its_tenant() {
    let (house, _) = a_house("").await;
    let key = key_of(&house, "acme", "kim").await;
    let first = ran(&house, &key, RANDOM).await;
    house.room.delete_tenant(&TenantId::new("acme").unwrap()).await.unwrap();
    rewrite(&house, "acme", RULES);
    house.room.apply(house.read_settings()).await.unwrap();
    let key = key_of(&house, "acme", "kim").await;
    assert_ne!(ran(&house, &key, RANDOM).await, first);
}
