//! `install`: takes a component in for good.
//!
//! Takes: a component file, its manifest. Gives: what was installed, or what it asks for and is held for. May name: the library, World.

use super::arguments::Component;
use super::{Failure, Out, accept, host, review};
use crate::World;
use serde_json::json;
use std::path::PathBuf;
use strongroom::OperateError;
use strongroom::component;
use strongroom::reason::Reason;
use strongroom::review::{Difference, Version, Weight, differences};
use strongroom::tools::{InstallError, Tool};

/// Take a component in, compile it once, and keep it
///
/// A new version of a tool that asks for more than the one before is held (exit code 5): the one before goes on serving
/// until `strongroom accept` takes the new one.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The component, a `.wasm` file
    #[arg(value_name = "COMPONENT")]
    component: PathBuf,
    /// The name of a tool that has no manifest [default: the file's name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// A manifest for a component that carries none [default: `<component>.tool.toml` beside it, if it is there]
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Take it also when it asks for more than the version before
    #[arg(long)]
    accept: bool,
}

pub(crate) async fn run(args: Args, world: &World, out: &Out) -> Result<(), Failure> {
    let Component { bytes, beside } = Component::read(&args.component, args.manifest.as_deref(), world)?;
    let name = match args.name {
        Some(_) if beside.is_some() || carries_manifest(&bytes) => {
            return Err(Failure::usage("the tool's manifest names it")
                .help("leave --name out, or change `name` in the manifest"));
        }
        Some(name) => name,
        None => host::stem(&args.component),
    };
    let spinner = out.spinner("compiling");
    let tool = host::with(host::builder(world)?, async |room| {
        let before = room.catalogue().tools();
        let done = match args.accept {
            true => room.install_accepted(bytes, &name, beside.as_deref()).await,
            false => room.install(bytes, &name, beside.as_deref()).await,
        };
        Ok((before, done))
    });
    let tool = tool.await;
    spinner.finish_and_clear();
    let (before, done) = tool?;
    let tool = match done {
        Err(OperateError::Install(InstallError::Held(held))) => {
            match out.is_json() {
                true => out.json(accept::document(std::slice::from_ref(&held)))?,
                false => out.line(accept::text(&held))?,
            }
            let (tool, version) = (&held.tool, &held.version);
            let message =
                format!("{tool} {version} is not installed: it asks for more than the version before");
            let help = "the version before goes on serving; read what the new one asks for, then accept or reject it";
            return Err(Failure::reason(Reason::UpgradeHeld, message).help(help));
        }
        done => done?,
    };
    let breaks = before.iter().find(|before| before.name == tool.name).map(|before| broken(before, &tool));
    let breaks = breaks.unwrap_or_default();
    if out.is_json() {
        let functions: Vec<_> =
            tool.functions().map(|f| json!({ "name": f.name, "effect": f.effect })).collect();
        return out.json(json!({
            "name": tool.name,
            "version": tool.manifest.version,
            "component": tool.digest,
            "functions": functions,
            "breaks": breaks,
            "notes": tool.info.notes,
        }));
    }
    for note in &tool.info.notes {
        out.note(format!("note: {note}"));
    }
    if !breaks.is_empty() {
        out.note(format!("note: {}", review::told(&breaks).trim_end()));
    }
    out.line(format!("installed {} {} ({})", tool.name, tool.manifest.version, tool.digest))?;
    for function in tool.functions() {
        out.line(format!("  {}  {}", function.name, function.effect))?;
    }
    Ok(())
}

/// What callers of the version before are refused, or get that they do not know.
fn broken(before: &Tool, after: &Tool) -> Vec<Difference> {
    let old = Version { info: &before.info, manifest: &before.manifest };
    let new = Version { info: &after.info, manifest: &after.manifest };
    let mut found = differences(old, new);
    found.retain(|difference| difference.weight == Weight::Breaks);
    found
}

/// Whether the component names itself. One that cannot be read is the installer's to refuse.
fn carries_manifest(bytes: &[u8]) -> bool {
    let limits = component::Limits { component: usize::MAX, ..component::Limits::default() };
    match component::read(bytes, &limits) {
        Ok(info) => info.manifest_text.is_some(),
        Err(error) => error.reason() == Reason::ManifestInvalid,
    }
}
