//! `ledger`: copies of the ledger, and the ledger made anew from the audit log.
//!
//! Takes: the home folder, which nobody else works on. Gives: what was rebuilt, and what could not be. May name: the
//! library, World.

use super::verify::shown;
use super::{Failure, Out, host, ledger_copy};
use crate::World;
use serde_json::json;
use std::sync::Arc;
use strongroom::id::ActorId;
use strongroom::powers::{Home, SystemClock, SystemEntropy, SystemEnvironment};
use strongroom::rebuild::{Means, RebuildError, Rebuilt, rebuild};

/// Back up the ledger, check it, and bring it back when it is lost or damaged
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Make a copy of ledger.db, also while a server runs
    ///
    /// The copy is of one moment, with everything that was acknowledged before. It has its name once it is whole, checked and on
    /// the disk, and only its user can read it: it holds what checks the secrets of API keys, and answers of writes.
    /// It is a copy of the ledger alone: settings, `host.key`, the tenants' stores and the audit log are files of their own.
    Backup(ledger_copy::Backup),
    /// Put a copy in the place of ledger.db, brought forward by the audit log
    ///
    /// What was spent and written after the copy was made is not in it. So the audit log is verified and read: budgets, the keys
    /// of writes and kill switches are as the log has them, and API keys, answers, raised limits and runs as the copy has them, as
    /// far as the log does not know better. A log that cannot be verified restores nothing. Without a log the ledger is as old
    /// as the copy: what was spent since can be spent again, and a write that was made since can run again.
    /// The old file is kept under another name. Refused while a server or another command works on the home folder.
    Restore(ledger_copy::Restore),
    /// Check that ledger.db, or a copy of it, is whole; also while a server runs
    Check(ledger_copy::Check),
    /// Make ledger.db anew from the audit log: budgets spent, idempotency keys, kill switches
    ///
    /// The log is verified first. The old file is kept under another name. API keys are not in the log and have to be made
    /// anew; nor are the answers of writes: a repeat of a write that was made does not run again, and hears `outcome_unknown`.
    /// Budgets per run begin with nothing used, and limits that were raised are as in the tenants' files again.
    /// Refused while a server or another command works on the home folder.
    Rebuild(Args),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Also when the ledger that is there is whole; it knows more than the log
    #[arg(long)]
    replace: bool,
}

pub(crate) fn run(action: &Action, world: &World, out: &Out) -> Result<(), Failure> {
    match action {
        Action::Backup(args) => ledger_copy::back_up(args, world, out),
        Action::Restore(args) => ledger_copy::restore(args, world, out),
        Action::Check(args) => ledger_copy::check(args, world, out),
        Action::Rebuild(args) => make_anew(args, world, out),
    }
}

/// What a ledger is made with on this machine, for whoever has the home folder.
pub(super) fn means(home: &Home) -> Means<'_> {
    Means {
        home,
        environment: &SystemEnvironment,
        clock: Arc::new(SystemClock),
        entropy: &SystemEntropy,
        who: Some(ActorId::local()),
    }
}

fn make_anew(args: &Args, world: &World, out: &Out) -> Result<(), Failure> {
    // A folder that is not there is nobody's home, and becomes none by this.
    world.folder(&world.home_path()?)?;
    let home = world.home()?;
    let bar = out.progress();
    host::block_on(async {
        let done = rebuild(means(&home), args.replace, |done, of| shown(&bar, done, of));
        let done = done.await;
        bar.finish_and_clear();
        told(&done.map_err(failure)?, out)
    })
}

pub(super) fn failure(error: RebuildError) -> Failure {
    match error {
        RebuildError::Good | RebuildError::Newer => Failure::usage(error.to_string())
            .help("say --replace to put another one in its place all the same"),
        RebuildError::Copy(error) => ledger_copy::failure(&error),
        RebuildError::NoLog => Failure::not_found(error.to_string()),
        RebuildError::Log(_) => Failure::failed(error.to_string())
            .help("the ledger is as it was; keep the folder, and compare the log with a copy"),
        other => Failure::report(other.reason(), other),
    }
}

fn told(rebuilt: &Rebuilt, out: &Out) -> Result<(), Failure> {
    let Rebuilt { entries, dropped, budgets, ended, unknown, kills, lost_keys, runs_of, leaving, kept } =
        rebuilt;
    for tenant in leaving {
        out.note(format!("the deletion of {tenant} was begun and not ended: order it again"));
    }
    if out.is_json() {
        return out.json(json!({
            "entries": entries, "dropped": dropped, "budgets": budgets,
            "idempotency_keys": { "ended": ended, "unknown": unknown }, "kills": kills,
            "lost": { "api_keys": lost_keys, "answers": ended, "runs_of": runs_of }, "leaving": leaving, "kept": kept,
        }));
    }
    out.line(format!("rebuilt   from {entries} entries, {dropped} of them by what was kept of them"))?;
    out.line(format!("budgets   {budgets} with something spent"))?;
    out.line(format!("writes    {ended} that ended in the last 24 hours, {unknown} that broke off"))?;
    out.line(format!("stopped   {kills} kill switches are on"))?;
    let keys: Vec<String> = lost_keys.iter().map(|(tenant, n)| format!("{n} of {tenant}")).collect();
    let keys =
        if keys.is_empty() { "no API keys".to_owned() } else { format!("API keys: {}", keys.join(", ")) };
    out.line(format!("lost      {keys}; answers of writes: {ended}"))?;
    if let Some(kept) = kept {
        out.line(format!("kept      {kept}, the ledger before"))?;
    }
    if !runs_of.is_empty() {
        let of = runs_of.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        out.note(format!("budgets per run of {of} begin with nothing used: the log does not know runs"));
    }
    out.note(
        "limits that were raised are as in the tenants' files again; `strongroom budget raise` raises them",
    );
    if !lost_keys.is_empty() {
        out.note("nobody can call with the old API keys; make new ones with `strongroom key create`");
    }
    Ok(())
}
