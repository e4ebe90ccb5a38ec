//! An issuer's keys (RFC 7517), each with what it may check.
//!
//! Takes: the document's bytes, the algorithms that the operator allows. Gives: [`KeySet`]. May name: config.

use crate::config::TokenAlgorithm;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// The most keys of one issuer.
const MAX_KEYS: usize = 64;
/// The least and the most bits of an RSA key's modulus.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A key, and with which algorithms it may check.
pub(super) struct Key {
    kid: Option<String>,
    algorithms: Vec<TokenAlgorithm>,
    pub(super) key: DecodingKey,
}

/// The keys that an issuer has said it signs with.
#[derive(Default)]
pub(super) struct KeySet(Vec<Key>);

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads the document. Keys for other uses, of other kinds or too weak are left out; an issuer without any key left is
    /// none whose tokens can be checked.
    pub(super) fn read(bytes: &[u8], allowed: &[TokenAlgorithm]) -> Result<Self, &'static str> {
        let document: Document = serde_json::from_slice(bytes).map_err(|_| "the keys are no JWK set")?;
        if document.keys.len() > MAX_KEYS {
            return Err("there are more than 64 keys");
        }
        let keys: Vec<_> = document.keys.into_iter().filter_map(|key| Key::read(key, allowed)).collect();
        if keys.is_empty() { Err("there is no key that tokens may be signed with") } else { Ok(Self(keys)) }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The one key that a token's header can mean. Without an id that is the only one there is; of two with one id, neither is.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: TokenAlgorithm) -> Option<&Key> {
        let mut meant = self.0.iter().filter(|key| match kid {
            Some(_) => key.kid.as_deref() == kid,
            None => true,
        });
        match (meant.next(), meant.next()) {
            (Some(key), None) => Some(key).filter(|key| key.algorithms.contains(&algorithm)),
            _ => None,
        }
    }
}

impl Key {
    fn read(value: Value, allowed: &[TokenAlgorithm]) -> Option<Self> {
        // Whoever publishes a private key has lost it.
        if value.get("d").is_some() {
            return None;
        }
        let own = match value.get("alg") {
            None => None,
            Some(name) => Some(TokenAlgorithm::named(name.as_str()?)?),
        };
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let (usage, operations) = (&jwk.common.public_key_use, &jwk.common.key_operations);
        if usage.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature)
            || operations.as_ref().is_some_and(|all| !all.contains(&KeyOperations::Verify))
        {
            return None;
        }
        let possible = possible(&jwk.algorithm)?;
        let algorithms: Vec<_> = allowed
            .iter()
            .copied()
            .filter(|algorithm| possible.contains(algorithm) && own.is_none_or(|own| own == *algorithm))
            .collect();
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        (!algorithms.is_empty()).then_some(Self { kid: jwk.common.key_id, algorithms, key })
    }
}

/// What a key of this kind can check, if it is strong enough.
fn possible(parameters: &AlgorithmParameters) -> Option<&'static [TokenAlgorithm]> {
    use TokenAlgorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    match parameters {
        AlgorithmParameters::RSA(rsa) => {
            let modulus = URL_SAFE_NO_PAD.decode(&rsa.n).ok()?;
            let start = modulus.iter().position(|byte| *byte != 0)?;
            let first = modulus.get(start)?;
            let bytes = modulus.len().checked_sub(start)?.checked_mul(8)?;
            let bits = bytes.checked_sub(usize::try_from(first.leading_zeros()).ok()?)?;
            RSA_BITS.contains(&bits).then_some(&[RS256, RS384, RS512, PS256, PS384, PS512])
        }
        AlgorithmParameters::EllipticCurve(ec) => match ec.curve {
            EllipticCurve::P256 => Some(&[ES256]),
            EllipticCurve::P384 => Some(&[ES384]),
            _ => None,
        },
        AlgorithmParameters::OctetKeyPair(okp) if okp.curve == EllipticCurve::Ed25519 => Some(&[EdDSA]),
        _ => None,
    }
}

/// The same algorithm by the library's name.
pub(super) fn library(algorithm: TokenAlgorithm) -> Algorithm {
    match algorithm {
        TokenAlgorithm::RS256 => Algorithm::RS256,
        TokenAlgorithm::RS384 => Algorithm::RS384,
        TokenAlgorithm::RS512 => Algorithm::RS512,
        TokenAlgorithm::PS256 => Algorithm::PS256,
        TokenAlgorithm::PS384 => Algorithm::PS384,
        TokenAlgorithm::PS512 => Algorithm::PS512,
        TokenAlgorithm::ES256 => Algorithm::ES256,
        TokenAlgorithm::ES384 => Algorithm::ES384,
        TokenAlgorithm::EdDSA => Algorithm::EdDSA,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn usable(key: Value) -> bool {
        let document = json!({ "keys": [key] }).to_string();
        KeySet::read(document.as_bytes(), &[TokenAlgorithm::RS256, TokenAlgorithm::ES256]).is_ok()
    }

    fn rsa(bits: usize) -> Value {
        let mut modulus = vec![0xff; bits.div_ceil(8)];
        modulus[0] = 0xff >> (modulus.len() * 8 - bits);
        // A zero before it makes no key longer.
        modulus.insert(0, 0);
        json!({ "kty": "RSA", "kid": "k", "n": URL_SAFE_NO_PAD.encode(modulus), "e": "AQAB" })
    }

    #[test]
    fn weak_keys_and_those_of_other_kinds_are_left_out() {
        for (bits, fine) in
            [(512, false), (1024, false), (2047, false), (2048, true), (8192, true), (8193, false)]
        {
            assert_eq!(usable(rsa(bits)), fine, "{bits}");
        }
        assert!(usable(json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" })));
        for other in [
            json!({ "kty": "EC", "crv": "P-384", "x": "AA", "y": "AA" }),
            json!({ "kty": "OKP", "crv": "Ed25519", "x": "AA" }),
            json!({ "kty": "oct", "k": "AA" }),
            json!({ "kty": "AKP" }),
            json!(1),
        ] {
            assert!(!usable(other.clone()), "{other}");
        }
    }
}
