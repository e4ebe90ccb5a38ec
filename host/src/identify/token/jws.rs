//! A token's outer form (RFC 7515, compact): three parts, a header that says no more than it must, claims that are not believed yet.
//!
//! Takes: text. Gives: [`Unverified`]. May name: config, identify::token.

use super::strict::Object;
use super::{Fault, invalid};
use crate::config::{TokenAlgorithm, TokenType};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Longest token, in bytes.
pub(crate) const MAX_TOKEN: usize = 16 * 1024;
/// Longest key id, in bytes.
const MAX_KID: usize = 512;
/// Headers that would have the token say by which key it is to be checked, or how it is to be understood.
const REFUSED: [&str; 8] = ["jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc"];

/// What a token says, unproven.
#[derive(Debug)]
pub(super) struct Unverified {
    pub(super) algorithm: TokenAlgorithm,
    pub(super) kid: Option<String>,
    pub(super) kind: TokenType,
    /// The claim `iss`, to find out whose keys to ask.
    pub(super) issuer: String,
}

impl Unverified {
    pub(super) fn read(token: &str) -> Result<Self, Fault> {
        if token.len() > MAX_TOKEN {
            return Err(invalid("the token is longer than 16 KiB"));
        }
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(invalid("it has no three parts"));
        };
        if signature.is_empty() {
            return Err(invalid("it is not signed"));
        }
        let header = object(header).ok_or_else(|| invalid("its header cannot be read"))?;
        let claims = object(claims).ok_or_else(|| invalid("its claims cannot be read"))?;
        if let Some(name) = REFUSED.into_iter().find(|name| header.get(name).is_some()) {
            return Err(invalid(format!("its header has `{name}`")));
        }
        let algorithm = header.text("alg").and_then(TokenAlgorithm::named);
        let algorithm = algorithm.ok_or_else(|| invalid("its algorithm is none that tokens may have"))?;
        let kid = match (header.get("kid"), header.text("kid")) {
            (None, _) => None,
            (Some(_), Some(kid)) if !kid.is_empty() && kid.len() <= MAX_KID => Some(kid.to_owned()),
            (Some(_), _) => return Err(invalid("its `kid` is no key's id")),
        };
        let kind = match (header.get("typ"), header.text("typ")) {
            (None, _) => TokenType::Jwt,
            // RFC 7515, 4.1.9: media types, so case does not count, and `application/` may be left out.
            (Some(_), Some(typ)) => match typ.to_ascii_lowercase().as_str() {
                "jwt" | "application/jwt" => TokenType::Jwt,
                "at+jwt" | "application/at+jwt" => TokenType::AccessToken,
                _ => return Err(invalid("its `typ` is not an access token's")),
            },
            (Some(_), None) => return Err(invalid("its `typ` is no text")),
        };
        let issuer =
            claims.text("iss").ok_or_else(|| invalid("it has no claim `iss` that is text"))?.to_owned();
        Ok(Self { algorithm, kid, kind, issuer })
    }
}

/// Base64url without padding, strictly, and an object in it.
fn object(part: &str) -> Option<Object> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
