//! `credentials.toml`: the tenants' secrets for the services that their tools call. Guests never see them.
//!
//! Takes: the file's text, the environment. Gives: [`Credentials`], [`Credential`], [`Secret`].
//! May name: id, authorize, powers.
//!
//! No message of this module quotes anything from the file or from the environment.

pub(crate) mod edit;
mod entry;
pub(crate) mod file;
mod injection;
pub(crate) mod seal;
mod secret;

use super::document::Document;
use super::error::{ConfigError, FileKind};
use super::names::CredentialHandle;
use crate::authorize::origin::OriginPattern;
use crate::id::TenantId;
use crate::powers::{Environment, NoEnvironment};
pub use entry::{CredentialEntry, CredentialSource};
pub use injection::Injection;
pub use secret::Secret;
use std::collections::BTreeMap;

/// What the host adds to the requests of one tenant to some origins.
#[derive(Debug, PartialEq, Eq)]
pub struct Credential {
    /// The tenant whose grants may name it.
    pub tenant: TenantId,
    /// The only origins that it is sent to.
    pub origins: Vec<OriginPattern>,
    /// Where in the request it is put; the header `authorization` if the file names no place.
    pub injection: Injection,
    /// The header's whole value, the parameter's value, or the password, at most 16 KiB. In a header: visible ASCII and
    /// inner spaces; elsewhere any text without control characters.
    pub value: Secret,
}

/// All credentials, by handle.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Credentials(BTreeMap<CredentialHandle, Credential>);

impl Credentials {
    /// Reads the text of `credentials.toml`, in which every value stands as it is. `file` is what messages call it.
    ///
    /// # Errors
    /// [`ConfigError`] with the line's number, for text that is no TOML, unknown keys, wrong types and bad values.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        Self::parse_with(file, text, &NoEnvironment)
    }

    /// Reads the text of `credentials.toml`; variables and the operator's key come from the environment. It is asked
    /// once, here, and only for what the file names.
    ///
    /// # Errors
    /// As [`Credentials::parse`], and for a variable that is not set, for sealed values without the operator's key, with
    /// another one, or that were sealed for another entry.
    pub fn parse_with(file: &str, text: &str, environment: &dyn Environment) -> Result<Self, ConfigError> {
        let document = Document::new(FileKind::Credentials, file, text)?;
        let mut keys = entry::Keys::default();
        let mut all = BTreeMap::new();
        for entry in entry::entries(&document)? {
            let (entry, value) = entry.open(&document, environment, &mut keys)?;
            let CredentialEntry { handle, tenant, origins, injection, .. } = entry;
            all.insert(handle, Credential { tenant, origins, injection, value });
        }
        Ok(Self(all))
    }

    /// What the text of `credentials.toml` says about each credential, in the order of the file. Asks for no value, so it
    /// needs neither key nor environment.
    ///
    /// # Errors
    /// [`ConfigError`] with the line's number, as [`Credentials::parse`].
    pub fn entries(file: &str, text: &str) -> Result<Vec<CredentialEntry>, ConfigError> {
        entry::entries(&Document::new(FileKind::Credentials, file, text)?)
    }

    /// What the home folder's `credentials.toml` says about each credential; nothing when there is no such file.
    ///
    /// # Errors
    /// As [`Credentials::entries`], and when the file cannot be read or others than its owner could read it.
    pub fn list(home: &cap_std::fs::Dir) -> Result<Vec<CredentialEntry>, ConfigError> {
        let text = super::load::read(home, FileKind::Credentials, file::FILE)?;
        text.map_or(Ok(Vec::new()), |text| Self::entries(file::FILE, &text))
    }

    /// Whether a variable of this name may hold a credential.
    pub(crate) fn is_variable(name: &str) -> bool {
        entry::is_variable(name)
    }

    /// The credential with this handle.
    #[must_use]
    pub fn get(&self, handle: &CredentialHandle) -> Option<&Credential> {
        self.0.get(handle)
    }

    /// All of them, in the order of their handles.
    pub fn iter(&self) -> impl Iterator<Item = (&CredentialHandle, &Credential)> {
        self.0.iter()
    }

    /// Adds one, for hosts that keep their secrets elsewhere; gives back the one that had the handle before.
    pub fn insert(&mut self, handle: CredentialHandle, credential: Credential) -> Option<Credential> {
        self.0.insert(handle, credential)
    }
}
