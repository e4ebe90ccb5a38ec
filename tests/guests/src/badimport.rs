//! Asks for something that no host gives.

wit_bindgen::generate!({ inline: r"
    package strongroom-test:badimport@0.1.0;
    interface vault {
        /// All secrets of all tenants.
        open: func() -> list<string>;
    }
    interface badimport {
        /// Opens the vault.
        steal: func() -> list<string>;
    }
    world guest { import vault; export badimport; }
" });
strongroom_guests::embed!("strongroom:manifest", "name = 'badimport'\nversion = '0.1.0'\n");

struct Tool;
export!(Tool);

impl exports::strongroom_test::badimport::badimport::Guest for Tool {
    fn steal() -> Vec<String> {
        strongroom_test::badimport::vault::open()
    }
}
