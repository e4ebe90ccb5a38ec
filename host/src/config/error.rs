//! Faults in files, as people read them: file, line, what is wrong there, and what to write instead.
//!
//! Takes: what the readers of this module found. Gives: [`ConfigError`], [`ConfigErrors`]. May name: reason.

use crate::reason::Reason;
use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode, SourceSpan};
use std::fmt;
use std::sync::Arc;

/// Which file a fault is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// `strongroom.toml`, the operator's.
    Host,
    /// `tenants/<id>.toml`, what a tenant may do.
    Tenant,
    /// `prices.toml`, what calls cost.
    Prices,
    /// `credentials.toml`; its text is never shown.
    Credentials,
    /// `policies/<id>.cedar`, a tenant's own policies.
    Policies,
    /// `tool.toml`, a tool's manifest.
    Manifest,
}

/// One fault in one file. `Display` is one line (`tenants/acme.toml:3: unknown key `alow``); as a
/// [`miette::Diagnostic`] it shows the line, unless the file may hold secrets.
pub struct ConfigError(Box<Fault>);

struct Fault {
    kind: FileKind,
    file: Arc<str>,
    /// The line and the column, counted from 1.
    place: Option<(usize, usize)>,
    what: String,
    label: String,
    fix: String,
    span: Option<SourceSpan>,
    source: Option<NamedSource<Arc<str>>>,
}

impl ConfigError {
    /// A fault of the file as a whole: it cannot be read, it is too long, its mode is wrong.
    #[must_use]
    pub fn of_file(kind: FileKind, file: &str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self(Box::new(Fault {
            kind,
            file: file.into(),
            place: None,
            what: what.into(),
            label: String::new(),
            fix: fix.into(),
            span: None,
            source: None,
        }))
    }

    /// A fault at a place in the file's text. The text of a file that holds secrets is not kept.
    pub(crate) fn at(
        (kind, file, text): (FileKind, &Arc<str>, &Arc<str>),
        span: std::ops::Range<usize>,
        what: String,
        label: String,
        fix: String,
    ) -> Self {
        let before = text.as_bytes().get(..span.start).unwrap_or(text.as_bytes());
        let line = 1 + before.iter().filter(|b| **b == b'\n').count();
        let start_of_line = before.iter().rposition(|b| *b == b'\n').map_or(0, |newline| newline + 1);
        let column = 1 + text.get(start_of_line..span.start).unwrap_or_default().chars().count();
        let shown = kind != FileKind::Credentials;
        let hint = if shown { "" } else { " (the line is not shown, because it may hold a secret)" };
        Self(Box::new(Fault {
            kind,
            file: Arc::clone(file),
            place: Some((line, column)),
            what: visible(&what, &[]).to_string(),
            label: visible(&label, &[]).to_string(),
            fix: format!("{}{hint}", visible(&fix, &[])),
            span: shown.then(|| span.into()),
            source: shown.then(|| NamedSource::new(file, visible(text, &['\n', '\r', '\t']))),
        }))
    }

    /// [`Reason::ManifestInvalid`] for a manifest, [`Reason::ConfigInvalid`] for the operator's files.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self.0.kind {
            FileKind::Manifest => Reason::ManifestInvalid,
            FileKind::Host
            | FileKind::Tenant
            | FileKind::Prices
            | FileKind::Credentials
            | FileKind::Policies => Reason::ConfigInvalid,
        }
    }

    /// The file's name, relative to the home folder.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.0.file
    }

    /// The line, counted from 1, if the fault has one.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.0.place.map(|(line, _)| line)
    }

    /// The column, in characters counted from 1, if the fault has one.
    #[must_use]
    pub fn column(&self) -> Option<usize> {
        self.0.place.map(|(_, column)| column)
    }

    /// What is wrong, without the place.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.0.what
    }

    /// What to do about it.
    #[must_use]
    pub fn fix(&self) -> &str {
        &self.0.fix
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line() {
            Some(line) => write!(f, "{}:{line}: {}", self.0.file, self.0.what),
            None => write!(f, "{}: {}", self.0.file, self.0.what),
        }
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigError({self}; {})", self.0.fix)
    }
}

impl std::error::Error for ConfigError {}

impl Diagnostic for ConfigError {
    fn code(&self) -> Option<Box<dyn fmt::Display + '_>> {
        Some(Box::new(self.reason()))
    }

    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        Some(Box::new(&self.0.fix))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.0.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.0.span?;
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(Some(self.0.label.clone()), span))))
    }
}

/// The text with a `?` for every byte of what would steer a terminal or turn the reading direction: files can
/// be a stranger's. Offsets stay as they are.
fn visible(text: &str, except: &[char]) -> Arc<str> {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let hidden = |c: char| steers(c) && !except.contains(&c);
    if !text.contains(hidden) {
        return text.into();
    }
    let mut seen = String::with_capacity(text.len());
    for c in text.chars() {
        if hidden(c) { seen.extend(std::iter::repeat_n('?', c.len_utf8())) } else { seen.push(c) }
    }
    seen.into()
}

/// Every fault that was found, at least one: the host's file, the credentials, the tenants by name, then their policies.
/// `Display` is the first one in one line; as a [`miette::Diagnostic`] it is the first one, with the others
/// related.
#[derive(Debug)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// `Ok` when nothing was found.
    pub(crate) fn none_of(faults: Vec<ConfigError>) -> Result<(), Self> {
        if faults.is_empty() { Ok(()) } else { Err(Self(faults)) }
    }

    /// At least this one.
    pub(crate) fn new(first: ConfigError, others: impl Iterator<Item = ConfigError>) -> Self {
        Self(std::iter::once(first).chain(others).collect())
    }

    /// The faults.
    #[must_use]
    pub fn all(&self) -> &[ConfigError] {
        &self.0
    }

    /// The reason of the first fault.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.0.first().map_or(Reason::ConfigInvalid, ConfigError::reason)
    }
}

impl IntoIterator for ConfigErrors {
    type Item = ConfigError;
    type IntoIter = std::vec::IntoIter<ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(fault: ConfigError) -> Self {
        Self(vec![fault])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => write!(f, "{one}"),
            [first, rest @ ..] => write!(f, "{first} (and {} more)", rest.len()),
            [] => f.write_str("no fault"),
        }
    }
}

impl std::error::Error for ConfigErrors {}

impl Diagnostic for ConfigErrors {
    fn code(&self) -> Option<Box<dyn fmt::Display + '_>> {
        Some(Box::new(self.reason()))
    }

    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        self.0.first()?.help()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.0.first()?.source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.0.first()?.labels()
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.0.iter().skip(1).map(|fault| fault as &dyn Diagnostic)))
    }
}
