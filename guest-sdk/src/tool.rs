//! The macro that makes a crate a tool.
//!
//! Takes: the tool's `wit/world.wit` and `tool.toml`. Gives: bindings, exports and two custom sections.
//! May name: nothing.

/// Makes this crate a tool: `tool!(Type)`, or `tool!(Type, option: value, …)`.
///
/// It
/// - generates Rust types and one `Guest` trait for each interface that the world in `wit/world.wit` exports, in a module
///   `exports` next to the macro. All types are `Debug`, `Clone` and (where they hold no float: this is for you to
///   say, see below) comparable;
/// - exports the implementations of those traits by `Type`, a unit struct of yours;
/// - embeds `tool.toml` as the custom section `strongroom:manifest` and `wit/world.wit` as the custom section
///   `strongroom:wit`. The component's digest and signature cover both, and the host takes names, effects, needs and the
///   descriptions of functions and fields from them.
///
/// Further options go to [`wit_bindgen::generate!`](https://docs.rs/wit-bindgen/latest/wit_bindgen/macro.generate.html)
/// as they are; the useful one is `additional_derives: [PartialEq, serde::Deserialize]`, so that records of the
/// contract can be compared in tests and read from JSON.
///
/// In native builds, as in unit tests, the types and traits are the same, and the implementations are ordinary functions.
#[macro_export]
macro_rules! tool {
    ($tool:ident $(, $($options:tt)*)?) => {
        $crate::wit_bindgen::generate!({
            path: "wit",
            runtime_path: "::strongroom_sdk::wit_bindgen::rt",
            bitflags_path: "::strongroom_sdk::wit_bindgen::bitflags",
            export_macro_name: "export_tool",
            generate_unused_types: true,
            $($($options)*)?
        });

        #[cfg(target_arch = "wasm32")]
        export_tool!($tool with_types_in self);

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            const MANIFEST: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tool.toml"));
            #[used]
            #[unsafe(link_section = "strongroom:manifest")]
            static EMBEDDED_MANIFEST: [u8; MANIFEST.len()] =
                *include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tool.toml"));

            const WIT: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/wit/world.wit"));
            #[used]
            #[unsafe(link_section = "strongroom:wit")]
            static EMBEDDED_WIT: [u8; WIT.len()] =
                *include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/wit/world.wit"));
        };
    };
}
