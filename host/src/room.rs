//! The host as a whole: what every call is run with, and the door for those who embed it.
//!
//! Takes: what the builder put together. Gives: [`Strongroom`]. May name: every stage.

mod acting;
mod admin_keys;
mod book;
mod budgets;
mod builder;
mod credentials;
mod delete;
mod deliver;
mod entries;
mod foresee;
mod health;
mod letter;
mod look;
mod operate;
mod outside;
mod reconcile;
mod reload;
mod results;
mod retain;
mod rotate;
mod steps;
mod stop;
mod tenants;
mod watch;
mod watched;

use crate::admit::places::Places;
use crate::audit::Journal;
use crate::config::Settings;
use crate::execute::turns::Turns;
use crate::id::{ActorId, Digest};
use crate::identify::key::{KeyMaker, keyed};
use crate::identify::{Tenants, Tokens};
use crate::imports::dial::Wire;
use crate::isolate::engine::Engine;
use crate::isolate::running::Running;
use crate::powers::{Clock, Entropy, Environment};
use crate::storage::answers::Answers;
use crate::storage::cache::TenantCaches;
use crate::storage::ledger::SqliteLedger;
use crate::storage::tenant::{Quotas, TenantStores};
use crate::telemetry::Telemetry;
use crate::tools::Catalogue;
use crate::typed;
use crossbeam_utils::sync::{ShardedLock, ShardedLockReadGuard};
use hmac::Mac as _;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

pub use admin_keys::NewAdminKey;
pub use budgets::{BudgetOf, LONGEST_RAISE_MS};
pub(crate) use budgets::{LOWER, RAISE, raise_order};
pub use builder::{BuildError, Builder};
pub(crate) use builder::{digests, recover};
pub use credentials::{CredentialError, NewCredential, NewValue};
pub use delete::Deleted;
pub use deliver::Pauses;
pub use entries::{MOST_ENTRIES, Page};
pub use health::{Check, Health};
pub(crate) use operate::Made;
pub use operate::{NewKey, OperateError};
pub use reconcile::{Announced, SettleAs, UnknownCall};
pub(crate) use reconcile::{DONE, FAILED, RERUN};
pub use reload::Reload;
pub(crate) use results::{Fetched, KeepResult, RESULT_GONE};
pub use rotate::LONGEST_GRACE_MS;
pub use steps::Listed;
pub use stop::Stopped;
pub use tenants::{GrantedDirectory, TenantReport, TenantStanding, TenantSummary};
pub use watch::Noticed;

/// A host that is running. Cheap to clone; all clones are the same host.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use strongroom::Strongroom;
/// use strongroom::admit::CallRequest;
/// use strongroom::identify::Credential;
/// use strongroom::powers::Home;
/// use strongroom::reason::Reason;
///
/// let folder = tempfile::tempdir()?;
/// let room = Strongroom::builder(Home::open(folder.path())?).build().await?;
/// let request = CallRequest { function: "orders.list".into(), arguments: "{}".into(), ..Default::default() };
/// let receipt = room.call(Credential::None, request).await;
/// assert_eq!(receipt.reason, Reason::ToolUnknown); // nothing is installed yet
/// assert_eq!(receipt.tenant.unwrap().as_str(), "default"); // no configuration, no ceremony
/// room.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Strongroom {
    room: Arc<Room>,
    /// Whose orders it takes, where that is not who holds the home folder.
    acting: Option<Arc<acting::Acting>>,
}

impl Strongroom {
    /// The folder that it lives in.
    pub(crate) fn home(&self) -> &cap_std::fs::Dir {
        &self.room.home
    }

    /// What the stages share.
    pub(crate) fn inner(&self) -> &Room {
        &self.room
    }

    /// A key for one use, which every process on this home makes alike and nobody else can.
    pub(crate) fn key_for(&self, purpose: &str) -> Digest {
        // What it is made for elsewhere, arguments, never begins with a zero.
        self.room.mac_of(format!("\0{purpose}").as_bytes())
    }

    /// Milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> u64 {
        self.room.clock.unix_ms()
    }
}

/// What the stages share. Each stage's inputs say which part of it is used.
pub(crate) struct Room {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) engine: Engine,
    pub(crate) catalogue: Catalogue,
    pub(crate) ledger: SqliteLedger,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) stores: TenantStores,
    pub(crate) caches: TenantCaches,
    pub(crate) answers: Answers,
    pub(crate) places: Places,
    pub(crate) turns: Arc<Turns>,
    pub(crate) running: Arc<Running>,
    pub(crate) wire: Wire,
    pub(crate) key_maker: KeyMaker,
    pub(crate) admin_key_maker: KeyMaker,
    cursors: entries::Cursors,
    pub(crate) json_limits: typed::Limits,
    pub(crate) environment: Arc<dyn Environment>,
    pub(crate) home: cap_std::fs::Dir,
    pub(crate) home_path: PathBuf,
    pub(crate) empty_dir: PathBuf,
    pub(crate) buffered: bool,
    pub(crate) follows_disk: bool,
    pub(crate) telemetry: Arc<Telemetry>,
    health: health::Asked,
    on_disk: reload::OnDisk,
    /// Held while the book is verified.
    verifying: Arc<tokio::sync::Mutex<()>>,
    /// What a tenant may keep where no file says anything.
    quotas: Quotas,
    mac_key: hmac::Hmac<sha2::Sha256>,
    local_actor: ActorId,
    current: ShardedLock<Current>,
    /// Rings when other settings are in force.
    changed: tokio::sync::watch::Sender<()>,
}

/// What a reload replaces.
pub(crate) struct Current {
    pub(crate) settings: Arc<Settings>,
    pub(crate) tenants: Arc<Tenants>,
    pub(crate) tokens: Arc<Tokens>,
}

impl Current {
    fn new(settings: Settings, quotas: Quotas, before: Option<&Self>) -> Self {
        let tenants = Arc::new(Tenants::new(&settings, quotas, before.map(|before| &*before.tenants)));
        let tokens = Tokens::new(&settings.host.issuers, before.map(|before| &*before.tokens));
        Self { settings: Arc::new(settings), tenants, tokens: Arc::new(tokens) }
    }
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Room")
    }
}

impl Room {
    /// For a look at what is in force, which is not copied for it: calls on all processors would wait for each other's counting of
    /// the copies. A reload waits as long as somebody looks, so whoever does asks for nothing else of it meanwhile.
    pub(crate) fn current(&self) -> ShardedLockReadGuard<'_, Current> {
        // A reload replaces the whole at once, so a panic elsewhere cannot leave half of it.
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tenants(&self) -> Arc<Tenants> {
        self.current().tenants.clone()
    }

    pub(crate) fn tokens(&self) -> Arc<Tokens> {
        self.current().tokens.clone()
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.current().settings.clone()
    }

    /// Who acts when there is no credential, on a host with one tenant.
    pub(crate) fn local_actor(&self) -> ActorId {
        self.local_actor.clone()
    }

    /// A digest that only this host can make: it tells equal values apart from others and nothing else.
    pub(crate) fn mac_of(&self, bytes: &[u8]) -> Digest {
        digest_with(&self.mac_key, bytes)
    }
}

fn digest_with(key: &hmac::Hmac<sha2::Sha256>, bytes: &[u8]) -> Digest {
    Digest::from_bytes(key.clone().chain_update(bytes).finalize().into_bytes().into())
}

/// Keys for different uses from the one key of the host.
pub(crate) fn derive(host_key: &[u8; 32], purpose: &str) -> [u8; 32] {
    keyed(host_key).chain_update(purpose).finalize().into_bytes().into()
}
