//! The operator's, tenants' and tools' files as validated types.
