//! The journal's bytes: entries one after the other, and after each batch the signed head of the tree that it makes.
//!
//! Takes: bytes. Gives: [`Frame`]s, and bytes from them. May name: nothing.
//!
//! An entry stands as in C2SP's entry bundles: its length in two bytes, big-endian, then the entry. No entry has length
//! 0, so two zero bytes begin what is no entry: the length of a signed note and the note, or, in its place, the word that
//! the journal goes on in another file. Zeros alone, as a crash can leave them, are nothing.

/// Stands in the place of a note where a file of the journal ends.
const MOVED: &[u8] = b"moved\n";
/// The longest note that is taken for one.
pub(super) const LONGEST_NOTE: usize = 4096;

/// One piece of a journal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// An entry.
    Entry(&'a [u8]),
    /// A signed head: all entries up to here are in the book.
    Commit(&'a [u8]),
    /// The journal goes on in the next file.
    Moved,
}

/// The piece that the bytes begin with, and its length with everything around it; `None` when it is not whole.
pub(super) fn next(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let (length, rest) = length(bytes)?;
    if length > 0 {
        return Some((Frame::Entry(rest.get(..length)?), 2 + length));
    }
    let (length, rest) = self::length(rest)?;
    match rest.get(..length)? {
        [] => None,
        MOVED => Some((Frame::Moved, 4 + length)),
        note => Some((Frame::Commit(note), 4 + length)),
    }
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    Some((usize::from(u16::from_be_bytes(*length)), rest))
}

/// Appends an entry of 1 to 65,535 bytes. `false` when it is not of that length; nothing was appended then.
pub(super) fn put_entry(to: &mut Vec<u8>, entry: &[u8]) -> bool {
    put(to, entry)
}

/// Appends a signed head. `false` as for an entry.
pub(super) fn put_commit(to: &mut Vec<u8>, note: &[u8]) -> bool {
    to.extend_from_slice(&[0, 0]);
    put(to, note)
}

/// The word that the journal goes on elsewhere.
pub(super) fn moved() -> Vec<u8> {
    let mut word = Vec::new();
    put_commit(&mut word, MOVED);
    word
}

fn put(to: &mut Vec<u8>, bytes: &[u8]) -> bool {
    let Some(length) = u16::try_from(bytes.len()).ok().filter(|n| *n > 0) else { return false };
    to.extend_from_slice(&length.to_be_bytes());
    to.extend_from_slice(bytes);
    true
}

/// The entries of a bundle; `None` when the bytes are no whole entries.
pub(super) fn bundle(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let (Frame::Entry(entry), length) = next(bytes)? else { return None };
        entries.push(entry);
        bytes = bytes.get(length..)?;
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_put_comes_back_and_a_cut_is_seen(
            entries in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..300), 1..5),
            note in "[a-z\n]{1,200}", cut: prop::sample::Index,
        ) {
            let mut bytes = Vec::new();
            for entry in &entries {
                prop_assert!(put_entry(&mut bytes, entry));
            }
            prop_assert_eq!(bundle(&bytes).unwrap(), entries.iter().map(Vec::as_slice).collect::<Vec<_>>());
            put_commit(&mut bytes, note.as_bytes());
            bytes.extend(moved());
            let read = |bytes: &[u8]| {
                let (mut at, mut frames) = (0, 0);
                while let Some((_, length)) = next(&bytes[at..]) {
                    at += length;
                    frames += 1;
                }
                (at, frames)
            };
            prop_assert_eq!(read(&bytes), (bytes.len(), entries.len() + 2));
            prop_assert!(read(&bytes[..cut.index(bytes.len())]).1 < entries.len() + 2);
        }
    }

    #[test]
    fn lengths_that_do_not_fit_are_not_written() {
        let mut bytes = Vec::new();
        assert!(!put_entry(&mut bytes, &[]));
        assert!(!put_entry(&mut bytes, &vec![0; 65_536]));
        assert!(bytes.is_empty());
        assert!(put_entry(&mut bytes, &vec![1; 65_535]));
    }
}
