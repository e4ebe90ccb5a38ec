//! A log's heads are kept and cosigned elsewhere, and a log that was put back or is another one is refused there.

use crate::house::{House, Told};
use crate::witness_server::WitnessServer;
use crate::words;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use strongroom::audit::{BookKey, Entry, FileJournal, Journal as _, Place, Timing, Witness};
use strongroom::powers::{Home, SystemClock, SystemEntropy};
use strongroom::reason::{Outcome, Reason};

/// Adds entries to a house's log, and publishes them.
pub(crate) fn write(house: &House, entries: usize, action: &str) {
    let home = Home::open(house.path()).unwrap();
    home.dir().create_dir_all("audit").unwrap();
    let key = BookKey::open(home.dir(), &SystemEntropy).unwrap();
    let kept = Some(home.dir().try_clone().unwrap());
    let place = Place { audit: home.dir().open_dir("audit").unwrap(), home: kept, key };
    let journal = FileJournal::open(place, Arc::new(SystemClock), Timing::default()).unwrap();
    for _ in 0..entries {
        // Dropping the journal writes and publishes them.
        drop(journal.append(Entry::outcome(1, action, Reason::Ok, Outcome::Executed)).unwrap());
    }
}

/// Another house with the same log and the same key.
fn copy(house: &House) -> House {
    let other = House::new();
    let done = std::process::Command::new("cp")
        .args(["-a", "."])
        .arg(other.path())
        .current_dir(house.path())
        .status();
    assert!(done.unwrap().success());
    other
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn checkpoint(house: &House) -> String {
    read(&house.path().join("audit/checkpoint"))
}

fn kept(house: &House, file: &Path) -> Told {
    house.run(words!["audit", "witness", "--keep", file])
}

#[test]
fn a_kept_head_follows_its_log_and_no_other() {
    let (house, elsewhere) = (House::new(), House::new());
    let file = elsewhere.path().join("kept");
    house.run(words!["audit", "witness", "--keep", &file]).failed(3, "not_found");
    write(&house, 3, "first");
    let early = copy(&house);
    assert!(kept(&house, &file).ok().stdout.contains("3 entries; the first head that is kept"));
    assert_eq!(read(&file), checkpoint(&house));
    write(&house, 300, "more");
    let told = house.run(words!["audit", "witness", "--keep", &file, "--format", "json"]).ok().json();
    assert_eq!((&told["entries"], &told["since"]), (&303.into(), &3.into()), "{told}");
    assert_eq!(read(&file), checkpoint(&house));
    assert!(kept(&house, &file).ok().stdout.contains("continues the 303 that were kept"));

    // Put back to an earlier state: both heads are shown and kept.
    let refused = kept(&early, &file);
    refused.failed(1, "failed").says("rolled back: it has 3 entries and had 303");
    assert!(refused.stdout.contains(&checkpoint(&house)), "{refused:?}");
    assert!(refused.stdout.contains(checkpoint(&early).trim_end()), "{refused:?}");
    assert_eq!(read(&file), checkpoint(&house));
    assert_eq!(read(&elsewhere.path().join("kept.refused")), checkpoint(&early));

    // Another log under the same key, longer than the kept one.
    write(&early, 400, "other");
    kept(&early, &file).failed(1, "failed").says("first 303 entries are not the ones that were there before");
    let json = early.run(words!["audit", "witness", "--keep", &file, "--format", "json"]);
    assert_eq!(json.code, 1);
    let told: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&told["kept"], &told["found"]), (&checkpoint(&house).into(), &checkpoint(&early).into()));
    assert_eq!(read(&file), checkpoint(&house));

    // A log that is gone, of another key, or a file that holds no head.
    std::fs::remove_file(early.path().join("audit/checkpoint")).unwrap();
    kept(&early, &file).failed(1, "failed").says("gone, and it had 303 entries");
    std::fs::remove_dir_all(early.path().join("audit")).unwrap();
    kept(&early, &file).failed(1, "failed").says("the log is gone");
    let stranger = House::new();
    write(&stranger, 500, "other");
    kept(&stranger, &file).failed(1, "failed").says("is of the log");
    kept(&house, &elsewhere.file("text", "no head")).failed(2, "usage").says("no checkpoint");
    // From a copy of the log, with the public key alone.
    let key = house.path().join("book.pub");
    let log = house.path().join("audit");
    let far = elsewhere.run(words!["audit", "witness", "--keep", &file, "--log", log, "--public-key", key]);
    assert!(far.ok().stdout.contains("303"), "{far:?}");
}

#[test]
fn a_kept_head_is_cosigned_and_verifying_takes_it() {
    let (house, elsewhere) = (House::new(), House::new());
    write(&house, 3, "first");
    let (secret, file) = (elsewhere.path().join("witness.key"), elsewhere.path().join("kept"));
    let made =
        elsewhere.run(words!["audit", "witness", "--new-key", &secret, "--name", "witness.example/w1"]);
    let witness = Witness::parse(made.ok().stdout.trim()).unwrap();
    let keep = || house.run(words!["audit", "witness", "--keep", &file, "--key", &secret]);
    assert!(keep().ok().stdout.contains(&format!("cosigned  {witness}")));
    assert!(read(&file).starts_with(&checkpoint(&house)), "the log's own signature stays");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(witness.cosigned(read(&file).as_bytes()).is_some_and(|time| time <= now && time > now - 3600));
    // Once more: one cosignature, of the newer head.
    write(&house, 2, "more");
    keep().ok();
    keep().ok();
    assert_eq!(read(&file).matches("\u{2014} ").count(), 2, "{}", read(&file));
    assert!(witness.cosigned(read(&file).as_bytes()).is_some());
    let verified = house.run(words!["audit", "verify", "--against", &file]);
    assert!(verified.ok().stdout.contains("continues its 5 entries"), "{verified:?}");

    let modes = std::os::unix::fs::PermissionsExt::mode(&secret.metadata().unwrap().permissions());
    assert_eq!(modes & 0o777, 0o600);
    let again = elsewhere.run(words!["audit", "witness", "--new-key", &secret, "--name", "w"]);
    again.failed(1, "failed").says("exists");
    for name in ["", "a b", "a+b"] {
        let bad = elsewhere.run(words!["audit", "witness", "--new-key", "other", "--name", name]);
        bad.failed(2, "usage").says("without spaces");
    }
    let wrong =
        house.run(words!["audit", "witness", "--keep", &file, "--key", house.path().join("book.pub")]);
    wrong.failed(2, "usage").says("no witness's secret key");
}

#[test]
fn it_goes_on_until_it_is_ended_or_the_log_was_put_back() {
    let (house, elsewhere) = (House::new(), House::new());
    write(&house, 3, "first");
    let early = copy(&house);
    let file = elsewhere.path().join("kept");
    let start = |house: &House| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_strongroom"))
            .args(words!["audit", "witness", "--every", "1s", "--format", "json", "--keep", &file])
            .env("STRONGROOM_HOME", house.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        (child, lines)
    };
    let (mut child, mut lines) = start(&house);
    assert!(lines.next().unwrap().contains("\"entries\":3"));
    write(&house, 2, "more");
    assert!(lines.any(|line| line.contains("\"entries\":5")));
    assert!(Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    // A refusal ends it by itself.
    let (mut child, mut lines) = start(&early);
    assert!(lines.next().unwrap().contains("rolled back"));
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

fn asked(house: &House, witness: &WitnessServer) -> Told {
    house.run(["audit", "witness", "--to", &witness.url, "--verifier", &witness.verifier])
}

fn witnessed(house: &House) -> PathBuf {
    house.path().join("audit/checkpoint.witnessed")
}

#[test]
fn a_witness_cosigns_a_log_that_grows() {
    let house = House::new();
    write(&house, 3, "first");
    let witness = WitnessServer::of(&read(&house.path().join("book.pub")));
    let verifier = Witness::parse(&witness.verifier).unwrap();
    assert!(asked(&house, &witness).ok().stdout.contains(&format!("cosigned  {verifier}")));
    assert_eq!((witness.requests(), witness.size()), (1, 3));
    assert_eq!(verifier.cosigned(read(&witnessed(&house)).as_bytes()), Some(1_700_000_000));
    assert!(!read(&witnessed(&house)).contains("somebody.else"), "what strangers say is left out");
    // It goes on from what it was answered, in one request.
    write(&house, 600, "more");
    let json = house.run([
        "audit",
        "witness",
        "--to",
        &witness.url,
        "--verifier",
        &witness.verifier,
        "--format",
        "json",
    ]);
    let told = json.ok().json();
    assert_eq!((&told["entries"], &told["cosigned"][0]), (&603.into(), &witness.verifier.clone().into()));
    assert_eq!((witness.requests(), witness.size()), (1, 603));
    asked(&house, &witness).ok();
    // It asks where the witness stands when it does not know any more.
    std::fs::remove_file(witnessed(&house)).unwrap();
    write(&house, 1, "more");
    witness.requests();
    asked(&house, &witness).ok();
    assert_eq!((witness.requests(), witness.size()), (2, 604));
    // The cosigned head is one to verify against, and the log with it verifies.
    let verified = house.run(words!["audit", "verify", "--against", witnessed(&house)]);
    assert!(verified.ok().stdout.contains("continues its 604 entries"), "{verified:?}");
    // Another witness's cosignature of the same head stands beside it.
    let second = WitnessServer::of(&read(&house.path().join("book.pub")));
    asked(&house, &second).ok();
    let note = read(&witnessed(&house));
    assert!(Witness::parse(&second.verifier).unwrap().cosigned(note.as_bytes()).is_some());
}

#[test]
fn a_witness_refuses_a_host_that_was_put_back_or_is_another_one() {
    let house = House::new();
    write(&house, 3, "first");
    let witness = WitnessServer::of(&read(&house.path().join("book.pub")));
    asked(&house, &witness).ok();
    let early = copy(&house);
    write(&house, 5, "more");
    asked(&house, &witness).ok();
    // All of the host's folder is put back, with what it was answered then.
    asked(&early, &witness).failed(1, "failed").says("it has 3 entries, and the witness has seen 8");
    let same = copy(&early);
    write(&same, 5, "other");
    asked(&same, &witness).failed(1, "failed").says("another head of the same size");
    write(&early, 9, "other");
    asked(&early, &witness).failed(1, "failed").says("does not continue the one that the witness has seen");
    assert_eq!(witness.size(), 8);
    asked(&house, &witness).ok();
}

#[test]
fn answers_that_are_none_are_told_and_change_nothing() {
    let house = House::new();
    write(&house, 3, "first");
    let witness = WitnessServer::of(&read(&house.path().join("book.pub")));
    let stranger = House::new();
    write(&stranger, 3, "first");
    let other = WitnessServer::of(&read(&stranger.path().join("book.pub")));
    asked(&house, &other).failed(1, "failed").says("does not know the log");
    // The same name of a log under a key that the witness was not given.
    let ours = read(&house.path().join("book.pub"));
    let theirs = read(&stranger.path().join("book.pub"));
    let (name, (_, key)) =
        (ours.split_once('+').unwrap().0, theirs.trim().split_once('+').unwrap().1.split_once('+').unwrap());
    let id = signed_note::key_id(name, &STANDARD.decode(key).unwrap());
    let same_name = format!("{name}+{id:08x}+{key}\n");
    other.knows(&same_name);
    asked(&house, &other).failed(1, "failed").says("does not trust the key");
    let wrong = ["audit", "witness", "--to", &witness.url, "--verifier", &other.verifier];
    house.run(wrong).failed(1, "failed").says("no cosignature of the named keys");
    for (answer, says) in [
        ("HTTP/1.1 200 -\r\ncontent-length: 0\r\n\r\n", "no cosignature"),
        ("HTTP/1.1 200 -\r\ncontent-length: 4\r\n\r\n\u{2014}\n", "no cosignature"),
        ("HTTP/1.1 301 -\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", "status 301"),
        ("HTTP/1.1 503 -\r\ncontent-length: 0\r\n\r\n", "status 503"),
        ("HTTP/1.1 400 -\r\ncontent-length: 0\r\n\r\n", "cannot read the request"),
        ("HTTP/1.1 200 -\r\ncontent-length: 100000000\r\n\r\n", "the witness"),
        ("HTTP/1.1 409 -\r\ncontent-type: text/x.tlog.size\r\ncontent-length: 3\r\n\r\n-1\n", "another head"),
        ("HTTP/1.1 409 -\r\ncontent-type: text/x.tlog.size\r\ncontent-length: 2\r\n\r\n1\n", "another head"),
        ("SSH-2.0-x\r\n\r\n", "the witness"),
    ] {
        witness.instead(Some(answer));
        asked(&house, &witness).failed(1, "failed").says(says);
    }
    assert!(witness.requests() < 15, "it is asked twice at most");
    assert!(!witnessed(&house).exists());
    witness.instead(None);
    asked(&house, &witness).ok();

    let to = |url: &str| house.run(["audit", "witness", "--to", url, "--verifier", &witness.verifier]);
    to("http://witness.example/").failed(2, "usage").says("--plain-http");
    for url in ["ftp://127.0.0.1/", "http://127.0.0.1/?a=b", "http://me@127.0.0.1/"] {
        to(url).failed(2, "usage").says("not the prefix");
    }
    to("http://127.0.0.1:1/").failed(1, "failed").says("the witness http://127.0.0.1:1/add-checkpoint");
    assert_eq!(house.run(["audit", "witness", "--to", &witness.url, "--verifier", "a+b+c"]).code, 2);
    assert_eq!(house.run(["audit", "witness", "--to", &witness.url]).code, 2);
}
