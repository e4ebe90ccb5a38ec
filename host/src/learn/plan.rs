//! What is granted together, and how it is written into a tenant's file.
//!
//! Takes: [`Ask`]s. Gives: a [`Patch`]. May name: authorize, config, id.
//!
//! Each place of the file is changed by itself, read again and judged: a change that does not let its denials pass, or
//! leaves a file that is not valid, is taken back and told.

use super::edit::{self, Noted};
use super::judge::{Ask, Request};
use super::requests::Requests;
use super::wish::Wish;
use super::{Denied, Known, Patch, Seen, allows, diff};
use crate::authorize::origin::Origin;
use crate::config::{Mode, RoleName, Tenant};
use crate::id::{FunctionName, NeedName, ToolName};
use std::collections::BTreeMap;

/// A place in the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Allow(FunctionName),
    Role(RoleName, FunctionName),
    Http(ToolName, NeedName),
    Origin(ToolName, NeedName, Origin),
    Dir(ToolName, NeedName),
    Bucket(ToolName, NeedName),
    Memory(ToolName),
    Cache(ToolName),
    Caller(ToolName),
    /// Proposed in comments: an origin that leads inside, a need that nobody knows the origin of, and addresses inside for
    /// a grant.
    Inside(ToolName, NeedName),
    Unnamed(ToolName, NeedName),
    Private(ToolName, NeedName),
}

/// What is wanted at a place.
#[derive(Debug, Default)]
struct Wanted {
    wishes: Vec<(Wish, Seen)>,
    seen: Seen,
    /// By whom it must be writable, if by anybody.
    write: Option<Seen>,
    requests: Requests,
}

/// The changes of one tenant's file.
#[derive(Debug, Default)]
pub(super) struct Plan(BTreeMap<Place, Wanted>);

impl Plan {
    pub(super) fn add(&mut self, ask: Ask, wish: Wish, seen: Seen) {
        let tool = wish.tool.clone();
        let place = match &ask {
            Ask::Allow => Place::Allow(wish.function.clone()),
            Ask::Role(role) => Place::Role(role.clone(), wish.function.clone()),
            Ask::Http(Request { need, origin: None, .. }) => Place::Unnamed(tool, need.clone()),
            Ask::Http(Request { need, private: true, .. }) => Place::Inside(tool, need.clone()),
            Ask::Http(Request { need, .. }) => Place::Http(tool, need.clone()),
            Ask::Origin(need, origin) => Place::Origin(tool, need.clone(), origin.clone()),
            Ask::Private(need) => Place::Private(tool, need.clone()),
            Ask::Dir(need, _) => Place::Dir(tool, need.clone()),
            Ask::Bucket(need, _) => Place::Bucket(tool, need.clone()),
            Ask::Memory(_) => Place::Memory(tool),
            Ask::Cache => Place::Cache(tool),
            Ask::Caller => Place::Caller(tool),
        };
        let wanted = self.0.entry(place).or_default();
        wanted.seen.join(&seen);
        match ask {
            Ask::Dir(_, Mode::ReadWrite) | Ask::Bucket(_, Mode::ReadWrite) | Ask::Memory(Mode::ReadWrite) => {
                wanted.write.get_or_insert_default().join(&seen);
            }
            Ask::Http(request) => wanted.requests.add(request, &seen),
            _ => {}
        }
        wanted.wishes.push((wish, seen));
    }

    /// Nothing of it is suggested now.
    pub(super) fn put_off(self, why: &str) -> Vec<Denied> {
        let wishes = self.0.into_values().flat_map(|wanted| wanted.wishes);
        wishes.map(|(wish, seen)| wish.denied(why.to_owned(), &seen)).collect()
    }

    /// The patch, if anything changes, and what could not be written.
    pub(super) fn carry_out(
        self,
        known: &Known<'_>,
        tenant: &Tenant,
        text: &str,
    ) -> (Option<Patch>, Vec<Denied>) {
        let (mut now, mut rules) = (text.to_owned(), tenant.clone());
        let (mut suggested, mut proposed, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for (place, wanted) in self.0 {
            let comment = matches!(place, Place::Inside(..) | Place::Unnamed(..) | Place::Private(..));
            let changed = change(&place, &wanted, &rules, &now).and_then(|after| {
                let read = Tenant::parse(tenant.id.clone(), &tenant.file(), &after).ok()?;
                let passes = |(wish, _): &(Wish, Seen)| comment || allows(known, &read, wish);
                wanted.wishes.iter().all(passes).then_some((after, read))
            });
            let already = changed.as_ref().is_some_and(|(after, _)| *after == now);
            let into = match (&changed, comment) {
                (None, _) => &mut refused,
                (Some(_), _) if already => &mut refused,
                (Some(_), true) => &mut proposed,
                (Some(_), false) => &mut suggested,
            };
            let says = match changed {
                Some(_) if already => format!("{}; the file proposes it in a comment", place.text()),
                Some((after, read)) => {
                    (now, rules) = (after, read);
                    place.text()
                }
                None => format!(
                    "the file is written in a way that cannot be extended here: grant it by hand as {}",
                    place.text()
                ),
            };
            into.extend(wanted.wishes.iter().map(|(wish, seen)| wish.denied(says.clone(), seen)));
        }
        let diff = diff::unified(&tenant.file(), text, &now);
        let patch = (!diff.is_empty()).then(|| Patch {
            tenant: tenant.id.clone(),
            file: tenant.file(),
            diff,
            after: now,
            suggested,
            proposed,
        });
        (patch, refused)
    }
}

impl Place {
    fn text(&self) -> String {
        match self {
            Self::Allow(_) => "tools.allow".to_owned(),
            Self::Role(role, _) => format!("roles.{role}.tools"),
            Self::Http(tool, need) | Self::Origin(tool, need, _) => format!("grants.{tool}.http.{need}"),
            Self::Inside(tool, need) => format!("grants.{tool}.http.{need}, which leads inside"),
            Self::Unnamed(tool, need) => {
                format!("grants.{tool}.http.{need}: the tool calls it by its name, so you write the origin")
            }
            Self::Private(tool, need) => format!("grants.{tool}.http.{need}.allow_private"),
            Self::Dir(tool, need) => format!("grants.{tool}.dir.{need}"),
            Self::Bucket(tool, need) => format!("grants.{tool}.keyvalue.{need}"),
            Self::Memory(tool) => format!("grants.{tool}.memory"),
            Self::Cache(tool) => format!("grants.{tool}.cache"),
            Self::Caller(tool) => format!("grants.{tool}.ask"),
        }
    }
}

/// The file with what is wanted at one place.
fn change(place: &Place, wanted: &Wanted, rules: &Tenant, text: &str) -> Option<String> {
    let note = format!("learned: {}", wanted.seen.text());
    let grants = |tool: &ToolName| rules.grants.get(tool);
    match place {
        Place::Allow(function) => {
            let note = format!("{note}; it may be called with every right that its tool has");
            let item = Noted { value: format!("\"{function}\""), note };
            let items = std::slice::from_ref(&item);
            edit::extend(text, &["tools", "allow"], items)
                .or_else(|| edit::insert(text, &["tools"], &["allow", "block"], &edit::array("allow", items)))
                .or_else(|| Some(edit::append(text, &format!("[tools]\n{}", edit::array("allow", items)))))
        }
        Place::Role(role, function) => {
            let note = format!("{note}; for every key with this role");
            let item = Noted { value: format!("\"{function}\""), note };
            edit::extend(text, &["roles", role.as_str(), "tools"], &[item])
        }
        Place::Http(tool, need) => match grants(tool).and_then(|grant| grant.http.get(need)) {
            None => Some(edit::append(text, &wanted.requests.table(tool, need, &note))),
            Some(grant) => wanted.requests.widen(text, tool, need, grant),
        },
        Place::Inside(tool, need) | Place::Unnamed(tool, need)
            if text.contains(&format!("\n# [grants.{tool}.http.{need}]")) =>
        {
            Some(text.to_owned())
        }
        Place::Inside(tool, need) => {
            let table = wanted.requests.table(tool, need, &note);
            let warning = "WARNING: this origin leads inside your network or to this machine. Take the comment marks away\n\
                           only if the tool's author may reach what is there.\n";
            Some(edit::append(text, &in_comments(&format!("{warning}{table}allow_private = true\n"))))
        }
        Place::Unnamed(tool, need) => {
            let table = wanted.requests.table(tool, need, &note);
            let hint = "The tool calls this need by its name: write where it is to lead, and take the comment marks away.\n";
            Some(edit::append(text, &in_comments(&format!("{hint}{table}"))))
        }
        Place::Private(tool, need) => {
            let line = format!(
                "# WARNING: the name leads to an address inside your network; take the mark away only if that is meant.\n\
                 # allow_private = true  # {note}\n"
            );
            let keys = ["origin", "origins", "credential", "allow_private", "methods", "paths"];
            let table = ["grants", tool.as_str(), "http", need.as_str()];
            match edit::body(text, &table).is_some_and(|body| body.contains("\n# allow_private = true")) {
                true => Some(text.to_owned()),
                false => edit::insert(text, &table, &keys, &line),
            }
        }
        Place::Origin(tool, need, origin) => {
            let note = format!("{note}; with everything that this grant allows");
            let item = Noted { value: format!("\"{origin}\""), note };
            edit::extend(text, &["grants", tool.as_str(), "http", need.as_str(), "origins"], &[item])
        }
        Place::Dir(tool, need) => {
            let path = ["grants", tool.as_str(), "dir", need.as_str()];
            match grants(tool).is_some_and(|grant| grant.dir.contains_key(need)) {
                true => writable(text, &path, &["path", "mode"], wanted),
                false => {
                    let folder = format!("data/{}/{tool}/{need}", rules.id);
                    let line = format!(
                        "path = \"{folder}\"  # {note}; make this new folder, or name the one that is meant\n"
                    );
                    Some(edit::append(text, &table(&path, &note, &line, wanted)))
                }
            }
        }
        Place::Bucket(tool, need) => {
            let path = ["grants", tool.as_str(), "keyvalue", need.as_str()];
            match grants(tool).is_some_and(|grant| grant.keyvalue.contains_key(need)) {
                true => writable(text, &path, &["bucket", "mode"], wanted),
                false => Some(edit::append(text, &table(&path, &note, "", wanted))),
            }
        }
        Place::Cache(tool) => match grants(tool).is_some_and(|grant| grant.cache.is_some()) {
            true => None,
            false => Some(edit::append(text, &table(&["grants", tool.as_str(), "cache"], &note, "", wanted))),
        },
        Place::Caller(tool) => match grants(tool).is_some_and(|grant| grant.ask.is_some()) {
            true => None,
            false => Some(edit::append(text, &table(&["grants", tool.as_str(), "ask"], &note, "", wanted))),
        },
        Place::Memory(tool) => {
            let path = ["grants", tool.as_str(), "memory"];
            match grants(tool).is_some_and(|grant| grant.memory.is_some()) {
                true => writable(text, &path, &["mode"], wanted),
                false => Some(edit::append(text, &table(&path, &note, "", wanted))),
            }
        }
    }
}

fn in_comments(lines: &str) -> String {
    lines.lines().map(|line| format!("# {line}\n")).collect()
}

fn mode(wanted: &Wanted) -> String {
    let write = wanted.write.as_ref();
    write.map(|seen| format!("mode = \"rw\"  # learned: {}\n", seen.text())).unwrap_or_default()
}

fn table(path: &[&str], note: &str, lines: &str, wanted: &Wanted) -> String {
    format!("[{}]  # {note}\n{lines}{}", path.join("."), mode(wanted))
}

/// A grant for reading that is to be one for writing.
fn writable(text: &str, table: &[&str], keys: &[&str], wanted: &Wanted) -> Option<String> {
    let seen = wanted.write.as_ref()?;
    let value = Noted { value: "\"rw\"".to_owned(), note: format!("learned: {}", seen.text()) };
    edit::replace(text, &[table, &["mode"]].concat(), &value)
        .or_else(|| edit::insert(text, table, keys, &mode(wanted)))
}
