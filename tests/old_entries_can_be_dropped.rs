//! The bodies of old entries can be dropped, and what is left of the log proves as much as before.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use strongroom::audit::{
    Bad, BookKey, DropError, Dropping, Entry, Fact, FileJournal, Filter, Journal, Known, Place, Signed,
    Timing, Verified, prove_entry, prove_since, read, verify,
};
use strongroom::id::{ActorId, CallId, TenantId};
use strongroom::powers::{Home, SystemClock, SystemEntropy};
use strongroom::reason::{Outcome, Reason};
use strongroom::{OperateError, Strongroom};
use strongroom_tests::{House, house};

/// Later than every entry that a test writes by hand, and earlier than every one of a host.
const AGE: u64 = 1_000_000_000_000;

fn home(folder: &Path) -> Home {
    Home::open(folder).unwrap()
}

fn journal(folder: &Path) -> FileJournal {
    let home = home(folder);
    home.dir().create_dir_all("audit").unwrap();
    let place = Place {
        audit: home.dir().open_dir("audit").unwrap(),
        home: Some(home.dir().try_clone().unwrap()),
        key: BookKey::open(home.dir(), &SystemEntropy).unwrap(),
    };
    FileJournal::open(place, Arc::new(SystemClock), Timing::default()).unwrap()
}

/// Entry `n` of a log by hand, at the second `n`.
fn entry(n: u64) -> Entry {
    let mut entry =
        Entry::outcome(n * 1_000_000, format!("call secret.f{n:05}"), Reason::Ok, Outcome::Executed);
    entry.tenant_id = ["acme", "globex", ""].get(n as usize % 3).and_then(|t| TenantId::new(t).ok());
    entry.actor_id = Some(ActorId::new("agent").unwrap());
    entry.call_id = Some(CallId::new(n, [1; 10]));
    entry
}

fn fill(folder: &Path, numbers: std::ops::Range<u64>) {
    let journal = journal(folder);
    for n in numbers {
        drop(journal.append(entry(n)).unwrap());
    }
}

/// A host on a log of 700 entries that are old.
async fn old_log() -> House {
    let plan = house();
    fill(plan.path(), 0..700);
    plan.build().await
}

fn known(folder: &Path) -> Known {
    Known::parse(&std::fs::read_to_string(folder.join("book.pub")).unwrap()).unwrap()
}

fn verified(folder: &Path) -> Result<Verified, Bad> {
    let log = Home::open(folder.join("audit")).unwrap();
    verify(log.dir(), &known(folder), None, |_, _| {})
}

/// The published head, once it covers so many entries.
async fn published(folder: &Path, entries: u64) -> Signed {
    loop {
        if let Ok(bytes) = std::fs::read(folder.join("audit/checkpoint")) {
            let head = known(folder).verify(&bytes).unwrap();
            if head.size >= entries {
                return head;
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

async fn drop_before(room: &Strongroom, before_us: u64) -> (u64, u64) {
    let dropped = room.drop_bodies(before_us, |_| {}).await.unwrap();
    (dropped.entries, dropped.below)
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for found in std::fs::read_dir(folder).unwrap() {
        let path = found.unwrap().path();
        if path.is_dir() { files(&path, into) } else { into.push(path) }
    }
}

/// Whether any file of the log has these bytes.
fn holds(folder: &Path, text: &str) -> bool {
    let mut all = Vec::new();
    files(&folder.join("audit"), &mut all);
    all.iter().any(|f| std::fs::read(f).unwrap().windows(text.len()).any(|w| w == text.as_bytes()))
}

fn numbers(folder: &Path) -> Vec<u64> {
    let log = Home::open(folder.join("audit")).unwrap();
    read(log.dir(), Filter::default()).unwrap().map(|entry| entry.unwrap().seq).collect()
}

#[tokio::test]
async fn bodies_go_everywhere_and_hashes_go_on_proving() {
    let house = old_log().await;
    let (folder, log) = (house.path(), Home::open(house.path().join("audit")).unwrap());
    let kept = published(folder, 700).await;
    let found = house.room.droppable(AGE).await.unwrap();
    assert_eq!((found.entries, found.below, found.kept_for), (512, 512, None));
    assert_eq!(verified(folder).unwrap().dropped, 0, "only said");
    assert!(holds(folder, "secret.f00007"));
    assert_eq!(drop_before(&house.room, AGE).await, (512, 512));
    assert!(!holds(folder, "secret.f00007") && !holds(folder, "secret.f00511"), "not in the journal either");
    assert!(holds(folder, "secret.f00512"));
    let whole = verified(folder).unwrap();
    assert_eq!((whole.dropped, whole.dropped_below), (512, 512));
    let known = known(folder);
    verify(log.dir(), &known, Some(&kept), |_, _| {}).unwrap();

    // Readers go on at what is left.
    assert_eq!(numbers(folder), (512..whole.entries).collect::<Vec<_>>());
    // An entry without body is proven by its hash, and the log as a whole is.
    let proof = prove_entry(log.dir(), &known, 7).unwrap();
    assert_eq!(proof.check(&known).unwrap().fact, Fact::Holds(7, None));
    let proof = prove_since(log.dir(), &known, &kept).unwrap();
    assert_eq!(proof.check(&known).unwrap().fact, Fact::Continues(kept.size));

    // Nothing is left to drop, and the list of open intents can be made again.
    assert_eq!(drop_before(&house.room, AGE).await, (0, 512));
    let house = house.restart().await;
    std::fs::remove_file(house.path().join("audit/open")).unwrap();
    let house = house.restart().await;
    house.call("echo.nothing", "{}").await;
    assert_eq!(verified(house.path()).unwrap().dropped, 512);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_goes_on_calling_while_another_process_drops() {
    let house = old_log().await;
    let other = House::beside(&house).await;
    let calls = async {
        for n in 0..200 {
            let receipt = house.call("nobody.has-this", &format!("{{\"n\":{n}}}")).await;
            assert_eq!(receipt.reason, Reason::ToolUnknown);
        }
    };
    let (dropped, ()) = tokio::join!(drop_before(&other.room, AGE), calls);
    assert_eq!(dropped, (512, 512));
    other.room.close().await.unwrap();
    let path = house.path().to_owned();
    house.room.close().await.unwrap();
    let whole = verified(&path).unwrap();
    assert_eq!((whole.dropped, numbers(&path).len() as u64), (512, whole.entries - 512));
    let log = std::fs::read_dir(path.join("audit/journal")).unwrap();
    assert!(log.count() > 0);
}

#[tokio::test]
async fn a_dropped_log_that_was_changed_is_found() {
    let house = old_log().await;
    drop_before(&house.room, AGE).await;
    let folder = house.path().to_owned();
    house.room.close().await.unwrap();
    verified(&folder).unwrap();
    let audit = folder.join("audit");
    let fails = |file: &str, bytes: Option<&[u8]>, named: &str| {
        let path = audit.join(file);
        let before = std::fs::read(&path).unwrap();
        match bytes {
            Some(bytes) => std::fs::write(&path, bytes).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let bad = verified(&folder).expect_err(file);
        assert!(bad.file().is_some_and(|found| found.starts_with(named)), "{file}: {bad}");
        std::fs::write(&path, before).unwrap();
        verified(&folder).unwrap();
    };
    // One more bundle than the log says.
    let mut bundles = Vec::new();
    files(&audit.join("tile/entries"), &mut bundles);
    assert_eq!(bundles.len(), 1, "{bundles:?}");
    let last = bundles[0].strip_prefix(&audit).unwrap().to_str().unwrap().to_owned();
    fails(&last, None, "tile/entries");
    // A tile whose entries are gone is all there is of them.
    fails("tile/0/000", None, "tile/entries/000");
    let mut tile = std::fs::read(audit.join("tile/0/001")).unwrap();
    tile[40] ^= 1;
    assert!(matches!(with(&audit, &folder, "tile/0/001", &tile), Bad::Root(_) | Bad::Tile { .. }));
    // Whose the entries were.
    let owners =
        [std::fs::read(audit.join("owners/000")).unwrap(), std::fs::read(audit.join("owners/001")).unwrap()];
    fails("owners/000", None, "owners/000");
    fails("owners/000", Some(&owners[0][1..]), "owners/000");
    fails("owners/001", Some(&owners[0]), "owners/");
    let other = String::from_utf8(owners[0].clone()).unwrap().replacen("globex", "umbrel", 1);
    fails("owners/000", Some(other.as_bytes()), "owners/");
    // What they came to.
    let carried = "carried/00000000000000000512";
    fails(carried, None, carried);
    let mut changed = std::fs::read(audit.join(carried)).unwrap();
    *changed.last_mut().unwrap() ^= 1;
    fails(carried, Some(&changed), carried);
    // A drop does not build on it either: what it signs anew was signed before.
    std::fs::write(audit.join(carried), changed).unwrap();
    fill(&folder, 700..1400);
    let room = Strongroom::builder(home(&folder)).build().await.unwrap();
    let refused = room.drop_bodies(AGE, |_| {}).await.unwrap_err();
    assert!(
        matches!(&refused, OperateError::Drop(DropError::Damaged(what)) if what.contains("carried")),
        "{refused}"
    );
}

fn with(audit: &Path, folder: &Path, file: &str, bytes: &[u8]) -> Bad {
    let before = std::fs::read(audit.join(file)).unwrap();
    std::fs::write(audit.join(file), bytes).unwrap();
    let bad = verified(folder).expect_err(file);
    std::fs::write(audit.join(file), before).unwrap();
    bad
}

#[tokio::test]
async fn a_host_drops_what_its_file_says_is_too_old() {
    let plan = house();
    fill(plan.path(), 0..700);
    let house = plan.build().await;
    assert_eq!(house.room.drop_old().await.unwrap(), None, "without a word everything is kept");
    std::fs::write(house.path().join("strongroom.toml"), "[audit]\nkeep = \"1d\"\n").unwrap();
    house.room.reload(&home(house.path())).await.unwrap();
    let dropped = house.room.drop_old().await.unwrap().unwrap();
    assert_eq!((dropped.entries, dropped.below), (512, 512));
    assert_eq!(house.room.drop_old().await.unwrap(), None, "there is nothing more");
    assert_eq!(verified(house.path()).unwrap().dropped, 512);
}

#[tokio::test]
async fn entries_that_were_changed_are_not_dropped() {
    let house = old_log().await;
    let path = house.path().join("audit/tile/entries/001");
    let text = std::fs::read(&path).unwrap();
    let at = text.windows(6).position(|w| w == b"globex").unwrap();
    let mut changed = text.clone();
    changed[at] = b'x';
    std::fs::write(&path, &changed).unwrap();
    let refused = house.room.drop_bodies(AGE, |_| {}).await.unwrap_err();
    assert!(
        matches!(&refused, OperateError::Drop(DropError::Damaged(what)) if what.contains("entries/001")),
        "{refused}"
    );
    assert!(house.path().join("audit/tile/entries/000").exists(), "nothing went");
    std::fs::write(&path, &text).unwrap();
    assert_eq!(drop_before(&house.room, AGE).await, (512, 512));
}

#[tokio::test]
async fn what_is_young_or_open_stays_and_so_does_what_follows() {
    let plan = house();
    let first = journal(plan.path());
    for n in 0..700 {
        let made = entry(n);
        // In the middle of the second bundle a clock was set back, and one call has begun and not ended.
        let made = match n {
            300 => {
                Entry { seq: 0, ..Entry::intent(made.time_us, "call secret.open", CallId::new(n, [9; 10])) }
            }
            _ => made,
        };
        drop(first.append(made).unwrap());
    }
    // A journal that is open keeps the next from closing its intents.
    let house = plan.build().await;
    published(house.path(), 700).await;
    let found = house.room.droppable(AGE).await.unwrap();
    assert_eq!((found.below, found.kept_for), (256, Some(300)));
    let found = house.room.droppable(256 * 1_000_000).await.unwrap();
    assert_eq!((found.below, found.kept_for), (256, None), "entry 255 is before the second 256");
    assert_eq!(house.room.droppable(255 * 1_000_000).await.unwrap().below, 0);
    assert_eq!(drop_before(&house.room, AGE).await, (256, 256));
    let mut outcome = entry(300);
    outcome.call_id = Some(CallId::new(300, [9; 10]));
    first.append(outcome).unwrap().durable().await.unwrap();
    // As soon as the outcome is published, nothing keeps them.
    while house.room.droppable(AGE).await.unwrap().below < 512 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(drop_before(&house.room, AGE).await, (256, 512));
    assert_eq!(verified(house.path()).unwrap().dropped, 512);
}

fn dropping(folder: &Path, before_us: u64) -> Result<Dropping, DropError> {
    Dropping::begin(Home::open(folder.join("audit")).unwrap().dir(), &known(folder), before_us)
}

/// The steps of a run up to the order, which is given or is not.
async fn half(folder: &Path, given: bool) {
    let journal = journal(folder);
    let mut run = dropping(folder, AGE).unwrap();
    run.take(true, |_| {}, |_| {}).unwrap();
    let order = run
        .order(1, b"{\"newest_ms\":0,\"tenants\":{},\"kills\":[],\"keys\":{},\"leaving\":[]}")
        .unwrap()
        .unwrap();
    if given {
        journal.append(order).unwrap().durable().await.unwrap();
    }
}

#[tokio::test]
async fn a_crash_between_the_steps_is_ended_by_the_next_run() {
    // Before the order: as if nothing had been.
    let plan = house();
    fill(plan.path(), 0..700);
    half(plan.path(), false).await;
    assert_eq!(verified(plan.path()).unwrap().dropped_below, 0);
    let house = plan.build().await;
    assert_eq!(drop_before(&house.room, AGE).await, (512, 512));
    assert_eq!(verified(house.path()).unwrap().dropped, 512);

    // After the order: it is told, and carried out whatever is asked for now.
    let plan = strongroom_tests::house();
    fill(plan.path(), 0..700);
    half(plan.path(), true).await;
    let told = verified(plan.path()).unwrap();
    assert_eq!((told.dropped, told.dropped_below), (0, 512));
    let house = plan.build().await;
    assert_eq!(drop_before(&house.room, 300 * 1_000_000).await, (512, 512));
    assert_eq!(verified(house.path()).unwrap().dropped, 512);

    // While the bodies go: the rest goes by the order that was given, whatever is asked for now.
    let plan = strongroom_tests::house();
    fill(plan.path(), 0..700);
    half(plan.path(), true).await;
    std::fs::remove_file(plan.path().join("audit/tile/entries/001")).unwrap();
    assert_eq!(verified(plan.path()).unwrap().dropped, 256);
    let house = plan.build().await;
    assert_eq!(drop_before(&house.room, 0).await, (256, 512));
    let whole = verified(house.path()).unwrap();
    assert_eq!((whole.dropped, whole.dropped_below), (512, 512));
    assert!(!holds(house.path(), "secret.f00007"));

    // Bodies that went without an order are no business of a run's.
    let plan = strongroom_tests::house();
    fill(plan.path(), 0..700);
    half(plan.path(), false).await;
    std::fs::remove_file(plan.path().join("audit/tile/entries/000")).unwrap();
    let mut run = dropping(plan.path(), AGE).unwrap();
    assert!(matches!(dropping(plan.path(), AGE), Err(DropError::Busy)), "one at a time");
    assert!(matches!(run.take(true, |_| {}, |_| {}), Err(DropError::Damaged(_))));
    assert!(matches!(verified(plan.path()), Err(Bad::Missing(_))));
}

#[tokio::test]
async fn later_orders_take_up_where_earlier_ones_ended() {
    let house = old_log().await;
    assert_eq!(drop_before(&house.room, 300 * 1_000_000).await, (256, 256));
    assert_eq!(drop_before(&house.room, AGE).await, (256, 512));
    let folder = house.path().to_owned();
    house.room.close().await.unwrap();
    // Entries of the host itself are between these and those before, so that times are taken as they come.
    fill(&folder, 700..1800);
    let room = Strongroom::builder(home(&folder)).build().await.unwrap();
    let (_, below) = drop_before(&room, u64::MAX).await;
    assert!(below >= 1536, "{below}");
    let whole = verified(&folder).unwrap();
    assert_eq!((whole.dropped, whole.dropped_below), (below, below));
    assert_eq!(numbers(&folder), (below..whole.entries).collect::<Vec<_>>(), "orders were dropped, too");
    assert_eq!(std::fs::read_dir(folder.join("audit/carried")).unwrap().count(), 1);
    let kept: Signed = known(&folder).verify(&std::fs::read(folder.join("book.seen")).unwrap()).unwrap();
    assert!(kept.size >= below);
}
