//! A component file, read without running it: exports, imports, manifest.
