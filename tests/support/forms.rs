//! The forms in which a text could be seen somewhere.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::fmt::Write as _;

/// The forms in which a text could be seen.
pub fn forms(text: &str) -> Vec<(&'static str, String)> {
    let percent = |kept: &str| {
        text.bytes().fold(String::new(), |mut whole, byte| {
            let keep = byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte);
            if keep {
                whole.push(char::from(byte))
            } else {
                write!(whole, "%{byte:02X}").unwrap()
            }
            whole
        })
    };
    let lower = |text: String| {
        text.split('%').enumerate().fold(String::new(), |whole, (place, piece)| match place {
            0 => piece.to_owned(),
            _ => format!("{whole}%{}{}", piece[..2].to_lowercase(), &piece[2..]),
        })
    };
    let mut forms = vec![
        ("raw", text.to_owned()),
        ("hex", hex::encode(text)),
        ("HEX", hex::encode_upper(text)),
        ("url", percent("-._~")),
        ("url, lower case", lower(percent("-._~"))),
        ("form", percent("-._*").replace("%20", "+")),
        ("component", percent("-_.!~*'()")),
        ("json", serde_json::to_string(text).unwrap().trim_matches('"').to_owned()),
        ("html", text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")),
    ];
    for offset in 0..3 {
        let padded = format!("{}{text}", "x".repeat(offset));
        let whole = padded.len() / 3 * 4;
        for (name, engine) in [("base64", &STANDARD_NO_PAD), ("base64url", &URL_SAFE_NO_PAD)] {
            // The first and the last characters depend on what stands beside it.
            forms.push((
                name,
                engine.encode(&padded)[if offset == 0 { 0 } else { offset + 1 }..whole].to_owned(),
            ));
        }
    }
    forms
}
