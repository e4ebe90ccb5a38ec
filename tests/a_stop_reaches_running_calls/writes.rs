//! What a write leaves that is stopped: before it ran, before its commit, after its effect left.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_is_stopped_before_its_commit_keeps_nothing_and_its_key_is_free() {
    let house = plan("").build().await;
    let key = house.key("acme").await;
    let keep = |ms: u64| {
        let arguments = format!(r#"{{"key":"k","value":"half","ms":{ms}}}"#);
        request_with_key("sleeper.keep", &arguments, "w")
    };
    let call = start(&house, &key, keep(60_000));
    all_run(&house, 1).await;
    // It has stored its value once it sleeps, and only then does it use no fuel any more.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let stopped = house.room.kill(KillScope::Tenant(acme()), "leaked key").await.unwrap();
    assert_eq!(stopped.calls, 1);
    let receipt = call.await.unwrap();
    assert_eq!((receipt.reason, receipt.outcome), (Reason::Killed, Outcome::Failed), "{receipt:?}");
    assert!(!receipt.message.unwrap().contains("may have taken effect"));
    house.room.revive(KillScope::Tenant(acme())).await.unwrap();
    let stored = house.call_as(&key, "prober.kv-exists", r#"{"bucket":"cart","key":"k"}"#).await;
    assert_eq!(stored.value.as_deref(), Some("false"), "what was not committed is gone: {stored:?}");
    let again = start(&house, &key, keep(0)).await.unwrap();
    assert_eq!((again.reason, again.outcome), (Reason::Ok, Outcome::Executed), "{again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_is_stopped_after_its_effect_left_is_unknown() {
    let slow = wire(|_| Bytes::open(b"never ends", Then::Wait)).await;
    let grants = format!("[grants.prober.http.api]\norigin = \"{}\"\nallow_private = true\n", slow.origin());
    let house = plan(&grants).build().await;
    let key = house.key("acme").await;
    let post = || {
        let arguments = r#"{"method":"POST","url":"http://api/x","headers":[],"body":"aGk="}"#;
        request_with_key("prober.http", arguments, "w")
    };
    let call = start(&house, &key, post());
    while slow.heads().is_empty() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    house.room.kill(KillScope::Tenant(acme()), "leaked key").await.unwrap();
    let receipt = call.await.unwrap();
    assert_eq!((receipt.reason, receipt.outcome), (Reason::Killed, Outcome::Unknown), "{receipt:?}");
    assert!(receipt.message.unwrap().contains("may have taken effect"));
    house.room.revive(KillScope::Tenant(acme())).await.unwrap();
    let again = start(&house, &key, post()).await.unwrap();
    assert_eq!((again.reason, again.outcome), (Reason::OutcomeUnknown, Outcome::Denied), "{again:?}");
    assert_eq!(slow.heads().len(), 1, "it is not sent again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_is_stopped_before_it_ran_leaves_its_key_free() {
    let house = plan("").build().await;
    let key = house.key("acme").await;
    let set = || request_with_key("prober.kv-set", r#"{"bucket":"cart","key":"k","value":"aGk="}"#, "w");
    let caller = house.room.identify(Credential::ApiKey(&key)).await.unwrap();
    let admission = house.room.admit(caller, set()).await.unwrap();
    let grant = match house.room.authorize(admission).await.unwrap() {
        strongroom::authorize::Authorized::Fresh(grant) => grant,
        strongroom::authorize::Authorized::Again(_) => panic!("nobody called before"),
    };
    let cell = house.room.isolate(grant).await.unwrap();
    let tool = KillScope::Tool(ToolName::new("prober").unwrap());
    // Nobody runs it, so it is not gone when the order has waited for it.
    let stopped = house.room.kill(tool.clone(), "drill").await.unwrap();
    assert_eq!((stopped.calls, stopped.gone), (1, false));
    let receipt = house.room.settle(house.room.execute(cell).await).await;
    assert_eq!((receipt.reason, receipt.outcome), (Reason::Killed, Outcome::Failed));
    assert_eq!(receipt.fuel, 0);
    house.room.revive(tool).await.unwrap();
    let again = start(&house, &key, set()).await.unwrap();
    assert_eq!((again.reason, again.outcome), (Reason::Ok, Outcome::Executed), "the key is free: {again:?}");
}
