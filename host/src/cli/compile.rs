//! `compile`: the compiler's own process, started by the host itself. It limits itself before it reads anything.
//!
//! Takes: a component on stdin. Gives: compiled code on stdout. May name: isolate, tools, World.

use super::{Failure, Out};
use crate::World;
use rustix::process::{Resource, Rlimit, setrlimit};
use strongroom::isolate::engine::Engine;
use strongroom::reason::Reason;
use strongroom::tools::compile::{MEMORY, TIME};

/// Compile a component from stdin to stdout; used by the host itself
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Largest component, in bytes: what an operator can allow at most.
const COMPONENT: u64 = 256 << 20;

pub(crate) fn run(world: &World, out: &Out) -> Result<(), Failure> {
    let limits = [(Resource::As, MEMORY), (Resource::Cpu, TIME.as_secs()), (Resource::Core, 0)];
    for (resource, most) in limits {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
            .map_err(|e| Failure::failed(format!("the compiler cannot limit itself: {e}")))?;
    }
    let component = world.stdin(COMPONENT)?;
    let engine = Engine::compiler().map_err(|e| Failure::failed(format!("{e:#}")))?;
    let compiled = engine.compile(&component);
    out.raw(&compiled.map_err(|e| Failure::reason(Reason::ComponentInvalid, format!("{e:#}")))?)
}
