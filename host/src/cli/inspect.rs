//! `inspect`: what a component is, read without running or compiling it.
//!
//! Takes: a component file, its manifest. Gives: functions, imports with class and price, needs, limits.
//! May name: component, config, imports, World.

use super::arguments::Component;
use super::{Failure, Out, host, signature};
use crate::World;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;
use strongroom::component::{self, ComponentInfo, DocsSource, Function};
use strongroom::config::{ByteSize, Manifest};
use strongroom::id::ToolName;
use strongroom::imports::table::{self, Class, TABLE};

/// Show what a component exports, imports and needs, without running it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The component, a `.wasm` file
    #[arg(value_name = "COMPONENT")]
    component: PathBuf,
    /// A manifest for a component that carries none [default: `<component>.tool.toml` beside it, if it is there]
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, world: &World, out: &Out) -> Result<(), Failure> {
    let Component { bytes, beside } = Component::read(&args.component, args.manifest.as_deref(), world)?;
    let limits = component::Limits { component: usize::MAX, ..component::Limits::default() };
    let info = component::read(&bytes, &limits).map_err(|e| Failure::reason(e.reason(), e.to_string()))?;
    let name = host::stem(&args.component);
    let (manifest, declared) = match beside.as_ref().or(info.manifest_text.as_ref()) {
        Some(text) => (Manifest::parse("tool.toml", text).map_err(|e| Failure::report(e.reason(), e))?, true),
        None => {
            let name = ToolName::new(&name).or_else(|_| ToolName::new("component"));
            (Manifest::bare(name.map_err(|e| Failure::usage(e.to_string()))?), false)
        }
    };
    let imports: Vec<Interface<'_>> = info.imports.iter().map(Interface::of).collect();
    if out.is_json() {
        return out.json(document(&info, &manifest, declared, &imports));
    }
    out.line(text(&info, &manifest, declared, &imports))
}

/// An imported interface, joined with the table of imports.
struct Interface<'a> {
    name: &'a str,
    known: bool,
    functions: Vec<(&'a str, Vec<&'static table::Import>)>,
}

impl<'a> Interface<'a> {
    fn of(import: &'a component::Import) -> Self {
        let name = import.interface.as_deref().unwrap_or("(no interface)");
        let bare = name.split('@').next().unwrap_or(name);
        // One function may have several rows: opening a file to write costs more than opening it to read.
        let rows = |function: &'a String| {
            let same = |row: &table::Import| {
                row.function
                    .strip_prefix(function.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(" ("))
            };
            let rows = TABLE.iter().copied().filter(|row| row.interface == bare && same(row));
            (function.as_str(), rows.collect())
        };
        Self {
            name,
            known: import.interface.is_some() && table::knows_interface(name),
            functions: import.functions.iter().map(rows).collect(),
        }
    }
}

fn text(info: &ComponentInfo, manifest: &Manifest, declared: bool, imports: &[Interface<'_>]) -> String {
    let mut text = format!("{} {}  {} bytes\n{}\n", manifest.name, manifest.version, info.size, info.digest);
    if !manifest.description.is_empty() {
        text.push_str(&format!("{}\n", manifest.description));
    }
    if !declared {
        text.push_str("no manifest: it needs nothing, and every function counts as a write\n");
    }
    text.push_str("\nfunctions\n");
    for function in &info.functions {
        describe(&mut text, manifest, function);
    }
    text.push_str("\nneeds\n");
    needs(&mut text, manifest);
    text.push_str("\nimports (class, function, price in fuel; local ones touch only the call itself)\n");
    for interface in imports {
        import(&mut text, interface);
    }
    let producers: Vec<String> =
        info.producers.iter().map(|p| format!("{} {} ({})", p.name, p.version, p.field)).collect();
    if !producers.is_empty() {
        text.push_str(&format!("\nmade with (as the file says)\n  {}\n", producers.join("\n  ")));
    }
    for note in &info.notes {
        text.push_str(&format!("\nnote: {note}\n"));
    }
    text.trim_end().to_owned()
}

fn describe(text: &mut String, manifest: &Manifest, function: &Function) {
    let effect = manifest.effect(&function.name);
    let _ = writeln!(text, "  {}.{}  {effect}", manifest.name, function.name);
    for line in function.signature.docs().unwrap_or("").lines() {
        let _ = writeln!(text, "      {line}");
    }
    let fields = signature::fields(&function.signature.arguments_schema());
    let width = fields.iter().map(|[name, ..]| name.chars().count()).max().unwrap_or(0);
    for [name, word, docs] in fields {
        let gap = if docs.is_empty() { "" } else { "  # " };
        let _ = writeln!(text, "    {name:width$}  {word}{gap}{docs}");
    }
    let (answer, fails) = signature::result(&function.signature.result_schema());
    let _ = writeln!(text, "    answers with {answer}");
    if let Some(fails) = fails {
        let _ = writeln!(text, "    fails with {fails}");
    }
}

fn needs(text: &mut String, manifest: &Manifest) {
    let needs = &manifest.needs;
    let mut lines = Vec::new();
    for (name, need) in &needs.http {
        let methods: Vec<&str> = need.methods.iter().map(|m| m.as_str()).collect();
        let paths: Vec<String> = need.paths.iter().map(ToString::to_string).collect();
        lines.push(format!("http {name}  {} on {}", methods.join(", "), paths.join(", ")));
    }
    lines.extend(needs.dir.iter().map(|(name, need)| format!("dir {name}  {}", need.mode)));
    lines.extend(needs.keyvalue.iter().map(|(name, need)| format!("keyvalue {name}  {}", need.mode)));
    lines.extend(needs.memory.map(|need| format!("memory  {}", need.mode)));
    lines.extend(needs.cache.map(|_| "cache".to_owned()));
    lines.extend(needs.config.keys.iter().map(|key| format!("config {key}")));
    let limits = &manifest.limits;
    lines.extend(limits.fuel.map(|fuel| format!("at most {fuel} fuel")));
    lines.extend(limits.memory.map(|memory| format!("at most {} of memory", ByteSize(memory))));
    lines.extend(limits.deadline_ms.map(|ms| format!("at most {ms} ms")));
    let lines = if lines.is_empty() { vec!["nothing".to_owned()] } else { lines };
    let _ = writeln!(text, "  {}", lines.join("\n  "));
}

/// What reaches out of the call stands one by one; the rest is only counted.
fn import(text: &mut String, interface: &Interface<'_>) {
    let rows: Vec<_> = interface.functions.iter().flat_map(|(_, rows)| rows).collect();
    let local = rows.iter().filter(|row| row.class == Class::Local).count();
    let what = match (interface.known, rows.len(), local) {
        (false, ..) => "  NOT AVAILABLE: no tool may import this".to_owned(),
        (true, 0, _) => "  types only".to_owned(),
        (true, _, 0) => String::new(),
        (true, _, local) => format!("  {local} local"),
    };
    let _ = writeln!(text, "  {}{what}", interface.name);
    for row in rows.iter().filter(|row| row.class != Class::Local) {
        let per_byte = if row.per_byte > 0 { format!(" + {} per byte", row.per_byte) } else { String::new() };
        let _ = writeln!(text, "    {:<8}{}  {}{per_byte}", row.class.as_str(), row.function, row.price);
    }
}

fn document(info: &ComponentInfo, manifest: &Manifest, declared: bool, imports: &[Interface<'_>]) -> Value {
    let function = |function: &Function| {
        json!({
            "name": format!("{}.{}", manifest.name, function.name),
            "effect": manifest.effect(&function.name),
            "description": function.signature.docs(),
            "arguments": function.signature.arguments_schema(),
            "result": function.signature.result_schema(),
            "interface": function.export.interface,
        })
    };
    let import = |interface: &Interface<'_>| {
        let functions = interface.functions.iter().map(|(name, rows)| json!({ "name": name, "rows": rows }));
        json!({
            "interface": interface.name,
            "available": interface.known,
            "functions": functions.collect::<Vec<_>>(),
        })
    };
    let producer =
        |p: &component::Producer| json!({ "field": p.field, "name": p.name, "version": p.version });
    json!({
        "name": manifest.name,
        "version": manifest.version,
        "component": info.digest,
        "bytes": info.size,
        "manifest": declared.then_some(manifest),
        "functions": info.functions.iter().map(function).collect::<Vec<_>>(),
        "imports": imports.iter().map(import).collect::<Vec<_>>(),
        "descriptions_from": match info.docs {
            DocsSource::None => None,
            DocsSource::PackageDocs => Some("package-docs"),
            DocsSource::Wit => Some("wit"),
        },
        "producers": info.producers.iter().map(producer).collect::<Vec<_>>(),
        "notes": info.notes,
    })
}
