//! Directories that the tenant granted, for use with [`std::fs`].
//!
//! Takes: the name of a need in the manifest. Gives: [`path`]. May name: fake.
//!
//! A granted directory lies at `/<need>` in the component's file system; nothing else does, and nothing leads out of it.
//! Without a grant, opening anything in it fails; with a grant for reading only, writing fails with
//! [`std::io::ErrorKind::PermissionDenied`] or [`std::io::ErrorKind::ReadOnlyFilesystem`].
//!
//! ```
//! use strongroom_sdk::{dir, fake};
//!
//! assert!(std::fs::read_dir(dir::path("workspace")).is_err());
//!
//! let here = std::env::temp_dir();
//! let _host = fake::Host::new().dir("workspace", &here);
//! assert_eq!(dir::path("workspace"), here);
//! ```

use std::path::PathBuf;

/// Where the directory of this need lies.
#[must_use]
pub fn path(need: &str) -> PathBuf {
    #[cfg(target_arch = "wasm32")]
    return PathBuf::from(format!("/{need}"));
    #[cfg(not(target_arch = "wasm32"))]
    return crate::fake::host::dir(need);
}
