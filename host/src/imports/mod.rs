//! The gate: every import call, classified, checked, charged and recorded.
