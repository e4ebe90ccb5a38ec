//! Which intents were open where the published tree ends, so that a start does not read the whole book for them.
//!
//! Takes: the published part. Gives: the first entry of phase `intent` of each call that has no outcome. May name: id.
//!
//! The file can be lost: it is then made again from the entries.

use super::read::Published;
use super::shelf::Shelf;
use super::{Entry, Phase, cbor, frame};
use crate::id::CallId;
use std::collections::BTreeMap;
use std::io;

pub(super) const FILE: &str = "open";

/// The intents that were open at this size of the published tree.
pub(super) fn load(shelf: &Shelf, size: u64) -> io::Result<Open> {
    if size == 0 {
        return Ok(Open::default());
    }
    match shelf.read(FILE)?.and_then(|bytes| parse(&bytes, size)) {
        Some(open) => Ok(open),
        None => {
            tracing::info!("the list of open intents is missing; it is made again from the whole audit log");
            let mut open = Open::default();
            for entry in Published::new(shelf, size) {
                open.take(entry?);
            }
            Ok(open)
        }
    }
}

/// The first open intent of each call that has one.
#[derive(Debug, Default)]
pub(super) struct Open(BTreeMap<CallId, Entry>);

impl Open {
    /// All of them, oldest first.
    pub(super) fn into_entries(self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.0.into_values().collect();
        entries.sort_by_key(|entry| entry.seq);
        entries
    }

    pub(super) fn take(&mut self, mut entry: Entry) {
        match (entry.phase, entry.call_id) {
            (Phase::Intent, Some(call)) => {
                entry.imports.clear();
                // The first of a call stands for all of them.
                self.0.entry(call).or_insert(entry);
            }
            (Phase::Outcome | Phase::Recovery, Some(call)) => drop(self.0.remove(&call)),
            _ => {}
        }
    }

    /// Takes note that a call has ended, as [`Open::take`] does with the entry that says so.
    pub(super) fn end(&mut self, call: CallId) {
        self.0.remove(&call);
    }

    /// Keeps the list for a tree of this size; durable after [`Shelf::settle`].
    pub(super) fn put(&self, shelf: &mut Shelf, size: u64) -> io::Result<()> {
        shelf.put(FILE, &self.bytes(size)?)
    }

    /// The list's file for a tree of this size.
    pub(super) fn bytes(&self, size: u64) -> io::Result<Vec<u8>> {
        let mut bytes = size.to_be_bytes().to_vec();
        for entry in self.0.values() {
            let mut encoded = Vec::new();
            cbor::encode(entry, &mut encoded);
            bytes.extend_from_slice(&entry.seq.to_be_bytes());
            if !frame::put_entry(&mut bytes, &encoded) {
                return Err(io::Error::other("an intent is longer than any entry"));
            }
        }
        Ok(bytes)
    }
}

fn parse(bytes: &[u8], size: u64) -> Option<Open> {
    let (of, mut rest) = bytes.split_first_chunk::<8>()?;
    if u64::from_be_bytes(*of) != size {
        return None;
    }
    let mut open = Open::default();
    while !rest.is_empty() {
        let (seq, behind) = rest.split_first_chunk::<8>()?;
        let (frame::Frame::Entry(entry), length) = frame::next(behind)? else { return None };
        let mut entry = cbor::decode(entry).ok()?;
        entry.seq = u64::from_be_bytes(*seq);
        open.take(entry);
        rest = behind.get(length..)?;
    }
    Some(open)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::{Outcome, Reason};

    fn intent(seq: u64, call: u64) -> Entry {
        Entry { seq, ..Entry::intent(seq, "call t.f", CallId::new(call, [0; 10])) }
    }

    #[test]
    fn a_call_with_several_intents_is_open_once_and_closed_by_one_entry() {
        let mut open = Open::default();
        for entry in [intent(0, 7), intent(1, 8), intent(2, 7), intent(3, 7), intent(4, 9)] {
            open.take(entry);
        }
        let ended = Entry::outcome(9, "call t.f", Reason::Ok, Outcome::Executed);
        open.take(Entry { seq: 5, call_id: intent(1, 8).call_id, ..ended });
        let again = parse(&open.bytes(6).unwrap(), 6).unwrap();
        let left = again.into_entries();
        assert_eq!(left.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [0, 4]);
        let closings: Vec<_> = left.iter().map(|intent| Entry::closing(intent, 10)).collect();
        assert_eq!(closings[0].note.as_deref(), Some("its intents begin with entry 0"));
        closings.into_iter().for_each(|closing| open.take(closing));
        assert!(open.into_entries().is_empty());
    }
}
