//! `audit-manifest` and `diff`: what a security team sees before a component, or a new version of it, is installed.
//!
//! Takes: component files and their manifests. Gives: findings or differences; exit code 1 when there are any.
//! May name: component, config, id, review, World.

use super::{Failure, Out, arguments, host};
use crate::World;
use serde_json::json;
use std::path::{Path, PathBuf};
use strongroom::component::{self, ComponentInfo};
use strongroom::config::Manifest;
use strongroom::id::ToolName;
use strongroom::review::{self, Difference, Files, Finding, Rule, Subject, Weight};

/// Look for what a security team would ask about, without running the component
///
/// Exit code 0 when nothing is found, 1 when something is, 2 when the component or its manifest cannot be read.
#[derive(Debug, clap::Args)]
pub(crate) struct AuditArgs {
    /// The component, a `.wasm` file
    #[arg(value_name = "COMPONENT")]
    component: PathBuf,
    /// A manifest in place of the component's own [default: `<component>.tool.toml` beside it, if it is there]
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Accept what this rule finds: it is shown as accepted, and does not count. May be given several times
    #[arg(long, value_name = "RULE", value_parser = rule)]
    accept: Vec<Rule>,
}

/// Show what a new version could do that the old one could not, and what breaks for its callers
///
/// Exit code 0 when there is nothing, 1 when it asks for more or breaks callers, 2 when a component or its manifest
/// cannot be read.
#[derive(Debug, clap::Args)]
pub(crate) struct DiffArgs {
    /// The component that is in use, a `.wasm` file
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The component that would take its place
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// A manifest in place of the old component's own [default: `<old>.tool.toml` beside it, if it is there]
    #[arg(long, value_name = "FILE")]
    old_manifest: Option<PathBuf>,
    /// A manifest in place of the new component's own [default: `<new>.tool.toml` beside it, if it is there]
    #[arg(long, value_name = "FILE")]
    new_manifest: Option<PathBuf>,
}

fn rule(word: &str) -> Result<Rule, String> {
    let known = || Rule::ALL.iter().map(|rule| rule.id()).collect::<Vec<_>>().join(", ");
    let found = Rule::ALL.iter().find(|rule| rule.id() == word);
    found.copied().ok_or_else(|| format!("there is no such rule; the rules are {}", known()))
}

pub(crate) fn audit(args: &AuditArgs, world: &World, out: &Out) -> Result<(), Failure> {
    let read = Read::new(&args.component, args.manifest.as_deref(), world)?;
    let findings = review::lint(&read.subject());
    let (accepted, open): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|finding| args.accept.contains(&finding.rule));
    let component = slashes(&args.component);
    if out.is_sarif() {
        let manifest = read.manifest_file.as_deref().map(slashes);
        let files = Files { component: &component, manifest: manifest.as_deref() };
        out.raw(format!("{}\n", review::sarif(&open, &accepted, &files)).as_bytes())?;
    } else if out.is_json() {
        out.json(json!({
            "component": component,
            "digest": read.info.digest,
            "findings": open,
            "accepted": accepted,
        }))?;
    } else {
        for (finding, end) in open.iter().map(|f| (f, "")).chain(accepted.iter().map(|f| (f, " (accepted)")))
        {
            out.line(format!("{}{end}", shown(finding, &read.manifest_name())))?;
        }
        let also = if accepted.is_empty() { String::new() } else { format!(", {} accepted", accepted.len()) };
        match open.len() {
            0 => out.line(format!("nothing found{also}"))?,
            1 => out.line(format!("1 finding{also}"))?,
            many => out.line(format!("{many} findings{also}"))?,
        }
    }
    if open.is_empty() { Ok(()) } else { Err(Failure::told()) }
}

/// `warning[over-broad-paths] tool.toml:11 needs.http.web.paths`, what is wrong, and what to do.
fn shown(finding: &Finding, manifest: &str) -> String {
    let Finding { rule, severity, message, place } = finding;
    let at = place.line.map_or_else(String::new, |line| format!("{manifest}:{line} "));
    format!("{}[{}] {at}{}\n  {message}\n  help: {}", severity.as_str(), rule.id(), place.item, rule.help())
}

pub(crate) fn diff(args: &DiffArgs, world: &World, out: &Out) -> Result<(), Failure> {
    let old = Read::new(&args.old, args.old_manifest.as_deref(), world)?;
    let new = Read::new(&args.new, args.new_manifest.as_deref(), world)?;
    let differences = review::differences(old.subject().into(), new.subject().into());
    if out.is_sarif() {
        let (component, manifest) = (slashes(&args.new), new.manifest_file.as_deref().map(slashes));
        let files = Files { component: &component, manifest: manifest.as_deref() };
        let text = new.text.as_deref().filter(|_| manifest.is_some());
        out.raw(format!("{}\n", review::sarif_differences(&differences, &files, text)).as_bytes())?;
    } else if out.is_json() {
        let version = |read: &Read| json!({ "name": read.manifest.name, "version": read.manifest.version, "digest": read.info.digest });
        out.json(json!({ "old": version(&old), "new": version(&new), "differences": differences }))?;
    } else {
        if !differences.is_empty() {
            out.line(told(&differences).trim_end())?;
        }
        if differences.is_empty() {
            out.line("it could do nothing more, and breaks no caller")?;
        }
    }
    if differences.is_empty() { Ok(()) } else { Err(Failure::told()) }
}

/// What a new version could do more, then what it breaks, each on a line of its own.
pub(crate) fn told(differences: &[Difference]) -> String {
    let mut text = String::new();
    for (weight, title) in [(Weight::AsksForMore, "it could do more"), (Weight::Breaks, "it breaks callers")]
    {
        let mut lines = differences.iter().filter(|difference| difference.weight == weight).peekable();
        if lines.peek().is_some() {
            text.push_str(&format!("{title}\n"));
        }
        for Difference { item, message, .. } in lines {
            text.push_str(&format!("  {item}: {message}\n"));
        }
    }
    text
}

/// A component that was read, with the manifest that counts.
struct Read {
    bytes: Vec<u8>,
    info: ComponentInfo,
    manifest: Manifest,
    /// The text of the manifest, and its file when it is not in the component.
    text: Option<String>,
    manifest_file: Option<PathBuf>,
}

impl Read {
    fn new(path: &Path, manifest: Option<&Path>, world: &World) -> Result<Self, Failure> {
        let arguments::Component { bytes, beside } = arguments::Component::read(path, manifest, world)?;
        let limits = component::Limits { component: usize::MAX, ..component::Limits::default() };
        let info = component::read(&bytes, &limits)
            .map_err(|e| Failure::reason(e.reason(), format!("{}: {e}", path.display())))?;
        let manifest_file = beside.as_ref().map(|_| match manifest {
            Some(manifest) => manifest.to_owned(),
            None => path.with_extension("tool.toml"),
        });
        let text = beside.or_else(|| info.manifest_text.clone());
        let mut read = Self { bytes, manifest: bare(path)?, info, text, manifest_file };
        if let Some(text) = &read.text {
            let parsed = Manifest::parse(&read.manifest_name(), text);
            read.manifest = parsed.map_err(|e| Failure::report(e.reason(), e))?;
        }
        Ok(read)
    }

    fn manifest_name(&self) -> String {
        match &self.manifest_file {
            Some(file) => file.display().to_string(),
            None => "tool.toml (in the component)".to_owned(),
        }
    }

    fn subject(&self) -> Subject<'_> {
        Subject { bytes: &self.bytes, info: &self.info, manifest: &self.manifest, text: self.text.as_deref() }
    }
}

/// What stands in for a manifest that is not there.
fn bare(path: &Path) -> Result<Manifest, Failure> {
    let name = ToolName::new(host::stem(path)).or_else(|_| ToolName::new("component"));
    Ok(Manifest::bare(name.map_err(|e| Failure::usage(e.to_string()))?))
}

/// A path with `/` between names, as reports have it.
fn slashes(path: &Path) -> String {
    path.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/")
}
