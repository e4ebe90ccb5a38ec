//! `who-can`: who reaches an endpoint, a place on disk or a tool, and by which lines of which files.
//!
//! Takes: a target. Gives: the ways to it. May name: explain, config, World.

use super::out::Table;
use super::{Failure, Out, host};
use crate::World;
use serde_json::json;
use std::collections::BTreeSet;
use strongroom::Strongroom;
use strongroom::config::ToolPattern;
use strongroom::explain::{Facts, Reach, Target, who_can};
use strongroom::powers::{Clock as _, SystemClock};

/// Say which tenants, roles, keys and tools reach something, through which grant and rule; nothing runs
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An origin (`https://api.example.com`), `host:port`, an absolute path, a tool or `tool.function`
    #[arg(value_name = "TARGET")]
    target: String,
}

pub(crate) async fn run(args: Args, world: &World, out: &Out) -> Result<(), Failure> {
    let target = Target::parse(&args.target).map_err(|e| Failure::usage(e.to_string()))?;
    let home = world.home()?.path().to_owned();
    let real = |path: &std::path::Path| world.real_path(path).ok();
    let found = host::with(host::builder(world)?, async |room| {
        installed(room, &target)?;
        let (settings, tools) = (room.settings(), room.catalogue().tools());
        let (keys, kills) = (room.keys(None), room.kills());
        let facts = Facts {
            settings: &settings,
            tools: &tools,
            keys: &keys,
            kills: &kills,
            home: &home,
            now_ms: SystemClock.unix_ms(),
            real: &real,
        };
        Ok(who_can(&facts, &target))
    });
    let found = found.await?;
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
fn installed(room: &Strongroom, target: &Target) -> Result<(), Failure> {
    let there = match target {
        Target::Tool(ToolPattern::Tool(tool)) => room.catalogue().tool(tool).is_some(),
        Target::Tool(ToolPattern::Function(function)) => room.catalogue().function(function).is_some(),
        Target::Tool(ToolPattern::Any) | Target::Endpoint(_) | Target::Path(_) => true,
    };
    match there {
        true => Ok(()),
        false => Err(Failure::not_found("nothing of this name is installed")
            .help("`strongroom tools` lists what is; a host is written with its port or scheme")),
    }
}
