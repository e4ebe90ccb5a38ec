//! `audit`: what the book says, and whether it can be believed.
//!
//! Takes: the audit log of the home folder. Gives: entries as a table or as JSON lines. May name: audit, id, reason,
//! World.

use super::out::Table;
use super::{Failure, Out, book_keys, moment, prove, verify};
use crate::World;
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use strongroom::audit::{self, Entry, Filter, Phase, ReadError};
use strongroom::id::{CallId, TenantId};
use strongroom::reason::{Outcome, Reason};

/// Read, verify and prove the audit log
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Show entries, oldest first; `--format json` prints one JSON object a line, as the log has them
    Show(Show),
    Verify(verify::Args),
    Prove(prove::ProveArgs),
    CheckProof(prove::CheckArgs),
    #[command(subcommand)]
    Keys(book_keys::Action),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// Only entries of this tenant
    #[arg(long, value_name = "TENANT")]
    tenant: Option<TenantId>,
    /// Only entries about this tool or function
    #[arg(long, value_name = "TOOL[.FUNCTION]")]
    tool: Option<String>,
    /// Only entries with this reason code
    #[arg(long, value_name = "CODE", value_parser = reason)]
    reason: Option<Reason>,
    /// Only entries with this outcome: denied, executed, replayed, failed, unknown
    #[arg(long, value_name = "OUTCOME", value_parser = outcome)]
    outcome: Option<Outcome>,
    /// Only entries of this call
    #[arg(long, value_name = "ID", value_parser = call)]
    call: Option<CallId>,
    /// Only the last so many
    #[arg(long, value_name = "N")]
    last: Option<usize>,
}

fn reason(text: &str) -> Result<Reason, String> {
    let found = Reason::ALL.iter().copied().find(|reason| reason.code() == text);
    found.ok_or_else(|| {
        let known: Vec<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        format!("no such reason code; there are: {}", known.join(", "))
    })
}

fn outcome(text: &str) -> Result<Outcome, String> {
    let all = [Outcome::Denied, Outcome::Executed, Outcome::Replayed, Outcome::Failed, Outcome::Unknown];
    let found = all.into_iter().find(|outcome| outcome.as_str() == text);
    found.ok_or_else(|| "no such outcome; there are: denied, executed, replayed, failed, unknown".to_owned())
}

pub(crate) fn call(text: &str) -> Result<CallId, String> {
    CallId::parse(text).ok_or_else(|| "a call's id is `call_` and 32 hexadecimal digits".to_owned())
}

pub(crate) fn run(action: Action, world: &World, out: &Out) -> Result<(), Failure> {
    match action {
        Action::Show(args) => show(args, world, out),
        Action::Verify(args) => verify::run(&args, world, out),
        Action::Prove(args) => prove::prove(&args, world, out),
        Action::CheckProof(args) => prove::check(&args, world, out),
        Action::Keys(action) => book_keys::run(&action, world, out),
    }
}

fn show(show: Show, world: &World, out: &Out) -> Result<(), Failure> {
    let folder = world.home_path()?.join("audit");
    let filter = Filter {
        tenant: show.tenant,
        about: show.tool,
        reason: show.reason,
        outcome: show.outcome,
        call_id: show.call,
        ..Filter::default()
    };
    let log =
        world.folder(&folder).map_err(|failure| failure.help("nothing was written down in this home yet"))?;
    let entries = audit::read(&log, filter).map_err(|e| unreadable(&folder, &e))?;
    let mut entries = entries.map(|entry| entry.map_err(|e| unreadable(&folder, &e)));
    match (show.last, out.is_json()) {
        // What is for programs goes out entry by entry, however long the log is.
        (None, true) => entries.try_for_each(|entry| line(&entry?, out)),
        (Some(last), true) => newest(entries, last)?.iter().try_for_each(|entry| line(entry, out)),
        (last, false) => table(&newest(entries, last.unwrap_or(usize::MAX))?, out),
    }
}

/// The entries of one call, oldest first.
pub(crate) fn of_call(call: CallId, world: &World) -> Result<Vec<Entry>, Failure> {
    matching(Filter { call_id: Some(call), ..Filter::default() }, world)
}

/// The entries that a filter lets through, oldest first.
pub(crate) fn matching(filter: Filter, world: &World) -> Result<Vec<Entry>, Failure> {
    let folder = world.home_path()?.join("audit");
    let log =
        world.folder(&folder).map_err(|failure| failure.help("nothing was written down in this home yet"))?;
    let entries = audit::read(&log, filter).map_err(|e| unreadable(&folder, &e))?;
    entries.map(|entry| entry.map_err(|e| unreadable(&folder, &e))).collect()
}

fn newest(
    entries: impl Iterator<Item = Result<Entry, Failure>>,
    most: usize,
) -> Result<VecDeque<Entry>, Failure> {
    let mut kept = VecDeque::new();
    for entry in entries {
        kept.push_back(entry?);
        if kept.len() > most {
            kept.pop_front();
        }
    }
    Ok(kept)
}

fn line(entry: &Entry, out: &Out) -> Result<(), Failure> {
    let text = serde_json::to_string(entry).map_err(|e| Failure::failed(e.to_string()))?;
    out.raw(format!("{text}\n").as_bytes())
}

fn table(entries: &VecDeque<Entry>, out: &Out) -> Result<(), Failure> {
    if entries.is_empty() {
        out.note("no entry of this kind");
        return Ok(());
    }
    let mut table =
        Table::new(["seq", "time", "tenant", "actor", "action", "outcome", "reason", "fuel", "µs", "call"]);
    for entry in entries {
        let outcome = match entry.phase {
            Phase::Intent => "intent",
            Phase::Import => "imports",
            Phase::Head => "head",
            Phase::Outcome | Phase::Recovery => entry.outcome.as_str(),
        };
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        table.row([
            entry.seq.to_string(),
            moment::utc(entry.time_us / 1000),
            or_dash(entry.tenant_id.as_ref().map(ToString::to_string)),
            or_dash(entry.actor_id.as_ref().map(ToString::to_string)),
            entry.action.clone(),
            outcome.to_owned(),
            entry.reason_code.to_string(),
            entry.fuel.to_string(),
            entry.duration_us.to_string(),
            or_dash(entry.call_id.as_ref().map(ToString::to_string)),
        ]);
    }
    out.line(table)
}

fn unreadable(folder: &Path, error: &ReadError) -> Failure {
    match error {
        ReadError::File(cause) if cause.kind() == io::ErrorKind::NotFound => {
            Failure::not_found(format!("{}: nothing has been written down yet", folder.display()))
        }
        _ => Failure::reason(Reason::AuditUnavailable, error.to_string()),
    }
}
