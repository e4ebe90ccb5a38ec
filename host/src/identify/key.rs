//! API keys: `sr_live_<id>_<secret>`, found by their id, checked by HMAC in constant time, shown once.
//!
//! Takes: the host's key, text from a request. Gives: `KeyMaker`, [`ApiKey`]. May name: id, powers.
//!
//! The secret has 256 random bits, so a slow password hash would add nothing but a lever to wear the host down.

use crate::id::{IdempotencyKey, KeyId};
use crate::powers::Entropy;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::{fmt, io};
use subtle::ConstantTimeEq as _;

/// How the keys of each kind begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A tenant's: `sr_live_`.
    Tenant,
    /// Of those who administrate the host: `sr_admin_`.
    Admin,
}

impl Kind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Tenant => "sr_live_",
            Self::Admin => "sr_admin_",
        }
    }
}

const ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;

/// A key that was just made. Its text is shown once and is nowhere afterwards.
pub struct ApiKey {
    /// The public part.
    pub id: KeyId,
    /// The whole text, `sr_live_<id>_<secret>`; an admin's begins with `sr_admin_`.
    pub text: zeroize::Zeroizing<String>,
    pub(crate) mac: [u8; 32],
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A key as a request shows it, not verified.
pub(crate) struct PresentedKey<'a> {
    id: KeyId,
    secret: &'a str,
}

impl<'a> PresentedKey<'a> {
    /// Whether a text is shown as a key, well-formed or not.
    pub(crate) fn is_meant(text: &str) -> bool {
        text.starts_with(Kind::Tenant.prefix())
    }

    /// A key of this kind; no key of one kind is one of another.
    pub(crate) fn parse(kind: Kind, text: &'a str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(kind.prefix())?.split_once('_')?;
        let whole =
            secret.len() == SECRET_BYTES.checked_mul(2)? && secret.bytes().all(|b| b.is_ascii_hexdigit());
        whole.then_some(Self { id: KeyId::new(id).ok()?, secret })
    }

    pub(crate) fn id(&self) -> &KeyId {
        &self.id
    }
}

/// Makes and checks keys with the host's own secret, so that a stolen ledger alone opens nothing.
#[derive(Clone)]
pub(crate) struct KeyMaker {
    kind: Kind,
    mac: Hmac<Sha256>,
}

impl fmt::Debug for KeyMaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyMaker")
    }
}

impl KeyMaker {
    pub(crate) fn new(kind: Kind, host_key: &[u8; 32]) -> Self {
        Self { kind, mac: keyed(host_key) }
    }

    /// The id of the key that this asker's idempotency key stands for: a repeat finds the key that is there.
    pub(crate) fn id_for(&self, asker: &KeyId, key: &IdempotencyKey) -> io::Result<KeyId> {
        let asked = self.mac.clone().chain_update("id\n").chain_update(asker.as_str());
        let digest: [u8; 32] =
            asked.chain_update("\n").chain_update(key.as_str()).finalize().into_bytes().into();
        let (id, _) = digest.split_first_chunk::<ID_BYTES>().ok_or_else(|| io::Error::other("no digest"))?;
        KeyId::new(hex::encode(id)).map_err(io::Error::other)
    }

    pub(crate) fn make(&self, entropy: &dyn Entropy) -> io::Result<ApiKey> {
        let mut id = [0; ID_BYTES];
        entropy.fill(&mut id)?;
        self.make_as(KeyId::new(hex::encode(id)).map_err(io::Error::other)?, entropy)
    }

    /// A key of this id, with a secret of its own.
    pub(crate) fn make_as(&self, id: KeyId, entropy: &dyn Entropy) -> io::Result<ApiKey> {
        let mut secret = zeroize::Zeroizing::new([0; SECRET_BYTES]);
        entropy.fill(&mut *secret)?;
        let secret = zeroize::Zeroizing::new(hex::encode(*secret));
        let text = zeroize::Zeroizing::new(format!("{}{id}_{}", self.kind.prefix(), *secret));
        Ok(ApiKey { mac: self.mac(&id, &secret), id, text })
    }

    /// Whether the shown secret is the one that was kept; takes the same time with and without a kept one.
    pub(crate) fn verify(&self, shown: &PresentedKey<'_>, kept: Option<&[u8; 32]>) -> bool {
        let mac = self.mac(&shown.id, shown.secret);
        let equal: bool = mac.ct_eq(kept.unwrap_or(&[0; 32])).into();
        equal && kept.is_some()
    }

    fn mac(&self, id: &KeyId, secret: &str) -> [u8; 32] {
        let mac = self.mac.clone().chain_update(id.as_str()).chain_update("_").chain_update(secret);
        mac.finalize().into_bytes().into()
    }
}

/// HMAC-SHA-256 under a key of 32 bytes. HMAC pads its key with zeros, so a block cannot be of a wrong length.
pub(crate) fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = [0_u8; 64];
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    Hmac::new(&block.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::powers::SystemEntropy;

    #[test]
    fn a_key_verifies_and_nothing_near_it_does() {
        let maker = KeyMaker::new(Kind::Tenant, &[1; 32]);
        let key = maker.make(&SystemEntropy).unwrap();
        let parse = |text| PresentedKey::parse(Kind::Tenant, text);
        let shown = parse(&key.text).unwrap();
        assert!(PresentedKey::parse(Kind::Admin, &key.text).is_none());
        let admins = KeyMaker::new(Kind::Admin, &[1; 32]).make(&SystemEntropy).unwrap();
        assert!(admins.text.starts_with("sr_admin_") && parse(&admins.text).is_none());
        assert!(maker.verify(&shown, Some(&key.mac)));
        assert!(!maker.verify(&shown, None));
        assert!(!KeyMaker::new(Kind::Tenant, &[2; 32]).verify(&shown, Some(&key.mac)));
        let last = if key.text.ends_with('0') { '1' } else { '0' };
        let cut = key.text.get(..key.text.len() - 1).unwrap();
        let near = format!("{cut}{last}");
        assert!(!maker.verify(&parse(&near).unwrap(), Some(&key.mac)));
        for bad in ["", "sr_live_", "sr_live_a_b", "sr_live_A_00", "Bearer x", cut] {
            assert!(parse(bad).is_none(), "{bad}");
        }
        assert!(!format!("{key:?}").contains(shown.secret));
    }

    #[test]
    fn a_rfc_4231_vector() {
        // RFC 4231, test case 2 has a short key; a zero-padded one is the same key to HMAC.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let mac = keyed(&key).chain_update(b"what do ya want for nothing?").finalize().into_bytes();
        assert_eq!(hex::encode(mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}
