//! Who signs the book: an Ed25519 key of the host, its public half for everybody who verifies, and signed tree heads.
//!
//! Takes: the home folder, a tree's size and root. Gives: checkpoints (C2SP tlog-checkpoint, signed-note), and their
//! verification. May name: powers.

use super::disk::{self, sync_dir};
use super::shelf::Shelf;
use crate::powers::Entropy;
use crate::step::{Step, reached};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cap_std::fs::Dir;
use ring::signature::{Ed25519KeyPair, KeyPair};
use signed_note::{Note, Signature, StandardVerifier, Verifier, VerifierList, key_id};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use tlog_tiles::{Checkpoint, Hash};
use zeroize::Zeroizing;

/// The file with the secret key, mode 0600, in the home folder.
pub const KEY_FILE: &str = "book.key";
/// The file with the public keys beside it, newest last: one verifier key of C2SP's signed-note a line.
pub const PUBLIC_FILE: &str = "book.pub";
/// The secret of a key that is about to take its place.
const NEXT_FILE: &str = "book.key.next";
/// Marks an Ed25519 key in signed-note.
const ED25519: u8 = 1;

/// The key that signs, and the keys that have signed before.
#[derive(Clone)]
pub struct BookKey(Arc<Inner>);

struct Inner {
    pair: Arc<Ed25519KeyPair>,
    id: u32,
    known: Known,
}

/// The keys that checkpoints of one log may be signed with, and the log's name.
#[derive(Debug, Clone)]
pub struct Known {
    origin: String,
    keys: Vec<String>,
}

/// A signed head of the book's tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Signed {
    /// How many entries the tree holds.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// The whole note.
    pub note: Vec<u8>,
}

/// Why something is no signed head of this log.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadCheckpoint {
    /// It is not a checkpoint at all.
    #[error("it is no checkpoint")]
    Form,
    /// It is of another log.
    #[error("it is of the log {0:?}, not of this one")]
    Origin(String),
    /// No key of this log has signed it.
    #[error("no key of this log has signed it")]
    Signature,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The files cannot be read or written.
    #[error("{file}: {cause}")]
    File {
        /// Which file.
        file: &'static str,
        /// Why.
        cause: io::Error,
    },
    /// A file holds something else.
    #[error("{0} holds no key; restore it from a copy")]
    Form(&'static str),
}

impl BookKey {
    /// Reads the key of a home folder, and makes one when there is none.
    ///
    /// # Errors
    /// [`KeyError`] when the files cannot be read or written, are no keys, or one of the two is missing.
    pub fn open(home: &Dir, entropy: &dyn Entropy) -> Result<Self, KeyError> {
        let at = |file| move |cause| KeyError::File { file, cause };
        match home.read(KEY_FILE) {
            Ok(bytes) => {
                let bytes = Zeroizing::new(bytes);
                let seed: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| KeyError::Form(KEY_FILE))?;
                let text = home.read_to_string(PUBLIC_FILE).map_err(at(PUBLIC_FILE))?;
                let known = Known::parse(&text).ok_or(KeyError::Form(PUBLIC_FILE))?;
                let key = Self::of(seed, known)?;
                // The newest public key is the one of the secret: else nobody could verify what is signed from now on.
                if key.0.known.keys.last() == Some(&key.public()) {
                    Ok(key)
                } else {
                    Self::resume(home, key.0.known.clone())
                }
            }
            Err(e) if e.kind() == ErrorKind::NotFound => {
                let mut seed = Zeroizing::new([0; 32]);
                entropy.fill(&mut *seed).map_err(at(KEY_FILE))?;
                let mut name = [0; 8];
                entropy.fill(&mut name).map_err(at(KEY_FILE))?;
                let known = Known { origin: format!("strongroom/{}", hex::encode(name)), keys: Vec::new() };
                let key = Self::of(&seed, known)?;
                let known = Known { keys: vec![key.public()], ..key.0.known.clone() };
                // The public half first: a secret without it would be refused, the other way round is mended here.
                write(home, PUBLIC_FILE, format!("{}\n", key.public()).as_bytes())
                    .map_err(at(PUBLIC_FILE))?;
                reached(Step::KeyMade);
                write(home, KEY_FILE, &*seed).map_err(at(KEY_FILE))?;
                Self::of(&seed, known)
            }
            Err(cause) => Err(KeyError::File { file: KEY_FILE, cause }),
        }
    }

    /// A key that could take the place of this one, for the same log; the old keys stay known.
    pub(super) fn next(&self, entropy: &dyn Entropy) -> Result<Next, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        entropy.fill(&mut *seed).map_err(|cause| KeyError::File { file: KEY_FILE, cause })?;
        let mut known = self.0.known.clone();
        let public = Self::of(&seed, known.clone())?.public();
        known.keys.push(public.clone());
        Ok(Next { seed, known, public })
    }

    /// A rotation that a crash cut off is brought to its end: its public key is there already.
    fn resume(home: &Dir, known: Known) -> Result<Self, KeyError> {
        let at = |cause| KeyError::File { file: KEY_FILE, cause };
        let bytes = match home.read(NEXT_FILE) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(e) if e.kind() == ErrorKind::NotFound => return Err(KeyError::Form(PUBLIC_FILE)),
            Err(e) => return Err(at(e)),
        };
        let seed: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| KeyError::Form(PUBLIC_FILE))?;
        let key = Self::of(seed, known)?;
        if key.0.known.keys.last() != Some(&key.public()) {
            return Err(KeyError::Form(PUBLIC_FILE));
        }
        disk::rename(home, NEXT_FILE, KEY_FILE).and_then(|()| sync_dir(home)).map_err(at)?;
        Ok(key)
    }

    fn of(seed: &[u8; 32], known: Known) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::Form(KEY_FILE))?;
        Ok(Self::named(Arc::new(pair), known))
    }

    fn named(pair: Arc<Ed25519KeyPair>, known: Known) -> Self {
        let id = key_id(&known.origin, &encoded(&pair));
        Self(Arc::new(Inner { pair, id, known }))
    }

    /// The same key for something else that this host signs, under a name of its own: what is signed for one of the two
    /// is nothing to the other.
    pub(super) fn under(&self, part: &str) -> Self {
        Self::named(self.0.pair.clone(), self.0.known.under(part))
    }

    /// The public key, as signed-note writes it: name, id and key.
    #[must_use]
    pub fn public(&self) -> String {
        let key = STANDARD.encode(encoded(&self.0.pair));
        format!("{}+{:08x}+{key}", self.0.known.origin, self.0.id)
    }

    /// The keys that this log is verified with.
    #[must_use]
    pub fn known(&self) -> &Known {
        &self.0.known
    }

    /// Signs the head of a tree. `None` never happens: only a log's name of another form could not be signed.
    pub(super) fn sign(&self, size: u64, root: Hash) -> Option<Signed> {
        let origin = &self.0.known.origin;
        let text = Checkpoint::new(origin, size, root, "").ok()?.to_bytes();
        let mut signature = self.0.id.to_be_bytes().to_vec();
        signature.extend_from_slice(self.0.pair.sign(&text).as_ref());
        let mut note = text;
        note.extend_from_slice(format!("\n\u{2014} {origin} {}\n", STANDARD.encode(signature)).as_bytes());
        Some(Signed { size, root, note })
    }
}

/// A key that has been made and does not sign yet.
pub(super) struct Next {
    seed: Zeroizing<[u8; 32]>,
    known: Known,
    public: String,
}

impl Next {
    /// Its public half.
    pub(super) fn public(&self) -> &str {
        &self.public
    }

    /// Puts it in the place of the key of a home folder. After an error the old key signs on, or, when a crash was in
    /// between, whichever of the two the files say at the next start.
    pub(super) fn put(&self, home: &Dir) -> Result<BookKey, KeyError> {
        let at = |file| move |cause| KeyError::File { file, cause };
        write(home, NEXT_FILE, &*self.seed).map_err(at(KEY_FILE))?;
        reached(Step::KeyNext);
        write(home, PUBLIC_FILE, self.known.text().as_bytes()).map_err(at(PUBLIC_FILE))?;
        reached(Step::KeyListed);
        disk::rename(home, NEXT_FILE, KEY_FILE).map_err(at(KEY_FILE))?;
        sync_dir(home).map_err(at(KEY_FILE))?;
        reached(Step::KeyTaken);
        BookKey::of(&self.seed, self.known.clone())
    }
}

impl std::fmt::Debug for BookKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("BookKey").field(&self.public()).finish()
    }
}

fn encoded(pair: &Ed25519KeyPair) -> Vec<u8> {
    let mut key = vec![ED25519];
    key.extend_from_slice(pair.public_key().as_ref());
    key
}

impl Known {
    /// Reads verifier keys, one a line, all of one log. `None` when a line is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let keys: Vec<String> = text.lines().filter(|l| !l.is_empty()).map(str::to_owned).collect();
        let names: Vec<String> = keys
            .iter()
            .map(|k| Some(StandardVerifier::new(k).ok()?.name().to_owned()))
            .collect::<Option<_>>()?;
        let origin = names.first()?.clone();
        names.iter().all(|name| *name == origin).then_some(Self { origin, keys })
    }

    /// The keys, one a line.
    #[must_use]
    pub fn text(&self) -> String {
        self.keys.iter().flat_map(|key| [key.as_str(), "\n"]).collect()
    }

    /// The log's name, which every checkpoint begins with.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The same keys under the name of a part of this log, as [`BookKey::under`] signs.
    pub(super) fn under(&self, part: &str) -> Self {
        let origin = format!("{}/{part}", self.origin);
        let renamed = |key: &String| {
            let encoded = key.splitn(3, '+').nth(2)?;
            let id = key_id(&origin, &STANDARD.decode(encoded).ok()?);
            Some(format!("{origin}+{id:08x}+{encoded}"))
        };
        let keys = self.keys.iter().filter_map(renamed).collect();
        Self { origin, keys }
    }

    /// The keys, oldest first.
    #[must_use]
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// Reads a checkpoint of this log. Signatures of others, as witnesses add them, are left alone.
    ///
    /// # Errors
    /// [`BadCheckpoint`]
    pub fn verify(&self, bytes: &[u8]) -> Result<Signed, BadCheckpoint> {
        let note = Note::from_bytes(bytes).map_err(|_| BadCheckpoint::Form)?;
        let checkpoint = Checkpoint::from_bytes(note.text()).map_err(|_| BadCheckpoint::Form)?;
        if checkpoint.origin() != self.origin {
            return Err(BadCheckpoint::Origin(checkpoint.origin().to_owned()));
        }
        let verifiers = VerifierList::new(
            self.keys
                .iter()
                .filter_map(|key| StandardVerifier::new(key).ok())
                .map(|key| Box::new(key) as Box<dyn Verifier>)
                .collect(),
        );
        let (ours, _) = note.verify(&verifiers).map_err(|_| BadCheckpoint::Signature)?;
        if ours.iter().all(|signature: &Signature| signature.name() != self.origin) {
            return Err(BadCheckpoint::Signature);
        }
        Ok(Signed { size: checkpoint.size(), root: *checkpoint.hash(), note: bytes.to_vec() })
    }
}

/// Writes a file whole and durably, for its owner alone.
fn write(dir: &Dir, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut shelf = Shelf::new(dir)?;
    shelf.put(name, bytes)?;
    shelf.settle()
}

#[cfg(test)]
mod tests {
    use super::super::file_tests::tests_dir;
    use super::*;
    use crate::powers::SystemEntropy;

    #[test]
    fn a_key_is_made_once_and_what_it_signs_is_verified_by_its_public_half_alone() {
        let (_guard, dir) = tests_dir();
        let key = BookKey::open(&dir, &SystemEntropy).unwrap();
        let again = BookKey::open(&dir, &SystemEntropy).unwrap();
        assert_eq!(key.public(), again.public());
        let signed = key.sign(7, Hash([3; 32])).unwrap();
        let known = Known::parse(&dir.read_to_string(PUBLIC_FILE).unwrap()).unwrap();
        assert_eq!(known.verify(&signed.note).unwrap(), signed);
        for at in 0..signed.note.len() {
            let mut bytes = signed.note.clone();
            bytes[at] ^= 1;
            assert!(known.verify(&bytes).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_rotated_key_signs_and_the_old_one_still_verifies() {
        let (_guard, dir) = tests_dir();
        let old = BookKey::open(&dir, &SystemEntropy).unwrap();
        let before = old.sign(1, Hash([1; 32])).unwrap();
        let new = old.next(&SystemEntropy).unwrap().put(&dir).unwrap();
        assert_ne!(old.public(), new.public());
        assert_eq!(old.known().origin(), new.known().origin());
        let after = new.sign(2, Hash([2; 32])).unwrap();
        assert_eq!(new.known().verify(&before.note).unwrap(), before);
        assert_eq!(new.known().verify(&after.note).unwrap(), after);
        assert_eq!(old.known().verify(&after.note).unwrap_err(), BadCheckpoint::Signature);
        assert_eq!(BookKey::open(&dir, &SystemEntropy).unwrap().public(), new.public());
    }

    #[test]
    fn a_rotation_that_a_crash_cut_off_is_ended_or_has_not_begun() {
        let (_guard, dir) = tests_dir();
        let old = BookKey::open(&dir, &SystemEntropy).unwrap();
        let next = old.next(&SystemEntropy).unwrap();
        write(&dir, NEXT_FILE, &*next.seed).unwrap();
        assert_eq!(BookKey::open(&dir, &SystemEntropy).unwrap().public(), old.public());
        write(&dir, PUBLIC_FILE, next.known.text().as_bytes()).unwrap();
        for _ in 0..2 {
            assert_eq!(BookKey::open(&dir, &SystemEntropy).unwrap().public(), next.public());
        }
        assert!(!dir.exists(NEXT_FILE));
        let other = old.next(&SystemEntropy).unwrap();
        write(&dir, PUBLIC_FILE, other.known.text().as_bytes()).unwrap();
        assert!(matches!(BookKey::open(&dir, &SystemEntropy), Err(KeyError::Form(PUBLIC_FILE))));
    }
}
