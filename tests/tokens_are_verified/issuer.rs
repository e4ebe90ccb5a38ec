//! A small OpenID Connect provider on loopback: discovery, keys, and tokens as the test wants them, also such as no provider gives.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use strongroom_tests::{Bytes, Then, Wire, wire};

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Keys of each kind. The RSA ones are made once and for tests alone.
pub(crate) struct Keys {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ec_pkcs8: Vec<u8>,
    ed: Ed25519KeyPair,
}

impl Keys {
    pub(crate) fn own() -> Self {
        Self::with(include_bytes!("rsa-one.pk8"))
    }

    pub(crate) fn foreign() -> Self {
        Self::with(include_bytes!("rsa-two.pk8"))
    }

    fn with(rsa: &[u8]) -> Self {
        let random = SystemRandom::new();
        let ec_pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let ed = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let ec =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec_pkcs8.as_ref(), &random).unwrap();
        Self {
            rsa: RsaKeyPair::from_pkcs8(rsa).unwrap(),
            ec,
            ec_pkcs8: ec_pkcs8.as_ref().to_vec(),
            ed: Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap(),
        }
    }

    fn modulus(&self) -> ring::rsa::PublicKeyComponents<Vec<u8>> {
        self.rsa.public().into()
    }

    /// The public RSA key as an attacker has it, to sign with it as if it were a shared secret.
    pub(crate) fn rsa_public(&self) -> Vec<u8> {
        self.rsa.public().as_ref().to_vec()
    }

    pub(crate) fn jwk(&self, kid: &str, algorithm: &str) -> Value {
        match algorithm {
            "RS256" => {
                let parts = self.modulus();
                json!({ "kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": b64(parts.n), "e": b64(parts.e) })
            }
            "ES256" => {
                let point = self.ec.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "kid": kid, "x": b64(&point[1..33]), "y": b64(&point[33..]) })
            }
            _ => {
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": b64(self.ed.public_key().as_ref()) })
            }
        }
    }

    pub(crate) fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match algorithm {
            "RS256" => {
                let mut signature = vec![0; self.rsa.public().modulus_len()];
                self.rsa.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
            "ES256" => self.ec.sign(&random, message).unwrap().as_ref().to_vec(),
            "ES256-DER" => {
                let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &self.ec_pkcs8, &random)
                    .unwrap();
                key.sign(&random, message).unwrap().as_ref().to_vec()
            }
            "EdDSA" => self.ed.sign(message).as_ref().to_vec(),
            other => panic!("{other}"),
        }
    }

    /// A token of exactly this header and these claims, as text.
    pub(crate) fn token(&self, algorithm: &str, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", b64(header), b64(claims));
        format!("{message}.{}", b64(self.sign(algorithm, message.as_bytes())))
    }
}

/// The provider.
pub(crate) struct Issuer {
    pub(crate) wire: Wire,
    pub(crate) keys: Keys,
    published: Arc<Mutex<Option<Value>>>,
    hangs: Arc<AtomicBool>,
}

impl Issuer {
    pub(crate) async fn start() -> Self {
        Self::start_with(Keys::own()).await
    }

    pub(crate) async fn start_with(keys: Keys) -> Self {
        let all = [keys.jwk("rsa", "RS256"), keys.jwk("ec", "ES256"), keys.jwk("ed", "EdDSA")];
        let published = Arc::new(Mutex::new(Some(json!({ "keys": all }))));
        let (shown, origin) = (published.clone(), Arc::new(Mutex::new(String::new())));
        let own = origin.clone();
        let hangs = Arc::new(AtomicBool::new(false));
        let silent = hangs.clone();
        let wire = wire(move |line| {
            if silent.load(Ordering::SeqCst) {
                return Bytes(Vec::new(), Then::Wait);
            }
            let origin = own.lock().unwrap().clone();
            let body = match (line.split(' ').nth(1), shown.lock().unwrap().clone()) {
                (_, None) => return Bytes::whole("503 Service Unavailable", "", b""),
                (Some("/.well-known/openid-configuration"), _) => {
                    json!({ "issuer": origin, "jwks_uri": format!("{origin}/keys") })
                }
                (Some("/keys"), Some(keys)) => keys,
                _ => {
                    return Bytes(
                        b"HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n".to_vec(),
                        Then::Close,
                    );
                }
            };
            Bytes::whole("200 OK", "content-type: application/json\r\n", body.to_string().as_bytes())
        })
        .await;
        *origin.lock().unwrap() = wire.origin();
        Self { wire, keys, published, hangs }
    }

    pub(crate) fn url(&self) -> String {
        self.wire.origin()
    }

    /// From now on these are its keys; none is a provider that is down.
    pub(crate) fn publish(&self, keys: Option<&[Value]>) {
        *self.published.lock().unwrap() = keys.map(|keys| json!({ "keys": keys }));
    }

    /// From now on it takes requests and does not answer.
    pub(crate) fn hang(&self) {
        self.hangs.store(true, Ordering::SeqCst);
    }

    /// How often its keys were fetched.
    pub(crate) fn fetched(&self) -> usize {
        self.wire.heads().iter().filter(|head| head.starts_with("GET /keys ")).count()
    }
}
