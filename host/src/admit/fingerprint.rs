//! What makes two calls with one idempotency key the same call: equal arguments, whatever their spelling.
//!
//! Takes: the arguments' text. Gives: SHA-256 of their canonical JSON (RFC 8785), and keys derived from it. May name: audit, id.

use crate::audit::Entry;
use crate::id::{ActorId, Digest, FunctionName, TenantId};

/// The fingerprint. Text that is not JSON is taken as it stands: such a call is refused later anyway.
pub(super) fn of(arguments: &str) -> [u8; 32] {
    let canonical = serde_json::from_str::<serde_json::Value>(arguments)
        .ok()
        .and_then(|value| serde_json_canonicalizer::to_vec(&value).ok());
    *Digest::of(canonical.as_deref().unwrap_or(arguments.as_bytes())).as_bytes()
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
