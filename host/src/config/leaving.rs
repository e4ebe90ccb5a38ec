//! A tenant's lines go out of `credentials.toml`; every other byte of it stays.
//!
//! Takes: the home folder, or the file's text. Gives: the handles that are gone. May name: id.
//!
//! The places come from the parser, so that a line that only looks like a table's head, in the middle of a long string,
//! is not taken for one. What was cut is read again: nothing is written unless all others are there as before.

use super::credentials::file::{CredentialsFile, FILE, Staged};
use super::document::Document;
use super::error::{ConfigError, FileKind};
use super::load;
use crate::id::TenantId;
use cap_std::fs::Dir;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

/// The handles of a tenant's credentials in the file.
///
/// # Errors
/// [`ConfigError`] when the file cannot be read.
pub(crate) fn handles_of(home: &Dir, tenant: &TenantId) -> Result<Vec<String>, ConfigError> {
    let Some(text) = load::read(home, FileKind::Credentials, FILE)? else { return Ok(Vec::new()) };
    Ok(without(&text, tenant)?.1)
}

/// Takes a tenant's credentials out of the file: the whole file is replaced at once, for its owner alone. Gives their
/// handles.
///
/// # Errors
/// [`ConfigError`]; the file is as it was.
pub(crate) fn take_out(home: &Dir, tenant: &TenantId) -> Result<Vec<String>, ConfigError> {
    // A link is the operator's own way of keeping the file, and in nobody's way as long as there is nothing to take out.
    let Some(text) = load::read(home, FileKind::Credentials, FILE)? else { return Ok(Vec::new()) };
    let (_, gone) = without(&text, tenant)?;
    if gone.is_empty() {
        return Ok(gone);
    }
    if home.symlink_metadata(FILE).is_ok_and(|file| file.is_symlink()) {
        let what = format!("is a link, so that the entries {} have to be taken out by hand", gone.join(", "));
        return Err(ConfigError::of_file(FileKind::Credentials, FILE, what, "then order it again"));
    }
    // Read again under the lock that whoever changes the file holds, so that no change is lost.
    let file = CredentialsFile::open(home)?;
    let (left, gone) = without(file.text(), tenant)?;
    file.stage(&left).and_then(Staged::commit).map_err(|error: io::Error| {
        let fix = "make the home folder one that the host may change, and order it again";
        ConfigError::of_file(FileKind::Credentials, FILE, format!("cannot be changed: {error}"), fix)
    })?;
    Ok(gone)
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Gone,
    Stays,
    Comment,
    Empty,
}

/// The text without a tenant's entries, and their handles. With an entry go the comments that touch it: those right above
/// its head, and those below it that do not stand right above the next.
fn without(text: &str, tenant: &TenantId) -> Result<(Zeroizing<String>, Vec<String>), ConfigError> {
    let document = Document::new(FileKind::Credentials, FILE, text)?;
    let tree = document.tree()?;
    let gone: Vec<String> =
        tree.iter().filter(|(_, entry)| belongs(entry, tenant)).map(|(key, _)| key.to_string()).collect();
    let mut lines: Vec<(Range<usize>, Line)> = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let kind = match line.trim_start() {
            "" => Line::Empty,
            comment if comment.starts_with('#') => Line::Comment,
            _ => Line::Stays,
        };
        lines.push((start..start + line.len(), kind));
        start += line.len();
    }
    for (key, entry) in &tree {
        let mark = if belongs(entry, tenant) { Line::Gone } else { Line::Stays };
        let mut places = vec![key.span()];
        spans(entry, &mut places);
        for place in places {
            let touched = lines
                .iter_mut()
                .filter(|(at, _)| at.start < place.end.max(place.start + 1) && place.start < at.end);
            touched.for_each(|(_, kind)| *kind = mark);
        }
    }
    spread(&mut lines);
    let mut left = Zeroizing::new(String::with_capacity(text.len()));
    for (at, _) in lines.iter().filter(|(_, kind)| *kind != Line::Gone) {
        left.push_str(text.get(at.clone()).unwrap_or_default());
    }
    let expected: BTreeMap<_, _> = tree
        .iter()
        .filter(|(_, entry)| !belongs(entry, tenant))
        .map(|(k, v)| (k.to_string(), plain(v)))
        .collect();
    let after = Document::new(FileKind::Credentials, FILE, &left)?;
    let found: BTreeMap<_, _> = after.tree()?.iter().map(|(k, v)| (k.to_string(), plain(v))).collect();
    if found != expected {
        let what = "an entry is written in a way that can only be taken out by hand";
        let fix = "write each entry as `[its-name]` with one key a line";
        return Err(ConfigError::of_file(FileKind::Credentials, FILE, what, fix));
    }
    Ok((left, gone))
}

fn belongs(entry: &Spanned<DeValue<'_>>, tenant: &TenantId) -> bool {
    let whose = entry.get_ref().as_table().and_then(|table| table.get("tenant"));
    whose.and_then(|whose| whose.get_ref().as_str()) == Some(tenant.as_str())
}

/// Every place of the entry: heads of tables, keys, values.
fn spans(value: &Spanned<DeValue<'_>>, into: &mut Vec<Range<usize>>) {
    into.push(value.span());
    let table = |table: &DeTable<'_>, into: &mut Vec<Range<usize>>| {
        for (key, value) in table {
            into.push(key.span());
            spans(value, into);
        }
    };
    match value.get_ref() {
        DeValue::Table(inner) => table(inner, into),
        DeValue::Array(array) => array.iter().for_each(|item| spans(item, into)),
        _ => {}
    }
}

/// Comments go with what they touch; of the empty lines around a gap one stays.
fn spread(lines: &mut [(Range<usize>, Line)]) {
    let kinds: Vec<Line> = lines.iter().map(|(_, kind)| *kind).collect();
    let mut after: Vec<Line> = kinds.clone();
    for run in kinds.chunk_by(|a, b| a == b).scan(0, |at, run| {
        let start = *at;
        *at += run.len();
        Some((start, run))
    }) {
        let (start, run) = run;
        let above = start.checked_sub(1).and_then(|at| kinds.get(at)).copied();
        let below = kinds.get(start + run.len()).copied();
        let goes = match run.first() {
            Some(Line::Comment) => {
                below == Some(Line::Gone) || above == Some(Line::Gone) && below != Some(Line::Stays)
            }
            _ => false,
        };
        if goes {
            after.iter_mut().skip(start).take(run.len()).for_each(|kind| *kind = Line::Gone);
        }
    }
    let mut before = Line::Empty;
    let mut in_gap = false;
    for ((_, kind), now) in lines.iter_mut().zip(after) {
        *kind = now;
        match now {
            Line::Gone => in_gap = true,
            Line::Empty if in_gap && before == Line::Empty => *kind = Line::Gone,
            _ => (before, in_gap) = (now, false),
        }
    }
}

/// A value without its places, to compare.
fn plain(value: &Spanned<DeValue<'_>>) -> Plain {
    match value.get_ref() {
        DeValue::Table(table) => Plain::Table(table.iter().map(|(k, v)| (k.to_string(), plain(v))).collect()),
        DeValue::Array(array) => Plain::Array(array.iter().map(plain).collect()),
        DeValue::String(text) => Plain::Text(Zeroizing::new(text.to_string())),
        other => Plain::Text(Zeroizing::new(format!("{other:?}"))),
    }
}

/// Prints nothing of itself: it may hold a secret.
#[derive(PartialEq, Eq)]
enum Plain {
    Table(BTreeMap<String, Plain>),
    Array(Vec<Plain>),
    Text(Zeroizing<String>),
}

#[cfg(test)]
mod tests;
