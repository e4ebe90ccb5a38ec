//! `audit witness --to`: asks a witness for its cosignature of the newest head (C2SP tlog-witness).
//!
//! Takes: the log, the witness's address and verifier keys. Gives: `checkpoint.witnessed` in the log's folder. May name:
//! audit, World.

use super::witness::{Fault, Log, fault};
use super::{Failure, Out};
use crate::World;
use http::HeaderMap;
use serde_json::json;
use std::io::Error;
use std::sync::Arc;
use strongroom::audit::{self, Signed, WITNESSED, Witness};
use strongroom::post::{Poster, is_safe};
use strongroom::powers::SystemDial;
use url::Url;

/// The form of an answer that says how many entries the witness's head has.
const SIZE: &str = "text/x.tlog.size";

pub(super) async fn ask(
    log: &Log,
    url: &Url,
    plain: bool,
    witnesses: &[Witness],
    world: &World,
    out: &Out,
) -> Result<(), Fault> {
    let url = endpoint(url, plain)?;
    let poster = Poster::new(Arc::new(SystemDial))
        .map_err(|e| Failure::failed(format!("TLS cannot be set up: {e}")))?;
    let before = before(log, world)?;
    // Only what this witness has cosigned says what it holds.
    let cosigned = before.as_ref().filter(|b| witnesses.iter().any(|w| w.cosigned(&b.note).is_some()));
    let mut old = cosigned.map_or(0, |before| before.size);
    let mut again = true;
    loop {
        let (head, body) = request(log, old)?;
        let answer = post(&poster, &url, body)
            .await
            .map_err(|e| Fault::Passing(Failure::failed(format!("the witness {url}: {e}"))))?;
        match held(&answer) {
            Some(size) if size > head.size => {
                let what = format!("it has {} entries, and the witness has seen {size}", head.size);
                return Err(Fault::Final(disowned(&format!("the log was rolled back: {what}"))));
            }
            Some(size) if size != old && again => (old, again) = (size, false),
            _ => {
                let lines = accepted(log, &url, &head, &answer, witnesses)?;
                return note(log, &head, &lines, before.as_ref(), witnesses, out);
            }
        }
    }
}

/// What a witness answered.
struct Answer {
    status: u16,
    /// The content type, without its parameters.
    kind: String,
    body: String,
}

async fn post(poster: &Poster, url: &Url, body: Vec<u8>) -> Result<Answer, Error> {
    let answer = poster.post(url, HeaderMap::new(), body).await?;
    let (status, kind) = (answer.status, answer.kind());
    Ok(Answer { status, kind, body: String::from_utf8(answer.body?).map_err(Error::other)? })
}

fn endpoint(url: &Url, plain: bool) -> Result<Url, Failure> {
    let fine = matches!(url.scheme(), "https" | "http") && url.host().is_some();
    if !fine || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(Failure::usage(format!("{url}: not the prefix of a witness's URL"))
            .help("write it as `https://witness.example/`"));
    }
    if !plain && !is_safe(url) {
        return Err(Failure::usage(format!("{url}: anybody in between could answer"))
            .help("use https, or --plain-http in a network that you trust"));
    }
    let mut url = url.clone();
    url.set_path(&format!("{}/add-checkpoint", url.path().trim_end_matches('/')));
    Ok(url)
}

/// The newest head that was cosigned. One that is of another log, or unreadable, is no reason not to ask for another.
fn before(log: &Log, world: &World) -> Result<Option<Signed>, Failure> {
    match super::verify::head(&log.folder.join(WITNESSED), &log.known, world) {
        Ok(head) => Ok(Some(head)),
        Err(failure) if failure.word() == Some("not_found") => Ok(None),
        Err(failure) => Err(failure.help("move the file away, and the witness is asked where it stands")),
    }
}

fn request(log: &Log, old: u64) -> Result<(Signed, Vec<u8>), Fault> {
    let _hold = log.hold()?;
    audit::request(&log.dir, &log.known, old).map_err(|refusal| fault(&refusal))
}

/// How many entries the head has that the witness holds, when it says so because it was told otherwise.
fn held(answer: &Answer) -> Option<u64> {
    let size = answer.body.strip_suffix('\n').filter(|_| answer.status == 409 && answer.kind == SIZE)?;
    size.parse().ok().filter(|n: &u64| n.to_string() == size)
}

fn accepted(
    log: &Log,
    url: &Url,
    head: &Signed,
    answer: &Answer,
    witnesses: &[Witness],
) -> Result<Vec<String>, Fault> {
    let origin = log.known.origin();
    let failed = |what: String| Failure::failed(format!("the witness {url} {what}"));
    Err(match answer.status {
        200 => {
            let lines = audit::cosignatures(head, &answer.body, witnesses);
            if !lines.is_empty() {
                return Ok(lines);
            }
            Fault::Final(
                failed("gave no cosignature of the named keys".into())
                    .help("compare --verifier with its key"),
            )
        }
        404 => Fault::Final(
            failed(format!("does not know the log {origin}, or is not at this URL"))
                .help("give its operator book.pub"),
        ),
        403 => Fault::Final(
            failed("does not trust the key that has signed the log's head".into())
                .help("give its operator the new book.pub"),
        ),
        409 if answer.kind == SIZE => {
            Fault::Passing(failed("took another head meanwhile".into()).help("try again"))
        }
        409 => Fault::Final(disowned("the witness holds another head of the same size")),
        422 => Fault::Final(disowned("the log does not continue the one that the witness has seen")),
        400 => Fault::Final(failed("cannot read the request".into())),
        status => Fault::Passing(failed(format!("answered with status {status}"))),
    })
}

/// The witness refuses what it is there to refuse.
fn disowned(what: &str) -> Failure {
    Failure::failed(format!("the witness refuses the log: {what}")).help(
        "keep the folder as it is, and compare it with a copy; `strongroom audit verify` finds what was changed since it was \
         signed",
    )
}

fn note(
    log: &Log,
    head: &Signed,
    lines: &[String],
    before: Option<&Signed>,
    witnesses: &[Witness],
    out: &Out,
) -> Result<(), Fault> {
    let note = audit::cosigned(head, lines, before.map(|before| before.note.as_slice()));
    let written = audit::keep(&log.dir, WITNESSED, &note);
    written.map_err(|e| Fault::Passing(Failure::file(&log.folder.join(WITNESSED), &e)))?;
    let signed: Vec<String> =
        witnesses.iter().filter(|w| w.cosigned(&note).is_some()).map(ToString::to_string).collect();
    let (size, root) = (head.size, head.root);
    if out.is_json() {
        return Ok(out.json(json!({
            "log": log.known.origin(), "entries": size, "root": root.to_string(), "cosigned": signed,
        }))?);
    }
    out.line(format!("witnessed {size} entries"))?;
    out.line(format!("log       {}", log.known.origin()))?;
    out.line(format!("root      {root}"))?;
    signed.iter().try_for_each(|key| out.line(format!("cosigned  {key}")))?;
    Ok(())
}
