//! The only place where a store is made.
//!
//! Takes: whose call it is and its rights. Gives: a store with limits, gate and contexts, and its fuel.
//! May name: audit, authorize, config, id, imports, powers, room, storage.

use super::cell::guest_path;
use super::engine::YIELD_EVERY;
use super::memory::Memory;
use crate::audit::announce::Announcer;
use crate::authorize::rights::{DirRight, Kind, Rights};
use crate::config::{Mode, OWN_FILES};
use crate::id::{ActorId, CallId, FunctionName, IdempotencyKey, TenantId, ToolName};
use crate::imports::announce::Announcements;
use crate::imports::asking::{Asking, Talk, Waited};
use crate::imports::call::CallFacts;
use crate::imports::gate::{Gate, Handle, Leads, Meter, Reach};
use crate::imports::hooks::Hooks;
use crate::imports::state::State;
use crate::imports::stored::Stored;
use crate::imports::table::HOST_SHARE;
use crate::imports::wasi::Wasi;
use crate::imports::{LogSender, ProgressSender};
use crate::room::Room;
use crate::storage::cache::CacheOf;
use crate::storage::ledger::Counted;
use crate::storage::tenant::Quotas;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::Store;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::FsPerms;
use wasmtime_wasi_http::WasiHttpCtx;

/// Handles that a call may hold at once.
const HANDLES: usize = 512;
/// Bytes that one import call may carry into the host.
const HOSTCALL_BYTES: usize = 8 * 1024 * 1024;
/// Size of a set of HTTP fields, as the engine counts it.
const FIELD_BYTES: usize = 32 * 1024;

/// Whose call a store is for.
pub(super) struct Tenancy {
    pub(super) tenant: TenantId,
    pub(super) quotas: Quotas,
    pub(super) actor: ActorId,
    pub(super) call: CallId,
    pub(super) tool: ToolName,
    pub(super) function: FunctionName,
    pub(super) key: Option<IdempotencyKey>,
    pub(super) progress: Option<ProgressSender>,
    pub(super) logs: Option<LogSender>,
    pub(super) asking: Asking,
    pub(super) deadline: Duration,
    pub(super) counted: Counted,
}

/// Makes the store of one call, and says how much fuel its guest has.
pub(super) fn fresh(
    room: &Room,
    tenancy: Tenancy,
    rights: &Arc<Rights>,
    announcer: Announcer,
) -> wasmtime::Result<(Store<State>, u64)> {
    let host_fuel = rights.limits.fuel / HOST_SHARE;
    let guest_fuel = rights.limits.fuel.saturating_sub(host_fuel);
    let (wasi, directories) = contexts(room, rights)?;
    let now = room.clock.monotonic();
    let settings = room.settings();
    let tells = settings.host.telemetry.tool_messages;
    let waited = Waited::new(room.clock.clone());
    let state = State {
        gate: Gate::new(
            host_fuel,
            Meter::up_to(rights.limits.egress),
            Meter::up_to(rights.limits.stored),
            directories,
            Announcements::new(announcer),
            room.clock.clone(),
        ),
        memory: Memory::new(rights.limits.memory),
        rights: rights.clone(),
        table: handles(),
        wasi,
        http: fields(),
        hooks: Hooks::new(room.wire.clone(), settings, tenancy.tenant.clone()),
        stored: Stored::new(room.stores.clone(), tenancy.tenant.clone(), tenancy.quotas),
        named: 0,
        caches: room.caches.clone(),
        cache_of: CacheOf {
            tenant: tenancy.tenant.clone(),
            tool: tenancy.tool,
            quota: tenancy.quotas.cache,
            share: rights.cache.and_then(|right| right.max_bytes),
        },
        facts: CallFacts {
            tenant: tenancy.tenant,
            actor: tenancy.actor,
            id: tenancy.call,
            function: tenancy.function,
            key: tenancy.key,
            deadline: now.checked_add(tenancy.deadline).unwrap_or(now),
            waited: waited.clone(),
            clock: room.clock.clone(),
            progress: tenancy.progress,
            logs: tenancy.logs,
            done: 0,
            counted: tenancy.counted,
            tells,
        },
        talk: Talk::new(tenancy.asking, waited),
    };
    #[expect(clippy::disallowed_methods, reason = "this is the one place that makes stores")]
    let mut store = Store::new(room.engine.inner(), state);
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(HOSTCALL_BYTES);
    store.set_fuel(guest_fuel)?;
    store.fuel_async_yield_interval(Some(YIELD_EVERY))?;
    // A guest whose fuel goes into long calls of the host pauses at every tick all the same: the deadline and the kill
    // switch around the call end what pauses.
    store.set_epoch_deadline(1);
    store.epoch_deadline_async_yield_and_update(1);
    Ok((store, guest_fuel))
}

/// The granted directory itself, links followed. The files were checked for how they spell it; this is asked of where it
/// leads, because a link or an absolute path may lead back to the host's own files.
fn granted(room: &Room, right: &DirRight) -> wasmtime::Result<PathBuf> {
    let real = room.home_path.join(right.path.as_str()).canonicalize().map_err(|error| {
        wasmtime::format_err!("the directory of the need {:?} cannot be opened: {error}", right.need.as_str())
    })?;
    match holds_own_files(&room.home_path, &real) {
        true => {
            wasmtime::bail!("the directory of the need {:?} holds the host's own files", right.need.as_str())
        }
        false => Ok(real),
    }
}

/// Whether a directory of the machine holds, or lies in, the files of the host itself. Both paths are real ones.
pub(crate) fn holds_own_files(home: &Path, real: &Path) -> bool {
    match real.strip_prefix(home) {
        Ok(inside) => inside
            .components()
            .next()
            .is_none_or(|first| OWN_FILES.iter().any(|own| first.as_os_str().eq_ignore_ascii_case(own))),
        Err(_) => home.starts_with(real),
    }
}

fn handles() -> ResourceTable {
    let mut table = ResourceTable::new();
    table.set_max_capacity(HANDLES);
    table
}

fn fields() -> WasiHttpCtx {
    let mut http = WasiHttpCtx::new();
    http.set_field_size_limit(FIELD_BYTES);
    http
}

/// WASI's own context, built from nothing: each granted directory, an empty one in the place of each that is needed
/// and not granted, and no other authority.
fn contexts(room: &Room, rights: &Rights) -> wasmtime::Result<(Wasi, Vec<(String, Handle)>)> {
    if rights.dirs.is_empty() && rights.ungranted.iter().all(|(kind, _)| *kind != Kind::Dir) {
        return Ok((Wasi::bare(), Vec::new()));
    }
    let mut builder = Wasi::builder();
    let mut directories = Vec::new();
    for right in &rights.dirs {
        let path = guest_path(right);
        let (perms, reach) = match right.mode {
            Mode::ReadOnly => (FsPerms::ReadOnly, Reach::Read),
            Mode::ReadWrite => (FsPerms::ReadWrite, Reach::Full),
        };
        let host = granted(room, right)?;
        builder.preopened_dir(&host, &path, perms).map_err(|error| {
            error.context(format!("the directory of the need {:?} cannot be opened", right.need.as_str()))
        })?;
        let target = Some(format!("{}:", right.need).into());
        directories.push((path, Handle { target, reach, leads: Leads::Storage, ..Handle::default() }));
    }
    for (_, need) in rights.ungranted.iter().filter(|(kind, _)| *kind == Kind::Dir) {
        let path = format!("/{need}");
        builder.preopened_dir(&room.empty_dir, &path, FsPerms::ReadOnly)?;
        let target = Some(format!("{need}:").into());
        directories.push((path, Handle { target, reach: Reach::Nothing, ..Handle::default() }));
    }
    Ok((Wasi::with(builder), directories))
}
