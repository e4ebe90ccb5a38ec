//! The installed tools: taken in once, compiled once, ready for every call.
//!
//! Takes: component files. Gives: [`Tool`] and the [`Catalogue`] of them. May name: authorize, component, config, id,
//! imports, isolate, powers, reason, review, typed.

mod accepted;
mod catalogue;
pub mod compile;
mod described;
mod folder;
mod install;
mod shelf;
mod tool;
mod upgrade;

pub use catalogue::Catalogue;
pub use described::Described;
pub use folder::Change;
pub use install::InstallError;
pub use tool::{Tool, ToolFunction};
pub use upgrade::Held;
pub(crate) use upgrade::{Act, Terms};
