//! x. May name: config, id.
