//! What is known of a tool without compiling it: enough to say who may call it and what it may reach.
//!
//! Takes: component files, or an installed [`Tool`]. Gives: [`Described`]. May name: component, config, id.

use super::Tool;
use super::install::{Candidate, InstallError, examine};
use crate::component::Limits;
use crate::config::{Effect, Manifest};
use crate::id::{Digest, FunctionName, ToolName};
use cap_std::fs::Dir;
use std::collections::BTreeMap;
use std::io;

/// A tool by its file and manifest.
#[derive(Debug, Clone)]
pub struct Described {
    /// Its name, from the manifest.
    pub name: ToolName,
    /// SHA-256 of the component file.
    pub digest: Digest,
    /// What it says of itself.
    pub manifest: Manifest,
    /// Its functions with their effects, in the order of their names.
    pub functions: Vec<(FunctionName, Effect)>,
}

impl Described {
    /// The tools of a tools folder, by name. What cannot be read as a tool is left out with a warning, as a host does.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(crate) fn all(folder: &Dir, limits: &Limits) -> io::Result<Vec<Self>> {
        let mut tools = BTreeMap::new();
        for entry in folder.entries()? {
            let file = entry?.file_name();
            let Some(name) = file.to_str().and_then(|f| f.strip_suffix(".wasm")) else { continue };
            match Self::read(folder, name, limits) {
                Ok(tool) => drop(tools.insert(tool.name.clone(), tool)),
                Err(error) => tracing::warn!(
                    tool = name,
                    reason_code = error.reason().code(),
                    "the tool is left out: {error}"
                ),
            }
        }
        Ok(tools.into_values().collect())
    }

    fn read(folder: &Dir, name: &str, limits: &Limits) -> Result<Self, InstallError> {
        let bytes = folder.read(format!("{name}.wasm")).map_err(InstallError::Storage)?;
        let beside = folder.read_to_string(format!("{name}.tool.toml")).ok();
        let Candidate { info, manifest, .. } = examine(&bytes, name, beside.as_deref(), limits)?;
        let mut functions = Vec::new();
        for function in &info.functions {
            let full = FunctionName::new(format!("{}.{}", manifest.name, function.name))
                .map_err(|e| InstallError::Name(e.to_string()))?;
            functions.push((full, manifest.effect(&function.name)));
        }
        functions.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(Self { name: manifest.name.clone(), digest: info.digest, manifest, functions })
    }

    /// The effect of a function of it.
    #[must_use]
    pub fn effect(&self, function: &FunctionName) -> Option<Effect> {
        self.functions.iter().find(|(name, _)| name == function).map(|(_, effect)| *effect)
    }
}

impl From<&Tool> for Described {
    fn from(tool: &Tool) -> Self {
        let functions = tool.functions().map(|f| (f.name.clone(), f.effect)).collect();
        Self { name: tool.name.clone(), digest: tool.digest, manifest: tool.manifest.clone(), functions }
    }
}
