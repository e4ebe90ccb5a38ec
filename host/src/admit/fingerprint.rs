//! What makes two calls with one idempotency key the same call: equal arguments, whatever their spelling.
//!
//! Takes: the arguments' text. Gives: SHA-256 of their canonical JSON, and keys derived from it. May name: audit, id.
//!
//! Canonical is RFC 8785, which takes whole numbers beyond 2^53 for floating point, and so some that differ for one. For
//! calls they are not: a line with each of them follows the text.

use crate::audit::Entry;
use crate::id::{ActorId, Digest, FunctionName, TenantId};
use serde_json::Value;
use std::collections::BTreeMap;

/// The largest whole number up to which each has a floating point number of its own.
const EXACT: u64 = 1 << 53;

/// The fingerprint. Text that is not JSON is taken as it stands: such a call is refused later anyway.
pub(super) fn of(arguments: &str) -> [u8; 32] {
    let canonical = serde_json::from_str::<Value>(arguments).ok().and_then(|value| {
        let mut text = serde_json_canonicalizer::to_vec(&value).ok()?;
        large(&value, &mut text);
        Some(text)
    });
    *Digest::of(canonical.as_deref().unwrap_or(arguments.as_bytes())).as_bytes()
}

/// Appends the whole numbers beyond 2^53, in the order of the text.
fn large(value: &Value, to: &mut Vec<u8>) {
    match value {
        Value::Number(n) => {
            let size = n.as_u64().or_else(|| n.as_i64().map(i64::unsigned_abs));
            if size.is_some_and(|size| size > EXACT) {
                to.extend_from_slice(format!("\n{n}").as_bytes());
            }
        }
        Value::Array(items) => items.iter().for_each(|item| large(item, to)),
        Value::Object(members) => {
            // Two spellings of an object may differ in the order of its members.
            let members: BTreeMap<_, _> = members.iter().collect();
            members.values().for_each(|member| large(member, to));
        }
        _ => {}
    }
}

/// The key of a call that has none of its own. `arguments` is the host's keyed digest of the fingerprint, so this tells no
/// more than that does; and whoever has the log can see that a key was derived.
pub(crate) fn derived_key(
    tenant: &TenantId,
    actor: &ActorId,
    function: &FunctionName,
    arguments: &Digest,
) -> Digest {
    // None of the names can hold a line's end.
    let text = format!("strongroom derived key\n{tenant}\n{actor}\n{function}\n{arguments}");
    Digest::of(text.as_bytes())
}

/// Whether the key in an entry of a call is a derived one: it is made of what stands beside it.
pub(crate) fn is_derived(entry: &Entry) -> bool {
    let function = entry.action.strip_prefix("call ").and_then(|name| FunctionName::new(name).ok());
    match (&entry.tenant_id, &entry.actor_id, function, &entry.arguments) {
        (Some(tenant), Some(actor), Some(function), Some(arguments)) => {
            entry.idempotency_key == Some(derived_key(tenant, actor, &function, arguments))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{derived_key, of};
    use crate::id::{ActorId, Digest, FunctionName, TenantId};

    #[test]
    fn spelling_does_not_matter_and_values_do() {
        assert_eq!(of(r#"{"a":1,"b":"x"}"#), of("{ \"b\": \"\\u0078\", \"a\": 1.0 }"));
        assert_ne!(of(r#"{"a":1}"#), of(r#"{"a":2}"#));
        assert_ne!(of("{"), of("}"));
        for (one, other) in
            [("9007199254740993", "9007199254740992"), ("-9007199254740995", "-9007199254740996")]
        {
            assert_ne!(of(&format!(r#"{{"id":{one}}}"#)), of(&format!(r#"{{"id":{other}}}"#)), "{one}");
        }
        let (one, other) =
            (r#"{"a":[9007199254740993],"b":{"c":1}}"#, r#"{"b":{"c":1.0},"a":[9007199254740993]}"#);
        assert_eq!(of(one), of(other));
    }

    #[test]
    fn a_derived_key_is_of_tenant_actor_function_and_arguments() {
        let key = |tenant: &str, actor: &str, function: &str, arguments: &str| {
            let (tenant, actor) = (TenantId::new(tenant).unwrap(), ActorId::new(actor).unwrap());
            let function = FunctionName::new(function).unwrap();
            derived_key(&tenant, &actor, &function, &Digest::of(arguments.as_bytes()))
        };
        let one = key("acme", "kim", "orders.pay", "{}");
        assert_eq!(one, key("acme", "kim", "orders.pay", "{}"));
        for other in [
            key("globex", "kim", "orders.pay", "{}"),
            key("acme", "lee", "orders.pay", "{}"),
            key("acme", "kim", "orders.list", "{}"),
            key("acme", "kim", "orders.pay", "[]"),
        ] {
            assert_ne!(one, other);
        }
    }
}
