//! Grant to Cell: a fresh store.
