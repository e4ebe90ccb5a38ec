//! `audit drop`: the bodies of old entries go, and their hashes stay.
//!
//! Takes: a time, and the operator's word. Gives: what was dropped. May name: the library, World.

use super::moment::{self, When};
use super::{Failure, Out, audit, host};
use crate::World;
use serde_json::json;
use strongroom::audit::Dropped;
use strongroom::powers::{Clock as _, SystemClock};

/// Drop the bodies of old entries for good; their hashes stay, and the log goes on verifying
///
/// What can be dropped are full bundles of 256 published entries that are wholly older than the time, from the first entry
/// on. Whose they were is kept, and what they came to for budgets and idempotency keys. A host may run meanwhile. What breaks
/// off half-way is ended by the same command.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Entries before this time: so long ago, as `90d` or `8w`, or a time in UTC, as `2026-01-31T08:15:00Z`
    #[arg(long, value_name = "TIME", value_parser = moment::when)]
    before: When,
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(crate) fn run(args: &Args, world: &World, out: &Out) -> Result<(), Failure> {
    // A home without a log gets none because somebody wants to drop of it.
    audit::Log::open(world)?;
    host::block_on(drop_bodies(args, world, out))
}

async fn drop_bodies(args: &Args, world: &World, out: &Out) -> Result<(), Failure> {
    let before_us = args.before.unix_us(SystemClock.unix_us());
    host::with(host::builder(world)?, async |room| {
        let found = room.droppable(before_us).await?;
        if args.dry_run || found.entries == 0 {
            return told(&found, args.dry_run, out);
        }
        if !args.yes {
            let Dropped { entries, below, .. } = found;
            let question = format!(
                "the bodies of {entries} entries, all below number {below}, go for good; type `drop` to go on:"
            );
            let typed = world.typed(&question)?.ok_or_else(|| {
                Failure::usage("there is nobody to ask whether they may go; nothing was dropped")
                    .help("say --yes")
            })?;
            if typed != "drop" {
                return Err(Failure::failed("that is another word; nothing was dropped"));
            }
        }
        let bar = out.progress();
        bar.set_length(found.entries);
        let shown = bar.clone();
        let done = room.drop_bodies(before_us, move |done| shown.set_position(done)).await;
        bar.finish_and_clear();
        told(&done?, false, out)
    })
    .await
}

fn told(dropped: &Dropped, dry_run: bool, out: &Out) -> Result<(), Failure> {
    let Dropped { entries, below, kept_for } = dropped;
    if let Some(seq) = kept_for {
        out.note(format!(
            "entry {seq} is an intent that is still open: from its bundle on everything is kept"
        ));
    }
    if out.is_json() {
        return out.json(json!({
            "dropped": entries, "below": below, "kept_for": kept_for, "dry_run": dry_run,
        }));
    }
    if *entries == 0 {
        out.note(
            "there is nothing to drop: no full bundle of 256 published entries is wholly before that time",
        );
        return Ok(());
    }
    let what = if dry_run { "would be dropped" } else { "dropped" };
    out.line(format!("{what}: the bodies of {entries} entries; all below number {below} are gone then"))
}
