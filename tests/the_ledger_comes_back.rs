//! A ledger that is lost comes back from the audit log: to the unit, with every key's state and every switch.

use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use strongroom::audit::{BookKey, Entry, FileJournal, Journal, Place, Timing};
use strongroom::id::{CallId, Digest, TenantId, ToolName};
use strongroom::identify::Credential;
use strongroom::powers::{Clock, Home, NoEnvironment, SystemEntropy};
use strongroom::reason::{Outcome, Reason};
use strongroom::rebuild::{Means, RebuildError, Rebuilt, rebuild};
use strongroom::settle::Receipt;
use strongroom::storage::ledger::{Kill, KillScope, Usage};
use strongroom_tests::{House, Still, house, request_with_key};

/// 2026-01-31T12:30:00Z, in the middle of everything.
const NOW_MS: u64 = 1_769_862_600_000;
const HOUR: u64 = 3_600_000;

fn budgets(of: &[(&str, &str)]) -> String {
    of.iter()
        .map(|(of, per)| format!("[[budgets]]\nof = \"{of}\"\nper = \"{per}\"\nlimit = 1_000_000_000_000\n"))
        .collect()
}

const GRANTS: &str =
    "[tools]\nallow = [\"*\"]\n[limits]\nfuel = 5_000_000\n[grants.prober.keyvalue.cart]\nmode = \"rw\"\n";

async fn a_house(clock: &Arc<Still>) -> House {
    let acme = budgets(&[
        ("calls", "minute"),
        ("calls", "hour"),
        ("fuel", "hour"),
        ("calls", "day"),
        ("calls", "total"),
        ("fuel", "total"),
        ("calls", "month"),
        ("spend", "total"),
        ("egress", "day"),
        ("stored", "day"),
    ]);
    let parts = "[[budgets]]\nof = 'fuel'\nper = 'day'\nactor = '*'\nlimit = 1_000_000_000_000\n\
                 [[budgets]]\nof = 'calls'\nper = 'month'\ntool = 'prober'\nlimit = 1_000_000_000_000\n\
                 [[budgets]]\nof = 'spend'\nper = 'hour'\nactor = '*'\ntool = 'spin'\nmode = 'warn'\nlimit = 1_000_000_000_000\n";
    let globex = budgets(&[("fuel", "day"), ("calls", "total")]);
    house()
        .file("prices.toml", "[default]\ncall = 7\nfuel = 1000\negress = 3\n[tools.spin]\ncall = 100\n")
        .tenant("acme", &format!("{GRANTS}{acme}{parts}"))
        .tenant("globex", &format!("{GRANTS}{globex}"))
        .tool("prober")
        .tool("spin")
        .tool_with("sleeper", "name = 'sleeper'\nversion = '1.0.0'\n")
        .build_with(|builder| builder.clock(clock.clone()))
        .await
}

fn plus(delta: u8) -> String {
    format!(r#"{{"bucket":"cart","key":"n","delta":{delta}}}"#)
}

async fn write(house: &House, key: &str, function: &str, arguments: &str, name: &str) -> Receipt {
    house.room.call(Credential::ApiKey(key), request_with_key(function, arguments, name)).await
}

async fn counter(house: &House, key: &str) -> Option<String> {
    house.call_as(key, "prober.kv-get", r#"{"bucket":"cart","key":"n"}"#).await.value
}

/// How far every budget of every tenant is used.
async fn usage(house: &House) -> Vec<Usage> {
    let mut all = Vec::new();
    for tenant in ["acme", "globex"] {
        all.extend(house.room.tenant(&TenantId::new(tenant).unwrap()).await.unwrap().budgets);
    }
    assert!(all.iter().all(|usage| usage.reserved == 0), "{all:?}");
    all
}

async fn rebuilt(folder: &Path, clock: Arc<dyn Clock>, replace: bool) -> Result<Rebuilt, RebuildError> {
    let home = Home::open(folder).unwrap();
    let (environment, entropy) = (&NoEnvironment, &SystemEntropy);
    rebuild(Means { home: &home, environment, clock, entropy, who: None }, replace, |_, _| {}).await
}

/// Destroys the ledger and lets it come back.
async fn lose_the_ledger(house: House, clock: &Arc<Still>) -> (House, Rebuilt) {
    let mut told = None;
    let lose = async |folder: &Path| {
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(folder.join(format!("ledger.db{suffix}")));
        }
        told = Some(rebuilt(folder, clock.clone(), false).await.unwrap());
    };
    let house = house.between(lose, |builder| builder.clock(clock.clone())).await;
    (house, told.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn budgets_keys_and_switches_come_back_as_they_were() {
    let clock = Still::at(NOW_MS);
    let house = a_house(&clock).await;
    let (acme, globex) = (house.key("acme").await, house.key("globex").await);
    // Before the hour: counted in the day and the total alone.
    assert!(write(&house, &acme, "prober.kv-increment", &plus(1), "early").await.is_ok());
    assert_eq!(house.call_as(&acme, "spin.spin", "{}").await.reason, Reason::FuelExhausted);
    clock.pass(HOUR);
    let first = write(&house, &acme, "prober.kv-increment", &plus(1), "once").await;
    assert!(first.is_ok(), "{first:?}");
    assert!(write(&house, &acme, "prober.kv-increment", &plus(1), "once").await.is_replayed());
    let other = write(&house, &acme, "prober.kv-increment", &plus(2), "once").await;
    assert_eq!(other.reason, Reason::IdempotencyMismatch);
    let trap = r#"{"bucket":"cart","key":"half","value":"MQ=="}"#;
    assert_eq!(write(&house, &acme, "prober.kv-set-and-trap", trap, "traps").await.reason, Reason::Trapped);
    let refused = write(&house, &acme, "prober.kv-increment", "{}", "free").await;
    assert_eq!(refused.reason, Reason::ArgumentsInvalid);
    // A call that only reads claims nothing, also when its caller sends a key.
    for _ in 0..3 {
        counter(&house, &acme).await;
    }
    assert_eq!(house.call_as(&acme, "nobody.has-this", "{}").await.reason, Reason::ToolUnknown);
    assert!(write(&house, &globex, "prober.kv-increment", &plus(7), "once").await.is_ok());
    let sleep = write(&house, &acme, "sleeper.sleep", r#"{"ms":5000}"#, "breaks");
    assert!(tokio::time::timeout(Duration::from_millis(300), sleep).await.is_err());
    // That it broke off is noted a moment after its caller has gone; until then it counts as running.
    while write(&house, &acme, "sleeper.sleep", r#"{"ms":5000}"#, "breaks").await.reason == Reason::InProgress
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let scope = |name: &str| KillScope::Tool(ToolName::new(name).unwrap());
    house.room.kill(scope("spin"), "it spins: round and round").await.unwrap();
    house.room.kill(KillScope::Host, "a drill").await.unwrap();
    assert!(house.room.revive(KillScope::Host).await.unwrap());
    let (spent, kills): (_, Vec<Kill>) = (usage(&house).await, house.room.kills());
    assert_eq!(kills.len(), 1);
    let n = counter(&house, &acme).await;
    let spent_then = usage(&house).await;
    assert_ne!(spent, spent_then);

    let (house, told) = lose_the_ledger(house, &clock).await;
    assert_eq!(usage(&house).await, spent_then);
    assert_eq!(house.room.kills(), kills);
    // early, once and traps of acme, once of globex; and what broke off.
    assert_eq!((told.ended, told.unknown, told.kills, told.kept), (4, 1, 1, None));
    let lost: Vec<_> = told.lost_keys.iter().map(|(tenant, n)| (tenant.as_str(), *n)).collect();
    assert_eq!(lost, [("acme", 1), ("globex", 1)]);
    assert_eq!(house.call_as(&acme, "prober.kv-get", "{}").await.reason, Reason::TenantUnknown);
    let acme = house.key("acme").await;

    let again = write(&house, &acme, "prober.kv-increment", &plus(1), "once").await;
    assert_eq!((again.reason, again.outcome), (Reason::OutcomeUnknown, Outcome::Denied));
    let message = again.message.unwrap();
    assert!(message.contains(&first.call_id.to_string()) && message.contains("ended as ok"), "{message}");
    let again = write(&house, &acme, "prober.kv-set-and-trap", trap, "traps").await;
    assert!(again.reason == Reason::OutcomeUnknown && again.message.unwrap().contains("ended as trapped"));
    let again = write(&house, &acme, "sleeper.sleep", r#"{"ms":5000}"#, "breaks").await;
    assert!(again.reason == Reason::OutcomeUnknown && again.message.unwrap().contains("broke off"));
    for (function, arguments, name) in [
        ("prober.kv-increment", plus(2), "once"),
        ("prober.kv-set-and-trap", plus(1), "traps"),
        ("sleeper.sleep", r#"{"ms":1}"#.to_owned(), "breaks"),
    ] {
        let other = write(&house, &acme, function, &arguments, name).await;
        assert_eq!(other.reason, Reason::IdempotencyMismatch, "{name}");
    }
    assert_eq!(counter(&house, &acme).await, n, "nothing ran again");
    assert!(write(&house, &acme, "prober.kv-increment", &plus(1), "free").await.is_ok());
    assert_eq!(house.call_as(&acme, "spin.spin", "{}").await.reason, Reason::Killed);
    // A day later the keys of writes that ended are free again, as they would have been; the others are not.
    clock.pass(25 * HOUR);
    assert!(write(&house, &acme, "prober.kv-increment", &plus(1), "once").await.is_ok());
    let again = write(&house, &acme, "sleeper.sleep", r#"{"ms":5000}"#, "breaks").await;
    assert_eq!(again.reason, Reason::OutcomeUnknown);
}

#[tokio::test]
async fn a_ledger_is_replaced_only_when_nobody_has_it_and_the_log_is_whole() {
    let clock = Still::at(NOW_MS);
    let house = a_house(&clock).await;
    let acme = house.key("acme").await;
    assert!(write(&house, &acme, "prober.kv-increment", &plus(1), "once").await.is_ok());
    let running = rebuilt(house.path(), clock.clone(), true).await;
    assert!(matches!(running, Err(RebuildError::Busy)), "{running:?}");
    let before = usage(&house).await;
    let work = async |folder: &Path| {
        let good = rebuilt(folder, clock.clone(), false).await;
        assert!(matches!(good, Err(RebuildError::Good)), "{good:?}");
        // A log that was changed rebuilds nothing.
        let ledger = folder.join("ledger.db");
        // The thread that writes it closes it, and merges its log, a moment after the last handle is gone.
        while folder.join("ledger.db-wal").exists() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let kept = std::fs::read(&ledger).unwrap();
        std::fs::write(&ledger, &kept[..kept.len() / 2]).unwrap();
        let cut = std::fs::read(&ledger).unwrap();
        let bundle = std::fs::read_dir(folder.join("audit/tile/entries/000.p"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        let entries = std::fs::read(&bundle).unwrap();
        let mut changed = entries.clone();
        changed[30] ^= 1;
        std::fs::write(&bundle, changed).unwrap();
        let refused = rebuilt(folder, clock.clone(), true).await;
        assert!(matches!(refused, Err(RebuildError::Log(_) | RebuildError::Audit(_))), "{refused:?}");
        assert_eq!(std::fs::read(&ledger).unwrap(), cut, "the ledger is as it was");
        // A crash of the last refused run, and of the one before, has left a file; it is no hindrance.
        std::fs::write(&bundle, entries).unwrap();
        std::fs::write(folder.join("ledger.new.db"), "half").unwrap();
        let told = rebuilt(folder, clock.clone(), false).await.unwrap();
        assert_eq!(told.kept.as_deref(), Some(&*format!("ledger.{NOW_MS}.db")));
        assert_eq!(std::fs::read(folder.join(told.kept.unwrap())).unwrap(), cut, "the old one is kept");
        // Again, and by order over one that is whole.
        clock.pass(1);
        assert!(rebuilt(folder, clock.clone(), true).await.unwrap().kept.is_some());
    };
    let house = house.between(work, |builder| builder.clock(clock.clone())).await;
    assert_eq!(usage(&house).await, before);
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(rebuilt(empty.path(), clock, true).await, Err(RebuildError::NoLog)));
    assert!(
        std::fs::read_dir(empty.path()).unwrap().next().is_none(),
        "a folder that is no home becomes none"
    );
}

#[tokio::test]
async fn what_a_crash_left_open_is_charged_in_full_and_unknown() {
    let clock = Still::at(NOW_MS);
    let house = a_house(&clock).await;
    let work = async |folder: &Path| {
        let home = Home::open(folder).unwrap();
        let place = Place {
            audit: home.dir().open_dir("audit").unwrap(),
            home: Some(home.dir().try_clone().unwrap()),
            key: BookKey::open(home.dir(), &SystemEntropy).unwrap(),
        };
        let journal = FileJournal::open(place, clock.clone(), Timing::default()).unwrap();
        let call = CallId::new(NOW_MS, [3; 10]);
        let mut intent = Entry::intent(clock.unix_us(), "call prober.kv-set", call);
        intent.tenant_id = TenantId::new("acme").ok();
        (intent.arguments, intent.idempotency_key) = (Some(Digest::of(b"a")), Some(Digest::of(b"k")));
        (intent.charged, intent.egress, intent.stored, intent.spend) = (Some(5000), 300, 40, 20);
        journal.append(intent).unwrap().durable().await.unwrap();
        drop(journal);
        std::fs::remove_file(folder.join("ledger.db")).unwrap();
        let told = rebuilt(folder, clock.clone(), false).await.unwrap();
        assert_eq!((told.ended, told.unknown), (0, 1));
    };
    let house = house.between(work, |builder| builder.clock(clock.clone())).await;
    let spent: Vec<u64> = usage(&house).await.iter().map(|usage| usage.spent).collect();
    assert_eq!(spent, [1, 1, 5000, 1, 1, 5000, 1, 20, 300, 40, 1, 0, 0]);
    assert!(house.book().contains("\"recovery\""), "the intent was closed first");
}

#[tokio::test]
async fn a_deleted_tenant_does_not_come_back_and_one_that_is_being_deleted_is_stopped() {
    let clock = Still::at(NOW_MS);
    let house = a_house(&clock).await;
    let (acme, globex) = (house.key("acme").await, house.key("globex").await);
    for key in [&acme, &globex] {
        assert!(write(&house, key, "prober.kv-increment", &plus(1), "once").await.is_ok());
    }
    house.room.delete_tenant(&TenantId::new("globex").unwrap()).await.unwrap();
    let (house, told) = lose_the_ledger(house, &clock).await;
    assert_eq!((told.ended, told.kills, told.lost_keys.len()), (1, 0, 1));
    assert!(house.room.tenants().unwrap().iter().all(|tenant| tenant.id.as_str() != "globex"));
}

/// One thing that happens to a house.
#[derive(Debug, Clone)]
enum Step {
    Read,
    Write(u8, u8),
    Trap(u8),
    Refused(u8),
    Spin,
    Pass(u64),
    Kill(bool),
    Drop,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pass = prop::sample::select(vec![1_000, 20 * 60_000, HOUR, 13 * HOUR]);
    let step = prop_oneof![
        2 => Just(Step::Read),
        5 => (0..4_u8, 1..3_u8).prop_map(|(key, delta)| Step::Write(key, delta)),
        2 => (0..4_u8).prop_map(Step::Trap),
        1 => (0..4_u8).prop_map(Step::Refused),
        1 => Just(Step::Spin),
        3 => pass.prop_map(Step::Pass),
        1 => any::<bool>().prop_map(Step::Kill),
        1 => Just(Step::Drop),
    ];
    prop::collection::vec(step, 5..25)
}

/// What a key's state is, asked without doing anything: whether it is taken, and what a repeat is told of it.
async fn known(house: &House, key: &str, n: u8) -> [Reason; 4] {
    let (function, trap) = ("prober.kv-increment", "prober.kv-set-and-trap");
    let name = format!("k{n}");
    let taken = write(house, key, function, "{}", &name).await.reason;
    let trapped = write(house, key, trap, "{}", &name).await.reason;
    let told = async |delta| match taken {
        Reason::IdempotencyMismatch => match write(house, key, function, &plus(delta), &name).await {
            // What was answered again is known, but cannot be answered again from a ledger that came back.
            receipt if receipt.is_replayed() => Reason::OutcomeUnknown,
            receipt => receipt.reason,
        },
        other => other,
    };
    [taken, trapped, told(1).await, told(2).await]
}

async fn history(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let clock = Still::at(NOW_MS);
    let house = a_house(&clock).await;
    let key = house.key("acme").await;
    // Enough for a bundle, so that a drop finds something.
    for _ in 0..260 {
        house.call_as("no key", "a.b", "{}").await;
    }
    for step in &steps {
        match step {
            Step::Read => drop(counter(&house, &key).await),
            Step::Write(n, delta) => {
                drop(write(&house, &key, "prober.kv-increment", &plus(*delta), &format!("k{n}")).await);
            }
            Step::Trap(n) => {
                let trap = r#"{"bucket":"cart","key":"half","value":"MQ=="}"#;
                drop(write(&house, &key, "prober.kv-set-and-trap", trap, &format!("k{n}")).await);
            }
            Step::Refused(n) => drop(write(&house, &key, "prober.kv-set", "{}", &format!("k{n}")).await),
            Step::Spin => drop(house.call_as(&key, "spin.spin", "{}").await),
            Step::Pass(ms) => clock.pass(*ms),
            Step::Kill(on) => {
                let scope = KillScope::Tool(ToolName::new("spin").unwrap());
                match on {
                    true => drop(house.room.kill(scope, "why").await.unwrap()),
                    false => drop(house.room.revive(scope).await.unwrap()),
                }
            }
            Step::Drop => drop(house.room.drop_bodies(u64::MAX, |_| {}).await.unwrap()),
        }
    }
    let mut before = Vec::new();
    for n in 0..4 {
        before.push(known(&house, &key, n).await);
    }
    let (spent, kills) = (usage(&house).await, house.room.kills());
    let (house, _) = lose_the_ledger(house, &clock).await;
    prop_assert_eq!(usage(&house).await, spent);
    prop_assert_eq!(house.room.kills(), kills);
    let key = house.key("acme").await;
    for (n, before) in (0..4).zip(before) {
        prop_assert_eq!(known(&house, &key, n).await, before, "k{}", n);
    }
    Ok(())
}

#[test]
fn whatever_happened_comes_back() {
    let config = ProptestConfig {
        cases: 8,
        failure_persistence: None,
        max_shrink_iters: 20,
        ..ProptestConfig::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    proptest!(config, |(steps in steps())| {
        runtime.block_on(history(steps))?;
    });
}
