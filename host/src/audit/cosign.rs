//! Cosignatures: that somebody else has seen a log's head and found it to continue the one before (C2SP tlog-cosignature,
//! `cosignature/v1`).
//!
//! Takes: signed heads, keys of witnesses. Gives: [`WitnessKey`], [`Witness`]. May name: powers.

use super::Signed;
use crate::powers::Entropy;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use signed_note::{Note, Verifier, VerifierList, is_key_name_valid, key_id};
use std::io;
use zeroize::Zeroizing;

/// Marks a key of timestamped Ed25519 cosignatures in signed-note.
const COSIGNATURE: u8 = 4;
/// Begins the text of a secret key, as other programs of signed notes write it.
const SECRET: &str = "PRIVATE+KEY+";
/// Longest name of a witness, in bytes.
const LONGEST_NAME: usize = 255;

/// Who cosigns: a witness's name and public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    name: String,
    id: u32,
    key: [u8; 32],
}

/// The secret key of a witness.
pub struct WitnessKey {
    seed: Zeroizing<[u8; 32]>,
    pair: Ed25519KeyPair,
    witness: Witness,
}

impl Witness {
    fn new(name: &str, key: [u8; 32]) -> Option<Self> {
        let fine = is_key_name_valid(name) && name.len() <= LONGEST_NAME && !name.contains(char::is_control);
        let id = key_id(name, &tagged(&key));
        fine.then(|| Self { name: name.to_owned(), id, key })
    }

    /// Reads a verifier key of type `cosignature/v1`, written `<name>+<id>+<key>`. `None` when it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once('+')?;
        let witness = Self::new(name, bytes(rest.split_once('+')?.1)?)?;
        (witness.to_string() == text).then_some(witness)
    }

    /// The witness's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When this witness cosigned a note, in seconds since 1970. `None` when it has not, or the cosignature is wrong.
    #[must_use]
    pub fn cosigned(&self, note: &[u8]) -> Option<u64> {
        let note = Note::from_bytes(note).ok()?;
        let (verified, _) = note.verify(&VerifierList::new(vec![Box::new(self.clone())])).ok()?;
        time(verified.first()?.signature())
    }
}

/// The verifier key, as signed-note writes it.
impl std::fmt::Display for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}+{:08x}+{}", self.name, self.id, STANDARD.encode(tagged(&self.key)))
    }
}

impl Verifier for Witness {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        let Some((time, signature)) = time(signature).zip(signature.get(8..)) else { return false };
        let key = UnparsedPublicKey::new(&ED25519, &self.key);
        // Later times than this are none by the specification.
        i64::try_from(time).is_ok() && key.verify(&message(time, text), signature).is_ok()
    }
}

impl WitnessKey {
    /// Makes a key. `None` when the name has spaces, a plus or control characters, is empty or longer than 255 bytes.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn new(name: &str, entropy: &dyn Entropy) -> io::Result<Option<Self>> {
        let mut seed = Zeroizing::new([0; 32]);
        entropy.fill(&mut *seed)?;
        Ok(Self::of(name, seed))
    }

    /// Reads the text that [`WitnessKey::secret`] gives. `None` when it is another one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.trim_end().strip_prefix(SECRET)?.split_once('+')?;
        let (id, key) = rest.split_once('+')?;
        let key = Self::of(name, Zeroizing::new(bytes(key)?))?;
        (format!("{:08x}", key.witness.id) == id).then_some(key)
    }

    fn of(name: &str, seed: Zeroizing<[u8; 32]>) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).ok()?;
        let witness = Witness::new(name, pair.public_key().as_ref().try_into().ok()?)?;
        Some(Self { seed, pair, witness })
    }

    /// The secret key as a line of text. Whoever has it can cosign in this witness's name.
    #[must_use]
    pub fn secret(&self) -> Zeroizing<String> {
        let Witness { name, id, .. } = &self.witness;
        let key = Zeroizing::new(tagged(&self.seed));
        // Large enough never to be moved, which would leave a copy behind.
        let mut text = Zeroizing::new(String::with_capacity(512));
        text.push_str(&format!("{SECRET}{name}+{id:08x}+"));
        STANDARD.encode_string(key.as_slice(), &mut text);
        text.push('\n');
        text
    }

    /// The public half.
    #[must_use]
    pub fn witness(&self) -> &Witness {
        &self.witness
    }

    /// The cosignature of a head, as a line to stand at its note's end. `unix_s` is when, in seconds since 1970. `None`
    /// when the head's note is none.
    #[must_use]
    pub fn cosign(&self, head: &Signed, unix_s: u64) -> Option<String> {
        let note = Note::from_bytes(&head.note).ok()?;
        let mut signature = self.witness.id.to_be_bytes().to_vec();
        signature.extend_from_slice(&unix_s.to_be_bytes());
        signature.extend_from_slice(self.pair.sign(&message(unix_s, note.text())).as_ref());
        Some(format!("\u{2014} {} {}\n", self.witness.name, STANDARD.encode(signature)))
    }
}

impl std::fmt::Debug for WitnessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("WitnessKey").field(&self.witness.to_string()).finish()
    }
}

/// What is signed: the header, the time, and the whole text of the note.
fn message(time: u64, text: &[u8]) -> Vec<u8> {
    [format!("cosignature/v1\ntime {time}\n").as_bytes(), text].concat()
}

fn time(signature: &[u8]) -> Option<u64> {
    signature.first_chunk::<8>().map(|time| u64::from_be_bytes(*time))
}

fn tagged(key: &[u8; 32]) -> [u8; 33] {
    let mut tagged = [COSIGNATURE; 33];
    tagged.iter_mut().skip(1).zip(key).for_each(|(to, from)| *to = *from);
    tagged
}

fn bytes(text: &str) -> Option<[u8; 32]> {
    let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
    bytes.split_first().filter(|(kind, _)| **kind == COSIGNATURE)?.1.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::powers::SystemEntropy;
    use tlog_tiles::Hash;

    /// The text of another log's head.
    const NOTE: &str = "sigsum.org/v1/tree/3620c0d515f87e60959d29a4682fd1f0db984704981fda39b3e9ba0a44f57e2f\n\
        15795\nsP6V9zfF1Q2gFDGVmiLHkGCrRoyqqQEEsHJXE7OaE5A=\n";

    fn head(note: &str) -> Signed {
        Signed { size: 1, root: Hash([0; 32]), note: note.as_bytes().to_vec() }
    }

    #[test]
    fn a_cosignature_is_verified_by_the_public_half_and_by_nobody_elses() {
        let key = WitnessKey::new("witness.example/w1", &SystemEntropy).unwrap().unwrap();
        let other = WitnessKey::new("witness.example/w1", &SystemEntropy).unwrap().unwrap();
        let note = format!("{NOTE}\n\u{2014} log AAAAAAA=\n");
        let line = key.cosign(&head(&note), 1_679_315_147).unwrap();
        let whole = format!("{note}{line}");
        assert_eq!(key.witness().cosigned(whole.as_bytes()), Some(1_679_315_147));
        assert_eq!(other.witness().cosigned(whole.as_bytes()), None);
        assert_eq!(key.witness().cosigned(note.as_bytes()), None);
        // Another time or another tree: the signature covers both.
        let changed = STANDARD.decode(line.trim_end().rsplit_once(' ').unwrap().1).unwrap();
        for at in 0..changed.len() {
            let mut changed = changed.clone();
            changed[at] ^= 1;
            let line = format!("\u{2014} witness.example/w1 {}\n", STANDARD.encode(changed));
            assert_eq!(key.witness().cosigned(format!("{note}{line}").as_bytes()), None, "byte {at}");
        }
        let other = whole.replacen("15795", "15796", 1);
        assert_eq!(key.witness().cosigned(other.as_bytes()), None);
    }

    #[test]
    fn the_signed_message_and_the_key_are_of_the_specifications_form() {
        assert_eq!(
            message(1_679_315_147, b"example.com/behind-the-sofa\n20852163\nroot\n"),
            b"cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\nroot\n"
        );
        let key = WitnessKey::of("w", Zeroizing::new([7; 32])).unwrap();
        let public = [&[4][..], key.pair.public_key().as_ref()].concat();
        assert_eq!(key.witness().id, key_id("w", &public));
        assert_eq!(
            key.witness().to_string(),
            format!("w+{:08x}+{}", key.witness().id, STANDARD.encode(public))
        );
    }

    #[test]
    fn keys_come_back_from_their_texts_and_other_texts_are_none() {
        let key = WitnessKey::new("witness.example/w1", &SystemEntropy).unwrap().unwrap();
        let again = WitnessKey::parse(&key.secret()).unwrap();
        assert_eq!(again.witness(), key.witness());
        let text = key.witness().to_string();
        assert_eq!(Witness::parse(&text).as_ref(), Some(key.witness()));
        // The secret itself may hold a `+`.
        let secret = key.secret();
        let secret = secret.trim_end().strip_prefix(SECRET).unwrap().splitn(3, '+').last().unwrap();
        assert!(secret.len() > 40 && !format!("{key:?}").contains(secret));
        for text in
            ["", "a", "a+b", "a+b+c", text.get(1..).unwrap(), &format!("{text} "), &text.replace('+', "-")]
        {
            assert_eq!(Witness::parse(text), None, "{text}");
            assert!(
                WitnessKey::parse(text).is_none() && WitnessKey::parse(&format!("{SECRET}{text}")).is_none()
            );
        }
        // A log's key signs heads and no cosignatures.
        let log = format!("{}{}", "x+00000000+", STANDARD.encode([1; 33]));
        assert_eq!(Witness::parse(&log), None);
        for name in ["", "a b", "a+b", "a\nb", &"x".repeat(256)] {
            assert!(WitnessKey::new(name, &SystemEntropy).unwrap().is_none(), "{name}");
        }
    }
}
