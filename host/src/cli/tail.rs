//! `audit tail`: the newest entries, and each new one.
//!
//! Takes: the audit log of the home folder, signals. Gives: entries as they become readable. May name: audit, World.

use super::out::Table;
use super::selection::Selection;
use super::serve::Ends;
use super::{Failure, Out, audit, host};
use crate::World;
use std::collections::VecDeque;
use std::time::Duration;
use strongroom::audit::{Entry, Filter};

/// How often the log's folder is looked at for new entries.
const POLL: Duration = Duration::from_millis(250);

/// Show the last entries, and with `--follow` each new one as it can be read
///
/// `--format json` prints one JSON object a line, as the log has them. Ctrl-C ends `--follow` with exit code 0.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// With how many of the last entries to begin
    #[arg(long, value_name = "N", default_value_t = 10)]
    last: usize,
    /// Go on with each new entry, until Ctrl-C
    #[arg(long)]
    follow: bool,
}

pub(crate) fn run(args: Args, world: &World, out: &Out) -> Result<(), Failure> {
    let mut tail = Tail { log: audit::Log::open(world)?, filter: args.selection.filter(), next: 0 };
    if !args.follow {
        let entries = tail.newest(args.last)?;
        return match out.is_json() {
            true => entries.iter().try_for_each(|entry| audit::line(entry, out)),
            false => audit::table(&entries, out),
        };
    }
    host::block_on(follow(tail, args.last, out))
}

async fn follow(mut tail: Tail, last: usize, out: &Out) -> Result<(), Failure> {
    // Before the first entry is printed: whoever saw it may end us.
    let mut ends = Ends::listen()?;
    let entries = tail.newest(last)?;
    let mut table = audit::columns();
    if out.is_json() {
        entries.iter().try_for_each(|entry| audit::line(entry, out))?;
    } else {
        entries.iter().for_each(|entry| table.row(audit::cells(entry)));
        out.line(&table)?;
    }
    loop {
        tokio::select! {
            () = ends.next() => return Ok(()),
            () = tokio::time::sleep(POLL) => tail.more(|entry| print(&entry, &table, out))?,
        }
    }
}

fn print(entry: &Entry, table: &Table, out: &Out) -> Result<(), Failure> {
    match out.is_json() {
        true => audit::line(entry, out),
        false => out.line(table.below(&audit::cells(entry))),
    }
}

/// A place in the log, and what is looked for from there on.
struct Tail {
    log: audit::Log,
    filter: Filter,
    next: u64,
}

impl Tail {
    /// Everything new that is looked for, in order.
    fn more(&mut self, mut each: impl FnMut(Entry) -> Result<(), Failure>) -> Result<(), Failure> {
        // What is not looked for is read too, so that the next reading begins behind it.
        let all = Filter { from_seq: Some(self.next), ..Filter::default() };
        for entry in self.log.read(all)? {
            let entry = entry?;
            self.next = entry.seq + 1;
            if self.filter.matches(&entry) {
                each(entry)?;
            }
        }
        Ok(())
    }

    fn newest(&mut self, most: usize) -> Result<VecDeque<Entry>, Failure> {
        let mut kept = VecDeque::new();
        self.more(|entry| {
            audit::keep(&mut kept, entry, most);
            Ok(())
        })?;
        Ok(kept)
    }
}
