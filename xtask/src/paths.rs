//! Where things are.
//!
//! Takes: the environment that cargo sets. Gives: [`Paths`]. May name: run.

use crate::run::Fault;
use std::path::{Path, PathBuf};

/// The folders that all commands work in, absolute.
pub struct Paths {
    /// The repository.
    pub root: PathBuf,
    /// `CARGO_TARGET_DIR`, or `target` in the repository.
    pub target: PathBuf,
}

impl Paths {
    /// Finds the repository from xtask's own place, so that every working directory inside it will do.
    pub fn find() -> Result<Self, Fault> {
        let own = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = own
            .parent()
            .map(Path::to_path_buf)
            .ok_or_else(|| Fault::new("xtask must lie in the repository's folder"))?;
        let here = std::env::current_dir().map_err(|e| Fault::io("the working directory", &e))?;
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .filter(|dir| !dir.is_empty())
            .map_or_else(|| root.join("target"), |dir| here.join(dir));
        Ok(Self { root, target })
    }

    /// The target directory of all guests: one, so that the standard library and wit-bindgen are built once.
    pub fn guests_target(&self) -> PathBuf {
        self.target.join("guests")
    }

    /// Where finished components are kept, as `<package>.wasm`.
    pub fn components(&self) -> PathBuf {
        self.target.join("components")
    }

    /// The cargo workspaces that are built to WebAssembly.
    pub fn guest_workspaces(&self) -> [PathBuf; 2] {
        [self.root.join("plugins"), self.root.join("tests/guests")]
    }
}
