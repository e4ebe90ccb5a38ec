//! Every call leaves an entry with tenant, actor, action, reason code and outcome, also one that was refused, dropped or
//! never identified; and when the book cannot be written, nothing runs.

use std::sync::Arc;
use strongroom::audit::{Entry, MemoryJournal, Phase};
use strongroom::identify::Credential;
use strongroom::reason::{Outcome, Reason};
use strongroom_tests::{House, component, house, request};

const TENANT: &str = r#"
[tools]
allow = ["echo", "sleeper", "prober"]
block = ["echo.echo-u16"]
[grants.prober.keyvalue.cart]
mode = "rw"
"#;

async fn watched() -> (House, Arc<MemoryJournal>, String) {
    let book = Arc::new(MemoryJournal::new());
    let house = house()
        .tenant("acme", TENANT)
        .tool("echo")
        .tool("sleeper")
        .tool("prober")
        .build_with(|builder| builder.journal(book.clone()))
        .await;
    let key = house.key("acme").await;
    (house, book, key)
}

fn last(book: &MemoryJournal) -> Entry {
    book.entries().pop().expect("the book has entries")
}

#[tokio::test]
async fn an_executed_call_has_every_fact() {
    let (house, book, key) = watched().await;
    let receipt = house.call_as(&key, "echo.echo-string", r#"{"value":"canary-in-the-arguments"}"#).await;
    let entry = last(&book);
    assert_eq!(entry.phase, Phase::Outcome);
    assert_eq!(entry.tenant_id.as_ref().unwrap().as_str(), "acme");
    assert_eq!(entry.actor_id.as_ref().unwrap().as_str(), "agent");
    assert_eq!(entry.action, "call echo.echo-string");
    assert_eq!((entry.reason_code, entry.outcome), (Reason::Ok, Outcome::Executed));
    assert_eq!(entry.call_id, Some(receipt.call_id));
    assert_eq!(entry.component, Some(strongroom::id::Digest::of(&component("echo"))));
    assert_eq!(entry.fuel, receipt.fuel);
    assert!(entry.fuel > 0 && entry.bytes_in > 0 && entry.bytes_out > 0 && entry.arguments.is_some());
    let text = serde_json::to_string(&book.entries()).unwrap();
    assert!(!text.contains("canary-in-the-arguments"), "arguments are never in the book");
    assert!(!text.contains(&key), "keys are never in the book");
}

#[tokio::test]
async fn each_kind_of_refusal_leaves_its_entry() {
    let (house, book, key) = watched().await;
    let long = format!("sr_live_0123456789abcdef_{}", "0".repeat(64));
    for (credential, function, arguments, reason, tenant) in [
        (Credential::None, "echo.echo-u8", r#"{"value":1}"#, Reason::TenantMissing, None),
        (Credential::ApiKey("nonsense"), "echo.echo-u8", "{}", Reason::TenantUnknown, None),
        (Credential::ApiKey(&long), "echo.echo-u8", "{}", Reason::TenantUnknown, None),
        (Credential::ApiKey(&key), "echo.nothing-like-it", "{}", Reason::ToolUnknown, Some("acme")),
        (Credential::ApiKey(&key), "\u{202e}\n", "{}", Reason::ToolUnknown, Some("acme")),
        (Credential::ApiKey(&key), "echo.echo-u16", r#"{"value":1}"#, Reason::PolicyDenied, Some("acme")),
        (
            Credential::ApiKey(&key),
            "echo.echo-u8",
            r#"{"value":256}"#,
            Reason::ArgumentsInvalid,
            Some("acme"),
        ),
    ] {
        let before = book.entries().len();
        let receipt = house.room.call(credential, request(function, arguments)).await;
        assert_eq!(receipt.reason, reason, "{function}");
        assert_eq!(receipt.outcome, Outcome::Denied);
        assert_eq!(book.entries().len(), before + 1, "one entry for {function}");
        let entry = last(&book);
        assert_eq!((entry.reason_code, entry.outcome), (reason, Outcome::Denied));
        assert_eq!(entry.tenant_id.as_ref().map(|t| t.as_str()), tenant);
        assert!(!entry.action.chars().any(char::is_control));
    }
}

#[tokio::test]
async fn a_write_has_its_intent_before_its_outcome() {
    let (house, book, key) = watched().await;
    let receipt = house.call_as(&key, "prober.kv-set", r#"{"bucket":"cart","key":"a","value":"MQ=="}"#).await;
    assert_eq!(receipt.reason, Reason::Ok, "{receipt:?}");
    let of_call: Vec<_> = book.entries().into_iter().filter(|e| e.call_id == Some(receipt.call_id)).collect();
    assert_eq!(of_call.iter().map(|e| e.phase).collect::<Vec<_>>(), [Phase::Intent, Phase::Outcome]);
    let imports = &of_call[1].imports;
    assert!(imports.iter().any(|i| i.import == "wasi:keyvalue/store.[method]bucket.set"), "{imports:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_goes_away_leaves_cancelled() {
    let (house, book, key) = watched().await;
    let call = house.room.call(Credential::ApiKey(&key), request("sleeper.sleep", r#"{"ms":5000}"#));
    let gone = tokio::time::timeout(std::time::Duration::from_millis(300), call).await;
    assert!(gone.is_err());
    let entry = last(&book);
    assert_eq!(entry.action, "call sleeper.sleep");
    assert_eq!(entry.reason_code, Reason::Cancelled);
    assert!(matches!(entry.outcome, Outcome::Failed | Outcome::Unknown));
}

#[tokio::test]
async fn nothing_runs_when_the_book_cannot_be_written() {
    let (house, book, key) = watched().await;
    book.break_with(Some("no space left"));
    let receipt = house.call_as(&key, "echo.echo-u8", r#"{"value":1}"#).await;
    assert_eq!((receipt.reason, receipt.value), (Reason::AuditUnavailable, None));
    assert!(house.room.ready().is_err());
    book.break_with(None);
    assert!(house.call_as(&key, "echo.echo-u8", r#"{"value":1}"#).await.is_ok());
}
