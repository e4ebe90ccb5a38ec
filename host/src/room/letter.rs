//! One alert as a message of Standard Webhooks (standardwebhooks.com): its id, its body, and the header fields that sign it.
//!
//! Takes: an alert, a secret, the time. Gives: [`Letter`]. May name: config, id, moment, storage.

use crate::config::SigningSecret;
use crate::id::Digest;
use crate::moment::utc;
use crate::storage::ledger::Alert;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use sha2::Sha256;
use std::io::Error;

/// The type of every message.
const TYPE: &str = "budget.alert";

/// A message, the same each time that its alert is sent.
#[derive(Debug)]
pub(super) struct Letter {
    id: String,
    pub(super) body: Vec<u8>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    timestamp: String,
    data: &'a Alert,
}

impl Letter {
    /// `mac` tells this host's alerts from those of others that reach the same receiver.
    pub(super) fn new(alert: &Alert, mac: impl Fn(&[u8]) -> Digest) -> Result<Self, Error> {
        let body = Body { r#type: TYPE, timestamp: utc(alert.at_ms), data: alert };
        let body = serde_json::to_vec(&body).map_err(Error::other)?;
        let own = mac(format!("webhook {} {}", alert.id, alert.at_ms).as_bytes());
        let own: String = own.hex().chars().take(16).collect();
        Ok(Self { id: format!("alert_{}_{own}", alert.id), body })
    }

    /// The header fields of an attempt at this time, in seconds since 1970. With several keys there is a signature by each.
    pub(super) fn headers(&self, secret: &SigningSecret, now_s: u64) -> Result<HeaderMap, Error> {
        let now = now_s.to_string();
        let mut signatures = Vec::new();
        for key in secret.keys() {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(Error::other)?;
            for part in [self.id.as_bytes(), b".", now.as_bytes(), b".", &self.body] {
                mac.update(part);
            }
            signatures.push(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())));
        }
        let fields = [
            (CONTENT_TYPE, "application/json".to_owned()),
            (HeaderName::from_static("webhook-id"), self.id.clone()),
            (HeaderName::from_static("webhook-timestamp"), now),
            (HeaderName::from_static("webhook-signature"), signatures.join(" ")),
        ];
        let fields = fields
            .into_iter()
            .map(|(name, value)| Ok((name, HeaderValue::try_from(value).map_err(Error::other)?)));
        fields.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_is_signed_as_it_says() {
        // From the reference libraries' own tests.
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned(), br#"{"test": 2432232314}"#.to_vec());
        let headers = Letter { id, body }.headers(&secret, 1_614_265_330).unwrap();
        assert_eq!(headers["webhook-signature"], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(headers["webhook-timestamp"], "1614265330");
    }
}
