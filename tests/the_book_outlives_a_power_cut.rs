//! When the power goes at any moment, and takes with it any choice of what was not synced, the log opens again: every
//! acknowledged entry is there, what is there was written, and nothing counts as damaged or rolled back.
//!
//! Real hosts' files are recorded change by change; for each moment between two changes a disk is made that has lost
//! something, and opened. `STRONGROOM_CUTS` says how many times as much as usual, `STRONGROOM_SEED` repeats an earlier run's choices.

mod disk;
mod tape;

use disk::Disk;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use strongroom::audit::{
    BookKey, Entry, FileJournal, Filter, Journal as _, Place, Timing, read, rotate, verify,
};
use strongroom::id::CallId;
use strongroom::powers::{Home, SystemClock, SystemEntropy};
use strongroom::reason::{Outcome, Reason};
use strongroom_tests::Chance;
use tape::{Op, Recorder, Tape};
use tempfile::TempDir;

/// Power cuts, one in the ruins of the other.
const GENERATIONS: u64 = 3;
/// What an entry of the host's own is called when nobody appended it here.
const ROTATION: &str = "audit.keys.rotate";

#[test]
fn acknowledged_entries_survive_a_power_cut_at_any_moment() {
    let seed = Chance::seed();
    let times: u64 = std::env::var("STRONGROOM_CUTS").map_or(1, |text| text.parse().expect("how many times"));
    println!("STRONGROOM_SEED={seed} STRONGROOM_CUTS={times}");
    let (recorder, began, cuts) = (Recorder::start(), Instant::now(), AtomicU64::new(0));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for round in 0..times {
        let mut chance = Chance::new(seed + round);
        let (mut home, mut written) = (folder(), Vec::new());
        for _ in 0..GENERATIONS {
            let tape = runtime.block_on(record(&recorder, home.path(), &mut written, &mut chance));
            tape.is_whole();
            let (tape, written_there) = (&tape, &written);
            std::thread::scope(|scope| {
                let workers: Vec<_> = (0..2)
                    .map(|half| {
                        let (chance, cuts) = (Chance::new(chance.below(u64::MAX)), &cuts);
                        scope.spawn(move || {
                            cuts.fetch_add(
                                cut_everywhere(tape, written_there, chance, half),
                                Ordering::SeqCst,
                            )
                        })
                    })
                    .collect();
                for worker in workers {
                    worker.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause));
                }
            });
            // The next one goes on where the power went in this one.
            let disk = at(tape, chance.below(tape.ops.len() as u64));
            let (mut same, twin) = (chance.clone(), folder());
            disk.cut(&mut same, twin.path());
            drop(open(twin.path(), SELDOM));
            written.truncate(entries(twin.path()).len());
            home = folder();
            disk.cut(&mut chance, home.path());
        }
    }
    println!("{} power cuts in {:.0} s", cuts.into_inner(), began.elapsed().as_secs_f64());
}

/// In memory where there is such a folder: what is durable there is decided here, and a sync costs nothing.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Longer than a log is open here: it is published when it is closed.
const SELDOM: Duration = Duration::from_secs(10);

fn key(home: &Home) -> BookKey {
    BookKey::open(home.dir(), &SystemEntropy).unwrap_or_else(|e| panic!("the key: {e}"))
}

fn open(path: &Path, publish: Duration) -> FileJournal {
    let home = Home::open(path).unwrap();
    home.dir().create_dir_all("audit").unwrap();
    let timing = Timing { linger: Duration::from_millis(1), publish, file: 4 << 10, ..Timing::default() };
    let place = Place {
        key: key(&home),
        audit: home.dir().open_dir("audit").unwrap(),
        home: Some(home.dir().try_clone().unwrap()),
    };
    FileJournal::open(place, Arc::new(SystemClock), timing).unwrap_or_else(|e| panic!("the log: {e}"))
}

fn entries(path: &Path) -> Vec<String> {
    let audit = Home::open(path.join("audit")).unwrap();
    let entries = read(audit.dir(), Filter::default()).unwrap();
    let numbered = entries.enumerate().map(|(n, entry)| {
        let entry = entry.unwrap();
        assert_eq!(entry.seq, n as u64);
        entry.action.to_string()
    });
    numbered.collect()
}

/// Some openings of a log, each with some appends and publications, and now and then a new key.
async fn record(recorder: &Recorder, path: &Path, written: &mut Vec<String>, chance: &mut Chance) -> Tape {
    recorder.record(path);
    if !path.join("audit").is_dir() {
        std::fs::create_dir(path.join("audit")).unwrap();
        recorder.note(Op::Folder("audit".into()));
    }
    for _ in 0..2 + chance.below(3) {
        if chance.percent(30) && !written.is_empty() {
            let home = Home::open(path).unwrap();
            let audit = home.dir().open_dir("audit").unwrap();
            written.push(ROTATION.to_owned());
            rotate(home.dir(), audit, None, Arc::new(SystemClock), &SystemEntropy).await.unwrap();
            recorder.note(Op::Acknowledged(written.len() as u64));
        }
        let publish = if chance.percent(50) { Duration::from_millis(1) } else { SELDOM };
        let journal = open(path, publish);
        for _ in 0..1 + chance.below(6) {
            let crowd = if chance.percent(20) { 100 } else { 1 + chance.below(12) };
            let mut last = None;
            for _ in 0..crowd {
                let entry = entry(written.len(), chance);
                written.push(entry.action.to_string());
                last = Some(journal.append(entry).unwrap());
            }
            last.unwrap().durable().await.unwrap();
            recorder.note(Op::Acknowledged(written.len() as u64));
        }
        drop(journal);
    }
    recorder.stop()
}

/// An outcome, or an intent that stays open for a while.
fn entry(n: usize, chance: &mut Chance) -> Entry {
    let call = CallId::new(1, [u8::try_from(chance.below(4)).unwrap(); 10]);
    match chance.percent(20) {
        true => Entry::intent(1, format!("call t.w{n}"), call),
        false => {
            let entry = Entry::outcome(1, format!("call t.f{n}"), Reason::Ok, Outcome::Executed);
            Entry { call_id: chance.percent(30).then_some(call), ..entry }
        }
    }
}

fn at(tape: &Tape, op: u64) -> Disk {
    let mut disk = Disk::before(tape);
    tape.ops.iter().take(usize::try_from(op).unwrap()).for_each(|op| disk.take(op));
    disk
}

/// Cuts the power after every second operation, twice. Gives how often.
fn cut_everywhere(tape: &Tape, written: &[String], mut chance: Chance, half: usize) -> u64 {
    let (mut disk, mut cuts) = (Disk::before(tape), 0);
    for n in 0..=tape.ops.len() {
        if n % 2 == half {
            for _ in 0..2 {
                let luck = chance.clone();
                let home = folder();
                disk.cut(&mut chance, home.path());
                let survives = || survives(home.path(), written, disk.acknowledged, &mut luck.clone());
                if let Err(cause) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(survives)) {
                    // What was left, as it was before anybody opened it.
                    let ruin = folder().keep();
                    disk.cut(&mut luck.clone(), &ruin);
                    let last = &tape.ops[n.saturating_sub(12)..n];
                    println!("the power went after {last:#?}\nwhat was left is kept in {}", ruin.display());
                    std::panic::resume_unwind(cause);
                }
                cuts += 1;
            }
        }
        if let Some(op) = tape.ops.get(n) {
            disk.take(op);
        }
    }
    cuts
}

fn survives(path: &Path, written: &[String], acknowledged: u64, chance: &mut Chance) {
    let journal = open(path, SELDOM);
    let there = entries(path);
    assert!(there.len() as u64 >= acknowledged, "{} entries are there of {acknowledged}", there.len());
    assert_eq!(there, written[..there.len()], "what is there is what was written");
    drop(journal.append(Entry::outcome(1, "after", Reason::Ok, Outcome::Executed)).unwrap());
    drop(journal);
    let home = Home::open(path).unwrap();
    let audit = home.dir().open_dir("audit").unwrap();
    let verified = verify(&audit, key(&home).known(), None, |_, _| {}).unwrap_or_else(|bad| panic!("{bad}"));
    assert_eq!((verified.entries, verified.published), (there.len() as u64 + 1, there.len() as u64 + 1));
    if chance.percent(10) {
        drop(open(path, SELDOM));
    }
}
