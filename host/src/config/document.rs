//! One TOML file: its text, its values, and where in the text a value stands.
//!
//! Takes: a file's name and text. Gives: [`Document`]. May name: nothing.

use super::error::{ConfigError, FileKind};
use super::list;
use serde::de::DeserializeOwned;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};
use zeroize::Zeroize;

/// Longest file that is read, in bytes.
pub const MAX_FILE_BYTES: usize = 256 * 1024;

/// A file's text, for reading values and for pointing at them.
pub(crate) struct Document {
    kind: FileKind,
    file: Arc<str>,
    text: Arc<str>,
}

impl Document {
    /// Wraps the text.
    pub(crate) fn new(kind: FileKind, file: &str, text: &str) -> Result<Self, ConfigError> {
        if text.len() > MAX_FILE_BYTES {
            return Err(too_long(kind, file));
        }
        Ok(Self { kind, file: file.into(), text: text.into() })
    }

    /// The text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Reads the whole file as one value.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        let source = toml::Deserializer::parse(&self.text).map_err(|error| self.not_toml(&error))?;
        T::deserialize(source).map_err(|error| {
            let mut span = error.span().unwrap_or(0..0);
            let mut message = error.message();
            if let Some((index, rest)) =
                message.strip_prefix(list::ITEM).and_then(|item| item.split_once(": "))
            {
                message = rest;
                span = self.item(&span, index).unwrap_or(span);
            }
            let told = Told::from(message);
            self.fault(span, told.what, told.label, told.fix)
        })
    }

    /// The file as a tree with spans, for readers that must not let a value into an error text.
    pub(crate) fn tree(&self) -> Result<DeTable<'_>, ConfigError> {
        DeTable::parse(&self.text).map(Spanned::into_inner).map_err(|error| self.not_toml(&error))
    }

    /// A syntax error. The parser's messages about syntax quote nothing of the text.
    fn not_toml(&self, error: &toml::de::Error) -> ConfigError {
        let (what, expected) = error.message().split_once(", expected ").unwrap_or((error.message(), ""));
        let what = format!("this is no TOML: {what}");
        let label = if expected.is_empty() { "here".to_owned() } else { format!("expected {expected}") };
        let fix = "strings stand in quotes, arrays in [..], and tables start with [name]";
        self.fault(error.span().unwrap_or(0..0), what, label, fix)
    }

    /// A fault at a span.
    pub(crate) fn fault(
        &self,
        span: Range<usize>,
        what: impl Into<String>,
        label: impl Into<String>,
        fix: impl Into<String>,
    ) -> ConfigError {
        ConfigError::at((self.kind, &self.file, &self.text), span, what.into(), label.into(), fix.into())
    }

    /// A fault at a path of keys and, in arrays, indices.
    pub(crate) fn fault_at(
        &self,
        path: &[&str],
        what: impl Into<String>,
        label: impl Into<String>,
        fix: impl Into<String>,
    ) -> ConfigError {
        self.fault(self.locate(path).0, what, label, fix)
    }

    /// The place of one item of the array that stands at a span.
    fn item(&self, array: &Range<usize>, index: &str) -> Option<Range<usize>> {
        fn search<'a, 'i>(value: &'a Spanned<DeValue<'i>>, span: &Range<usize>) -> Option<&'a DeArray<'i>> {
            match value.get_ref() {
                DeValue::Array(array) if value.span() == *span => Some(array),
                DeValue::Array(array) => array.iter().find_map(|inner| search(inner, span)),
                DeValue::Table(table) => table.values().find_map(|inner| search(inner, span)),
                _ => None,
            }
        }
        let table = DeTable::parse(&self.text).ok()?.into_inner();
        let array = table.values().find_map(|value| search(value, array))?;
        index.parse().ok().and_then(|index: usize| array.get(index)).map(Spanned::span)
    }

    /// Whether something stands at the path.
    pub(crate) fn has(&self, path: &[&str]) -> bool {
        self.locate(path).1 == path.len()
    }

    /// Where the value at the path stands, or the nearest value around it, and how many steps of the path
    /// lead there. Parses once more: only faults ask.
    fn locate(&self, path: &[&str]) -> (Range<usize>, usize) {
        let Ok(table) = DeTable::parse(&self.text) else { return (0..0, 0) };
        let (mut span, mut steps) = (0..0, 0);
        let root = DeValue::Table(table.into_inner());
        let mut value = &root;
        for step in path {
            let next = match value {
                DeValue::Table(table) => table.get(*step),
                DeValue::Array(array) => step.parse().ok().and_then(|index: usize| array.get(index)),
                _ => None,
            };
            let Some(next) = next else { break };
            (span, steps) = (next.span(), steps + 1);
            value = next.get_ref();
        }
        (span, steps)
    }
}

/// The line, counted from 1, on which the value at a path of keys stands in a TOML text, or the nearest value around
/// it; `None` when not even the first key is there.
#[must_use]
pub fn line_of(text: &str, path: &[&str]) -> Option<usize> {
    let document = Document::new(FileKind::Manifest, "", text).ok()?;
    let (span, steps) = document.locate(path);
    let before = text.bytes().take(span.start).filter(|b| *b == b'\n').count();
    (steps > 0).then_some(before + 1)
}

/// Where the value at a path of keys stands in a TOML text; `None` when it is not there. A table that has a header of its
/// own stands where its header does.
pub(crate) fn span_of(text: &str, path: &[&str]) -> Option<Range<usize>> {
    let document = Document::new(FileKind::Tenant, "", text).ok()?;
    let (span, steps) = document.locate(path);
    (steps == path.len()).then_some(span)
}

impl Drop for Document {
    fn drop(&mut self) {
        // Errors keep no text of this kind of file, so that nobody else holds it.
        if self.kind == FileKind::Credentials
            && let Some(text) = Arc::get_mut(&mut self.text)
        {
            text.zeroize();
        }
    }
}

/// The fault of a file that is longer than [`MAX_FILE_BYTES`].
pub(crate) fn too_long(kind: FileKind, file: &str) -> ConfigError {
    ConfigError::of_file(kind, file, "the file is longer than 256 KiB", "shorten it, or split it up")
}

/// A parser's message, in our words: what is wrong, a label for the place, and what to do.
struct Told {
    what: String,
    label: String,
    fix: String,
}

impl From<&str> for Told {
    fn from(message: &str) -> Self {
        let told = |what: String, label: &str, fix: String| Self { what, label: label.to_owned(), fix };
        if let Some(rest) = message.strip_prefix("unknown field ") {
            let (key, known) = rest.split_once(", ").unwrap_or((rest, ""));
            return told(format!("unknown key {key}"), "no such key here", unknown_key(key, known));
        }
        if let Some(key) = message.strip_prefix("missing field ") {
            return told(format!("the key {key} is missing"), "in this table", format!("add {key}"));
        }
        if let Some(rest) = message.strip_prefix("unknown variant ") {
            let (word, known) = rest.split_once(", ").unwrap_or((rest, ""));
            return told(
                format!("unknown word {word}"),
                "not one of the allowed words",
                known.replacen("expected", "write", 1),
            );
        }
        if let Some(rest) = message.strip_prefix("invalid type: ") {
            let (found, wanted) = rest.split_once(", expected ").unwrap_or((rest, "another type"));
            let wanted = plain_type(wanted);
            return told(
                format!("wrong type: {found}"),
                &format!("expected {wanted}"),
                format!("write {wanted}"),
            );
        }
        // Our own value types say `what is wrong; what to do`, names say `… is not valid: the allowed form`.
        let message = message.replacen(" is not valid: ", " is not valid; ", 1);
        let (what, fix) =
            message.split_once("; ").unwrap_or((&message, "see the documentation of this file"));
        told(what.to_owned(), "here", fix.to_owned())
    }
}

/// Names the keys that exist, and first of all the one that was probably meant.
fn unknown_key(key: &str, known: &str) -> String {
    let key = key.trim_matches('`');
    let near = known.split('`').skip(1).step_by(2).filter(|candidate| distance(key, candidate) <= 2);
    let near = near.min_by_key(|candidate| distance(key, candidate));
    let known = known
        .replacen("expected", "the keys here are", 1)
        .replace("the keys here are one of", "the keys here are");
    let known = if known.matches('`').count() == 2 {
        known.replacen("keys here are", "only key here is", 1)
    } else {
        known
    };
    match near {
        Some(near) => format!("did you mean `{near}`? {known}"),
        None => format!("remove it; {known}"),
    }
}

/// Rust's and serde's words for types, in TOML's.
fn plain_type(wanted: &str) -> &str {
    match wanted {
        "a map" => "a table",
        "a sequence" => "an array",
        "a boolean" => "true or false",
        _ if wanted.starts_with("struct ") => "a table",
        _ => wanted,
    }
}

/// How many letters differ (Levenshtein); both words are short.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (cb, above) in b.chars().zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(ca != cb)).min(left + 1).min(above + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_differ_are_counted() {
        for (a, b, expected) in [("", "", 0), ("alow", "allow", 1), ("kitten", "sitting", 3), ("", "abc", 3)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn a_place_is_found_by_its_path() {
        let text = "[a]\nb = [1, 22]\n[[c]]\nd = 3\n[[c]]\nd = 'x'\n";
        let document = Document::new(FileKind::Host, "f.toml", text).unwrap();
        let at = |path: &[&str]| text.get(document.locate(path).0).unwrap();
        assert_eq!(at(&["a", "b", "1"]), "22");
        assert_eq!(at(&["c", "1", "d"]), "'x'");
        assert_eq!(at(&["a", "nothing"]), "[a]");
        assert_eq!(document.fault_at(&["c", "1", "d"], "w", "l", "f").line(), Some(6));
    }
}
