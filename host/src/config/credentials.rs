//! `credentials.toml`: the tenants' secrets for the services that their tools call. Guests never see them.
//!
//! Takes: the file's text. Gives: [`Credentials`], [`Credential`], [`Secret`]. May name: id, authorize.
//!
//! The file is read by hand and not by derive, because derived messages quote the value that they complain
//! of. No message of this module quotes anything from the file.

use super::document::Document;
use super::error::{ConfigError, FileKind};
use super::names::CredentialHandle;
use crate::authorize::origin::OriginPattern;
use crate::id::TenantId;
use http::HeaderName;
use std::collections::BTreeMap;
use std::fmt;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

/// A text that must not be seen. It prints nothing of itself, is wiped when dropped, and cannot be cloned.
#[derive(PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps the text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for the one request that carries it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A header that the host adds to the requests of one tenant to some origins.
#[derive(Debug, PartialEq, Eq)]
pub struct Credential {
    /// The tenant whose grants may name it.
    pub tenant: TenantId,
    /// The only origins that it is sent to.
    pub origins: Vec<OriginPattern>,
    /// The header; `authorization` if the file names none.
    pub header: HeaderName,
    /// The header's whole value: visible ASCII and inner spaces, at most 16 KiB.
    pub value: Secret,
}

/// All credentials, by handle.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Credentials(BTreeMap<CredentialHandle, Credential>);

/// Headers that frame or route a message: a credential there would change where and how it is sent.
const NOT_FOR_CREDENTIALS: &[HeaderName] = &[
    http::header::HOST,
    http::header::CONTENT_LENGTH,
    http::header::TRANSFER_ENCODING,
    http::header::CONNECTION,
    http::header::UPGRADE,
    http::header::TE,
    http::header::TRAILER,
    http::header::EXPECT,
];

const KEYS: &str = "the keys of a credential are `tenant`, `origins`, `header` and `value`";

impl Credentials {
    /// Reads the text of `credentials.toml`. `file` is what messages call it.
    ///
    /// # Errors
    /// [`ConfigError`] with the line's number, for text that is no TOML, unknown keys, wrong types and bad
    /// values.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let document = Document::new(FileKind::Credentials, file, text)?;
        let mut all = BTreeMap::new();
        for (handle, entry) in document.tree()? {
            let span = handle.span();
            let Ok(handle) = CredentialHandle::new(handle.get_ref()) else {
                let fix = "use lower-case letters, digits, '-' and '_'";
                return Err(document.fault(span, "a credential's name is not valid", "", fix));
            };
            let DeValue::Table(table) = entry.into_inner() else {
                return Err(document.fault(
                    span,
                    "a credential is not a table",
                    "",
                    "start it with [its-name]",
                ));
            };
            all.insert(handle, Credential::read(&document, span, table)?);
        }
        Ok(Self(all))
    }

    /// The credential with this handle.
    #[must_use]
    pub fn get(&self, handle: &CredentialHandle) -> Option<&Credential> {
        self.0.get(handle)
    }

    /// All of them, in the order of their handles.
    pub fn iter(&self) -> impl Iterator<Item = (&CredentialHandle, &Credential)> {
        self.0.iter()
    }

    /// Adds one, for hosts that keep their secrets elsewhere; gives back the one that had the handle before.
    pub fn insert(&mut self, handle: CredentialHandle, credential: Credential) -> Option<Credential> {
        self.0.insert(handle, credential)
    }
}

impl Credential {
    fn read(
        document: &Document,
        at: std::ops::Range<usize>,
        table: DeTable<'_>,
    ) -> Result<Self, ConfigError> {
        let (mut tenant, mut origins, mut value) = (None, None, None);
        let mut header = http::header::AUTHORIZATION;
        for (key, entry) in table {
            let span = entry.span();
            let fault = |what: &str, fix: &str| document.fault(span.clone(), what, "", fix);
            match (key.get_ref().as_ref(), entry.into_inner()) {
                ("tenant", DeValue::String(text)) => {
                    let fix = "write the name of a tenant, as in tenants/<name>.toml";
                    tenant = Some(TenantId::new(text).map_err(|_| fault("`tenant` is not valid", fix))?);
                }
                ("origins", DeValue::Array(array)) => {
                    let read =
                        array.into_iter().map(|one| origin(document, one)).collect::<Result<Vec<_>, _>>()?;
                    if read.is_empty() {
                        return Err(fault("`origins` is empty", "name where the credential may be sent"));
                    }
                    origins = Some(read);
                }
                ("header", DeValue::String(text)) => {
                    let fix = "write a header's name, as \"authorization\" or \"x-api-key\"";
                    header = HeaderName::try_from(text.as_ref())
                        .ok()
                        .filter(|name| !NOT_FOR_CREDENTIALS.contains(name))
                        .ok_or_else(|| fault("`header` cannot carry a credential", fix))?;
                }
                ("value", DeValue::String(text)) => {
                    let secret = Secret::new(text.into_owned());
                    if !is_header_value(secret.expose()) {
                        let fix = "write 1 to 16,384 visible ASCII characters, without spaces or line breaks around them";
                        return Err(fault("`value` cannot stand in a header", fix));
                    }
                    value = Some(secret);
                }
                (known @ ("tenant" | "header" | "value"), _) => {
                    return Err(fault(&format!("`{known}` is not a string"), "write it in quotes"));
                }
                ("origins", _) => {
                    return Err(fault(
                        "`origins` is not an array",
                        "write it as [\"https://api.example.com\"]",
                    ));
                }
                _ => return Err(document.fault(key.span(), "unknown key", "", KEYS)),
            }
        }
        let missing = |key: &str| document.fault(at.clone(), format!("the key `{key}` is missing"), "", KEYS);
        Ok(Self {
            tenant: tenant.ok_or_else(|| missing("tenant"))?,
            origins: origins.ok_or_else(|| missing("origins"))?,
            header,
            value: value.ok_or_else(|| missing("value"))?,
        })
    }
}

fn origin(document: &Document, entry: Spanned<DeValue<'_>>) -> Result<OriginPattern, ConfigError> {
    let span = entry.span();
    let parsed = match entry.get_ref() {
        DeValue::String(text) => OriginPattern::parse(text).map_err(|error| error.to_string()),
        _ => Err("an origin is not a string; write it in quotes".to_owned()),
    };
    parsed.map_err(|message| {
        let (what, fix) = message.split_once("; ").unwrap_or((&message, ""));
        document.fault(span, format!("in `origins`: {what}"), "", fix)
    })
}

fn is_header_value(text: &str) -> bool {
    (1..=16_384).contains(&text.len())
        && text.trim() == text
        && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
}
