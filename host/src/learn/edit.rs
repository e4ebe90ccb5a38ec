//! Changes to the text of a tenant's file that leave the rest of it as its operator wrote it.
//!
//! Takes: the text, and what to add where. Gives: the new text, or `None` where the file is written in a way that these few
//! changes do not fit. May name: config.
//!
//! The result is never trusted: whoever asks reads it again and looks whether it says what it should.

use crate::config::span_of;
use std::ops::Range;

/// A value and the comment that stands behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Noted {
    pub(super) value: String,
    pub(super) note: String,
}

/// Lines at the end of the file.
pub(super) fn append(text: &str, lines: &str) -> String {
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let gap = if text.is_empty() { "" } else { "\n" };
    format!("{text}{end}{gap}{lines}")
}

/// A new array, one item a line.
pub(super) fn array(key: &str, items: &[Noted]) -> String {
    format!("{key} = [\n{}]\n", rows("", items))
}

fn rows(indent: &str, items: &[Noted]) -> String {
    items.iter().map(|item| format!("{indent}    {},  # {}\n", item.value, item.note)).collect()
}

/// More items for an array that is there.
pub(super) fn extend(text: &str, path: &[&str], items: &[Noted]) -> Option<String> {
    let span = span_of(text, path)?;
    let written = text.get(span.clone())?;
    let inner = written.strip_prefix('[')?.strip_suffix(']')?;
    let indent = indent_of(text, span.start);
    let mut last = 0;
    while let Some(item) = span_of(text, &[path, &[last.to_string().as_str()]].concat()) {
        last += 1;
        if item.end > span.end {
            return None;
        }
    }
    let old = (0..last).filter_map(|index| span_of(text, &[path, &[index.to_string().as_str()]].concat()));
    let old: Vec<Range<usize>> = old.collect();
    let new = match (inner.contains('\n'), old.last()) {
        // On one line there can be no comment, so nothing but the items is in it.
        (false, _) => {
            let mut kept = String::new();
            for item in old {
                kept.push_str(&format!("{indent}    {},\n", text.get(item)?));
            }
            format!("[\n{kept}{}{indent}]", rows(&indent, items))
        }
        (true, None) => return None,
        (true, Some(item)) => {
            let (before, after) = (text.get(span.start..item.end)?, text.get(item.end..span.end)?);
            let code = after.lines().map(|line| line.split('#').next().unwrap_or_default());
            let comma = if code.collect::<String>().contains(',') { "" } else { "," };
            let body = format!("{before}{comma}{}", after.strip_suffix(']')?);
            let body = body.trim_end_matches([' ', '\t']);
            let gap = if body.ends_with('\n') { "" } else { "\n" };
            format!("{body}{gap}{}{indent}]", rows(&indent, items))
        }
    };
    Some(replaced(text, span, &new))
}

/// A line for a table that is there, after what stands in it already. `keys` are those that it may have.
pub(super) fn insert(text: &str, table: &[&str], keys: &[&str], line: &str) -> Option<String> {
    let header = span_of(text, table)?;
    // A table without a header of its own is written in braces or in dotted keys.
    if !text.get(header.clone())?.starts_with('[') {
        return None;
    }
    let ends = keys.iter().filter_map(|key| span_of(text, &[table, &[*key]].concat())).map(|span| span.end);
    let end = ends.max().unwrap_or(header.end);
    let line_end = text.get(end..)?.find('\n').map_or(text.len(), |found| end + found + 1);
    let gap = if text.get(..line_end)?.ends_with('\n') { "" } else { "\n" };
    Some(replaced(text, line_end..line_end, &format!("{gap}{line}")))
}

/// What stands between a table's header and the next one, comments too.
pub(super) fn body<'a>(text: &'a str, table: &[&str]) -> Option<&'a str> {
    let header = span_of(text, table)?;
    text.get(header.end..)?.split("\n[").next()
}

/// Another value in place of the one that is there, with a comment above its line.
pub(super) fn replace(text: &str, path: &[&str], new: &Noted) -> Option<String> {
    let span = span_of(text, path)?;
    let start = text.get(..span.start)?.rfind('\n').map_or(0, |found| found + 1);
    let indent = indent_of(text, span.start);
    let text = replaced(text, span, &new.value);
    Some(replaced(&text, start..start, &format!("{indent}# {}\n", new.note)))
}

fn indent_of(text: &str, at: usize) -> String {
    let line = text.get(..at).and_then(|before| before.rsplit('\n').next()).unwrap_or_default();
    line.chars().take_while(|c| matches!(c, ' ' | '\t')).collect()
}

fn replaced(text: &str, span: Range<usize>, new: &str) -> String {
    let (before, after) =
        (text.get(..span.start).unwrap_or_default(), text.get(span.end..).unwrap_or_default());
    format!("{before}{new}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(value: &str) -> Noted {
        Noted { value: value.to_owned(), note: "why".to_owned() }
    }

    #[test]
    fn an_array_grows_in_each_of_its_forms() {
        for (before, after) in [
            ("a = []\nb = 1\n", "a = [\n    3,  # why\n]\nb = 1\n"),
            ("a = [1, 2] # old\n", "a = [\n    1,\n    2,\n    3,  # why\n] # old\n"),
            ("a = [\n  1, # one\n  2\n]\n", "a = [\n  1, # one\n  2,\n    3,  # why\n]\n"),
            (
                "a = [\n  1, # one, and\n  2, # two\n]\n",
                "a = [\n  1, # one, and\n  2, # two\n    3,  # why\n]\n",
            ),
            ("a = [1,\n  2]\n", "a = [1,\n  2,\n    3,  # why\n]\n"),
        ] {
            assert_eq!(extend(before, &["a"], &[noted("3")]).as_deref(), Some(after), "{before}");
        }
        assert_eq!(extend("b = 1\n", &["a"], &[noted("3")]), None);
    }

    #[test]
    fn a_line_goes_into_its_own_table() {
        let text = "[g.d]\npath = \"x\" # here\n\n[h]\n";
        let keys = &["path", "mode"];
        assert_eq!(
            insert(text, &["g", "d"], keys, "mode = \"rw\"\n").as_deref(),
            Some("[g.d]\npath = \"x\" # here\nmode = \"rw\"\n\n[h]\n")
        );
        assert_eq!(insert("[g.d]", &["g", "d"], keys, "mode = 1\n").as_deref(), Some("[g.d]\nmode = 1\n"));
        assert_eq!(insert("g = { d = { path = 1 } }\n", &["g", "d"], keys, "x"), None);
        assert_eq!(
            replace("[g]\n  mode = \"ro\" # m\n", &["g", "mode"], &noted("\"rw\"")).as_deref(),
            Some("[g]\n  # why\n  mode = \"rw\" # m\n")
        );
        assert_eq!(append("a = 1", "[b]\n"), "a = 1\n\n[b]\n");
    }
}
