//! The journal on disk: shared syncs, torn ends, full disks, several processes.
//!
//! Takes: nothing. Gives: tests. May name: id, powers, reason.

use super::faulty::Faulty;
use super::*;
use crate::id::CallId;
use crate::powers::SystemClock;
use crate::reason::{Outcome, Reason};
use cap_std::fs::Dir;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

const QUICK: Timing = Timing { linger: Duration::from_millis(1), retry: Duration::from_millis(5) };

#[expect(clippy::disallowed_methods, reason = "a test is its own main")]
fn folder() -> (tempfile::TempDir, Dir) {
    let guard = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(guard.path(), cap_std::ambient_authority()).unwrap();
    (guard, dir)
}

fn open(dir: &Dir) -> FileJournal {
    FileJournal::open(dir, Arc::new(SystemClock)).unwrap()
}

fn over(disk: &Faulty) -> FileJournal {
    FileJournal::over(Box::new(disk.clone()), Arc::new(SystemClock), QUICK).unwrap()
}

fn done(n: u64) -> Entry {
    Entry::outcome(n, format!("call t.f{n}"), Reason::Ok, Outcome::Executed)
}

fn intent(n: u8) -> Entry {
    Entry::intent(0, format!("call t.w{n}"), CallId::new(1, [n; 10]))
}

fn entries(bytes: &[u8]) -> Vec<Entry> {
    let entries: Vec<Entry> =
        bytes.split_inclusive(|b| *b == b'\n').map(|l| serde_json::from_slice(l).unwrap()).collect();
    assert!(entries.iter().enumerate().all(|(i, e)| e.seq == i as u64), "numbers without gaps");
    entries
}

fn actions(disk: &Faulty) -> Vec<String> {
    entries(&disk.0.lock().bytes).into_iter().map(|e| e.action).collect()
}

async fn until(ready: impl Fn() -> bool) {
    while !ready() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_share_syncs_and_every_acknowledged_entry_is_there() {
    let disk = Faulty::default();
    let journal = Arc::new(over(&disk));
    let mut callers = tokio::task::JoinSet::new();
    for n in 0..1000 {
        let journal = journal.clone();
        callers.spawn(async move { journal.append(done(n)).unwrap().durable().await.unwrap() });
    }
    callers.join_all().await;
    assert_eq!(entries(&disk.0.lock().bytes).len(), 1000);
    assert!(disk.0.lock().syncs <= 1000);
}

#[tokio::test]
async fn a_log_goes_on_where_it_ended_and_an_unfinished_entry_is_put_aside() {
    let (_guard, dir) = folder();
    let journal = open(&dir);
    journal.append(done(0)).unwrap().durable().await.unwrap();
    drop(journal.append(done(1)).unwrap());
    drop(journal);
    let mut bytes = dir.read(FILE).unwrap();
    let whole = bytes.len();
    bytes.extend_from_slice(b"{\"schema\":\"strongroom.au");
    dir.write(FILE, &bytes).unwrap();
    let seen = || read(&dir, Filter::default()).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    assert_eq!(seen().len(), 2, "a reader leaves the unfinished line out");
    let journal = open(&dir);
    journal.append(done(2)).unwrap().durable().await.unwrap();
    assert_eq!(seen().iter().map(|e| (e.seq, e.time_us)).collect::<Vec<_>>(), [(0, 0), (1, 1), (2, 2)]);
    assert_eq!(dir.read(format!("audit.{whole}.torn")).unwrap(), b"{\"schema\":\"strongroom.au");
}

#[tokio::test]
async fn entries_that_nobody_waits_for_are_written_soon() {
    let disk = Faulty::default();
    let journal = over(&disk);
    drop(journal.append(done(0)).unwrap());
    until(|| disk.0.lock().syncs > 0).await;
    assert_eq!(actions(&disk), ["call t.f0"]);
}

#[test]
fn a_log_that_was_changed_is_refused() {
    let lines: Vec<String> =
        (0..4).map(|n| serde_json::to_string(&Entry { seq: n, ..done(n) }).unwrap() + "\n").collect();
    let refused = |text: String| {
        let disk = Faulty::with(text.as_bytes());
        let error = FileJournal::over(Box::new(disk.clone()), Arc::new(SystemClock), QUICK).unwrap_err();
        assert_eq!(disk.0.lock().bytes, text.as_bytes(), "and left as it is");
        error.to_string()
    };
    assert!(refused([&*lines[0], &lines[2]].concat()).contains("has number 2 in place of 1"));
    assert!(refused([&*lines[0], "nonsense\n", &lines[1]].concat()).contains("entries follow"));
    assert!(refused([&*lines[1], &lines[2]].concat()).contains("byte 0"));
}

#[tokio::test]
async fn a_full_disk_stops_appends_and_loses_nothing_but_intents_that_were_refused() {
    for (room, fail_sync, fail_truncate) in
        [(Some(700), false, false), (Some(700), false, true), (None, true, false), (None, true, true)]
    {
        let disk = Faulty::default();
        let journal = over(&disk);
        journal.append(done(0)).unwrap().durable().await.unwrap();
        {
            let mut disk = disk.0.lock();
            (disk.room, disk.fail_sync, disk.fail_truncate) = (room, fail_sync, fail_truncate);
        }
        let pending: Vec<_> =
            [done(1), intent(2), done(3), intent(4)].map(|e| journal.append(e).unwrap()).into();
        let mut pending = pending.into_iter();
        let (first, second, _third_dropped, fourth) = (
            pending.next().unwrap(),
            pending.next().unwrap(),
            pending.next().unwrap(),
            pending.next().unwrap(),
        );
        let (first, second) = tokio::join!(first.durable(), second.durable());
        assert!(first.is_err() && second.is_err());
        assert_eq!(journal.ready().unwrap_err().reason(), Reason::AuditUnavailable);
        assert!(journal.append(done(9)).is_err());
        assert!(fourth.durable().await.is_err());
        if fail_truncate {
            assert!(disk.0.lock().locked, "others may write only behind a clean end");
        } else {
            until(|| !disk.0.lock().locked).await;
        }
        {
            let mut disk = disk.0.lock();
            (disk.room, disk.fail_sync, disk.fail_truncate) = (None, false, false);
        }
        until(|| journal.ready().is_ok()).await;
        journal.append(done(5)).unwrap().durable().await.unwrap();
        assert_eq!(actions(&disk), ["call t.f0", "call t.f1", "call t.f3", "audit.resume", "call t.f5"]);
        let note = entries(&disk.0.lock().bytes).remove(3).note.unwrap();
        assert!(note.ends_with("refused meanwhile: 1"), "{note}");
    }
}

#[tokio::test]
async fn a_journal_that_closes_while_it_is_down_tries_once_more() {
    let disk = Faulty::default();
    let journal = over(&disk);
    disk.0.lock().room = Some(10);
    assert!(journal.append(done(0)).unwrap().durable().await.is_err());
    disk.0.lock().room = None;
    drop(journal);
    assert_eq!(actions(&disk), ["call t.f0", "audit.resume"]);
}

#[tokio::test]
async fn intents_without_an_end_are_found_when_the_log_is_opened() {
    let (_guard, dir) = folder();
    let journal = open(&dir);
    assert!(journal.open_intents().is_empty());
    for entry in [intent(1), intent(2), intent(3)] {
        journal.append(entry).unwrap().durable().await.unwrap();
    }
    let end = Entry { call_id: intent(2).call_id, ..done(0) };
    journal.append(end).unwrap().durable().await.unwrap();
    let beside = open(&dir);
    assert!(beside.open_intents().is_empty(), "their process lives");
    drop((journal, beside));
    let journal = open(&dir);
    assert_eq!(
        journal.open_intents().iter().map(|e| &*e.action).collect::<Vec<_>>(),
        ["call t.w1", "call t.w3"]
    );
    for intent in journal.open_intents() {
        journal.append(Entry::closing(intent, 7)).unwrap().durable().await.unwrap();
    }
    drop(journal);
    assert!(open(&dir).open_intents().is_empty());
    let filter =
        Filter { reason: Some(Reason::OutcomeUnknown), about: Some("t".into()), ..Filter::default() };
    assert_eq!(read(&dir, filter).unwrap().map(|e| e.unwrap().seq).collect::<Vec<_>>(), [4, 5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_write_one_sequence() {
    let (_guard, dir) = folder();
    let journals: Vec<_> = (0..3).map(|_| Arc::new(open(&dir))).collect();
    let mut callers = tokio::task::JoinSet::new();
    for n in 0..90 {
        let journal = journals[n % 3].clone();
        callers.spawn(async move { journal.append(done(n as u64)).unwrap().durable().await.unwrap() });
    }
    callers.join_all().await;
    let mut all = entries(&dir.read(FILE).unwrap());
    all.sort_by_key(|e| e.time_us);
    assert_eq!(all.iter().map(|e| e.time_us).collect::<Vec<_>>(), (0..90).collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_log_cut_anywhere_opens_to_its_whole_entries(cut in 0usize..1200, tail in proptest::collection::vec(any::<u8>(), 0..40)) {
        let all: Vec<u8> = (0..4)
            .flat_map(|n| (serde_json::to_string(&Entry { seq: n, ..done(n) }).unwrap() + "\n").into_bytes())
            .collect();
        let kept = &all[..cut.min(all.len())];
        let whole = kept.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let disk = Faulty::with(&[kept, &tail].concat());
        drop(over(&disk));
        let state = disk.0.lock();
        prop_assert_eq!(&state.bytes, &all[..whole]);
        let torn = [&kept[whole..], &tail].concat();
        prop_assert_eq!(state.aside.iter().map(|(at, b)| (*at, b.clone())).next(), (!torn.is_empty()).then_some((whole as u64, torn)));
    }
}
