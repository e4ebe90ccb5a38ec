//! Credentials at rest: encrypted with the operator's key, and bound to the entry that they stand in.
//!
//! Takes: the operator's keys, a secret and what it is bound to. Gives: [`KeyRing`], `Bound`. May name: id, powers.
//!
//! ChaCha20-Poly1305 with a random nonce of 96 bits: one key seals far fewer than the 2³² values that this is good for.
//! What a value is for goes in as associated data, so that a sealed text in another entry, for another tenant, origin or
//! place in the request opens nothing.

use super::super::names::CredentialHandle;
use super::injection::Injection;
use super::secret::Secret;
use crate::authorize::origin::OriginPattern;
use crate::id::TenantId;
use crate::powers::Entropy;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::{fmt, io};
use zeroize::Zeroizing;

/// What every sealed text begins with.
const VERSION: &str = "v1";
/// Bytes of an operator's key.
const KEY: usize = 32;
/// Most keys that are held at once: the one that seals, and older ones that only open.
const MOST_KEYS: usize = 8;

/// Why a text is no operator's key. It quotes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// A line is something else.
    #[error("line {0} of the operator's key is not 32 bytes in base64 or hex")]
    Line(usize),
    /// There is no key in it.
    #[error("the operator's key is empty")]
    Empty,
    /// There are too many keys in it.
    #[error("the operator's key has more than 8 lines")]
    Many,
}

/// Why a sealed text was not opened. It quotes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotOpened {
    #[error("is not a sealed value of a form that this version knows")]
    Form,
    #[error("was sealed with another operator's key than the ones that are given")]
    OtherKey,
    #[error("was sealed for something else, or was changed since")]
    NotBound,
}

/// What a sealed value is for. All of it must be the same when it is opened.
#[derive(Clone, Copy)]
pub(crate) struct Bound<'a> {
    pub(crate) handle: &'a CredentialHandle,
    pub(crate) tenant: &'a TenantId,
    pub(crate) origins: &'a [OriginPattern],
    pub(crate) injection: &'a Injection,
}

impl Bound<'_> {
    /// One text for each set of things, whatever the order of the origins: every part with its length before it.
    fn associated(&self) -> Vec<u8> {
        let mut origins: Vec<String> = self.origins.iter().map(ToString::to_string).collect();
        origins.sort();
        origins.dedup();
        let fixed = [
            "strongroom credential 1",
            self.handle.as_str(),
            self.tenant.as_str(),
            self.injection.kind(),
            self.injection.name(),
        ];
        let mut bytes = Vec::new();
        for part in fixed.into_iter().chain(origins.iter().map(String::as_str)) {
            bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

/// The operator's keys: the first one seals, all of them open. It prints nothing of itself.
pub struct KeyRing(Vec<OperatorKey>);

struct OperatorKey {
    /// Tells keys apart in a sealed text, and nothing about them.
    mark: String,
    aead: LessSafeKey,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRing")
    }
}

impl KeyRing {
    /// Reads keys, one a line, each 32 bytes in base64 or hex; empty lines and lines that begin with `#` are skipped.
    ///
    /// # Errors
    /// [`InvalidKey`], which says on which line and quotes nothing.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let mut keys = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bytes = decode(line).ok_or(InvalidKey::Line(number + 1))?;
            keys.push(OperatorKey::new(&bytes).ok_or(InvalidKey::Line(number + 1))?);
        }
        match keys.len() {
            0 => Err(InvalidKey::Empty),
            1..=MOST_KEYS => Ok(Self(keys)),
            _ => Err(InvalidKey::Many),
        }
    }

    /// A new key's text.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn generate(entropy: &dyn Entropy) -> io::Result<Zeroizing<String>> {
        let mut key = Zeroizing::new([0; KEY]);
        entropy.fill(&mut *key)?;
        Ok(Zeroizing::new(STANDARD.encode(*key)))
    }

    /// Seals a value with the first key: `v1:<mark of the key>:<nonce, ciphertext and tag>`.
    pub(crate) fn seal(&self, bound: Bound<'_>, value: &str, entropy: &dyn Entropy) -> io::Result<String> {
        let key = self.0.first().ok_or_else(|| io::Error::other("there is no operator's key"))?;
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce)?;
        // Room for the tag: a buffer that grows would leave a copy behind that is not wiped.
        let mut sealed = Zeroizing::new(Vec::with_capacity(value.len() + CHACHA20_POLY1305.tag_len()));
        sealed.extend_from_slice(value.as_bytes());
        key.aead
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(bound.associated()),
                &mut *sealed,
            )
            .map_err(|_| io::Error::other("the value is too long to be sealed"))?;
        let whole = [nonce.as_slice(), sealed.as_slice()].concat();
        Ok(format!("{VERSION}:{}:{}", key.mark, URL_SAFE_NO_PAD.encode(whole)))
    }

    /// Opens a sealed text.
    pub(crate) fn open(&self, bound: Bound<'_>, sealed: &str) -> Result<Secret, NotOpened> {
        let (mark, body) = parts(sealed).ok_or(NotOpened::Form)?;
        let whole = URL_SAFE_NO_PAD.decode(body).map_err(|_| NotOpened::Form)?;
        let (nonce, ciphertext) = whole.split_first_chunk::<NONCE_LEN>().ok_or(NotOpened::Form)?;
        let key = self.0.iter().find(|key| key.mark == mark).ok_or(NotOpened::OtherKey)?;
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = key.aead.open_in_place(nonce, Aad::from(bound.associated()), &mut buffer);
        let text = std::str::from_utf8(plain.map_err(|_| NotOpened::NotBound)?);
        Ok(Secret::new(text.map_err(|_| NotOpened::Form)?.to_owned()))
    }

    /// Whether this text was sealed with the first key.
    pub(crate) fn is_current(&self, sealed: &str) -> bool {
        let mark = parts(sealed).map(|(mark, _)| mark);
        self.0.first().is_some_and(|key| Some(key.mark.as_str()) == mark)
    }
}

impl OperatorKey {
    fn new(bytes: &[u8; KEY]) -> Option<Self> {
        let mac = Hmac::<sha2::Sha256>::new_from_slice(bytes).ok()?;
        let mark = mac.chain_update("strongroom operator key 1").finalize().into_bytes();
        let mark = hex::encode(mark.get(..4)?);
        let aead = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, bytes).ok()?);
        Some(Self { mark, aead })
    }
}

fn parts(sealed: &str) -> Option<(&str, &str)> {
    sealed.strip_prefix(VERSION)?.strip_prefix(':')?.split_once(':')
}

fn decode(line: &str) -> Option<Zeroizing<[u8; KEY]>> {
    let mut key = Zeroizing::new([0; KEY]);
    if line.len() == KEY * 2 && hex::decode_to_slice(line, &mut *key).is_ok() {
        return Some(key);
    }
    let text = line.trim_end_matches('=');
    let bytes = STANDARD_NO_PAD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text)).map(Zeroizing::new);
    key.copy_from_slice(bytes.ok().filter(|bytes| bytes.len() == KEY)?.as_slice());
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::powers::SystemEntropy;
    use proptest::prelude::*;

    fn ring() -> KeyRing {
        KeyRing::parse(&KeyRing::generate(&SystemEntropy).unwrap()).unwrap()
    }

    fn with<T>(
        (handle, tenant, origins, injection): (&str, &str, &[&str], &Injection),
        act: impl FnOnce(Bound<'_>) -> T,
    ) -> T {
        let origins: Vec<_> = origins.iter().map(|o| OriginPattern::parse(o).unwrap()).collect();
        let handle = CredentialHandle::new(handle).unwrap();
        let tenant = TenantId::new(tenant).unwrap();
        act(Bound { handle: &handle, tenant: &tenant, origins: &origins, injection })
    }

    #[test]
    fn keys_are_read_in_their_forms_and_nothing_else_is_one() {
        let (hex, base64) = ("ab".repeat(32), "Q".repeat(43));
        for good in [&hex, &base64, &format!("{base64}="), &format!("# new\n\n{hex}\r\n  {base64}=\n")] {
            assert!(KeyRing::parse(good).is_ok(), "{good}");
        }
        assert_eq!(KeyRing::parse("# nothing\n").unwrap_err(), InvalidKey::Empty);
        assert_eq!(KeyRing::parse(&format!("{hex}\n").repeat(9)).unwrap_err(), InvalidKey::Many);
        for bad in ["x", &"ab".repeat(31), &"ab".repeat(33), &"Q".repeat(42), "correct horse battery staple"]
        {
            let fault = KeyRing::parse(&format!("\n{bad}")).unwrap_err();
            assert_eq!(fault, InvalidKey::Line(2));
            assert!(!fault.to_string().contains(bad) || bad == "x");
        }
        assert_eq!(format!("{:?}", ring()), "KeyRing");
    }

    #[test]
    fn a_value_opens_only_for_what_it_was_sealed_for() {
        let ring = ring();
        let header = Injection::default();
        let api_key = Injection::header("x-api-key").unwrap();
        let (query, basic) = ("authorization".parse().unwrap(), "authorization".parse().unwrap());
        let (query, basic) = (Injection::Query(query), Injection::Basic(basic));
        let origins = &["https://a.example", "https://b.example"][..];
        let sealed =
            with(("a", "acme", origins, &header), |b| ring.seal(b, "canary", &SystemEntropy).unwrap());
        assert!(sealed.starts_with("v1:") && !sealed.contains("canary"));
        let open = |what: (&str, &str, &[&str], &Injection)| with(what, |b| ring.open(b, &sealed));
        let turned = &["https://b.example", "https://a.example", "https://a.example"][..];
        for same in [origins, turned] {
            assert_eq!(open(("a", "acme", same, &header)).unwrap().expose(), "canary");
        }
        for (handle, tenant, origins, injection) in [
            ("b", "acme", origins, &header),
            ("a", "globex", origins, &header),
            ("a", "acme", &["https://a.example"][..], &header),
            ("a", "acme", &["https://a.example", "https://b.example", "https://c.example"][..], &header),
            ("a", "acme", &["https://a.example", "http://b.example"][..], &header),
            ("a", "acme", origins, &api_key),
            ("a", "acme", origins, &query),
            ("a", "acme", origins, &basic),
        ] {
            let refused = open((handle, tenant, origins, injection)).unwrap_err();
            assert_eq!(refused, NotOpened::NotBound, "{handle} {tenant} {origins:?} {injection}");
        }
        let other = self::ring();
        let what = ("a", "acme", origins, &header);
        assert_eq!(with(what, |b| other.open(b, &sealed)).unwrap_err(), NotOpened::OtherKey);
        assert!(ring.is_current(&sealed) && !other.is_current(&sealed));
        for bad in ["", "v1", "v1:", "v1::", "v2:00000000:AAAA", "v1:00000000:!", "v1:00000000:AAAA"] {
            assert_eq!(with(what, |b| ring.open(b, bad)).unwrap_err(), NotOpened::Form, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_value_comes_back_and_no_changed_byte_opens(value in "\\PC{1,80}", at in any::<prop::sample::Index>()) {
            let ring = ring();
            let what = ("a", "acme", &["https://a.example"][..], &Injection::default());
            let sealed = with(what, |b| ring.seal(b, &value, &SystemEntropy)).unwrap();
            let opened = with(what, |b| ring.open(b, &sealed)).unwrap();
            prop_assert_eq!(opened.expose(), &value);
            let mut changed = sealed.clone().into_bytes();
            let at = at.index(changed.len());
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            prop_assert!(with(what, |b| ring.open(b, std::str::from_utf8(&changed).unwrap())).is_err());
        }
    }
}
