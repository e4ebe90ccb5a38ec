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
use strongroom::storage::ledger::KillScope;
use strongroom::{OperateError, SettleAs};
use strongroom_tests::{House, house, request_with_key};

const SLEEP: &str = r#"{"ms":5000}"#;

async fn a_house() -> (House, String) {
    a_house_of(400).await
}

/// A call has so many milliseconds to run.
async fn a_house_of(deadline_ms: u32) -> (House, String) {
    let house = house()
        .tenant("acme", &format!("[tools]\nallow = [\"*\"]\n[limits]\ndeadline_ms = {deadline_ms}\n"))
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
    break_off_of(house, key, SLEEP, name).await
}

async fn break_off_of(house: &House, key: &str, arguments: &str, name: &str) -> CallId {
    let call = sleep(house, key, arguments, name);
    assert!(tokio::time::timeout(Duration::from_millis(150), call).await.is_err());
    while sleep(house, key, arguments, name).await.reason == Reason::InProgress {
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

/// It takes longer than anybody waits here.
const NAP: &str = r#"{"ms":250}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_had_no_effect_is_run_once_more_under_its_key_and_a_repeat_gets_its_answer() {
    let (house, key) = a_house_of(20_000).await;
    let by = |builder: strongroom::Builder| builder.local_actor(ActorId::new("kim").unwrap());
    let house = house.between(async |_| (), by).await;
    let broken = break_off_of(&house, &key, NAP, "nap").await;
    let beside = House::beside(&house).await;
    let rerun = async |house: &House, arguments: &str| {
        house.room.rerun_unknown(broken, arguments.to_owned(), "the shop\nhas nothing").await
    };
    for wrong in [r#"{"ms":251}"#, "{}", "{", ""] {
        let refused = rerun(&house, wrong).await;
        assert!(matches!(refused, Err(OperateError::Rerun(_))), "{wrong}: {refused:?}");
    }
    let never = house.room.rerun_unknown(CallId::new(1, [1; 10]), NAP.to_owned(), "x").await;
    assert!(matches!(never, Err(OperateError::NotUnknown(_))), "{never:?}");
    // What the pipeline refuses changes nothing either.
    house.room.freeze(KillScope::Tenant(TenantId::new("acme").unwrap()), "drill").await.unwrap();
    let frozen = rerun(&house, NAP).await.unwrap();
    assert_eq!((frozen.reason, frozen.outcome), (Reason::WritesFrozen, Outcome::Denied), "{frozen:?}");
    house.room.revive(KillScope::Tenant(TenantId::new("acme").unwrap())).await.unwrap();
    while !beside.room.kills().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let left = house.room.unknown_writes(None).await.unwrap();
    assert_eq!(left.iter().map(|call| call.write.call_id).collect::<Vec<_>>(), [broken]);
    assert!(!house.book().contains("reconcile."), "nothing was settled");

    // Two operators of one process and one of another, in two spellings.
    let spelled = r#"{ "ms" : 2.5e2 }"#;
    let all = tokio::join!(rerun(&house, NAP), rerun(&house, spelled), rerun(&beside, NAP));
    let all = [all.0, all.1, all.2];
    let ran: Vec<_> = all.iter().flatten().filter(|receipt| receipt.outcome == Outcome::Executed).collect();
    assert_eq!(ran.len(), 1, "{all:?}");
    let ran = ran.first().unwrap();
    assert!(ran.reason == Reason::Ok && ran.value.is_some(), "{ran:?}");
    assert_eq!(
        ran.actor.as_ref().map(ToString::to_string).as_deref(),
        Some(if all[2].as_ref().is_ok_and(|third| third.call_id == ran.call_id) { "local" } else { "kim" })
    );
    for other in all.iter().flatten().filter(|other| other.call_id != ran.call_id) {
        let heard = (other.reason, other.outcome);
        let known = [(Reason::InProgress, Outcome::Denied), (Reason::Ok, Outcome::Replayed)];
        assert!(known.contains(&heard), "{other:?}");
    }
    let again = sleep(&house, &key, NAP, "nap").await;
    assert_eq!((again.reason, again.outcome), (Reason::Ok, Outcome::Replayed), "{again:?}");
    assert_eq!(again.value, ran.value);
    assert_eq!(house.room.unknown_writes(None).await.unwrap(), []);
    let late = rerun(&house, NAP).await;
    assert!(matches!(late, Err(OperateError::NotUnknown(of)) if of == broken), "{late:?}");
    let book = house.book();
    let said = format!("reconcile.rerun sleeper.sleep {broken}: the shop has nothing");
    assert_eq!(book.matches(&said).count(), 1);
    let at = |text: &str| book.find(text).unwrap_or_else(|| panic!("{text} is not in the book"));
    let ended = format!("\"call_id\":\"{}\"", ran.call_id);
    assert!(at(&said) < book.rfind(&ended).unwrap(), "the order is there before the call has ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rerun_that_breaks_off_is_unknown_itself_and_a_rebuilt_ledger_has_its_end() {
    let (house, key) = a_house_of(20_000).await;
    let broken = break_off_of(&house, &key, NAP, "nap").await;
    let rerun = async |house: &House, call| house.room.rerun_unknown(call, NAP.to_owned(), "looked").await;
    assert!(tokio::time::timeout(Duration::from_millis(150), rerun(&house, broken)).await.is_err());
    while sleep(&house, &key, NAP, "nap").await.reason == Reason::InProgress {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let left = house.room.unknown_writes(None).await.unwrap();
    let [second] = left.iter().map(|call| call.write.call_id).collect::<Vec<_>>().try_into().unwrap();
    assert_ne!(second, broken);
    let ran = rerun(&house, second).await.unwrap();
    assert_eq!((ran.reason, ran.outcome), (Reason::Ok, Outcome::Executed), "{ran:?}");
    let lose = async |folder: &Path| {
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(folder.join(format!("ledger.db{suffix}")));
        }
        let home = Home::open(folder).unwrap();
        let clock = Arc::new(SystemClock);
        let (environment, entropy) = (&NoEnvironment, &SystemEntropy);
        let told =
            rebuild(Means { home: &home, environment, clock, entropy, who: None }, false, |_, _| {}).await;
        let told = told.unwrap();
        assert_eq!((told.ended, told.unknown), (1, 0));
    };
    let house = house.between(lose, |builder| builder).await;
    let key = house.key("acme").await;
    let told = sleep(&house, &key, NAP, "nap").await;
    assert_eq!(told.reason, Reason::OutcomeUnknown, "its answer is not in the log: {told:?}");
    assert!(told.message.unwrap().contains(&ran.call_id.to_string()));
}
