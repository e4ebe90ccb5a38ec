//! Changes of `credentials.toml` that leave every other byte of it as it was, comments included.
//!
//! Takes: the file's text and what is to change. Gives: the new text. May name: id, authorize.
//!
//! A change is made by the places that the parser reports. Afterwards the new text is read again: what was to change has
//! changed, and everything else says what it said before, or nothing is given.

use super::super::document::Document;
use super::super::error::{ConfigError, FileKind};
use super::super::names::CredentialHandle;
use super::entry::{CredentialEntry, Shape, Stored, entries};
use super::injection::Injection;
use crate::authorize::origin::OriginPattern;
use crate::id::TenantId;
use std::fmt::Write as _;
use std::ops::Range;
use zeroize::Zeroizing;

/// A value as it is to stand in the file.
#[derive(Debug)]
pub(crate) enum Written {
    Plain(Zeroizing<String>),
    Sealed(String),
    Variable(String),
}

/// One change.
#[derive(Debug)]
pub(crate) enum Change<'a> {
    /// Another value, and when it came.
    Value { value: &'a Written, changed: Option<&'a str> },
    /// All of it, in the entry's place if there is one, else at the end.
    Set {
        tenant: &'a TenantId,
        origins: &'a [OriginPattern],
        injection: &'a Injection,
        value: &'a Written,
        changed: &'a str,
    },
    /// The entry's end; comments above it stay.
    Remove,
}

/// The text with one entry changed.
///
/// # Errors
/// [`ConfigError`] when the text is not valid as it is, or when the entry is written in a way that cannot be changed
/// without touching anything else.
pub(crate) fn edit(
    file: &str,
    text: &str,
    handle: &CredentialHandle,
    change: &Change<'_>,
) -> Result<Zeroizing<String>, ConfigError> {
    let document = Document::new(FileKind::Credentials, file, text)?;
    let before = entries(&document)?;
    let mut pieces =
        Pieces { text, newline: if text.contains("\r\n") { "\r\n" } else { "\n" }, cuts: Vec::new() };
    let entry = before.iter().find(|entry| entry.handle == *handle);
    match (change, entry) {
        (Change::Remove, None) | (Change::Value { .. }, None) => {}
        (Change::Remove, Some(entry)) => pieces.remove(entry),
        (Change::Value { value, changed }, Some(entry)) => {
            pieces.put(entry, &["value", "env", "sealed"], &value.line());
            if let Some(changed) = changed {
                pieces.put(entry, &["changed"], &format!("changed = {changed}"));
            }
        }
        (Change::Set { tenant, origins, injection, value, changed }, entry) => {
            let lines = [
                (&["tenant"][..], Zeroizing::new(format!("tenant = {}", quoted(tenant.as_str()).as_str()))),
                (&["origins"], Zeroizing::new(format!("origins = [{}]", listed(origins)))),
                (
                    &["header", "query", "basic"],
                    Zeroizing::new(format!("{} = {}", injection.kind(), quoted(injection.name()).as_str())),
                ),
                (&["value", "env", "sealed"], value.line()),
                (&["changed"], Zeroizing::new(format!("changed = {changed}"))),
            ];
            match entry {
                Some(entry) => lines.iter().for_each(|(keys, line)| pieces.put(entry, keys, line)),
                None => pieces.append(handle, lines.iter().map(|(_, line)| line.as_str())),
            }
        }
    }
    let after = pieces.joined();
    if is_what_was_meant(
        &before,
        &entries(&Document::new(FileKind::Credentials, file, &after)?)?,
        handle,
        change,
    ) {
        return Ok(after);
    }
    let what = "an entry is written in a way that can only be changed by hand";
    Err(ConfigError::of_file(
        FileKind::Credentials,
        file,
        what,
        "write it as `[its-name]` with one key a line",
    ))
}

impl Written {
    fn line(&self) -> Zeroizing<String> {
        let (key, text) = match self {
            Self::Plain(text) => ("value", text.as_str()),
            Self::Sealed(text) => ("sealed", text.as_str()),
            Self::Variable(name) => ("env", name.as_str()),
        };
        Zeroizing::new(format!("{key} = {}", quoted(text).as_str()))
    }

    fn is(&self, stored: &Stored) -> bool {
        match (self, stored) {
            (Self::Plain(text), Stored::Plain(secret)) => text.as_str() == secret.expose(),
            (Self::Sealed(a), Stored::Sealed(b)) | (Self::Variable(a), Stored::Variable(b)) => a == b,
            _ => false,
        }
    }
}

/// A TOML string. Values have no control characters, so quotes and backslashes are all that needs care.
fn quoted(text: &str) -> Zeroizing<String> {
    let mut quoted = Zeroizing::new(String::with_capacity(text.len() * 2 + 2));
    quoted.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

fn listed(origins: &[OriginPattern]) -> String {
    origins.iter().map(|origin| quoted(&origin.to_string()).to_string()).collect::<Vec<_>>().join(", ")
}

/// Places of the text, and what is to stand there.
struct Pieces<'a> {
    text: &'a str,
    newline: &'static str,
    cuts: Vec<(Range<usize>, Zeroizing<String>)>,
}

impl Pieces<'_> {
    /// Puts a line in the place of the entry's key that is one of these, or below its last one.
    fn put(&mut self, entry: &CredentialEntry, keys: &[&str], line: &str) {
        let line = Zeroizing::new(line.to_owned());
        if let Some(field) = entry.fields.iter().find(|field| keys.contains(&field.name)) {
            return self.cuts.push((field.at.clone(), line));
        }
        let last = entry.fields.iter().map(|field| field.at.end).max().unwrap_or(entry.head.end);
        match entry.shape {
            Shape::Table => {
                let end = self.line_end(last);
                let whole = self.text.get(..end).is_some_and(|before| before.ends_with('\n'));
                let before = if whole { "" } else { self.newline };
                let line = Zeroizing::new(format!("{before}{}{}", *line, self.newline));
                self.cuts.push((end..end, line));
            }
            Shape::Inline => self.cuts.push((last..last, Zeroizing::new(format!(", {}", *line)))),
            Shape::Dotted => {}
        }
    }

    fn append<'l>(&mut self, handle: &CredentialHandle, lines: impl Iterator<Item = &'l str>) {
        let newline = self.newline;
        let mut entry = Zeroizing::new(String::with_capacity(64 * 1024));
        if !self.text.is_empty() {
            entry.push_str(if self.text.ends_with('\n') { "" } else { newline });
            entry.push_str(newline);
        }
        // Writing to a String cannot fail.
        let _ = write!(entry, "[{handle}]{newline}");
        for line in lines {
            let _ = write!(entry, "{line}{newline}");
        }
        self.cuts.push((self.text.len()..self.text.len(), entry));
    }

    /// Takes out the lines from the entry's head to its last value, and one empty line below.
    fn remove(&mut self, entry: &CredentialEntry) {
        let last = entry.fields.iter().map(|field| field.at.end).max().unwrap_or(entry.head.end);
        let before = self.text.get(..entry.head.start).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let end = self.line_end(last);
        let rest = self.text.get(end..).unwrap_or_default();
        let empty = ["\r\n", "\n"].into_iter().find(|newline| rest.starts_with(newline)).map_or(0, str::len);
        if entry.shape != Shape::Dotted {
            self.cuts.push((start..end + empty, Zeroizing::default()));
        }
    }

    /// Just behind the line break of the line with this place.
    fn line_end(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        rest.find('\n').map_or(self.text.len(), |newline| at + newline + 1)
    }

    fn joined(mut self) -> Zeroizing<String> {
        self.cuts.sort_by_key(|(at, _)| (at.start, at.end));
        let more: usize = self.cuts.iter().map(|(_, text)| text.len()).sum();
        // Room for all of it at once: a buffer that grows would leave copies behind that are not wiped.
        let mut whole = Zeroizing::new(String::with_capacity(self.text.len() + more));
        let mut from = 0;
        for (at, text) in &self.cuts {
            whole.push_str(self.text.get(from..at.start).unwrap_or_default());
            whole.push_str(text);
            from = at.end;
        }
        whole.push_str(self.text.get(from..).unwrap_or_default());
        whole
    }
}

fn is_what_was_meant(
    before: &[CredentialEntry],
    after: &[CredentialEntry],
    handle: &CredentialHandle,
    change: &Change<'_>,
) -> bool {
    fn others<'e>(
        all: &'e [CredentialEntry],
        handle: &CredentialHandle,
    ) -> impl Iterator<Item = &'e CredentialEntry> {
        let handle = handle.clone();
        all.iter().filter(move |entry| entry.handle != handle)
    }
    let same = others(before, handle).count() == others(after, handle).count()
        && others(before, handle)
            .zip(others(after, handle))
            .all(|(a, b)| a.handle == b.handle && says_the_same(a, b) && same_value(&a.stored, &b.stored));
    let find = |all: &'_ [CredentialEntry]| all.iter().position(|entry| entry.handle == *handle);
    let (old, new) = (find(before).and_then(|at| before.get(at)), find(after).and_then(|at| after.get(at)));
    let done = match (change, old, new) {
        (Change::Remove, _, None) => true,
        (Change::Value { .. }, None, None) => true,
        (Change::Value { value, changed }, Some(old), Some(new)) => {
            let same =
                old.tenant == new.tenant && old.origins == new.origins && old.injection == new.injection;
            same && value.is(&new.stored) && changed.is_none_or(|c| new.changed.as_deref() == Some(c))
        }
        (Change::Set { tenant, origins, injection, value, .. }, _, Some(new)) => {
            **tenant == new.tenant
                && **origins == *new.origins
                && **injection == new.injection
                && value.is(&new.stored)
        }
        _ => false,
    };
    same && done
}

fn says_the_same(a: &CredentialEntry, b: &CredentialEntry) -> bool {
    (&a.tenant, &a.origins, &a.injection, &a.changed) == (&b.tenant, &b.origins, &b.injection, &b.changed)
}

fn same_value(a: &Stored, b: &Stored) -> bool {
    match (a, b) {
        (Stored::Plain(a), Stored::Plain(b)) => a.expose() == b.expose(),
        (Stored::Sealed(a), Stored::Sealed(b)) | (Stored::Variable(a), Stored::Variable(b)) => a == b,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
