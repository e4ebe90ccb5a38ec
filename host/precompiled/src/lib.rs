//! Compiled components on disk, loaded only when their seal is whole.
