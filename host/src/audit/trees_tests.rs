//! Heads of tenants' trees against trees that are made from scratch.
//!
//! Takes: nothing. Gives: tests. May name: id, powers, reason, storage.

use super::edge::Row;
use super::faulty::Faulty;
use super::file_tests::tests_dir;
use super::trees::Trees;
use super::*;
use crate::id::TenantId;
use crate::powers::{SystemClock, SystemEntropy};
use crate::reason::{Outcome, Reason};
use cap_std::fs::Dir;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tlog_tiles::{record_hash, stored_hashes, tree_hash};

const QUICK: Timing = Timing {
    linger: Duration::from_millis(1),
    retry: Duration::from_millis(2),
    publish: Duration::from_millis(2),
    file: 8 << 20,
};

pub(super) fn tenant(n: u8) -> Option<TenantId> {
    n.checked_sub(1).map(|n| TenantId::new(format!("t{n}")).unwrap())
}

pub(super) fn of(n: u8, time: u64) -> Entry {
    let entry = Entry::outcome(time, "call a.b", Reason::Ok, Outcome::Executed);
    Entry { tenant_id: tenant(n), ..entry }
}

pub(super) fn encoded(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::new();
    cbor::encode(entry, &mut bytes);
    bytes
}

/// Trees as tlog_tiles makes them, with every hash in memory.
#[derive(Default)]
pub(super) struct Whole(BTreeMap<TenantId, (u64, Vec<tlog_tiles::Hash>)>);

impl Whole {
    pub(super) fn head(&self, tenant: &TenantId) -> Head {
        let (size, hashes) = self.0.get(tenant).cloned().unwrap_or_default();
        let root = tree_hash(size, &Row { first: 0, hashes }).unwrap();
        Head { size, root: crate::id::Digest::from_bytes(root.0) }
    }

    pub(super) fn take(&mut self, entry: &Entry) {
        let Some(tenant) = entry.tenant_id.clone().filter(|_| entry.phase != Phase::Head) else { return };
        let (size, hashes) = self.0.entry(tenant).or_default();
        let row = Row { first: 0, hashes: hashes.clone() };
        hashes.extend(stored_hashes(*size, &encoded(entry), &row).unwrap());
        *size += 1;
    }

    /// The number of the first entry that tells another head than the entries before it make.
    pub(super) fn first_lie(entries: &[Entry]) -> Option<u64> {
        let mut whole = Self::default();
        let is_lie = |entry: &&Entry| {
            whole.take(entry);
            let told = (entry.phase == Phase::Head).then(|| whole.head(entry.tenant_id.as_ref().unwrap()));
            entry.head != told
        };
        let mut entries = entries.iter();
        entries.find(is_lie).map(|entry| entry.seq)
    }

    /// Checks the heads of a whole log, and gives how many there are.
    pub(super) fn check(entries: &[Entry]) -> usize {
        assert_eq!(Self::first_lie(entries), None);
        let (mut whole, mut told, mut heads) = (Self::default(), BTreeMap::new(), 0);
        for entry in entries {
            whole.take(entry);
            if let (Some(head), Some(tenant)) = (entry.head, entry.tenant_id.clone()) {
                assert_ne!(told.insert(tenant, head.size), Some(head.size), "a head is told once");
                heads += 1;
            }
        }
        let sizes = whole.0.iter().map(|(tenant, (size, _))| (tenant.clone(), *size)).collect();
        assert_eq!(told, sizes, "the last head speaks of all of a tenant's entries");
        heads
    }
}

fn entries(mut bytes: &[u8]) -> Vec<Entry> {
    let mut found = Vec::new();
    while let Some((frame, length)) = frame::next(bytes) {
        if let frame::Frame::Entry(entry) = frame {
            found.push(Entry { seq: found.len() as u64, ..cbor::decode(entry).unwrap() });
        }
        bytes = &bytes[length..];
    }
    found
}

/// What happens to a log.
#[derive(Debug, Clone)]
enum Step {
    /// Entries of these tenants, 0 for none, come and are waited for together.
    Batch(Vec<u8>),
    /// The same on a disk that takes so many bytes more, or does not sync.
    Failing(Vec<u8>, Option<usize>),
    /// A process ends, or is killed before it tells the last heads, and another begins.
    Restart { killed: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let tenants = || proptest::collection::vec(0_u8..5, 1..20);
    let step = prop_oneof![
        4 => tenants().prop_map(Step::Batch),
        1 => (tenants(), proptest::option::of(0_usize..600)).prop_map(|(t, room)| Step::Failing(t, room)),
        1 => any::<bool>().prop_map(|killed| Step::Restart { killed }),
    ];
    proptest::collection::vec(step, 1..12)
}

async fn append(journal: &FileJournal, tenants: &[u8], time: &mut u64) {
    let mut last = None;
    for n in tenants {
        *time += 1;
        last = journal.append(of(*n, *time)).ok();
    }
    // On a disk that fails this is an error, and the entries come later.
    if let Some(last) = last {
        drop(last.durable().await);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_head_is_the_one_of_all_entries_before_it(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let key = BookKey::open(&tests_dir().1, &SystemEntropy).unwrap();
        let disk = Faulty::default();
        let open = |disk: &Faulty| FileJournal::over(Box::new(disk.clone()), key.clone(), Arc::new(SystemClock), QUICK).unwrap();
        let mut journal = open(&disk);
        let mut time = 0;
        for step in steps {
            match step {
                Step::Batch(tenants) => runtime.block_on(append(&journal, &tenants, &mut time)),
                Step::Failing(tenants, room) => {
                    {
                        let mut disk = disk.0.lock();
                        (disk.room, disk.fail_sync) = (room, room.is_none());
                    }
                    runtime.block_on(append(&journal, &tenants, &mut time));
                    {
                        let mut disk = disk.0.lock();
                        (disk.room, disk.fail_sync) = (None, false);
                    }
                    while journal.ready().is_err() {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
                Step::Restart { killed } => {
                    let before = disk.0.lock().bytes.clone();
                    drop(journal);
                    if killed {
                        disk.0.lock().bytes = before;
                    }
                    journal = open(&disk);
                }
            }
        }
        drop(journal);
        Whole::check(&entries(&disk.0.lock().bytes));
    }
}

pub(super) fn open(dir: &Dir) -> FileJournal {
    dir.create_dir_all("audit").unwrap();
    let place = Place {
        audit: dir.open_dir("audit").unwrap(),
        home: None,
        key: BookKey::open(dir, &SystemEntropy).unwrap(),
    };
    FileJournal::open(place, Arc::new(SystemClock), QUICK).unwrap()
}

pub(super) fn all(dir: &Dir) -> Vec<Entry> {
    read(&dir.open_dir("audit").unwrap(), Filter::default()).unwrap().map(Result::unwrap).collect()
}

fn write(dir: &Dir, entries: u64) {
    let journal = open(dir);
    for n in 0..entries {
        drop(journal.append(of((n % 4) as u8, n)).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_side_by_side_tell_each_head_once_and_fall_silent() {
    let (_guard, dir) = tests_dir();
    let journals: Vec<_> = (0..3).map(|_| Arc::new(open(&dir))).collect();
    let mut callers = tokio::task::JoinSet::new();
    for n in 0..300_u64 {
        let journal = journals[(n % 3) as usize].clone();
        callers.spawn(async move { journal.append(of((n % 4) as u8, n)).unwrap().durable().await.unwrap() });
    }
    callers.join_all().await;
    drop(journals);
    let before = all(&dir);
    assert!(Whole::check(&before) >= 3);
    // Whoever comes and has nothing to say, says nothing.
    drop((open(&dir), open(&dir)));
    assert_eq!(all(&dir), before);
    let known = BookKey::open(&dir, &SystemEntropy).unwrap().known().clone();
    let verified = verify(&dir.open_dir("audit").unwrap(), &known, None, |_, _| {}).unwrap();
    assert_eq!(verified.heads as usize, Whole::check(&before));
}

#[test]
fn an_idle_host_tells_the_heads_once_nobody_asks_and_then_nothing_more() {
    let disk = Faulty::default();
    let key = BookKey::open(&tests_dir().1, &SystemEntropy).unwrap();
    let journal = FileJournal::over(Box::new(disk.clone()), key, Arc::new(SystemClock), QUICK).unwrap();
    drop(journal.append(of(1, 1)).unwrap());
    let told = || entries(&disk.0.lock().bytes).iter().filter(|e| e.phase == Phase::Head).count();
    while told() < 1 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let syncs = disk.0.lock().syncs;
    std::thread::sleep(QUICK.publish * 20);
    assert_eq!(disk.0.lock().syncs, syncs);
    drop(journal);
    assert_eq!(Whole::check(&entries(&disk.0.lock().bytes)), 1);
}

#[test]
fn nobody_but_the_log_tells_heads() {
    let disk = Faulty::default();
    let key = BookKey::open(&tests_dir().1, &SystemEntropy).unwrap();
    let journal = FileJournal::over(Box::new(disk.clone()), key, Arc::new(SystemClock), QUICK).unwrap();
    let head = Whole::default().head(&tenant(1).unwrap());
    for entry in [
        Entry { phase: Phase::Head, ..of(1, 1) },
        Entry { head: Some(head), ..of(1, 1) },
        Entry::telling(1, tenant(1).unwrap(), head),
    ] {
        assert!(journal.append(entry).unwrap_err().to_string().contains("only the log itself"));
    }
    drop(journal.append(of(1, 1)).unwrap());
    drop(journal);
    assert_eq!(entries(&disk.0.lock().bytes).len(), 2);
}

#[test]
fn a_start_goes_on_from_the_kept_trees_and_a_file_that_is_not_of_this_log_is_none() {
    let (_guard, dir) = tests_dir();
    let (_other_guard, other) = tests_dir();
    write(&dir, 500);
    assert!(!dir.exists("audit/trees"), "a short log has none");
    write(&dir, 1500);
    let early = dir.read("audit/trees").unwrap();
    write(&dir, 1200);
    let good = dir.read("audit/trees").unwrap();
    assert_ne!(early, good);
    write(&other, 2500);
    let foreign = other.read("audit/trees").unwrap();

    let audit = dir.open_dir("audit").unwrap();
    let shelf = shelf::Shelf::new(&audit).unwrap();
    let known = BookKey::open(&dir, &SystemEntropy).unwrap().known().clone();
    let head = shelf.head(&known).unwrap().unwrap();
    let mut whole = Trees::default();
    for entry in all(&dir) {
        whole.take((&entry).into(), record_hash(&encoded(&entry))).unwrap();
    }
    assert!(!whole.has_untold());
    let (kept, from) = trees_file::kept(&shelf, &known, &head).unwrap();
    assert_eq!((kept, from), (whole.clone(), head.size), "nothing is read again");
    let load = || trees_file::load(&shelf, &known, Some(&head)).unwrap();
    for at in (0..good.len()).step_by(101) {
        let mut flipped = good.clone();
        flipped[at] ^= 4;
        dir.write("audit/trees", &flipped).unwrap();
        assert_eq!(load(), whole, "byte {at}");
    }
    for bytes in [&early, &foreign, &good, &good[..good.len() / 2].to_vec(), &Vec::new()] {
        dir.write("audit/trees", bytes).unwrap();
        assert_eq!(load(), whole);
    }
    for bytes in [&early, &foreign, &good, &good[..good.len() / 2].to_vec(), &Vec::new()] {
        dir.write("audit/trees", bytes).unwrap();
        write(&dir, 4);
        Whole::check(&all(&dir));
    }
}

#[test]
fn entries_that_were_changed_lead_to_no_head() {
    let (_guard, dir) = tests_dir();
    write(&dir, 300);
    let bundle = "audit/tile/entries/000";
    let mut bytes = dir.read(bundle).unwrap();
    let at = bytes.windows(2).position(|w| w == b"t1").unwrap() + 1;
    bytes[at] = b'2';
    dir.write(bundle, &bytes).unwrap();
    let place = Place {
        audit: dir.open_dir("audit").unwrap(),
        home: None,
        key: BookKey::open(&dir, &SystemEntropy).unwrap(),
    };
    let refused = FileJournal::open(place, Arc::new(SystemClock), QUICK).unwrap_err().to_string();
    assert!(refused.contains("not the ones that were signed"), "{refused}");
}

#[test]
fn no_head_is_told_when_nobody_knows_whose_dropped_entries_were() {
    let (_guard, dir) = tests_dir();
    write(&dir, 600);
    dir.remove_file("audit/tile/entries/000").unwrap();
    let journal = open(&dir);
    drop(journal.append(Entry::drops(1, 256)).unwrap());
    drop(journal.append(of(1, 2)).unwrap());
    drop(journal);
    let (known, audit) =
        (BookKey::open(&dir, &SystemEntropy).unwrap().known().clone(), dir.open_dir("audit").unwrap());
    let bad = verify(&audit, &known, None, |_, _| {}).unwrap_err();
    assert!(matches!(&bad, Bad::Missing(file) if file == "tile/entries/000"), "{bad}");
    let entries = all(&dir);
    let newest = entries.iter().map(|e| e.seq).max().unwrap();
    let told: BTreeSet<u64> = entries.iter().filter(|e| e.phase == Phase::Head).map(|e| e.seq).collect();
    assert!(told.iter().all(|seq| *seq < newest - 1), "none since");
    let key = BookKey::open(&dir, &SystemEntropy).unwrap();
    dir.create_dir("to").unwrap();
    let refused = export_tenant(&audit, &key, &tenant(1).unwrap(), &dir.open_dir("to").unwrap(), |_, _| true);
    assert!(matches!(refused, Err(NoExport::Dropped { first: 0, last: 255, .. })), "{refused:?}");
}
