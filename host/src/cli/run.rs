//! `run`: one call of a component file, without any set-up. It is the same governed call as every other.
//!
//! Takes: a component file, a function, arguments, rights by flags. Gives: the result on stdout.
//! May name: the library, World.

use super::arguments::{self, Component};
use super::{Failure, Out, call, grants, host};
use crate::World;
use std::path::PathBuf;
use strongroom::admit::CallRequest;
use strongroom::authorize::rights::Kind;
use strongroom::component;
use strongroom::config::{Manifest, ToolGrant};
use strongroom::id::ToolName;
use strongroom::identify::Credential;
use strongroom::reason::Reason;
use strongroom::settle::Receipt;
use strongroom::tools::Tool;

/// Run one function of a component file: no set-up, tenant `default`, and only the rights that flags give
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The component, a `.wasm` file
    #[arg(value_name = "COMPONENT")]
    component: PathBuf,
    /// The function, as `inspect` lists it
    #[arg(value_name = "FUNCTION")]
    function: String,
    /// The arguments: a JSON object, `@file`, or `-` for stdin
    #[arg(value_name = "JSON", default_value = "{}")]
    arguments: String,
    #[command(flatten)]
    rights: grants::Flags,
    /// Your own name for this call of a function that writes: the same again gives the same answer and no second
    /// effect. Every run is a new call when left out
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// A manifest for a component that carries none [default: `<component>.tool.toml` beside it, if it is there]
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Show on stderr what the call did: every import, its rights and its price
    #[arg(long)]
    explain: bool,
}

pub(crate) async fn run(args: Args, world: &World, out: &Out) -> Result<(), Failure> {
    let component = Component::read(&args.component, args.manifest.as_deref(), world)?;
    let arguments = arguments::json(&args.arguments, world)?;
    let key = match args.idempotency_key {
        Some(key) => key,
        None => host::fresh_key()?,
    };
    let idempotency_key = Some(call::idempotency_key(&key)?);
    let grant = args.rights.grant(world)?;
    let name = host::stem(&args.component);
    let (manifest, beside) = declared(&component, &name, &grant)?;
    let settings = args.rights.settings(&manifest, grant.clone());
    let spinner = out.spinner("compiling");
    let ran = host::with(host::builder(world)?.settings(settings), async |room| {
        let tool = room.borrow(component.bytes, &name, beside.as_deref()).await?;
        spinner.finish_and_clear();
        let function = within(&tool, &args.function);
        let request = CallRequest { function, arguments, idempotency_key, ..CallRequest::default() };
        Ok((call::watched(room, Credential::None, request, out).await, tool))
    });
    let ran = ran.await;
    spinner.finish_and_clear();
    let (receipt, tool) = ran?;
    call::show(&receipt, args.explain, out).map_err(|failure| advise(failure, &receipt, &tool, &grant))
}

/// The component's manifest, and its text when it is not in the component: with the flags' needs where there is none.
fn declared(
    component: &Component,
    name: &str,
    grant: &ToolGrant,
) -> Result<(Manifest, Option<String>), Failure> {
    let limits = component::Limits { component: usize::MAX, ..component::Limits::default() };
    let info =
        component::read(&component.bytes, &limits).map_err(|e| Failure::reason(e.reason(), e.to_string()))?;
    let (file, text) = match (&component.beside, &info.manifest_text) {
        (Some(text), _) => (format!("{name}.tool.toml"), text),
        (None, Some(text)) => ("tool.toml (in the component)".to_owned(), text),
        (None, None) => {
            // Whatever the file is called: its name is only what the audit log says.
            let name = ToolName::new(name).or_else(|_| ToolName::new("component"));
            let name = name.map_err(|e| Failure::usage(e.to_string()))?;
            let manifest = grants::manifest(Manifest::bare(name), grant)?;
            let text = toml::to_string(&manifest).map_err(|e| Failure::failed(e.to_string()))?;
            return Ok((manifest, Some(text)));
        }
    };
    let manifest = Manifest::parse(&file, text).map_err(|e| Failure::report(e.reason(), e))?;
    grants::check(&manifest, grant)?;
    Ok((manifest, component.beside.clone()))
}

/// The function's whole name; the tool's own name may stand before it or not.
fn within(tool: &Tool, function: &str) -> String {
    match (tool.function(function), function.split_once('.')) {
        (None, Some((name, _))) if name == tool.name.as_str() => function.to_owned(),
        _ => format!("{}.{function}", tool.name),
    }
}

/// What to write instead, where that is known here.
fn advise(failure: Failure, receipt: &Receipt, tool: &Tool, grant: &ToolGrant) -> Failure {
    match receipt.reason {
        Reason::ToolUnknown => {
            let known: Vec<&str> = tool.info.functions.iter().map(|f| f.name.as_str()).collect();
            failure.help(format!("the component exports: {}", known.join(", ")))
        }
        Reason::CapabilityDenied | Reason::ToolError => match missing(&tool.manifest, grant).as_slice() {
            [] => failure,
            missing => failure.help(format!("not granted: {}", missing.join(", "))),
        },
        _ => failure,
    }
}

/// The flags that would grant what the tool needs and was not given.
fn missing(manifest: &Manifest, grant: &ToolGrant) -> Vec<String> {
    let needs = &manifest.needs;
    let flag = |kind: Kind, need: &str| match kind {
        Kind::Http => format!("--origin {need}=https://…"),
        Kind::Dir => format!("--dir {need}=PATH"),
        Kind::KeyValue => format!("--kv {need}"),
        Kind::Memory => "--remember rw".to_owned(),
        Kind::Cache => "--cache".to_owned(),
        Kind::Ask => "--ask".to_owned(),
        Kind::Config => format!("--config {need}=VALUE"),
    };
    let http =
        needs.http.keys().filter(|n| !grant.http.contains_key(*n)).map(|n| flag(Kind::Http, n.as_str()));
    let dir = needs.dir.keys().filter(|n| !grant.dir.contains_key(*n)).map(|n| flag(Kind::Dir, n.as_str()));
    let kv = needs.keyvalue.keys().filter(|n| !grant.keyvalue.contains_key(*n));
    let kv = kv.map(|n| flag(Kind::KeyValue, n.as_str()));
    let memory = needs.memory.filter(|_| grant.memory.is_none()).map(|_| flag(Kind::Memory, ""));
    let cache = needs.cache.filter(|_| grant.cache.is_none()).map(|_| flag(Kind::Cache, ""));
    let ask = needs.ask.as_ref().filter(|_| grant.ask.is_none()).map(|_| flag(Kind::Ask, ""));
    let keys = needs.config.keys.iter().filter(|k| !grant.config.values.contains_key(*k));
    http.chain(dir)
        .chain(kv)
        .chain(memory)
        .chain(cache)
        .chain(ask)
        .chain(keys.map(|k| flag(Kind::Config, k.as_str())))
        .collect()
}
