//! A journal as crashes leave it: with a hole in its last batch, between two files; and one whose bytes were changed.
//!
//! Takes: nothing. Gives: tests. May name: id, powers, reason.

use super::faulty::Faulty;
use super::file_tests::{QUICK, all, batches, done, tests_dir, try_open, try_over};
use super::{Bad, BookKey, Journal as _, Timing, frame, log_file, verify};
use crate::powers::SystemEntropy;
use std::time::Duration;

/// Five batches; the third and the last are longer than two sectors.
fn journal() -> (Vec<u8>, Vec<usize>) {
    batches((0..5).map(|n| {
        let note = (n == 2 || n == 4).then(|| "long ".repeat(300));
        crate::audit::Entry { note, ..done(n) }
    }))
}

/// The whole sectors between two places, made zeros.
fn with_a_hole(bytes: &[u8], from: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let sector = from.next_multiple_of(512);
    bytes[sector..sector + 512].fill(0);
    bytes
}

#[test]
fn a_last_batch_with_a_hole_is_put_aside() {
    let (bytes, ends) = journal();
    let disk = Faulty::with(&with_a_hole(&bytes, ends[4]));
    drop(try_over(&disk).unwrap());
    let disk = disk.0.lock();
    assert_eq!(disk.bytes, bytes[..ends[4]]);
    assert_eq!(disk.aside, [(4, with_a_hole(&bytes, ends[4])[ends[4]..].to_vec())]);
}

#[test]
fn a_hole_that_batches_follow_is_damage_and_so_is_any_other_change_of_the_last_batch() {
    let (bytes, ends) = journal();
    let mut flipped = bytes.clone();
    flipped[ends[4] + 700] ^= 1;
    let mut half = bytes.clone();
    let sector = ends[4].next_multiple_of(512);
    half[sector..sector + 511].fill(0);
    for (changed, entry) in [(with_a_hole(&bytes, ends[2]), 2), (flipped, 4), (half, 4)] {
        let disk = Faulty::with(&changed);
        let refused = try_over(&disk).unwrap_err().to_string();
        assert!(refused.contains(&format!("damaged after entry {entry}")), "{refused}");
        assert_eq!(disk.0.lock().bytes, changed, "and left as it is");
    }
}

#[tokio::test]
async fn a_log_whose_move_to_another_file_was_cut_off_goes_on_and_is_verified() {
    let word = frame::moved();
    for (left, sound) in [(&word[..0], true), (&word[..5], true), (b"more", false)] {
        let (_guard, dir) = tests_dir();
        // Closed, and so published as far as it goes.
        drop(try_open(&dir, QUICK).unwrap().append(done(0)).unwrap());
        let file = |first| format!("audit/journal/{}", log_file::name(first));
        dir.write(file(0), [dir.read(file(0)).unwrap(), left.to_vec()].concat()).unwrap();
        dir.write(file(1), []).unwrap();
        let patient = Timing { publish: Duration::from_secs(60), ..QUICK };
        let journal = try_open(&dir, patient).unwrap();
        journal.append(done(1)).unwrap().durable().await.unwrap();
        let known = BookKey::open(&dir, &SystemEntropy).unwrap();
        let verified = verify(&dir.open_dir("audit").unwrap(), known.known(), None, |_, _| {});
        match sound {
            true => assert_eq!(verified.unwrap().entries, 2),
            false => assert!(matches!(verified.unwrap_err(), Bad::Unfinished { seq: 1, .. })),
        }
        assert_eq!(all(&dir).len(), 2);
    }
}
