//! A write happens once for its idempotency key, however often and however concurrently it is sent.

use std::collections::HashMap;
use strongroom::identify::Credential;
use strongroom::reason::{Outcome, Reason};
use strongroom_tests::{House, house, request_with_key};

const TENANT: &str = "[tools]\nallow = [\"*\"]\n[grants.prober.keyvalue.cart]\nmode = \"rw\"\n";
const PLUS_ONE: &str = r#"{"bucket":"cart","key":"n","delta":1}"#;

async fn acme() -> (House, String) {
    let house = house().tenant("acme", TENANT).tool("prober").build().await;
    let key = house.key("acme").await;
    (house, key)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_callers_with_one_key_write_once() {
    let (house, key) = acme().await;
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let (room, key) = (house.room.clone(), key.clone());
            tokio::spawn(async move {
                room.call(Credential::ApiKey(&key), request_with_key("prober.kv-increment", PLUS_ONE, "one"))
                    .await
            })
        })
        .collect();
    let mut ends: HashMap<(Reason, Outcome), usize> = HashMap::new();
    for call in calls {
        let receipt = call.await.unwrap();
        *ends.entry((receipt.reason, receipt.outcome)).or_default() += 1;
    }
    assert_eq!(ends.get(&(Reason::Ok, Outcome::Executed)), Some(&1), "{ends:?}");
    let others: usize = ends
        .iter()
        .filter(|((reason, outcome), _)| {
            (*reason, *outcome) == (Reason::Ok, Outcome::Replayed)
                || (*reason, *outcome) == (Reason::InProgress, Outcome::Denied)
        })
        .map(|(_, n)| n)
        .sum();
    assert_eq!(others, 99, "{ends:?}");
    let now = house.call_as(&key, "prober.kv-get", r#"{"bucket":"cart","key":"n"}"#).await;
    assert_eq!(now.value.as_deref(), Some("\"MQ==\""), "the counter is at 1: {now:?}");
}

#[tokio::test]
async fn a_replay_is_the_same_answer_byte_for_byte_also_after_a_restart() {
    let (house, key) = acme().await;
    let spaced = r#"{ "delta": 1.0, "key": "n", "bucket": "cart" }"#;
    let first = house
        .room
        .call(Credential::ApiKey(&key), request_with_key("prober.kv-increment", PLUS_ONE, "k"))
        .await;
    let again =
        house.room.call(Credential::ApiKey(&key), request_with_key("prober.kv-increment", spaced, "k")).await;
    assert_eq!((again.outcome, &again.value), (Outcome::Replayed, &first.value), "{again:?}");
    let house = house.restart().await;
    let later = house
        .room
        .call(Credential::ApiKey(&key), request_with_key("prober.kv-increment", PLUS_ONE, "k"))
        .await;
    assert_eq!((later.outcome, &later.value), (Outcome::Replayed, &first.value), "{later:?}");
}

#[tokio::test]
async fn other_arguments_a_missing_key_and_refused_arguments_each_have_their_answer() {
    let (house, key) = acme().await;
    let call = |arguments: &'static str, name: &'static str| {
        let (room, key) = (house.room.clone(), key.clone());
        async move {
            room.call(Credential::ApiKey(&key), request_with_key("prober.kv-increment", arguments, name))
                .await
        }
    };
    assert!(call(PLUS_ONE, "k").await.is_ok());
    assert_eq!(
        call(r#"{"bucket":"cart","key":"n","delta":2}"#, "k").await.reason,
        Reason::IdempotencyMismatch
    );
    let mut without = request_with_key("prober.kv-increment", PLUS_ONE, "x");
    without.idempotency_key = None;
    let receipt = house.room.call(Credential::ApiKey(&key), without).await;
    assert_eq!(receipt.reason, Reason::IdempotencyKeyRequired);
    // Arguments that were refused leave the key free for the right ones.
    assert_eq!(call(r#"{"bucket":"cart"}"#, "fresh").await.reason, Reason::ArgumentsInvalid);
    assert_eq!(call(PLUS_ONE, "fresh").await.outcome, Outcome::Executed);
}

#[tokio::test]
async fn a_failed_write_is_answered_again_and_not_run_again() {
    let (house, key) = acme().await;
    let arguments = r#"{"bucket":"cart","key":"half","value":"MQ=="}"#;
    let first = house
        .room
        .call(Credential::ApiKey(&key), request_with_key("prober.kv-set-and-trap", arguments, "t"))
        .await;
    assert_eq!((first.reason, first.outcome), (Reason::Trapped, Outcome::Failed), "{first:?}");
    let again = house
        .room
        .call(Credential::ApiKey(&key), request_with_key("prober.kv-set-and-trap", arguments, "t"))
        .await;
    assert_eq!((again.reason, again.outcome), (Reason::Trapped, Outcome::Replayed), "{again:?}");
    let kept = house.call_as(&key, "prober.kv-exists", r#"{"bucket":"cart","key":"half"}"#).await;
    assert_eq!(kept.value.as_deref(), Some("false"), "a call that dies half-way leaves nothing half done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_broke_off_is_unknown_and_stays_so() {
    let house = house()
        .tenant("acme", "[tools]\nallow = [\"*\"]\n")
        .tool_with("sleeper", "name = 'sleeper'\nversion = '1.0.0'\n");
    let house = house.build().await;
    let key = house.key("acme").await;
    let arguments = r#"{"ms":5000}"#;
    let call = house.room.call(Credential::ApiKey(&key), request_with_key("sleeper.sleep", arguments, "s"));
    assert!(tokio::time::timeout(std::time::Duration::from_millis(400), call).await.is_err());
    // That it broke off is noted a moment after its caller has gone; until then it counts as running.
    let after = loop {
        let again = request_with_key("sleeper.sleep", arguments, "s");
        let receipt = house.room.call(Credential::ApiKey(&key), again).await;
        if receipt.reason != Reason::InProgress {
            break receipt;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };
    assert_eq!((after.reason, after.outcome), (Reason::OutcomeUnknown, Outcome::Denied), "{after:?}");
    let house = house.restart().await;
    let later =
        house.room.call(Credential::ApiKey(&key), request_with_key("sleeper.sleep", arguments, "s")).await;
    assert_eq!(later.reason, Reason::OutcomeUnknown, "{later:?}");
}
