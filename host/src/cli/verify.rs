//! `audit verify`: whether the book is what was signed, by its public key alone.
//!
//! Takes: a log's folder, public keys, a head that was kept elsewhere. Gives: what was verified, or the first bad place.
//! May name: audit, World.

use super::{Failure, Out, verify_tenant};
use crate::World;
use indicatif::ProgressBar;
use serde_json::json;
use std::path::{Path, PathBuf};
use strongroom::audit::{self, Bad, BadCheckpoint, Known, PUBLIC_FILE, SEEN, Signed, Verified};

/// Longest file of keys, checkpoint or proof that is read.
pub(super) const LONGEST: u64 = 1 << 20;

/// Verify the whole log, offline: every entry, tile and signature; exit code 1 names the first bad place
///
/// Nothing but the public key is needed, and nothing is written. What the folder alone cannot show is that all of it was
/// put back to an earlier state: for that it is compared with a head that was kept elsewhere.
///
/// The log of one tenant alone, as `audit export --to` makes it, is verified by itself, and against the host's log by the proof
/// in it; `--against` is then an earlier checkpoint of the tenant's log, or the host's checkpoint that the proof leads to.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    source: Source,
    /// A signed head that was kept elsewhere, as `<log>/checkpoint` once was; the log must continue it [default: the
    /// newest that this host remembers, `book.seen`, unless another key is named]
    #[arg(long, value_name = "CHECKPOINT")]
    against: Option<PathBuf>,
}

/// Where a log is, and who signs it.
#[derive(Debug, clap::Args)]
pub(crate) struct Source {
    /// The log's folder [default: `audit` in the home folder]
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
    #[command(flatten)]
    keys: Keys,
}

/// Who signs a log.
#[derive(Debug, clap::Args)]
pub(crate) struct Keys {
    /// The log's public keys, one a line [default: `book.pub` in the home folder]
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
}

impl Keys {
    /// The keys, from their file.
    pub(super) fn known(&self, world: &World) -> Result<Known, Failure> {
        let path = match &self.public_key {
            Some(path) => path.clone(),
            None => world.home_path()?.join(PUBLIC_FILE),
        };
        let bytes = world.file(&path, LONGEST).map_err(|failure| {
            failure.help("a host makes it at its first start; name another file with --public-key")
        })?;
        let known = String::from_utf8(bytes).ok().and_then(|text| Known::parse(&text));
        known.ok_or_else(|| {
            Failure::usage(format!("{}: holds no public keys of one log", path.display()))
                .help("a key is written `<log>+<id>+<key>`, as in the home folder's book.pub")
        })
    }
}

impl Source {
    /// The log's folder.
    pub(super) fn folder(&self, world: &World) -> Result<PathBuf, Failure> {
        match &self.log {
            Some(log) => Ok(log.clone()),
            None => Ok(world.home_path()?.join("audit")),
        }
    }

    pub(super) fn known(&self, world: &World) -> Result<Known, Failure> {
        self.keys.known(world)
    }
}

/// A signed head from a file that was named.
pub(super) fn head(path: &Path, known: &Known, world: &World) -> Result<Signed, Failure> {
    let bytes = world.file(path, LONGEST)?;
    known.verify(&bytes).map_err(|bad| match bad {
        BadCheckpoint::Form => Failure::usage(format!("{}: {bad}", path.display())),
        _ => Failure::failed(format!("{}: {bad}", path.display())),
    })
}

pub(crate) fn run(args: &Args, world: &World, out: &Out) -> Result<(), Failure> {
    let folder = args.source.folder(world)?;
    let log = world.folder(&folder);
    let known = match (args.source.known(world), &log) {
        (Ok(known), _) => known,
        // Where there is no log there may be no key either; that there is no log says more.
        (Err(_), Err(_)) => return log.map(drop).map_err(nothing),
        (Err(failure), Ok(_)) => return Err(failure),
    };
    if let Ok(log) = &log
        && let Some(tenant) = audit::tenant_of(log, &known).map_err(|e| Failure::file(&folder, &e))?
    {
        return verify_tenant::run(&tenant, (&folder, log), &known, args.against.as_deref(), world, out);
    }
    let against = against(args, &known, world)?;
    let log = match (log, &against) {
        (Ok(log), _) => log,
        (Err(_), Some((_, head))) if head.size > 0 && args.source.log.is_none() => {
            let had = format!("it is gone, and it had {} entries", head.size);
            return told(&folder, &Bad::Witness(had), out);
        }
        (Err(failure), _) => return Err(nothing(failure)),
    };
    if against.is_none() && !log.exists("checkpoint") && !log.exists("journal") {
        return Err(Failure::not_found(format!("{}: there is no audit log", folder.display())));
    }
    let bar = out.progress();
    let witness = against.as_ref().map(|(_, head)| head);
    let done = audit::verify_still(&log, &known, witness, |done, of| shown(&bar, done, of));
    bar.finish_and_clear();
    let done = done.map_err(|e| Failure::file(&folder, &e))?;
    match done {
        Ok(verified) => report(&verified, &known, against.as_ref(), out),
        Err(bad) => told(&folder, &bad, out),
    }
}

fn nothing(failure: Failure) -> Failure {
    failure.help("there is no audit log; name its folder with --log")
}

/// The head to compare with, and the file that it is in.
fn against(args: &Args, known: &Known, world: &World) -> Result<Option<(PathBuf, Signed)>, Failure> {
    if let Some(path) = &args.against {
        return Ok(Some((path.clone(), head(path, known, world)?)));
    }
    if args.source.keys.public_key.is_some() {
        return Ok(None);
    }
    let seen = world.home_path()?.join(SEEN);
    match head(&seen, known, world) {
        Ok(head) => Ok(Some((seen, head))),
        Err(failure) if failure.word() == Some("not_found") => Ok(None),
        Err(failure) => Err(failure),
    }
}

pub(super) fn shown(bar: &ProgressBar, done: u64, of: u64) {
    bar.set_length(of);
    bar.set_position(done);
}

fn report(
    verified: &Verified,
    known: &Known,
    against: Option<&(PathBuf, Signed)>,
    out: &Out,
) -> Result<(), Failure> {
    let Verified { entries, published, dropped, heads, root, .. } = verified;
    if out.is_json() {
        return out.json(json!({
            "verified": true, "log": known.origin(), "entries": entries, "published": published,
            "dropped": dropped, "heads": heads, "root": root, "against": against.map(|(_, head)| head.size),
        }));
    }
    out.line(format!("verified  {entries} entries, {published} of them published, {dropped} dropped"))?;
    out.line(format!("heads     {heads} of tenants' logs, each as the tenant's entries make it"))?;
    out.line(format!("log       {}", known.origin()))?;
    out.line(format!("root      {root}"))?;
    match against {
        Some((path, head)) => {
            out.line(format!("against   {}: continues its {} entries", path.display(), head.size))
        }
        None => {
            out.line("against   nothing")?;
            out.note("that the whole log was put back to an earlier state is only seen with --against");
            Ok(())
        }
    }
}

pub(super) fn told(folder: &Path, bad: &Bad, out: &Out) -> Result<(), Failure> {
    if out.is_json() {
        out.json(json!({
            "verified": false, "problem": bad.to_string(), "file": bad.file(), "entry": bad.seq(),
        }))?;
        return Err(Failure::told());
    }
    let message = format!("the audit log {} is not what was signed: {bad}", folder.display());
    Err(Failure::failed(message).help("keep the folder as it is, and compare it with a copy"))
}
