//! The requests that one grant is to allow: origins, methods and paths, each with the calls that wanted it.
//!
//! Takes: [`Request`]s. Gives: lines of a tenant's file. May name: authorize, config, id.

use super::Seen;
use super::edit::{self, Noted};
use super::judge::Request;
use crate::authorize::method::Method;
use crate::authorize::origin::Origin;
use crate::authorize::path::PathPattern;
use crate::config::HttpGrant;
use crate::id::{NeedName, ToolName};
use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

/// Up to so many paths are written as they are; more become the manifest's own patterns.
const EXACT: usize = 5;

/// What was asked of one need.
#[derive(Debug, Default)]
pub(super) struct Requests {
    origins: BTreeMap<Origin, Seen>,
    methods: BTreeMap<Method, Seen>,
    paths: BTreeMap<PathPattern, (PathPattern, Seen)>,
    asked: usize,
}

impl Requests {
    pub(super) fn add(&mut self, request: Request, seen: &Seen) {
        if let Some(origin) = request.origin {
            self.origins.entry(origin).or_default().join(seen);
        }
        self.methods.entry(request.method).or_default().join(seen);
        let path = self.paths.entry(request.path).or_insert_with(|| (request.pattern, Seen::default()));
        path.1.join(seen);
        self.asked += 1;
    }

    /// A grant of its own.
    pub(super) fn table(&self, tool: &ToolName, need: &NeedName, note: &str) -> String {
        let mut text = format!("[grants.{tool}.http.{need}]  # {note}\n");
        let origins: Vec<Noted> = self.origins.iter().map(noted).collect();
        // Writing to a String cannot fail.
        let _ = match origins.as_slice() {
            [] => writeln!(text, "origin = \"https://\"  # write where this need is to lead"),
            [only] => writeln!(text, "origin = {}  # {}", only.value, only.note),
            _ => write!(text, "{}", edit::array("origins", &origins)),
        };
        let methods: Vec<Noted> = self.methods.iter().map(noted).collect();
        let paths = paths(self.paths.iter());
        if origins.len().max(1) * methods.len() * paths.len() > self.asked {
            text.push_str(
                "# every method below may be used at every path below, also where no call asked for both\n",
            );
        }
        text.push_str(&edit::array("methods", &methods));
        text.push_str(&edit::array("paths", &paths));
        text
    }

    /// What a grant that is there lacks, in its own lists.
    pub(super) fn widen(
        &self,
        text: &str,
        tool: &ToolName,
        need: &NeedName,
        grant: &HttpGrant,
    ) -> Option<String> {
        let table = ["grants", tool.as_str(), "http", need.as_str()];
        let mut text = text.to_owned();
        if let Some(granted) = &grant.methods {
            let more = self.methods.iter().filter(|(method, _)| !granted.contains(method));
            let more: Vec<Noted> = more.map(noted).collect();
            if !more.is_empty() {
                text = edit::extend(&text, &[&table[..], &["methods"]].concat(), &more)?;
            }
        }
        if let Some(granted) = &grant.paths {
            let covered = |path: &PathPattern| granted.iter().any(|pattern| pattern.covers(path));
            let more = paths(self.paths.iter().filter(|(path, _)| !covered(path)));
            if !more.is_empty() {
                text = edit::extend(&text, &[&table[..], &["paths"]].concat(), &more)?;
            }
        }
        Some(text)
    }
}

fn noted<T: Display>((value, seen): (&T, &Seen)) -> Noted {
    Noted { value: format!("\"{value}\""), note: format!("learned: {}", seen.text()) }
}

/// The paths as they were asked for, or the fewest patterns of the manifest that cover them.
fn paths<'a>(asked: impl Iterator<Item = (&'a PathPattern, &'a (PathPattern, Seen))>) -> Vec<Noted> {
    let asked: Vec<_> = asked.collect();
    if asked.len() <= EXACT {
        return asked.iter().map(|(path, (_, seen))| noted((*path, seen))).collect();
    }
    let mut patterns: BTreeMap<&PathPattern, Seen> = BTreeMap::new();
    for (_, (pattern, seen)) in &asked {
        patterns.entry(pattern).or_default().join(seen);
    }
    let all: Vec<&PathPattern> = patterns.keys().copied().collect();
    for pattern in all {
        let others = || patterns.keys().filter(|other| **other != pattern);
        if asked.iter().all(|(path, _)| others().any(|other| other.covers(path))) {
            patterns.remove(pattern);
        }
    }
    patterns.iter().map(|(pattern, seen)| noted((*pattern, seen))).collect()
}
