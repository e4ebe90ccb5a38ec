//! A client that cannot send an idempotency key and fires twice writes once, where the operator has said so.

use std::path::Path;
use std::sync::Arc;
use strongroom::NewKey;
use strongroom::admit::CallRequest;
use strongroom::config::Keyless;
use strongroom::id::{ActorId, TenantId};
use strongroom::identify::Credential;
use strongroom::powers::{Home, NoEnvironment, SystemEntropy};
use strongroom::reason::{Outcome, Reason};
use strongroom::rebuild::{Means, rebuild};
use strongroom::settle::Receipt;
use strongroom_tests::{House, Still, house};

const GRANTS: &str = "[tools]\nallow = [\"*\"]\n[grants.prober.keyvalue.cart]\nmode = \"rw\"\n";
const PLUS_ONE: &str = r#"{"bucket":"cart","key":"n","delta":1}"#;
const DERIVE: &str = "[idempotency]\nderive_window_ms = 5_000\n[idempotency.functions]\n\
                      \"prober.kv-increment\" = \"derive\"\n\"prober.kv-set\" = \"off\"\n";

async fn a_house(rules: &str) -> (House, Arc<Still>) {
    let clock = Still::at(1_769_862_600_000);
    let house =
        house().tenant("acme", &format!("{GRANTS}{rules}")).tenant("globex", &format!("{GRANTS}{rules}"));
    (house.tool("prober").build_with(|builder| builder.clock(clock.clone())).await, clock)
}

async fn call(house: &House, key: &str, function: &str, arguments: &str, keyless: Keyless) -> Receipt {
    let (function, arguments) = (function.to_owned(), arguments.to_owned());
    let request = CallRequest { function, arguments, keyless, ..CallRequest::default() };
    house.room.call(Credential::ApiKey(key), request).await
}

async fn plus_one(house: &House, key: &str) -> Receipt {
    call(house, key, "prober.kv-increment", PLUS_ONE, Keyless::Require).await
}

async fn key_of(house: &House, tenant: &str, actor: &str) -> String {
    let (tenant, actor) = (TenantId::new(tenant).unwrap(), ActorId::new(actor).unwrap());
    let new = NewKey { tenant, actor, role: None, scopes: Vec::new(), expires_ms: None };
    house.room.create_key(new).await.unwrap().text.to_string()
}

#[tokio::test]
async fn the_same_call_within_the_window_gets_the_first_ones_answer() {
    let (house, clock) = a_house(DERIVE).await;
    let (kim, lee) = (key_of(&house, "acme", "kim").await, key_of(&house, "acme", "lee").await);
    let globex = key_of(&house, "globex", "kim").await;
    let first = plus_one(&house, &kim).await;
    assert_eq!((first.outcome, first.value.as_deref()), (Outcome::Executed, Some("1")), "{first:?}");
    let spelled = r#"{ "delta": 1.0, "key": "n", "bucket": "cart" }"#;
    let again = call(&house, &kim, "prober.kv-increment", spelled, Keyless::Require).await;
    assert_eq!((again.outcome, &again.value), (Outcome::Replayed, &first.value), "{again:?}");
    // Another key of the same actor is the same actor.
    let kims = key_of(&house, "acme", "kim").await;
    assert!(plus_one(&house, &kims).await.is_replayed());
    // Others, and other arguments, are other calls.
    assert_eq!(plus_one(&house, &lee).await.value.as_deref(), Some("2"));
    assert_eq!(plus_one(&house, &globex).await.value.as_deref(), Some("1"));
    let more = r#"{"bucket":"cart","key":"n","delta":3}"#;
    let more = call(&house, &kim, "prober.kv-increment", more, Keyless::Require).await;
    assert_eq!(more.value.as_deref(), Some("5"));
    // The window begins with the first answer, and no repeat prolongs it.
    clock.pass(5_000);
    assert!(plus_one(&house, &kim).await.is_replayed());
    clock.pass(1);
    let later = plus_one(&house, &kim).await;
    assert_eq!((later.outcome, later.value.as_deref()), (Outcome::Executed, Some("6")), "{later:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_without_keys_one_writes() {
    let (house, _) = a_house(DERIVE).await;
    let kim = key_of(&house, "acme", "kim").await;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (room, kim) = (house.room.clone(), kim.clone());
        callers.spawn(async move {
            let (function, arguments) = ("prober.kv-increment".to_owned(), PLUS_ONE.to_owned());
            let request = CallRequest { function, arguments, ..CallRequest::default() };
            let receipt = room.call(Credential::ApiKey(&kim), request).await;
            match (receipt.reason, receipt.outcome) {
                (Reason::Ok, Outcome::Executed) => 1,
                (Reason::Ok, Outcome::Replayed) | (Reason::InProgress, Outcome::Denied) => 0,
                _ => panic!("{receipt:?}"),
            }
        });
    }
    assert_eq!(callers.join_all().await.into_iter().sum::<u32>(), 1);
}

#[tokio::test]
async fn nothing_said_is_refused_and_off_runs_each_time() {
    let (house, _) = a_house(DERIVE).await;
    let kim = key_of(&house, "acme", "kim").await;
    let set = r#"{"bucket":"cart","key":"n","value":"MQ=="}"#;
    for _ in 0..2 {
        let receipt = call(&house, &kim, "prober.kv-set", set, Keyless::Require).await;
        assert_eq!((receipt.reason, receipt.outcome), (Reason::Ok, Outcome::Executed), "{receipt:?}");
    }
    let delete = r#"{"bucket":"cart","key":"n"}"#;
    let refused = call(&house, &kim, "prober.kv-delete", delete, Keyless::Require).await;
    assert_eq!(refused.reason, Reason::IdempotencyKeyRequired);
    // Whoever has clients without keys says so, and the operator's word is stronger.
    let derived = call(&house, &kim, "prober.kv-delete", delete, Keyless::Derive).await;
    assert_eq!(derived.outcome, Outcome::Executed, "{derived:?}");
    assert!(call(&house, &kim, "prober.kv-delete", delete, Keyless::Derive).await.is_replayed());
    let (house, _) = a_house("[idempotency]\nkeys = \"require\"\n").await;
    let kim = key_of(&house, "acme", "kim").await;
    let refused = call(&house, &kim, "prober.kv-delete", delete, Keyless::Derive).await;
    assert_eq!(refused.reason, Reason::IdempotencyKeyRequired);
}

#[tokio::test]
async fn a_rebuilt_ledger_knows_a_derived_key_for_its_window_alone() {
    let (house, clock) = a_house(DERIVE).await;
    let kim = key_of(&house, "acme", "kim").await;
    let first = plus_one(&house, &kim).await;
    assert!(first.is_ok(), "{first:?}");
    let lose = async |folder: &Path| {
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(folder.join(format!("ledger.db{suffix}")));
        }
        let home = Home::open(folder).unwrap();
        let (environment, entropy) = (&NoEnvironment, &SystemEntropy);
        let means = Means { home: &home, environment, clock: clock.clone(), entropy, who: None };
        assert_eq!(rebuild(means, false, |_, _| {}).await.unwrap().ended, 1);
    };
    let house = house.between(lose, |builder| builder.clock(clock.clone())).await;
    let kim = key_of(&house, "acme", "kim").await;
    let again = plus_one(&house, &kim).await;
    assert_eq!(again.reason, Reason::OutcomeUnknown, "{again:?}");
    assert!(again.message.unwrap().contains(&first.call_id.to_string()));
    clock.pass(5_001);
    let later = plus_one(&house, &kim).await;
    assert_eq!((later.outcome, later.value.as_deref()), (Outcome::Executed, Some("2")), "{later:?}");
}
