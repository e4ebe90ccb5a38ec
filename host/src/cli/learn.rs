//! `learn`: the smallest grant that would have allowed what was denied, as a patch for a person to review.
//!
//! Takes: the audit log, the files. Gives: a unified diff, or JSON. May name: audit, explain, id, learn, World.

use super::{Failure, Out, audit, look, moment};
use crate::World;
use serde_json::json;
use strongroom::audit::Filter;
use strongroom::id::TenantId;
use strongroom::learn::{Denied, Known, Lessons, learn};
use strongroom::powers::{Clock as _, SystemClock};

/// Suggest the smallest grants that would have allowed what the audit log shows as denied, as a patch to review
///
/// The output is a patch for the tenants' files: read it, take out what should stay denied, and apply it in the home folder
/// with `patch -p0`. Every new line says which calls wanted it. Nothing goes beyond what a tool's manifest asks for;
/// what looks like an attack, and what needs a person's own decision, is listed at the top and not suggested. Nothing is
/// changed, no host is started, and nothing is written down.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only denials of this tenant
    #[arg(long, value_name = "TENANT")]
    tenant: Option<TenantId>,
    /// Only denials of this tool or function
    #[arg(long, value_name = "TOOL[.FUNCTION]")]
    tool: Option<String>,
    /// Only denials of the last so long, as `12h` or `7d`
    #[arg(long, value_name = "SPAN", value_parser = moment::span)]
    since: Option<u64>,
}

pub(crate) fn run(args: Args, world: &World, out: &Out) -> Result<(), Failure> {
    let snapshot = look::at_home(world)?;
    if let Some(tenant) = args.tenant.as_ref().filter(|id| !snapshot.settings().tenants.contains_key(*id)) {
        return Err(Failure::not_found(format!("there is no tenant {tenant}")));
    }
    let now = SystemClock.unix_us();
    let filter = Filter {
        tenant: args.tenant,
        about: args.tool,
        since_us: args.since.map(|ms| now.saturating_sub(ms.saturating_mul(1000))),
        ..Filter::default()
    };
    let entries = audit::matching(filter, world)?;
    let known = Known { settings: snapshot.settings(), sources: snapshot.sources(), tools: snapshot.tools() };
    let lessons = learn(&known, entries);
    match out.is_json() {
        true => out.json(json!({ "lessons": lessons })),
        false => text(&lessons, out),
    }
}

fn text(lessons: &Lessons, out: &Out) -> Result<(), Failure> {
    // Lines before a diff are nothing to `patch`; with the mark they cannot look like a part of one either.
    if !lessons.not_suggested.is_empty() {
        out.line("# Not suggested:")?;
    }
    for denied in &lessons.not_suggested {
        told(denied, out)?;
    }
    let proposed: Vec<&Denied> = lessons.patches.iter().flat_map(|patch| &patch.proposed).collect();
    if !proposed.is_empty() {
        out.line("# Only as a comment, for you to decide:")?;
    }
    for denied in proposed {
        told(denied, out)?;
    }
    for patch in &lessons.patches {
        // The diff is the operator's own file: a character more or less and it does not apply.
        out.raw(patch.diff.as_bytes())?;
    }
    match lessons.patches.len() {
        0 => out.note("no grant to suggest"),
        files => out.note(format!(
            "{files} file(s) would change; after review, in the home folder: patch -p0 < FILE"
        )),
    }
    if lessons.allowed_by_now > 0 {
        out.note(format!("{} denied before and allowed by now", lessons.allowed_by_now));
    }
    Ok(())
}

fn told(denied: &Denied, out: &Out) -> Result<(), Failure> {
    let Denied { tenant, what, says, seen } = denied;
    let line = |text: String| out.line(format!("#   {}", text.replace(['\n', '\r'], " ")));
    line(format!("{tenant}: {what}  ({})", seen.text()))?;
    line(format!("    {says}"))
}
