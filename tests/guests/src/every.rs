//! Calls imports directly, one by one.

wit_bindgen::generate!({ path: "src/every.wit" });
strongroom_guests::embed!("strongroom:wit", include_str!("every.wit"));
strongroom_guests::embed!("strongroom:manifest", include_str!("every.toml"));

#[cfg(target_arch = "wasm32")]
#[path = "every/mod.rs"]
mod every;
