//! Tries every capability.

wit_bindgen::generate!({ path: "src/prober.wit" });
strongroom_guests::embed!("strongroom:wit", include_str!("prober.wit"));
strongroom_guests::embed!("strongroom:manifest", include_str!("prober.toml"));

#[cfg(target_arch = "wasm32")]
#[path = "prober/probes.rs"]
mod probes;
