//! Which tools there are, in memory and on disk.
//!
//! Takes: the tools folder and the cache folder. Gives: [`Catalogue`]. May name: component, id, imports, isolate.
//!
//! `tools/<name>.wasm` is the truth; `cache/<digest>-<engine>.cwasm` is compiled code, disposable: a file that is
//! missing, damaged or of another engine is made again.

use super::compile::Compiler;
use super::folder::Seen;
use super::install::{InstallError, examine};
use super::shelf::{Files, replace};
use super::tool::{Tool, ToolFunction};
use super::upgrade::{Act, Terms};
use crate::component::Limits;
use crate::id::{Digest, FunctionName, ToolName};
use crate::imports::linker::linker;
use crate::imports::state::State;
use crate::isolate::engine::Engine;
use cap_std::fs::Dir;
use crossbeam_utils::sync::{ShardedLock, ShardedLockWriteGuard};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::io;
use std::sync::{Arc, PoisonError};
use strongroom_precompiled::{LoadError, Sealer};
use tokio::sync::watch;
use wasmtime::component::{Component, Linker};

/// Whether a component that is not in the cache may be compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compile {
    /// At install and at start.
    IfNeeded,
    /// While a call waits.
    Never,
}

/// The installed tools.
pub struct Catalogue {
    engine: Engine,
    compiler: Compiler,
    sealer: Sealer,
    pub(super) tools_dir: Dir,
    cache_dir: Dir,
    pub(super) limits: Limits,
    tools: ShardedLock<BTreeMap<ToolName, Arc<Tool>>>,
    /// What the files of the folder came to, by their names without `.wasm`.
    pub(super) files: Mutex<BTreeMap<String, Seen>>,
    /// What the book does not have yet.
    pub(super) acts: Mutex<Vec<Act>>,
    pub(super) linker: Linker<State>,
    /// Rings when there are other tools.
    changed: watch::Sender<()>,
}

impl std::fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Catalogue")
    }
}

impl Catalogue {
    pub(crate) fn new(
        engine: Engine,
        compiler: Compiler,
        sealer: Sealer,
        tools_dir: Dir,
        cache_dir: Dir,
        limits: Limits,
    ) -> wasmtime::Result<Self> {
        let linker = linker(engine.inner())?;
        let (tools, files, acts) = Default::default();
        let changed = watch::Sender::new(());
        Ok(Self {
            engine,
            compiler,
            sealer,
            tools_dir,
            cache_dir,
            limits,
            tools,
            files,
            acts,
            linker,
            changed,
        })
    }

    /// Takes a component in and keeps it. `name` serves a component without a manifest; `beside` is the text of a
    /// manifest for a foreign component.
    ///
    /// # Errors
    /// [`InstallError`] with its reason code; nothing is kept then, but what is [held](InstallError::Held).
    pub(crate) async fn install(
        &self,
        bytes: Vec<u8>,
        name: &str,
        beside: Option<&str>,
        terms: Terms,
    ) -> Result<Arc<Tool>, InstallError> {
        let tool = self.make(bytes.clone(), name, beside).await?;
        let files = Files { component: bytes, beside: beside.map(str::to_owned) };
        self.place(&tool, &files, terms)?;
        self.write().insert(tool.name.clone(), tool.clone());
        self.files.lock().insert(tool.name.to_string(), Seen::of(&tool));
        Ok(tool)
    }

    /// Takes a component in for this process alone: nothing is written but the compiled code.
    ///
    /// # Errors
    /// [`InstallError`] with its reason code.
    pub(crate) async fn borrow(
        &self,
        bytes: Vec<u8>,
        name: &str,
        beside: Option<&str>,
    ) -> Result<Arc<Tool>, InstallError> {
        let tool = self.make(bytes, name, beside).await?;
        self.write().insert(tool.name.clone(), tool.clone());
        Ok(tool)
    }

    async fn make(
        &self,
        bytes: Vec<u8>,
        name: &str,
        beside: Option<&str>,
    ) -> Result<Arc<Tool>, InstallError> {
        let candidate = examine(&bytes, name, beside, &self.limits)?;
        Ok(Arc::new(self.build(candidate, bytes, Compile::IfNeeded).await?))
    }

    /// Hears of other tools.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// A tool by its name.
    #[must_use]
    pub fn tool(&self, name: &ToolName) -> Option<Arc<Tool>> {
        self.tools.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All tools, in the order of their names.
    #[must_use]
    pub fn tools(&self) -> Vec<Arc<Tool>> {
        self.tools.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// A function and its tool by `<tool>.<function>`; tool names hold no dot.
    #[must_use]
    pub fn function(&self, name: &FunctionName) -> Option<(Arc<Tool>, Arc<ToolFunction>)> {
        let (tool, function) = name.as_str().split_once('.')?;
        let tools = self.tools.read().unwrap_or_else(PoisonError::into_inner);
        let tool = tools.get(tool)?;
        Some((tool.clone(), tool.function(function)?.clone()))
    }

    pub(super) fn write(&self) -> ShardedLockWriteGuard<'_, BTreeMap<ToolName, Arc<Tool>>> {
        // The map is whole after every single insert, so a panic elsewhere leaves nothing half done.
        let tools = self.tools.write().unwrap_or_else(PoisonError::into_inner);
        // Who hears it reads the map, and waits there until it is changed.
        self.changed.send_replace(());
        tools
    }

    /// Compiled code from the cache, or compiled now and put there.
    pub(super) async fn compiled(
        &self,
        digest: Digest,
        bytes: Vec<u8>,
        compile: Compile,
    ) -> Result<Component, InstallError> {
        let file = format!("{}-{:016x}.cwasm", digest.hex(), self.engine_hash());
        match self.cache_dir.read(&file) {
            Ok(sealed) => match self.sealer.load(self.engine.inner(), &sealed) {
                Ok(component) => return Ok(component),
                Err(error @ (LoadError::Broken | LoadError::Engine(_))) => {
                    tracing::warn!(file, "{error}; it is compiled again");
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(file, "the compiled component cannot be read: {error}; it is compiled again")
            }
        }
        if compile == Compile::Never {
            return Err(InstallError::Compile("its compiled code is not there; install it again".into()));
        }
        let compiled = self.compiler.compile(&self.engine, bytes).await.map_err(InstallError::Compile)?;
        let sealed = self.sealer.seal(&compiled);
        if let Err(error) = replace(&self.cache_dir, &file, &sealed) {
            tracing::warn!(
                file,
                "the compiled component was not kept: {error}; the next start compiles it again"
            );
        }
        self.sealer.load(self.engine.inner(), &sealed).map_err(|e| InstallError::Link(e.to_string()))
    }

    fn engine_hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.engine.inner().precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }
}
