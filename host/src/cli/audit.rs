//! `audit`: what the book says, and whether it can be believed.
//!
//! Takes: the audit log of the home folder. Gives: entries as a table or as JSON lines. May name: audit, id, reason,
//! World.

use super::out::Table;
use super::selection::Selection;
use super::{Failure, Out, book_keys, drop, export, moment, prove, tail, verify, witness};
use crate::World;
use cap_std::fs::Dir;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use strongroom::audit::{self, Entry, Filter, Phase, ReadError};
use strongroom::id::CallId;
use strongroom::reason::Reason;

/// Read, verify and prove the audit log
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Show entries, oldest first; `--format json` prints one JSON object a line, as the log has them
    #[command(visible_alias = "query")]
    Show(Show),
    Tail(tail::Args),
    Export(export::Args),
    Verify(verify::Args),
    Prove(prove::ProveArgs),
    CheckProof(prove::CheckArgs),
    Drop(drop::Args),
    Witness(witness::Args),
    #[command(subcommand)]
    Keys(book_keys::Action),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    #[command(flatten)]
    selection: Selection,
    /// Only the last so many
    #[arg(long, value_name = "N")]
    last: Option<usize>,
}

pub(crate) fn run(action: Action, world: &World, out: &Out) -> Result<(), Failure> {
    match action {
        Action::Show(args) => show(args, world, out),
        Action::Tail(args) => tail::run(args, world, out),
        Action::Export(args) => export::run(args, world, out),
        Action::Verify(args) => verify::run(&args, world, out),
        Action::Prove(args) => prove::prove(&args, world, out),
        Action::CheckProof(args) => prove::check(&args, world, out),
        Action::Drop(args) => drop::run(&args, world, out),
        Action::Witness(args) => witness::run(&args, world, out),
        Action::Keys(action) => book_keys::run(&action, world, out),
    }
}

fn show(show: Show, world: &World, out: &Out) -> Result<(), Failure> {
    let log = Log::open(world)?;
    let mut entries = log.read(show.selection.filter())?;
    match (show.last, out.is_json()) {
        // What is for programs goes out entry by entry, however long the log is.
        (None, true) => entries.try_for_each(|entry| line(&entry?, out)),
        (Some(last), true) => newest(entries, last)?.iter().try_for_each(|entry| line(entry, out)),
        (last, false) => table(&newest(entries, last.unwrap_or(usize::MAX))?, out),
    }
}

/// The audit log of the home folder.
pub(crate) struct Log {
    folder: PathBuf,
    dir: Dir,
}

impl Log {
    pub(crate) fn open(world: &World) -> Result<Self, Failure> {
        let folder = world.home_path()?.join("audit");
        let dir = world
            .folder(&folder)
            .map_err(|failure| failure.help("nothing was written down in this home yet"))?;
        Ok(Self { folder, dir })
    }

    /// The entries that a filter lets through, oldest first, read as they are asked for.
    pub(crate) fn read(
        &self,
        filter: Filter,
    ) -> Result<impl Iterator<Item = Result<Entry, Failure>>, Failure> {
        let entries = audit::read(&self.dir, filter).map_err(|e| unreadable(&self.folder, &e))?;
        Ok(entries.map(|entry| entry.map_err(|e| unreadable(&self.folder, &e))))
    }
}

/// The entries of one call, oldest first.
pub(crate) fn of_call(call: CallId, world: &World) -> Result<Vec<Entry>, Failure> {
    matching(Filter { call_id: Some(call), ..Filter::default() }, world)
}

/// The entries that a filter lets through, oldest first.
pub(crate) fn matching(filter: Filter, world: &World) -> Result<Vec<Entry>, Failure> {
    Log::open(world)?.read(filter)?.collect()
}

fn newest(
    entries: impl Iterator<Item = Result<Entry, Failure>>,
    most: usize,
) -> Result<VecDeque<Entry>, Failure> {
    let mut kept = VecDeque::new();
    for entry in entries {
        keep(&mut kept, entry?, most);
    }
    Ok(kept)
}

/// Keeps one more entry, and of all only the last so many.
pub(crate) fn keep(kept: &mut VecDeque<Entry>, entry: Entry, most: usize) {
    kept.push_back(entry);
    if kept.len() > most {
        kept.pop_front();
    }
}

/// An entry as the log has it.
pub(crate) fn line(entry: &Entry, out: &Out) -> Result<(), Failure> {
    let text = serde_json::to_string(entry).map_err(|e| Failure::failed(e.to_string()))?;
    out.raw(format!("{text}\n").as_bytes())
}

/// Entries for people.
pub(crate) fn table(entries: &VecDeque<Entry>, out: &Out) -> Result<(), Failure> {
    if entries.is_empty() {
        out.note("no entry of this kind");
        return Ok(());
    }
    let mut table = columns();
    entries.iter().for_each(|entry| table.row(cells(entry)));
    out.line(table)
}

/// A table for entries.
pub(crate) fn columns() -> Table {
    Table::new(["seq", "time", "tenant", "actor", "action", "outcome", "reason", "fuel", "µs", "call"])
}

/// An entry as a row of it.
pub(crate) fn cells(entry: &Entry) -> [String; 10] {
    let outcome = match entry.phase {
        Phase::Intent => "intent",
        Phase::Import => "imports",
        Phase::Head => "head",
        Phase::Outcome | Phase::Recovery => entry.outcome.as_str(),
    };
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        entry.seq.to_string(),
        moment::utc(entry.time_us / 1000),
        or_dash(entry.tenant_id.as_ref().map(ToString::to_string)),
        or_dash(entry.actor_id.as_ref().map(ToString::to_string)),
        action(entry),
        outcome.to_owned(),
        entry.reason_code.to_string(),
        entry.fuel.to_string(),
        entry.duration_us.to_string(),
        or_dash(entry.call_id.as_ref().map(ToString::to_string)),
    ]
}

/// What was done, and of an effect that is about to happen, to what.
fn action(entry: &Entry) -> String {
    let targets = entry.imports.iter().filter_map(|record| record.target.as_deref());
    match (entry.phase, targets.collect::<Vec<_>>().join(", ")) {
        (Phase::Intent, targets) if !targets.is_empty() => format!("{} on {targets}", entry.action),
        _ => entry.action.clone(),
    }
}

fn unreadable(folder: &Path, error: &ReadError) -> Failure {
    match error {
        ReadError::File(cause) if cause.kind() == io::ErrorKind::NotFound => {
            Failure::not_found(format!("{}: nothing has been written down yet", folder.display()))
        }
        _ => Failure::reason(Reason::AuditUnavailable, error.to_string()),
    }
}
