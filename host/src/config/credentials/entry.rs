//! One entry of `credentials.toml` as it is written: what it is for, and where its value comes from.
//!
//! Takes: the file's tree. Gives: [`CredentialEntry`], [`CredentialSource`]. May name: id, authorize, powers.
//!
//! Read by hand and not by derive, because derived messages quote the value that they complain of. No message of this
//! module quotes anything from the file.

use super::super::document::Document;
use super::super::error::ConfigError;
use super::super::names::{CredentialHandle, QueryName, UserName};
use super::injection::Injection;
use super::seal::{Bound, KeyRing, NotOpened};
use super::secret::Secret;
use crate::authorize::origin::OriginPattern;
use crate::id::TenantId;
use crate::powers::Environment;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

const KEYS: &str = "the keys of a credential are `tenant`, `origins`; one of `header`, `query` and `basic`; \
                    one of `value`, `env` and `sealed`; and `changed`";

/// Where an entry's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialSource {
    /// In the file, as it is.
    Plain,
    /// In the file, sealed with the operator's key.
    Sealed,
    /// In a variable of the host's environment.
    Environment,
}

impl CredentialSource {
    /// The stable word: `plain`, `sealed` or `env`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Sealed => "sealed",
            Self::Environment => "env",
        }
    }
}

/// The value as it stands in the file.
#[derive(Debug)]
pub(crate) enum Stored {
    Plain(Secret),
    Sealed(String),
    Variable(String),
}

/// How the entry is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// `[handle]` and lines below.
    Table,
    /// `handle = { … }`.
    Inline,
    /// `handle.key = …`.
    Dotted,
}

/// A key of the entry and its value, where they stand in the text.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) at: Range<usize>,
}

/// What `credentials.toml` says about one credential, without its value.
#[derive(Debug)]
pub struct CredentialEntry {
    /// The name by which grants refer to it.
    pub handle: CredentialHandle,
    /// The tenant whose grants may name it.
    pub tenant: TenantId,
    /// The only origins that it is sent to.
    pub origins: Vec<OriginPattern>,
    /// Where in a request it is put.
    pub injection: Injection,
    /// When the value was last changed with `strongroom credential`, as text in UTC.
    pub changed: Option<String>,
    pub(super) stored: Stored,
    pub(super) shape: Shape,
    /// The entry's name, or its header with the brackets.
    pub(super) head: Range<usize>,
    pub(super) fields: Vec<Field>,
}

impl CredentialEntry {
    /// Where the value is.
    #[must_use]
    pub fn source(&self) -> CredentialSource {
        match self.stored {
            Stored::Plain(_) => CredentialSource::Plain,
            Stored::Sealed(_) => CredentialSource::Sealed,
            Stored::Variable(_) => CredentialSource::Environment,
        }
    }

    /// The value, if it is to be sealed: it stands there as it is, or `again` is set and an older key sealed it.
    pub(crate) fn to_seal(&self, ring: &KeyRing, again: bool) -> Result<Option<Secret>, NotOpened> {
        match &self.stored {
            Stored::Plain(secret) => Ok(Some(Secret::new(secret.expose().to_owned()))),
            Stored::Sealed(sealed) if again && !ring.is_current(sealed) => {
                ring.open(self.bound(), sealed).map(Some)
            }
            Stored::Sealed(_) | Stored::Variable(_) => Ok(None),
        }
    }

    pub(crate) fn bound(&self) -> Bound<'_> {
        Bound {
            handle: &self.handle,
            tenant: &self.tenant,
            origins: &self.origins,
            injection: &self.injection,
        }
    }

    /// Where the value, or where it comes from, stands in the text.
    pub(super) fn value_at(&self) -> Range<usize> {
        let field = self.fields.iter().find(|field| matches!(field.name, "value" | "env" | "sealed"));
        field.map_or(self.head.clone(), |field| field.at.clone())
    }

    /// The value itself.
    pub(super) fn open(
        self,
        document: &Document,
        environment: &dyn Environment,
        keys: &mut Keys,
    ) -> Result<(Self, Secret), ConfigError> {
        let fault = |what: String, fix: &str| document.fault(self.value_at(), what, "", fix);
        let secret = match &self.stored {
            Stored::Plain(secret) => Secret::new(secret.expose().to_owned()),
            Stored::Variable(name) => {
                let fix = "set it where the host is started; it is read once, when the settings are loaded";
                match environment.variable(name) {
                    Ok(Some(text)) => Secret::new(text.as_str().to_owned()),
                    Ok(None) => {
                        return Err(fault("the variable that `env` names is not set".to_owned(), fix));
                    }
                    Err(error) => return Err(fault(format!("`env`: {error}"), fix)),
                }
            }
            Stored::Sealed(sealed) => {
                let ring = keys.get(environment).map_err(|what| {
                    fault(format!("`sealed` cannot be opened: {what}"), "give the host the operator's key: set STRONGROOM_OPERATOR_KEY_FILE to its file, or STRONGROOM_OPERATOR_KEY to its text")
                })?;
                ring.open(self.bound(), sealed).map_err(|why| {
                    let fix = "give the host the key that it was sealed with, or set the credential again with `strongroom credential set`; a sealed value is good for its own handle, tenant, origins and place alone";
                    fault(format!("`sealed` {why}"), fix)
                })?
            }
        };
        if let Some((what, fix)) = self.injection.refuses(secret.expose()) {
            let key = self.source();
            let key = if key == CredentialSource::Plain { "value" } else { key.as_str() };
            return Err(fault(format!("`{key}` {what}"), fix));
        }
        Ok((self, secret))
    }

    pub(super) fn read(
        document: &Document,
        (name, head): (&str, Range<usize>),
        value: Spanned<DeValue<'_>>,
    ) -> Result<Self, ConfigError> {
        let Ok(handle) = CredentialHandle::new(name) else {
            let fix = "use lower-case letters, digits, '-' and '_'";
            return Err(document.fault(head, "a credential's name is not valid", "", fix));
        };
        let span = value.span();
        let DeValue::Table(table) = value.into_inner() else {
            let fix = "start it with [its-name]";
            return Err(document.fault(head, "a credential is not a table", "", fix));
        };
        let shape = match document.text().as_bytes().get(span.start) {
            Some(b'[') => Shape::Table,
            Some(b'{') => Shape::Inline,
            _ => Shape::Dotted,
        };
        let at = head.clone();
        let head = if shape == Shape::Table { span } else { head };
        let mut read = Reading { document, at, fields: Vec::new(), ..Reading::new(document) };
        for (key, value) in table {
            read.take(&key, value)?;
        }
        let (tenant, origins, stored) = read.whole()?;
        Ok(Self {
            handle,
            tenant,
            origins,
            injection: read.injection.unwrap_or_default(),
            changed: read.changed,
            stored,
            shape,
            head,
            fields: read.fields,
        })
    }
}

/// The operator's keys, read when the first sealed value asks for them.
#[derive(Debug, Default)]
pub(super) struct Keys(Option<KeyRing>);

impl Keys {
    pub(super) fn get(&mut self, environment: &dyn Environment) -> Result<&KeyRing, String> {
        let ring = match self.0.take() {
            Some(ring) => ring,
            None => match environment.operator_key().map_err(|error| error.to_string())? {
                Some(text) => KeyRing::parse(&text).map_err(|error| error.to_string())?,
                None => return Err("there is no operator's key".to_owned()),
            },
        };
        Ok(self.0.insert(ring))
    }
}

/// An entry that is being read.
struct Reading<'a> {
    document: &'a Document,
    at: Range<usize>,
    fields: Vec<Field>,
    tenant: Option<TenantId>,
    origins: Option<Vec<OriginPattern>>,
    injection: Option<Injection>,
    stored: Option<Stored>,
    changed: Option<String>,
}

impl<'a> Reading<'a> {
    fn new(document: &'a Document) -> Self {
        let (tenant, origins, injection, stored, changed) = (None, None, None, None, None);
        Self { document, at: 0..0, fields: Vec::new(), tenant, origins, injection, stored, changed }
    }

    fn take(
        &mut self,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        entry: Spanned<DeValue<'_>>,
    ) -> Result<(), ConfigError> {
        let document = self.document;
        let span = entry.span();
        let fault = |what: &str, fix: &str| document.fault(span.clone(), what, "", fix);
        let Some(name) = NAMES.iter().copied().find(|name| *name == key.get_ref().as_ref()) else {
            return Err(document.fault(key.span(), "unknown key", "", KEYS));
        };
        self.fields.push(Field { name, at: key.span().start..span.end });
        match (name, entry.into_inner()) {
            ("tenant", DeValue::String(text)) => {
                let fix = "write the name of a tenant, as in tenants/<name>.toml";
                self.tenant = Some(TenantId::new(text).map_err(|_| fault("`tenant` is not valid", fix))?);
            }
            ("origins", DeValue::Array(array)) => {
                let read =
                    array.into_iter().map(|one| origin(document, one)).collect::<Result<Vec<_>, _>>()?;
                if read.is_empty() {
                    return Err(fault("`origins` is empty", "name where the credential may be sent"));
                }
                self.origins = Some(read);
            }
            ("origins", _) => {
                let fix = "write it as [\"https://api.example.com\"]";
                return Err(fault("`origins` is not an array", fix));
            }
            ("changed", DeValue::Datetime(time)) => self.changed = Some(time.to_string()),
            ("changed", _) => {
                return Err(fault(
                    "`changed` is not a time",
                    "write it as 2026-01-31T08:15:00Z, or remove it",
                ));
            }
            (place @ ("header" | "query" | "basic"), DeValue::String(text)) => {
                if self.injection.is_some() {
                    let what = "a second place for the credential";
                    return Err(fault(what, "keep one of `header`, `query` and `basic`"));
                }
                self.injection = Some(injection(place, &text).map_err(|(what, fix)| fault(what, fix))?);
            }
            (source @ ("value" | "env" | "sealed"), DeValue::String(text)) => {
                if self.stored.is_some() {
                    let what = "a second source of the value";
                    return Err(fault(what, "keep one of `value`, `env` and `sealed`"));
                }
                self.stored = Some(match source {
                    "value" => Stored::Plain(Secret::new(text.into_owned())),
                    "sealed" => Stored::Sealed(text.into_owned()),
                    _ if is_variable(&text) => Stored::Variable(text.into_owned()),
                    _ => {
                        let fix = "write the name of a variable: letters, digits and '_', not beginning with STRONGROOM_";
                        return Err(fault("`env` is not valid", fix));
                    }
                });
            }
            (known, _) => return Err(fault(&format!("`{known}` is not a string"), "write it in quotes")),
        }
        Ok(())
    }

    fn whole(&mut self) -> Result<(TenantId, Vec<OriginPattern>, Stored), ConfigError> {
        let at = self.at.clone();
        let missing =
            |key: &str| self.document.fault(at.clone(), format!("the key `{key}` is missing"), "", KEYS);
        let tenant = self.tenant.take().ok_or_else(|| missing("tenant"))?;
        let origins = self.origins.take().ok_or_else(|| missing("origins"))?;
        Ok((tenant, origins, self.stored.take().ok_or_else(|| missing("value"))?))
    }
}

const NAMES: &[&str] =
    &["tenant", "origins", "header", "query", "basic", "value", "env", "sealed", "changed"];

/// The host's own variables stay the host's: its keys are no credential of a tenant.
pub(super) fn is_variable(name: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=128).contains(&name.len())
        && name.bytes().all(word)
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.to_ascii_uppercase().starts_with("STRONGROOM_")
}

fn injection(place: &str, text: &str) -> Result<Injection, (&'static str, &'static str)> {
    match place {
        "query" => QueryName::new(text).map(Injection::Query).map_err(|_| {
            ("`query` is not valid", "write a parameter's name: letters, digits, '-', '_', '.'")
        }),
        "basic" => UserName::new(text)
            .map(Injection::Basic)
            .map_err(|_| ("`basic` is not valid", "write the user's name, without colons")),
        _ => Injection::header(text).ok_or((
            "`header` cannot carry a credential",
            "write a header's name, as \"authorization\" or \"x-api-key\"",
        )),
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

/// All entries, in the order of the file.
pub(super) fn entries(document: &Document) -> Result<Vec<CredentialEntry>, ConfigError> {
    let tree: DeTable<'_> = document.tree()?;
    let mut all = Vec::new();
    for (name, value) in tree {
        let head = name.span();
        all.push(CredentialEntry::read(document, (name.get_ref().as_ref(), head), value)?);
    }
    all.sort_by_key(|entry| entry.head.start);
    Ok(all)
}
