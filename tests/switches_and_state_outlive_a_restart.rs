//! Kill switches, keys, budgets and tools survive a restart, and a host that was killed comes up again with nothing lost.

use strongroom::id::ToolName;
use strongroom::reason::Reason;
use strongroom::storage::ledger::KillScope;
use strongroom_tests::house;

const TENANT: &str = "[tools]\nallow = [\"*\"]\n";

#[tokio::test]
async fn a_kill_switch_stops_what_it_names_until_it_is_lifted() {
    let house =
        house().tenant("acme", TENANT).tenant("globex", TENANT).tool("echo").tool("spin").build().await;
    let (a, b) = (house.key("acme").await, house.key("globex").await);
    let echo = r#"{"value":1}"#;
    let tool = KillScope::Tool(ToolName::new("echo").unwrap());
    house.room.kill(tool.clone(), "under investigation").await.unwrap();
    let refused = house.call_as(&a, "echo.echo-u8", echo).await;
    assert_eq!(refused.reason, Reason::Killed);
    assert!(!refused.message.unwrap().contains("investigation"), "the operator's reason is the operator's");
    assert!(house.call_as(&a, "spin.burn", r#"{"rounds":3}"#).await.is_ok(), "other tools go on");

    let house = house.restart().await;
    assert_eq!(house.call_as(&a, "echo.echo-u8", echo).await.reason, Reason::Killed, "it is durable");
    assert!(house.room.revive(tool.clone()).await.unwrap());
    assert!(!house.room.revive(tool).await.unwrap());
    assert!(house.call_as(&a, "echo.echo-u8", echo).await.is_ok());

    house.room.kill(KillScope::Tenant("acme".parse().unwrap()), "unpaid").await.unwrap();
    assert_eq!(house.call_as(&a, "echo.echo-u8", echo).await.reason, Reason::Killed);
    assert!(house.call_as(&b, "echo.echo-u8", echo).await.is_ok(), "the other tenant goes on");
    house.room.kill(KillScope::Host, "incident").await.unwrap();
    assert_eq!(house.call_as(&b, "echo.echo-u8", echo).await.reason, Reason::Killed);
}

#[tokio::test]
async fn keys_live_across_restarts_and_end_when_revoked() {
    let house = house().tenant("acme", TENANT).tool("echo").build().await;
    let key = house.key("acme").await;
    let house = house.start_again().await;
    assert!(house.call_as(&key, "echo.echo-u8", r#"{"value":1}"#).await.is_ok());
    let id = house.room.keys(None)[0].id.clone();
    house.room.revoke_key(&id).await.unwrap();
    assert_eq!(house.call_as(&key, "echo.echo-u8", r#"{"value":1}"#).await.reason, Reason::TenantUnknown);
    let house = house.restart().await;
    assert_eq!(house.call_as(&key, "echo.echo-u8", r#"{"value":1}"#).await.reason, Reason::TenantUnknown);
}

#[tokio::test]
async fn a_damaged_compiled_cache_is_made_again() {
    let house = house().tenant("acme", TENANT).tool("echo").build().await;
    let key = house.key("acme").await;
    let cache = house.path().join("cache");
    for file in std::fs::read_dir(&cache).unwrap() {
        let path = file.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    let house = house.restart().await;
    assert!(house.call_as(&key, "echo.echo-u8", r#"{"value":1}"#).await.is_ok());
}

#[tokio::test]
async fn roles_and_scopes_narrow_a_key_and_never_widen_it() {
    let rules = "[tools]\nallow = [\"echo\", \"spin\"]\n[roles.reader]\ntools = [\"echo\"]\neffects = [\"read\"]\n\
                 [roles.writer]\ntools = [\"*\"]\n";
    let house = house().tenant("acme", rules).tool("echo").tool("spin").tool("hog").build().await;
    let reader = house.key_for("acme", Some("reader"), &[]).await;
    let narrow = house.key_for("acme", Some("writer"), &["echo.echo-u8"]).await;
    let writer = house.key_for("acme", Some("writer"), &[]).await;
    let nobody = house.key_for("acme", None, &[]).await;
    let (echo, burn) = (("echo.echo-u8", r#"{"value":1}"#), ("spin.burn", r#"{"rounds":1}"#));
    for (key, (function, arguments), reason) in [
        (&reader, echo, Reason::Ok),
        (&reader, burn, Reason::PolicyDenied),
        (&reader, ("echo.fail", r#"{"problem":{"tag":"unknown"}}"#), Reason::PolicyDenied),
        (&narrow, echo, Reason::Ok),
        (&narrow, ("echo.echo-u16", r#"{"value":1}"#), Reason::PolicyDenied),
        (&writer, burn, Reason::Ok),
        (&writer, ("hog.take", r#"{"bytes":1}"#), Reason::PolicyDenied),
        (&nobody, echo, Reason::PolicyDenied),
    ] {
        let receipt = house.call_as(key, function, arguments).await;
        assert_eq!(receipt.reason, reason, "{function}: {receipt:?}");
    }
    let caller = house.room.identify(strongroom::identify::Credential::ApiKey(&narrow)).await.unwrap();
    let listed: Vec<_> =
        house.room.list(caller).await.unwrap().iter().map(|l| l.function.name.to_string()).collect();
    assert_eq!(listed, ["echo.echo-u8"]);
}

#[tokio::test]
async fn a_suspended_tenant_and_a_rate_limit_have_their_reasons() {
    let house = house()
        .tenant("acme", "suspended = true\n[tools]\nallow = [\"*\"]\n")
        .tenant("globex", "[tools]\nallow = [\"*\"]\n[rate]\nper_second = 1\nburst = 2\n")
        .tool("echo")
        .build()
        .await;
    let (a, b) = (house.key("acme").await, house.key("globex").await);
    assert_eq!(house.call_as(&a, "echo.echo-u8", r#"{"value":1}"#).await.reason, Reason::TenantSuspended);
    assert!(house.call_as(&b, "echo.echo-u8", r#"{"value":1}"#).await.is_ok());
    assert!(house.call_as(&b, "echo.echo-u8", r#"{"value":1}"#).await.is_ok());
    let refused = house.call_as(&b, "echo.echo-u8", r#"{"value":1}"#).await;
    assert_eq!(refused.reason, Reason::RateLimited);
    assert!(refused.retry_after_ms.is_some_and(|ms| (1..=1000).contains(&ms)), "{refused:?}");
}
