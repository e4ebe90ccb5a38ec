//! Signatures of tokens, checked by the library that TLS uses already, so that the host has one of them.
//!
//! Takes: keys and signatures from `jsonwebtoken`. Gives: [`install`]. May name: nothing.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature;
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};
use ring::signature as known;

static PROVIDER: CryptoProvider = CryptoProvider {
    // This host signs no tokens.
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: |algorithm, key| {
        let fits = key.family() == algorithm.family() && algorithm.family() != AlgorithmFamily::Hmac;
        match fits {
            true => Ok(Box::new(Verifier { algorithm: *algorithm, key: key.clone() })),
            false => Err(Error::from(ErrorKind::InvalidAlgorithm)),
        }
    },
    key_utils: KeyUtils::new_unimplemented(),
};

/// From now on tokens of this process are checked so. In a program that has chosen another provider before, that one does it.
pub(super) fn install() {
    if PROVIDER.install_default().is_err() {
        tracing::trace!("tokens are checked by the provider that is there already");
    }
}

struct Verifier {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl JwtVerifier for Verifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl signature::Verifier<Vec<u8>> for Verifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let verified = match (self.algorithm, self.key.kind()) {
            (algorithm, DecodingKeyKind::RsaModulusExponent { n, e }) => {
                let parameters = rsa(algorithm).ok_or_else(signature::Error::new)?;
                known::RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            (algorithm, DecodingKeyKind::SecretOrDer(key)) => {
                let algorithm: &dyn known::VerificationAlgorithm = match algorithm {
                    Algorithm::ES256 => &known::ECDSA_P256_SHA256_FIXED,
                    Algorithm::ES384 => &known::ECDSA_P384_SHA384_FIXED,
                    Algorithm::EdDSA => &known::ED25519,
                    _ => return Err(signature::Error::new()),
                };
                known::UnparsedPublicKey::new(algorithm, key).verify(message, signature)
            }
        };
        verified.map_err(|_| signature::Error::new())
    }
}

/// Keys of 2,048 to 8,192 bits.
fn rsa(algorithm: Algorithm) -> Option<&'static known::RsaParameters> {
    match algorithm {
        Algorithm::RS256 => Some(&known::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Some(&known::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Some(&known::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => Some(&known::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Some(&known::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Some(&known::RSA_PSS_2048_8192_SHA512),
        _ => None,
    }
}
