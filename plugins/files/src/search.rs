//! Lines that match a regular expression, in a directory and all below it.
//!
//! Takes: a pattern and a path. Gives: findings within fixed limits. May name: paths, the contract's types.

use crate::paths::{describe, entries, inside};
use crate::{Error, Findings, Kind, Match};
use regex_lite::{Regex, RegexBuilder};
use std::fs;
use std::path::{Path, PathBuf};
use strongroom_sdk::call;

const MOST_MATCHES: usize = 200;
const MOST_FILES: u32 = 2000;
const MOST_LEVELS: usize = 16;
const MOST_FILE_BYTES: u64 = 1 << 20;
const MOST_LINE: usize = 400;
const LONGEST_PATTERN: usize = 1000;
const LARGEST_PROGRAM: usize = 1 << 18;
/// Files between two reports of progress.
const REPORT_EVERY: u32 = 100;

/// Searches in order of path.
pub(crate) fn run(pattern: &str, path: &str) -> Result<Findings, Error> {
    if pattern.len() > LONGEST_PATTERN {
        return Err(Error::InvalidPattern(format!("longer than {LONGEST_PATTERN} bytes")));
    }
    let built = RegexBuilder::new(pattern).size_limit(LARGEST_PROGRAM).build();
    let regex = built.map_err(|error| Error::InvalidPattern(error.to_string()))?;
    let start = inside(path)?;
    let prefix: Vec<&str> = path.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
    let mut search = Search { regex, findings: Findings { matches: Vec::new(), files: 0, truncated: false } };
    // The first directory must be readable; one further down that is not is passed over.
    let first = entries(&start)?;
    search.directory(first, &prefix.join("/"), 1);
    Ok(search.findings)
}

struct Search {
    regex: Regex,
    findings: Findings,
}

impl Search {
    fn directory(&mut self, found: Vec<(String, PathBuf)>, prefix: &str, level: usize) {
        for (name, place) in found {
            if self.findings.matches.len() >= MOST_MATCHES || self.findings.files >= MOST_FILES {
                self.findings.truncated = true;
                return;
            }
            let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
            let entry = describe(name, &place);
            match entry.kind {
                Kind::File if entry.size <= MOST_FILE_BYTES => self.file(&path, &place),
                Kind::Directory if level >= MOST_LEVELS => self.findings.truncated = true,
                Kind::Directory => {
                    let below = entries(&place).unwrap_or_default();
                    self.directory(below, &path, level + 1);
                }
                _ => {}
            }
        }
    }

    fn file(&mut self, path: &str, place: &Path) {
        let Some(text) = fs::read(place).ok().and_then(|bytes| String::from_utf8(bytes).ok()) else { return };
        self.findings.files += 1;
        if self.findings.files.is_multiple_of(REPORT_EVERY) {
            call::progress(u64::from(self.findings.files), None, path);
        }
        for (line, number) in text.lines().zip(1..) {
            if !self.regex.is_match(line) {
                continue;
            }
            if self.findings.matches.len() >= MOST_MATCHES {
                self.findings.truncated = true;
                return;
            }
            let text = line.chars().take(MOST_LINE).collect();
            self.findings.matches.push(Match { path: path.to_owned(), line: number, text });
        }
    }
}
