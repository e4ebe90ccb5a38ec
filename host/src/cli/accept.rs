//! `accept` and `reject`: what an operator decides about versions that ask for more than was accepted.
//!
//! Takes: a tool, and the digest of what was reviewed. Gives: the version in its place, or gone. May name: the library,
//! World.

use super::{Failure, Out, host, review};
use crate::World;
use serde_json::{Value, json};
use std::str::FromStr;
use strongroom::id::{Digest, ToolName};
use strongroom::reason::Reason;
use strongroom::tools::Held;

/// Take a new version that is held because it asks for more than the one before
///
/// Name it with its digest, so that exactly what was reviewed is taken. Without the digest, or with --list, what it asks
/// for is shown and nothing is done.
#[derive(Debug, clap::Args)]
pub(crate) struct AcceptArgs {
    /// The tool and the digest of the version, as `--list` shows it: `orders@sha256:…`
    #[arg(value_name = "TOOL[@DIGEST]", required_unless_present = "list", conflicts_with = "list")]
    version: Option<Named>,
    /// Show all versions that are held, with what each could do that the one before could not
    #[arg(long)]
    list: bool,
}

/// Forget a new version that is held; the one before goes on serving
#[derive(Debug, clap::Args)]
pub(crate) struct RejectArgs {
    /// The tool
    #[arg(value_name = "TOOL")]
    tool: ToolName,
}

/// `tool`, or `tool@sha256:…`.
#[derive(Debug, Clone)]
struct Named {
    tool: ToolName,
    edition: Option<Digest>,
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (tool, edition) = match text.split_once('@') {
            None => (text, None),
            Some((tool, edition)) => {
                let edition = Digest::parse(edition);
                (tool, Some(edition.ok_or("the digest is `sha256:` and 64 hexadecimal digits, all of them")?))
            }
        };
        Ok(Self { tool: ToolName::new(tool).map_err(|e| e.to_string())?, edition })
    }
}

pub(crate) async fn accept(args: AcceptArgs, world: &World, out: &Out) -> Result<(), Failure> {
    let Some(Named { tool, edition }) = args.version else {
        let held = host::with(host::builder(world)?, async |room| Ok(room.held()?)).await?;
        return list(&held, out);
    };
    let Some(edition) = edition else {
        let held = host::with(host::builder(world)?, async |room| Ok(room.held()?)).await?;
        let Some(held) = held.iter().find(|held| held.tool == tool) else {
            return Err(Failure::not_found(format!("no version of {tool} is held"))
                .help("`strongroom accept --list` shows what is"));
        };
        list(std::slice::from_ref(held), out)?;
        let failure = Failure::reason(Reason::UpgradeHeld, "nothing was accepted: the digest is missing");
        return Err(failure.help(format!("when you have read this: `strongroom accept {held}`")));
    };
    let spinner = out.spinner("compiling");
    let taken = host::with(host::builder(world)?, async |room| Ok(room.accept(&tool, edition).await?)).await;
    spinner.finish_and_clear();
    let taken = taken?;
    if out.is_json() {
        return out.json(json!({
            "name": taken.name,
            "version": taken.manifest.version,
            "component": taken.digest,
            "edition": edition,
        }));
    }
    // The digest that was given, and not the component's, which another manifest leaves as it was.
    out.line(format!("accepted {} {} ({edition})", taken.name, taken.manifest.version))
}

pub(crate) async fn reject(args: RejectArgs, world: &World, out: &Out) -> Result<(), Failure> {
    let tool = args.tool;
    host::with(host::builder(world)?, async |room| Ok(room.reject(&tool).await?)).await?;
    if out.is_json() {
        return out.json(json!({ "name": tool }));
    }
    out.line(format!("rejected the version of {tool} that was held"))
}

fn list(held: &[Held], out: &Out) -> Result<(), Failure> {
    if out.is_json() {
        return out.json(document(held));
    }
    if held.is_empty() {
        out.note("nothing is held");
    }
    for (place, held) in held.iter().enumerate() {
        let gap = if place == 0 { "" } else { "\n" };
        out.line(format!("{gap}{}", text(held)))?;
    }
    Ok(())
}

pub(crate) fn document(held: &[Held]) -> Value {
    json!({ "held": held })
}

/// What is held, what it asks for, and the words that accept it.
pub(crate) fn text(held: &Held) -> String {
    let Held { tool, version, accepted, differences, .. } = held;
    let before = accepted.as_ref().map_or_else(String::new, |accepted| format!(", in place of {accepted}"));
    let told = match differences.is_empty() {
        true => "it could do nothing more by now\n".to_owned(),
        false => review::told(differences),
    };
    let told: String = told.lines().map(|line| format!("  {line}\n")).collect();
    format!("{tool} {version}{before}\n{told}  to take it: strongroom accept {held}")
}
