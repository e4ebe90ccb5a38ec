//! Strongroom: a host that runs untrusted WebAssembly tools for many tenants.

pub mod admit;
pub mod audit;
pub mod authorize;
pub mod component;
pub mod config;
pub mod execute;
pub mod id;
pub mod identify;
pub mod imports;
pub mod isolate;
pub mod powers;
pub mod reason;
pub mod serve;
pub mod settle;
pub mod storage;
pub mod typed;
