//! What the documentation says of imports is what the gate's own table says.
//!
//! `INSTA_UPDATE=always` writes the page anew, as it does for snapshots.

use strongroom::imports::page::markdown;

#[test]
fn the_page_of_imports_is_made_from_the_table() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/imports.md");
    if std::env::var("INSTA_UPDATE").is_ok_and(|how| how == "always") {
        std::fs::write(&path, markdown()).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        page == markdown(),
        "docs/imports.md is not what the table says: `INSTA_UPDATE=always cargo test` writes it"
    );
}
