//! What makes two calls with one idempotency key the same call: equal arguments, whatever their spelling.
//!
//! Takes: the arguments' text. Gives: SHA-256 of their canonical JSON (RFC 8785). May name: id.

use crate::id::Digest;

/// The fingerprint. Text that is not JSON is taken as it stands: such a call is refused later anyway.
pub(super) fn of(arguments: &str) -> [u8; 32] {
    let canonical = serde_json::from_str::<serde_json::Value>(arguments)
        .ok()
        .and_then(|value| serde_json_canonicalizer::to_vec(&value).ok());
    *Digest::of(canonical.as_deref().unwrap_or(arguments.as_bytes())).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn spelling_does_not_matter_and_values_do() {
        assert_eq!(of(r#"{"a":1,"b":"x"}"#), of("{ \"b\": \"\\u0078\", \"a\": 1.0 }"));
        assert_ne!(of(r#"{"a":1}"#), of(r#"{"a":2}"#));
        assert_ne!(of("{"), of("}"));
    }
}
