//! Two texts as a unified diff, as `patch` and `git apply` read it.
//!
//! Takes: a file's name and its text before and after. Gives: [`unified`]. May name: nothing.

use std::fmt::Write as _;

/// Lines around a change.
const CONTEXT: usize = 3;
/// Above this many comparisons the changed part is replaced as a whole.
const MOST: usize = 4_000_000;

/// One line of the result.
#[derive(Clone, Copy)]
enum Line<'a> {
    Same(&'a str),
    Gone(&'a str),
    New(&'a str),
}

/// The difference; empty when there is none. Lines end with `\n`.
pub(super) fn unified(file: &str, before: &str, after: &str) -> String {
    let lines = compare(before, after);
    let mut text = String::new();
    let changed = |line: &Line<'_>| !matches!(line, Line::Same(_));
    let mut at = 0;
    while let Some(first) = lines.iter().skip(at).position(changed).map(|found| at + found) {
        let from = first.saturating_sub(CONTEXT).max(at);
        // A hunk ends where as many lines follow as two contexts have, all of them the same.
        let mut last = first;
        let near = |last: usize| lines.iter().skip(last + 1).take(2 * CONTEXT).position(changed);
        while let Some(next) = near(last) {
            last += next + 1;
        }
        let to = lines.len().min(last + 1 + CONTEXT);
        hunk(&mut text, &lines, from, to);
        at = to;
    }
    if text.is_empty() { text } else { format!("--- {file}\n+++ {file}\n{text}") }
}

fn hunk(text: &mut String, lines: &[Line<'_>], from: usize, to: usize) {
    let count = |lines: &[Line<'_>], old: bool| {
        let counts = |line: &&Line<'_>| !matches!((line, old), (Line::New(_), true) | (Line::Gone(_), false));
        lines.iter().filter(counts).count()
    };
    let (before, part) = (lines.get(..from).unwrap_or_default(), lines.get(from..to).unwrap_or_default());
    let range = |old| {
        let (start, length) = (count(before, old), count(part, old));
        // An empty range is named by the line before it.
        format!("{},{length}", if length == 0 { start } else { start + 1 })
    };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "@@ -{} +{} @@", range(true), range(false));
    for line in part {
        let (sign, line) = match line {
            Line::Same(line) => (' ', line),
            Line::Gone(line) => ('-', line),
            Line::New(line) => ('+', line),
        };
        text.push(sign);
        text.push_str(line);
        if !line.ends_with('\n') {
            text.push_str("\n\\ No newline at end of file\n");
        }
    }
}

fn compare<'a>(before: &'a str, after: &'a str) -> Vec<Line<'a>> {
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let middle = |lines: &[&'a str]| lines.get(head..lines.len() - tail).unwrap_or_default().to_vec();
    let mut lines: Vec<Line<'a>> = old.iter().take(head).map(|line| Line::Same(line)).collect();
    lines.extend(between(&middle(&old), &middle(&new)));
    lines.extend(old.iter().skip(old.len() - tail).map(|line| Line::Same(line)));
    lines
}

/// The longest common subsequence, by the usual table.
fn between<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    if old.len().saturating_mul(new.len()) > MOST {
        let gone = old.iter().map(|line| Line::Gone(line));
        return gone.chain(new.iter().map(|line| Line::New(line))).collect();
    }
    let width = new.len() + 1;
    let mut table = vec![0_usize; (old.len() + 1) * width];
    let cell = |table: &[usize], i: usize, j: usize| table.get(i * width + j).copied().unwrap_or(0);
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            let longest = match a == b {
                true => cell(&table, i + 1, j + 1) + 1,
                false => cell(&table, i + 1, j).max(cell(&table, i, j + 1)),
            };
            if let Some(place) = table.get_mut(i * width + j) {
                *place = longest;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::new();
    loop {
        match (old.get(i), new.get(j)) {
            (Some(a), Some(b)) if a == b => {
                lines.push(Line::Same(a));
                (i, j) = (i + 1, j + 1);
            }
            (Some(a), Some(_)) if cell(&table, i + 1, j) >= cell(&table, i, j + 1) => {
                lines.push(Line::Gone(a));
                i += 1;
            }
            (_, Some(b)) => {
                lines.push(Line::New(b));
                j += 1;
            }
            (Some(a), None) => {
                lines.push(Line::Gone(a));
                i += 1;
            }
            (None, None) => return lines,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Applies a diff as `patch` does, by its line numbers, and checks every line that it names.
    fn apply(before: &str, diff: &str) -> String {
        let old: Vec<&str> = before.split_inclusive('\n').collect();
        let (mut at, mut text) = (0, String::new());
        let diff = diff.replace("\n\\ No newline at end of file\n", "\u{0}");
        for line in diff.split_inclusive(['\n', '\u{0}']).skip(2) {
            let line = line.strip_suffix('\u{0}').unwrap_or(line);
            if let Some(range) = line.strip_prefix("@@ -") {
                let (start, length) = range.split(' ').next().unwrap().split_once(',').unwrap();
                let start: usize = start.parse().unwrap();
                let start = if length == "0" { start } else { start - 1 };
                text.extend(old[at..start].iter().copied());
                at = start;
                continue;
            }
            let (sign, line) = line.split_at(1);
            if sign != "+" {
                assert_eq!(old[at], line);
                at += 1;
            }
            if sign != "-" {
                text.push_str(line);
            }
        }
        text.extend(old[at..].iter().copied());
        text
    }

    #[test]
    fn a_change_stands_in_its_context() {
        let before = "a\nb\nc\nd\ne\nf\ng\n";
        assert_eq!(
            unified("x.toml", before, "a\nb\nc\nd\nE\nf\ng\nh\n"),
            "--- x.toml\n+++ x.toml\n@@ -2,6 +2,7 @@\n b\n c\n d\n-e\n+E\n f\n g\n+h\n"
        );
        assert_eq!(unified("x.toml", "", "a\n"), "--- x.toml\n+++ x.toml\n@@ -0,0 +1,1 @@\n+a\n");
        assert_eq!(unified("x", before, before), "");
        let cut = unified("x", "a", "a\nb\n");
        assert_eq!(cut, "--- x\n+++ x\n@@ -1,1 +1,2 @@\n-a\n\\ No newline at end of file\n+a\n+b\n");
    }

    proptest! {
        #[test]
        fn what_is_applied_to_the_old_text_gives_the_new_one(
            before in "([abc]\n){0,20}[ab]?", after in "([abc]\n){0,20}[ab]?",
        ) {
            prop_assert_eq!(apply(&before, &unified("f", &before, &after)), after);
        }
    }
}
