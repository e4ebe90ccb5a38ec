//! An entry as the bytes that the tree is built over: canonical CBOR (RFC 8949, section 4.2.1).
//!
//! Takes: entries. Gives: their one encoding, and entries from it. May name: id, reason.
//!
//! `docs/audit.cddl` describes it field by field. Keys are small integers in ascending order, lengths are definite and
//! integers as short as they can be, so that an entry has exactly one encoding: what decodes to an entry whose encoding
//! differs is no entry. The place in the book is not part of it: the tree gives the place.

use super::{Decision, Entry, Head, ImportRecord, Phase, SCHEMA};
use crate::id::{ActorId, CallId, Digest, TenantId};
use crate::reason::{Outcome, Reason};
use minicbor::data::Type;
use minicbor::decode::{Decoder, Error as Bad};
use minicbor::encode::{Encoder, Error};
use std::borrow::Cow;
use std::convert::Infallible;

pub(super) use super::view::{View, view};

/// The longest encoding, as C2SP's entry bundles limit it.
pub(super) const LONGEST: usize = 65_535;

/// The version of the encoding, which every entry carries first.
pub(super) const VERSION: u64 = 1;

type Written = Result<(), Error<Infallible>>;
type Into<'a> = Encoder<&'a mut Vec<u8>>;

/// Appends the entry's encoding.
pub(super) fn encode(entry: &Entry, to: &mut Vec<u8>) {
    // Writing to memory cannot fail, and every value has an encoding.
    let written: Written = write(entry, &mut Encoder::new(to));
    debug_assert!(written.is_ok());
}

fn write(entry: &Entry, e: &mut Into<'_>) -> Written {
    let optional = [
        entry.call_id.is_some(),
        entry.replayed_call_id.is_some(),
        entry.component.is_some(),
        entry.policy.is_some(),
        entry.arguments.is_some(),
        entry.idempotency_key.is_some(),
        !entry.imports.is_empty(),
        entry.fuel > 0,
        entry.bytes_in > 0,
        entry.bytes_out > 0,
        entry.duration_us > 0,
        entry.note.is_some(),
        !entry.policies.is_empty(),
        entry.head.is_some(),
        entry.charged.is_some(),
        entry.egress > 0,
        entry.spend > 0,
        entry.stored > 0,
    ];
    e.map(8 + count(&optional))?;
    e.u8(0)?.u64(VERSION)?;
    e.u8(1)?.u64(entry.time_us)?;
    e.u8(2)?.u8(phase_number(entry.phase))?;
    name(e, 3, entry.tenant_id.as_ref().map(TenantId::as_str))?;
    name(e, 4, entry.actor_id.as_ref().map(ActorId::as_str))?;
    e.u8(5)?.str(&entry.action)?;
    e.u8(6)?.str(entry.reason_code.code())?;
    e.u8(7)?.str(entry.outcome.as_str())?;
    bytes(e, 8, entry.call_id.as_ref().map(|id| id.as_bytes().as_slice()))?;
    bytes(e, 9, entry.replayed_call_id.as_ref().map(|id| id.as_bytes().as_slice()))?;
    bytes(e, 10, entry.component.as_ref().map(|d| d.as_bytes().as_slice()))?;
    bytes(e, 11, entry.policy.as_ref().map(|d| d.as_bytes().as_slice()))?;
    bytes(e, 12, entry.arguments.as_ref().map(|d| d.as_bytes().as_slice()))?;
    bytes(e, 13, entry.idempotency_key.as_ref().map(|d| d.as_bytes().as_slice()))?;
    if !entry.imports.is_empty() {
        e.u8(14)?.array(size(entry.imports.len()))?;
        for record in &entry.imports {
            import(e, record)?;
        }
    }
    number(e, 15, entry.fuel)?;
    number(e, 16, entry.bytes_in)?;
    number(e, 17, entry.bytes_out)?;
    number(e, 18, entry.duration_us)?;
    if let Some(note) = &entry.note {
        e.u8(19)?.str(note)?;
    }
    if !entry.policies.is_empty() {
        e.u8(20)?.array(size(entry.policies.len()))?;
        for policy in &entry.policies {
            e.str(policy)?;
        }
    }
    if let Some(head) = &entry.head {
        e.u8(21)?.array(2)?.u64(head.size)?.bytes(head.root.as_bytes())?;
    }
    if let Some(charged) = entry.charged {
        e.u8(22)?.u64(charged)?;
    }
    number(e, 23, entry.egress)?;
    number(e, 24, entry.spend)?;
    number(e, 25, entry.stored)
}

fn import(e: &mut Into<'_>, record: &ImportRecord) -> Written {
    let numbers =
        [record.bytes_in, record.bytes_out, record.fuel, record.first_us, record.last_us].map(|n| n > 0);
    let texts = [record.target.is_some(), record.method.is_some(), record.why.is_some()];
    e.map(4 + count(&numbers) + count(&texts))?;
    e.u8(0)?.str(&record.import)?;
    e.u8(1)?.str(&record.class)?;
    e.u8(2)?.u8(match record.decision {
        Decision::Allow => 0,
        Decision::Deny => 1,
    })?;
    if let Some(target) = &record.target {
        e.u8(3)?.str(target)?;
    }
    e.u8(4)?.u64(record.count)?;
    number(e, 5, record.bytes_in)?;
    number(e, 6, record.bytes_out)?;
    number(e, 7, record.fuel)?;
    number(e, 8, record.first_us)?;
    number(e, 9, record.last_us)?;
    if let Some(method) = &record.method {
        e.u8(10)?.str(method)?;
    }
    if let Some(why) = &record.why {
        e.u8(11)?.str(why)?;
    }
    Ok(())
}

fn name(e: &mut Into<'_>, key: u8, name: Option<&str>) -> Written {
    match name {
        Some(name) => e.u8(key)?.str(name)?.ok(),
        None => e.u8(key)?.null()?.ok(),
    }
}

fn bytes(e: &mut Into<'_>, key: u8, bytes: Option<&[u8]>) -> Written {
    match bytes {
        Some(bytes) => e.u8(key)?.bytes(bytes)?.ok(),
        None => Ok(()),
    }
}

fn number(e: &mut Into<'_>, key: u8, n: u64) -> Written {
    if n > 0 { e.u8(key)?.u64(n)?.ok() } else { Ok(()) }
}

fn count(present: &[bool]) -> u64 {
    size(present.iter().filter(|p| **p).count())
}

fn size(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn phase_number(phase: Phase) -> u8 {
    match phase {
        Phase::Intent => 0,
        Phase::Import => 1,
        Phase::Outcome => 2,
        Phase::Recovery => 3,
        Phase::Head => 4,
    }
}

/// Reads one entry, which must be all of the bytes. Its place is the caller's to set.
pub(super) fn decode(bytes: &[u8]) -> Result<Entry, Bad> {
    let mut d = Decoder::new(bytes);
    let entry = read(&mut d)?;
    if d.position() == bytes.len() { Ok(entry) } else { Err(Bad::message("bytes after the entry")) }
}

/// The entry, if the bytes are its one encoding.
pub(super) fn canonical(bytes: &[u8]) -> Option<Entry> {
    let entry = decode(bytes).ok()?;
    let mut again = Vec::with_capacity(bytes.len());
    encode(&entry, &mut again);
    (again == bytes).then_some(entry)
}

fn read(d: &mut Decoder<'_>) -> Result<Entry, Bad> {
    let mut entry = Entry::outcome(0, String::new(), Reason::Ok, Outcome::Unknown);
    let mut seen = 0_u32;
    let fields = d.map()?.ok_or_else(|| Bad::message("a map of indefinite length"))?;
    for _ in 0..fields {
        let key = d.u8()?;
        let bit = 1_u32.checked_shl(u32::from(key)).unwrap_or(0);
        // Ascending keys, each once.
        if bit == 0 || seen >= bit {
            return Err(Bad::message("the keys are not in order"));
        }
        seen |= bit;
        match key {
            0 => match d.u64()? {
                VERSION => {}
                other => return Err(Bad::message(format!("{SCHEMA} has version {VERSION}, not {other}"))),
            },
            1 => entry.time_us = d.u64()?,
            2 => entry.phase = phase(d.u8()?)?,
            3 => entry.tenant_id = or_null(d)?.map(TenantId::new).transpose().map_err(no_name)?,
            4 => entry.actor_id = or_null(d)?.map(ActorId::new).transpose().map_err(no_name)?,
            5 => d.str()?.clone_into(&mut entry.action),
            6 => entry.reason_code = reason(d.str()?)?,
            7 => entry.outcome = outcome(d.str()?)?,
            8 => entry.call_id = Some(call(d.bytes()?)?),
            9 => entry.replayed_call_id = Some(call(d.bytes()?)?),
            10 => entry.component = Some(digest(d.bytes()?)?),
            11 => entry.policy = Some(digest(d.bytes()?)?),
            12 => entry.arguments = Some(digest(d.bytes()?)?),
            13 => entry.idempotency_key = Some(digest(d.bytes()?)?),
            14 => entry.imports = list(d, record)?,
            15 => entry.fuel = d.u64()?,
            16 => entry.bytes_in = d.u64()?,
            17 => entry.bytes_out = d.u64()?,
            18 => entry.duration_us = d.u64()?,
            19 => entry.note = Some(d.str()?.to_owned()),
            20 => entry.policies = list(d, |d| Ok(d.str()?.to_owned()))?,
            21 => entry.head = Some(head(d)?),
            22 => entry.charged = Some(d.u64()?),
            23 => entry.egress = d.u64()?,
            24 => entry.spend = d.u64()?,
            25 => entry.stored = d.u64()?,
            _ => return Err(Bad::message(format!("{SCHEMA} has no field {key}"))),
        }
    }
    if seen & 0xff == 0xff { Ok(entry) } else { Err(Bad::message("a required field is missing")) }
}

fn record(d: &mut Decoder<'_>) -> Result<ImportRecord, Bad> {
    let mut record = ImportRecord { count: 0, ..ImportRecord::new("", "", Decision::Allow) };
    let fields = d.map()?.ok_or_else(|| Bad::message("a map of indefinite length"))?;
    for _ in 0..fields {
        match d.u8()? {
            0 => record.import = Cow::Owned(d.str()?.to_owned()),
            1 => record.class = Cow::Owned(d.str()?.to_owned()),
            2 => {
                record.decision = match d.u8()? {
                    0 => Decision::Allow,
                    1 => Decision::Deny,
                    _ => return Err(Bad::message("no such decision")),
                }
            }
            3 => record.target = Some(Cow::Owned(d.str()?.to_owned())),
            4 => record.count = d.u64()?,
            5 => record.bytes_in = d.u64()?,
            6 => record.bytes_out = d.u64()?,
            7 => record.fuel = d.u64()?,
            8 => record.first_us = d.u64()?,
            9 => record.last_us = d.u64()?,
            10 => record.method = Some(Cow::Owned(d.str()?.to_owned())),
            11 => record.why = Some(Cow::Owned(d.str()?.to_owned())),
            key => return Err(Bad::message(format!("an import record has no field {key}"))),
        }
    }
    Ok(record)
}

fn head(d: &mut Decoder<'_>) -> Result<Head, Bad> {
    if d.array()? != Some(2) {
        return Err(Bad::message("a tree head is a size and a root"));
    }
    Ok(Head { size: d.u64()?, root: digest(d.bytes()?)? })
}

fn list<T>(d: &mut Decoder<'_>, one: impl Fn(&mut Decoder<'_>) -> Result<T, Bad>) -> Result<Vec<T>, Bad> {
    let n = d.array()?.ok_or_else(|| Bad::message("a list of indefinite length"))?;
    (0..n).map(|_| one(d)).collect()
}

fn or_null<'b>(d: &mut Decoder<'b>) -> Result<Option<&'b str>, Bad> {
    if d.datatype()? == Type::Null {
        d.null()?;
        return Ok(None);
    }
    d.str().map(Some)
}

fn no_name(error: crate::id::InvalidId) -> Bad {
    Bad::message(error)
}

pub(super) fn phase(n: u8) -> Result<Phase, Bad> {
    let all = [Phase::Intent, Phase::Import, Phase::Outcome, Phase::Recovery, Phase::Head];
    all.into_iter().find(|p| phase_number(*p) == n).ok_or_else(|| Bad::message("no such phase"))
}

fn reason(code: &str) -> Result<Reason, Bad> {
    let found = Reason::ALL.iter().copied().find(|reason| reason.code() == code);
    found.ok_or_else(|| Bad::message("no such reason code"))
}

fn outcome(word: &str) -> Result<Outcome, Bad> {
    let found = Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == word);
    found.ok_or_else(|| Bad::message("no such outcome"))
}

fn call(bytes: &[u8]) -> Result<CallId, Bad> {
    bytes.try_into().map(CallId::from_bytes).map_err(|_| Bad::message("a call's id has 16 bytes"))
}

fn digest(bytes: &[u8]) -> Result<Digest, Bad> {
    bytes.try_into().map(Digest::from_bytes).map_err(|_| Bad::message("a digest has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::super::samples::entries;
    use super::*;
    use proptest::prelude::*;

    fn encoded(entry: &Entry) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(entry, &mut bytes);
        bytes
    }

    proptest! {
        #[test]
        fn an_entry_comes_back_from_its_one_encoding(entry in entries()) {
            let bytes = encoded(&entry);
            prop_assert_eq!(&decode(&bytes).unwrap(), &entry);
            prop_assert!(canonical(&bytes).is_some());
        }

        /// A flipped byte gives another entry or none, never the same in another spelling.
        #[test]
        fn no_other_bytes_are_the_same_entry(entry in entries(), at: prop::sample::Index, flip in 1_u8..) {
            let mut bytes = encoded(&entry);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(canonical(&bytes).is_none_or(|other| other != entry));
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = canonical(&bytes);
        }
    }

    #[test]
    fn a_plain_entry_is_small() {
        let mut entry =
            Entry::outcome(1_700_000_000_000_000, "call orders.list", Reason::Ok, Outcome::Executed);
        entry.tenant_id = Some(TenantId::new("acme").unwrap());
        entry.actor_id = Some(ActorId::new("agent-7").unwrap());
        entry.call_id = Some(CallId::new(1, [7; 10]));
        let digest = Some(Digest::of(b""));
        (entry.component, entry.policy, entry.arguments) = (digest, digest, digest);
        assert!(encoded(&entry).len() < 250, "{}", encoded(&entry).len());
    }
}
