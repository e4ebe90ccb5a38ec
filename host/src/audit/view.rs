//! An entry as it stands in its bytes: whether they are its one encoding, and what verifying needs of it, without making it.
//!
//! Takes: bytes. Gives: [`View`], which borrows from them. May name: id, reason.
//!
//! Making an entry costs many allocations, and encoding it again to compare costs as much once more. Whether bytes are an
//! encoding can be seen from them alone: known keys in ascending order, integers as short as they can be, nothing that is
//! left out in an encoding. A property test holds this reader to the other one.

use super::{Entry, Head, Phase, cbor};
use crate::id::{ActorId, CallId, Digest, TenantId};
use crate::reason::{Outcome, Reason};

/// An entry that was looked at and not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct View<'a> {
    bytes: &'a [u8],
    /// Which part of a call it tells.
    pub(super) phase: Phase,
    /// The tenant, in the form of a [`TenantId`].
    pub(super) tenant_id: Option<&'a str>,
    /// What was done.
    pub(super) action: &'a str,
    /// The call.
    pub(super) call_id: Option<CallId>,
    /// In an entry of phase `head`, the head.
    pub(super) head: Option<Head>,
}

/// The entry in these bytes, if all of them are its one encoding.
pub(super) fn view(bytes: &[u8]) -> Option<View<'_>> {
    let mut reader = Reader(bytes);
    let fields = reader.header(MAP)?;
    let mut view =
        View { bytes, phase: Phase::Outcome, tenant_id: None, action: "", call_id: None, head: None };
    let mut keys = Keys::default();
    for _ in 0..fields {
        match keys.next(&mut reader)? {
            0 => (reader.number()? == cbor::VERSION).then_some(())?,
            1 => drop(reader.number()?),
            2 => view.phase = cbor::phase(reader.byte()?).ok()?,
            3 => view.tenant_id = reader.name(TenantId::is)?,
            4 => drop(reader.name(ActorId::is)?),
            5 => view.action = reader.text()?,
            6 => is_reason(reader.text()?).then_some(())?,
            7 => is_outcome(reader.text()?).then_some(())?,
            8 => view.call_id = Some(CallId::from_bytes(reader.fixed()?)),
            9 => drop(reader.fixed::<16>()?),
            10..=13 => drop(reader.fixed::<32>()?),
            14 => reader.list(import)?,
            15..=18 => reader.count()?,
            19 => drop(reader.text()?),
            20 => reader.list(|reader| reader.text().map(drop))?,
            21 => view.head = Some(head(&mut reader)?),
            22 => drop(reader.number()?),
            23..=25 => reader.count()?,
            _ => return None,
        }
    }
    (keys.have(0b1111_1111) && reader.0.is_empty()).then_some(view)
}

impl View<'_> {
    /// The whole entry. Its place is the caller's to set.
    pub(super) fn entry(&self) -> Option<Entry> {
        cbor::decode(self.bytes).ok()
    }
}

fn import(reader: &mut Reader<'_>) -> Option<()> {
    let fields = reader.header(MAP)?;
    let mut keys = Keys::default();
    for _ in 0..fields {
        match keys.next(reader)? {
            0 | 1 | 3 | 10 | 11 => drop(reader.text()?),
            2 => (reader.byte()? <= 1).then_some(())?,
            4 => drop(reader.number()?),
            5..=9 => reader.count()?,
            _ => return None,
        }
    }
    keys.have(0b1_0111).then_some(())
}

fn head(reader: &mut Reader<'_>) -> Option<Head> {
    (reader.header(ARRAY)? == 2).then_some(())?;
    Some(Head { size: reader.number()?, root: Digest::from_bytes(reader.fixed()?) })
}

fn is_reason(code: &str) -> bool {
    code == Reason::Ok.code() || Reason::ALL.iter().any(|reason| reason.code() == code)
}

fn is_outcome(word: &str) -> bool {
    Outcome::ALL.iter().any(|outcome| outcome.as_str() == word)
}

/// CBOR's major types, as they stand in the first byte.
const NUMBER: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const NULL: u8 = 0xf6;

/// Keys of a map, each greater than the one before.
#[derive(Default)]
struct Keys(u32);

impl Keys {
    fn next(&mut self, reader: &mut Reader<'_>) -> Option<u8> {
        let key = u8::try_from(reader.number()?).ok()?;
        let bit = 1_u32.checked_shl(u32::from(key)).filter(|bit| self.0 < *bit)?;
        self.0 |= bit;
        Some(key)
    }

    fn have(&self, required: u32) -> bool {
        self.0 & required == required
    }
}

/// The bytes that are left.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        (usize::try_from(self.header(BYTES)?).ok()? == N).then_some(())?;
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    /// The number that follows a type: a value or a length, as short as it can be.
    fn header(&mut self, major: u8) -> Option<u64> {
        let first = self.byte()?;
        (first >> 5 == major).then_some(())?;
        let (n, least) = match first & 0x1f {
            n @ 0..=23 => return Some(u64::from(n)),
            24 => (u64::from(self.byte()?), 24),
            25 => (u64::from(u16::from_be_bytes(self.raw()?)), 1 << 8),
            26 => (u64::from(u32::from_be_bytes(self.raw()?)), 1 << 16),
            27 => (u64::from_be_bytes(self.raw()?), 1 << 32),
            _ => return None,
        };
        (n >= least).then_some(n)
    }

    fn raw<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn number(&mut self) -> Option<u64> {
        self.header(NUMBER)
    }

    /// A number that would be left out if it were 0.
    fn count(&mut self) -> Option<()> {
        (self.number()? > 0).then_some(())
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.header(TEXT)?;
        std::str::from_utf8(self.take(usize::try_from(length).ok()?)?).ok()
    }

    /// A name of a form, or null.
    fn name(&mut self, is: fn(&str) -> bool) -> Option<Option<&'a str>> {
        if self.0.first() == Some(&NULL) {
            return self.byte().map(|_| None);
        }
        self.text().filter(|text| is(text)).map(Some)
    }

    /// A list that would be left out if it were empty.
    fn list(&mut self, one: fn(&mut Self) -> Option<()>) -> Option<()> {
        let length = self.header(ARRAY)?;
        for _ in 0..length {
            one(self)?;
        }
        (length > 0).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::entries;
    use super::*;
    use proptest::prelude::*;

    fn encoded(entry: &Entry) -> Vec<u8> {
        let mut bytes = Vec::new();
        cbor::encode(entry, &mut bytes);
        bytes
    }

    /// The two readers agree, and what was seen is what the entry has.
    fn agree(bytes: &[u8]) {
        let made = cbor::canonical(bytes);
        let seen = view(bytes);
        assert_eq!(seen.is_some(), made.is_some(), "{}", hex::encode(bytes));
        let (Some(seen), Some(made)) = (seen, made) else { return };
        let tenant = made.tenant_id.as_ref().map(TenantId::as_str);
        assert_eq!((seen.phase, seen.tenant_id, seen.action), (made.phase, tenant, made.action.as_str()));
        assert_eq!((seen.call_id, seen.head), (made.call_id, made.head));
        assert_eq!(seen.entry(), Some(made));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn it_takes_what_is_an_entrys_one_encoding(entry in entries()) {
            let bytes = encoded(&entry);
            prop_assert!(view(&bytes).is_some());
            agree(&bytes);
        }

        #[test]
        fn it_refuses_what_the_other_reader_refuses(
            entry in entries(), at: prop::sample::Index, to in any::<u8>(), cut in 0_usize..4, more in 0_usize..4,
        ) {
            let mut bytes = encoded(&entry);
            let at = at.index(bytes.len());
            bytes[at] = to;
            agree(&bytes);
            // Also with bytes missing or added there, so that longer and shorter spellings come up.
            bytes.drain(at..(at + cut).min(bytes.len()));
            let zeros = vec![0; more];
            bytes.splice(at.min(bytes.len())..at.min(bytes.len()), zeros);
            agree(&bytes);
        }

        #[test]
        fn it_agrees_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            agree(&bytes);
        }
    }

    /// Every byte of one entry in every other value, and every integer in its longer spellings.
    #[test]
    fn no_byte_of_an_entry_may_be_another_spelling() {
        let mut entry = Entry::outcome(70_000, "call orders.get", Reason::Ok, Outcome::Executed);
        entry.tenant_id = Some(TenantId::new("acme").unwrap());
        entry.call_id = Some(CallId::from_bytes([7; 16]));
        entry.policies = vec!["p".into()];
        (entry.fuel, entry.bytes_in, entry.duration_us) = (23, 24, 256);
        entry.head = Some(Head { size: 1 << 33, root: Digest::of(b"") });
        let bytes = encoded(&entry);
        for at in 0..bytes.len() {
            for to in 0..=u8::MAX {
                let mut other = bytes.clone();
                other[at] = to;
                agree(&other);
            }
            let major = bytes[at] & 0xe0;
            for longer in [vec![major | 24], vec![major | 25, 0], vec![major | 26, 0, 0, 0]] {
                let mut other = bytes.clone();
                other.splice(at..=at, longer.into_iter().chain([bytes[at] & 0x1f]));
                agree(&other);
            }
        }
    }
}
