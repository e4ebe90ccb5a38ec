//! Grant to Cell: a fresh store for every call, with its limits set and its gate closed around it.
//!
//! Takes: a [`Grant`](crate::authorize::Grant). Gives: a [`Cell`]. May name: admit, authorize, config, id, imports,
//! powers, reason, storage, tools.
//!
//! Denials: `killed` and `writes_frozen` (a switch was thrown since admission), `policy_denied` and `tenant_suspended` (the tenant's rules
//! changed since authorization, and allow the call no longer), `storage_unavailable`, `overloaded`.

pub(crate) mod cell;
pub mod engine;
pub(crate) mod memory;
pub(crate) mod probe;
pub(crate) mod running;
pub(crate) mod store;

pub use cell::Cell;
pub use running::RunningCall;
