//! Tenants, grants and tools change while the host runs: no call is dropped, a file at fault changes nothing, and what
//! did not change is not touched.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use strongroom::admit::CallRequest;
use strongroom::audit::MemoryJournal;
use strongroom::authorize::{Authorized, Grant};
use strongroom::config::Effect;
use strongroom::identify::Credential;
use strongroom::powers::Home;
use strongroom::reason::{Outcome, Reason};
use strongroom::tools::Change;
use strongroom::{Noticed, OperateError};
use strongroom_tests::{House, Plan, component, house, request};
use tokio::task::JoinHandle;

const OPEN: &str = "[tools]\nallow = [\"*\"]\n";
const NAP: &str = r#"{"ms":20}"#;

/// A house that follows its files, and what it has told about them.
struct Followed {
    house: House,
    book: Arc<MemoryJournal>,
    told: Arc<Mutex<Vec<Noticed>>>,
    follower: JoinHandle<()>,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

async fn followed(plan: Plan) -> Followed {
    let book = Arc::new(MemoryJournal::new());
    let house = plan.build_with(|builder| builder.journal(book.clone())).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let (room, home, hears) = (house.room.clone(), Home::open(house.path()).unwrap(), told.clone());
    let follower = tokio::spawn(async move {
        room.follow(&home, |noticed| hears.lock().unwrap().push(noticed)).await;
    });
    Followed { house, book, told, follower }
}

impl Followed {
    fn write(&self, path: &str, text: &str) {
        write(&self.house, path, text);
    }

    /// How many of what was told are like this.
    fn count(&self, like: impl Fn(&Noticed) -> bool) -> usize {
        self.told.lock().unwrap().iter().filter(|noticed| like(noticed)).count()
    }

    fn faults(&self) -> usize {
        self.count(|noticed| matches!(noticed, Noticed::Settings(Err(OperateError::Config(_)))))
    }

    async fn ends_with(&self, key: &str, function: &str, arguments: &str, reason: Reason) {
        sooner_or_later(&format!("{function} ends with {reason}"), async || {
            self.house.call_as(key, function, arguments).await.reason == reason
        })
        .await;
    }
}

/// As editors do it: a new file takes the old one's name.
fn write(house: &House, path: &str, text: &str) {
    let path = house.path().join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, path).unwrap();
}

/// Asks again and again, for a minute at most.
async fn sooner_or_later<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    for _ in 0..1200 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}

#[tokio::test]
async fn a_call_ends_under_the_rules_it_began_with_and_the_next_one_sees_the_new_ones() {
    let followed = followed(house().tenant("acme", OPEN).tool("sleeper")).await;
    let (room, key) = (&followed.house.room, followed.house.key("acme").await);
    let grant = authorized(&followed.house, &key, request("sleeper.sleep", r#"{"ms":500}"#)).await;
    let cell = room.isolate(grant).await.unwrap();
    let running = tokio::spawn({
        let room = room.clone();
        async move { room.settle(room.execute(cell).await).await }
    });
    followed.write("tenants/acme.toml", "[tools]\nallow = [\"*\"]\nblock = [\"sleeper\"]\n");
    followed.ends_with(&key, "sleeper.sleep", NAP, Reason::PolicyDenied).await;
    assert!(running.await.unwrap().is_ok(), "the call that ran was not touched");
    assert!(followed.book.entries().iter().any(|e| e.action == "reload" && e.outcome == Outcome::Executed));

    followed.write("tenants/acme.toml", &format!("suspended = true\n{OPEN}"));
    followed.ends_with(&key, "sleeper.sleep", NAP, Reason::TenantSuspended).await;
    followed.write("tenants/acme.toml", OPEN);
    followed.ends_with(&key, "sleeper.sleep", NAP, Reason::Ok).await;
}

#[tokio::test]
async fn a_file_at_fault_is_told_once_and_changes_nothing() {
    let followed = followed(house().tenant("acme", OPEN).tool("echo")).await;
    let (room, key) = (&followed.house.room, followed.house.key("acme").await);
    let echo = r#"{"value":1}"#;
    assert_eq!(room.stale_since(), None);
    followed.write("tenants/acme.toml", "[tools]\nalow = [\"secret-in-a-file\"]\n");
    sooner_or_later("the fault is told", async || followed.faults() == 1).await;
    let since = room.stale_since();
    assert!(since.is_some());
    assert!(followed.house.call_as(&key, "echo.echo-u8", echo).await.is_ok(), "the old rules are in force");
    let refused =
        followed.book.entries().into_iter().find(|e| e.reason_code == Reason::ConfigInvalid).unwrap();
    assert_eq!((refused.action.as_str(), refused.outcome), ("reload", Outcome::Denied));
    assert!(!serde_json::to_string(&followed.book.entries()).unwrap().contains("secret-in"), "no contents");

    // Another file changes as well: nothing is taken over of a folder with a fault, and the fault is not told again. A
    // tool in the same edit shows that the files were looked at.
    followed.write("tenants/globex.toml", OPEN);
    std::fs::write(followed.house.path().join("tools/plain.wasm"), component("plain")).unwrap();
    let loaded = |noticed: &Noticed| matches!(noticed, Noticed::Tools(Ok(changes)) if !changes.is_empty());
    sooner_or_later("the tool is there", async || followed.count(loaded) > 0).await;
    assert_eq!((followed.faults(), room.settings().tenants.len()), (1, 1));
    // Another fault is told.
    followed.write("tenants/acme.toml", "[tools]\nallow = [7]\n");
    sooner_or_later("the other fault is told", async || followed.faults() == 2).await;
    assert_eq!(room.stale_since(), since, "since the first of them");

    followed.write("tenants/acme.toml", "[tools]\nallow = [\"plain\"]\n");
    followed.ends_with(&key, "echo.echo-u8", echo, Reason::PolicyDenied).await;
    assert_eq!(room.stale_since(), None);
    assert_eq!(room.settings().tenants.len(), 2);
    // The same fault is news again after everything was right.
    followed.write("tenants/acme.toml", "[tools]\nallow = [7]\n");
    sooner_or_later("the fault is told again", async || followed.faults() == 3).await;
    followed.write("tenants/acme.toml", "[tools]\nallow = [\"plain\"]\n");
    let again = |n: &Noticed| matches!(n, Noticed::Settings(Ok(done)) if !done.changed);
    sooner_or_later("that it is right again is told", async || followed.count(again) == 1).await;
}

#[tokio::test]
async fn folders_that_come_later_are_followed_and_the_last_tenant_does_not_leave() {
    let followed = followed(house().tool("echo")).await;
    assert!(followed.house.call("echo.echo-u8", r#"{"value":1}"#).await.is_ok(), "no tenants, no keys");
    followed.write("tenants/acme.toml", OPEN);
    sooner_or_later("a key is asked for", async || {
        followed.house.call("echo.echo-u8", r#"{"value":1}"#).await.reason == Reason::TenantMissing
    })
    .await;
    std::fs::remove_dir_all(followed.house.path().join("tenants")).unwrap();
    sooner_or_later("that is refused", async || followed.faults() == 1).await;
    let open = followed.house.call("echo.echo-u8", r#"{"value":1}"#).await;
    assert_eq!(open.reason, Reason::TenantMissing, "a host that asked for keys goes on asking");
    // The folder by that name is another one now.
    followed.write("tenants/acme.toml", &format!("suspended = true\n{OPEN}"));
    sooner_or_later("it is read again", async || followed.house.room.stale_since().is_none()).await;
    let key = followed.house.key("acme").await;
    assert_eq!(followed.house.call_as(&key, "echo.echo-u8", "{}").await.reason, Reason::TenantSuspended);
}

#[tokio::test]
async fn tools_come_change_and_go_with_their_files() {
    let followed = followed(house().tenant("acme", OPEN)).await;
    let (room, key) = (&followed.house.room, followed.house.key("acme").await);
    let file = |name: &str| followed.house.path().join("tools").join(name);
    let arguments = r#"{"city":"Kyiv","day":7}"#;
    assert_eq!(
        followed.house.call_as(&key, "plain.archive.get", arguments).await.reason,
        Reason::ToolUnknown
    );
    std::fs::write(file("plain.new"), component("plain")).unwrap();
    std::fs::rename(file("plain.new"), file("plain.wasm")).unwrap();
    followed.ends_with(&key, "plain.archive.get", arguments, Reason::Ok).await;

    // The component stays, the manifest beside it comes and changes: other effects, other limits.
    let effect = || room.catalogue().function(&"plain.archive.get".parse().unwrap()).unwrap().1.effect;
    let manifest = |fuel: u64| {
        format!(
            "name = \"plain\"\nversion = \"1.0.0\"\n[functions]\n\"archive.get\".effect = \"read\"\n[limits]\nfuel = {fuel}\n"
        )
    };
    assert_eq!(effect(), Effect::Write);
    followed.write("tools/plain.tool.toml", &manifest(1_000_000));
    // More callers could call it, so an operator has to say yes first.
    sooner_or_later("it is held", async || !room.held().unwrap().is_empty()).await;
    assert_eq!(effect(), Effect::Write);
    let held = room.held().unwrap().remove(0);
    room.accept(&held.tool, held.edition).await.unwrap();
    assert_eq!(effect(), Effect::Read, "the manifest counts");
    assert!(followed.house.call_as(&key, "plain.archive.get", arguments).await.is_ok());
    followed.write("tools/plain.tool.toml", &manifest(1));
    followed.ends_with(&key, "plain.archive.get", arguments, Reason::FuelExhausted).await;
    // One that is at fault leaves what was there.
    followed.write("tools/plain.tool.toml", "name = \"plain\"\nverzion = \"1\"\n");
    write(&followed.house, "tenants/acme.toml", "[tools]\nallow = [\"plain\"]\n");
    sooner_or_later("the edit of the tenant is taken over", async || {
        room.settings().tenants.values().all(|tenant| {
            tenant.tools.allow.len() == 1 && tenant.digest != strongroom::id::Digest::of(OPEN.as_bytes())
        })
    })
    .await;
    room.refresh_tools().await.unwrap();
    assert_eq!(effect(), Effect::Read);

    std::fs::remove_file(file("plain.wasm")).unwrap();
    followed.ends_with(&key, "plain.archive.get", arguments, Reason::ToolUnknown).await;
    let told =
        followed.count(|n| matches!(n, Noticed::Tools(Ok(c)) if matches!(c.as_slice(), [Change::Gone(_)])));
    assert_eq!(told, 1);
    let entries = followed.book.entries();
    let count = |action: &str| entries.iter().filter(|entry| entry.action == action).count();
    assert_eq!((count("load plain"), count("unload plain")), (2, 1));
}

#[tokio::test]
async fn a_change_for_one_tenant_does_not_fill_up_the_rate_of_another() {
    const BURST: usize = 40;
    let rated = format!("{OPEN}[rate]\nper_second = 1\nburst = {BURST}\n");
    // A book in memory, so that a busy disk does not make the calls slower than the rate.
    let plan = house().tenant("acme", &rated).tenant("globex", OPEN).tool("echo");
    let house = plan.build_with(|builder| builder.journal(Arc::new(MemoryJournal::new()))).await;
    let (home, key) = (Home::open(house.path()).unwrap(), house.key("acme").await);
    let allowed = async || {
        for calls in 0..3 * BURST {
            if !house.call_as(&key, "echo.echo-u8", r#"{"value":1}"#).await.is_ok() {
                return calls;
            }
        }
        panic!("the rate never limited anything");
    };
    assert!(allowed().await >= BURST);
    write(&house, "tenants/globex.toml", &format!("suspended = true\n{OPEN}"));
    assert!(house.room.reload(&home).await.unwrap().changed);
    // One more each second at most, and never the whole burst.
    assert!(allowed().await < BURST, "after another tenant's change");
    write(&house, "tenants/acme.toml", &format!("{rated}[limits]\nfuel = 1_000_000\n"));
    assert!(house.room.reload(&home).await.unwrap().changed);
    assert!(allowed().await < BURST, "after a change of its own that leaves the rate as it is");
    write(&house, "tenants/acme.toml", &rated.replace("per_second = 1", "per_second = 2"));
    assert!(house.room.reload(&home).await.unwrap().changed);
    assert!(allowed().await >= BURST, "another rate begins anew");
}

/// Who has just been authorized.
async fn authorized(house: &House, key: &str, request: CallRequest) -> Grant {
    let caller = house.room.identify(Credential::ApiKey(key)).await.unwrap();
    let admission = house.room.admit(caller, request).await.unwrap();
    match house.room.authorize(admission).await.unwrap() {
        Authorized::Fresh(grant) => grant,
        Authorized::Again(_) => panic!("this call is the first of its kind"),
    }
}

#[tokio::test]
async fn rules_that_changed_before_a_call_runs_judge_it_once_more() {
    let house = house().tenant("acme", OPEN).tenant("globex", OPEN).tool("prober").build().await;
    let (home, key) = (Home::open(house.path()).unwrap(), house.key("acme").await);
    let random = || request("prober.random", r#"{"bytes":8}"#);
    for (rules, expected) in [
        (Some(format!("{OPEN}block = [\"prober.random\"]\n")), Reason::PolicyDenied),
        (Some(format!("suspended = true\n{OPEN}")), Reason::TenantSuspended),
        (Some("[tools]\nallow = [\"prober.random\"]\n".to_owned()), Reason::Ok),
        (None, Reason::PolicyDenied),
    ] {
        write(&house, "tenants/acme.toml", OPEN);
        house.room.reload(&home).await.unwrap();
        let grant = authorized(&house, &key, random()).await;
        match &rules {
            Some(rules) => write(&house, "tenants/acme.toml", rules),
            None => std::fs::remove_file(house.path().join("tenants/acme.toml")).unwrap(),
        }
        house.room.reload(&home).await.unwrap();
        let reason = match house.room.isolate(grant).await {
            Ok(cell) => house.room.settle(house.room.execute(cell).await).await.reason,
            Err(refused) => refused.reason,
        };
        assert_eq!(reason, expected, "{rules:?}");
    }
}

#[tokio::test]
async fn a_right_that_was_taken_away_before_a_call_runs_is_not_there_and_none_grows_past_its_budget() {
    let rules = |limits: &str, grant: &str| format!("{OPEN}[limits]\n{limits}\n{grant}");
    let granted = "[grants.prober.keyvalue.cart]\nmode = \"rw\"\n";
    let house = house().tenant("acme", &rules("fuel = 50_000_000", granted)).tool("prober").build().await;
    let (home, key) = (Home::open(house.path()).unwrap(), house.key("acme").await);
    let get = || request("prober.kv-get", r#"{"bucket":"cart","key":"a"}"#);
    let grant = authorized(&house, &key, get()).await;
    write(&house, "tenants/acme.toml", &rules("fuel = 50_000_000", ""));
    house.room.reload(&home).await.unwrap();
    let cell = house.room.isolate(grant).await.unwrap();
    let receipt = house.room.settle(house.room.execute(cell).await).await;
    assert_eq!(receipt.reason, Reason::CapabilityDenied, "{receipt:?}");

    // More fuel than was reserved for the call is not given to it, less is.
    for (fuel, expected) in [(90_000_000, 50_000_000), (20_000_000, 20_000_000)] {
        write(&house, "tenants/acme.toml", &rules("fuel = 50_000_000", granted));
        house.room.reload(&home).await.unwrap();
        let grant = authorized(&house, &key, request("prober.context", "{}")).await;
        assert_eq!(grant.rights().limits.fuel, 50_000_000);
        write(&house, "tenants/acme.toml", &rules(&format!("fuel = {fuel}"), granted));
        house.room.reload(&home).await.unwrap();
        let cell = house.room.isolate(grant).await.unwrap();
        let receipt = house.room.settle(house.room.execute(cell).await).await;
        let facts: serde_json::Value = serde_json::from_str(&receipt.value.unwrap()).unwrap();
        let left: u64 = facts["fuel-left"].to_string().trim_matches('"').parse().unwrap();
        assert!(left <= expected && left > expected / 2, "{left} of {expected}");
    }
}

#[tokio::test]
async fn an_order_to_reload_answers_each_time_and_names_what_waits_for_the_next_start() {
    let house = house().file("strongroom.toml", "").tenant("acme", OPEN).build().await;
    let home = Home::open(house.path()).unwrap();
    let done = house.room.reload(&home).await.unwrap();
    assert!(!done.changed && done.restart.is_empty());
    write(
        &house,
        "strongroom.toml",
        "[engine]\nmax_concurrent_calls = 7\n[http]\nmax_request_body = \"2MiB\"\n",
    );
    let done = house.room.reload(&home).await.unwrap();
    assert!(done.changed);
    assert_eq!(done.restart, ["engine.max_concurrent_calls"]);
    assert_eq!(house.room.settings().host.max_request_body, 2 << 20, "what needs no restart is in force");
    write(&house, "strongroom.toml", "[engine]\nmax_concurrent_cals = 7\n");
    for _ in 0..2 {
        let Err(OperateError::Config(errors)) = house.room.reload(&home).await else {
            panic!("a fault is told as often as one asks");
        };
        assert_eq!((errors.all().len(), errors.all()[0].line()), (1, Some(2)));
    }
}
