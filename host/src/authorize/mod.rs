//! Admission to Grant: policy, and what the manifest needs and the tenant grants.
