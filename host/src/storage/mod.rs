//! The ledger and the tenants' own stores.
