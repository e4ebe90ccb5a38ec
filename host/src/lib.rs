//! Strongroom: a host that runs untrusted WebAssembly tools for many tenants.
//!
//! One call flows through seven steps, each a module, each taking the proof of the step before it by value:
//!
//! ```text
//! credential ─identify─▶ Caller ─admit─▶ Admission ─authorize─▶ Grant ─isolate─▶ Cell ─execute─▶ Ended ─settle─▶ Receipt
//!                          └───────────────────────── audit brackets all of it ─────────────────────────┘
//! ```
//!
//! [`Strongroom::call`] runs them all; the same steps are open one by one, for an agent's loop that decides in between.
//! Start with [`Strongroom`].

pub mod admit;
pub mod audit;
pub mod authorize;
pub mod execute;
pub mod identify;
pub mod imports;
pub mod isolate;
pub mod settle;

mod call;
mod pem;
mod room;

pub mod component;
pub mod config;
pub mod explain;
pub mod id;
pub mod learn;
pub mod moment;
pub mod post;
pub mod powers;
pub mod reason;
pub mod rebuild;
pub mod review;
pub mod serve;
pub mod step;
pub mod storage;
pub mod telemetry;
pub mod tools;
pub mod typed;

pub use room::{
    Announced, BudgetOf, BuildError, Builder, Check, CredentialError, Deleted, GrantedDirectory, Health,
    LONGEST_GRACE_MS, LONGEST_RAISE_MS, Listed, MOST_ENTRIES, NewCredential, NewKey, NewValue, Noticed,
    OperateError, Page, Pauses, Reload, SettleAs, Stopped, Strongroom, TenantReport, TenantStanding,
    TenantSummary, UnknownCall,
};
