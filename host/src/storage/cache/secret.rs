//! Where an entry lies, and under which key: each tenant has a secret of its own, in a file of its own.
//!
//! Takes: a tenant's 48 random bytes. Gives: `Secret`. May name: id.
//!
//! The names of tenants, tools and keys stand nowhere on the disk, and values only sealed. So when a tenant's file is unlinked,
//! whatever sled still has of its entries in segments that it has not written over is noise.

use crate::id::{TenantId, ToolName};
use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use ring::hmac;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes of a secret: the tenant's prefix, and the root of its keys.
pub(super) const SECRET: usize = PREFIX + 32;
const PREFIX: usize = 16;
const TOOL: usize = 8;
const ENTRY: usize = 24;

/// What all of a tenant's entries begin with.
pub(super) type Prefix = [u8; PREFIX];
/// A tool of a tenant.
pub(super) type Tool = [u8; TOOL];
/// Where an entry lies: the tenant's prefix, the tool, and what became of the key.
pub(super) type Row = [u8; PREFIX + TOOL + ENTRY];

/// The prefix of a row.
pub(super) fn prefix_of(row: &Row) -> Prefix {
    row.first_chunk().copied().unwrap_or_default()
}

/// The tool of a row.
pub(super) fn tool_of(row: &Row) -> Tool {
    row.split_first_chunk::<PREFIX>().and_then(|(_, rest)| rest.first_chunk()).copied().unwrap_or_default()
}

/// Parts as one text that no other parts give: each with its length before it.
pub(super) fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let mut text = Vec::new();
    for part in parts {
        text.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        text.extend_from_slice(part);
    }
    text
}

/// A tenant's keys.
pub(super) struct Secret {
    prefix: Prefix,
    names: hmac::Key,
    pub(super) seal: LessSafeKey,
    /// Whether the tenant was deleted; nothing is written under it from then on.
    gone: AtomicBool,
}

impl Secret {
    pub(super) fn new(bytes: &[u8; SECRET]) -> Option<Self> {
        let (prefix, root) = bytes.split_first_chunk::<PREFIX>()?;
        let root = hmac::Key::new(hmac::HMAC_SHA256, root);
        let names = hmac::sign(&root, b"names of cached entries");
        let seal = hmac::sign(&root, b"cached values");
        Some(Self {
            prefix: *prefix,
            names: hmac::Key::new(hmac::HMAC_SHA256, names.as_ref()),
            seal: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, seal.as_ref()).ok()?),
            gone: AtomicBool::new(false),
        })
    }

    pub(super) fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::SeqCst)
    }

    pub(super) fn goes(&self) {
        self.gone.store(true, Ordering::SeqCst);
    }

    /// Where a tool's entry lies.
    pub(super) fn row(&self, tenant: &TenantId, tool: &ToolName, key: &str) -> Row {
        let (tenant, tool) = (tenant.as_str().as_bytes(), tool.as_str().as_bytes());
        let of_tool = hmac::sign(&self.names, &joined(&[tenant, tool]));
        let of_key = hmac::sign(&self.names, &joined(&[tenant, tool, key.as_bytes()]));
        let bytes = self.prefix.iter().chain(of_tool.as_ref().iter().take(TOOL)).chain(of_key.as_ref());
        let mut row = [0; PREFIX + TOOL + ENTRY];
        row.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        row
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn parts() -> impl Strategy<Value = Vec<Vec<u8>>> {
        vec(vec(prop_oneof![Just(0_u8), Just(1), Just(b'a'), Just(b'b')], 0..4), 3)
    }

    fn join(parts: &[Vec<u8>]) -> Vec<u8> {
        joined(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    proptest! {
        /// No encoding is the beginning of another one, so neither two tenants' nor two tools' keys can meet.
        #[test]
        fn names_are_prefix_free(a in parts(), b in parts()) {
            prop_assert_eq!(join(&a) == join(&b), a == b);
            prop_assert!(a == b || !join(&b).starts_with(&join(&a)));
        }

        #[test]
        fn a_row_belongs_to_its_tenant_and_its_tool(keys in vec("[a-c]{1,3}", 2), tools in vec("[a-c]{1,3}", 2), root in vec(any::<u8>(), SECRET)) {
            let secret = Secret::new(&root.clone().try_into().unwrap()).unwrap();
            let tenant = TenantId::new("acme").unwrap();
            let tool = |n: usize| ToolName::new(&tools[n]).unwrap();
            let (a, b) = (secret.row(&tenant, &tool(0), &keys[0]), secret.row(&tenant, &tool(1), &keys[1]));
            prop_assert_eq!(a == b, keys[0] == keys[1] && tools[0] == tools[1]);
            prop_assert_eq!(tool_of(&a) == tool_of(&b), tools[0] == tools[1]);
            prop_assert_eq!((prefix_of(&a), &a[..16]), (*secret.prefix(), &root[..16]));
        }
    }
}
