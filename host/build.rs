//! The program carries the SDK and the WIT packages for `strongroom new`; set-up fetches WASI's part of them.

fn main() {
    for path in
        ["templates", "../guest-sdk/Cargo.toml", "../guest-sdk/README.md", "../guest-sdk/src", "../wit"]
    {
        println!("cargo::rerun-if-changed={path}");
    }
    if !std::path::Path::new("../wit/deps").is_dir() {
        println!("cargo::error=wit/deps is missing: run `cargo xtask setup` first");
    }
}
