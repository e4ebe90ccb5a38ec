//! Taking a component in: read, refuse what no tool may import, check the manifest, compile, keep.
//!
//! Takes: a component's bytes. Gives: a [`Tool`]. May name: authorize, component, config, id, imports, isolate, reason, review, typed.

use super::Catalogue;
use super::catalogue::Compile;
use super::tool::Tool;
use super::upgrade::Held;
use crate::component::{self, ComponentInfo};
use crate::config::{ConfigError, Manifest};
use crate::id::{Digest, ToolName};
use crate::imports::table;
use crate::reason::Reason;
use crate::review::Weight;
use crate::typed::{Item, Kind, Shape};

/// Why a component was not taken in. Nothing of it is kept then.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum InstallError {
    /// The file is not a component that this host accepts.
    #[error(transparent)]
    Component(#[from] component::ReadError),
    /// The component imports something that no tool may import.
    #[error("the component imports {0}, which this host gives to no tool")]
    #[diagnostic(help(
        "a tool may import WASI 0.2 (http, filesystem, clocks, random, io, cli), wasi:keyvalue, wasi:config, wasi:logging and strongroom:host; `strongroom inspect` lists what this component imports"
    ))]
    Import(String),
    /// The manifest is not valid.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Manifest(#[from] ConfigError),
    /// The manifest names a function that the component does not export.
    #[error("the manifest names the function {0:?}, which the component does not export")]
    #[diagnostic(help("the component exports: {1}"))]
    Function(String, String),
    /// A function cannot be offered as the manifest says.
    #[error("the function {0:?} cannot be offered as the manifest says: {1}")]
    #[diagnostic(help("clients ask for resources and prompts with texts alone: parameters are strings"))]
    Offered(String, String),
    /// The tool has no usable name.
    #[error("the tool has no usable name: {0}")]
    #[diagnostic(help(
        "give it a manifest with `name = \"…\"`, or a file name of lower-case letters, digits, '-' and '_'"
    ))]
    Name(String),
    /// The component does not fit the engine.
    #[error("the component cannot be linked: {0}")]
    Link(String),
    /// The component did not compile within its limits.
    #[error("the component was not compiled: {0}")]
    Compile(String),
    /// It asks for more than was accepted of the tool before. It is kept aside, and what was there goes on serving.
    #[error(
        "{} {} asks for more than {}, which was accepted: {}; it is held until an operator accepts it",
        .0.tool, .0.version, .0.accepted.as_deref().unwrap_or_default(), more(.0)
    )]
    #[diagnostic(help(
        "read what it asks for; then `strongroom accept {0}` takes it, and `strongroom reject` forgets it"
    ))]
    Held(Box<Held>),
    /// No version of the tool waits for a decision.
    #[error("no version of {0} is held")]
    #[diagnostic(help("`strongroom accept --list` shows what is"))]
    NotHeld(ToolName),
    /// The version that waits is another one than the one that was accepted.
    #[error("what is held of {tool} is another version than this: {held}")]
    #[diagnostic(help("`strongroom accept {tool}` shows what it asks for"))]
    Other {
        /// The tool.
        tool: ToolName,
        /// The edition of the version that waits.
        held: Digest,
    },
    /// The files of the version that waits were changed since they were put aside.
    #[error("the files of the version of {0} that is held were changed since they were put aside")]
    #[diagnostic(help("`strongroom reject {0}`, then install the version again"))]
    Changed(ToolName),
    /// The record of what was accepted cannot be read, so nothing counts as accepted.
    #[error("what was accepted of {tool} cannot be told, so it is not served: {tool}.accepted: {problem}")]
    #[diagnostic(help("review the component, then `strongroom install --accept` it again"))]
    Record {
        /// The tool.
        tool: ToolName,
        /// What is wrong with the record.
        problem: String,
    },
    /// The host could not keep it.
    #[error("the tool could not be stored: {0}")]
    Storage(#[source] std::io::Error),
}

impl InstallError {
    /// The stable word for it.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Component(error) => error.reason(),
            Self::Import(_) => Reason::ImportUnsupported,
            Self::Manifest(_) | Self::Function(..) | Self::Offered(..) | Self::Name(_) => {
                Reason::ManifestInvalid
            }
            Self::Link(_) | Self::Compile(_) => Reason::ComponentInvalid,
            Self::Held(_) | Self::Other { .. } | Self::Changed(_) | Self::Record { .. } => {
                Reason::UpgradeHeld
            }
            Self::NotHeld(_) => Reason::ToolUnknown,
            Self::Storage(_) => Reason::StorageUnavailable,
        }
    }
}

/// The first three things that it asks for; the list is the command line's to show.
fn more(held: &Held) -> String {
    let asks = held.differences.iter().filter(|difference| difference.weight == Weight::AsksForMore);
    let mut items: Vec<String> = asks.map(|d| format!("{} ({})", d.item, d.message)).collect();
    let more = items.len().saturating_sub(3);
    items.truncate(3);
    let end = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{end}", items.join(", "))
}

/// A component that was read and found acceptable, not compiled yet.
pub(crate) struct Candidate {
    pub(crate) info: ComponentInfo,
    pub(crate) manifest: Manifest,
    pub(crate) edition: Digest,
}

/// What tells one state of a tool's files from another.
pub(super) fn edition(component: &Digest, beside: Option<&str>) -> Digest {
    let beside = beside.map_or([0; 32], |text| *Digest::of(text.as_bytes()).as_bytes());
    Digest::of(&[*component.as_bytes(), beside].concat())
}

/// Reads a component and its manifest. `name` is used when the component carries no manifest, `beside` is the text of
/// a manifest that stands beside a foreign component.
pub(crate) fn examine(
    bytes: &[u8],
    name: &str,
    beside: Option<&str>,
    limits: &component::Limits,
) -> Result<Candidate, InstallError> {
    let info = component::read(bytes, limits)?;
    for import in &info.imports {
        match &import.interface {
            Some(interface) if table::knows_interface(interface) => {}
            Some(interface) => return Err(InstallError::Import(interface.clone())),
            None => return Err(InstallError::Import(import.functions.join(", "))),
        }
    }
    let manifest = match (beside, &info.manifest_text) {
        (Some(text), _) => Manifest::parse(&format!("{name}.tool.toml"), text)?,
        (None, Some(text)) => Manifest::parse("tool.toml (in the component)", text)?,
        (None, None) => {
            let name = ToolName::new(name).map_err(|e| InstallError::Name(e.to_string()))?;
            Manifest::bare(name)
        }
    };
    if let Some(stranger) =
        manifest.functions.keys().find(|name| !info.functions.iter().any(|f| f.name == name.as_str()))
    {
        let names: Vec<_> = info.functions.iter().map(|f| f.name.as_str()).collect();
        return Err(InstallError::Function(stranger.to_string(), names.join(", ")));
    }
    offered(&info, &manifest)?;
    let edition = edition(&info.digest, beside);
    Ok(Candidate { info, manifest, edition })
}

/// Resources and prompts are asked for with texts alone, so their functions take nothing else.
fn offered(info: &ComponentInfo, manifest: &Manifest) -> Result<(), InstallError> {
    for function in &info.functions {
        let Some(rule) = manifest.functions.get(&function.name) else { continue };
        let wrong = |why: String| Err(InstallError::Offered(function.name.clone(), why));
        let params = function.signature.params();
        if let Some(resource) = &rule.resource {
            if let Some(name) = resource.uri.parameters().find(|name| params.find(name, 0).is_none()) {
                return wrong(format!("its URI names {name:?}, which is no parameter"));
            }
            let in_uri = |name: &str| resource.uri.parameters().any(|other| other == name);
            let odd =
                |param: &&Item<Shape>| !matches!(param.value.kind(), Kind::String) || !in_uri(&param.name);
            if let Some(param) = params.iter().find(odd) {
                return wrong(format!("its parameter {:?} is no string that its URI names", param.name));
            }
        }
        let text = |shape: &Shape| match shape.kind() {
            Kind::Option(inner) => matches!(inner.kind(), Kind::String | Kind::Enum(_)),
            kind => matches!(kind, Kind::String | Kind::Enum(_)),
        };
        if rule.prompt
            && let Some(param) = params.iter().find(|param| !text(&param.value))
        {
            return wrong(format!("its parameter {:?} is neither a string nor an enum", param.name));
        }
    }
    Ok(())
}

impl Catalogue {
    /// Makes a tool of a candidate: compiles it, or takes the compiled code from the cache.
    pub(super) async fn build(
        &self,
        candidate: Candidate,
        bytes: Vec<u8>,
        compile: Compile,
    ) -> Result<Tool, InstallError> {
        let component = self.compiled(candidate.info.digest, bytes, compile).await?;
        Tool::new(candidate, &component, &self.linker)
    }
}
