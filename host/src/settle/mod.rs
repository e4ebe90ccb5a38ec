//! Outcome to Receipt: charge, release, store.
