//! `audit export`: entries for other programs.
//!
//! Takes: the audit log of the home folder. Gives: one JSON object a line. May name: audit, World.

use super::selection::Selection;
use super::{Failure, Out, audit};
use crate::World;
use strongroom::audit::{Entry, ocsf};

/// Lines are gathered up to so many bytes before they are written.
const CHUNK: usize = 64 * 1024;

/// Print entries for other programs, oldest first, one JSON object a line
///
/// `--format jsonl`, which is also what comes without `--format`, prints entries as the log has them, with their number.
/// `--format ocsf` prints events of the Open Cybersecurity Schema Framework: class API Activity (6003). The log is read as it is
/// printed, in constant memory. It is not verified: that is `audit verify`'s.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
}

pub(crate) fn run(args: Args, world: &World, out: &Out) -> Result<(), Failure> {
    let written = |entry: &Entry| match out.is_ocsf() {
        true => ocsf(entry).map(|event| event.to_string()),
        false => serde_json::to_string(entry),
    };
    let mut chunk = String::new();
    let log = audit::Log::open(world)?;
    for entry in log.read(args.selection.filter())? {
        // What was read before a fault is still worth having.
        let line = entry.and_then(|entry| written(&entry).map_err(|e| Failure::failed(e.to_string())));
        if chunk.len() >= CHUNK || line.is_err() {
            out.raw(std::mem::take(&mut chunk).as_bytes())?;
        }
        chunk.push_str(&line?);
        chunk.push('\n');
    }
    out.raw(chunk.as_bytes())
}
