//! A verifier that is not ours, sixty lines of Python, reads the log and finds what was changed.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use strongroom::audit::{
    BookKey, Dropping, Entry, FileJournal, HEAD_PROOF, Journal, Known, Phase, Place, TENANT_KEYS, Timing,
    export_tenant, prove_entry,
};
use strongroom::id::{ActorId, CallId, Digest, TenantId};
use strongroom::powers::{Home, SystemClock, SystemEntropy};
use strongroom::reason::{Outcome, Reason};

const ENTRIES: u64 = 700;

/// Whether this machine can run the verifier; says so when it cannot.
fn can_run() -> bool {
    let can = Command::new("python3").args(["-c", "import cryptography"]).output();
    let can = can.is_ok_and(|output| output.status.success());
    if !can {
        // To the stream itself: what a test that passes prints is not shown otherwise.
        let told =
            "\nSKIPPED others_verify_the_log: no python3 with the package `cryptography` on this machine\n";
        std::io::stderr().write_all(told.as_bytes()).unwrap();
    }
    can
}

fn open(home: &Home) -> FileJournal {
    home.dir().create_dir_all("audit").unwrap();
    let place = Place {
        audit: home.dir().open_dir("audit").unwrap(),
        home: None,
        key: BookKey::open(home.dir(), &SystemEntropy).unwrap(),
    };
    FileJournal::open(place, Arc::new(SystemClock), Timing::default()).unwrap()
}

fn write(home: &Home) {
    let journal = open(home);
    for n in 0..ENTRIES {
        let mut entry = Entry::outcome(n, format!("call orders.f{n}"), Reason::Ok, Outcome::Executed);
        entry.tenant_id = (n % 3 > 0).then(|| TenantId::new("acme").unwrap());
        entry.actor_id = Some(ActorId::new("agent").unwrap());
        entry.call_id = Some(CallId::new(n, [7; 10]));
        entry.arguments = Some(Digest::of(&n.to_be_bytes()));
        entry.fuel = n << 20;
        entry.policies = vec!["of the host".into(); usize::try_from(n % 3).unwrap()];
        entry.note = (n % 50 == 0).then(|| "x".repeat(300));
        entry.phase = if n % 7 == 0 { Phase::Recovery } else { Phase::Outcome };
        drop(journal.append(entry).unwrap());
    }
}

fn judge(folder: &Path, proof: &Path) -> Output {
    judge_log(&folder.join("audit"), &folder.join("book.pub"), proof)
}

fn judge_log(log: &Path, keys: &Path, proof: &Path) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("verify_the_log.py");
    Command::new("python3").arg(script).arg(log).arg(keys).arg(proof).output().unwrap()
}

/// How many entries are published.
fn shown(home: &Home) -> u64 {
    let checkpoint = home.dir().read_to_string("audit/checkpoint").unwrap();
    checkpoint.lines().nth(1).unwrap().parse().unwrap()
}

#[test]
fn python_verifies_the_log_of_one_tenant_and_that_the_host_tells_its_head() {
    if !can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let home = Home::open(folder.path()).unwrap();
    write(&home);
    let (log, key) =
        (home.dir().open_dir("audit").unwrap(), BookKey::open(home.dir(), &SystemEntropy).unwrap());
    home.dir().create_dir("acme").unwrap();
    let (to, acme) = (home.dir().open_dir("acme").unwrap(), TenantId::new("acme").unwrap());
    export_tenant(&log, &key, &acme, &to, |_, _| true).unwrap();
    let export = folder.path().join("acme");
    let keys = [home.dir().read_to_string("book.pub"), to.read_to_string(TENANT_KEYS)].map(Result::unwrap);
    std::fs::write(folder.path().join("keys"), keys.concat()).unwrap();
    let judge = || judge_log(&export, &folder.path().join("keys"), &export.join(HEAD_PROOF));
    let told = judge();
    assert!(told.status.success(), "{told:?}");
    assert_eq!(String::from_utf8_lossy(&told.stdout), "466 entries, as they were signed\n");
    let mut bytes = to.read("tile/entries/000").unwrap();
    bytes[100] ^= 1;
    to.write("tile/entries/000", &bytes).unwrap();
    assert!(!judge().status.success());
}

#[test]
fn python_verifies_signature_tree_entries_and_proofs() {
    if !can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let home = Home::open(folder.path()).unwrap();
    write(&home);
    let known = Known::parse(&home.dir().read_to_string("book.pub").unwrap()).unwrap();
    let log = home.dir().open_dir("audit").unwrap();
    let proof = folder.path().join("proof");
    for index in [0, 255, 256, 699] {
        let made = prove_entry(&log, &known, index).unwrap();
        std::fs::write(&proof, serde_json::to_string(&made).unwrap()).unwrap();
        let told = judge(folder.path(), &proof);
        assert!(told.status.success(), "{index}: {told:?}");
        let size = shown(&home);
        assert_eq!(String::from_utf8_lossy(&told.stdout), format!("{size} entries, as they were signed\n"));
    }

    let wrong = std::fs::read_to_string(&proof).unwrap().replace(r#""index":699"#, r#""index":698"#);
    std::fs::write(folder.path().join("wrong"), wrong).unwrap();
    assert!(!judge(folder.path(), &folder.path().join("wrong")).status.success(), "another index");
    let last = format!("audit/tile/entries/002.p/{}", shown(&home) - 512);
    for file in ["audit/tile/entries/000", &last, "audit/checkpoint"] {
        let path = folder.path().join(file);
        let bytes = std::fs::read(&path).unwrap();
        let mut changed = bytes.clone();
        changed[bytes.len() / 2] ^= 1;
        std::fs::write(&path, changed).unwrap();
        assert!(!judge(folder.path(), &proof).status.success(), "{file}");
        std::fs::write(&path, bytes).unwrap();
    }
    assert!(judge(folder.path(), &proof).status.success());

    // Bodies that were dropped are proven by their hashes.
    let mut run = Dropping::begin(&log, &known, u64::MAX).unwrap();
    assert_eq!(run.take(true, |_| {}, |_| {}).unwrap().entries, 512);
    let order = run.order(1, b"{}").unwrap().unwrap();
    drop(open(&home).append(order).unwrap());
    run.finish().unwrap();
    let made = prove_entry(&log, &known, 300).unwrap();
    std::fs::write(&proof, serde_json::to_string(&made).unwrap()).unwrap();
    let told = judge(folder.path(), &proof);
    let said = format!("{} entries, as they were signed; 512 of them by their hashes alone\n", shown(&home));
    assert_eq!(
        (told.status.success(), String::from_utf8_lossy(&told.stdout).into_owned()),
        (true, said),
        "{told:?}"
    );
    let tile = folder.path().join("audit/tile/0/001");
    let mut changed = std::fs::read(&tile).unwrap();
    changed[77] ^= 1;
    std::fs::write(&tile, changed).unwrap();
    assert!(!judge(folder.path(), &proof).status.success(), "a hash is all there is of an entry");
}
