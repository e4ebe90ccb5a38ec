//! The audit log as a source of what happened: verified, read to its end, and closed to everybody else meanwhile.
//!
//! Takes: the home folder. Gives: [`Log`]. May name: audit, id, powers, reason, room.

use super::RebuildError;
use super::state::State;
use crate::audit::{
    self, AuditUnavailable, BookKey, Entry, FileJournal, Filter, Hold, Journal as _, Known, Place, SEEN,
    Timing, Verified,
};
use crate::id::ActorId;
use crate::powers::{Clock, Entropy, Home};
use crate::reason::{Outcome, Reason};
use crate::room::recover;
use cap_std::fs::Dir;
use std::io;
use std::sync::Arc;

/// Whether a home folder has an audit log.
pub(super) fn is_there(home: &Home) -> io::Result<bool> {
    match home.dir().open_dir("audit") {
        Ok(dir) => Ok(dir.exists("checkpoint") || dir.exists("journal")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The log, which nobody else has open until this is dropped.
pub(super) struct Log {
    journal: FileJournal,
    dir: Dir,
    known: Known,
    home: Dir,
    clock: Arc<dyn Clock>,
}

impl Log {
    /// Opens the log of a home folder that has one, or begins one, and ends what a crash has left open in it.
    pub(super) async fn alone(
        home: &Home,
        clock: Arc<dyn Clock>,
        entropy: &dyn Entropy,
    ) -> Result<Self, RebuildError> {
        home.dir().create_dir_all("audit")?;
        let dir = home.dir().open_dir("audit")?;
        let key = BookKey::open(home.dir(), entropy)?;
        let known = key.known().clone();
        let place = Place { audit: dir.try_clone()?, home: Some(home.dir().try_clone()?), key };
        let journal = FileJournal::alone(place, clock.clone(), Timing::default());
        let journal = journal.map_err(|error| match error.kind() {
            io::ErrorKind::ResourceBusy => RebuildError::Busy,
            _ => AuditUnavailable::new(error).into(),
        })?;
        recover(&journal, &*clock).await?;
        Ok(Self { journal, dir, known, home: home.dir().try_clone()?, clock })
    }

    /// Verifies the whole log and reads it. `each` hears every entry that has its body; `progress` how much is done, and of
    /// how much.
    pub(super) fn read(
        &self,
        mut progress: impl FnMut(u64, u64),
        mut each: impl FnMut(&Entry),
    ) -> Result<(State, Verified), RebuildError> {
        let hold = Hold::on(&self.dir)?;
        let seen = self.home.read(SEEN).ok().and_then(|bytes| self.known.verify(&bytes).ok());
        let verified =
            audit::verify(&self.dir, &self.known, seen.as_ref(), |done, of| progress(done, of * 2))?;
        let mut state = match verified.dropped_below {
            0 => State::default(),
            below => State::read(&audit::carried(&self.dir, below)?).map_err(io::Error::other)?,
        };
        let filter = Filter { from_seq: Some(verified.dropped_below), ..Filter::default() };
        for entry in audit::read(&self.dir, filter)? {
            let entry = entry?;
            state.take(&entry);
            each(&entry);
            if entry.seq % 1024 == 0 {
                progress(verified.entries + entry.seq, verified.entries * 2);
            }
        }
        drop(hold);
        Ok((state, verified))
    }

    /// Notes what is done with the ledger, durably.
    pub(super) async fn note(
        &self,
        action: &str,
        who: Option<ActorId>,
        note: String,
    ) -> Result<(), RebuildError> {
        let mut entry = Entry::outcome(self.clock.unix_us(), action, Reason::Ok, Outcome::Executed);
        (entry.actor_id, entry.note) = (who, Some(note));
        Ok(self.journal.append(entry)?.durable().await?)
    }
}
