//! A new key for the book, announced in the book under the old one.
//!
//! Takes: the log's place and nobody else at it. Gives: the new [`BookKey`]. May name: id, powers, reason.
//!
//! The order: the entry that names the new key is durable and signed by the old key, then the new key is put in the old
//! one's place. So whoever trusted the old key learns of the new one from the log itself.

use super::{AuditUnavailable, BookKey, Entry, FileJournal, Journal, KeyError, Place, Timing};
use crate::id::ActorId;
use crate::powers::{Clock, Entropy};
use crate::reason::{Outcome, Reason};
use crate::step::{Step, reached};
use cap_std::fs::Dir;
use std::io::ErrorKind;
use std::sync::Arc;

/// Why the key is still the old one.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// A host that runs would not take a new key up.
    #[error("another process has the audit log open; stop the server, or wait for the other command")]
    Busy,
    /// The book could not be opened or written.
    #[error("{0}")]
    Book(#[from] AuditUnavailable),
    /// The key's files could not be written.
    #[error("the key is still the old one: {0}")]
    Key(#[from] KeyError),
}

/// Makes a new key sign the book that is kept in a home folder; the old ones go on verifying what they have signed.
/// Refuses while another process has the book open, and keeps others out meanwhile: a host that runs would not take the
/// new key up.
///
/// # Errors
/// [`RotateError`]; the old key signs on then.
pub async fn rotate(
    home: &Dir,
    audit: Dir,
    who: Option<ActorId>,
    clock: Arc<dyn Clock>,
    entropy: &dyn Entropy,
) -> Result<BookKey, RotateError> {
    let home = home.try_clone().map_err(AuditUnavailable::new)?;
    let old = BookKey::open(&home, entropy)?;
    let next = old.next(entropy)?;
    let kept = home.try_clone().map_err(AuditUnavailable::new)?;
    let place = Place { audit, home: Some(kept), key: old };
    let journal = FileJournal::alone(place, clock.clone(), Timing::default());
    let journal = journal.map_err(|error| match error.kind() {
        ErrorKind::ResourceBusy => RotateError::Busy,
        _ => RotateError::Book(AuditUnavailable::new(error)),
    })?;
    let entry = |outcome, reason| {
        let mut entry = Entry::outcome(clock.unix_us(), "audit.keys.rotate", reason, outcome);
        entry.actor_id.clone_from(&who);
        entry.note = Some(next.public().to_owned());
        entry
    };
    journal.append(entry(Outcome::Executed, Reason::Ok))?.durable().await?;
    reached(Step::KeyAnnounced);
    match next.put(&home) {
        Ok(key) => Ok(key),
        Err(error) => {
            // The book has announced a key that will never sign.
            let failed = entry(Outcome::Failed, Reason::AuditUnavailable);
            journal.append(failed)?.durable().await?;
            Err(error.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::file_tests::tests_dir;
    use super::*;
    use crate::audit::{Filter, Known, PUBLIC_FILE, read, verify};
    use crate::powers::{SystemClock, SystemEntropy};

    fn home() -> (tempfile::TempDir, Dir) {
        let (guard, home) = tests_dir();
        home.create_dir("audit").unwrap();
        (guard, home)
    }

    fn open(home: &Dir) -> FileJournal {
        let key = BookKey::open(home, &SystemEntropy).unwrap();
        let kept = Some(home.try_clone().unwrap());
        let place = Place { audit: home.open_dir("audit").unwrap(), home: kept, key };
        FileJournal::open(place, Arc::new(SystemClock), Timing::default()).unwrap()
    }

    async fn write(journal: FileJournal, action: &str) {
        let entry = Entry::outcome(1, action, Reason::Ok, Outcome::Executed);
        journal.append(entry).unwrap().durable().await.unwrap();
    }

    async fn turn(home: &Dir) -> Result<BookKey, RotateError> {
        let audit = home.open_dir("audit").unwrap();
        rotate(home, audit, None, Arc::new(SystemClock), &SystemEntropy).await
    }

    #[tokio::test]
    async fn the_old_key_announces_the_new_one_and_the_whole_log_verifies() {
        let (_guard, home) = home();
        write(open(&home), "before").await;
        let old = Known::parse(&home.read_to_string(PUBLIC_FILE).unwrap()).unwrap();
        let new = turn(&home).await.unwrap();
        let audit = home.open_dir("audit").unwrap();
        // Whoever has the old key alone verifies up to the announcement.
        assert_eq!(verify(&audit, &old, None, |_, _| {}).unwrap().entries, 2);
        write(open(&home), "after").await;
        assert!(verify(&audit, &old, None, |_, _| {}).is_err());
        let known = Known::parse(&home.read_to_string(PUBLIC_FILE).unwrap()).unwrap();
        assert_eq!(verify(&audit, &known, None, |_, _| {}).unwrap().entries, 3);
        let told: Vec<Entry> = read(&audit, Filter::default()).unwrap().map(Result::unwrap).collect();
        assert_eq!(told[1].note.as_deref(), Some(new.public().as_str()));
        assert_eq!(known.keys(), [old.keys(), &[new.public()]].concat());
    }

    #[tokio::test]
    async fn nothing_happens_while_another_has_the_book_open() {
        let (_guard, home) = home();
        let journal = open(&home);
        let before = home.read_to_string(PUBLIC_FILE).unwrap();
        assert!(turn(&home).await.unwrap_err().to_string().contains("another process"));
        assert_eq!(home.read_to_string(PUBLIC_FILE).unwrap(), before);
        write(journal, "on").await;
        turn(&home).await.unwrap();
    }

    #[tokio::test]
    async fn a_key_that_was_read_before_the_rotation_opens_no_journal_after_it() {
        let (_guard, home) = home();
        write(open(&home), "before").await;
        let old = BookKey::open(&home, &SystemEntropy).unwrap();
        turn(&home).await.unwrap();
        let kept = Some(home.try_clone().unwrap());
        let place = Place { audit: home.open_dir("audit").unwrap(), home: kept, key: old };
        let refused = FileJournal::open(place, Arc::new(SystemClock), Timing::default()).unwrap_err();
        assert!(refused.to_string().contains("changed"), "{refused}");
    }
}
