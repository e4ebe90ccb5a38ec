//! Admission to Grant: policy, and what the manifest needs and the tenant grants.
//!
//! Takes: tenant, caller, manifest. Gives: who may call what ([`policy`], and [`cedar`] for the tenant's own policies),
//! and what a call may reach ([`rights`]). May name: id, config.

pub mod address;
pub mod cedar;
pub mod meet;
pub mod method;
pub mod origin;
pub mod path;
pub mod policy;
pub mod rights;

mod grant;
mod remember;
pub use grant::{Authorized, Grant, Replay};
pub(crate) use grant::{Cost, Earlier, Held, authorize, judge, judge_again};
