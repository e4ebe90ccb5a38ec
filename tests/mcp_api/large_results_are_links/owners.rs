//! A linked result is its actor's own, within the rules of the day, and each read of it is in the book.

use super::*;
use crate::http_api::client::entries;
use strongroom::NewKey;
use strongroom::id::{ActorId, TenantId};
use strongroom::reason::{Outcome, Reason};
use strongroom::storage::ledger::KillScope;

/// A key of another actor.
async fn key_of(house: &House, tenant: &str, actor: &str) -> String {
    let (tenant, actor) = (TenantId::new(tenant).unwrap(), ActorId::new(actor).unwrap());
    let key = NewKey { tenant, actor, role: None, scopes: Vec::new(), expires_ms: None };
    house.room.create_key(key).await.unwrap().text.to_string()
}

#[tokio::test]
async fn nobody_else_finds_it_and_nobody_learns_that_it_is_there() {
    let house = plan().build().await;
    let served = Served::new(&house.room);
    let key = house.key("acme").await;
    let others = [
        key_of(&house, "acme", "other").await,
        house.key("globex").await,
        key_of(&house, "globex", "other").await,
    ];
    for version in [NEW, OLD] {
        let owner = Client { version, ..of(&served, &key) };
        let real = uri(&say(&owner, &long("mine")).await);
        let mut digits = real.clone().into_bytes();
        let last = digits.last_mut().unwrap();
        *last = if *last == b'0' { b'1' } else { b'0' };
        let never = String::from_utf8(digits).unwrap();
        for other in &others {
            let other = Client { version, ..of(&served, other) };
            let before = calls_of(&house).len();
            let theirs = heard(&fetch(&other, &real).await, &real);
            let nothing = heard(&fetch(&other, &never).await, &never);
            assert_eq!(theirs, nothing, "{version}");
            let unknown = "orders://never";
            let elsewhere = heard(&fetch(&other, unknown).await, unknown);
            assert_eq!(theirs, elsewhere, "as for any URI that nobody gives");
            let entries: Vec<_> = calls_of(&house).into_iter().skip(before).collect();
            let [a, b, c] = entries.as_slice() else { panic!("{entries:?}") };
            let facts = |entry: &Entry| {
                let whose = (entry.tenant_id.clone(), entry.actor_id.clone());
                (
                    whose,
                    entry.action.clone(),
                    entry.reason_code,
                    entry.outcome,
                    entry.note.clone(),
                    entry.replayed_call_id,
                )
            };
            assert_eq!((facts(a), facts(b)), (facts(b), facts(c)));
            assert_eq!((a.reason_code, a.outcome), (Reason::ToolUnknown, Outcome::Denied));
        }
        for bad in [
            real.to_uppercase(),
            format!("{real}0"),
            format!("{real}/0"),
            PREFIX.to_owned(),
            format!("{PREFIX}../x"),
        ] {
            let told = fetch(&owner, &bad).await;
            assert_eq!(told.last()["error"]["message"], "there is no such resource", "{bad}: {told:?}");
        }
        assert_eq!(only(&fetch(&owner, &real).await)["text"], long("mine"));
        // The same text of somebody else is another result.
        for other in &others {
            let other = Client { version, ..of(&served, other) };
            let own = uri(&say(&other, &long("mine")).await);
            assert_ne!(own, real);
            assert!(fetch(&owner, &own).await.last().get("error").is_some());
            assert_eq!(only(&fetch(&other, &own).await)["text"], long("mine"));
        }
    }
    // Without a credential nobody is asked in.
    let nobody = Client { key: None, ..of(&served, "") };
    assert_eq!(fetch(&nobody, &format!("{PREFIX}{}", "0".repeat(32))).await.status, 401);
}

#[tokio::test]
async fn each_read_is_in_the_book_with_whose_result_of_which_call() {
    let house = plan().build().await;
    let served = Served::new(&house.room);
    let key = house.key("acme").await;
    let client = of(&served, &key);
    let told = say(&client, &long("kim")).await;
    let call = told.result()["_meta"]["strongroom/call-id"].as_str().unwrap().to_owned();
    let called = entries(&house, &call).pop().unwrap();
    assert_eq!(fetch(&client, &uri(&told)).await.status, 200);
    let read = calls_of(&house).pop().unwrap();
    assert_eq!(read.action, "read result echo.echo-string");
    assert_eq!((read.reason_code, read.outcome), (Reason::Ok, Outcome::Replayed));
    assert_eq!((&read.tenant_id, &read.actor_id), (&called.tenant_id, &called.actor_id));
    assert_eq!(read.actor_id.as_ref().map(ToString::to_string).as_deref(), Some("agent"));
    assert_eq!(read.replayed_call_id, called.call_id);
    assert_ne!(read.call_id, called.call_id);
    assert_eq!((read.component, read.policy, &read.note), (called.component, called.policy, &called.note));
    assert_eq!((read.fuel, read.bytes_out, read.imports.len()), (0, called.bytes_out, 0));
    // In a session the entry is the same.
    let session = crate::mcp_api::session::Session::begin(&served, &key, json!({})).await;
    let fetched = session.send(&message(OLD, 9, "resources/read", json!({ "uri": uri(&told) }))).await;
    assert_eq!(only(&fetched)["text"], long("kim"));
    assert_eq!(calls_of(&house).pop().unwrap().action, "read result echo.echo-string");
    assert!(!house.book().contains("kim says"), "the book has no results");
}

#[tokio::test]
async fn todays_rules_decide_on_each_read() {
    let rate = "[rate]\nper_second = 1000\n";
    let house = plan().tenant("acme", &format!("{TENANT}{rate}")).build().await;
    let served = Served::new(&house.room);
    let key = house.key("acme").await;
    let client = of(&served, &key);
    let there = uri(&say(&client, &long("kim")).await);
    let refused = |answer: &Answer| {
        assert_eq!(answer.last().get("result"), None, "{answer:?}");
        let told = answer.last().to_string();
        assert!(!told.contains("kim says"), "{told}");
        answer.last()["error"]["data"]["strongroom/reason-code"].as_str().unwrap().to_owned()
    };
    // A key that is narrowed to other tools.
    let narrow = house.key_for("acme", None, &["echo.nothing"]).await;
    assert_eq!(refused(&fetch(&of(&served, &narrow), &there).await), "policy_denied");
    let last = calls_of(&house).pop().unwrap();
    assert_eq!(
        (last.action.as_str(), last.reason_code),
        ("read result echo.echo-string", Reason::PolicyDenied)
    );
    assert_eq!((last.outcome, last.tenant_id.unwrap().as_str()), (Outcome::Denied, "acme"));
    // A stop of the tool, and a freeze, which lets reads go on.
    let scope: KillScope = "tool echo".parse().unwrap();
    house.room.kill(scope.clone(), "a test").await.unwrap();
    assert_eq!(refused(&fetch(&client, &there).await), "killed");
    house.room.revive(scope.clone()).await.unwrap();
    house.room.freeze(scope.clone(), "a test").await.unwrap();
    assert_eq!(only(&fetch(&client, &there).await)["text"], long("kim"));
    house.room.revive(scope).await.unwrap();
    // Rules that were changed since.
    let blocked = format!("{}block = [\"echo.echo-string\"]\n", TENANT);
    std::fs::write(house.path().join("tenants/acme.toml"), blocked).unwrap();
    reload(&house).await;
    assert_eq!(refused(&fetch(&client, &there).await), "policy_denied");
    std::fs::write(
        house.path().join("tenants/acme.toml"),
        format!("{TENANT}[rate]\nper_second = 1\nburst = 1\n"),
    )
    .unwrap();
    reload(&house).await;
    assert_eq!(fetch(&client, &there).await.last().get("error"), None);
    let mut told = fetch(&client, &there).await;
    for _ in 0..50 {
        if told.last().get("error").is_some() {
            break;
        }
        told = fetch(&client, &there).await;
    }
    assert_eq!(refused(&told), "rate_limited");
    // It is there still.
    std::fs::write(house.path().join("tenants/acme.toml"), TENANT).unwrap();
    reload(&house).await;
    assert_eq!(only(&fetch(&client, &there).await)["text"], long("kim"));
}
