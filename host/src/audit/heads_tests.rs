//! A host that has the key and signs what is not so: `verify` names the entry.
//!
//! Takes: nothing. Gives: tests. May name: id, powers.

use super::file_tests::tests_dir;
use super::trees_tests::{Whole, all, encoded, of, open, tenant};
use super::*;
use crate::powers::SystemEntropy;
use cap_std::fs::Dir;
use proptest::prelude::*;
use tlog_tiles::record_hash;

/// Writes a log of these entries, signed as the host signs, whatever they say: batches of seven, in the journal.
fn sign(dir: &Dir, key: &BookKey, entries: &[Entry]) {
    let mut tail = tail::Tail::new(key.clone(), 0, Default::default(), Default::default());
    let mut bytes = Vec::new();
    for batch in entries.chunks(7) {
        for entry in batch {
            frame::put_entry(&mut bytes, &encoded(entry));
            tail.edge.push(record_hash(&encoded(entry))).unwrap();
        }
        frame::put_commit(&mut bytes, &tail.sign(&tail.edge).unwrap().note);
    }
    dir.create_dir_all("audit/journal").unwrap();
    dir.write(format!("audit/journal/{}", log_file::name(0)), &bytes).unwrap();
}

/// What a host that has the key can do to its entries before it signs them.
fn lie(entries: &mut Vec<Entry>, kind: u8, at: prop::sample::Index, with: prop::sample::Index) {
    let heads: Vec<usize> = (0..entries.len()).filter(|n| entries[*n].head.is_some()).collect();
    let head = heads[at.index(heads.len())];
    let (one, other) = (at.index(entries.len()), with.index(entries.len()));
    match kind {
        0 => {
            let told = entries[head].head.as_mut().unwrap();
            let mut root = *told.root.as_bytes();
            root[with.index(32)] ^= 1;
            told.root = crate::id::Digest::from_bytes(root);
        }
        1 => entries[head].head.as_mut().unwrap().size += 1,
        2 => entries[head].tenant_id = tenant(1 + with.index(4) as u8),
        3 => entries[head].tenant_id = None,
        4 => entries[head].head = None,
        5 => {
            let other = heads[with.index(heads.len())];
            (entries[head].head, entries[other].head) = (entries[other].head, entries[head].head);
        }
        6 => drop(entries.remove(one)),
        7 => entries.swap(one, other),
        8 => entries[one].time_us += 1000,
        9 => entries[one].tenant_id = tenant(1 + with.index(4) as u8),
        _ => {
            let told = entries[head].head;
            let not_a_head = (0..entries.len()).find(|n| entries[*n].head.is_none()).unwrap();
            entries[not_a_head].head = told;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_host_that_signs_a_wrong_head_is_found_out(
        tenants in proptest::collection::vec((0_u8..5, any::<bool>()), 8..60),
        kind in 0_u8..11, at: prop::sample::Index, with: prop::sample::Index,
    ) {
        let (_guard, dir) = tests_dir();
        let key = BookKey::open(&dir, &SystemEntropy).unwrap();
        let (mut whole, mut entries) = (Whole::default(), Vec::new());
        for (n, (owner, tells)) in tenants.iter().enumerate() {
            let entry = of(*owner, n as u64);
            whole.take(&entry);
            entries.push(entry);
            if let (Some(tenant), true) = (tenant(*owner), *tells || n > 6) {
                let head = whole.head(&tenant);
                entries.push(Entry::telling(n as u64, tenant, head));
            }
        }
        prop_assume!(entries.iter().any(|entry| entry.head.is_some()));
        lie(&mut entries, kind, at, with);
        (0..).zip(&mut entries).for_each(|(seq, entry)| entry.seq = seq);
        // A head of nobody's tree is none, which the trees from scratch do not know.
        let nobodys = |entry: &&Entry| entry.phase == Phase::Head && (entry.tenant_id.is_none() || entry.head.is_none());
        let known_lies = entries.iter().find(nobodys).map(|entry| entry.seq);
        let before = entries.get(..known_lies.map_or(entries.len(), |seq| seq as usize)).unwrap();
        let expected = Whole::first_lie(before).or(known_lies);

        sign(&dir, &key, &entries);
        let audit = dir.open_dir("audit").unwrap();
        let judge = || verify(&audit, key.known(), None, |_, _| {}).map_err(|bad| bad.seq());
        prop_assert_eq!(judge().err(), expected.map(Some), "in the journal");
        drop(open(&dir));
        prop_assert_eq!(judge().err(), expected.map(Some), "and published");
        if expected.is_none() {
            Whole::check(&all(&dir));
        }
    }
}
