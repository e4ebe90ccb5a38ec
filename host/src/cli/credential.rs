//! `credential`: the tenants' secrets for their services are set, rotated, sealed and listed, and never shown.
//!
//! Takes: orders of the operator, secrets from stdin, a file or the environment. Gives: another `credentials.toml`, and a
//! list without values. May name: the library, World.

use super::out::Table;
use super::{Failure, Out, host, prompt};
use crate::World;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use strongroom::authorize::origin::OriginPattern;
use strongroom::config::{
    CredentialEntry, CredentialHandle, Credentials, Injection, KeyRing, QueryName, Secret, Settings, UserName,
};
use strongroom::id::TenantId;
use strongroom::powers::SystemEntropy;
use strongroom::{CredentialError, NewCredential, NewValue, OperateError, Strongroom};
use zeroize::Zeroizing;

/// Longest secret that is read, in bytes; the host has its own limit below this.
const SECRET: u64 = 64 << 10;
/// Shorter secrets are not looked for in answers.
const SHORT: usize = 6;

/// Set, rotate, seal and list the credentials that the host adds to tools' requests
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// List the credentials, without their values
    List {
        /// Only those of one tenant
        #[arg(long, value_name = "TENANT")]
        tenant: Option<TenantId>,
    },
    /// Make a credential, or replace the one of this name
    ///
    /// The secret comes from stdin (on a terminal it is asked for, and not shown) or from where --from-file or --from-env say. It is sealed when there is an operator's key.
    Set {
        /// The name by which grants refer to it
        #[arg(value_name = "HANDLE", value_parser = handle)]
        handle: CredentialHandle,
        /// The tenant whose grants may name it
        #[arg(long, value_name = "TENANT")]
        tenant: TenantId,
        /// Where it may be sent, `https://api.example.com` or `https://*.example.com`; several times for several
        #[arg(long = "origin", value_name = "ORIGIN", required = true, value_parser = |t: &str| OriginPattern::parse(t).map_err(|e| e.to_string()))]
        origins: Vec<OriginPattern>,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        from: From,
    },
    /// Replace the value of a credential alone; calls that run go on with the old one
    Rotate {
        /// Its name
        #[arg(value_name = "HANDLE", value_parser = handle)]
        handle: CredentialHandle,
        #[command(flatten)]
        from: From,
    },
    /// Remove a credential
    Remove {
        /// Its name
        #[arg(value_name = "HANDLE", value_parser = handle)]
        handle: CredentialHandle,
    },
    /// Encrypt, in place, the values that stand in credentials.toml as they are
    Seal,
    /// Encrypt sealed values again with the first of the operator's keys; the key that sealed them must be among the others
    Rekey,
    /// Make an operator's key, for STRONGROOM_OPERATOR_KEY_FILE
    Keygen {
        /// Write it to a new file (mode 0600) instead of stdout
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

/// Where in the request it is put.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub(crate) struct Place {
    /// As this header's whole value [default: authorization]
    #[arg(long, value_name = "NAME", value_parser = |t: &str| Injection::header(t).ok_or("no header that could carry a credential"))]
    header: Option<Injection>,
    /// As this parameter of the query
    #[arg(long, value_name = "NAME", value_parser = |t: &str| QueryName::new(t).map_err(|e| e.to_string()))]
    query: Option<QueryName>,
    /// As the password of this user, in basic authentication
    #[arg(long, value_name = "USER", value_parser = |t: &str| UserName::new(t).map_err(|e| e.to_string()))]
    basic: Option<UserName>,
}

/// Where the secret comes from.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub(crate) struct From {
    /// Read the secret from a file, `-` for stdin; one line break at its end does not belong to it
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
    /// Read the secret from this variable, now
    #[arg(long, value_name = "NAME")]
    from_env: Option<String>,
    /// Keep no secret: the host reads this variable whenever it loads its settings
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
}

fn handle(text: &str) -> Result<CredentialHandle, String> {
    CredentialHandle::new(text).map_err(|error| error.to_string())
}

impl Place {
    fn injection(self) -> Injection {
        let query = self.query.map(Injection::Query);
        self.header.or(query).or(self.basic.map(Injection::Basic)).unwrap_or_default()
    }
}

impl From {
    fn value(self, world: &World, out: &Out) -> Result<NewValue, Failure> {
        let text = match (self.from_file, self.from_env, self.env) {
            (_, _, Some(name)) => return Ok(NewValue::Variable(name)),
            (_, Some(name), None) => world.secret_variable(&name)?,
            (Some(path), None, None) if path != Path::new("-") => line(world.file(&path, SECRET)?)?,
            (path, None, None) => match path.is_none() && world.is_terminal() {
                true => prompt::hidden("secret")?,
                false => line(world.stdin(SECRET)?)?,
            },
        };
        if text.len() < SHORT {
            out.note(format!(
                "a secret of less than {SHORT} bytes is not looked for in what services answer"
            ));
        }
        Ok(NewValue::Secret(Secret::new(text.to_string())))
    }
}

/// The text without the one line break that an editor or `echo` puts at its end.
fn line(bytes: Vec<u8>) -> Result<Zeroizing<String>, Failure> {
    let bytes = Zeroizing::new(bytes);
    let text = std::str::from_utf8(&bytes).map_err(|_| Failure::usage("the secret is not UTF-8 text"))?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    Ok(Zeroizing::new(text.to_owned()))
}

pub(crate) async fn run(action: Action, world: &World, out: &Out) -> Result<(), Failure> {
    match action {
        Action::List { tenant } => list(tenant.as_ref(), world, out),
        Action::Keygen { file } => keygen(file.as_deref(), world, out),
        Action::Set { handle, tenant, origins, place, from } => {
            let new = NewCredential {
                tenant,
                origins,
                injection: place.injection(),
                value: from.value(world, out)?,
            };
            changed(world, out, async |room| {
                let (kept, tenant) = (kept(&new.value), new.tenant.clone());
                let sealed = room.set_credential(&handle, new).await?;
                let mut said = vec![format!("the credential {handle} was set; {}", kept(sealed))];
                if room.read_settings().is_ok_and(|settings| !settings.tenants.contains_key(&tenant)) {
                    said.push(format!("there is no tenant {tenant} yet, so no grant can name it"));
                }
                Ok(said)
            })
            .await
        }
        Action::Rotate { handle, from } => {
            let value = from.value(world, out)?;
            changed(world, out, async |room| {
                let kept = kept(&value);
                let sealed = room.rotate_credential(&handle, value).await?;
                Ok(vec![format!("the credential {handle} was rotated; {}", kept(sealed))])
            })
            .await
        }
        Action::Remove { handle } => {
            changed(world, out, async |room| {
                room.remove_credential(&handle).await?;
                Ok(vec![format!("the credential {handle} was removed")])
            })
            .await
        }
        Action::Seal => sealed(world, out, false).await,
        Action::Rekey => sealed(world, out, true).await,
    }
}

/// What is said about where the value is now.
fn kept(value: &NewValue) -> impl Fn(bool) -> &'static str + use<> {
    let variable = matches!(value, NewValue::Variable(_));
    move |sealed| match (variable, sealed) {
        (true, _) => "its value stays in the environment",
        (false, true) => "its value is sealed",
        (false, false) => {
            "its value stands in credentials.toml as it is, because there is no operator's key (`strongroom credential keygen`)"
        }
    }
}

async fn sealed(world: &World, out: &Out, again: bool) -> Result<(), Failure> {
    changed(world, out, async |room| {
        let done = room.seal_credentials(again).await?;
        Ok(match done.is_empty() {
            true => vec!["nothing was left to seal".to_owned()],
            false => done.iter().map(|handle| format!("the credential {handle} was sealed")).collect(),
        })
    })
    .await
}

/// Changes the file, says what was done, and whether the host will take the files over as they are now.
async fn changed(
    world: &World,
    out: &Out,
    act: impl AsyncFnOnce(&Strongroom) -> Result<Vec<String>, OperateError>,
) -> Result<(), Failure> {
    // Settings that are at fault, for want of this very credential perhaps, must not stand in the way of mending them.
    let builder = host::builder(world)?.settings(Settings::single());
    host::with(builder, async |room| {
        let done = act(room).await.map_err(|error| match error {
            OperateError::Credential(unknown @ CredentialError::Unknown(_)) => {
                Failure::not_found(unknown.to_string())
                    .help("`strongroom credential list` names those that exist")
            }
            other => other.into(),
        })?;
        done.iter().for_each(|line| out.note(line));
        match room.read_settings() {
            Ok(_) => out.note("a server that runs takes it over by itself"),
            Err(errors) => {
                out.note(format!("the host will not take its files over as they are now: {errors}"))
            }
        }
        Ok(())
    })
    .await
}

fn list(tenant: Option<&TenantId>, world: &World, out: &Out) -> Result<(), Failure> {
    let all = Credentials::list(world.home()?.dir());
    let mut all = all.map_err(|error| Failure::report(error.reason(), error))?;
    all.retain(|entry| tenant.is_none_or(|tenant| entry.tenant == *tenant));
    if out.is_json() {
        let one = |entry: &CredentialEntry| -> Value {
            json!({
                "handle": entry.handle,
                "tenant": entry.tenant,
                "origins": entry.origins,
                "place": entry.injection.kind(),
                "name": entry.injection.name(),
                "source": entry.source().as_str(),
                "changed": entry.changed,
            })
        };
        return out.json(json!({ "credentials": all.iter().map(one).collect::<Vec<_>>() }));
    }
    if all.is_empty() {
        out.note("there are no credentials");
        return Ok(());
    }
    let mut table = Table::new(["handle", "tenant", "origins", "place", "source", "changed"]);
    for entry in &all {
        let origins: Vec<_> = entry.origins.iter().map(ToString::to_string).collect();
        table.row([
            entry.handle.to_string(),
            entry.tenant.to_string(),
            origins.join(" "),
            entry.injection.to_string(),
            entry.source().as_str().to_owned(),
            entry.changed.clone().unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    out.line(table)
}

fn keygen(file: Option<&Path>, world: &World, out: &Out) -> Result<(), Failure> {
    let key = KeyRing::generate(&SystemEntropy);
    let key = key.map_err(|error| Failure::failed(format!("there is no randomness: {error}")))?;
    match file {
        Some(path) => {
            world.new_secret_file(path, &Zeroizing::new(format!("{}\n", *key)))?;
            out.note("set STRONGROOM_OPERATOR_KEY_FILE to this file, and keep a copy away from the host: without it no sealed credential opens");
            Ok(())
        }
        None => {
            out.note("keep it in a file of mode 0600, away from credentials.toml: it is shown this once");
            out.line(key.as_str())
        }
    }
}
