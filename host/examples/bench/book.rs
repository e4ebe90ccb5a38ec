//! What the audit log costs by itself: an entry's way into it with and without the disk, its bytes, and verifying it.
//!
//! Rates that wait for the disk are by the wall clock. What is bound by the processor is measured in processor time, all
//! threads together, so that what else the machine does changes it little; the line says which it is.

use super::{ARGUMENTS, ECHO, FUNCTION, governed, house};
use cap_std::fs::Dir;
use rustix::time::{ClockId, clock_gettime};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use strongroom::audit::{
    self, BookKey, Decision, Entry, FileJournal, Hold, ImportRecord, Journal, LogFile, Place, Timing,
};
use strongroom::id::{ActorId, CallId, Digest, TenantId};
use strongroom::powers::{SystemClock, SystemEntropy};
use strongroom::reason::{Outcome, Reason};

/// Measures and prints; `calls` governed calls for the bytes, ten times as many entries for the rest.
pub(crate) async fn run(calls: u64, window: Duration) {
    let entries = calls * 10;
    println!(
        "\naudit log: {entries} entries of calls with two import records, one call in ten with an intent"
    );
    without_sync(entries).await;
    for callers in [1, 16, 64] {
        let name = format!("entries appended and synced, {callers} callers");
        println!("{name:<48} {:>9.0}/s   (wall clock)", synced(callers, window).await);
    }
    on_disk(calls / 8).await;
    verified(entries).await;
}

/// From the queue to the file layer, which throws everything away: encoding, hashes, the queue, one signature a batch.
async fn without_sync(entries: u64) {
    let folder = tempfile::tempdir().unwrap();
    let key = BookKey::open(&open(folder.path()), &SystemEntropy).unwrap();
    let journal =
        FileJournal::over(Box::new(Nowhere::default()), key, Arc::new(SystemClock), Timing::default())
            .unwrap();
    let made: Vec<Entry> = (0..entries).map(entry).collect();
    let began = processor();
    append(&journal, made).await;
    let each = (processor() - began).as_secs_f64() * 1e6 / count(entries);
    println!("{:<48} {each:>9.2} µs  (processor time; goal ≤ 5 µs)", "an entry without the sync");
}

/// Entries a second when each caller waits until its own is on the disk.
async fn synced(callers: u64, window: Duration) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let journal = Arc::new(journal(&open(folder.path())));
    let done = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let (journal, done) = (journal.clone(), done.clone());
            tokio::spawn(async move {
                while began.elapsed() < window {
                    let entry = entry(done.fetch_add(1, Ordering::Relaxed));
                    journal.append(entry).unwrap().durable().await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    count(done.load(Ordering::Relaxed)) / began.elapsed().as_secs_f64()
}

/// What a plain read call leaves behind: its part of the journal, and what it has once it is published.
async fn on_disk(calls: u64) {
    for callers in [1, 64] {
        let mut audit = PathBuf::new();
        let place = async |home: &Path| audit = home.join("audit");
        let (room, key) = house("echo", Some(ECHO), "", |builder| builder.buffered(false), place).await;
        let before = (bytes(&audit.join("journal")), published(&audit));
        let tasks: Vec<_> = (0..callers)
            .map(|_| {
                let (room, key) = (room.clone(), key.clone());
                tokio::spawn(async move {
                    for _ in 0..calls / callers {
                        governed(&room, &key, FUNCTION, ARGUMENTS).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        drop(room);
        let each = |now: u64, before: u64| count(now - before) / count(calls / callers * callers);
        let journal = each(bytes(&audit.join("journal")), before.0);
        let kept = each(published(&audit), before.1);
        let name = format!("bytes of a read call, {callers} callers");
        println!(
            "{name:<48} {:>9.0}     {journal:.0} in the journal until it is published, {kept:.0} in bundle and tiles \
             from then on   (goal ≤ 1,000)",
            journal + kept
        );
    }
}

/// The whole verification of a published log.
async fn verified(entries: u64) {
    let folder = tempfile::tempdir().unwrap();
    let home = open(folder.path());
    append(&journal(&home), (0..entries).map(entry)).await;
    let audit = home.open_dir("audit").unwrap();
    let known = BookKey::open(&home, &SystemEntropy).unwrap().known().clone();
    let hold = Hold::on(&audit).unwrap();
    let size = bytes(&folder.path().join("audit/tile"));
    let began = processor();
    let verified = audit::verify(&audit, &known, None, |_, _| {}).unwrap();
    let seconds = (processor() - began).as_secs_f64();
    drop(hold);
    assert_eq!(verified.entries, verified.published);
    println!(
        "{:<48} {:>9.0}/s   {:.2} µs an entry, {} bytes of it   (processor time; goal ≥ 500,000/s)",
        "entries verified on one core",
        count(verified.entries) / seconds,
        seconds * 1e6 / count(verified.entries),
        size / verified.entries,
    );
}

/// Entries of calls: one in ten with an effect, whose intent comes before its outcome.
fn entry(n: u64) -> Entry {
    let call = n - u64::from(n % 10 == 1);
    let call_id = CallId::new(1_700_000_000_000 + call, [u8::try_from(call % 251).unwrap(); 10]);
    let action = "call orders.update-status";
    let digest = Some(Digest::of(b"the same for many calls"));
    let entry = match n % 10 {
        0 => Entry::intent(1_700_000_000_000_000 + n, action, call_id),
        _ => Entry::outcome(1_700_000_000_000_000 + n, action, Reason::Ok, Outcome::Executed),
    };
    let import = |import: &'static str, class: &'static str, target: Option<&'static str>| ImportRecord {
        import: import.into(),
        class: class.into(),
        decision: Decision::Allow,
        target: target.map(Into::into),
        method: None,
        why: None,
        count: 3,
        bytes_in: 1811,
        bytes_out: 0,
        fuel: 4_200,
        first_us: 118,
        last_us: 932,
    };
    let imports = match n % 10 {
        0 => Vec::new(),
        _ => vec![
            import("wasi:clocks/monotonic-clock.now", "time", None),
            import("wasi:http/outgoing-handler.handle", "observe", Some("https://api.example.com")),
        ],
    };
    Entry {
        tenant_id: Some(TenantId::new(format!("tenant-{}", call % 20)).unwrap()),
        actor_id: Some(ActorId::new("agent-7").unwrap()),
        call_id: Some(call_id),
        component: digest,
        policy: digest,
        arguments: Some(Digest::of(&call.to_be_bytes())),
        imports,
        fuel: 1_234_567,
        bytes_in: 2_000,
        bytes_out: 180,
        duration_us: 1_500,
        ..entry
    }
}

async fn append(journal: &FileJournal, entries: impl IntoIterator<Item = Entry>) {
    let (mut last, mut waiting) = (None, 0);
    for entry in entries {
        last = Some(journal.append(entry).unwrap());
        waiting += 1;
        // Less than the queue holds.
        if waiting == 10_000 {
            last.take().unwrap().durable().await.unwrap();
            waiting = 0;
        }
    }
    if let Some(last) = last {
        last.durable().await.unwrap();
    }
}

fn journal(home: &Dir) -> FileJournal {
    home.create_dir_all("audit").unwrap();
    let key = BookKey::open(home, &SystemEntropy).unwrap();
    let place = Place { audit: home.open_dir("audit").unwrap(), home: Some(home.try_clone().unwrap()), key };
    FileJournal::open(place, Arc::new(SystemClock), Timing::default()).unwrap()
}

fn open(folder: &Path) -> Dir {
    Dir::open_ambient_dir(folder, cap_std::ambient_authority()).unwrap()
}

/// Bundles and tiles.
fn published(audit: &Path) -> u64 {
    bytes(&audit.join("tile"))
}

/// The bytes of all files below a folder.
fn bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let each = |entry: io::Result<std::fs::DirEntry>| match entry.unwrap().path() {
        path if path.is_dir() => bytes(&path),
        // A file may go while it is looked at.
        path => path.metadata().map_or(0, |file| file.len()),
    };
    entries.map(each).sum()
}

/// Processor time of all threads of this process so far.
fn processor() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn count(n: u64) -> f64 {
    n as f64
}

/// A file layer whose disk costs nothing and keeps nothing.
#[derive(Default)]
struct Nowhere(u64);

impl LogFile for Nowhere {
    fn lock(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn unlock(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn size(&mut self) -> io::Result<u64> {
        Ok(self.0)
    }

    fn read_at(&mut self, _: u64, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0 += u64::try_from(bytes.len()).unwrap();
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.0 = len;
        Ok(())
    }

    fn set_aside(&mut self, _: u64, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn rotate(&mut self, _: u64) -> io::Result<()> {
        self.0 = 0;
        Ok(())
    }

    fn follow(&mut self, _: u64) -> io::Result<bool> {
        Ok(false)
    }
}
