//! Whose the entries were whose bodies were dropped, so that a tenant's own tree can still be followed through them.
//!
//! Takes: entries that are to be dropped. Gives: a file for each of their bundles, and whether the files are still the
//! ones that the log itself names. May name: id.
//!
//! A file has 256 owners in the order of the entries: the length of the tenant's id in one byte, and the id; the length
//! is 0 for an entry of nobody's, and for the head of a tenant's tree, which is no leaf of it. The files make a chain of
//! hashes from the first bundle on, and every order to drop bodies carries the chain's end: so the log's signature covers
//! them.

use super::shelf::{self, Shelf, WIDTH};
use super::verdict::Bad;
use super::{Entry, Phase, log_file};
use crate::id::{Digest, TenantId};
use std::io;

const FOLDER: &str = "owners";
/// The folder of the files with what lasts of dropped entries, each named by the number below which they are.
pub(super) const CARRIED: &str = "carried";

/// Where the chain begins.
pub(super) const BEGIN: Digest = Digest::from_bytes([0; 32]);

/// The file of a bundle.
pub(super) fn path(n: u64) -> String {
    let bundle = shelf::full_bundle(n);
    format!("{FOLDER}/{}", bundle.strip_prefix("tile/entries/").unwrap_or(&bundle))
}

/// Appends the owner of one more entry.
pub(super) fn put(to: &mut Vec<u8>, entry: &Entry) {
    let owner = entry.tenant_id.as_ref().filter(|_| entry.phase != Phase::Head).map_or("", TenantId::as_str);
    // An id has at most 63 bytes.
    to.push(u8::try_from(owner.len()).unwrap_or(0));
    to.extend_from_slice(owner.as_bytes());
}

/// The chain's next end.
pub(super) fn link(before: Digest, file: &[u8]) -> Digest {
    Digest::of(&[before.as_bytes().as_slice(), file].concat())
}

/// The owners of a bundle's entries; `None` when the bytes are not such a file.
pub(super) fn parse(mut bytes: &[u8]) -> Option<Vec<Option<TenantId>>> {
    let mut owners = Vec::new();
    while let Some((length, rest)) = bytes.split_first() {
        let (name, rest) = rest.split_at_checked(usize::from(*length))?;
        let name = std::str::from_utf8(name).ok()?;
        owners.push(if name.is_empty() { None } else { Some(TenantId::new(name).ok()?) });
        bytes = rest;
    }
    (u64::try_from(owners.len()) == Ok(WIDTH)).then_some(owners)
}

/// An order to drop bodies, as an entry of the log tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    /// Below which number.
    pub(super) below: u64,
    /// Where the chain of owners stands there.
    pub(super) owners: Digest,
    /// Digest of the file with what lasts of all the entries below.
    pub(super) carried: Digest,
}

impl Order {
    /// What the entry's note says of it.
    pub(super) fn note(&self) -> String {
        format!("owners {}, carried {}", self.owners, self.carried)
    }

    /// The order that an entry tells of, if it does.
    pub(super) fn of(entry: &Entry) -> Option<Self> {
        let below = entry.drops_below()?;
        let (owners, carried) = entry.note.as_deref()?.strip_prefix("owners ")?.split_once(", carried ")?;
        Some(Self { below, owners: Digest::parse(owners)?, carried: Digest::parse(carried)? })
    }
}

/// The file with what lasts of all entries below a number.
pub(super) fn carried(below: u64) -> String {
    format!("{CARRIED}/{}", log_file::name(below))
}

/// Whether the files are the ones that the orders in the log name. An order that has been given has its files, also when
/// its bodies are still there.
pub(super) fn check(shelf: &Shelf, orders: &[Order]) -> Result<(), Bad> {
    let Some(last) = orders.iter().max_by_key(|order| order.below) else { return Ok(()) };
    let mut end = BEGIN;
    for n in 0..last.below / WIDTH {
        let file = path(n);
        let bytes = read(shelf, &file)?;
        if parse(&bytes).is_none() {
            return Err(Bad::Kept { file });
        }
        end = link(end, &bytes);
        if orders.iter().any(|order| order.below == (n + 1) * WIDTH && order.owners != end) {
            let file = format!("{FOLDER}/… (of the entries below {})", (n + 1) * WIDTH);
            return Err(Bad::Kept { file });
        }
    }
    let file = carried(last.below);
    if Digest::of(&read(shelf, &file)?) == last.carried { Ok(()) } else { Err(Bad::Kept { file }) }
}

fn read(shelf: &Shelf, file: &str) -> Result<Vec<u8>, Bad> {
    let fault = |cause: io::Error| Bad::File { file: file.to_owned(), cause };
    shelf.read(file).map_err(fault)?.ok_or_else(|| Bad::Missing(file.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::{Outcome, Reason};

    #[test]
    fn owners_come_back_and_nothing_else_is_such_a_file() {
        let mut bytes = Vec::new();
        for n in 0..256 {
            let mut entry = Entry::outcome(n, "call a.b", Reason::Ok, Outcome::Executed);
            entry.tenant_id = (n % 3 > 0).then(|| TenantId::new(format!("t{n}")).unwrap());
            entry.phase = if n == 4 { Phase::Head } else { Phase::Outcome };
            put(&mut bytes, &entry);
        }
        let owners = parse(&bytes).unwrap();
        assert_eq!((owners[0].clone(), owners[4].clone()), (None, None));
        assert_eq!(owners[5].as_ref().unwrap().as_str(), "t5");
        assert!(parse(&bytes[..bytes.len() - 1]).is_none(), "cut off");
        assert!(parse(&[&bytes[..], &[0]].concat()).is_none(), "one too many");
        let upper = String::from_utf8(bytes.clone()).unwrap().replace("t5", "T5").into_bytes();
        assert!(parse(&upper).is_none(), "no tenant's name");
        assert_eq!((path(0), path(1_234_067)), ("owners/000".into(), "owners/x001/x234/067".into()));
    }

    #[test]
    fn an_order_reads_back_from_its_entry_and_only_the_hosts_own_is_one() {
        let order = Order { below: 512, owners: Digest::of(b"o"), carried: Digest::of(b"c") };
        let mut entry = Entry::drops(1, 512);
        assert_eq!(Order::of(&entry), None);
        entry.note = Some(order.note());
        assert_eq!(Order::of(&entry), Some(order));
        entry.tenant_id = Some(TenantId::new("acme").unwrap());
        assert_eq!(Order::of(&entry), None);
    }
}
