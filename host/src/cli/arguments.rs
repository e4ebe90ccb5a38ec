//! What several commands take: JSON arguments, API keys and access tokens, components and their manifests.
//!
//! Takes: words of the command line. Gives: texts and bytes. May name: World.

use super::Failure;
use crate::World;
use std::io;
use std::path::{Path, PathBuf};
use strongroom::identify::Credential;
use zeroize::Zeroizing;

/// Longest arguments, in bytes; the host has its own limit on values below this.
const ARGUMENTS: u64 = 64 << 20;
/// Largest component that is read at all, in bytes: what an operator can allow at most.
const COMPONENT: u64 = 256 << 20;
/// Longest manifest, in bytes.
const MANIFEST: u64 = 1 << 20;
/// Longest API key, in bytes.
const KEY: u64 = 4096;
/// Longest file with an access token, in bytes; the host takes 16 KiB of token.
const TOKEN: u64 = 64 * 1024;

/// The arguments of a call: the text itself, `@file`, or `-` for stdin.
pub(crate) fn json(text: &str, world: &World) -> Result<String, Failure> {
    let bytes = match (text, text.strip_prefix('@')) {
        ("-", _) => world.stdin(ARGUMENTS)?,
        (_, Some(file)) => world.file(Path::new(file), ARGUMENTS)?,
        _ => return Ok(text.to_owned()),
    };
    String::from_utf8(bytes).map_err(|_| Failure::usage("the arguments are not UTF-8 text"))
}

/// Where the caller's API key or access token is.
#[derive(Debug, clap::Args)]
pub(crate) struct Key {
    /// Read the API key from a file, `-` for stdin [default: the environment's STRONGROOM_KEY]
    #[arg(long, value_name = "FILE", conflicts_with = "token_file")]
    key_file: Option<PathBuf>,
    /// Read an access token of one of the host's issuers from a file, `-` for stdin [default: the environment's
    /// STRONGROOM_TOKEN]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// What the caller has.
pub(crate) enum Own {
    Key(Zeroizing<String>),
    Token(Zeroizing<String>),
}

impl Key {
    /// The key or the token, if there is one. A file that is named counts before the environment.
    pub(crate) fn read(&self, world: &World) -> Result<Option<Own>, Failure> {
        match (&self.key_file, &self.token_file) {
            (Some(file), _) => Ok(Some(Own::Key(secret(file, world, KEY, "API key")?))),
            (None, Some(file)) => Ok(Some(Own::Token(secret(file, world, TOKEN, "access token")?))),
            (None, None) => match (world.key()?, world.token()?) {
                (Some(_), Some(_)) => {
                    let what =
                        "STRONGROOM_KEY and STRONGROOM_TOKEN are both set, and one caller has one credential";
                    Err(Failure::usage(what).help("unset one of them"))
                }
                (key, token) => Ok(key.map(Own::Key).or(token.map(Own::Token))),
            },
        }
    }
}

fn secret(file: &Path, world: &World, most: u64, what: &str) -> Result<Zeroizing<String>, Failure> {
    let bytes = Zeroizing::new(match file.as_os_str() == "-" {
        true => world.stdin(most)?,
        false => world.file(file, most)?,
    });
    // An empty file is a credential that opens nothing, and never none at all.
    let text =
        std::str::from_utf8(&bytes).map_err(|_| Failure::usage(format!("{}: no {what}", file.display())))?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// What a request shows for itself.
pub(crate) fn credential(own: Option<&Own>) -> Credential<'_> {
    match own {
        None => Credential::None,
        Some(Own::Key(key)) => Credential::ApiKey(key),
        Some(Own::Token(token)) => Credential::Bearer(token),
    }
}

/// A component file and the manifest that stands beside it.
#[derive(Debug)]
pub(crate) struct Component {
    pub(crate) bytes: Vec<u8>,
    pub(crate) beside: Option<String>,
}

impl Component {
    /// Reads the component, and the manifest that is named, or else `<name>.tool.toml` beside it.
    pub(crate) fn read(path: &Path, manifest: Option<&Path>, world: &World) -> Result<Self, Failure> {
        let bytes = world.file(path, COMPONENT)?;
        let beside = match manifest {
            Some(manifest) => Some(text(world.file(manifest, MANIFEST)?, manifest)?),
            None => beside(path, world)?,
        };
        Ok(Self { bytes, beside })
    }
}

fn beside(component: &Path, world: &World) -> Result<Option<String>, Failure> {
    let path = component.with_extension("tool.toml");
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default();
    match world.folder(folder)?.symlink_metadata(name) {
        Ok(_) => Ok(Some(text(world.file(&path, MANIFEST)?, &path)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::file(&path, &error)),
    }
}

fn text(bytes: Vec<u8>, path: &Path) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|_| Failure::usage(format!("{}: not UTF-8 text", path.display())))
}
