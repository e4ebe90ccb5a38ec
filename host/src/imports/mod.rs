//! The gate: every import call of a guest, WASI's included, is classified, checked, charged, recorded, and only
//! then delegated.
//!
//! Takes: a call's rights and its host fuel. Gives: a linker in which nothing is reachable except through
//! `gate::Gate`, and the record of what was called.
//! May name: authorize, audit, id, powers, step, storage.
//!
//! WASI's own implementation is never linked directly. For each interface a borrowed `gate::Audited` view wraps
//! the inner view and implements the same generated trait; [`table`] is the one place where names, classes and
//! prices stand.

#[macro_use]
mod gated;

pub(crate) mod announce;
pub(crate) mod ask;
pub mod asking;
pub(crate) mod bindings;
pub(crate) mod cache;
pub(crate) mod call;
mod cli;
mod clocks;
mod config;
pub(crate) mod dial;
mod files;
pub(crate) mod gate;
pub(crate) mod hooks;
pub(crate) mod http;
mod inject;
mod io;
pub(crate) mod keyvalue;
pub(crate) mod linker;
mod listing;
mod logging;
pub(crate) mod memory;
pub mod page;
mod question;
mod random;
mod record;
mod redact;
mod right;
mod sockets;
mod special;
pub(crate) mod state;
pub(crate) mod stored;
pub mod table;
pub(crate) mod wasi;
mod way;
mod yields;

pub use call::{Progress, ProgressSender};
pub use logging::{LogMessage, LogSender, Severity};
pub use record::{Decision, ImportRecord};
pub use right::Right;
pub use way::Way;
