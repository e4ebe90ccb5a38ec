//! What `explain --as` foretells is how the call ends: for every set-up, from the files alone and from the running host.
//! And looking leaves no trace.

use std::collections::BTreeSet;
use std::path::Path;
use strongroom::admit::CallRequest;
use strongroom::audit::{Filter, read};
use strongroom::explain::{Forecast, Judgement, Question, Snapshot, forecast};
use strongroom::id::{ActorId, IdempotencyKey, KeyId, TenantId, ToolName};
use strongroom::identify::Credential;
use strongroom::powers::{Clock as _, Home, NoEnvironment, SystemClock};
use strongroom::reason::Reason;
use strongroom::storage::ledger::KillScope;
use strongroom::{NewKey, Strongroom};
use strongroom_tests::{House, house};

const WRITE: (&str, &str) = ("files.write", r#"{"path":"a.txt","text":"x","mode":"append"}"#);

fn id(key: &str) -> KeyId {
    KeyId::new(key.strip_prefix("sr_live_").unwrap().split_once('_').unwrap().0).unwrap()
}

/// What the files of the home folder foretell.
fn from_files(home: &Path, question: &Question<'_>) -> Forecast {
    let home = Home::open(home).unwrap();
    let snapshot = Snapshot::read(home.dir(), home.path(), &NoEnvironment).unwrap();
    let real = |path: &Path| path.canonicalize().ok();
    forecast(&snapshot.facts(SystemClock.unix_ms(), &real), question).unwrap()
}

async fn call(
    room: &Strongroom,
    key: Option<&str>,
    (function, arguments): (&str, &str),
    named: bool,
) -> Reason {
    let idempotency_key = named.then(|| IdempotencyKey::new(format!("k-{}", SystemClock.unix_us())).unwrap());
    let request = CallRequest {
        function: function.into(),
        arguments: arguments.into(),
        idempotency_key,
        ..Default::default()
    };
    room.call(key.map_or(Credential::None, Credential::ApiKey), request).await.reason
}

/// Both foretell the same, and so it ends.
async fn is_true(house: &House, key: Option<&str>, what: (&str, &str), named: bool) -> Forecast {
    let id = key.map(id);
    let question = Question { key: id.as_ref(), function: what.0, idempotency_key: named };
    let files = from_files(house.path(), &question);
    let room = house.room.forecast(&question).unwrap();
    let ended = call(&house.room, key, what, named).await;
    assert_eq!(files.reason_code, ended, "{what:?} from the files: {files:#?}");
    assert_eq!(room.reason_code, ended, "{what:?} from the host: {room:#?}");
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_combination_of_obstacles_ends_with_the_first() {
    const OBSTACLES: usize = 8;
    let mut plan = house().tool("files");
    for bits in 0..1_usize << OBSTACLES {
        let has = |bit: usize| bits & (1 << bit) != 0;
        let (suspended, block) = (has(0), if has(2) { "\"files.write\"" } else { "" });
        let (role, limit) = (if has(3) { "reader" } else { "writer" }, if has(6) { 0 } else { 9 });
        let folder = if has(7) { "data/missing" } else { "data" };
        let rules = format!(
            "suspended = {suspended}\n[tools]\nallow = [\"files\"]\nblock = [{block}]\n[roles.{role}]\ntools = [\"*\"]\n\
             [[budgets]]\nof = \"calls\"\nper = \"total\"\nlimit = {limit}\n\
             [grants.files.dir.workspace]\npath = \"{folder}\"\nmode = \"rw\"\n"
        );
        plan = plan.tenant(&format!("t{bits}"), &rules);
    }
    // A role that is gone from the file since the key was made.
    let plan = plan.file("data/a.txt", "");
    let house = plan.build().await;
    let mut seen = BTreeSet::new();
    for bits in 0..1_usize << OBSTACLES {
        let has = |bit: usize| bits & (1 << bit) != 0;
        let tenant = TenantId::new(format!("t{bits}")).unwrap();
        let role = if has(3) { None } else { Some("writer") };
        let scopes: &[&str] = if has(4) { &["files.read", "orders"] } else { &[] };
        let key = house.key_for(tenant.as_str(), role, scopes).await;
        if has(1) {
            house.room.kill(KillScope::Tenant(tenant), "drill").await.unwrap();
        }
        let told = is_true(&house, Some(&key), WRITE, !has(5)).await;
        seen.insert(told.reason_code);
        // What comes after the first obstacle is told as well, each of them once.
        let obstacles =
            told.steps.iter().filter(|s| matches!(s.judgement, Judgement::Stop | Judgement::Also)).count();
        assert_eq!(obstacles, bits.count_ones() as usize, "{told:#?}");
    }
    use Reason::*;
    let expected = [
        Ok,
        TenantSuspended,
        Killed,
        BudgetExceeded,
        IdempotencyKeyRequired,
        PolicyDenied,
        StorageUnavailable,
    ];
    assert_eq!(seen, expected.into_iter().collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_are_asked_as_for_a_call() {
    let rules = "[tools]\nallow = [\"*\"]\n[[budgets]]\nof = \"calls\"\nper = \"total\"\nlimit = 2\n\
                 [grants.files.dir.workspace]\npath = \"data\"\n";
    let policies = "@id(\"two-calls\") permit (principal, action, resource) when { context has calls_left && context.calls_left > 0 };\n\
                    @id(\"no-reads\") forbid (principal, action, resource == Strongroom::Function::\"files.read\");\n";
    let house = house().tenant("acme", rules).file("policies/acme.cedar", policies).file("data/a.txt", "");
    let house = house.tool("files").build().await;
    let key = house.key("acme").await;
    is_true(&house, Some(&key), ("files.list", "{}"), false).await;
    let told = is_true(&house, Some(&key), ("files.read", r#"{"path":"a.txt"}"#), false).await;
    assert!(told.because.contains("no-reads"), "{told:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_switches_and_names_are_judged_as_calls_are() {
    let rules = "[tools]\nallow = [\"files.list\", \"files.nothing\", \"prober\"]\n[grants.files.dir.workspace]\npath = \"data\"\n";
    let plan = house().tenant("acme", rules).tenant("gone", rules).tool("files").tool("prober");
    let house = plan.file("data/a.txt", "").build().await;
    let key = house.key("acme").await;
    let list = ("files.list", "{}");
    is_true(&house, Some(&key), list, false).await;
    is_true(&house, Some(&key), ("files.read", r#"{"path":"a.txt"}"#), false).await;
    is_true(&house, Some(&key), ("files.nothing", "{}"), false).await;
    is_true(&house, Some(&key), ("misspelt.list", "{}"), false).await;
    is_true(&house, Some(&key), ("no function", "{}"), false).await;
    is_true(&house, None, list, false).await;

    let acme = TenantId::new("acme").unwrap();
    let files = strongroom::id::Digest::of(&strongroom_tests::component("files"));
    // Whether it names calls of functions that are not installed, and calls of this actor.
    let scopes = [
        (KillScope::Tool(ToolName::new("files").unwrap()), false, true),
        (KillScope::Host, true, true),
        (KillScope::Tenant(acme.clone()), true, true),
        (KillScope::Actor(acme.clone(), ActorId::new("agent").unwrap()), true, true),
        (KillScope::Actor(acme, ActorId::new("somebody-else").unwrap()), false, false),
        (KillScope::Component(files), false, true),
    ];
    for (scope, all, named) in scopes {
        house.room.kill(scope.clone(), "drill").await.unwrap();
        let told = is_true(&house, Some(&key), list, false).await;
        assert_eq!(told.because.contains("drill"), named, "{told:?}");
        let other = is_true(&house, Some(&key), ("misspelt.list", "{}"), false).await;
        assert_eq!(other.reason_code == Reason::Killed, all);
        // A freeze of the same lets reads pass, and refuses writes.
        house.room.freeze(scope.clone(), "drill").await.unwrap();
        let told = is_true(&house, Some(&key), list, false).await;
        assert_eq!(told.reason_code, Reason::Ok, "{told:?}");
        let told = is_true(&house, Some(&key), WRITE, true).await;
        let expected = if named { Reason::WritesFrozen } else { Reason::PolicyDenied };
        assert_eq!(told.reason_code, expected, "{told:?}");
        house.room.revive(scope).await.unwrap();
    }

    let over = NewKey {
        tenant: TenantId::new("acme").unwrap(),
        actor: ActorId::new("late").unwrap(),
        role: None,
        scopes: Vec::new(),
        expires_ms: Some(1),
    };
    let over = house.room.create_key(over).await.unwrap().text.to_string();
    assert_eq!(is_true(&house, Some(&over), list, false).await.reason_code, Reason::TenantUnknown);
    let revoked = house.key("acme").await;
    house.room.revoke_key(&id(&revoked)).await.unwrap();
    let told = is_true(&house, Some(&revoked), list, false).await;
    assert!(told.because.contains("was revoked at"), "{told:?}");
    let strange = format!("sr_live_{}_{}", "0".repeat(16), "0".repeat(64));
    assert_eq!(is_true(&house, Some(&strange), list, false).await.reason_code, Reason::TenantUnknown);

    // A need that is bound to nothing does not stop the call: only a call that reaches for it ends there, and it is named.
    let told = from_files(
        house.path(),
        &Question { key: Some(&id(&key)), function: "prober.kv-get", idempotency_key: false },
    );
    assert_eq!((told.reason_code, told.unbound.contains(&"keyvalue cart".to_owned())), (Reason::Ok, true));
    assert!(["memory", "cache"].iter().all(|one| told.unbound.contains(&(*one).to_owned())), "{told:#?}");
    let reach = ("prober.kv-get", r#"{"bucket":"cart","key":"k"}"#);
    assert_eq!(call(&house.room, Some(&key), reach, false).await, Reason::CapabilityDenied);
    assert_eq!(call(&house.room, Some(&key), ("prober.env", "{}"), false).await, Reason::Ok);

    let orphan = house.key("gone").await;
    std::fs::remove_file(house.path().join("tenants/gone.toml")).unwrap();
    let house = house.restart().await;
    let told = is_true(&house, Some(&orphan), list, false).await;
    assert!(told.because.contains("tenant gone, which has no file"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_and_cache_are_named_by_their_lines() {
    let rules = "[tools]\nallow = [\"prober\"]\n[grants.prober.memory]\nmode = \"ro\"\n[grants.prober.cache]\nmax_bytes = \"1MiB\"\n";
    let house = house().tenant("acme", rules).tool("prober").build().await;
    let key = house.key("acme").await;
    let question = Question { key: Some(&id(&key)), function: "prober.cache-get", idempotency_key: false };
    let told = from_files(house.path(), &question);
    for says in [
        "tenants/acme.toml:3 grants.prober.memory: ro the tenant's memory",
        "tenants/acme.toml:5 grants.prober.cache: the tool's own cache, at most 1MiB",
    ] {
        assert!(told.steps.iter().any(|step| step.says == says), "{told:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_that_a_running_host_holds_is_left_open_and_afterwards_known() {
    let rules = "[tools]\nallow = [\"*\"]\n[[budgets]]\nof = \"calls\"\nper = \"total\"\nlimit = 2\n[grants.files.dir.workspace]\npath = \"data\"\n";
    let house = house().tenant("acme", rules).tool("files").file("data/a.txt", "").build().await;
    let key = house.key("acme").await;
    let key_id = id(&key);
    let question = Question { key: Some(&key_id), function: "files.list", idempotency_key: false };
    for _ in 0..2 {
        is_true(&house, Some(&key), ("files.list", "{}"), false).await;
    }
    let open = from_files(house.path(), &question);
    let lent = open.steps.iter().find(|step| step.reason_code == Some(Reason::BudgetExceeded)).unwrap();
    assert_eq!((open.reason_code, lent.judgement), (Reason::Ok, Judgement::Open), "{lent:?}");
    assert_eq!(house.room.forecast(&question).unwrap().reason_code, Reason::BudgetExceeded);
    let house = house.restart().await;
    is_true(&house, Some(&key), ("files.list", "{}"), false).await;
    assert_eq!(from_files(house.path(), &question).reason_code, Reason::BudgetExceeded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_leaves_no_trace() {
    let house = house().tenant("acme", "[tools]\nallow = [\"*\"]\n").tool("files").build().await;
    let key = id(&house.key("acme").await);
    let book = || house.book();
    let names = || {
        let files = std::fs::read_dir(house.path()).unwrap().map(|e| e.unwrap().file_name());
        // The host that runs remembers the book's newest head there, on its own time.
        files.filter(|name| name != strongroom::audit::SEEN).collect::<BTreeSet<_>>()
    };
    let (before, files) = (book(), names());
    let question = Question { key: Some(&key), function: "files.list", idempotency_key: false };
    for _ in 0..3 {
        from_files(house.path(), &question);
        house.room.forecast(&question).unwrap();
    }
    assert_eq!((book(), names()), (before, files));
    let entries = read(Home::open(house.path().join("audit")).unwrap().dir(), Filter::default()).unwrap();
    assert!(entries.map(Result::unwrap).all(|entry| entry.action != "close"));
}
