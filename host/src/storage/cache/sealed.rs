//! An entry as it is kept: its times in the clear, its value sealed, both bound to the place where it lies.
//!
//! Takes: a value and the tenant's secret. Gives: bytes, and the value again. May name: powers.

use super::secret::{Row, Secret};
use crate::powers::Entropy;
use ring::aead::{Aad, NONCE_LEN, Nonce};
use std::io;

const HEAD: usize = 24;
const TAG: usize = 16;
/// Bytes that are kept for an entry beside its value.
const BESIDE: usize = HEAD + NONCE_LEN + TAG;
/// How far the clock may be set back before entries from what is now the future count as expired.
const SET_BACK_MS: u64 = 60_000;

/// When an entry was set, until when it lives, and its place in the order of the tenant's entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) set_ms: u64,
    pub(super) expires_ms: u64,
    pub(super) order: u64,
}

impl Head {
    /// Whether the entry may still be given out.
    pub(super) fn lives(&self, now_ms: u64) -> bool {
        now_ms < self.expires_ms && self.set_ms <= now_ms.saturating_add(SET_BACK_MS)
    }

    fn bytes(&self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        let numbers = [self.set_ms, self.expires_ms, self.order].map(u64::to_be_bytes);
        bytes.iter_mut().zip(numbers.as_flattened()).for_each(|(to, from)| *to = *from);
        bytes
    }

    /// Reads the times of a kept entry; `None` when it is no entry.
    pub(super) fn of(kept: &[u8]) -> Option<Self> {
        let (numbers, _) = kept.as_chunks::<8>();
        let [set, expires, order, ..] = numbers else { return None };
        let [set_ms, expires_ms, order] = [set, expires, order].map(|bytes| u64::from_be_bytes(*bytes));
        Some(Self { set_ms, expires_ms, order })
    }
}

/// Bytes of the value in a kept entry of this length.
pub(super) fn value_len(kept: usize) -> usize {
    kept.saturating_sub(BESIDE)
}

/// Seals a value for its place.
pub(super) fn seal(
    secret: &Secret,
    entropy: &dyn Entropy,
    row: &Row,
    head: &Head,
    value: &[u8],
) -> io::Result<Vec<u8>> {
    // Random, and not counted: a count could begin again after entries were lost, and a nonce must not.
    let mut nonce = [0; NONCE_LEN];
    entropy.fill(&mut nonce)?;
    let mut sealed = value.to_vec();
    secret
        .seal
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound(row, head), &mut sealed)
        .map_err(|_| io::Error::other("the value cannot be sealed"))?;
    Ok([head.bytes().as_slice(), &nonce, &sealed].concat())
}

/// The value of a kept entry; `None` when it is damaged or belongs to another place.
pub(super) fn open(secret: &Secret, row: &Row, kept: &[u8]) -> Option<(Head, Vec<u8>)> {
    let head = Head::of(kept)?;
    let (_, rest) = kept.split_at_checked(HEAD)?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
    let mut value = sealed.to_vec();
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let len = secret.seal.open_in_place(nonce, bound(row, &head), &mut value).ok()?.len();
    value.truncate(len);
    Some((head, value))
}

fn bound(row: &Row, head: &Head) -> Aad<Vec<u8>> {
    Aad::from([row.as_slice(), &head.bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::powers::SystemEntropy;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_value_opens_in_its_place_and_unchanged_only(
            value in vec(any::<u8>(), 0..200),
            (set_ms, expires_ms, order) in any::<(u64, u64, u64)>(),
            at in any::<proptest::sample::Index>(),
            bit in 0..8_u32,
        ) {
            let secret = Secret::new(&[7; 48]).unwrap();
            let (row, head) = ([1; 48], Head { set_ms, expires_ms, order });
            let kept = seal(&secret, &SystemEntropy, &row, &head, &value).unwrap();
            prop_assert_eq!(value_len(kept.len()), value.len());
            prop_assert_eq!(open(&secret, &row, &kept), Some((head, value.clone())));
            prop_assert!(open(&secret, &[2; 48], &kept).is_none());
            prop_assert!(open(&Secret::new(&[8; 48]).unwrap(), &row, &kept).is_none());
            let mut flipped = kept.clone();
            flipped[at.index(kept.len())] ^= 1 << bit;
            prop_assert!(open(&secret, &row, &flipped).is_none());
            prop_assert!(open(&secret, &row, &kept[..at.index(kept.len())]).is_none());
        }
    }

    #[test]
    fn an_entry_lives_until_its_time_and_not_in_its_past() {
        let head = Head { set_ms: 1_000_000, expires_ms: 1_005_000, order: 1 };
        for (now, lives) in
            [(1_000_000, true), (1_004_999, true), (1_005_000, false), (999_000, true), (939_999, false)]
        {
            assert_eq!(head.lives(now), lives, "{now}");
        }
    }
}
