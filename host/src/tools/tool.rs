//! One installed tool: its functions with their schemas, its manifest, and the instance that waits to be stamped out.
//!
//! Takes: a component that was read, checked and compiled. Gives: [`Tool`]. May name: component, config, id, imports,
//! isolate, typed.

use super::install::{Candidate, InstallError};
use crate::component::{ComponentInfo, ExportPath};
use crate::config::{Effect, KeptFor, Manifest, ResourceRule};
use crate::id::{Digest, FunctionName, ToolName};
use crate::imports::state::State;
use crate::typed::{Kind, Shape, Signature};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};

/// A function that can be called.
pub struct ToolFunction {
    /// `<tool>.<function>`.
    pub name: FunctionName,
    /// Whether it may change something; a function that the manifest does not mention may.
    pub effect: Effect,
    /// How long its answers may be given again to equal calls of the same tenant.
    pub cache: Option<KeptFor>,
    /// The resource that it gives, in place of a tool.
    pub resource: Option<ResourceRule>,
    /// Whether it is a prompt, in place of a tool.
    pub prompt: bool,
    /// Parameters and result with their docs.
    pub signature: Signature,
    /// JSON Schema (2020-12) of the arguments object.
    pub arguments_schema: Value,
    /// JSON Schema of the result; of the `ok` part where the function gives a result type.
    pub result_schema: Value,
    pub(crate) index: ComponentExportIndex,
}

/// An installed component.
pub struct Tool {
    /// Its name, from the manifest.
    pub name: ToolName,
    /// SHA-256 of the component file.
    pub digest: Digest,
    /// SHA-256 over the component's digest and the manifest that stands beside it, if one does: another one means other
    /// rights, with the same component too.
    pub edition: Digest,
    /// What it says of itself.
    pub manifest: Manifest,
    /// What was read from the file.
    pub info: ComponentInfo,
    functions: BTreeMap<String, Arc<ToolFunction>>,
    pub(crate) pre: InstancePre<State>,
}

impl std::fmt::Debug for Tool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tool").field("name", &self.name).field("digest", &self.digest).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ToolFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToolFunction")
            .field("name", &self.name)
            .field("effect", &self.effect)
            .finish_non_exhaustive()
    }
}

impl Tool {
    /// Joins what was read with what was compiled.
    pub(super) fn new(
        Candidate { info, manifest, edition }: Candidate,
        component: &Component,
        linker: &Linker<State>,
    ) -> Result<Self, InstallError> {
        let pre = linker.instantiate_pre(component).map_err(|e| InstallError::Link(format!("{e:#}")))?;
        let mut functions = BTreeMap::new();
        for function in &info.functions {
            let name = FunctionName::new(format!("{}.{}", manifest.name, function.name))
                .map_err(|e| InstallError::Name(e.to_string()))?;
            let index = export_index(component, &function.export).ok_or_else(|| {
                InstallError::Link(format!("the export {} is not where its type says", function.name))
            })?;
            let entry = ToolFunction {
                name,
                effect: manifest.effect(&function.name),
                cache: manifest.cache(&function.name),
                resource: manifest.functions.get(&function.name).and_then(|rule| rule.resource.clone()),
                prompt: manifest.functions.get(&function.name).is_some_and(|rule| rule.prompt),
                arguments_schema: function.signature.arguments_schema(),
                result_schema: match function.signature.result().map(answer) {
                    Some(Some(shape)) => shape.schema(),
                    Some(None) | None => serde_json::json!({ "type": "null" }),
                },
                signature: function.signature.clone(),
                index,
            };
            functions.insert(function.name.clone(), Arc::new(entry));
        }
        Ok(Self { name: manifest.name.clone(), digest: info.digest, edition, manifest, info, functions, pre })
    }

    /// The functions, in the order of their names.
    pub fn functions(&self) -> impl Iterator<Item = &Arc<ToolFunction>> {
        self.functions.values()
    }

    /// A function by its name within the tool.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&Arc<ToolFunction>> {
        self.functions.get(name)
    }
}

/// The shape of the answer: a function that gives `result<T, E>` answers with T, and fails with E.
fn answer(shape: &Shape) -> Option<&Shape> {
    match shape.kind() {
        Kind::Result(ok, _) => ok.as_deref(),
        _ => Some(shape),
    }
}

fn export_index(component: &Component, path: &ExportPath) -> Option<ComponentExportIndex> {
    let interface = match &path.interface {
        Some(interface) => Some(component.get_export_index(None, interface)?),
        None => None,
    };
    component.get_export_index(interface.as_ref(), &path.function)
}
