//! `who-can`: who reaches an endpoint, a place on disk or a tool, and by which lines of which files.
//!
//! Takes: a target. Gives: the ways to it. May name: explain, config, World.

use super::out::Table;
use super::{Failure, Out, look};
use crate::World;
use serde_json::json;
use std::collections::BTreeSet;
use strongroom::config::ToolPattern;
use strongroom::explain::{Reach, Snapshot, Target, who_can};
use strongroom::powers::{Clock as _, SystemClock};

/// Say which tenants, roles, keys and tools reach something, through which grant and rule; nothing runs
///
/// The answer comes from the files of the home folder; no host is started and nothing is written, also while a server runs.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An origin (`https://api.example.com`), `host:port`, an absolute path, a tool or `tool.function`
    #[arg(value_name = "TARGET")]
    target: String,
}

pub(crate) fn run(args: &Args, world: &World, out: &Out) -> Result<(), Failure> {
    let target = Target::parse(&args.target).map_err(|e| Failure::usage(e.to_string()))?;
    let snapshot = look::at_home(world)?;
    installed(&snapshot, &target)?;
    let real = |path: &std::path::Path| world.real_path(path).ok();
    let found = who_can(&snapshot.facts(SystemClock.unix_ms(), &real), &target);
    if out.is_json() {
        return out.json(json!({ "target": args.target, "reached_by": found }));
    }
    if found.is_empty() {
        out.note(format!("nobody reaches {}", args.target));
        return Ok(());
    }
    let mut table = Table::new(["tenant", "role", "keys", "function", "access", "grant", "rule", "stopped"]);
    for reach in &found {
        let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        table.row([
            reach.tenant.to_string(),
            dash(&reach.role),
            keys_of(reach),
            reach.function.to_string(),
            reach.access.clone(),
            dash(&reach.grant),
            reach.rule.clone(),
            dash(&reach.stopped),
        ]);
    }
    out.line(table)?;
    let narrowed: BTreeSet<&str> = found.iter().filter_map(|reach| reach.narrowed_by.as_deref()).collect();
    for file in narrowed {
        out.note(format!("{file} decides at each call as well, and may deny what stands here"));
    }
    Ok(())
}

fn keys_of(reach: &Reach) -> String {
    if reach.without_key {
        return "none needed".to_owned();
    }
    if reach.keys.is_empty() {
        return "none".to_owned();
    }
    reach.keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// A misspelt tool is told apart from one that nobody may call.
fn installed(snapshot: &Snapshot, target: &Target) -> Result<(), Failure> {
    let mut tools = snapshot.tools().iter();
    let there = match target {
        Target::Tool(ToolPattern::Tool(name)) => tools.any(|tool| tool.name == *name),
        Target::Tool(ToolPattern::Function(name)) => tools.any(|tool| tool.effect(name).is_some()),
        Target::Tool(ToolPattern::Any) | Target::Endpoint(_) | Target::Path(_) => true,
    };
    match there {
        true => Ok(()),
        false => Err(Failure::not_found("nothing of this name is installed")
            .help("`strongroom tools` lists what is; a host is written with its port or scheme")),
    }
}
