//! `audit prove` and `audit check-proof`: what one entry of the book is worth to somebody who does not have the book.
//!
//! Takes: a log and its public keys, or a proof and the keys. Gives: a proof, or what it proves. May name: audit, World.

use super::verify::{Keys, LONGEST, Source, head};
use super::{Failure, Out};
use crate::World;
use serde_json::json;
use std::path::{Path, PathBuf};
use strongroom::audit::{self, Entry, Fact, Hold, NoProof, Proof, Proven};
use strongroom::reason::Reason;

/// Print a proof, as JSON, that an entry is in the log, or that the log continues an earlier one
#[derive(Debug, clap::Args)]
#[group(id = "claim", args = ["seq", "since"], required = true, multiple = false)]
pub(crate) struct ProveArgs {
    /// The entry's number, as `audit show` lists it
    #[arg(value_name = "SEQ")]
    seq: Option<u64>,
    /// Prove that the log continues the one of this signed head, a checkpoint that was kept
    #[arg(long, value_name = "CHECKPOINT")]
    since: Option<PathBuf>,
    #[command(flatten)]
    source: Source,
}

/// Check a proof by the log's public key alone; exit code 1 when it proves nothing
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The proof, as `audit prove` printed it; `-` for stdin
    #[arg(value_name = "FILE")]
    proof: PathBuf,
    #[command(flatten)]
    keys: Keys,
}

pub(crate) fn prove(args: &ProveArgs, world: &World, out: &Out) -> Result<(), Failure> {
    let folder = args.source.folder(world)?;
    let log = world
        .folder(&folder)
        .map_err(|failure| failure.help("there is no audit log; name its folder with --log"))?;
    let known = args.source.known(world)?;
    let _hold = Hold::on(&log).map_err(|e| Failure::file(&folder, &e))?;
    let made = match (args.seq, &args.since) {
        (Some(seq), _) => audit::prove_entry(&log, &known, seq),
        (None, Some(path)) => audit::prove_since(&log, &known, &head(path, &known, world)?),
        (None, None) => {
            return Err(Failure::usage("name an entry by its number, or a checkpoint with --since"));
        }
    };
    let proof = made.map_err(|bad| match bad {
        NoProof::Unpublished | NoProof::NoEntry(_) => Failure::not_found(bad.to_string()),
        NoProof::Empty => Failure::usage(bad.to_string()),
        NoProof::File(_) => Failure::reason(Reason::AuditUnavailable, bad.to_string()),
        NoProof::Broken(_) => Failure::failed(bad.to_string()).help("`strongroom audit verify` finds where"),
    })?;
    out.json(serde_json::to_value(&proof).map_err(|e| Failure::failed(e.to_string()))?)
}

pub(crate) fn check(args: &CheckArgs, world: &World, out: &Out) -> Result<(), Failure> {
    let bytes = match args.proof.as_path() {
        stdin if stdin == Path::new("-") => world.stdin(LONGEST)?,
        path => world.file(path, LONGEST)?,
    };
    let known = args.keys.known(world)?;
    let proof: Proof = serde_json::from_slice(&bytes)
        .map_err(|e| Failure::usage(format!("{}: no proof: {e}", args.proof.display())))?;
    match proof.check(&known) {
        Ok(proven) => report(&proof, &proven, out),
        Err(bad) if out.is_json() => {
            out.json(json!({ "proven": false, "problem": bad.to_string() }))?;
            Err(Failure::told())
        }
        Err(bad) => Err(Failure::failed(format!("{}: proves nothing: {bad}", args.proof.display()))),
    }
}

fn report(proof: &Proof, proven: &Proven, out: &Out) -> Result<(), Failure> {
    let Proven { size, root, fact } = proven;
    if out.is_json() {
        let (index, since, entry) = match fact {
            Fact::Holds(index, entry) => (Some(index), None, entry.as_deref()),
            Fact::Continues(since) => (None, Some(since), None),
        };
        return out.json(json!({
            "proven": true, "log": proof.origin, "entries": size, "root": root, "index": index, "since": since,
            "entry": entry,
        }));
    }
    let log = format!("log     {}, {size} entries\nroot    {root}", proof.origin);
    match fact {
        Fact::Holds(index, Some(entry)) => {
            out.line(format!("proven  entry {index} is in the log\n{log}\nentry   {}", text(entry)?))
        }
        Fact::Holds(index, None) => out.line(format!(
            "proven  entry {index} is in the log; its body was dropped, and only its hash is proven\n{log}"
        )),
        Fact::Continues(since) => {
            out.line(format!("proven  the log continues the one that had {since} entries\n{log}"))
        }
    }
}

fn text(entry: &Entry) -> Result<String, Failure> {
    serde_json::to_string(entry).map_err(|e| Failure::failed(e.to_string()))
}
