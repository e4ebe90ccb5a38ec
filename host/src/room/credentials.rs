//! The tenants' credentials as the operator changes them: set, rotated, removed, sealed. Every change is in the book,
//! before it is in force, and never a value.
//!
//! Takes: orders of whoever holds the home folder. Gives: another `credentials.toml`. May name: authorize, config,
//! id, powers, reason.

use super::{OperateError, Strongroom};
use crate::authorize::origin::OriginPattern;
use crate::config::credentials::edit::{Change, Written, edit};
use crate::config::credentials::file::{CredentialsFile, FILE};
use crate::config::{
    ConfigError, ConfigErrors, CredentialEntry, CredentialHandle, Credentials, Injection, KeyRing, Secret,
    Settings,
};
use crate::id::TenantId;
use crate::moment::utc;
use crate::reason::Reason;
use std::io;
use zeroize::Zeroizing;

/// Why credentials were not changed. No message quotes a value.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum CredentialError {
    /// The file is not valid as it is.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] ConfigError),
    /// There is no such credential.
    #[error("there is no credential `{0}` in credentials.toml")]
    Unknown(CredentialHandle),
    /// The value does not fit its place, or the variable's name is none.
    #[error("the value {0}")]
    #[diagnostic(help("{1}"))]
    Value(&'static str, &'static str),
    /// The operator's key is missing or is none.
    #[error("the operator's key cannot be used: {0}")]
    #[diagnostic(help(
        "make one with `strongroom credential keygen FILE`, and set STRONGROOM_OPERATOR_KEY_FILE to the file"
    ))]
    Key(String),
    /// A sealed value was not opened.
    #[error("the value of `{0}` cannot be opened: it {1}")]
    #[diagnostic(help("give the host the key that it was sealed with, or set the credential again"))]
    Sealed(CredentialHandle, String),
    /// The file could not be written, or the system gave no randomness.
    #[error("credentials.toml cannot be changed: {0}")]
    Io(#[from] io::Error),
}

impl CredentialError {
    /// The stable word for it.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Io(_) => Reason::StorageUnavailable,
            Self::File(_) | Self::Unknown(_) | Self::Value(..) | Self::Key(_) | Self::Sealed(..) => {
                Reason::ConfigInvalid
            }
        }
    }
}

/// A credential as the operator sets it.
#[derive(Debug)]
pub struct NewCredential {
    /// The tenant whose grants may name it.
    pub tenant: TenantId,
    /// The only origins that it is sent to, at least one.
    pub origins: Vec<OriginPattern>,
    /// Where in the request it is put.
    pub injection: Injection,
    /// The value.
    pub value: NewValue,
}

/// A credential's value, or where the host finds it.
#[derive(Debug)]
pub enum NewValue {
    /// The value itself. It is sealed when there is an operator's key, and otherwise written as it is.
    Secret(Secret),
    /// A variable of the host's environment.
    Variable(String),
}

impl Strongroom {
    /// Reads the home folder's files again, as the host did when it was built. Nothing changes until
    /// [`Strongroom::apply`].
    ///
    /// # Errors
    /// Every fault in any of the files.
    pub fn read_settings(&self) -> Result<Settings, ConfigErrors> {
        Settings::load_with(&self.room.home, &*self.room.environment)
    }

    /// Makes a credential, or replaces the one that has the handle. Gives whether it was sealed. It is in force after the
    /// next reload.
    ///
    /// # Errors
    /// [`CredentialError`], or when the book cannot be written; nothing was changed then.
    pub async fn set_credential(
        &self,
        handle: &CredentialHandle,
        new: NewCredential,
    ) -> Result<bool, OperateError> {
        let NewCredential { tenant, origins, injection, value } = new;
        if origins.is_empty() {
            let fix = "name at least one origin that it may be sent to";
            return Err(CredentialError::Value("is for no origin", fix).into());
        }
        let ring = self.ring()?;
        let file = CredentialsFile::open(&self.room.home).map_err(CredentialError::from)?;
        let written = self.written(handle, (&tenant, &origins, &injection), value, ring.as_ref())?;
        let changed = utc(self.room.clock.unix_ms());
        let (origins, injection) = (origins.as_slice(), &injection);
        let set = Change::Set { tenant: &tenant, origins, injection, value: &written, changed: &changed };
        let text = edit(FILE, file.text(), handle, &set).map_err(CredentialError::from)?;
        self.replace(file, &text, &format!("credential.set {handle}"), Some(&tenant)).await?;
        Ok(matches!(written, Written::Sealed(_)))
    }

    /// Replaces a credential's value alone. Gives whether it was sealed. Calls that run go on with the old one; it is in
    /// force after the next reload.
    ///
    /// # Errors
    /// As [`Strongroom::set_credential`], and [`CredentialError::Unknown`].
    pub async fn rotate_credential(
        &self,
        handle: &CredentialHandle,
        value: NewValue,
    ) -> Result<bool, OperateError> {
        let ring = self.ring()?;
        let file = CredentialsFile::open(&self.room.home).map_err(CredentialError::from)?;
        let entry = entry(&file, handle)?;
        let bound = (&entry.tenant, entry.origins.as_slice(), &entry.injection);
        let value = self.written(handle, bound, value, ring.as_ref())?;
        let changed = utc(self.room.clock.unix_ms());
        let change = Change::Value { value: &value, changed: Some(&changed) };
        let text = edit(FILE, file.text(), handle, &change).map_err(CredentialError::from)?;
        self.replace(file, &text, &format!("credential.rotate {handle}"), Some(&entry.tenant)).await?;
        Ok(matches!(value, Written::Sealed(_)))
    }

    /// Takes a credential out. Grants that still name it are a fault at the next reload.
    ///
    /// # Errors
    /// As [`Strongroom::rotate_credential`].
    pub async fn remove_credential(&self, handle: &CredentialHandle) -> Result<(), OperateError> {
        let file = CredentialsFile::open(&self.room.home).map_err(CredentialError::from)?;
        let entry = entry(&file, handle)?;
        let text = edit(FILE, file.text(), handle, &Change::Remove).map_err(CredentialError::from)?;
        self.replace(file, &text, &format!("credential.remove {handle}"), Some(&entry.tenant)).await
    }

    /// Seals, in place, every value that stands in the file as it is; with `again` also those that were sealed with an
    /// older key than the first one. Gives which they were; times of change stay.
    ///
    /// # Errors
    /// [`CredentialError::Key`] without an operator's key; otherwise as [`Strongroom::set_credential`].
    pub async fn seal_credentials(&self, again: bool) -> Result<Vec<CredentialHandle>, OperateError> {
        let ring = self.ring()?.ok_or_else(|| CredentialError::Key("there is none".to_owned()))?;
        let file = CredentialsFile::open(&self.room.home).map_err(CredentialError::from)?;
        let mut text = Zeroizing::new(file.text().to_owned());
        let mut done = Vec::new();
        for entry in Credentials::entries(FILE, file.text()).map_err(CredentialError::from)? {
            let Some(secret) = entry
                .to_seal(&ring, again)
                .map_err(|why| CredentialError::Sealed(entry.handle.clone(), why.to_string()))?
            else {
                continue;
            };
            let sealed = ring.seal(entry.bound(), secret.expose(), &*self.room.entropy);
            let value = Written::Sealed(sealed.map_err(CredentialError::from)?);
            let change = Change::Value { value: &value, changed: None };
            text = edit(FILE, &text, &entry.handle, &change).map_err(CredentialError::from)?;
            done.push(entry.handle);
        }
        if !done.is_empty() {
            let names: Vec<_> = done.iter().map(ToString::to_string).collect();
            let act = format!("credential.{} {}", if again { "rekey" } else { "seal" }, names.join(" "));
            self.replace(file, &text, &act, None).await?;
        }
        Ok(done)
    }

    /// The operator's keys; `None` when there are none.
    fn ring(&self) -> Result<Option<KeyRing>, CredentialError> {
        let text = self.room.environment.operator_key();
        let text = text.map_err(|error| CredentialError::Key(error.to_string()))?;
        let ring = text.map(|text| KeyRing::parse(&text)).transpose();
        ring.map_err(|error| CredentialError::Key(error.to_string()))
    }

    fn written(
        &self,
        handle: &CredentialHandle,
        (tenant, origins, injection): (&TenantId, &[OriginPattern], &Injection),
        value: NewValue,
        ring: Option<&KeyRing>,
    ) -> Result<Written, CredentialError> {
        let secret = match value {
            NewValue::Secret(secret) => secret,
            NewValue::Variable(name) if Credentials::is_variable(&name) => {
                return Ok(Written::Variable(name));
            }
            NewValue::Variable(_) => {
                let fix = "use letters, digits and '_'; names that begin with STRONGROOM_ are the host's own";
                return Err(CredentialError::Value(
                    "is to come from a variable whose name is not valid",
                    fix,
                ));
            }
        };
        if let Some((what, fix)) = injection.refuses(secret.expose()) {
            return Err(CredentialError::Value(what, fix));
        }
        let bound = crate::config::credentials::seal::Bound { handle, tenant, origins, injection };
        Ok(match ring {
            Some(ring) => Written::Sealed(ring.seal(bound, secret.expose(), &*self.room.entropy)?),
            None => Written::Plain(Zeroizing::new(secret.expose().to_owned())),
        })
    }

    /// The new text is on the disk, then the change is in the book, then it takes the file's place.
    async fn replace(
        &self,
        file: CredentialsFile,
        text: &str,
        act: &str,
        tenant: Option<&TenantId>,
    ) -> Result<(), OperateError> {
        let staged = file.stage(text).map_err(CredentialError::from)?;
        self.enter(act, tenant, Reason::Ok, None).await?;
        if let Err(error) = staged.commit() {
            self.enter(act, tenant, Reason::StorageUnavailable, None).await?;
            return Err(CredentialError::from(error).into());
        }
        Ok(())
    }
}

fn entry(file: &CredentialsFile, handle: &CredentialHandle) -> Result<CredentialEntry, CredentialError> {
    let all = Credentials::entries(FILE, file.text())?;
    let found = all.into_iter().find(|entry| entry.handle == *handle);
    found.ok_or_else(|| CredentialError::Unknown(handle.clone()))
}
