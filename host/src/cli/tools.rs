//! `tools`: what is installed, or what the holder of a key or a token may call.
//!
//! Takes: a key or a token, if one is given. Gives: functions with effect, description and schemas. May name: the library, World.

use super::arguments::{self, Key};
use super::out::Table;
use super::{Failure, Out, host, signature};
use crate::World;
use serde_json::{Value, json};
use strongroom::{Listed, Strongroom};

/// List the installed tools, or what the holder of an API key or an access token may call
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    key: Key,
}

pub(crate) async fn run(args: Args, world: &World, out: &Out) -> Result<(), Failure> {
    let key = args.key.read(world)?;
    let listed = host::with(host::builder(world)?, async |room| match key {
        Some(_) => {
            let caller = room.identify(arguments::credential(key.as_ref())).await?;
            Ok(room.list(caller).await?)
        }
        None => Ok(installed(room)),
    });
    let listed = listed.await?;
    if out.is_json() {
        return out.json(json!({ "functions": listed.iter().map(function).collect::<Vec<_>>() }));
    }
    if listed.is_empty() {
        out.note("no tool is there to be called; `strongroom install <component.wasm>` takes one in");
        return Ok(());
    }
    let mut table = Table::new(["function", "effect", "description"]);
    for Listed { function, .. } in &listed {
        let docs = signature::first_sentence(function.signature.docs());
        let effect = match function.cache {
            Some(kept) => format!("{}, cached {kept}", function.effect),
            None => function.effect.to_string(),
        };
        table.row([function.name.to_string(), effect, docs]);
    }
    out.line(table)
}

fn installed(room: &Strongroom) -> Vec<Listed> {
    let tools = room.catalogue().tools();
    let all = tools.iter().flat_map(|tool| {
        tool.functions().map(|function| Listed { tool: tool.clone(), function: function.clone() })
    });
    all.collect()
}

fn function(listed: &Listed) -> Value {
    let Listed { tool, function } = listed;
    json!({
        "name": function.name,
        "tool": tool.name,
        "version": tool.manifest.version,
        "effect": function.effect,
        "cache": function.cache,
        "description": function.signature.docs(),
        "arguments": function.arguments_schema,
        "result": function.result_schema,
        "component": tool.digest,
    })
}
