//! A copy of the ledger that is made while calls run has every call that was acknowledged before; and put back, with the audit
//! log beside it, it lets nothing run twice and nothing be spent twice.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use strongroom::id::{KeyId, TenantId, ToolName};
use strongroom::identify::Credential;
use strongroom::powers::{Home, NoEnvironment, SystemClock, SystemEntropy};
use strongroom::reason::{Outcome, Reason};
use strongroom::rebuild::{
    CopyError, CopyFile, Means, RebuildError, Restored, backup, check, check_copy, restore,
};
use strongroom::settle::Receipt;
use strongroom::storage::Folder;
use strongroom::storage::ledger::{KillScope, Of, Per, Usage};
use strongroom::{BudgetOf, Strongroom};
use strongroom_tests::{House, Still, house, request_with_key};

const ACME: &str = "[tools]\nallow = ['*']\n[grants.prober.keyvalue.cart]\nmode = 'rw'\n
[[budgets]]\nof = 'calls'\nper = 'total'\nlimit = 1_000_000\n[[budgets]]\nof = 'fuel'\nper = 'month'\nlimit = 1_000_000_000_000_000\n
[[budgets]]\nof = 'calls'\nper = 'total'\nactor = '*'\nlimit = 1_000_000\n[[budgets]]\nof = 'calls'\nper = 'run'\nlimit = 1_000_000\n";

async fn a_house() -> House {
    house().tenant("acme", ACME).tenant("globex", ACME).tool("prober").build().await
}

async fn write(room: &Strongroom, key: &str, name: &str) -> Receipt {
    let arguments = r#"{"bucket":"cart","key":"n","delta":1}"#;
    room.call(Credential::ApiKey(key), request_with_key("prober.kv-increment", arguments, name)).await
}

async fn counter(house: &House, key: &str) -> Option<String> {
    house.call_as(key, "prober.kv-get", r#"{"bucket":"cart","key":"n"}"#).await.value
}

async fn usage(house: &House) -> Vec<Usage> {
    house.room.tenant(&TenantId::new("acme").unwrap()).await.unwrap().budgets
}

/// What is spent of what is not counted per run.
async fn spent(house: &House) -> Vec<u64> {
    let usage = usage(house).await;
    usage.iter().filter(|usage| usage.budget.count.per != Per::Run).map(|usage| usage.spent).collect()
}

fn copy_in(folder: &Path) -> CopyFile {
    let home = Home::open(folder).unwrap();
    CopyFile { folder: Folder::new(home.dir().try_clone().unwrap(), folder), name: "copy.db".into() }
}

fn backed_up(home: &Path, to: &Path, replace: bool) -> Result<(), CopyError> {
    backup(&Home::open(home).unwrap(), &copy_in(to), replace, |_, _| {}).map(drop)
}

async fn restored(home: &Path, from: &Path, replace: bool) -> Result<Restored, RebuildError> {
    let home = Home::open(home).unwrap();
    let (environment, entropy) = (&NoEnvironment, &SystemEntropy);
    let means = Means { home: &home, environment, clock: Arc::new(SystemClock), entropy, who: None };
    restore(means, &copy_in(from), replace, |_, _| {}).await
}

/// Waits until the thread that writes the ledger has closed it.
async fn closed(folder: &Path) {
    while folder.join("ledger.db-wal").exists() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_is_in_the_copy_and_nothing_happens_twice() {
    let (house, elsewhere) = (a_house().await, tempfile::tempdir().unwrap());
    let key = house.key("acme").await;
    let (acknowledged, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
    let next = Arc::new(AtomicU64::new(0));
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (room, key) = (house.room.clone(), key.clone());
        let (acknowledged, stop, next) = (acknowledged.clone(), stop.clone(), next.clone());
        writers.spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                let name = format!("w{}", next.fetch_add(1, Ordering::SeqCst));
                let receipt = write(&room, &key, &name).await;
                assert!(receipt.is_ok(), "{receipt:?}");
                acknowledged.lock().unwrap().push(name);
            }
        });
    }
    let so_far = || acknowledged.lock().unwrap().clone();
    let mut before = Vec::new();
    // Several, each over the one before, under load; the last one counts.
    for round in 1..=5 {
        while so_far().len() < round * 20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        before = so_far();
        let (home, to) = (house.path().to_owned(), elsewhere.path().to_owned());
        let made = tokio::task::spawn_blocking(move || backed_up(&home, &to, true)).await.unwrap();
        made.unwrap();
    }
    while so_far().len() < before.len() + 30 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stop.store(true, Ordering::SeqCst);
    while let Some(ended) = writers.join_next().await {
        ended.unwrap();
    }
    let all = so_far();
    let n = counter(&house, &key).await;
    let was = spent(&house).await;
    let sound = check_copy(&copy_in(elsewhere.path())).unwrap();
    assert_eq!(sound.schema, sound.known);

    let mut told = None;
    let work = async |folder: &Path| {
        let refused = restored(folder, elsewhere.path(), false).await;
        assert!(matches!(refused, Err(RebuildError::Newer)), "{refused:?}");
        told = Some(restored(folder, elsewhere.path(), true).await.unwrap());
        assert!(check(&Home::open(folder).unwrap()).is_ok());
    };
    let house = house.between(work, |builder| builder).await;
    let told = told.unwrap();
    assert_eq!((told.keys, told.revoked, told.unknown), (1, 0, 0), "{told:?}");
    assert!(told.answers >= u64::try_from(before.len()).unwrap() && told.lost_answers >= 1, "{told:?}");
    assert_eq!(told.answers + told.lost_answers, u64::try_from(all.len()).unwrap());
    assert_eq!(spent(&house).await, was, "to the unit");
    for name in &before {
        let again = write(&house.room, &key, name).await;
        assert!(again.is_replayed() && again.is_ok(), "{name}: {again:?}");
    }
    for name in &all {
        let again = write(&house.room, &key, name).await;
        assert!(again.is_replayed() || again.reason == Reason::OutcomeUnknown, "{name}: {again:?}");
    }
    assert_eq!(counter(&house, &key).await, n, "nothing ran again");
    assert!(write(&house.room, &key, "another").await.is_ok());
}

#[tokio::test]
async fn what_was_ordered_since_holds() {
    let (house, elsewhere) = (a_house().await, tempfile::tempdir().unwrap());
    let (stays, ends) = (house.key("acme").await, house.key("acme").await);
    let theirs = house.key("globex").await;
    assert!(write(&house.room, &theirs, "once").await.is_ok());
    let budget = |actor: Option<&str>| BudgetOf {
        tenant: TenantId::new("acme").unwrap(),
        of: Of::Calls,
        per: Per::Total,
        actor: actor.map(|name| strongroom::id::ActorId::new(name).unwrap()),
        tool: None,
        run: None,
    };
    let until = SystemTimeMs::now() + 3_600_000;
    house.room.raise_budget(&budget(None), 7, until, "by 7 until: x").await.unwrap();
    house.room.raise_budget(&budget(Some("agent")), 9, until, "y").await.unwrap();
    let tool = |name: &str| KillScope::Tool(ToolName::new(name).unwrap());
    house.room.kill(tool("prober"), "a drill").await.unwrap();
    backed_up(house.path(), elsewhere.path(), false).unwrap();
    let again = backed_up(house.path(), elsewhere.path(), false);
    assert_eq!(again, Err(CopyError::There("copy.db".into())));

    house.room.revive(tool("prober")).await.unwrap();
    house.room.kill(tool("spin"), "another").await.unwrap();
    let id: KeyId =
        house.room.keys(None).iter().find(|key| ends.contains(key.id.as_str())).unwrap().id.clone();
    house.room.revoke_key(&id).await.unwrap();
    let new = house.key("acme").await;
    assert!(house.room.lower_budget(&budget(None)).await.unwrap());
    house.room.delete_tenant(&TenantId::new("globex").unwrap()).await.unwrap();
    let stopped = |house: &House| -> Vec<_> {
        house.room.kills().into_iter().map(|kill| (kill.scope, kill.mode, kill.why)).collect()
    };
    let kills = stopped(&house);
    let running = restored(house.path(), elsewhere.path(), true).await;
    assert!(matches!(running, Err(RebuildError::Busy)), "{running:?}");

    let mut told = None;
    let work = async |folder: &Path| told = Some(restored(folder, elsewhere.path(), true).await.unwrap());
    let house = house.between(work, |builder| builder).await;
    let told = told.unwrap();
    let lost: Vec<_> = told.lost_keys.iter().map(|(tenant, n)| (tenant.as_str(), *n)).collect();
    assert_eq!((told.keys, told.revoked, told.raises, lost), (1, 1, 1, vec![("acme", 1)]), "{told:?}");
    assert_eq!(stopped(&house), kills);
    assert_eq!(house.room.raises().len(), 1, "the other was lowered");
    assert_eq!(house.room.raises()[0].more, 9);
    assert!(write(&house.room, &stays, "a").await.is_ok());
    for key in [&ends, &new, &theirs] {
        assert!(!write(&house.room, key, "b").await.is_ok());
    }
    assert!(house.room.tenants().unwrap().iter().all(|tenant| tenant.id.as_str() != "globex"));
}

#[tokio::test]
async fn a_copy_or_a_log_that_cannot_be_believed_restores_nothing() {
    let (house, elsewhere) = (a_house().await, tempfile::tempdir().unwrap());
    let key = house.key("acme").await;
    assert!(write(&house.room, &key, "once").await.is_ok());
    backed_up(house.path(), elsewhere.path(), false).unwrap();
    let work = async |folder: &Path| {
        closed(folder).await;
        let (ledger, copy) = (folder.join("ledger.db"), elsewhere.path().join("copy.db"));
        let (was, whole) = (std::fs::read(&ledger).unwrap(), std::fs::read(&copy).unwrap());
        let mut damaged = whole.clone();
        let end = damaged.len();
        damaged[end - 3 * 4096..].fill(0xa5);
        for (bytes, what) in [(&damaged[..], "changed"), (&whole[..end / 2], "cut"), (b"no ledger", "other")]
        {
            std::fs::write(&copy, bytes).unwrap();
            let refused = restored(folder, elsewhere.path(), true).await;
            assert!(matches!(refused, Err(RebuildError::Copy(_))), "{what}: {refused:?}");
        }
        std::fs::write(&copy, &whole).unwrap();
        let hidden = folder.join("hidden.key");
        std::fs::rename(folder.join("host.key"), &hidden).unwrap();
        let refused = restored(folder, elsewhere.path(), true).await;
        assert!(matches!(refused, Err(RebuildError::NoHostKey)), "{refused:?}");
        std::fs::rename(&hidden, folder.join("host.key")).unwrap();
        let entries = folder.join("audit/tile/entries/000.p");
        let bundle = std::fs::read_dir(entries).unwrap().next().unwrap().unwrap().path();
        let entries = std::fs::read(&bundle).unwrap();
        let mut changed = entries.clone();
        changed[30] ^= 1;
        std::fs::write(&bundle, changed).unwrap();
        let refused = restored(folder, elsewhere.path(), true).await;
        assert!(matches!(refused, Err(RebuildError::Log(_) | RebuildError::Audit(_))), "{refused:?}");
        std::fs::write(&bundle, entries).unwrap();
        assert!(std::fs::read(&ledger).unwrap() == was, "the ledger is as it was");
        std::fs::write(&ledger, &was[..was.len() / 2]).unwrap();
        let told = restored(folder, elsewhere.path(), false).await.unwrap();
        let kept = std::fs::read(folder.join(told.kept.unwrap())).unwrap();
        assert!(kept == was[..was.len() / 2], "the old one is kept");
    };
    let house = house.between(work, |builder| builder).await;
    assert!(write(&house.room, &key, "once").await.is_replayed());
}

#[tokio::test]
async fn without_a_log_the_ledger_is_as_the_copy_and_leases_are_spent() {
    let (house, elsewhere) = (a_house().await, tempfile::tempdir().unwrap());
    let key = house.key("acme").await;
    assert!(write(&house.room, &key, "once").await.is_ok());
    backed_up(house.path(), elsewhere.path(), false).unwrap();
    assert!(write(&house.room, &key, "later").await.is_ok());
    let work = async |folder: &Path| {
        std::fs::remove_dir_all(folder.join("audit")).unwrap();
        for file in ["ledger.db", "book.seen"] {
            std::fs::remove_file(folder.join(file)).unwrap();
        }
        let told = restored(folder, elsewhere.path(), false).await.unwrap();
        assert_eq!((told.entries, told.keys, told.answers, told.kept), (None, 1, 1, None));
    };
    let house = house.between(work, |builder| builder).await;
    assert!(write(&house.room, &key, "once").await.is_replayed());
    assert!(spent(&house).await[0] > 1, "a lease of an unknown rest counts");
    assert!(house.book().contains("ledger.restore"));
}

#[tokio::test]
async fn a_long_answer_of_the_copy_is_not_given_for_a_write_since() {
    let clock = Still::at(SystemTimeMs::now());
    let with_clock = |builder: strongroom::Builder| builder.clock(clock.clone());
    let plan = house().tenant("acme", "[tools]\nallow = ['*']\n").tool("echo");
    let (house, elsewhere) = (plan.build_with(with_clock).await, tempfile::tempdir().unwrap());
    let key = house.key("acme").await;
    let arguments = format!(r#"{{"problem":{{"tag":"because","val":"{}"}}}}"#, "why ".repeat(20_000));
    let fail = async |house: &House| {
        house.room.call(Credential::ApiKey(&key), request_with_key("echo.fail", &arguments, "k")).await
    };
    let files = |folder: &Path| -> Vec<_> {
        std::fs::read_dir(folder.join("answers/acme")).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    assert_eq!(fail(&house).await.outcome, Outcome::Failed);
    let [file] = files(house.path()).try_into().unwrap();
    let answer = std::fs::read(&file).unwrap();
    backed_up(house.path(), elsewhere.path(), false).unwrap();
    // The key is free after a day, and then it is another call's.
    clock.pass(86_400_001);
    let since = fail(&house).await;
    assert_eq!(since.outcome, Outcome::Failed);
    let mut told = None;
    let work = async |folder: &Path| {
        std::fs::write(&file, &answer).unwrap();
        told = Some(restored(folder, elsewhere.path(), true).await.unwrap());
    };
    let house = house.between(work, with_clock).await;
    assert_eq!(told.map(|told| (told.answers, told.lost_answers)), Some((0, 1)));
    let again = fail(&house).await;
    assert_eq!((again.reason, again.value), (Reason::OutcomeUnknown, None));
    assert!(again.message.unwrap().contains(&since.call_id.to_string()));
}

/// Milliseconds since 1970.
struct SystemTimeMs;

impl SystemTimeMs {
    fn now() -> u64 {
        use strongroom::powers::Clock as _;
        SystemClock.unix_ms()
    }
}
