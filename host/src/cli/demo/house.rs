//! The house of the story: a home folder with real files, two tenants, their services, tools and keys.
//!
//! Takes: built components. Gives: [`House`]. May name: services.

use super::services::{ECHO, Service};
use super::{DemoError, Who};
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use serde_json::{Value, json};
use std::io::{self, Write as _};
use strongroom::config::RoleName;
use strongroom::id::{ActorId, InvalidId, TenantId};
use strongroom::identify::key::ApiKey;
use strongroom::powers::{Entropy as _, Home, SystemEntropy};
use strongroom::tools::compile::Compiler;
use strongroom::{NewKey, Strongroom};

/// The tools of the story.
pub(super) const TOOLS: [&str; 3] = ["orders", "files", "spin"];

/// Calls that globex has paid for; the story uses the last of them.
const GLOBEX_CALLS: u64 = 4;

/// One customer: its service and its key to the host.
pub(super) struct Customer {
    pub(super) service: Service,
    pub(super) key: ApiKey,
    authorization: String,
}

/// Everything that the story happens in. The folder goes with it.
pub(super) struct House {
    pub(super) room: Strongroom,
    pub(super) home: Dir,
    pub(super) acme: Customer,
    pub(super) globex: Customer,
    _folder: tempfile::TempDir,
}

impl House {
    /// Writes the files, starts the services and the host, installs the tools and makes the keys.
    pub(super) async fn build(tools: Vec<(&str, Vec<u8>)>, compiler: Compiler) -> Result<Self, DemoError> {
        let folder = tempfile::Builder::new().prefix("strongroom-demo-").tempdir()?;
        let home = Home::open(folder.path())?;
        let dir = home.dir().try_clone()?;
        let (acme_secret, globex_secret) = (authorization("acme")?, authorization("globex")?);
        let acme_service = Service::start(&acme_secret, &acme_orders()).await?;
        let globex_service = Service::start(&globex_secret, &globex_orders()).await?;
        let at = [acme_service.address().to_string(), globex_service.address().to_string()];
        let [acme_at, globex_at] = at.each_ref().map(String::as_str);
        dir.write("strongroom.toml", "[audit]\nmode = \"synced\"\n")?;
        dir.create_dir("tenants")?;
        dir.write("tenants/acme.toml", acme_file(acme_at))?;
        dir.write("tenants/globex.toml", globex_file(globex_at))?;
        let credentials = [("acme", acme_at, &*acme_secret), ("globex", globex_at, &*globex_secret)];
        private(&dir, "credentials.toml", &credentials.map(credential_table).concat())?;
        dir.create_dir_all("files/acme")?;
        dir.write("files/acme/notes.txt", "Written by acme, granted to its files tool.\n")?;

        let room = Strongroom::builder(home).compiler(compiler).build().await?;
        for (name, component) in tools {
            room.install(component, name, None).await?;
        }
        let acme_key = key(&room, "acme").await?;
        let globex_key = key(&room, "globex").await?;
        let acme = Customer { service: acme_service, key: acme_key, authorization: acme_secret };
        let globex = Customer { service: globex_service, key: globex_key, authorization: globex_secret };
        Ok(Self { room, home: dir, acme, globex, _folder: folder })
    }

    /// The text of someone's API key.
    pub(super) fn key(&self, who: Who) -> Option<&str> {
        match who {
            Who::Acme => Some(&self.acme.key.text),
            Who::Globex => Some(&self.globex.key.text),
            Who::Nobody | Who::Operator => None,
        }
    }

    /// What must be readable nowhere but in `credentials.toml`: the tokens of the services and the secrets of the keys.
    pub(super) fn secrets(&self) -> Vec<&str> {
        let last = |text: &str, mark: char| text.rfind(mark).map_or(0, |at| at + 1);
        [&self.acme, &self.globex]
            .into_iter()
            .flat_map(|customer| [(&*customer.authorization, ' '), (customer.key.text.as_str(), '_')])
            .filter_map(|(text, mark)| text.get(last(text, mark)..))
            .collect()
    }
}

/// A header that only this run knows.
fn authorization(tenant: &str) -> io::Result<String> {
    let mut random = [0; 16];
    SystemEntropy.fill(&mut random)?;
    Ok(format!("Bearer {tenant}-{}", hex::encode(random)))
}

/// Makes a file that only its owner reads; never any other, not even for a moment.
fn private(dir: &Dir, name: &str, text: &str) -> io::Result<()> {
    let mut file = dir.open_with(name, OpenOptions::new().write(true).create_new(true).mode(0o600))?;
    file.write_all(text.as_bytes())
}

async fn key(room: &Strongroom, tenant: &str) -> Result<ApiKey, DemoError> {
    let invalid = |error: InvalidId| io::Error::other(error);
    let key = NewKey {
        tenant: TenantId::new(tenant).map_err(invalid)?,
        actor: ActorId::new(format!("{tenant}-agent")).map_err(invalid)?,
        role: Some(RoleName::new("agent").map_err(io::Error::other)?),
        scopes: Vec::new(),
        expires_ms: None,
    };
    Ok(room.create_key(key).await?)
}

fn credential_table((tenant, address, value): (&str, &str, &str)) -> String {
    format!(
        "[{tenant}-shop]\ntenant = \"{tenant}\"\norigins = [\"http://{address}\"]\nvalue = \"{value}\"\n\n"
    )
}

/// The grants of the orders tool: both needs lead to the tenant's own service, with the tenant's own credential.
fn shop_grants(tenant: &str, address: &str) -> String {
    ["orders", "notify"]
        .map(|need| {
            format!(
                "[grants.orders.http.{need}]\norigin = \"http://{address}\"\ncredential = \"{tenant}-shop\"\n\
                 allow_private = true # the demo's services are on loopback\n"
            )
        })
        .concat()
}

fn acme_file(address: &str) -> String {
    let grants = shop_grants("acme", address);
    format!(
        r#"[tools]
allow = ["orders", "spin"] # not "files", although a directory is granted to it

[roles.agent]
tools = ["*"]

[limits]
fuel = 100_000_000

[[budgets]]
of = "calls"
per = "total"
limit = 1_000

[[budgets]]
of = "fuel"
per = "total"
limit = 10_000_000_000

{grants}
[grants.files.dir.workspace]
path = "files/acme"
mode = "ro"
"#
    )
}

fn globex_file(address: &str) -> String {
    let grants = shop_grants("globex", address);
    format!(
        r#"[tools]
allow = ["orders"]

[roles.agent]
tools = ["orders"]

[limits]
fuel = 100_000_000

[[budgets]]
of = "calls"
per = "total"
limit = {GLOBEX_CALLS}

{grants}"#
    )
}

fn order(id: &str, status: &str, customer: &str, total: u64, product: &str) -> Value {
    json!({ "id": id, "status": status, "customer": customer, "total": total, "currency": "EUR",
            "items": [{ "product": product, "quantity": 1 }] })
}

fn acme_orders() -> Vec<Value> {
    vec![
        order("918", "paid", "Ada Lovelace", 4_250, "Analytical engine, model"),
        order("919", "pending", "Charles Babbage", 990, "Punched cards"),
        order("920", "paid", "Luigi Menabrea", 1_200, &format!("Notes; debug: authorization={ECHO}")),
    ]
}

fn globex_orders() -> Vec<Value> {
    vec![order("918", "pending", "Grace Hopper", 1_906, "Compiler, first edition")]
}
