//! May name: nothing.
