//! A write that broke off waits for an operator's word, and nobody's call runs on it before.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use strongroom::audit::{Filter, read};
use strongroom::id::{ActorId, CallId, TenantId};
use strongroom::identify::Credential;
use strongroom::powers::{Home, NoEnvironment, SystemClock, SystemEntropy};
use strongroom::reason::{Outcome, Reason};
use strongroom::rebuild::{Means, rebuild};
use strongroom::settle::Receipt;
use strongroom::{OperateError, SettleAs};
use strongroom_tests::{House, house, request_with_key};

const SLEEP: &str = r#"{"ms":5000}"#;

async fn a_house() -> (House, String) {
    let house = house()
        .tenant("acme", "[tools]\nallow = [\"*\"]\n[limits]\ndeadline_ms = 400\n")
        .tenant("globex", "[tools]\nallow = [\"*\"]\n")
        .tool_with("sleeper", "name = 'sleeper'\nversion = '1.0.0'\n");
    let house = house.build().await;
    let key = house.key("acme").await;
    (house, key)
}

async fn sleep(house: &House, key: &str, arguments: &str, name: &str) -> Receipt {
    house.room.call(Credential::ApiKey(key), request_with_key("sleeper.sleep", arguments, name)).await
}

/// Leaves a call that writes, and waits until it counts as broken off.
async fn break_off(house: &House, key: &str, name: &str) -> CallId {
    let call = sleep(house, key, SLEEP, name);
    assert!(tokio::time::timeout(Duration::from_millis(150), call).await.is_err());
    while sleep(house, key, SLEEP, name).await.reason == Reason::InProgress {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let unknown = house.room.unknown_writes(None).await.unwrap();
    unknown.last().expect("the write is unknown").write.call_id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_had_no_effect_may_run_again_and_what_had_may_not() {
    let (house, key) = a_house().await;
    let [failed, done, answered] = [
        break_off(&house, &key, "failed").await,
        break_off(&house, &key, "done").await,
        break_off(&house, &key, "answered").await,
    ];
    let unknown = house.room.unknown_writes(None).await.unwrap();
    assert_eq!(unknown.iter().map(|call| call.write.call_id).collect::<Vec<_>>(), [failed, done, answered]);
    let first = unknown.first().unwrap();
    assert_eq!(first.write.function.as_str(), "sleeper.sleep");
    assert!(first.actor.is_some(), "{first:?}");
    assert_eq!(first.announced.as_deref(), Some(&[][..]), "the log has it, and it announced nothing");
    let globex = TenantId::new("globex").unwrap();
    assert_eq!(house.room.unknown_writes(Some(&globex)).await.unwrap(), []);

    let settle = async |call, how| house.room.settle_unknown(call, how, "looked\nat it").await;
    settle(failed, SettleAs::Failed).await.unwrap();
    settle(done, SettleAs::Done(None)).await.unwrap();
    let wrong = settle(answered, SettleAs::Done(Some("{".into()))).await.unwrap_err();
    assert!(matches!(wrong, OperateError::Answer(_)), "{wrong:?}");
    let wrong = settle(answered, SettleAs::Done(Some("true".into()))).await;
    assert!(matches!(wrong, Err(OperateError::Answer(_))), "{wrong:?}");
    assert_eq!(house.room.unknown_writes(None).await.unwrap().len(), 1, "a wrong answer settles nothing");
    settle(answered, SettleAs::Done(Some(" 5000 ".into()))).await.unwrap();
    for call in [failed, done, answered, CallId::new(1, [1; 10])] {
        let again = settle(call, SettleAs::Failed).await;
        assert!(matches!(&again, Err(OperateError::NotUnknown(of)) if *of == call), "{again:?}");
    }

    let after = async |house: &House, key: &str, name: &str| {
        let receipt = sleep(house, key, SLEEP, name).await;
        (receipt.reason, receipt.outcome, receipt.value)
    };
    let said = Some("5000".to_owned());
    assert_eq!(after(&house, &key, "answered").await, (Reason::Ok, Outcome::Replayed, said));
    let made = sleep(&house, &key, SLEEP, "done").await;
    assert_eq!((made.reason, made.outcome), (Reason::OutcomeUnknown, Outcome::Denied), "{made:?}");
    assert!(made.message.unwrap().contains(&done.to_string()));
    // Other arguments may take a key that is free.
    let ran = sleep(&house, &key, r#"{"ms":1}"#, "failed").await;
    assert_eq!((ran.reason, ran.outcome), (Reason::Ok, Outcome::Executed), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_book_has_who_said_it_and_a_rebuilt_ledger_follows() {
    let (house, key) = a_house().await;
    let (failed, done) = (break_off(&house, &key, "failed").await, break_off(&house, &key, "done").await);
    let open = break_off(&house, &key, "open").await;
    let by = |builder: strongroom::Builder| builder.local_actor(ActorId::new("kim").unwrap());
    let house = house.between(async |_| (), by).await;
    house.room.settle_unknown(failed, SettleAs::Failed, "the shop has no such order").await.unwrap();
    house.room.settle_unknown(done, SettleAs::Done(Some("5000".into())), "the shop has it").await.unwrap();
    let dir = Home::open(house.path()).unwrap().dir().open_dir("audit").unwrap();
    let lose = async |folder: &Path| {
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(folder.join(format!("ledger.db{suffix}")));
        }
        let home = Home::open(folder).unwrap();
        let means = Means {
            home: &home,
            environment: &NoEnvironment,
            clock: Arc::new(SystemClock),
            entropy: &SystemEntropy,
            who: None,
        };
        let told = rebuild(means, false, |_, _| {}).await.unwrap();
        assert_eq!((told.ended, told.unknown), (1, 1));
    };
    let house = house.between(lose, by).await;
    let acts: Vec<_> = read(&dir, Filter::default())
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.action.starts_with("reconcile."))
        .map(|entry| {
            (entry.action, entry.actor_id.unwrap().to_string(), entry.tenant_id.unwrap().to_string())
        })
        .collect();
    let act = |action: String| (action, "kim".to_owned(), "acme".to_owned());
    let expected = [
        act(format!("reconcile.failed sleeper.sleep {failed}: the shop has no such order")),
        act(format!("reconcile.done sleeper.sleep {done}: the shop has it")),
    ];
    assert_eq!(acts, expected);
    let key = house.key("acme").await;
    let unknown = house.room.unknown_writes(None).await.unwrap();
    assert_eq!(unknown.iter().map(|call| call.write.call_id).collect::<Vec<_>>(), [open]);
    assert_eq!(sleep(&house, &key, r#"{"ms":1}"#, "failed").await.outcome, Outcome::Executed);
    let made = sleep(&house, &key, SLEEP, "done").await;
    assert_eq!(made.reason, Reason::OutcomeUnknown, "its answer is not in the log: {made:?}");
    assert!(made.message.unwrap().contains("has been made"));
}
