//! The installed tools: taken in once, compiled once, ready for every call.
//!
//! Takes: component files. Gives: [`Tool`] and the [`Catalogue`] of them. May name: authorize, component, config, id,
//! imports, isolate, powers, reason, typed.

mod catalogue;
pub mod compile;
mod described;
mod install;
mod tool;

pub use catalogue::Catalogue;
pub use described::Described;
pub use install::InstallError;
pub use tool::{Tool, ToolFunction};
