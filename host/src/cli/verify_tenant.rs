//! `audit verify` of the log of one tenant alone.
//!
//! Takes: the log's folder, the host's public keys, a head that was kept elsewhere. Gives: what was verified, or the first
//! bad place. May name: audit, id, World.

use super::verify::{LONGEST, shown, told};
use super::{Failure, Out};
use crate::World;
use cap_std::fs::Dir;
use serde_json::json;
use std::path::Path;
use strongroom::audit::{self, BadCheckpoint, HEAD_PROOF, Kept, Known, TenantVerified, Told};
use strongroom::id::TenantId;

pub(super) fn run(
    tenant: &TenantId,
    (folder, log): (&Path, &Dir),
    known: &Known,
    against: Option<&Path>,
    world: &World,
    out: &Out,
) -> Result<(), Failure> {
    let kept = against.map(|path| kept(path, known, tenant, world)).transpose()?;
    let bar = out.progress();
    let done = audit::verify_tenant(log, known, tenant, kept.as_ref(), |done, of| shown(&bar, done, of));
    bar.finish_and_clear();
    match done {
        Ok(verified) => report(&verified, known, kept.as_ref(), out),
        Err(bad) => told(folder, &bad, out),
    }
}

fn kept(path: &Path, known: &Known, tenant: &TenantId, world: &World) -> Result<Kept, Failure> {
    let bytes = world.file(path, LONGEST)?;
    Kept::read(&bytes, known, tenant).map_err(|bad| match bad {
        BadCheckpoint::Form => Failure::usage(format!("{}: {bad}", path.display())),
        _ => Failure::failed(format!("{}: {bad}", path.display()))
            .help("name a checkpoint of the tenant's log or of the host's"),
    })
}

fn report(verified: &TenantVerified, known: &Known, kept: Option<&Kept>, out: &Out) -> Result<(), Failure> {
    let TenantVerified { tenant, entries, root, host } = verified;
    let (name, size) = match kept {
        Some(Kept::Tenant(head)) => ("tenant", Some(head.size)),
        Some(Kept::Host(head)) => ("host", Some(head.size)),
        None => ("nothing", None),
    };
    if out.is_json() {
        let host = host.as_ref().map(|Told { entry, time_us, size, root }| {
            json!({ "entry": entry, "time_us": time_us, "entries": size, "root": root })
        });
        return out.json(json!({
            "verified": true, "log": known.origin(), "tenant": tenant, "entries": entries, "root": root,
            "host": host, "against": size, "against_log": size.map(|_| name),
        }));
    }
    out.line(format!("verified  {entries} entries of the tenant {tenant}, and of nobody else"))?;
    out.line(format!("log       {}/tenant/{tenant}", known.origin()))?;
    out.line(format!("root      {root}"))?;
    match host {
        Some(Told { entry, size, .. }) => {
            out.line(format!(
                "host      its entry {entry} tells this head, in its signed log of {size} entries"
            ))?;
        }
        None => {
            out.line("host      not shown")?;
            out.note(format!("without {HEAD_PROOF} nothing shows that the host's log tells this head"));
        }
    }
    match (kept, size) {
        (Some(Kept::Tenant(_)), Some(size)) => {
            out.line(format!("against   continues the tenant's {size} entries"))
        }
        (Some(Kept::Host(_)), Some(size)) => {
            out.line(format!("against   the host's log of {size} entries, which is the one that was kept"))
        }
        _ => {
            out.line("against   nothing")?;
            out.note("that this is an earlier state, or that the host signed another log too, is only seen with --against");
            Ok(())
        }
    }
}
