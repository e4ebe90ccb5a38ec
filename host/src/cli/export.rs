//! `audit export`: entries for other programs, or the log of one tenant alone.
//!
//! Takes: the audit log of the home folder. Gives: one JSON object a line, or a folder. May name: audit, World.

use super::selection::Selection;
use super::{Failure, Out, audit, export_tenant};
use crate::World;
use std::path::PathBuf;
use strongroom::audit::{Entry, ocsf, otlp};

/// Lines are gathered up to so many bytes before they are written.
const CHUNK: usize = 64 * 1024;
/// Entries in a line of OTLP.
const RECORDS: usize = 100;

/// Print entries for other programs, oldest first, one JSON object a line; with `--to`, make a tenant's log of its own
///
/// `--format jsonl`, which is also what comes without `--format`, prints entries as the log has them, with their number.
/// `--format ocsf` prints events of the Open Cybersecurity Schema Framework: class API Activity (6003). `--format otlp` prints
/// log records of OpenTelemetry in OTLP's JSON form, up to 100 a line. The log is read as it is printed, in constant memory. It
/// is not verified: that is `audit verify`'s.
///
/// With `--tenant` and `--to` nothing is printed: the tenant's entries become a signed log in a folder, which shows nothing of
/// others and which `audit verify --log FOLDER --public-key book.pub` verifies by itself.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// The folder for the log of one tenant alone; it must not be there yet, or be empty
    #[arg(
        long,
        value_name = "FOLDER",
        requires = "tenant",
        conflicts_with_all = ["tool", "reason", "outcome", "call", "since", "before"]
    )]
    to: Option<PathBuf>,
}

pub(crate) fn run(args: Args, world: &World, out: &Out) -> Result<(), Failure> {
    if let (Some(folder), Some(tenant)) = (&args.to, args.selection.tenant()) {
        return export_tenant::run(tenant, folder, world, out);
    }
    let most = if out.is_otlp() { RECORDS } else { 1 };
    let log = audit::Log::open(world)?;
    let mut entries = log.read(args.selection.filter())?;
    let mut chunk = String::new();
    loop {
        let mut fault = None;
        let unless = |entry: Result<Entry, Failure>| entry.map_err(|failure| fault = Some(failure)).ok();
        let group: Vec<Entry> = entries.by_ref().take(most).map_while(unless).collect();
        if !group.is_empty() {
            chunk.push_str(&line(&group, out).map_err(|e| Failure::failed(e.to_string()))?);
            chunk.push('\n');
        }
        let over = group.len() < most;
        // What was read before a fault is still worth having.
        if over || chunk.len() >= CHUNK {
            out.raw(std::mem::take(&mut chunk).as_bytes())?;
        }
        match fault {
            Some(fault) => return Err(fault),
            None if over => return Ok(()),
            None => {}
        }
    }
}

fn line(group: &[Entry], out: &Out) -> Result<String, serde_json::Error> {
    match group {
        [entry] if out.is_ocsf() => ocsf(entry).map(|event| event.to_string()),
        [entry] if !out.is_otlp() => serde_json::to_string(entry),
        entries => otlp(entries).map(|request| request.to_string()),
    }
}
