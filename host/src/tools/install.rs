//! Taking a component in: read, refuse what no tool may import, check the manifest, compile, keep.
//!
//! Takes: a component's bytes. Gives: a [`Tool`]. May name: authorize, component, config, id, imports, isolate, reason.

use super::Catalogue;
use super::catalogue::Compile;
use super::tool::Tool;
use crate::component::{self, ComponentInfo};
use crate::config::{ConfigError, Manifest};
use crate::id::{Digest, ToolName};
use crate::imports::table;
use crate::reason::Reason;

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
            Self::Manifest(_) | Self::Function(..) | Self::Name(_) => Reason::ManifestInvalid,
            Self::Link(_) | Self::Compile(_) => Reason::ComponentInvalid,
            Self::Storage(_) => Reason::StorageUnavailable,
        }
    }
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
    let edition = edition(&info.digest, beside);
    Ok(Candidate { info, manifest, edition })
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
