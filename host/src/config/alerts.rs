//! Where budget alerts are sent: `[alerts]` of the operator's file, and the secret that signs what is sent.
//!
//! Takes: the table, the environment, the home folder. Gives: [`WebhookRule`], [`SecretFrom`], [`Webhook`],
//! [`SigningSecret`]. May name: post, powers.
//!
//! ```toml
//! [alerts]
//! webhook    = "https://ops.example.com/hooks/strongroom"   # http for this machine alone
//! secret_env = "ALERTS_SECRET"                              # or secret_file = "alerts.secret"
//! timeout_ms = 10_000
//! ```

use super::credentials::Credentials;
use super::document::Document;
use super::error::{ConfigError, FileKind};
use super::{limits, load};
use crate::post::is_safe;
use crate::powers::Environment;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use cap_std::fs::Dir;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::fmt;
use url::Url;
use zeroize::Zeroizing;

/// How long a request may take, in milliseconds, where the file says nothing.
const TIMEOUT_MS: u64 = 10_000;
/// How long a key may be, in bytes (Standard Webhooks).
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// The most keys that sign at the same time.
const MOST_KEYS: usize = 4;
/// How every secret begins (Standard Webhooks).
const PREFIX: &str = "whsec_";
/// How the name of a secret's file ends.
const SECRET: &str = ".secret";

/// `[alerts]` as it is written.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookRule {
    /// `alerts.webhook`: where alerts are sent. `https`, or `http` to this machine.
    pub url: Url,
    /// `alerts.secret_env` or `alerts.secret_file`: where the secret is.
    pub secret: SecretFrom,
    /// `alerts.timeout_ms`: how long one request may take in all, in milliseconds, 100 to 60,000. Default 10,000.
    pub timeout_ms: u64,
}

impl fmt::Debug for WebhookRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A URL's path can be all that a service asks for.
        let to = self.url.origin().ascii_serialization();
        let Self { secret, timeout_ms, .. } = self;
        write!(f, "WebhookRule {{ to: {to}, secret: {secret:?}, timeout_ms: {timeout_ms} }}")
    }
}

/// Where the secret is that signs what is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretFrom {
    /// In this variable of the host's environment.
    Variable(String),
    /// In this file of the home folder, mode 0600 or stricter.
    File(String),
}

/// The webhook with its secret.
#[derive(Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Where alerts are sent, and how long that may take.
    pub rule: WebhookRule,
    /// What signs them.
    pub secret: SigningSecret,
}

/// One key that signs, or several of which the receiver knows one, as while it is changed. Prints nothing of itself, and
/// is wiped when dropped.
#[derive(PartialEq, Eq)]
pub struct SigningSecret(Vec<Zeroizing<Vec<u8>>>);

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret")
    }
}

impl SigningSecret {
    /// Reads 1 to 4 keys, one a line: `whsec_` and 24 to 64 bytes in base64 (Standard Webhooks).
    ///
    /// # Errors
    /// What is wrong with the text, in a sentence that quotes nothing of it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let padding = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let base64 = GeneralPurpose::new(&STANDARD, padding);
        let mut keys = Vec::new();
        for word in text.split_whitespace() {
            let digits = word.strip_prefix(PREFIX).ok_or("does not begin with `whsec_`")?;
            let key = Zeroizing::new(base64.decode(digits).map_err(|_| "is not base64 after `whsec_`")?);
            if !KEY_BYTES.contains(&key.len()) {
                return Err("has not 24 to 64 bytes after `whsec_`");
            }
            keys.push(key);
        }
        match keys.len() {
            0 => Err("is empty"),
            1..=MOST_KEYS => Ok(Self(keys)),
            _ => Err("holds more than four keys"),
        }
    }

    /// How many keys sign.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|key| key.as_slice())
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AlertsTable {
    webhook: Option<String>,
    secret_env: Option<String>,
    secret_file: Option<String>,
    /// Here so that it can be refused without showing the line.
    secret: Option<IgnoredAny>,
    #[serde(deserialize_with = "limits::optional::<100, 60_000, _>")]
    timeout_ms: Option<u64>,
}

impl AlertsTable {
    /// What the table says; nothing when it is not there.
    pub(super) fn rule(self, document: &Document) -> Result<Option<WebhookRule>, ConfigError> {
        let Self { webhook, secret_env, secret_file, secret, timeout_ms } = self;
        let fault = |key: &str, what: &str, label: &str, fix: &str| {
            Err(document.fault_at(&["alerts", key], what, label, fix))
        };
        let is_secret = |text: &Option<String>| text.as_ref().is_some_and(|text| text.contains(PREFIX));
        if secret.is_some() || is_secret(&secret_env) || is_secret(&secret_file) {
            let what = "[alerts]: the secret itself stands in the settings (the line is not shown)";
            let fix = "put it into a variable or a file, name that as `secret_env` or `secret_file`, and change the secret if \
                       others could have read it";
            return Err(ConfigError::of_file(FileKind::Host, load::HOST, what, fix));
        }
        let Some(webhook) = webhook else {
            let alone = [("secret_env", secret_env.is_some()), ("secret_file", secret_file.is_some())];
            let alone = alone.into_iter().chain([("timeout_ms", timeout_ms.is_some())]).find(|(_, is)| *is);
            return match alone {
                Some((key, _)) => {
                    fault(key, "there is no webhook", "for nothing", "add `webhook`, or remove this")
                }
                None => Ok(None),
            };
        };
        let url = match address(&webhook) {
            Ok(url) => url,
            Err((what, fix)) => return fault("webhook", what, "here", fix),
        };
        let secret = match (secret_env, secret_file) {
            (Some(_), Some(_)) => {
                return fault("secret_file", "a second source of the secret", "here", "keep one of the two");
            }
            (None, None) => {
                let fix = "name the variable or the file that holds it: `secret_env` or `secret_file`";
                return fault("webhook", "there is no secret to sign with", "for this webhook", fix);
            }
            (Some(name), None) if Credentials::is_variable(&name) => SecretFrom::Variable(name),
            (Some(_), None) => {
                let fix =
                    "write letters, digits and '_'; names that begin with STRONGROOM_ are the host's own";
                return fault("secret_env", "this is no name of a variable", "here", fix);
            }
            (None, Some(name)) if is_file(&name) => SecretFrom::File(name),
            (None, Some(_)) => {
                let fix = "write the name of a file in the home folder that ends in `.secret`, as \"alerts.secret\"";
                return fault("secret_file", "this is no name of a secret's file", "here", fix);
            }
        };
        Ok(Some(WebhookRule { url, secret, timeout_ms: timeout_ms.unwrap_or(TIMEOUT_MS) }))
    }
}

/// Whether a file of this name in the home folder holds a secret.
pub(crate) fn is_file(name: &str) -> bool {
    let visible = |b: u8| b.is_ascii_graphic() && b != b'/' && b != b'\\';
    name.len() <= 128 && name.ends_with(SECRET) && !name.starts_with('.') && name.bytes().all(visible)
}

fn address(text: &str) -> Result<Url, (&'static str, &'static str)> {
    const SHAPE: &str = "write it as \"https://ops.example.com/hooks/strongroom\"";
    let url = Url::parse(text).map_err(|_| ("this is no URL", SHAPE))?;
    if !matches!(url.scheme(), "https" | "http") || url.host().is_none() || url.port() == Some(0) {
        return Err(("this is no address on the web", SHAPE));
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err((
            "a webhook has neither a user nor a fragment",
            "remove what stands before `@` or after `#`",
        ));
    }
    if !is_safe(&url) {
        return Err((
            "over plain http, others could read alerts",
            "use https; http is for this machine alone, as \"http://127.0.0.1:9000/alerts\"",
        ));
    }
    Ok(url)
}

/// The webhook with its secret, which is read once, here.
pub(super) fn open(
    document: &Document,
    rule: &WebhookRule,
    home: &Dir,
    environment: &dyn Environment,
) -> Result<Webhook, ConfigError> {
    let fault = |key: &str, what: String, fix: &str| document.fault_at(&["alerts", key], what, "here", fix);
    let shape = "it holds `whsec_` and 24 to 64 random bytes in base64, one such key a line";
    let (key, text) = match &rule.secret {
        SecretFrom::Variable(name) => {
            let text = environment.variable(name).map_err(|e| fault("secret_env", e.to_string(), shape))?;
            let fix = "set it where the host is started; it is read when the settings are loaded";
            let unset = || fault("secret_env", format!("the variable {name} is not set"), fix);
            ("secret_env", text.ok_or_else(unset)?)
        }
        SecretFrom::File(name) => {
            let fix = "put the secret there, with mode 0600";
            let gone = || fault("secret_file", format!("there is no file {name} in the home folder"), fix);
            ("secret_file", load::read(home, FileKind::Credentials, name)?.ok_or_else(gone)?)
        }
    };
    let secret =
        SigningSecret::parse(&text).map_err(|what| fault(key, format!("the secret {what}"), shape))?;
    Ok(Webhook { rule: rule.clone(), secret })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HostConfig;
    use crate::config::tests::printed;

    #[test]
    fn a_webhook_has_a_safe_address_and_one_source_of_its_secret() {
        let read = |lines: &str| HostConfig::parse("strongroom.toml", &format!("[alerts]\n{lines}\n"));
        assert_eq!(read("").unwrap().alerts, None);
        for url in
            ["https://ops.example.com/a?b=c", "http://127.0.0.1:9/", "http://[::1]/", "http://localhost/"]
        {
            let rule = read(&format!("webhook = '{url}'\nsecret_env = 'ALERTS'")).unwrap().alerts.unwrap();
            assert_eq!((rule.url.as_str(), rule.timeout_ms), (url, 10_000));
            assert_eq!(rule.secret, SecretFrom::Variable("ALERTS".into()));
        }
        let file = read("webhook = 'https://a.example'\nsecret_file = 'a.secret'\ntimeout_ms = 500").unwrap();
        let rule = file.alerts.unwrap();
        assert_eq!((rule.secret, rule.timeout_ms), (SecretFrom::File("a.secret".into()), 500));
        let to = "webhook = 'https://a.example'\n";
        for (lines, says) in [
            ("webhook = 'http://ops.example.com/'\nsecret_env = 'A'".to_owned(), "others could read"),
            ("webhook = 'ftp://a.example/'\nsecret_env = 'A'".into(), "no address on the web"),
            ("webhook = 'https://me:pw@a.example/'\nsecret_env = 'A'".into(), "neither a user"),
            ("webhook = 'ops'\nsecret_env = 'A'".into(), "no URL"),
            (to.to_owned(), "no secret to sign with"),
            ("secret_env = 'A'".into(), "there is no webhook"),
            (format!("{to}secret_env = 'A'\nsecret_file = 'a.secret'"), "second source"),
            (format!("{to}secret_env = 'STRONGROOM_OPERATOR_KEY'"), "no name of a variable"),
            (format!("{to}secret_file = '../a.secret'"), "no name of a secret's file"),
            (format!("{to}secret_file = 'host.key'"), "no name of a secret's file"),
            (format!("{to}secret_env = 'A'\ntimeout_ms = 99"), "out of range"),
            (format!("{to}secret_enf = 'A'"), "unknown key"),
        ] {
            let fault = read(&lines).unwrap_err();
            assert!(fault.to_string().contains(says) && fault.line().is_some(), "{lines}: {fault}");
        }
    }

    #[test]
    fn a_secret_in_the_settings_is_refused_and_not_shown() {
        let secret = "whsec_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5";
        for key in ["secret", "secret_env", "secret_file"] {
            let text = format!("[alerts]\nwebhook = \"https://a.example\"\n{key} = \"{secret}\"\n");
            let fault = HostConfig::parse("strongroom.toml", &text).unwrap_err();
            assert!(fault.to_string().contains("stands in the settings"), "{fault}");
            assert!(!format!("{}{fault:?}", printed(&fault)).contains("Y2FuYXJ5"));
        }
    }

    #[test]
    fn secrets_are_those_of_standard_webhooks() {
        let key = |bytes: usize| {
            format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(vec![7; bytes]))
        };
        for bytes in [24, 32, 64] {
            let secret = SigningSecret::parse(&format!("{}\n", key(bytes))).unwrap();
            assert_eq!(secret.keys().collect::<Vec<_>>(), [vec![7; bytes]]);
            assert_eq!(format!("{secret:?}"), "SigningSecret");
        }
        assert_eq!(SigningSecret::parse(&format!("{}\n{}", key(24), key(25))).unwrap().keys().count(), 2);
        let unpadded = key(32).trim_end_matches('=').to_owned();
        assert!(SigningSecret::parse(&unpadded).is_ok());
        let many = vec![key(24); 5].join("\n");
        for bad in ["", "\n", "secret", "whsec_", "whsec_?", &key(23), &key(65), &many] {
            assert!(SigningSecret::parse(bad).is_err(), "{bad}");
        }
    }
}
