//! Compiled components on disk, loaded only when their seal is whole.
//!
//! Loading compiled code is the one thing in this project that the language cannot check: wasmtime runs the bytes it
//! is given. So it stands alone in this crate, and bytes reach the engine only after their HMAC-SHA-256, made with a
//! key that only the host holds, was verified. A file that was changed, cut or made by somebody else is refused and
//! compiled anew.

#![deny(missing_docs, unreachable_pub)]

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::fmt;
use wasmtime::Engine;
use wasmtime::component::Component;

/// First bytes of a sealed file: what it is and the version of the layout.
const MAGIC: &[u8; 8] = b"srcwasm1";
const TAG: usize = 32;

/// Why a sealed file was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file is too short, of another kind, or its seal does not fit its content.
    #[error("the compiled component is damaged or was not made by this host")]
    Broken,
    /// The seal is whole and the engine still refuses: another version or other settings made it.
    #[error("the compiled component was made by another version of the engine: {0}")]
    Engine(wasmtime::Error),
}

/// The host's key for compiled code.
#[derive(Clone)]
pub struct Sealer(Hmac<Sha256>);

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer")
    }
}

impl Sealer {
    /// A sealer with a key of 32 bytes that never leaves the host.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        // HMAC takes keys of every length; a block-sized one cannot fail and needs no hashing.
        let mut block = [0_u8; 64];
        for (to, from) in block.iter_mut().zip(key) {
            *to = *from;
        }
        Self(Hmac::new(&block.into()))
    }

    /// Seals what `Engine::precompile_component` gave.
    #[must_use]
    pub fn seal(&self, compiled: &[u8]) -> Vec<u8> {
        let tag = self.0.clone().chain_update(MAGIC).chain_update(compiled).finalize().into_bytes();
        [MAGIC.as_slice(), tag.as_slice(), compiled].concat()
    }

    /// Loads a sealed component.
    ///
    /// # Errors
    /// [`LoadError::Broken`] when a byte is wrong, [`LoadError::Engine`] when another engine made it. Both mean:
    /// compile it again from the component's own bytes.
    pub fn load(&self, engine: &Engine, sealed: &[u8]) -> Result<Component, LoadError> {
        let rest = sealed.strip_prefix(MAGIC).ok_or(LoadError::Broken)?;
        let (tag, compiled) = rest.split_at_checked(TAG).ok_or(LoadError::Broken)?;
        let seal = self.0.clone().chain_update(MAGIC).chain_update(compiled);
        seal.verify_slice(tag).map_err(|_| LoadError::Broken)?;
        // SAFETY: `deserialize` needs bytes that `serialize` or `precompile_component` made, unchanged. The seal shows
        // that this host made them and that no byte differs; the engine itself checks its version and settings.
        #[expect(unsafe_code, reason = "loading compiled code is what this crate exists for")]
        unsafe { Component::deserialize(engine, compiled) }.map_err(LoadError::Engine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_byte_anywhere_and_a_foreign_key_are_refused() {
        let engine = Engine::default();
        let compiled = engine.precompile_component(b"\0asm\x0d\0\x01\0").unwrap();
        let sealer = Sealer::new(&[7; 32]);
        let sealed = sealer.seal(&compiled);
        assert!(sealer.load(&engine, &sealed).is_ok());
        assert!(matches!(Sealer::new(&[8; 32]).load(&engine, &sealed), Err(LoadError::Broken)));
        for at in (0..sealed.len()).step_by(sealed.len() / 200) {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert!(matches!(sealer.load(&engine, &bad), Err(LoadError::Broken)), "byte {at}");
        }
        for cut in [0, 7, 8, 39, 40, sealed.len() - 1] {
            assert!(matches!(sealer.load(&engine, &sealed[..cut]), Err(LoadError::Broken)), "cut at {cut}");
        }
    }
}
