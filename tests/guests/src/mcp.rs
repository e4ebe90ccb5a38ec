//! Answers with content of every kind that the Model Context Protocol knows.

wit_bindgen::generate!({ path: "src/mcp.wit" });
strongroom_guests::embed!("strongroom:wit", include_str!("mcp.wit"));
strongroom_guests::embed!(
    "strongroom:manifest",
    r#"
name = "mcp"
version = "0.1.0"
description = "Answers with content of every kind"
[functions]
simple-text.effect = "read"
image.effect = "read"
audio.effect = "read"
document.effect = "read"
place.effect = "read"
several.effect = "read"
fail.effect = "read"
work.effect = "read"
"#
);

#[cfg(target_arch = "wasm32")]
mod mcp {
    use super::exports::strongroom_test::mcp::mcp::*;
    use std::thread::sleep;
    use std::time::Duration;
    use strongroom_sdk::call::progress;

    struct Tool;
    super::export!(Tool with_types_in super);

    /// A PNG of one red pixel.
    const PIXEL: &[u8] = &[
        0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00,
        0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x02, 0x00, 0x00, 0x00, 0x90, 0x77, 0x53, 0xde, 0x00,
        0x00, 0x00, 0x0c, 0x49, 0x44, 0x41, 0x54, 0x08, 0xd7, 0x63, 0xf8, 0xcf, 0xc0, 0x00, 0x00, 0x03, 0x01,
        0x01, 0x00, 0x18, 0xdd, 0x8d, 0xb0, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60,
        0x82,
    ];
    /// A WAV of two silent samples.
    const SILENCE: &[u8] = b"RIFF\x28\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x04\0\0\0\0\0\0\0";

    fn pixel() -> Block {
        Block::Image(Media { data: PIXEL.into(), mime_type: "image/png".into() })
    }

    fn document(uri: &str, mime: &str, text: &str) -> Block {
        Block::Embedded(Embedded {
            uri: uri.into(),
            mime_type: Some(mime.into()),
            body: Body::Text(text.into()),
        })
    }

    impl Guest for Tool {
        fn simple_text() -> String {
            "This is a simple text response for testing.".into()
        }

        fn image() -> Vec<Block> {
            vec![pixel()]
        }

        fn audio() -> Vec<Block> {
            vec![Block::Audio(Media { data: SILENCE.into(), mime_type: "audio/wav".into() })]
        }

        fn document() -> Vec<Block> {
            vec![document("test://embedded-resource", "text/plain", "This is an embedded resource content.")]
        }

        fn place() -> Vec<Block> {
            vec![Block::Link(Link {
                uri: "https://docs.example/guide".into(),
                name: "guide".into(),
                title: None,
                description: Some("How it is done.".into()),
                mime_type: Some("text/html".into()),
                size: Some(1 << 60),
            })]
        }

        fn several() -> Result<Vec<Block>, String> {
            let mixed = document(
                "test://mixed-content-resource",
                "application/json",
                r#"{"test":"data","value":123}"#,
            );
            Ok(vec![Block::Text("Multiple content types test:".into()), pixel(), mixed])
        }

        fn fail() -> Result<String, String> {
            Err("This tool intentionally returns an error for testing".into())
        }

        fn work() -> String {
            for done in [0, 50, 100] {
                progress(done, Some(100), "");
                sleep(Duration::from_millis(80));
            }
            "worked".into()
        }
    }
}
