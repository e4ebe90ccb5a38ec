//! Budget alerts reach the operator's webhook: each at least once, in order, signed; nobody waits for the receiver.

#[path = "alerts_reach_the_webhook/receiver.rs"]
mod receiver;

use receiver::{Says, next, receiver};
use serde_json::Value;
use std::fmt::{Debug, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use strongroom::powers::{Environment, Home, NoEnvironment, SystemClock, SystemEntropy, Zeroizing};
use strongroom::reason::Reason;
use strongroom::rebuild::{CopyFile, Means, backup, restore};
use strongroom::storage::Folder;
use strongroom::{Pauses, Strongroom};
use strongroom_tests::{House, Plan, house};
use tokio::task::JoinHandle;
use tracing::field::{Field, Visit};

const SECRET: &str = "whsec_Y2FuYXJ5LW9mLXRoZS1hbGVydHMtc2VjcmV0LTE=";
const NEXT: &str = "whsec_Y2FuYXJ5LW9mLXRoZS1hbGVydHMtc2VjcmV0LTI=";
const OK: Says = Says::Status(200, "");
const RULES: &str =
    "[tools]\nallow = [\"*\"]\n[[budgets]]\nof = \"calls\"\nper = \"total\"\nmode = \"warn\"\nlimit = ";

fn hook(to: SocketAddr) -> String {
    format!(
        "[alerts]\nwebhook = \"http://{to}/hook?team=ops\"\nsecret_file = \"alerts.secret\"\ntimeout_ms = 60000\n"
    )
}

/// A host whose tenants' budgets are used up after five calls of each.
fn plan() -> Plan {
    let rules = format!("{RULES}5\n");
    house().tenant("acme", &rules).tenant("globex", &rules).tool("echo")
}

async fn built(to: SocketAddr) -> House {
    plan().file("strongroom.toml", &hook(to)).file("alerts.secret", SECRET).build().await
}

/// As in production, but for the time that it takes.
fn deliver(room: &Strongroom) -> JoinHandle<()> {
    let [first, longest, turn] = [1, 20, 5].map(Duration::from_millis);
    let room = room.clone();
    tokio::spawn(async move { room.deliver_alerts(Pauses { first, longest, turn }).await })
}

/// Uses up so much of a tenant's budget: 3, 4 and 5 calls in all are 50, 80 and 100 %.
async fn call(house: &House, tenant: &str, times: usize) {
    let key = house.key(tenant).await;
    for _ in 0..times {
        let receipt = house.call_as(&key, "echo.echo-u8", r#"{"value":1}"#).await;
        assert_eq!(receipt.reason, Reason::Ok, "{receipt:?}");
    }
}

#[tokio::test]
async fn each_alert_comes_once_in_order_and_signed() {
    let (to, mut hears) = receiver(|_| OK).await;
    let house = built(to).await;
    let mut stream = house.room.alerts();
    // Before anybody delivers.
    call(&house, "acme", 3).await;
    let delivery = deliver(&house.room);
    call(&house, "acme", 2).await;
    let mut ids = Vec::new();
    for percent in [50, 80, 100] {
        let alert = stream.next().await.unwrap().unwrap();
        let got = next(&mut hears).await;
        let body = got.signed_with(SECRET).expect("a signature that is right");
        assert!(got.signed_with(NEXT).is_none());
        assert_eq!(body["type"], "budget.alert");
        assert_eq!(body["data"], serde_json::to_value(&alert).unwrap(), "as in the event stream");
        assert_eq!((alert.percent, body["data"]["tenant"].as_str()), (percent, Some("acme")));
        assert_eq!(body["timestamp"], strongroom::moment::utc(alert.at_ms));
        assert_eq!(got.target, "/hook?team=ops");
        assert_eq!(got.fields["content-type"], "application/json");
        assert_eq!(got.fields["host"], to.to_string());
        ids.push(got.id().to_owned());
    }
    let numbers = ids.clone();
    ids.dedup();
    assert_eq!(ids, numbers);
    // What was delivered before a restart does not come again; the last one may, if the ledger was closed before it knew.
    let house = house.restart().await;
    delivery.await.unwrap();
    let delivery = deliver(&house.room);
    call(&house, "globex", 3).await;
    let mut got = next(&mut hears).await;
    if got.id() == ids[2] {
        got = next(&mut hears).await;
    }
    assert_eq!(got.signed_with(SECRET).unwrap()["data"]["tenant"], "globex");
    house.room.close().await.unwrap();
    delivery.await.unwrap();
    assert!(hears.try_recv().is_err());
}

#[tokio::test]
async fn what_fails_comes_again_before_any_other_and_the_log_has_neither_flood_nor_secret() {
    let log = Log::default();
    let _heard = tracing::subscriber::set_default(log.clone());
    let (to, mut hears) = receiver(|number| match number {
        0 => Says::Status(500, "retry-after: 86400\r\n"),
        1 => Says::Break,
        2 => Says::Status(307, "location: /elsewhere\r\n"),
        3 => Says::Status(429, "retry-after: soon\r\n"),
        4 => Says::Chatter,
        _ => Says::Status(204, ""),
    })
    .await;
    let house = built(to).await;
    let delivery = deliver(&house.room);
    call(&house, "acme", 5).await;
    let first = next(&mut hears).await;
    for _ in 1..5 {
        let again = next(&mut hears).await;
        assert_eq!((again.id(), &again.body), (first.id(), &first.body));
        assert_eq!(again.target, "/hook?team=ops", "a redirect is not followed");
        assert!(again.signed_with(SECRET).is_some());
    }
    for percent in [80, 100] {
        assert_eq!(next(&mut hears).await.percent(), percent);
    }
    house.room.close().await.unwrap();
    delivery.await.unwrap();
    let log = log.0.lock().unwrap().clone();
    assert_eq!(log.matches("is not delivered yet").count(), 1, "{log}");
    let settings = format!("{:?}", house.room.settings());
    for (place, text) in [("the log", log), ("the book", house.book()), ("the settings", settings)] {
        for secret in [SECRET, "Y2FuYXJ5", "canary", "team=ops"] {
            assert!(!text.contains(secret), "{secret} is in {place}");
        }
    }
}

#[tokio::test]
async fn an_attempt_that_broke_off_is_made_again_and_delays_nothing() {
    let (to, mut hears) = receiver(|number| if number < 2 { Says::Silence } else { OK }).await;
    let house = built(to).await;
    let delivery = deliver(&house.room);
    call(&house, "acme", 3).await;
    let first = next(&mut hears).await;
    // Calls go on, and raise further alerts, while the receiver says nothing.
    call(&house, "acme", 2).await;
    delivery.abort();
    assert!(delivery.await.unwrap_err().is_cancelled());
    let delivery = deliver(&house.room);
    assert_eq!(next(&mut hears).await.id(), first.id());
    // The receiver may take a minute for its answer; nobody waits for it.
    let house = tokio::time::timeout(Duration::from_secs(30), async {
        let house = house.restart().await;
        delivery.await.unwrap();
        house
    });
    let house = house.await.expect("a host that ends at once");
    let _delivery = deliver(&house.room);
    assert_eq!(next(&mut hears).await.id(), first.id());
    for percent in [80, 100] {
        assert_eq!(next(&mut hears).await.percent(), percent);
    }
}

#[tokio::test]
async fn one_process_delivers_and_its_turn_passes_on() {
    let (to, mut hears) = receiver(|number| if number == 0 { Says::Silence } else { OK }).await;
    let house = built(to).await;
    let delivery = deliver(&house.room);
    call(&house, "acme", 5).await;
    let first = next(&mut hears).await;
    let beside = House::beside(&house).await;
    let waiting = deliver(&beside.room);
    let turn = std::fs::File::open(house.path().join("webhook.lock")).unwrap();
    assert!(turn.try_lock().is_err(), "the turn is taken");
    // The system lets the lock of a dead process go, as it does for a future that is dropped.
    delivery.abort();
    assert!(delivery.await.unwrap_err().is_cancelled());
    assert_eq!(next(&mut hears).await.id(), first.id());
    for percent in [80, 100] {
        assert_eq!(next(&mut hears).await.percent(), percent);
    }
    beside.room.close().await.unwrap();
    waiting.await.unwrap();
    assert!(hears.try_recv().is_err());
}

#[tokio::test]
async fn a_webhook_and_its_keys_change_without_a_restart() {
    let ((old, mut at_old), (new, mut at_new)) = (receiver(|_| OK).await, receiver(|_| OK).await);
    let house = plan().build().await;
    let home = Home::open(house.path()).unwrap();
    let write = |file: &str, text: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        let path = house.path().join(file);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    let delivery = deliver(&house.room);
    // From before there was a webhook.
    call(&house, "acme", 3).await;
    write("alerts.secret", SECRET);
    write("strongroom.toml", &hook(old));
    let done = house.room.reload(&home).await.unwrap();
    assert!(done.changed && done.restart.is_empty());
    call(&house, "acme", 1).await;
    assert_eq!(next(&mut at_old).await.percent(), 80);
    // While the receiver learns the new key, both sign.
    write("alerts.secret", &format!("{NEXT}\n{SECRET}\n"));
    assert!(house.room.reload(&home).await.unwrap().changed);
    call(&house, "acme", 1).await;
    let got = next(&mut at_old).await;
    assert!(got.percent() == 100 && got.signed_with(SECRET).is_some() && got.signed_with(NEXT).is_some());
    write("alerts.secret", NEXT);
    write("strongroom.toml", &hook(new));
    assert!(house.room.reload(&home).await.unwrap().changed);
    call(&house, "globex", 3).await;
    let got = next(&mut at_new).await;
    assert!(got.percent() == 50 && got.signed_with(SECRET).is_none() && got.signed_with(NEXT).is_some());
    // A secret that others can read changes nothing, and says so.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(house.path().join("alerts.secret"), open).unwrap();
    let refused = house.room.reload(&home).await.unwrap_err();
    assert!(refused.to_string().contains("others than its owner can read"), "{refused}");
    house.room.close().await.unwrap();
    delivery.await.unwrap();
    assert!(at_old.try_recv().is_err() && at_new.try_recv().is_err());
}

#[tokio::test]
async fn a_ledger_that_was_put_back_goes_on_where_the_copy_was() {
    let (to, mut hears) = receiver(|_| OK).await;
    let house = built(to).await;
    let delivery = deliver(&house.room);
    call(&house, "acme", 3).await;
    assert_eq!(next(&mut hears).await.percent(), 50);
    // It counts once the ledger has it, and that is when the next one is sent.
    call(&house, "acme", 1).await;
    assert_eq!(next(&mut hears).await.percent(), 80);
    let elsewhere = tempfile::tempdir().unwrap();
    let folder = Home::open(elsewhere.path()).unwrap().dir().try_clone().unwrap();
    let copy = CopyFile { folder: Folder::new(folder, elsewhere.path()), name: "copy.db".into() };
    backup(&Home::open(house.path()).unwrap(), &copy, false, |_, _| {}).unwrap();
    delivery.abort();
    let _ = delivery.await;
    let back = async |path: &Path| {
        while path.join("ledger.db-wal").exists() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let (home, environment) = (Home::open(path).unwrap(), &NoEnvironment);
        let means = Means {
            home: &home,
            environment,
            clock: Arc::new(SystemClock),
            entropy: &SystemEntropy,
            who: None,
        };
        restore(means, &copy, true, |_, _| {}).await.unwrap();
    };
    let house = house.between(back, |builder| builder).await;
    let _delivery = deliver(&house.room);
    call(&house, "globex", 3).await;
    // Numbers go on a million higher. What the copy does not know as delivered may come once more before.
    loop {
        let got = next(&mut hears).await;
        let body: Value = got.signed_with(SECRET).unwrap();
        if body["data"]["tenant"] == "globex" {
            assert!(body["data"]["id"].as_u64() > Some(1_000_000), "{body}");
            break;
        }
    }
}

#[derive(Debug)]
struct Given(Option<&'static str>);

impl Environment for Given {
    fn variable(&self, name: &str) -> std::io::Result<Option<Zeroizing<String>>> {
        assert_eq!(name, "ALERTS_SECRET");
        Ok(self.0.map(|text| Zeroizing::new(text.to_owned())))
    }
    fn operator_key(&self) -> std::io::Result<Option<Zeroizing<String>>> {
        Ok(None)
    }
}

#[tokio::test]
async fn a_secret_may_be_in_the_environment_and_a_host_without_it_does_not_start() {
    let (to, mut hears) = receiver(|_| OK).await;
    let settings = format!("[alerts]\nwebhook = \"http://{to}/\"\nsecret_env = \"ALERTS_SECRET\"\n");
    let plan = plan().file("strongroom.toml", &settings);
    for (given, says) in [(None, "is not set"), (Some("whsec_c2hvcnQ="), "24 to 64 bytes")] {
        let builder = Strongroom::builder(Home::open(plan.path()).unwrap());
        let refused = builder.environment(Arc::new(Given(given))).build().await.unwrap_err();
        assert_eq!(refused.reason(), Reason::ConfigInvalid);
        let shown = format!("{refused} {refused:?}");
        assert!(shown.contains(says) && shown.contains("strongroom.toml:3"), "{shown}");
        assert!(!shown.contains("c2hvcnQ"));
    }
    let house = plan.build_with(|builder| builder.environment(Arc::new(Given(Some(SECRET))))).await;
    let _delivery = deliver(&house.room);
    call(&house, "acme", 3).await;
    assert!(next(&mut hears).await.signed_with(SECRET).is_some());
}

/// What the host says while a test runs, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        span.record(&mut Line(&mut self.0.lock().unwrap()));
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        values.record(&mut Line(&mut self.0.lock().unwrap()));
    }
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut log = self.0.lock().unwrap();
        event.record(&mut Line(&mut log));
        log.push('\n');
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}
