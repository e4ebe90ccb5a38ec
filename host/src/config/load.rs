//! All files of a home folder, read and checked against each other.
//!
//! Takes: the home folder, the environment. Gives: [`Settings`]. May name: id, powers.
//!
//! ```text
//! strongroom.toml      the operator's settings; may be missing
//! prices.toml          what calls cost; may be missing
//! credentials.toml     secrets, mode 0600; may be missing
//! <name>.secret        what signs alerts, mode 0600; if the operator's settings name it
//! tenants/<id>.toml    one per tenant; no such folder: the single tenant `default`
//! policies/<id>.cedar  what narrows a tenant's rules further; may be missing
//! ```

use super::alerts::{self, Webhook};
use super::check;
use super::credentials::Credentials;
use super::document::{self, Document, MAX_FILE_BYTES};
use super::error::{ConfigError, ConfigErrors, FileKind};
use super::host::HostConfig;
use super::policies;
use super::prices::Prices;
use super::tenant::Tenant;
use crate::id::TenantId;
use crate::powers::{Environment, NoEnvironment};
use cap_std::fs::{Dir, File};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The operator's file.
pub(super) const HOST: &str = "strongroom.toml";
/// The file with the prices.
const PRICES: &str = "prices.toml";

/// Everything that the operator has configured.
#[derive(Debug, PartialEq, Eq)]
pub struct Settings {
    /// The host's own settings.
    pub host: HostConfig,
    /// The tenants, by id.
    pub tenants: BTreeMap<TenantId, Arc<Tenant>>,
    /// What calls cost.
    pub prices: Prices,
    /// The tenants' credentials.
    pub credentials: Credentials,
    /// Where budget alerts are sent, as `host.alerts` says, with the secret that signs them.
    pub webhook: Option<Webhook>,
    /// Whether no tenants are configured, so that the only one is `default` and callers need no key.
    pub single_tenant: bool,
}

impl Settings {
    /// A host without any files: the single tenant `default`, no credentials, all defaults.
    #[must_use]
    pub fn single() -> Self {
        let tenant = Tenant::single();
        Self {
            host: HostConfig::default(),
            tenants: BTreeMap::from([(tenant.id.clone(), Arc::new(tenant))]),
            prices: Prices::default(),
            credentials: Credentials::default(),
            webhook: None,
            single_tenant: true,
        }
    }

    /// Reads all files of the home folder, in which every credential stands as it is. Nothing is taken over unless every
    /// file is right.
    ///
    /// # Errors
    /// Every fault that was found in any of the files.
    pub fn load(home: &Dir) -> Result<Self, ConfigErrors> {
        Self::load_with(home, &NoEnvironment)
    }

    /// Reads all files of the home folder. Credentials may also be in variables of the environment, or sealed with the
    /// operator's key. Nothing is taken over unless every file is right.
    ///
    /// # Errors
    /// Every fault that was found in any of the files.
    pub fn load_with(home: &Dir, environment: &dyn Environment) -> Result<Self, ConfigErrors> {
        let mut faults = Vec::new();
        let mut settings = Self::single();
        match read(home, FileKind::Host, HOST).and_then(|text| match text {
            Some(text) => read_host(&text, home, environment),
            None => Ok((HostConfig::default(), None)),
        }) {
            Ok((host, webhook)) => (settings.host, settings.webhook) = (host, webhook),
            Err(fault) => faults.push(fault),
        }
        match read(home, FileKind::Prices, PRICES).and_then(|text| match text {
            Some(text) => Prices::parse(PRICES, &text),
            None => Ok(Prices::default()),
        }) {
            Ok(prices) => settings.prices = prices,
            Err(fault) => faults.push(fault),
        }
        // Without credentials every grant that names one would be a second fault of the same cause.
        let mut credentials_known = true;
        match read(home, FileKind::Credentials, "credentials.toml").and_then(|text| match text {
            Some(text) => Credentials::parse_with("credentials.toml", &text, environment),
            None => Ok(Credentials::default()),
        }) {
            Ok(credentials) => settings.credentials = credentials,
            Err(fault) => {
                credentials_known = false;
                faults.push(fault);
            }
        }
        let names = files(home, FileKind::Tenant, "tenants", ".toml")?;
        // An empty folder is a host without tenants, where nobody may call: when its last tenant leaves, it does not stop
        // to ask for keys.
        if !names.is_empty() || home.exists("tenants") {
            settings.single_tenant = false;
            settings.tenants.clear();
        }
        // Equal texts are equal rules, and of many tenants most have those of a few plans.
        let mut rules = HashMap::new();
        for name in &names {
            match read_tenant(home, name) {
                Ok((mut tenant, document)) => {
                    tenant.rules = rules.entry(tenant.digest).or_insert(tenant.rules).clone();
                    check::limits(&document, &tenant, &settings.host, &mut faults);
                    if credentials_known {
                        check::credentials(&document, &tenant, &settings.credentials, &mut faults);
                    }
                    settings.tenants.insert(tenant.id.clone(), Arc::new(tenant));
                }
                Err(fault) => faults.push(fault),
            }
        }
        policies::load(home, &names, &mut settings, &mut faults)?;
        ConfigErrors::none_of(faults)?;
        Ok(settings)
    }
}

/// The names of a folder's files with this end, sorted. Other files there are nobody's business.
pub(super) fn files(home: &Dir, kind: FileKind, folder: &str, end: &str) -> Result<Vec<String>, ConfigError> {
    let unreadable = |error: io::Error| {
        let fix = "make it a folder that the host may read, or remove it";
        ConfigError::of_file(kind, folder, format!("cannot be read: {error}"), fix)
    };
    let entries = match home.read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(unreadable)?.file_name();
        let name = name.to_string_lossy();
        // Editors leave hidden files behind (`.#acme.toml`), which are no tenants.
        if name.ends_with(end) && !name.starts_with('.') {
            names.push(name.into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn read_host(
    text: &str,
    home: &Dir,
    environment: &dyn Environment,
) -> Result<(HostConfig, Option<Webhook>), ConfigError> {
    let document = Document::new(FileKind::Host, HOST, text)?;
    let host = HostConfig::read(&document)?;
    let webhook = host.alerts.as_ref().map(|rule| alerts::open(&document, rule, home, environment));
    let webhook = webhook.transpose()?;
    Ok((host, webhook))
}

fn read_tenant(home: &Dir, name: &str) -> Result<(Tenant, Document), ConfigError> {
    let file = format!("tenants/{name}");
    let id = TenantId::new(name.strip_suffix(".toml").unwrap_or(name)).map_err(|_| {
        let fix = "a tenant's file is tenants/<id>.toml: 1 to 63 lower-case letters, digits, '-' and '_'";
        ConfigError::of_file(FileKind::Tenant, &file, "the file's name is not a tenant's id", fix)
    })?;
    let text = read(home, FileKind::Tenant, &file)?.ok_or_else(|| {
        ConfigError::of_file(FileKind::Tenant, &file, "the file has just disappeared", "load again")
    })?;
    let document = Document::new(FileKind::Tenant, &file, &text)?;
    Ok((Tenant::read(id, &document)?, document))
}

/// The text of a file, `None` if there is none. The text is wiped when dropped: it may hold secrets.
pub(super) fn read(home: &Dir, kind: FileKind, name: &str) -> Result<Option<Zeroizing<String>>, ConfigError> {
    let unreadable = |error: io::Error| {
        let fix = "make it a file in the home folder that the host may read";
        ConfigError::of_file(kind, name, format!("cannot be read: {error}"), fix)
    };
    let metadata = match home.metadata(name) {
        Ok(metadata) => metadata,
        // A link that leads nowhere is a mistake; no entry at all is not.
        Err(error) if error.kind() == io::ErrorKind::NotFound && home.symlink_metadata(name).is_err() => {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(error)),
    };
    // Opening a named pipe would wait for its other end.
    if !metadata.is_file() {
        return Err(ConfigError::of_file(kind, name, "is not a file", "put a file there, or remove it"));
    }
    let file = home.open(name).map_err(unreadable)?;
    if kind == FileKind::Credentials {
        private(name, &file)?;
    }
    let expected = usize::try_from(metadata.len()).unwrap_or(MAX_FILE_BYTES).min(MAX_FILE_BYTES);
    // Room for all of it at once: a buffer that grows would leave copies behind that are not wiped.
    let mut bytes = Zeroizing::new(Vec::with_capacity(expected + 64));
    let limit = u64::try_from(MAX_FILE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MAX_FILE_BYTES {
        return Err(document::too_long(kind, name));
    }
    let not_text = |_| ConfigError::of_file(kind, name, "is not UTF-8 text", "save it as UTF-8");
    String::from_utf8(std::mem::take(&mut *bytes)).map(|text| Some(Zeroizing::new(text))).map_err(not_text)
}

/// Refuses a file that others than its owner may read or write.
#[cfg(unix)]
fn private(name: &str, file: &File) -> Result<(), ConfigError> {
    use cap_std::fs::MetadataExt;
    let metadata = file.metadata().map_err(|error| {
        let fix = "make it a file in the home folder that the host may read";
        ConfigError::of_file(FileKind::Credentials, name, format!("cannot be read: {error}"), fix)
    })?;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let what = format!("has mode {mode:04o}: others than its owner can read or change it");
    Err(ConfigError::of_file(
        FileKind::Credentials,
        name,
        what,
        format!("run `chmod 600 {name}`, and change the secrets if others could have read them"),
    ))
}

/// Other systems have no mode; their access lists are the operator's.
#[cfg(not(unix))]
fn private(_name: &str, _file: &File) -> Result<(), ConfigError> {
    Ok(())
}

#[cfg(test)]
mod tests;
