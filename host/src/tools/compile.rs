//! Compiling: once, at install, and where the operator wants it in a process of its own with limits.
//!
//! Takes: a component's bytes. Gives: compiled code. May name: isolate, powers.

use crate::isolate::engine::Engine;
use crate::powers::Spawn;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Longest time that a compilation may take.
pub const TIME: Duration = Duration::from_secs(60);
/// Most address space that a compilation in a process of its own may have, in bytes.
pub const MEMORY: u64 = 2 * 1024 * 1024 * 1024;

/// Where components are compiled.
#[derive(Debug, Clone)]
pub enum Compiler {
    /// In this process: for tests and for embedders that trust their components.
    InProcess,
    /// In a child process (`<program> compile`), which limits its own time and memory before it reads anything.
    Child {
        /// The `strongroom` program.
        program: PathBuf,
        /// How processes are started.
        spawn: Arc<dyn Spawn>,
    },
}

impl Compiler {
    /// Compiles a component for this engine.
    pub(super) async fn compile(&self, engine: &Engine, component: Vec<u8>) -> Result<Vec<u8>, String> {
        match self {
            Self::InProcess => {
                let engine = engine.clone();
                tokio::task::spawn_blocking(move || engine.compile(&component).map_err(|e| format!("{e:#}")))
                    .await
                    .map_err(|e| format!("the compiler stopped: {e}"))?
            }
            Self::Child { program, spawn } => {
                let arguments = ["compile".to_owned()];
                spawn.run(program, &arguments, component, TIME).await.map_err(|e| e.to_string())
            }
        }
    }
}
