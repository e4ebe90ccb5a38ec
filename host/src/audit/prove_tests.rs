//! Proofs prove what is so, and nothing else.
//!
//! Takes: a log in a folder. Gives: proofs, right and wrong ones. May name: id, powers, reason.

use super::file_tests::tests_dir;
use super::prove::{BadProof, Claim, Fact, NoProof, Proof, prove_entry, prove_since};
use super::{BadCheckpoint, BookKey, Entry, FileJournal, Journal, Known, Place, Signed, Timing};
use crate::powers::{SystemClock, SystemEntropy};
use crate::reason::{Outcome, Reason};
use cap_std::fs::Dir;
use std::sync::Arc;

struct Log {
    _guard: tempfile::TempDir,
    home: Dir,
    written: u64,
}

impl Log {
    fn new() -> Self {
        let (guard, home) = tests_dir();
        home.create_dir("audit").unwrap();
        Self { _guard: guard, home, written: 0 }
    }

    /// Writes entries until there are so many, publishes them, and gives the signed head.
    fn grow(&mut self, to: u64) -> Signed {
        let place =
            Place { audit: self.dir(), home: None, key: BookKey::open(&self.home, &SystemEntropy).unwrap() };
        let journal = FileJournal::open(place, Arc::new(SystemClock), Timing::default()).unwrap();
        for n in self.written..to {
            drop(
                journal.append(Entry::outcome(n, format!("act {n}"), Reason::Ok, Outcome::Executed)).unwrap(),
            );
        }
        drop(journal);
        self.written = to;
        self.known().verify(&self.dir().read("checkpoint").unwrap()).unwrap()
    }

    fn dir(&self) -> Dir {
        self.home.open_dir("audit").unwrap()
    }

    fn known(&self) -> Known {
        Known::parse(&self.home.read_to_string("book.pub").unwrap()).unwrap()
    }
}

#[test]
fn every_entry_is_proven_to_whoever_has_the_key_alone() {
    let mut log = Log::new();
    let head = log.grow(300);
    let known = log.known();
    for index in [0, 1, 17, 255, 256, 299] {
        let proof = prove_entry(&log.dir(), &known, index).unwrap();
        let text = serde_json::to_string(&proof).unwrap();
        let proven = serde_json::from_str::<Proof>(&text).unwrap().check(&known).unwrap();
        assert_eq!((proven.size, proven.root), (300, head.root.to_string()));
        let Fact::Holds(at, Some(entry)) = proven.fact else { panic!("{:?}", proven.fact) };
        assert_eq!((at, entry.seq, entry.action), (index, index, format!("act {index}")));
    }
    assert!(matches!(prove_entry(&log.dir(), &known, 300), Err(NoProof::NoEntry(300))));
}

#[test]
fn a_wrong_proof_proves_nothing() {
    let mut log = Log::new();
    log.grow(300);
    let known = log.known();
    let right = prove_entry(&log.dir(), &known, 17).unwrap();
    let other = prove_entry(&log.dir(), &known, 18).unwrap();
    let wrong = |change: &dyn Fn(&mut Proof)| {
        let mut proof = right.clone();
        change(&mut proof);
        proof.check(&known).unwrap_err()
    };
    for at in 0..right.hashes.len() {
        assert_eq!(wrong(&|p| p.hashes[at] = other.hashes[0].clone()), BadProof::Hashes, "hash {at}");
    }
    assert_eq!(wrong(&|p| drop(p.hashes.pop())), BadProof::Hashes);
    assert_eq!(wrong(&|p| p.hashes.push(p.hashes[0].clone())), BadProof::Hashes);
    assert!(matches!(wrong(&|p| p.hashes = vec![p.hashes[0].clone(); 65]), BadProof::Form(_)));
    assert!(matches!(wrong(&|p| p.hashes[0].truncate(9)), BadProof::Form(_)));
    assert!(matches!(wrong(&|p| p.schema = "strongroom.proof/2".into()), BadProof::Form(_)));
    for change in [18, 300, u64::MAX] {
        let change = &move |p: &mut Proof| {
            let Claim::Inclusion { index, .. } = &mut p.claim else { panic!() };
            *index = change;
        };
        assert_eq!(wrong(change), BadProof::Hashes);
    }
    assert_eq!(wrong(&|p| p.claim = other.claim.clone()), BadProof::Hashes);
    let swap = &|p: &mut Proof| {
        let (Claim::Inclusion { entry, .. }, Claim::Inclusion { entry: foreign, .. }) =
            (&mut p.claim, &other.claim)
        else {
            panic!()
        };
        entry.clone_from(foreign);
    };
    assert_eq!(wrong(swap), BadProof::Entry);
    assert_eq!(
        wrong(&|p| p.checkpoint = p.checkpoint.replacen("\n300\n", "\n301\n", 1)),
        BadProof::Head(BadCheckpoint::Signature)
    );
    let mut stranger = Log::new();
    stranger.grow(300);
    assert!(matches!(right.check(&stranger.known()), Err(BadProof::Head(BadCheckpoint::Origin(_)))));
    assert!(prove_entry(&log.dir(), &stranger.known(), 17).is_err());
}

#[test]
fn a_log_that_continues_an_earlier_one_is_told_from_one_that_does_not() {
    let mut log = Log::new();
    let heads: Vec<Signed> = [1, 5, 256, 300].into_iter().map(|n| log.grow(n)).collect();
    let known = log.known();
    for head in &heads {
        let proof = prove_since(&log.dir(), &known, head).unwrap();
        let proven = proof.check(&known).unwrap();
        assert_eq!((proven.size, proven.fact), (300, Fact::Continues(head.size)));
        for at in 0..proof.hashes.len() {
            let mut wrong = proof.clone();
            wrong.hashes[at] = head.root.to_string();
            if wrong != proof {
                assert_eq!(wrong.check(&known).unwrap_err(), BadProof::Hashes, "{} {at}", head.size);
            }
        }
    }
    let forked = Signed { root: heads[0].root, ..heads[1].clone() };
    assert!(matches!(prove_since(&log.dir(), &known, &forked), Err(NoProof::Broken(_))));
    let ahead = Signed { size: 301, ..heads[1].clone() };
    let told = prove_since(&log.dir(), &known, &ahead).unwrap_err().to_string();
    assert!(told.contains("rolled back"), "{told}");
    let empty = Signed { size: 0, ..heads[1].clone() };
    assert!(matches!(prove_since(&log.dir(), &known, &empty), Err(NoProof::Empty)));
}

#[test]
fn a_changed_log_gives_no_proof() {
    let mut log = Log::new();
    log.grow(300);
    let (dir, known) = (log.dir(), log.known());
    let mut tile = dir.read("tile/0/000").unwrap();
    tile[32 * 17] ^= 1;
    dir.write("tile/0/000", tile).unwrap();
    assert!(matches!(prove_entry(&dir, &known, 17), Err(NoProof::Broken(_))));
    dir.remove_file("tile/0/000").unwrap();
    assert!(matches!(prove_entry(&dir, &known, 17), Err(NoProof::Broken(_))));
    dir.remove_file("checkpoint").unwrap();
    assert!(matches!(prove_entry(&dir, &known, 17), Err(NoProof::Unpublished)));
}

#[test]
fn a_dropped_body_leaves_a_proof_of_its_hash() {
    let mut log = Log::new();
    log.grow(300);
    log.dir().remove_file("tile/entries/000").unwrap();
    let proof = prove_entry(&log.dir(), &log.known(), 17).unwrap();
    assert_eq!(proof.check(&log.known()).unwrap().fact, Fact::Holds(17, None));
}
