//! `install`: takes a component in for good.
//!
//! Takes: a component file, its manifest. Gives: what was installed. May name: the library, World.

use super::arguments::Component;
use super::{Failure, Out, host};
use crate::World;
use serde_json::json;
use std::path::PathBuf;
use strongroom::component;
use strongroom::reason::Reason;

/// Take a component in, compile it once, and keep it
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
        Ok(room.install(bytes, &name, beside.as_deref()).await?)
    });
    let tool = tool.await;
    spinner.finish_and_clear();
    let tool = tool?;
    if out.is_json() {
        let functions: Vec<_> =
            tool.functions().map(|f| json!({ "name": f.name, "effect": f.effect })).collect();
        return out.json(json!({
            "name": tool.name,
            "version": tool.manifest.version,
            "component": tool.digest,
            "functions": functions,
            "notes": tool.info.notes,
        }));
    }
    for note in &tool.info.notes {
        out.note(format!("note: {note}"));
    }
    out.line(format!("installed {} {} ({})", tool.name, tool.manifest.version, tool.digest))?;
    for function in tool.functions() {
        out.line(format!("  {}  {}", function.name, function.effect))?;
    }
    Ok(())
}

/// Whether the component names itself. One that cannot be read is the installer's to refuse.
fn carries_manifest(bytes: &[u8]) -> bool {
    let limits = component::Limits { component: usize::MAX, ..component::Limits::default() };
    match component::read(bytes, &limits) {
        Ok(info) => info.manifest_text.is_some(),
        Err(error) => error.reason() == Reason::ManifestInvalid,
    }
}
