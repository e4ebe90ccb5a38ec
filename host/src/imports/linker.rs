//! The linker: every interface of the table, each as a gated view; the same for every call of every component.
//!
//! Takes: an engine. Gives: a linker. May name: imports.

use super::ask::AskView;
use super::bindings::strongroom::host::{ask, cache, call, memory};
use super::bindings::wasi::{config, keyvalue, logging};
use super::cache::CacheView;
use super::call::CallFacts;
use super::gate::Audited;
use super::http::Http;
use super::keyvalue::KvView;
use super::logging::LogView;
use super::memory::MemoryView;
use super::state::State;
use crate::authorize::rights::Rights;
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::cli::WasiCliCtxView;
use wasmtime_wasi::clocks::WasiClocksCtxView;
use wasmtime_wasi::filesystem::WasiFilesystemCtxView;
use wasmtime_wasi::p2::bindings as p2;
use wasmtime_wasi::random::WasiRandomCtx;
use wasmtime_wasi::sockets::WasiSocketsCtxView;
use wasmtime_wasi_http::p2::bindings::http;

macro_rules! views {
    ($($name:ident<$a:lifetime> = |$state:ident| $view:ty, $inner:expr;)*) => { $(
        /// Names the view of an interface.
        pub(super) struct $name;

        impl HasData for $name {
            type Data<$a> = Audited<$a, $view>;
        }

        impl $name {
            fn view<$a>($state: &$a mut State) -> Audited<$a, $view> {
                let inner = $inner;
                Audited { gate: &mut $state.gate, inner }
            }
        }
    )* };
}

views! {
    HasRandom<'a> = |s| &'a mut WasiRandomCtx, s.wasi.ctx().random();
    HasClocks<'a> = |s| WasiClocksCtxView<'a>, WasiClocksCtxView { ctx: s.wasi.ctx().clocks(), table: &mut s.table };
    HasCli<'a> = |s| WasiCliCtxView<'a>, WasiCliCtxView { ctx: s.wasi.ctx().cli(), table: &mut s.table };
    HasTable<'a> = |s| &'a mut ResourceTable, &mut s.table;
    HasFiles<'a> = |s| WasiFilesystemCtxView<'a>, WasiFilesystemCtxView { ctx: s.wasi.ctx().filesystem(), table: &mut s.table };
    HasSockets<'a> = |s| WasiSocketsCtxView<'a>, WasiSocketsCtxView { ctx: s.wasi.ctx().sockets(), table: &mut s.table };
    HasHttp<'a> = |s| Http<'a>, Http { rights: &s.rights, hooks: &mut s.hooks, table: &mut s.table, ctx: &mut s.http };
    HasKeyvalue<'a> = |s| KvView<'a>, KvView { rights: &s.rights, stored: &mut s.stored, table: &mut s.table };
    HasMemory<'a> = |s| MemoryView<'a>, MemoryView { rights: &s.rights, stored: &mut s.stored, call: s.facts.id, named: &mut s.named };
    HasCache<'a> = |s| CacheView<'a>, CacheView { rights: &s.rights, caches: &s.caches, of: &s.cache_of };
    HasAsk<'a> = |s| AskView<'a>, AskView { rights: &s.rights, talk: &mut s.talk };
    HasConfig<'a> = |s| &'a Rights, &*s.rights;
    HasLogging<'a> = |s| LogView<'a>, LogView { facts: &s.facts, hooks: &mut s.hooks };
    HasCall<'a> = |s| &'a mut CallFacts, &mut s.facts;
}

/// Links every interface of the table.
pub(crate) fn linker(engine: &wasmtime::Engine) -> Result<Linker<State>> {
    let mut l = Linker::<State>::new(engine);
    let l = &mut l;
    p2::random::random::add_to_linker::<State, HasRandom>(l, HasRandom::view)?;
    p2::random::insecure::add_to_linker::<State, HasRandom>(l, HasRandom::view)?;
    p2::random::insecure_seed::add_to_linker::<State, HasRandom>(l, HasRandom::view)?;
    p2::clocks::wall_clock::add_to_linker::<State, HasClocks>(l, HasClocks::view)?;
    p2::clocks::monotonic_clock::add_to_linker::<State, HasClocks>(l, HasClocks::view)?;
    p2::cli::environment::add_to_linker::<State, HasCli>(l, HasCli::view)?;
    p2::cli::exit::add_to_linker::<State, HasCli>(l, HasCli::view)?;
    p2::cli::stdin::add_to_linker::<State, HasCli>(l, HasCli::view)?;
    p2::cli::stdout::add_to_linker::<State, HasCli>(l, HasCli::view)?;
    p2::cli::stderr::add_to_linker::<State, HasCli>(l, HasCli::view)?;
    p2::cli::terminal_input::add_to_linker::<State, HasCli>(l, HasCli::view)?;
    p2::cli::terminal_output::add_to_linker::<State, HasCli>(l, HasCli::view)?;
    p2::cli::terminal_stdin::add_to_linker::<State, HasCli>(l, HasCli::view)?;
    p2::cli::terminal_stdout::add_to_linker::<State, HasCli>(l, HasCli::view)?;
    p2::cli::terminal_stderr::add_to_linker::<State, HasCli>(l, HasCli::view)?;
    p2::io::error::add_to_linker::<State, HasTable>(l, HasTable::view)?;
    p2::io::poll::add_to_linker::<State, HasTable>(l, HasTable::view)?;
    p2::io::streams::add_to_linker::<State, HasTable>(l, HasTable::view)?;
    p2::filesystem::preopens::add_to_linker::<State, HasFiles>(l, HasFiles::view)?;
    p2::filesystem::types::add_to_linker::<State, HasFiles>(l, HasFiles::view)?;
    p2::sockets::network::add_to_linker::<State, HasSockets>(l, &Default::default(), HasSockets::view)?;
    p2::sockets::instance_network::add_to_linker::<State, HasSockets>(l, HasSockets::view)?;
    p2::sockets::ip_name_lookup::add_to_linker::<State, HasSockets>(l, HasSockets::view)?;
    p2::sockets::tcp_create_socket::add_to_linker::<State, HasSockets>(l, HasSockets::view)?;
    p2::sockets::udp_create_socket::add_to_linker::<State, HasSockets>(l, HasSockets::view)?;
    p2::sockets::tcp::add_to_linker::<State, HasSockets>(l, HasSockets::view)?;
    p2::sockets::udp::add_to_linker::<State, HasSockets>(l, HasSockets::view)?;
    http::types::add_to_linker::<State, HasHttp>(l, &Default::default(), HasHttp::view)?;
    http::outgoing_handler::add_to_linker::<State, HasHttp>(l, HasHttp::view)?;
    keyvalue::store::add_to_linker::<State, HasKeyvalue>(l, HasKeyvalue::view)?;
    keyvalue::atomics::add_to_linker::<State, HasKeyvalue>(l, HasKeyvalue::view)?;
    keyvalue::batch::add_to_linker::<State, HasKeyvalue>(l, HasKeyvalue::view)?;
    config::store::add_to_linker::<State, HasConfig>(l, HasConfig::view)?;
    logging::logging::add_to_linker::<State, HasLogging>(l, HasLogging::view)?;
    memory::add_to_linker::<State, HasMemory>(l, HasMemory::view)?;
    ask::add_to_linker::<State, HasAsk>(l, HasAsk::view)?;
    cache::add_to_linker::<State, HasCache>(l, HasCache::view)?;
    call::add_to_linker::<State, HasCall>(l, HasCall::view)?;
    l.allow_shadowing(true);
    l.instance("strongroom:host/call@0.1.0")?.func_wrap(
        "fuel-left",
        |mut store: StoreContextMut<'_, State>, (): ()| {
            // The span that the bindings open for every other import: whoever counts them counts this one too.
            let _told =
                tracing::trace_span!("wit-bindgen import", module = "call", function = "fuel-left").entered();
            let guest = store.get_fuel()?;
            Ok((HasCall::view(store.data_mut()).fuel_left_with(guest)?,))
        },
    )?;
    l.allow_shadowing(false);
    Ok(l.clone())
}
