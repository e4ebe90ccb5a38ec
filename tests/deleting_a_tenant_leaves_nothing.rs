//! A deleted tenant is gone to the last byte, whatever broke off on the way; the other tenants notice nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::future::Future;
use std::path::Path;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use strongroom::identify::Credential;
use strongroom::reason::{Outcome, Reason};
use strongroom::{OperateError, Strongroom, TenantStanding};
use strongroom_tests::{House, house, request_with_key};

const GONE: &str = "gone-4e1f";
const STAYS: &str = "stays-77aa";

/// What a tenant leaves in every place that it has.
const CANARIES: [&str; 6] = ["kv-key", "kv-value", "memory-text", "idempotency", "answer", "credential"];

fn canary(tenant: &str, what: &str) -> String {
    format!("{tenant}-canary-{what}-9c2b")
}

fn rules(tenant: &str) -> String {
    format!(
        "[tools]\nallow = [\"*\"]\n[[budgets]]\nof = \"calls\"\nper = \"day\"\nlimit = 5000\n\
         [grants.prober.keyvalue.cart]\nmode = \"rw\"\n[grants.prober.memory]\nmode = \"rw\"\n\
         [grants.prober.http.api]\norigin = \"https://api.example.com\"\ncredential = \"{tenant}-api\"\n\
         [grants.prober.dir.data]\npath = \"shared/place\"\nmode = \"rw\"\n"
    )
}

fn credential(tenant: &str) -> String {
    let value = canary(tenant, "credential");
    format!(
        "[{tenant}-api]\ntenant = \"{tenant}\"\norigins = [\"https://api.example.com\"]\nvalue = \"Bearer {value}\"\n"
    )
}

/// What of the file is not the tenant's.
fn others() -> String {
    format!("# of this host\n\n{}\n# the end\n", credential(STAYS))
}

async fn two() -> House {
    let credentials = others().replace("# the end", &format!("# theirs\n{}\n# the end", credential(GONE)));
    let plan = house()
        .tenant(GONE, &rules(GONE))
        .tenant(STAYS, &rules(STAYS))
        .file("credentials.toml", &credentials)
        .file("shared/place/of-the-operator.txt", "kept")
        .tool("prober")
        .tool("echo")
        .tool("sleeper");
    plan.build().await
}

async fn ok(room: &Strongroom, key: &str, idempotency: &str, function: &str, arguments: &str) -> String {
    let request = request_with_key(function, arguments, idempotency);
    let receipt = room.call(Credential::ApiKey(key), request).await;
    assert_eq!(receipt.reason, Reason::Ok, "{function}: {receipt:?}");
    receipt.value.unwrap()
}

fn kv(tenant: &str, number: usize) -> String {
    let key = format!("{}-{number}", canary(tenant, "kv-key"));
    serde_json::json!({ "bucket": "cart", "key": key, "value": STANDARD.encode(canary(tenant, "kv-value")) })
        .to_string()
}

fn remember(tenant: &str, number: usize) -> String {
    let id = format!("{}-{number}", canary(tenant, "answer"));
    serde_json::json!({ "id": id, "text": canary(tenant, "memory-text"), "tags": [] }).to_string()
}

/// Writes of a tenant, each under an idempotency key of its own.
async fn plant(room: &Strongroom, tenant: &str, key: &str, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let idempotency = format!("{}-{number}", canary(tenant, "idempotency"));
        ok(room, key, &format!("{idempotency}-kv"), "prober.kv-set", &kv(tenant, number)).await;
        let answer = ok(room, key, &idempotency, "prober.mem-remember", &remember(tenant, number)).await;
        assert!(answer.contains(&canary(tenant, "answer")), "the answer is stored: {answer}");
    }
}

/// A write of a tenant whose answer has a file of its own.
async fn plant_long(room: &Strongroom, tenant: &str, key: &str) -> String {
    let why = canary(tenant, "answer").repeat(4000);
    let arguments = serde_json::json!({ "problem": { "tag": "because", "val": why } }).to_string();
    let request =
        request_with_key("echo.fail", &arguments, &format!("{}-long", canary(tenant, "idempotency")));
    let receipt = room.call(Credential::ApiKey(key), request).await;
    assert_eq!(receipt.reason, Reason::ToolError, "{receipt:?}");
    receipt.value.unwrap()
}

/// The files in which one of the texts stands, as it is, in hex or in base64. The audit log is left out, and the
/// directory that is the operator's.
fn found(folder: &Path, texts: &[String]) -> Vec<String> {
    let forms: Vec<Vec<u8>> = texts
        .iter()
        .flat_map(|text| {
            let inner = STANDARD.encode(text).trim_end_matches('=').to_owned();
            [text.clone(), hex::encode(text), inner.get(..inner.len() - 2).unwrap().to_owned()]
        })
        .map(String::into_bytes)
        .collect();
    let mut files = Vec::new();
    scan(folder, &forms, &mut files);
    files
}

fn scan(folder: &Path, forms: &[Vec<u8>], files: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "audit" && name != "shared" {
            scan(&path, forms, files);
        } else if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let mut holds = forms.iter().filter(|form| bytes.windows(form.len()).any(|w| w == &form[..]));
            if let Some(form) = holds.next() {
                files.push(format!("{}: {}", path.display(), String::from_utf8_lossy(form)));
            }
        }
        if forms.iter().any(|form| name.contains(&*String::from_utf8_lossy(form))) {
            files.push(format!("the name of {}", path.display()));
        }
    }
}

/// Everything that must not be found of a tenant: its canaries, its id, its keys' ids.
fn all_of(tenant: &str, keys: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = CANARIES.iter().map(|what| canary(tenant, what)).collect();
    all.push(tenant.to_owned());
    all.extend(keys.iter().map(|key| key.split('_').nth(2).unwrap().to_owned()));
    all
}

async fn until_unknown(room: &Strongroom, key: &str) {
    for _ in 0..500 {
        let request = request_with_key("prober.kv-exists", r#"{"bucket":"cart","key":"k"}"#, "look");
        match room.call(Credential::ApiKey(key), request).await.reason {
            Reason::TenantUnknown => return,
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    panic!("the key still opens something");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_byte_is_left_and_the_other_tenant_goes_on() {
    let house = two().await;
    let (gone, stays) = (house.key(GONE).await, house.key(STAYS).await);
    // Rows of both side by side, so that they share pages, and more of them than a page holds.
    for round in 0..12 {
        plant(&house.room, GONE, &gone, round * 4..round * 4 + 4).await;
        plant(&house.room, STAYS, &stays, round * 4..round * 4 + 4).await;
    }
    let other = House::beside(&house).await.room;
    plant(&other, GONE, &gone, 100..102).await;
    plant_long(&other, GONE, &gone).await;
    let long = plant_long(&house.room, STAYS, &stays).await;
    let answers = |tenant: &str| house.path().join("answers").join(tenant);
    assert_eq!(std::fs::read_dir(answers(GONE)).unwrap().count(), 1);
    // As a process that was killed leaves it: no row names it.
    let left = answers(GONE).join(format!("call_{}-1-0", "0".repeat(32)));
    std::fs::write(left, canary(GONE, "answer")).unwrap();
    for tenant in [(GONE, &gone), (STAYS, &stays)] {
        let texts = all_of(tenant.0, &[tenant.1]);
        for text in &texts {
            if text.contains("idempotency") {
                // Of a client's key there is only a keyed digest, from the beginning.
                assert_eq!(found(house.path(), std::slice::from_ref(text)), Vec::<String>::new());
                continue;
            }
            assert!(!found(house.path(), std::slice::from_ref(text)).is_empty(), "{text} was planted");
        }
    }

    let deleted = house.room.delete_tenant(&GONE.parse().unwrap()).await.unwrap();
    assert_eq!((deleted.traces.keys, deleted.traces.claims), (1, 2 * 48 + 4 + 1));
    assert_eq!(deleted.files, [format!("tenants/{GONE}.toml")]);
    assert_eq!(deleted.credentials, [format!("{GONE}-api")]);
    assert!(deleted.store && deleted.directories[0].path.ends_with("shared/place"));
    let receipt = house.call_as(&gone, "prober.kv-exists", r#"{"bucket":"cart","key":"k"}"#).await;
    assert_eq!(receipt.reason, Reason::TenantUnknown, "{receipt:?}");
    until_unknown(&other, &gone).await;
    plant(&other, STAYS, &stays, 200..201).await;
    let again = house.room.delete_tenant(&GONE.parse().unwrap()).await;
    assert!(matches!(again, Err(OperateError::NothingOf(_))), "{again:?}");

    assert!(!answers(GONE).exists(), "also what no row has named");
    other.close().await.unwrap();
    drop(other);
    let house = house.restart().await;
    assert_eq!(found(house.path(), &all_of(GONE, &[&gone])), Vec::<String>::new());
    assert_eq!(std::fs::read_to_string(house.path().join("credentials.toml")).unwrap(), others());
    assert_eq!(std::fs::read(house.path().join("shared/place/of-the-operator.txt")).unwrap(), b"kept");
    let read = ok(&house.room, &stays, "x", "prober.mem-retrieve", r#"{"query":"canary","top-k":99}"#).await;
    assert_eq!(read.matches(&canary(STAYS, "memory-text")).count(), 49, "{read}");
    let first = format!("{}-0", canary(STAYS, "idempotency"));
    let again = house.room.call(
        Credential::ApiKey(&stays),
        request_with_key("prober.mem-remember", &remember(STAYS, 0), &first),
    );
    assert_eq!(again.await.outcome, Outcome::Replayed);
    assert_eq!(plant_long(&house.room, STAYS, &stays).await, long);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_by_the_same_id_starts_from_nothing() {
    let house = two().await;
    let gone = house.key(GONE).await;
    plant(&house.room, GONE, &gone, 0..2).await;
    // The file is gone already: what remains is deleted too.
    std::fs::remove_file(house.path().join(format!("tenants/{GONE}.toml"))).unwrap();
    let house = house.restart().await;
    let of = |room: &Strongroom| {
        let tenants = room.tenants().unwrap();
        tenants.into_iter().find(|t| t.id.as_str() == GONE).map(|t| t.standing)
    };
    assert_eq!(of(&house.room), Some(TenantStanding::Remains));
    house.room.delete_tenant(&GONE.parse().unwrap()).await.unwrap();
    assert_eq!(of(&house.room), None);
    std::fs::write(
        house.path().join(format!("tenants/{GONE}.toml")),
        rules(GONE).replace("credential =", "# "),
    )
    .unwrap();
    house.room.apply(house.read_settings()).await.unwrap();
    let report = house.room.tenant(&GONE.parse().unwrap()).await.unwrap();
    assert_eq!(
        (report.standing, report.has_store, report.budgets[0].spent),
        (TenantStanding::Active, false, 0)
    );
    let key = house.key(GONE).await;
    let none = ok(&house.room, &key, "x", "prober.mem-retrieve", r#"{"query":"canary","top-k":9}"#).await;
    assert_eq!(none, "[]");
    plant(&house.room, GONE, &key, 0..2).await;
    let found = house.room.tenant(&GONE.parse().unwrap()).await.unwrap();
    assert_eq!(
        (found.traces.claims, found.traces.keys),
        (4, 1),
        "idempotency keys used before are first calls again"
    );
}

/// Polls a future so many times and gives it up then.
struct Broken<F> {
    future: Pin<Box<F>>,
    polls: usize,
}

impl<F: Future> Future for Broken<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(left) = self.polls.checked_sub(1) else { return Poll::Ready(None) };
        self.polls = left;
        match self.future.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_off_is_ended_by_the_next_order() {
    let mut house = two().await;
    let stays = house.key(STAYS).await;
    plant(&house.room, STAYS, &stays, 0..1).await;
    let id = GONE.parse().unwrap();
    let mut ended = false;
    for polls in [1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 17, 20, 24, 28, 34, 40, 60] {
        let path = house.path().join("credentials.toml");
        if !house.path().join(format!("tenants/{GONE}.toml")).exists() {
            std::fs::write(house.path().join(format!("tenants/{GONE}.toml")), rules(GONE)).unwrap();
            let text = format!("{}{}", std::fs::read_to_string(&path).unwrap(), credential(GONE));
            std::fs::write(&path, text).unwrap();
            house.room.apply(house.read_settings()).await.unwrap();
        }
        let key = house.key(GONE).await;
        plant(&house.room, GONE, &key, 0..1).await;
        plant_long(&house.room, GONE, &key).await;
        let order = Broken { future: Box::pin(house.room.delete_tenant(&id)), polls };
        ended = order.await.is_some();
        house = house.start_again().await;
        match house.room.delete_tenant(&id).await {
            Ok(_) | Err(OperateError::NothingOf(_)) => {}
            Err(error) => panic!("after {polls} polls: {error:?}"),
        }
        assert!(house.room.kills().is_empty());
        assert_eq!(found(house.path(), &all_of(GONE, &[&key])), Vec::<String>::new(), "after {polls} polls");
        if ended {
            break;
        }
    }
    assert!(ended, "an order that is not broken off ends");
    plant(&house.room, STAYS, &stays, 1..2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_runs_may_end_and_nothing_new_begins() {
    let house = house().tenant(GONE, "[tools]\nallow = [\"*\"]\n").build().await;
    let manifest = "name = \"sleeper\"\nversion = \"0.1.0\"\n[functions]\nsleep.effect = \"write\"\n";
    house.room.install(strongroom_tests::component("sleeper"), "sleeper", Some(manifest)).await.unwrap();
    let key = house.key(GONE).await;
    let (room, text) = (house.room.clone(), key.clone());
    let running = tokio::spawn(async move {
        let request = request_with_key("sleeper.sleep", r#"{"ms":1500}"#, "running");
        room.call(Credential::ApiKey(&text), request).await
    });
    let id = GONE.parse().unwrap();
    while house.room.tenant(&id).await.unwrap().traces.claims == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut order = pin!(house.room.delete_tenant(&id));
    let early = tokio::time::timeout(Duration::from_millis(200), order.as_mut()).await;
    assert!(early.is_err(), "it waits for the write that runs");
    let refused = house.call_as(&key, "sleeper.sleep", r#"{"ms":1}"#).await;
    assert_eq!(refused.reason, Reason::WritesFrozen, "{refused:?}");
    let deleted = order.await.unwrap();
    let receipt = running.await.unwrap();
    assert_eq!((receipt.reason, deleted.traces.claims), (Reason::Ok, 1), "{receipt:?}");
    assert!(house.room.tenants().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_tenants_end_opens_the_host_to_nobody() {
    let plan = house().tenant(GONE, "[tools]\nallow = [\"*\"]\n").tool("prober");
    let house = plan.file(&format!("stores/{GONE}/store.db"), &"damaged ".repeat(1000)).build().await;
    let report = house.room.tenant(&GONE.parse().unwrap()).await.unwrap();
    assert!(report.has_store && report.stored.is_none());
    house.room.delete_tenant(&GONE.parse().unwrap()).await.unwrap();
    assert!(!house.path().join("stores").join(GONE).exists());
    for house in [&house, &House::beside(&house).await] {
        let receipt = house.call("prober.now", "{}").await;
        assert_eq!(receipt.reason, Reason::TenantMissing, "{receipt:?}");
    }
}
