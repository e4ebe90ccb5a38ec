//! Putting a host together from a home folder and handles to the outside world.
//!
//! Takes: a [`Home`], powers. Gives: a running [`Strongroom`]. May name: every stage.

use super::entries::Cursors;
use super::reload::OnDisk;
use super::{Current, OperateError, Room, Strongroom, derive, digest_with};
use crate::admit::places::Places;
use crate::audit::{AuditUnavailable, BookKey, Entry, FileJournal, Journal, KeyError, Place, Timing};
use crate::component;
use crate::config::{AuditMode, ConfigErrors, Settings};
use crate::execute::turns::Turns;
use crate::id::{ActorId, Digest};
use crate::identify::key::{KeyMaker, Kind, keyed};
use crate::imports::dial::Wire;
use crate::isolate::engine::{Allocation, Engine, MAX_CALLS};
use crate::isolate::running::Running;
use crate::powers::{
    Clock, Dial, Entropy, Environment, Home, NoEnvironment, SystemClock, SystemDial, SystemEntropy,
    tls_client,
};
use crate::reason::Reason;
use crate::step::{Step, reached};
use crate::storage::answers::Answers;
use crate::storage::cache::{CacheSize, TenantCaches};
use crate::storage::ledger::SqliteLedger;
use crate::storage::tenant::{OPEN_STORES, Quotas, Size, TenantStores};
use crate::storage::{Folder, StorageError};
use crate::telemetry::Telemetry;
use crate::tools::Catalogue;
use crate::tools::compile::Compiler;
use crate::typed;
use crossbeam_utils::sync::ShardedLock;
use std::io;
use std::sync::Arc;
use strongroom_precompiled::Sealer;
use zeroize::Zeroizing;

/// Why a host did not start.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum BuildError {
    /// A file of the operator is not valid.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Config(#[from] ConfigErrors),
    /// The ledger or a store could not be opened.
    #[error("the ledger cannot be opened: {0}")]
    Storage(#[from] StorageError),
    /// The audit log could not be opened.
    #[error("the audit log cannot be opened: {0}")]
    Audit(#[source] AuditUnavailable),
    /// The key that signs the audit log is not there.
    #[error("the audit log's key cannot be used: {0}")]
    BookKey(#[from] KeyError),
    /// What became of the tools could not be written to the audit log.
    #[error(transparent)]
    Acts(OperateError),
    /// A folder or the host's key could not be read or made.
    #[error("the home folder cannot be used: {0}")]
    Home(#[source] io::Error),
    /// The engine could not be started.
    #[error("the engine cannot be started: {0:#}")]
    Engine(wasmtime::Error),
    /// The network settings could not be made.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The metrics could not be made.
    #[error("metrics cannot be set up: {0}")]
    Metrics(String),
}

impl BuildError {
    /// The stable word for it.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Config(errors) => errors.reason(),
            Self::Storage(_) | Self::Home(_) => Reason::StorageUnavailable,
            Self::Audit(_) | Self::BookKey(_) => Reason::AuditUnavailable,
            Self::Acts(error) => error.reason(),
            Self::Engine(_) | Self::Tls(_) | Self::Metrics(_) => Reason::Overloaded,
        }
    }
}

/// Collects what a host is made of; everything but the home folder has a default.
#[derive(Debug)]
pub struct Builder {
    home: Home,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    dial: Arc<dyn Dial>,
    environment: Arc<dyn Environment>,
    compiler: Compiler,
    allocation: Allocation,
    settings: Option<Settings>,
    journal: Option<Arc<dyn Journal>>,
    timing: Timing,
    buffered: Option<bool>,
    quotas: Quotas,
    actor: Option<ActorId>,
}

impl Builder {
    pub(super) fn new(home: Home) -> Self {
        Self {
            home,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            dial: Arc::new(SystemDial),
            environment: Arc::new(NoEnvironment),
            compiler: Compiler::InProcess,
            allocation: Allocation::default(),
            settings: None,
            journal: None,
            timing: Timing::default(),
            buffered: None,
            quotas: Quotas::default(),
            actor: None,
        }
    }

    /// Another clock than the machine's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Another source of randomness than the system's.
    #[must_use]
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// Another way to the network than the machine's.
    #[must_use]
    pub fn dial(mut self, dial: Arc<dyn Dial>) -> Self {
        self.dial = dial;
        self
    }

    /// The variables that credentials may name, and the operator's key; none unless told otherwise.
    #[must_use]
    pub fn environment(mut self, environment: Arc<dyn Environment>) -> Self {
        self.environment = environment;
        self
    }

    /// Where components are compiled; in this process unless told otherwise.
    #[must_use]
    pub fn compiler(mut self, compiler: Compiler) -> Self {
        self.compiler = compiler;
        self
    }

    /// How instances get their memory; from the pool unless told otherwise.
    #[must_use]
    pub fn allocation(mut self, allocation: Allocation) -> Self {
        self.allocation = allocation;
        self
    }

    /// Settings made in code, instead of the files in the home folder.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = Some(settings);
        self
    }

    /// Another book than the file in the home folder.
    #[must_use]
    pub fn journal(mut self, journal: Arc<dyn Journal>) -> Self {
        self.journal = Some(journal);
        self
    }

    /// How the book in the home folder takes its time.
    #[must_use]
    pub fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// Whether calls that only read are answered before their entry is durable (within a few milliseconds); a write
    /// always waits. The operator's file says it unless this does.
    #[must_use]
    pub fn buffered(mut self, buffered: bool) -> Self {
        self.buffered = Some(buffered);
        self
    }

    /// How much each tenant's memory may hold where `[storage]` of its file and of `strongroom.toml` say nothing;
    /// [`MEMORY_QUOTA`](crate::storage::tenant::MEMORY_QUOTA) unless told otherwise. What is there already stays.
    #[must_use]
    pub fn memory_quota(mut self, quota: Size) -> Self {
        self.quotas.memory = quota;
        self
    }

    /// The same for its keyvalue, all buckets together;
    /// [`KEYVALUE_QUOTA`](crate::storage::tenant::KEYVALUE_QUOTA) unless told otherwise.
    #[must_use]
    pub fn keyvalue_quota(mut self, quota: Size) -> Self {
        self.quotas.keyvalue = quota;
        self
    }

    /// How much each tenant's tools may cache; [`CACHE_QUOTA`](crate::storage::cache::CACHE_QUOTA) unless told otherwise. What is too much goes when something is
    /// cached.
    #[must_use]
    pub fn cache_quota(mut self, quota: CacheSize) -> Self {
        self.quotas.cache = quota;
        self
    }

    /// Who acts when there is no credential on a host with one tenant; `local` unless told otherwise.
    #[must_use]
    pub fn local_actor(mut self, actor: ActorId) -> Self {
        self.actor = Some(actor);
        self
    }

    /// Starts the host: reads the files, opens ledger and book, loads the installed tools.
    ///
    /// # Errors
    /// [`BuildError`] with its reason code; nothing was changed but missing folders made.
    pub async fn build(self) -> Result<Strongroom, BuildError> {
        let home = &self.home;
        let follows_disk = self.settings.is_none();
        let settings = match self.settings {
            Some(settings) => settings,
            None => Settings::load_with(home.dir(), &*self.environment)?,
        };
        for folder in ["tools", "cache", "audit", "empty"] {
            home.dir().create_dir_all(folder).map_err(BuildError::Home)?;
        }
        let open = |folder: &str| home.dir().open_dir(folder).map_err(BuildError::Home);
        let key = host_key(home, &*self.entropy).map_err(BuildError::Home)?;
        let journal = match self.journal {
            Some(journal) => journal,
            None => {
                let place = Place {
                    audit: open("audit")?,
                    home: Some(home.dir().try_clone().map_err(BuildError::Home)?),
                    key: BookKey::open(home.dir(), &*self.entropy)?,
                };
                let journal = FileJournal::open(place, self.clock.clone(), self.timing);
                let journal = journal.map_err(BuildError::Audit)?;
                recover(&journal, &*self.clock).await.map_err(BuildError::Audit)?;
                Arc::new(journal)
            }
        };
        let telemetry = Telemetry::new(settings.host.telemetry.tenants.clone());
        let telemetry = telemetry.map_err(|error| BuildError::Metrics(error.to_string()))?;
        journal.on_syncs(Box::new(telemetry.meters.of_audit()));
        let calls = settings.host.engine.max_concurrent_calls.min(MAX_CALLS);
        let workers =
            tokio::runtime::Handle::try_current().map_or(1, |runtime| runtime.metrics().num_workers());
        let turns = Turns::new(workers, self.clock.clone());
        turns.share(settings.tenants.len() <= 1);
        let places = Places::new(calls, self.clock.clone());
        places.queue_by(settings.host.queue);
        places.count_by(telemetry.meters.queue());
        let ticked = Arc::downgrade(&turns);
        let tick = move || {
            if let Some(turns) = ticked.upgrade() {
                turns.tick();
            }
        };
        let engine = Engine::ticking(self.allocation, calls, tick).map_err(BuildError::Engine)?;
        let limits = component::Limits {
            component: usize::try_from(settings.host.engine.max_component).unwrap_or(usize::MAX),
            ..Default::default()
        };
        let sealer = Sealer::new(&derive(&key, "compiled components"));
        let catalogue =
            Catalogue::new(engine.clone(), self.compiler, sealer, open("tools")?, open("cache")?, limits)
                .map_err(BuildError::Engine)?;
        catalogue.load().await.map_err(BuildError::Home)?;
        let folder = Folder::new(home.dir().try_clone().map_err(BuildError::Home)?, home.path());
        let stores = TenantStores::new(folder.child("stores").map_err(BuildError::Home)?, OPEN_STORES);
        let ledger = SqliteLedger::open(&folder, self.clock.clone())?;
        ledger.on_commits(telemetry.meters.of_ledger());
        if settings.webhook.is_some() {
            // Whatever is raised from here on is sent, also if it is before anybody delivers.
            ledger.webhook().await?;
        }
        let mac_key = keyed(&derive(&key, "digests of arguments"));
        let seal = mac_key.clone();
        ledger.seal(move |bytes| digest_with(&seal, bytes)).await?;
        let closing = stores.clone();
        let answers = Answers::new(self.clock.clone());
        let old = answers.clone();
        ledger.on_deletions(move |tenants| {
            old.forget_tenants(tenants);
            closing.let_go(tenants)
        });
        let running = Arc::new(Running::default());
        let stopping = running.clone();
        ledger.on_switches(move |switches| stopping.stop(switches));
        super::budgets::attend(&ledger, &journal, self.clock.clone());
        let room = Room {
            engine,
            catalogue,
            ledger,
            stores,
            caches: TenantCaches::new(
                folder.child("tenant-cache").map_err(BuildError::Home)?,
                self.clock.clone(),
                self.entropy.clone(),
            ),
            answers,
            places,
            turns,
            running,
            wire: Wire { dial: self.dial, tls: tls_client()? },
            key_maker: KeyMaker::new(Kind::Tenant, &derive(&key, "api keys")),
            admin_key_maker: KeyMaker::new(Kind::Admin, &derive(&key, "keys of admins")),
            cursors: Cursors::new(&key).map_err(BuildError::Home)?,
            mac_key,
            json_limits: typed::Limits::default(),
            environment: self.environment,
            home: home.dir().try_clone().map_err(BuildError::Home)?,
            home_path: home.path().to_owned(),
            empty_dir: home.path().join("empty"),
            buffered: self.buffered.unwrap_or(settings.host.audit == AuditMode::Buffered),
            follows_disk,
            telemetry,
            health: super::health::Asked::default(),
            on_disk: OnDisk::new(&settings.host),
            verifying: Arc::default(),
            local_actor: match self.actor {
                Some(actor) => actor,
                None => ActorId::local(),
            },
            clock: self.clock,
            entropy: self.entropy,
            journal,
            quotas: self.quotas,
            current: ShardedLock::new(Current::new(settings, self.quotas, None)),
            changed: tokio::sync::watch::Sender::new(()),
        };
        let room = Strongroom { room: Arc::new(room), acting: None };
        room.enter_acts().await.map_err(BuildError::Acts)?;
        Ok(room)
    }
}

const HOST_KEY: &str = "host.key";

/// The host's key: 32 random bytes, made at the first start, readable by the operator alone.
fn host_key(home: &Home, entropy: &dyn Entropy) -> io::Result<Zeroizing<[u8; 32]>> {
    use cap_std::fs::OpenOptionsExt as _;
    use io::Write as _;
    if let Some(key) = known_key(home)? {
        return Ok(key);
    }
    let mut key = Zeroizing::new([0; 32]);
    entropy.fill(&mut *key)?;
    // Whole or not at all: a crash must not leave a file without a key, which no start would overwrite.
    const NEXT: &str = "host.key.new";
    let mut options = cap_std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = home.dir().open_with(NEXT, &options)?;
    file.write_all(&*key)?;
    file.sync_all()?;
    home.dir().rename(NEXT, home.dir(), HOST_KEY)?;
    home.dir().open(".")?.sync_all()?;
    Ok(key)
}

fn known_key(home: &Home) -> io::Result<Option<Zeroizing<[u8; 32]>>> {
    let bytes = match home.dir().read(HOST_KEY) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let whole: [u8; 32] = bytes.as_slice().try_into().map_err(|_| {
        io::Error::other("host.key has not 32 bytes; restore it from a backup: without it no API key opens")
    })?;
    Ok(Some(Zeroizing::new(whole)))
}

/// What makes the digests of arguments and idempotency keys; `None` on a home that has no key of its own yet.
pub(crate) fn digests(home: &Home) -> io::Result<Option<impl Fn(&[u8]) -> Digest>> {
    let mac = known_key(home)?.map(|key| keyed(&derive(&key, "digests of arguments")));
    Ok(mac.map(|mac| move |bytes: &[u8]| digest_with(&mac, bytes)))
}

/// Closes in the book what an earlier process left open: its calls are unknown.
pub(crate) async fn recover(journal: &FileJournal, clock: &dyn Clock) -> Result<(), AuditUnavailable> {
    for intent in journal.open_intents() {
        journal.append(Entry::closing(intent, clock.unix_us()))?.durable().await?;
        reached(Step::Recovered);
    }
    Ok(())
}
