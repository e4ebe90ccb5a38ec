//! `tenant`: the tenants are listed, shown and deleted.
//!
//! Takes: orders of the operator. Gives: what there is of a tenant, and its end. May name: the library, World.

use super::out::Table;
use super::{Failure, Out, host};
use crate::World;
use serde_json::{Value, json};
use strongroom::config::ByteSize;
use strongroom::id::TenantId;
use strongroom::storage::ledger::{Traces, Usage};
use strongroom::storage::tenant::Size;
use strongroom::{Deleted, GrantedDirectory, OperateError, Strongroom, TenantReport, TenantSummary};

/// List, show and delete tenants
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// List the tenants, also those of which only remains are there
    List,
    /// Show what there is of a tenant
    Show {
        /// The tenant
        #[arg(value_name = "ID")]
        id: TenantId,
    },
    /// Delete a tenant and everything of it but its entries in the audit log
    ///
    /// It is stopped first: writes that run may end within ten seconds. Then its keys, budgets and stored answers go, its
    /// keyvalue, memory and cache, its file and policies, and its entries in credentials.toml. Directories that its tools
    /// were granted are yours, and are listed and left. What breaks off half-way is ended by the same command.
    Delete {
        /// The tenant, with or without a file
        #[arg(value_name = "ID")]
        id: TenantId,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

pub(crate) async fn run(action: Action, world: &World, out: &Out) -> Result<(), Failure> {
    host::with(host::builder(world)?, async |room| match action {
        Action::List => list(&room.tenants()?, out),
        Action::Show { id } => show(&room.tenant(&id).await.map_err(failure)?, out),
        Action::Delete { id, yes } => delete(room, &id, yes, world, out).await,
    })
    .await
}

fn failure(error: OperateError) -> Failure {
    match error {
        OperateError::NothingOf(_) => {
            Failure::not_found(error.to_string()).help("`strongroom tenant list` lists what there is")
        }
        other => other.into(),
    }
}

async fn delete(
    room: &Strongroom,
    id: &TenantId,
    yes: bool,
    world: &World,
    out: &Out,
) -> Result<(), Failure> {
    let there = room.tenant(id).await.map_err(failure)?;
    if !yes {
        for line in of_report(&there) {
            out.note(line);
        }
        let typed = world.typed(&format!("all of this goes for good; type `{id}` to go on:"))?;
        let typed = typed.ok_or_else(|| {
            Failure::usage("there is nobody to ask whether the tenant may go; nothing was deleted")
                .help("say --yes")
        })?;
        if typed != id.as_str() {
            return Err(Failure::failed("that is another id; nothing was deleted"));
        }
    }
    let deleted = room.delete_tenant(id).await.map_err(failure)?;
    told(&deleted, out)
}

fn told(deleted: &Deleted, out: &Out) -> Result<(), Failure> {
    let Deleted { id, traces, store, files, credentials, directories } = deleted;
    let stays = format!("the audit log keeps its entries of {id}: ids, digests and targets, never values");
    if out.is_json() {
        return out.json(json!({
            "tenant": id,
            "deleted": {
                "ledger": of_ledger(*traces), "store": store, "files": files, "credentials": credentials,
            },
            "left": { "directories": paths(directories), "audit_log": stays },
        }));
    }
    out.line(format!("deleted: {id}"))?;
    out.line(format!("  {}", counts(*traces)))?;
    let mut gone = files.clone();
    gone.extend(store.then(|| "keyvalue and memory".to_owned()));
    gone.extend(credentials.iter().map(|handle| format!("[{handle}] of credentials.toml")));
    if !gone.is_empty() {
        out.line(format!("  {}", gone.join(", ")))?;
    }
    if !directories.is_empty() {
        out.line("left as they are, because they are yours:")?;
        for directory in directories {
            out.line(format!("  {}", place(directory)))?;
        }
    }
    out.line(stays)
}

fn list(tenants: &[TenantSummary], out: &Out) -> Result<(), Failure> {
    if out.is_json() {
        let tenant = |t: &TenantSummary| json!({ "id": t.id, "standing": t.standing.as_str(), "ledger": of_ledger(t.traces) });
        return out.json(json!({ "tenants": tenants.iter().map(tenant).collect::<Vec<_>>() }));
    }
    if tenants.is_empty() {
        out.note("there are no tenants");
        return Ok(());
    }
    let mut table = Table::new(["tenant", "standing", "keys"]);
    for tenant in tenants {
        let standing = tenant.standing.as_str().to_owned();
        table.row([tenant.id.to_string(), standing, tenant.traces.keys.to_string()]);
    }
    out.line(table)
}

fn show(report: &TenantReport, out: &Out) -> Result<(), Failure> {
    if out.is_json() {
        let size = |size: Size| json!({ "bytes": size.bytes, "entries": size.entries });
        let budget = |usage: &Usage| {
            let of = &usage.budget;
            json!({ "of": of.count.of, "per": of.count.per, "limit": of.limit, "spent": usage.spent, "reserved": usage.reserved })
        };
        let stored = report.stored;
        return out.json(json!({
            "id": report.id,
            "standing": report.standing.as_str(),
            "file": report.file,
            "policies": report.policies,
            "ledger": of_ledger(report.traces),
            "keyvalue": { "used": stored.map(|s| size(s.0)), "quota": report.quotas.map(|q| size(q.keyvalue)) },
            "memory": { "used": stored.map(|s| size(s.1)), "quota": report.quotas.map(|q| size(q.memory)) },
            "budgets": report.budgets.iter().map(budget).collect::<Vec<_>>(),
            "credentials": report.credentials,
            "directories": paths(&report.directories),
        }));
    }
    of_report(report).into_iter().try_for_each(|line| out.line(line))
}

/// What there is, for people.
fn of_report(report: &TenantReport) -> Vec<String> {
    let mut lines = vec![format!("{}: {}", report.id, report.standing.as_str())];
    let mut row = |name: &str, text: String| lines.push(format!("  {name:<12} {text}"));
    let files: Vec<_> = report.file.iter().chain(&report.policies).map(String::as_str).collect();
    row("files", if files.is_empty() { "none".to_owned() } else { files.join(", ") });
    row("ledger", counts(report.traces));
    let kinds = [
        ("keyvalue", report.stored.map(|s| s.0), report.quotas.map(|q| q.keyvalue)),
        ("memory", report.stored.map(|s| s.1), report.quotas.map(|q| q.memory)),
    ];
    for (name, used, quota) in kinds {
        let used = match (used, report.has_store) {
            (Some(used), _) => used,
            (None, true) => {
                row(name, "cannot be read".to_owned());
                continue;
            }
            (None, false) => Size::default(),
        };
        let of =
            quota.map(|q| format!(" of {} entries, {}", q.entries, ByteSize(q.bytes))).unwrap_or_default();
        row(name, format!("{} entries, {}{of}", used.entries, ByteSize(used.bytes)));
    }
    for usage in &report.budgets {
        row("budget", format!("{}: {} spent", usage.budget, usage.spent));
    }
    for handle in &report.credentials {
        row("credential", handle.clone());
    }
    for directory in &report.directories {
        row("directory", place(directory));
    }
    lines
}

fn place(directory: &GrantedDirectory) -> String {
    let GrantedDirectory { tool, need, path, mode } = directory;
    format!("{} ({tool}.{need}, {mode})", path.display())
}

fn paths(directories: &[GrantedDirectory]) -> Vec<Value> {
    let path = |d: &GrantedDirectory| json!({ "path": d.path.display().to_string(), "tool": d.tool, "need": d.need, "mode": d.mode });
    directories.iter().map(path).collect()
}

fn of_ledger(traces: Traces) -> Value {
    json!({ "keys": traces.keys, "budgets": traces.budgets, "idempotency_keys": traces.claims, "results": traces.results })
}

fn counts(traces: Traces) -> String {
    let Traces { keys, budgets, claims, results, .. } = traces;
    format!(
        "{keys} API keys, {budgets} budgets, {claims} idempotency keys with their answers, {results} linked results"
    )
}
