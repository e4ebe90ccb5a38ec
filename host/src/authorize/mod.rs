//! Admission to Grant: policy, and what the manifest needs and the tenant grants.

pub mod address;
pub mod method;
pub mod origin;
pub mod path;
