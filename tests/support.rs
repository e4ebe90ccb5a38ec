//! What the promises share: a host in a temporary folder, and the guests that were built for the tests.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use strongroom::admit::CallRequest;
use strongroom::audit::{Entry, Filter, Phase, read};
use strongroom::config::Settings;
use strongroom::id::{ActorId, IdempotencyKey, TenantId};
use strongroom::identify::Credential;
use strongroom::powers::Home;
use strongroom::settle::Receipt;
use strongroom::{Builder, NewKey, Strongroom};
use tempfile::TempDir;

#[path = "support/chance.rs"]
mod chance;
pub use chance::Chance;
#[path = "support/clock.rs"]
mod clock;
pub use clock::Still;
#[path = "support/collector.rs"]
mod collector;
pub use collector::{Collector, attribute};
#[path = "support/conformance.rs"]
pub mod conformance;
#[path = "support/forms.rs"]
mod forms;
pub use forms::forms;
#[path = "support/program.rs"]
mod program;
pub use program::{Serving, command, program};
#[path = "support/reaper.rs"]
mod reaper;
pub use reaper::Reaper;
#[path = "support/way.rs"]
mod way;
pub use way::{Ask, Caller, Told, Way};
#[path = "support/wire.rs"]
mod wire;
pub use wire::{Bytes, Then, Wire, wire};

/// The groups of imports that the guest `every` calls; a new import needs a place in one of them, or a group of its own.
pub const GROUPS: &[&str] = &[
    "call",
    "log",
    "memory",
    "cache",
    "ask",
    "config",
    "config-all",
    "keyvalue",
    "http-local",
    "http",
    "files",
    "files-write",
    "io",
    "clocks",
    "random",
    "cli",
    "exit",
    "exit-with-code",
    "sockets",
];

/// The component of a guest or a plugin, as `cargo xtask guests` built it.
pub fn component(name: &str) -> Vec<u8> {
    let path = components().join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}; run `cargo xtask guests` first", path.display()))
}

/// Where the components are: beside the folder that this test program stands in.
pub fn components() -> PathBuf {
    if let Some(folder) = std::env::var_os("STRONGROOM_COMPONENTS") {
        return folder.into();
    }
    let program = std::env::current_exe().expect("a test has a program");
    program.ancestors().nth(3).expect("target/debug/deps/<test>").join("components")
}

/// A host of its own for one test: its files are gone with it.
pub struct House {
    /// The running host.
    pub room: Strongroom,
    folder: Arc<TempDir>,
}

/// The audit log of a home folder, whoever writes it.
pub fn book(home: &Path) -> Vec<Entry> {
    let log = Home::open(home.join("audit")).unwrap();
    let entries = read(log.dir(), Filter::default()).unwrap();
    // Heads of tenants' trees come when a second has passed, whatever a test does.
    entries.map(Result::unwrap).filter(|entry| entry.phase != Phase::Head).collect()
}

/// A house that is not built yet.
pub struct Plan {
    folder: TempDir,
    tools: Vec<(String, Option<String>)>,
}

/// Begins a house.
pub fn house() -> Plan {
    Plan { folder: tempfile::tempdir().expect("a temporary folder"), tools: Vec::new() }
}

impl Plan {
    /// Writes a file into the home folder.
    pub fn file(self, path: &str, text: &str) -> Self {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).unwrap();
        std::fs::write(&path, text).unwrap();
        let secret = path.extension().is_some_and(|end| end == "secret");
        if secret || path.ends_with("credentials.toml") {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        self
    }

    /// A tenant with this file.
    pub fn tenant(self, id: &str, text: &str) -> Self {
        self.file(&format!("tenants/{id}.toml"), text)
    }

    /// Installs a guest or a plugin.
    pub fn tool(mut self, name: &str) -> Self {
        self.tools.push((name.into(), None));
        self
    }

    /// Installs a guest with a manifest beside it.
    pub fn tool_with(mut self, name: &str, manifest: &str) -> Self {
        self.tools.push((name.into(), Some(manifest.into())));
        self
    }

    /// The home folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Builds the house.
    pub async fn build(self) -> House {
        self.build_with(|builder| builder).await
    }

    /// Builds the house with changes to its builder.
    pub async fn build_with(self, change: impl FnOnce(Builder) -> Builder) -> House {
        let builder = Strongroom::builder(Home::open(self.folder.path()).unwrap());
        let room = change(builder).build().await.unwrap_or_else(|e| panic!("{e:?}"));
        for (name, manifest) in &self.tools {
            room.install(component(name), name, manifest.as_deref())
                .await
                .unwrap_or_else(|e| panic!("{name}: {e:?}"));
        }
        House { room, folder: Arc::new(self.folder) }
    }
}

impl House {
    /// The home folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The audit log as an auditor reads it, one JSON object a line.
    pub fn book(&self) -> String {
        book(self.path()).into_iter().map(|entry| serde_json::to_string(&entry).unwrap() + "\n").collect()
    }

    /// An API key for a tenant.
    pub async fn key(&self, tenant: &str) -> String {
        self.key_for(tenant, None, &[]).await
    }

    /// An API key with a role and scopes.
    pub async fn key_for(&self, tenant: &str, role: Option<&str>, scopes: &[&str]) -> String {
        let key = NewKey {
            tenant: TenantId::new(tenant).unwrap(),
            actor: ActorId::new("agent").unwrap(),
            role: role.map(|r| strongroom::config::RoleName::new(r).unwrap()),
            scopes: scopes.iter().map(|s| strongroom::config::ToolPattern::parse(s).unwrap()).collect(),
            expires_ms: None,
        };
        self.room.create_key(key).await.unwrap().text.to_string()
    }

    /// Calls as the tenant `default`.
    pub async fn call(&self, function: &str, arguments: &str) -> Receipt {
        self.room.call(Credential::None, request(function, arguments)).await
    }

    /// Calls with a key.
    pub async fn call_as(&self, key: &str, function: &str, arguments: &str) -> Receipt {
        self.room.call(Credential::ApiKey(key), request(function, arguments)).await
    }

    /// Ends this host and gives its folder, which goes with the last handle to it.
    pub async fn leave(self) -> Arc<TempDir> {
        self.room.close().await.unwrap();
        self.folder
    }

    /// Ends this host and starts another one on the same folder.
    pub async fn restart(self) -> House {
        self.room.close().await.unwrap();
        self.start_again().await
    }

    /// Ends this host, does something to its folder while nobody has it open, and starts another host on it.
    pub async fn between(
        self,
        work: impl AsyncFnOnce(&Path),
        change: impl FnOnce(Builder) -> Builder,
    ) -> House {
        self.room.close().await.unwrap();
        let folder = self.folder.clone();
        drop(self.room);
        work(folder.path()).await;
        let builder = Strongroom::builder(Home::open(folder.path()).unwrap());
        House { room: change(builder).build().await.unwrap(), folder }
    }

    /// Starts another host on the folder as if the first had been killed: nothing is given back or written out.
    pub async fn start_again(self) -> House {
        let folder = self.folder.clone();
        drop(self.room);
        let room = Strongroom::builder(Home::open(folder.path()).unwrap()).build().await.unwrap();
        House { room, folder }
    }

    /// Another host on the same folder, as another process would be.
    pub async fn beside(other: &House) -> House {
        let folder = other.folder.clone();
        let room = Strongroom::builder(Home::open(folder.path()).unwrap()).build().await.unwrap();
        House { room, folder }
    }

    /// Reads the files again.
    pub fn read_settings(&self) -> Settings {
        Settings::load(Home::open(self.path()).unwrap().dir()).unwrap()
    }
}

/// A request with a key of its own, so that functions that write may be called too.
pub fn request(function: &str, arguments: &str) -> CallRequest {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let key = format!("test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    request_with_key(function, arguments, &key)
}

/// A request with this idempotency key.
pub fn request_with_key(function: &str, arguments: &str, key: &str) -> CallRequest {
    CallRequest {
        function: function.into(),
        arguments: arguments.into(),
        idempotency_key: Some(IdempotencyKey::new(key).unwrap()),
        ..CallRequest::default()
    }
}
