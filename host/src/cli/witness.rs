//! `audit witness`: a signed head of the book, kept or cosigned elsewhere, so that a log that was put back is seen.
//!
//! Takes: a log's folder and its public keys; the head that was kept, or a witness's address. Gives: the newer head, or why
//! it does not continue the kept one. May name: audit, powers, World.

use super::serve::Ends;
use super::verify::{LONGEST, Source, head};
use super::{Failure, Out, host, moment, submit};
use crate::World;
use cap_std::fs::Dir;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;
use strongroom::audit::{self, Hold, Known, Refusal, Signed, WitnessKey};
use strongroom::powers::{Clock as _, SystemClock, SystemEntropy};
use strongroom::reason::Reason;
use url::Url;

/// Keep the log's newest signed head elsewhere, or have a witness cosign it
///
/// With `--keep` this is the witness: the log has to continue the head in the file, which is then replaced by the newer one.
/// With `--to` it is the log's side: a witness is asked for a cosignature (C2SP tlog-witness), which is written to
/// `checkpoint.witnessed` in the log's folder. A log that was put back or is another one is refused with exit code 1.
#[derive(Debug, clap::Args)]
#[group(id = "what", args = ["keep", "to", "new_key"], required = true, multiple = false)]
pub(crate) struct Args {
    /// Keep the head in this file; `audit verify --against` compares with it
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
    /// Cosign the head that is kept with this witness's secret key
    #[arg(long, value_name = "FILE", requires = "keep")]
    key: Option<PathBuf>,
    /// Ask this witness for a cosignature, by the prefix of its URL
    #[arg(long, value_name = "URL", requires = "verifier")]
    to: Option<Url>,
    /// The witness's verifier key, `<name>+<id>+<key>`; once for each key that it may sign with
    #[arg(long, value_name = "KEY", requires = "to", value_parser = verifier)]
    verifier: Vec<audit::Witness>,
    /// Let the witness be asked over plain HTTP on another machine, where others can read and change what is said
    #[arg(long, requires = "to")]
    plain_http: bool,
    /// Go on, so often, until Ctrl-C or a refusal
    #[arg(long, value_name = "TIME", value_parser = moment::span, conflicts_with = "new_key")]
    every: Option<u64>,
    /// Make a witness's secret key in this file, and print its verifier key
    #[arg(long, value_name = "FILE", requires = "name")]
    new_key: Option<PathBuf>,
    /// The witness's name: a URL without its scheme is the custom, as `witness.example/w1`
    #[arg(long, value_name = "NAME", requires = "new_key")]
    name: Option<String>,
    #[command(flatten)]
    source: Source,
}

fn verifier(text: &str) -> Result<audit::Witness, String> {
    audit::Witness::parse(text).ok_or_else(|| {
        "write it as the witness gives it, `<name>+<id>+<key>`, of the type cosignature/v1".to_owned()
    })
}

/// Why a head was not kept or cosigned this time.
pub(super) enum Fault {
    /// The log is not the one that was kept, or nobody may say so: trying again changes nothing.
    Final(Failure),
    /// It may go well later.
    Passing(Failure),
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::Final(failure)
    }
}

/// A log that is witnessed.
pub(super) struct Log {
    pub(super) folder: PathBuf,
    pub(super) dir: Dir,
    pub(super) known: Known,
}

impl Log {
    fn open(source: &Source, world: &World) -> Result<Self, Failure> {
        let folder = source.folder(world)?;
        let dir = world
            .folder(&folder)
            .map_err(|failure| failure.help("there is no audit log; name its folder with --log"))?;
        Ok(Self { folder, dir, known: source.known(world)? })
    }

    /// Keeps the host from publishing while the log is read.
    pub(super) fn hold(&self) -> Result<Hold, Fault> {
        Hold::on(&self.dir).map_err(|e| Fault::Passing(Failure::file(&self.folder, &e)))
    }
}

pub(crate) fn run(args: &Args, world: &World, out: &Out) -> Result<(), Failure> {
    if let (Some(path), Some(name)) = (&args.new_key, &args.name) {
        return new_key(path, name, world, out);
    }
    let log = match (Log::open(&args.source, world), &args.keep) {
        (Ok(log), _) => log,
        // A log that was kept and is not there any more was taken away.
        (Err(failure), Some(kept)) if kept.exists() => return Err(gone(failure, kept)),
        (Err(failure), _) => return Err(failure),
    };
    let key = args.key.as_deref().map(|path| key(path, world)).transpose()?;
    host::block_on(async {
        let mut ends = Ends::listen()?;
        loop {
            let done = match (&args.keep, &args.to) {
                (Some(file), _) => keep(&log, file, key.as_ref(), world, out),
                (_, Some(url)) => submit::ask(&log, url, args.plain_http, &args.verifier, world, out).await,
                (None, None) => Err(Failure::usage("name a file with --keep, or a witness with --to").into()),
            };
            match (done, args.every) {
                (Ok(()), None) => return Ok(()),
                (Err(Fault::Final(failure)), _) | (Err(Fault::Passing(failure)), None) => {
                    return Err(failure);
                }
                (Err(Fault::Passing(failure)), Some(_)) => out.failure(&failure),
                (Ok(()), Some(_)) => {}
            }
            tokio::select! {
                () = ends.next() => return Ok(()),
                () = tokio::time::sleep(Duration::from_millis(args.every.unwrap_or_default())) => {}
            }
        }
    })
}

fn gone(failure: Failure, kept: &Path) -> Failure {
    match failure.word() {
        Some("not_found") => Failure::failed(format!("the log is gone: {failure}"))
            .help(format!("its newest head that was kept is in {}", kept.display())),
        _ => failure,
    }
}

fn keep(log: &Log, file: &Path, key: Option<&WitnessKey>, world: &World, out: &Out) -> Result<(), Fault> {
    let kept = match head(file, &log.known, world) {
        Ok(kept) => Some(kept),
        Err(failure) if failure.word() == Some("not_found") => None,
        Err(failure) => return Err(failure.into()),
    };
    let hold = log.hold()?;
    let found = audit::continued(&log.dir, &log.known, kept.as_ref());
    drop(hold);
    let found = match found {
        Ok(found) => found,
        Err(refusal) => return Err(refused(&refusal, kept.as_ref(), file, world, out)),
    };
    let mut lines = Vec::new();
    if let Some(key) = key {
        let line = key.cosign(&found, SystemClock.unix_ms() / 1000);
        lines.push(line.ok_or_else(|| Failure::failed("the head cannot be cosigned"))?);
    }
    let since = kept.as_ref().map(|kept| kept.size);
    // A head that stands there already is written only with a newer cosignature.
    if since != Some(found.size) || key.is_some() {
        let earlier = kept.as_ref().map(|kept| kept.note.as_slice());
        write(file, &audit::cosigned(&found, &lines, earlier), world)?;
    }
    report(log, &found, since, key, out).map_err(Fault::from)
}

fn report(
    log: &Log,
    found: &Signed,
    since: Option<u64>,
    key: Option<&WitnessKey>,
    out: &Out,
) -> Result<(), Failure> {
    let (size, root) = (found.size, found.root);
    let cosigner = key.map(|key| key.witness().to_string());
    if out.is_json() {
        return out.json(json!({
            "log": log.known.origin(), "entries": size, "root": root.to_string(), "since": since,
            "cosigner": cosigner,
        }));
    }
    let before = match since {
        None => "the first head that is kept".to_owned(),
        Some(since) => format!("continues the {since} that were kept"),
    };
    out.line(format!("kept      {size} entries; {before}"))?;
    out.line(format!("log       {}", log.known.origin()))?;
    out.line(format!("root      {root}"))?;
    cosigner.map_or(Ok(()), |cosigner| out.line(format!("cosigned  {cosigner}")))
}

/// Shows both heads when the log does not continue the kept one, and keeps the other one beside it.
fn refused(refusal: &Refusal, kept: Option<&Signed>, file: &Path, world: &World, out: &Out) -> Fault {
    let (Refusal::Broken { what, found }, Some(kept)) = (refusal, kept) else { return fault(refusal) };
    let aside = PathBuf::from(format!("{}.refused", file.display()));
    let text = |head: &Signed| String::from_utf8_lossy(&head.note).into_owned();
    let shown = match out.is_json() {
        true => out.json(json!({ "problem": what, "kept": text(kept), "found": text(found) })),
        false => out.line(format!("kept\n{}\nfound\n{}", text(kept), text(found).trim_end())),
    };
    let done = shown.and_then(|()| write(&aside, &found.note, world));
    Fault::Final(done.err().unwrap_or_else(|| {
        Failure::failed(format!("the log does not continue the one that was kept: {what}")).help(format!(
            "keep both heads, they are signed: the kept one stays in {}, the other one is in {}",
            file.display(),
            aside.display()
        ))
    }))
}

/// What a refusal is for whoever started the command.
pub(super) fn fault(refusal: &Refusal) -> Fault {
    let message = refusal.to_string();
    match refusal {
        Refusal::File(_) => Fault::Passing(Failure::reason(Reason::AuditUnavailable, message)),
        Refusal::Unpublished => Fault::Passing(Failure::not_found(message)),
        Refusal::Head(_) | Refusal::Gone(_) | Refusal::Broken { .. } => {
            Fault::Final(Failure::failed(format!("the log is not the one that was signed before: {message}")))
        }
    }
}

fn write(path: &Path, note: &[u8], world: &World) -> Result<(), Failure> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Failure::usage(format!("{}: names no file", path.display())))?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    audit::keep(&world.folder(parent)?, name, note).map_err(|e| Failure::file(path, &e))
}

fn key(path: &Path, world: &World) -> Result<WitnessKey, Failure> {
    let text = zeroize::Zeroizing::new(world.file(path, LONGEST)?);
    let key = std::str::from_utf8(&text).ok().and_then(WitnessKey::parse);
    key.ok_or_else(|| {
        Failure::usage(format!("{}: holds no witness's secret key", path.display()))
            .help("`audit witness --new-key` makes one")
    })
}

fn new_key(path: &Path, name: &str, world: &World, out: &Out) -> Result<(), Failure> {
    let made = WitnessKey::new(name, &SystemEntropy);
    let key =
        made.map_err(|e| Failure::failed(format!("there is no randomness: {e}")))?.ok_or_else(|| {
            Failure::usage("a witness's name has 1 to 255 bytes, without spaces and pluses")
                .help("a URL without its scheme is the custom, as `witness.example/w1`")
        })?;
    world.new_secret_file(path, &key.secret())?;
    match out.is_json() {
        true => out.json(json!({ "verifier": key.witness().to_string() })),
        false => out.line(key.witness()),
    }
}
