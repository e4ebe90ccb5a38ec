//! A book in memory, for tests and for measuring without a disk.
//!
//! Takes: entries. Gives: the latest of them. May name: nothing.

use super::{AuditUnavailable, Entry, Journal, Pending};
use parking_lot::Mutex;
use std::collections::VecDeque;

/// A journal that keeps its latest entries in memory and is gone with the process.
#[derive(Debug)]
pub struct MemoryJournal {
    state: Mutex<State>,
    keep: usize,
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Entry>,
    next_seq: u64,
    down: Option<AuditUnavailable>,
}

impl MemoryJournal {
    /// Keeps every entry.
    #[must_use]
    pub fn new() -> Self {
        Self::keeping(usize::MAX)
    }

    /// Keeps the latest `keep` entries.
    #[must_use]
    pub fn keeping(keep: usize) -> Self {
        Self { state: Mutex::default(), keep }
    }

    /// The entries that are kept, oldest first.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.state.lock().entries.iter().cloned().collect()
    }

    /// Makes every append fail with this cause, or work again with `None`.
    pub fn break_with(&self, cause: Option<&str>) {
        self.state.lock().down = cause.map(AuditUnavailable::new);
    }
}

impl Default for MemoryJournal {
    fn default() -> Self {
        Self::new()
    }
}

impl Journal for MemoryJournal {
    fn append(&self, entry: Entry) -> Result<Pending, AuditUnavailable> {
        let mut state = self.state.lock();
        if let Some(down) = &state.down {
            return Err(down.clone());
        }
        let seq = state.next_seq;
        state.next_seq += 1;
        if state.entries.len() >= self.keep {
            state.entries.pop_front();
        }
        if self.keep > 0 {
            state.entries.push_back(Entry { seq, ..entry });
        }
        Ok(Pending::safe())
    }

    fn ready(&self) -> Result<(), AuditUnavailable> {
        self.state.lock().down.clone().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::{Outcome, Reason};

    #[tokio::test]
    async fn it_numbers_entries_keeps_the_latest_and_can_be_broken() {
        let journal = MemoryJournal::keeping(2);
        for n in 0..3 {
            let entry = Entry::outcome(n, "call a.b", Reason::Ok, Outcome::Executed);
            journal.append(entry).unwrap().durable().await.unwrap();
        }
        assert_eq!(
            journal.entries().iter().map(|e| (e.seq, e.time_us)).collect::<Vec<_>>(),
            [(1, 1), (2, 2)]
        );
        journal.break_with(Some("test"));
        assert_eq!(journal.ready().unwrap_err().reason(), Reason::AuditUnavailable);
        assert!(journal.append(Entry::outcome(3, "x", Reason::Ok, Outcome::Executed)).is_err());
        journal.break_with(None);
        journal.ready().unwrap();
    }
}
