//! Who waits for the disk without haste takes no sync from others, and is not forgotten.
//!
//! Takes: nothing. Gives: tests. May name: powers.

use super::faulty::Faulty;
use super::file_tests::{QUICK, done, key};
use super::{FileJournal, Journal as _, Timing};
use crate::powers::SystemClock;
use futures::poll;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

fn journal(disk: &Faulty, linger: Duration) -> FileJournal {
    let timing = Timing { linger, publish: Duration::from_secs(60), ..QUICK };
    FileJournal::over(Box::new(disk.clone()), key(), Arc::new(SystemClock), timing).unwrap()
}

#[tokio::test]
async fn who_is_not_in_haste_goes_along_with_who_is() {
    let disk = Faulty::default();
    let journal = journal(&disk, Duration::from_secs(60));
    let mut patient = pin!(journal.append(done(0)).unwrap().durable_with_others());
    assert!(poll!(&mut patient).is_pending());
    let mut another = pin!(journal.append(done(1)).unwrap().durable_with_others());
    assert!(poll!(&mut another).is_pending());
    assert_eq!(disk.0.lock().syncs, 0);
    journal.append(done(2)).unwrap().durable().await.unwrap();
    patient.await.unwrap();
    another.await.unwrap();
    assert_eq!(disk.0.lock().syncs, 1);
}

#[tokio::test]
async fn alone_it_waits_no_longer_than_the_journal_lingers() {
    let disk = Faulty::default();
    let journal = journal(&disk, Duration::from_millis(1));
    journal.append(done(0)).unwrap().durable_with_others().await.unwrap();
    assert_eq!(disk.0.lock().syncs, 1);
}

#[tokio::test]
async fn haste_for_an_entry_that_is_on_its_way_hurries_no_other() {
    let disk = Faulty::default();
    let journal = journal(&disk, Duration::from_secs(60));
    let first = journal.append(done(0)).unwrap();
    journal.append(done(1)).unwrap().durable().await.unwrap();
    // Durable already; nothing is in the queue that this could hurry.
    first.durable().await.unwrap();
    let mut patient = pin!(journal.append(done(2)).unwrap().durable_with_others());
    assert!(poll!(&mut patient).is_pending());
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(poll!(&mut patient).is_pending());
    assert_eq!(disk.0.lock().syncs, 1);
    journal.append(done(3)).unwrap().durable().await.unwrap();
    patient.await.unwrap();
}
