//! `ledger backup`, `ledger restore` and `ledger check`: copies of the ledger's file.
//!
//! Takes: the home folder, and the file of a copy. Gives: a copy, or a ledger from one. May name: the library, World.

use super::verify::shown;
use super::{Failure, Out, host, ledger, moment};
use crate::World;
use serde_json::json;
use std::path::{Path, PathBuf};
use strongroom::rebuild::{self, CopyError, CopyFile, Restored, Sound};
use strongroom::storage::{Folder, StorageError};

#[derive(Debug, clap::Args)]
pub(crate) struct Backup {
    /// The file that the copy is written to; it must not be there yet
    file: PathBuf,
    /// Also when the file is there: it is replaced once the copy is whole
    #[arg(long)]
    replace: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Restore {
    /// The copy
    file: PathBuf,
    /// Also when the ledger that is there is whole
    #[arg(long)]
    replace: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// A copy [default: ledger.db in the home folder]
    file: Option<PathBuf>,
}

/// Where a file is, or is to be: its folder has to be there.
fn place(path: &Path, world: &World) -> Result<CopyFile, Failure> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Failure::usage(format!("{}: names no file", path.display())))?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent = world.real_path(parent)?;
    let folder = Folder::new(world.folder(&parent)?, parent);
    Ok(CopyFile { folder, name: name.to_owned() })
}

pub(super) fn failure(error: &CopyError) -> Failure {
    let text = error.to_string();
    match error {
        CopyError::There(_) => Failure::usage(text).help("name another file, or say --replace"),
        CopyError::NoLedger | CopyError::NoCopy(_) => Failure::not_found(text),
        CopyError::Damaged { file, .. } if file == "ledger.db" => Failure::reason(damaged(), text).help(
            "put a backup in its place with `strongroom ledger restore`, or make it anew from the audit log with \
             `strongroom ledger rebuild`",
        ),
        CopyError::Damaged { .. } => Failure::reason(damaged(), text).help("take another copy"),
        CopyError::Storage(error) => Failure::reason(error.reason(), text),
    }
}

fn damaged() -> strongroom::reason::Reason {
    StorageError::Full.reason()
}

pub(super) fn back_up(args: &Backup, world: &World, out: &Out) -> Result<(), Failure> {
    world.folder(&world.home_path()?)?;
    let home = world.home()?;
    let to = place(&args.file, world)?;
    let bar = out.progress_of("pages");
    let made = rebuild::backup(&home, &to, args.replace, |done, of| shown(&bar, done, of));
    bar.finish_and_clear();
    told(&args.file, &made.map_err(|error| failure(&error))?, "copied", out)
}

pub(super) fn check(args: &Check, world: &World, out: &Out) -> Result<(), Failure> {
    let (path, checked) = match &args.file {
        Some(file) => (file.clone(), rebuild::check_copy(&place(file, world)?)),
        None => {
            let path = world.home_path()?;
            world.folder(&path)?;
            (path.join("ledger.db"), rebuild::check(&world.home()?))
        }
    };
    told(&path, &checked.map_err(|error| failure(&error))?, "whole", out)
}

fn told(path: &Path, sound: &Sound, how: &str, out: &Out) -> Result<(), Failure> {
    let Sound { schema, known, bytes } = sound;
    if out.is_json() {
        let file = path.display().to_string();
        return out.json(json!({ "file": file, "bytes": bytes, "schema": schema, "schema_known": known }));
    }
    out.line(format!("{how:<9} {}: {bytes} bytes, schema {schema}", path.display()))?;
    if schema < known {
        out.note(format!("it is of an earlier version: a host that opens it brings it to schema {known}"));
    }
    Ok(())
}

pub(super) fn restore(args: &Restore, world: &World, out: &Out) -> Result<(), Failure> {
    world.folder(&world.home_path()?)?;
    let home = world.home()?;
    let copy = place(&args.file, world)?;
    let bar = out.progress();
    host::block_on(async {
        let done =
            rebuild::restore(ledger::means(&home), &copy, args.replace, |done, of| shown(&bar, done, of));
        let done = done.await;
        bar.finish_and_clear();
        restored(&done.map_err(ledger::failure)?, out)
    })
}

fn restored(restored: &Restored, out: &Out) -> Result<(), Failure> {
    let Restored { entries, keys, revoked, lost_keys, answers, lost_answers, unknown, raises, .. } = restored;
    let Restored { copy_newest_ms, runs_of, leaving, kept, .. } = restored;
    for tenant in leaving {
        out.note(format!("the deletion of {tenant} was begun and not ended: order it again"));
    }
    let lost: Vec<String> = lost_keys.iter().map(|(tenant, n)| format!("{n} of {tenant}")).collect();
    if out.is_json() {
        return out.json(json!({
            "copy_newest_ms": copy_newest_ms, "entries": entries,
            "api_keys": { "open": keys, "revoked": revoked }, "answers": answers, "unknown": unknown, "raises": raises,
            "lost": { "api_keys": lost_keys, "answers": lost_answers, "runs_of": runs_of }, "leaving": leaving, "kept": kept,
        }));
    }
    let as_of = moment::utc(*copy_newest_ms);
    match entries {
        Some(entries) => {
            out.line(format!("restored  as of {as_of}, and brought forward by {entries} entries"))?
        }
        None => out.line(format!("restored  as of {as_of}"))?,
    }
    out.line(format!("keys      {keys} API keys open, {revoked} do not any more"))?;
    out.line(format!("writes    {answers} with their answers, {unknown} of which nobody knows the outcome"))?;
    let keys = match lost.is_empty() {
        true => "no API keys".to_owned(),
        false => format!("API keys made since: {}", lost.join(", ")),
    };
    out.line(format!("lost      {keys}; answers of writes: {lost_answers}"))?;
    if let Some(kept) = kept {
        out.line(format!("kept      {kept}, the ledger before"))?;
    }
    match entries {
        None => out.note(
            "there was no audit log: what was spent after the copy was made can be spent again, and a write that was made \
             since can run again; compare with what the tools' services know before you let callers in",
        ),
        Some(_) if !runs_of.is_empty() => {
            let of = runs_of.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            out.note(format!(
                "budgets per run of {of} count what the copy knows: the log does not say which runs there were since"
            ));
        }
        Some(_) => {}
    }
    Ok(())
}
