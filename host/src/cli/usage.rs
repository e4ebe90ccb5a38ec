//! `usage`: how far tenants have used their budgets.
//!
//! Takes: a tenant, or none for all. Gives: a table, JSON or CSV. May name: the library, World.

use super::out::Table;
use super::{Failure, Out, look, moment};
use crate::World;
use serde_json::json;
use strongroom::id::TenantId;
use strongroom::powers::{Clock as _, SystemClock};
use strongroom::storage::ledger::{BudgetMode, Usage};

/// Show how far tenants have used their budgets
///
/// Reads the files, and disturbs no host that runs. Such a host spends from what it has leased without writing each call down,
/// so what it has leased counts as reserved here; `GET /v1/usage` of that host knows it to the call. Budgets of single actors
/// and runs are listed once they were used.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this tenant
    #[arg(value_name = "TENANT")]
    tenant: Option<TenantId>,
}

pub(crate) fn run(args: &Args, world: &World, out: &Out) -> Result<(), Failure> {
    let (snapshot, now) = (look::at_home(world)?, SystemClock.unix_ms());
    let tenants = match &args.tenant {
        Some(tenant) => vec![tenant.clone()],
        None => snapshot.settings().tenants.keys().cloned().collect(),
    };
    let mut all = Vec::new();
    for tenant in tenants {
        let budgets =
            snapshot.budgets(&tenant, now).map_err(|error| Failure::report(error.reason(), error))?;
        let Some(budgets) = budgets else {
            return Err(Failure::not_found(format!("there is no tenant {tenant}"))
                .help("`strongroom tenant list` lists what there is"));
        };
        all.push((tenant, budgets));
    }
    if out.is_json() {
        let tenant = |(id, budgets): &(TenantId, Vec<Usage>)| json!({ "id": id, "budgets": budgets });
        return out.json(json!({ "tenants": all.iter().map(tenant).collect::<Vec<_>>() }));
    }
    if out.is_csv() {
        return csv(&all, out);
    }
    if all.iter().all(|(_, budgets)| budgets.is_empty()) {
        out.note("there are no budgets");
        return Ok(());
    }
    let mut table =
        Table::new(["tenant", "budget", "limit", "spent", "reserved", "left", "window ends", "raised until"]);
    for (tenant, usage) in all.iter().flat_map(|(tenant, budgets)| budgets.iter().map(move |b| (tenant, b))) {
        let count = &usage.budget.count;
        let warns = if usage.budget.mode == BudgetMode::Warn { ", warns" } else { "" };
        table.row([
            tenant.to_string(),
            format!("{} per {}{}{warns}", count.of, count.per, count.who),
            usage.budget.allows().to_string(),
            usage.spent.to_string(),
            usage.reserved.to_string(),
            usage.left().to_string(),
            time(usage.window_ends),
            time(usage.budget.raised.map(|raised| raised.until_ms)),
        ]);
    }
    out.line(table)
}

fn time(ms: Option<u64>) -> String {
    ms.map_or_else(String::new, moment::utc)
}

const COLUMNS: [&str; 14] = [
    "tenant",
    "of",
    "per",
    "actor",
    "tool",
    "run",
    "mode",
    "limit",
    "spent",
    "reserved",
    "left",
    "window_start",
    "window_ends",
    "raised_until",
];

/// RFC 4180, with a line of names.
fn csv(all: &[(TenantId, Vec<Usage>)], out: &Out) -> Result<(), Failure> {
    let mut text = line(COLUMNS.map(str::to_owned));
    for (tenant, usage) in all.iter().flat_map(|(tenant, budgets)| budgets.iter().map(move |b| (tenant, b))) {
        let count = &usage.budget.count;
        let name = |name: Option<&str>| name.unwrap_or_default().to_owned();
        let start = (usage.window_ends.is_some()).then_some(usage.window_start);
        text.push_str(&line([
            tenant.to_string(),
            count.of.to_string(),
            count.per.to_string(),
            name(count.who.actor()),
            name(count.who.tool()),
            name(count.who.run()),
            json!(usage.budget.mode).as_str().unwrap_or_default().to_owned(),
            usage.budget.allows().to_string(),
            usage.spent.to_string(),
            usage.reserved.to_string(),
            usage.left().to_string(),
            time(start),
            time(usage.window_ends),
            time(usage.budget.raised.map(|raised| raised.until_ms)),
        ]));
    }
    out.raw(text.as_bytes())
}

fn line<const N: usize>(fields: [String; N]) -> String {
    let field = |field: &String| match field.contains(['"', ',', '\r', '\n']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.clone(),
    };
    let fields: Vec<_> = fields.iter().map(field).collect();
    format!("{}\r\n", fields.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_with_marks_of_the_format_are_quoted() {
        assert_eq!(line(["a".into(), "b,\"c\"".into(), String::new()]), "a,\"b,\"\"c\"\"\",\r\n");
    }
}
