//! A restore of the ledger that is killed at any step leaves the old ledger or the restored one, whole; never none, never
//! a mix. And the same command, given again, ends it.
//!
//! A restore that nobody kills says which steps it comes to; then one is killed at each of them, each time from the same folder.
//! A step of [`Step::REPLACE`] at which no process died fails the test.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use strongroom::Strongroom;
use strongroom::identify::Credential;
use strongroom::powers::{Clock as _, Home, NoEnvironment, SystemClock, SystemEntropy};
use strongroom::reason::Reason;
use strongroom::rebuild::{CopyFile, Means, Restored, backup, restore};
use strongroom::settle::Receipt;
use strongroom::step::Step;
use strongroom::storage::Folder;
use strongroom::storage::ledger::SqliteLedger;
use strongroom_tests::{Reaper, Still, house, request, request_with_key};
use tempfile::TempDir;

const ACME: &str = "[tools]\nallow = ['*']\n[grants.prober.keyvalue.cart]\nmode = 'rw'\n
[[budgets]]\nof = 'calls'\nper = 'total'\nlimit = 1_000_000\n";

/// The variable with the order for a process that restores.
const ORDER: &str = "STRONGROOM_RESTORE";
/// Kills that come while the restored file takes its place, at some moment of it.
const AT_ONCE: u64 = 8;

/// In what state the ledger is that is to be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Was {
    /// Its host has closed it.
    Closed,
    /// Its host was killed: part of it is in the log beside it.
    Crashed,
    /// Half of the file is there.
    Damaged,
    /// It is gone.
    Missing,
}

/// Where a restore begins, always the same.
struct Start {
    was: Was,
    home: Arc<TempDir>,
    copy: TempDir,
    key: String,
    /// The state of the ledger, and its file.
    old: Option<String>,
    file: Option<Vec<u8>>,
}

fn home(folder: &Path) -> Home {
    Home::open(folder).unwrap()
}

fn folder(path: &Path) -> Folder {
    Folder::new(home(path).dir().try_clone().unwrap(), path)
}

fn copy_file(folder_of: &Path) -> CopyFile {
    CopyFile { folder: folder(folder_of), name: "copy.db".into() }
}

async fn write(room: &Strongroom, key: &str, name: &str) -> Receipt {
    let arguments = r#"{"bucket":"cart","key":"n","delta":1}"#;
    room.call(Credential::ApiKey(key), request_with_key("prober.kv-increment", arguments, name)).await
}

async fn counter(room: &Strongroom, key: &str) -> Option<String> {
    let receipt =
        room.call(Credential::ApiKey(key), request("prober.kv-get", r#"{"bucket":"cart","key":"n"}"#)).await;
    assert!(receipt.is_ok(), "{receipt:?}");
    receipt.value
}

/// Copies what is in a folder; of the files at its top, those that this lets pass.
fn copy_all(from: &Path, to: &Path, pass: &dyn Fn(&str) -> bool) {
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        let to = to.join(&name);
        if path.is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            copy_all(&path, &to, &|_| true);
        } else if pass(&name.to_string_lossy()) {
            std::fs::copy(&path, &to).unwrap();
        }
    }
}

fn copied(from: &Path, pass: impl Fn(&str) -> bool) -> TempDir {
    let to = tempfile::tempdir().unwrap();
    copy_all(from, to.path(), &pass);
    to
}

/// What the ledger of a folder says, row by row; `None` when there is none. The folder is as it was.
fn said(home: &Path) -> Option<String> {
    if !home.join("ledger.db").exists() {
        return None;
    }
    let look = tempfile::tempdir().unwrap();
    for suffix in ["", "-wal", "-journal"] {
        let name = format!("ledger.db{suffix}");
        if home.join(&name).exists() {
            std::fs::copy(home.join(&name), look.path().join(&name)).unwrap();
        }
    }
    let c = rusqlite::Connection::open(look.path().join("ledger.db")).unwrap();
    let whole: String = c.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
    let mut names = c.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
    let names: Vec<String> = names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut all = String::new();
    for name in names {
        let mut rows = c.prepare(&format!("SELECT * FROM {name}")).unwrap();
        let width = rows.column_count();
        let row = |row: &rusqlite::Row<'_>| {
            let cells = (0..width).map(|i| format!("{:?}", row.get_ref(i).unwrap()));
            Ok(cells.collect::<Vec<_>>().join(" "))
        };
        let mut lines: Vec<String> = rows.query_map([], row).unwrap().map(Result::unwrap).collect();
        lines.sort();
        all += &format!("{name}:\n{}\n", lines.join("\n"));
    }
    Some(all)
}

async fn start(was: Was) -> Start {
    let house = house().tenant("acme", ACME).tool("prober").build().await;
    let key = house.key("acme").await;
    assert!(write(&house.room, &key, "before").await.is_ok());
    let copy = tempfile::tempdir().unwrap();
    backup(&home(house.path()), &copy_file(copy.path()), false, |_, _| {}).unwrap();
    assert!(write(&house.room, &key, "since").await.is_ok());
    house.key("acme").await;
    let home = match was {
        // A lock that was copied is nobody's. What it was copied from is not used again.
        Was::Crashed => Arc::new(copied(house.path(), |_| true)),
        _ => house.leave().await,
    };
    let file = home.path().join("ledger.db");
    while was != Was::Crashed && home.path().join("ledger.db-wal").exists() {
        // The thread that writes it closes it a moment after the last handle is gone.
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(home.path().join("ledger.db-wal").exists(), was == Was::Crashed);
    match was {
        Was::Closed | Was::Crashed => {}
        Was::Damaged => {
            let bytes = std::fs::read(&file).unwrap();
            std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
        }
        Was::Missing => std::fs::remove_file(&file).unwrap(),
    }
    let old = if was == Was::Damaged { None } else { said(home.path()) };
    Start { was, copy, key, old, file: std::fs::read(&file).ok(), home }
}

/// What a process heard of its restore, and whether it died of it.
struct Life {
    steps: Vec<String>,
    killed: bool,
}

impl Life {
    fn reached(&self, step: Step) -> bool {
        self.steps.iter().any(|reached| reached == step.name())
    }
}

/// Restores in a process of its own, at this time, which ends at a step for the n-th time, or some microseconds after.
fn restores(home: &Path, copy: &Path, at_ms: u64, die: Option<(&str, u32, u64)>) -> Life {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["a_killed_restore_leaves_one_ledger::a_restore", "--exact", "--ignored", "--nocapture"])
        .env(ORDER, json!({ "home": home, "copy": copy, "at": at_ms, "die": die }).to_string())
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let killed = output.status.signal() == Some(9);
    let ended = out.lines().any(|line| line == "@restored");
    assert!(killed || (output.status.success() && ended), "{die:?}: {}\n{out}\n{err}", output.status);
    let steps = out.lines().filter_map(|line| line.strip_prefix('@')).filter(|line| line.contains('.'));
    Life { steps: steps.map(str::to_owned).collect(), killed }
}

/// A process that restores, as the test below starts it.
#[tokio::test]
#[ignore = "it is started by the test that kills it"]
async fn a_restore() {
    let Ok(order) = std::env::var(ORDER) else { return };
    let order: Value = serde_json::from_str(&order).unwrap();
    let reaper = match order["die"].as_array() {
        Some(die) => {
            let n = u32::try_from(die[1].as_u64().unwrap()).unwrap();
            let reaper = Reaper::at(die[0].as_str().unwrap(), n);
            match die[2].as_u64().unwrap() {
                0 => reaper,
                later => reaper.later(Duration::from_micros(later)),
            }
        }
        None => Reaper::never(),
    };
    let say = |word: &str| {
        let mut out = std::io::stdout().lock();
        out.write_all(format!("\n@{word}\n").as_bytes()).and_then(|()| out.flush()).unwrap();
    };
    reaper.hears(say).listen();
    let path = |name: &str| Path::new(order[name].as_str().unwrap()).to_owned();
    restored(&path("home"), &path("copy"), order["at"].as_u64().unwrap()).await;
    say("restored");
}

async fn restored(folder: &Path, copy: &Path, at_ms: u64) -> Restored {
    let (home, clock) = (home(folder), Still::at(at_ms));
    let means = Means { home: &home, environment: &NoEnvironment, clock, entropy: &SystemEntropy, who: None };
    restore(means, &copy_file(copy), true, |_, _| {}).await.unwrap()
}

/// Whether a host may begin to work on the ledger that is there.
fn opens(home: &Path) -> bool {
    let look = copied(home, |name| name.starts_with("ledger."));
    SqliteLedger::open(&folder(look.path()), Arc::new(SystemClock)).is_ok()
}

/// What a restore of this start must come to, when it is made at one time and at a later one.
struct Right {
    first: String,
    second: String,
}

/// Judges what a process has left that was killed, and ends its work. `exact`: it died at the step that it told last, and has
/// done nothing since.
async fn judge(start: &Start, home: &Path, life: &Life, right: &Right, times: [u64; 2], exact: bool) {
    let at = life.steps.last().unwrap();
    let what = format!("{:?}, killed at {at}", start.was);
    let (takes, taken) = (life.reached(Step::LedgerTakes), life.reached(Step::LedgerTaken));
    let halves = matches!(start.was, Was::Damaged | Was::Missing);
    let marked = life.reached(Step::LedgerMarked) && !life.reached(Step::LedgerUnmarked);
    if halves && !taken && !takes {
        // There was no ledger: there is none, and no host begins on less than what was there.
        let in_place = std::fs::read(home.join("ledger.db")).ok();
        assert!(in_place.is_none() || in_place == start.file, "{what}");
        assert!(start.was == Was::Missing || !opens(home), "{what}");
    } else {
        let there = if halves && !taken && !home.join("ledger.db").exists() { None } else { said(home) };
        let (is_old, is_new) = (there == start.old, there.as_ref() == Some(&right.first));
        assert!(is_old != is_new, "{what}: there is {there:?}");
        assert!(takes || is_old, "{what}: it was replaced too early");
        assert!(!taken || is_new, "{what}: it was not replaced");
        assert!(halves || opens(home), "{what}: a host cannot begin on a ledger that is whole");
    }
    if marked && (exact || !taken) {
        assert!(!opens(home), "{what}: a host begins while one takes the other's place");
    }
    if let (Was::Damaged | Was::Closed, Some(bytes)) = (start.was, &start.file) {
        let kept = std::fs::read_dir(home).unwrap().map(|entry| entry.unwrap());
        let kept = kept.filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.starts_with("ledger.") && name.ends_with(".db") && name != "ledger.new.db"
        });
        // A file that is whole is told that it has no log beside it: two bytes of its header.
        let same = |there: &[u8]| match start.was {
            Was::Damaged => there == bytes,
            _ => there.len() == bytes.len() && there[..18] == bytes[..18],
        };
        let found = kept.filter(|entry| same(&std::fs::read(entry.path()).unwrap())).count();
        assert!(found > 0, "{what}: the old ledger is kept, here or under another name");
    }
    restored(home, start.copy.path(), times[1]).await;
    assert_eq!(said(home).as_ref(), Some(&right.second), "{what}: the next restore");
    if !exact {
        return;
    }
    let room =
        Strongroom::builder(self::home(home)).build().await.unwrap_or_else(|e| panic!("{what}: {e:?}"));
    let n = counter(&room, &start.key).await;
    assert!(write(&room, &start.key, "before").await.is_replayed(), "{what}");
    let since = write(&room, &start.key, "since").await;
    assert_eq!(since.reason, Reason::OutcomeUnknown, "{what}: it does not run again");
    assert_eq!(counter(&room, &start.key).await, n, "{what}");
    assert!(write(&room, &start.key, "now").await.is_ok(), "{what}");
    room.close().await.unwrap();
}

/// Where processes died that restored the same ledger.
struct Deaths {
    was: Was,
    kills: u64,
    at: BTreeSet<&'static str>,
    /// Of those that died while the file took its place: whether it had taken it.
    during: BTreeSet<bool>,
}

async fn deaths(was: Was) -> Deaths {
    let mut deaths = Deaths { was, kills: 0, at: BTreeSet::new(), during: BTreeSet::new() };
    let start = start(was).await;
    let now = SystemClock.unix_ms();
    let times = [now, now + 1];
    let fresh = || copied(start.home.path(), |_| true);
    let (first, second) = (fresh(), fresh());
    let whole = restores(first.path(), start.copy.path(), times[0], None);
    restored(second.path(), start.copy.path(), times[1]).await;
    let right = Right { first: said(first.path()).unwrap(), second: said(second.path()).unwrap() };
    assert_ne!(start.old.as_ref(), Some(&right.first), "the two can be told apart");
    // Every step that a restore comes to, each time.
    let mut times_of: BTreeMap<&str, u32> = BTreeMap::new();
    for step in &whole.steps {
        let n = times_of.entry(step).or_default();
        *n += 1;
        let home = fresh();
        let life = restores(home.path(), start.copy.path(), times[0], Some((step, *n, 0)));
        let own = Step::REPLACE.iter().find(|own| own.name() == step);
        match own {
            Some(own) => {
                assert!(life.killed, "{was:?}: {step} was not reached for the {n}. time");
                deaths.at.insert(own.name());
            }
            // The book publishes when it is time.
            None if !life.killed => continue,
            None => {}
        }
        deaths.kills += 1;
        judge(&start, home.path(), &life, &right, times, true).await;
    }
    for n in 0..AT_ONCE {
        let home = fresh();
        let die = (Step::LedgerTakes.name(), 1, 1 << (2 * n));
        let life = restores(home.path(), start.copy.path(), times[0], Some(die));
        assert!(life.reached(Step::LedgerTakes));
        if life.killed {
            deaths.kills += 1;
            deaths.during.insert(life.reached(Step::LedgerTaken));
            judge(&start, home.path(), &life, &right, times, false).await;
        }
    }
    deaths
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_every_step_the_old_ledger_or_the_new_one_is_there() {
    let mut all = tokio::task::JoinSet::new();
    for was in [Was::Closed, Was::Crashed, Was::Damaged, Was::Missing] {
        all.spawn(deaths(was));
    }
    while let Some(deaths) = all.join_next().await {
        let Deaths { was, kills, at, during } =
            deaths.unwrap_or_else(|e| std::panic::resume_unwind(e.into_panic()));
        println!(
            "{was:?}: {kills} kills, at {at:?}; it had taken its place when killed about then: {during:?}"
        );
        let whole = matches!(was, Was::Closed | Was::Crashed);
        let reached = |step: &&Step| match step {
            Step::LedgerLinked => whole,
            Step::LedgerMarked | Step::LedgerMoved | Step::LedgerUnmarked => !whole,
            _ => true,
        };
        let expected: BTreeSet<_> = Step::REPLACE.iter().filter(reached).map(|step| step.name()).collect();
        assert_eq!(at, expected, "{was:?}: a process died at every step of a restore");
    }
}

/// The first publication of a log writes tiles, and then its first signed head.
#[tokio::test]
async fn a_log_whose_first_publication_broke_off_restores() {
    let start = start(Was::Missing).await;
    let audit = start.home.path().join("audit");
    assert!(audit.join("tile").exists() && audit.join("journal/00000000000000000000").exists());
    for file in [audit.join("checkpoint"), start.home.path().join("book.seen")] {
        std::fs::remove_file(file).unwrap();
    }
    let told = restored(start.home.path(), start.copy.path(), SystemClock.unix_ms()).await;
    assert_eq!((told.answers, told.lost_answers), (1, 1), "{told:?}");
}
