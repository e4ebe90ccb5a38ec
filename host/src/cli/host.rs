//! The host that a command works on: opened, used and closed in order.
//!
//! Takes: the [`World`]. Gives: a running [`Strongroom`]. May name: the library, World.

use super::Failure;
use crate::World;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use strongroom::isolate::engine::{Allocation, MAX_CALLS};
use strongroom::powers::{Entropy as _, SystemEntropy, SystemEnvironment, SystemSpawn};
use strongroom::tools::compile::Compiler;
use strongroom::{Builder, Strongroom};

/// Runs a command that waits for things.
pub(crate) fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    // Every call may have a file operation under way: none waits for another's.
    let blocking = usize::try_from(MAX_CALLS).unwrap_or(usize::MAX).saturating_add(64);
    let runtime = builder.max_blocking_threads(blocking).enable_all().build();
    let runtime = runtime.map_err(|e| Failure::failed(format!("threads cannot be started: {e}")))?;
    let done = runtime.block_on(command);
    // Nothing is waited for that the command itself did not wait for.
    runtime.shutdown_background();
    done
}

/// A host on the home folder, as all commands have it: components are compiled in a process of their own.
pub(crate) fn builder(world: &World) -> Result<Builder, Failure> {
    let compiler = Compiler::Child { program: world.program()?, spawn: Arc::new(SystemSpawn) };
    Ok(Strongroom::builder(world.home()?).compiler(compiler).environment(Arc::new(SystemEnvironment)))
}

/// Opens the host, does some work with it and closes it, also when the work failed.
pub(crate) async fn with<T>(
    builder: Builder,
    work: impl AsyncFnOnce(&Strongroom) -> Result<T, Failure>,
) -> Result<T, Failure> {
    // One call needs no pool of a thousand places.
    let room = builder.allocation(Allocation::OnDemand).build().await?;
    let done = work(&room).await;
    let closed = room.close().await;
    let value = done?;
    closed?;
    Ok(value)
}

/// A key for one call, when its caller did not choose one.
pub(crate) fn fresh_key() -> Result<String, Failure> {
    let mut random = [0; 16];
    SystemEntropy.fill(&mut random).map_err(|e| Failure::failed(format!("there is no randomness: {e}")))?;
    Ok(format!("cli-{}", hex::encode(random)))
}

/// The name of a file without folder and `.wasm`, as a tool without a manifest is called.
pub(crate) fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}
