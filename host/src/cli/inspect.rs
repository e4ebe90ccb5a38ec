//! `inspect`: what a component is, read without running or compiling it.
//!
//! Takes: a component file, its manifest. Gives: the worst case, functions, imports with class and price, needs, limits,
//! dependencies. May name: component, config, imports, review, World.

mod document;

use super::arguments::Component;
use super::{Failure, Out, host, signature};
use crate::World;
use std::fmt::Write as _;
use std::path::PathBuf;
use strongroom::component::{self, ComponentInfo, Dependencies, Dependency, Function, Purpose};
use strongroom::config::{ByteSize, Manifest};
use strongroom::id::ToolName;
use strongroom::imports::table::{self, Class, TABLE};
use strongroom::review::{WorstCase, worst_case};

/// Longest line of a list of names, in characters.
const LINE: usize = 100;

/// Show what a component exports, imports and needs, and the worst it could do, without running it
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
        Some(text) => {
            let file = match (&args.manifest, &beside) {
                (Some(file), _) => file.display().to_string(),
                (None, Some(_)) => args.component.with_extension("tool.toml").display().to_string(),
                (None, None) => "tool.toml (in the component)".to_owned(),
            };
            (Manifest::parse(&file, text).map_err(|e| Failure::report(e.reason(), e))?, true)
        }
        None => {
            let name = ToolName::new(&name).or_else(|_| ToolName::new("component"));
            (Manifest::bare(name.map_err(|e| Failure::usage(e.to_string()))?), false)
        }
    };
    let subject = Subject {
        imports: info.imports.iter().map(Interface::of).collect(),
        worst: worst_case(&info, &manifest),
        dependencies: component::dependencies(&bytes),
        info: &info,
        manifest: &manifest,
        declared,
    };
    if out.is_json() {
        return out.json(document::of(&subject));
    }
    out.line(text(&subject))
}

/// What is shown of a component, whichever form it takes.
struct Subject<'a> {
    info: &'a ComponentInfo,
    manifest: &'a Manifest,
    /// Whether the component has a manifest of its own.
    declared: bool,
    imports: Vec<Interface<'a>>,
    worst: Vec<WorstCase>,
    dependencies: Dependencies,
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

fn text(subject: &Subject<'_>) -> String {
    let Subject { info, manifest, declared, imports, worst, dependencies } = subject;
    let mut text = format!("{} {}  {} bytes\n{}\n", manifest.name, manifest.version, info.size, info.digest);
    if !manifest.description.is_empty() {
        text.push_str(&format!("{}\n", manifest.description));
    }
    if !declared {
        text.push_str("no manifest: it needs nothing, and every function counts as a write\n");
    }
    text.push_str("\nat worst\n");
    for WorstCase { sentence, .. } in worst {
        text.push_str(&wrapped(sentence.split(' '), " ", "  ", "    "));
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
    built_from(&mut text, dependencies);
    for note in info.notes.iter().chain(&dependencies.notes) {
        text.push_str(&format!("\nnote: {note}\n"));
    }
    text.trim_end().to_owned()
}

/// The packages, those whose code may run first. That there is no list is said too: it is what to ask the author for.
fn built_from(text: &mut String, dependencies: &Dependencies) {
    if dependencies.lists == 0 {
        text.push_str("\nbuilt from: it does not say (`cargo auditable build` would have left a list)\n");
        return;
    }
    text.push_str("\nbuilt from (as cargo-auditable wrote it down)\n");
    for (purpose, what) in
        [(Purpose::Root, "itself"), (Purpose::Runtime, "that may run"), (Purpose::Build, "only to build it")]
    {
        let packages = dependencies.packages.iter().filter(|package| package.purpose == purpose);
        let named: Vec<String> = packages.map(package).collect();
        if !named.is_empty() || purpose == Purpose::Runtime {
            let first = format!("  {} {what}: ", named.len());
            text.push_str(&wrapped(named.iter().map(String::as_str), ", ", &first, "    "));
        }
    }
}

/// `serde 1.0.228`; where it came from stands behind it when that is not crates.io.
fn package(package: &Dependency) -> String {
    let Dependency { name, version, source, .. } = package;
    match source.as_str() {
        "crates.io" => format!("{name} {version}"),
        _ => format!("{name} {version} ({source})"),
    }
}

/// Words in lines that are not too long, each after the first with its own beginning.
fn wrapped<'a>(words: impl Iterator<Item = &'a str>, between: &str, first: &str, others: &str) -> String {
    let mut text = String::new();
    let mut line = first.to_owned();
    let mut begins = true;
    for word in words {
        if !begins {
            let width =
                line.chars().count().saturating_add(word.chars().count()).saturating_add(between.len());
            line.push_str(between);
            if width > LINE {
                let _ = writeln!(text, "{}", line.trim_end());
                line = others.to_owned();
            }
        }
        line.push_str(word);
        begins = false;
    }
    let _ = writeln!(text, "{}", line.trim_end());
    text
}

fn describe(text: &mut String, manifest: &Manifest, function: &Function) {
    let effect = manifest.effect(&function.name);
    let cached = manifest.cache(&function.name).map(|kept| format!(", cached {kept}")).unwrap_or_default();
    let _ = writeln!(text, "  {}.{}  {effect}{cached}", manifest.name, function.name);
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
    lines.extend(needs.ask.as_ref().map(|need| {
        let kinds: Vec<String> = need.kinds.iter().map(ToString::to_string).collect();
        format!("ask  {} of the caller", kinds.join(", "))
    }));
    lines.extend(needs.config.keys.iter().map(|key| format!("config {key}")));
    let limits = &manifest.limits;
    lines.extend(limits.fuel.map(|fuel| format!("at most {fuel} fuel")));
    lines.extend(limits.memory.map(|memory| format!("at most {} of memory", ByteSize(memory))));
    lines.extend(limits.egress.map(|egress| format!("at most {} sent to the network", ByteSize(egress))));
    lines.extend(limits.stored.map(|stored| format!("at most {} written to storage", ByteSize(stored))));
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
