//! `serve`: the HTTP API and the Model Context Protocol, until somebody ends it.
//!
//! Takes: an address or a tenant, signals. Gives: a server that takes up changed files, at once and on SIGHUP, and drains on SIGINT
//! and SIGTERM.
//! May name: the library, World.

use super::{Failure, Out, host};
use crate::World;
use std::io;
use std::net::SocketAddr;
use strongroom::audit::Dropped;
use strongroom::id::TenantId;
use strongroom::powers::Home;
use strongroom::reason::Reason;
use strongroom::serve::{Listeners, ServeError};
use strongroom::telemetry::{Exporter, TelemetryError};
use strongroom::tools::Change;
use strongroom::{Noticed, OperateError, Pauses, Reload, Strongroom};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

/// Serve the installed tools over HTTP and the Model Context Protocol
///
/// What changes in the home folder, settings and tools, is taken up while it runs; a file at fault leaves what was there
/// before in force. SIGHUP reads everything again at once. SIGINT and SIGTERM let running calls end, then stop; a second one stops at once.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to listen [default: `listen` in strongroom.toml, or else 127.0.0.1:8787]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Speak the Model Context Protocol on standard input and output, for one client and one tenant, and listen nowhere
    #[arg(long, conflicts_with = "listen")]
    stdio: bool,
    /// The tenant whose calls they are [default: the only one of a host without tenants]
    #[arg(long, value_name = "TENANT", requires = "stdio")]
    tenant: Option<TenantId>,
}

pub(crate) async fn run(args: Args, world: &World, out: &Out) -> Result<(), Failure> {
    // Before anything is opened, so that nothing is left half open by a signal.
    let mut ends = Ends::listen()?;
    let mut hangups = listen(SignalKind::hangup())?;
    let home = world.home()?;
    let spinner = out.spinner("loading tools");
    let room = host::builder(world)?.build().await;
    spinner.finish_and_clear();
    let room = room?;
    if args.stdio {
        return over_stdio(room, &home, args.tenant, ends, hangups, out).await;
    }
    let address = args.listen.unwrap_or(room.settings().host.listen);
    let opened = async {
        let watched = Watched::open(&room, world).await?;
        let admin = match room.settings().host.admin.listen {
            Some(address) => Some(world.listen(address).await.map_err(|failure| {
                failure.help("name another address in `admin.listen` of strongroom.toml")
            })?),
            None => None,
        };
        Ok((watched, Listeners { calls: world.listen(address).await?, admin }))
    };
    let (watched, listeners) = match opened.await {
        Ok(opened) => opened,
        Err(failure) => {
            room.close().await?;
            return Err(failure);
        }
    };
    watched.tell(out);
    let bound = listeners.calls.local_addr().unwrap_or(address);
    let scheme = if room.settings().host.tls.is_some() { "https" } else { "http" };
    out.note(format!("serving {} tools on {scheme}://{bound}", room.catalogue().tools().len()));
    if let Some(address) = listeners.admin.as_ref().and_then(|listener| listener.local_addr().ok()) {
        out.note(format!("the admin API is on {scheme}://{address}/admin/v1"));
    }

    let mut telling = watched.start(&room);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let signals = async {
        ends.next().await;
        out.note("letting running calls end; another signal stops at once");
        // When nobody waits for it, the server has ended already.
        let _ = stop.send(());
        ends.next().await;
    };
    let reloads = async {
        while hangups.recv().await.is_some() {
            reload(&room, &home, out).await;
        }
        std::future::pending::<()>().await;
    };
    let changes = room.follow(&home, |noticed| tell(noticed, out));
    let keeping = room.keep(|done| dropped(done, out));
    let delivering = async {
        room.deliver_alerts(Pauses::default()).await;
        // Whoever has closed the host ends the server as well.
        std::future::pending::<()>().await;
    };
    let stopped = async {
        let _ = stopped.await;
    };
    tokio::select! {
        served = strongroom::serve::run_on(room.clone(), listeners, stopped) => {
            let closed = room.close().await;
            telling.end().await;
            served?;
            closed?;
            Ok(())
        }
        () = signals => Err(Failure::reason(Reason::Cancelled, "stopped at once; calls that ran were broken off")),
        () = reloads => Ok(()),
        () = changes => Ok(()),
        () = keeping => Ok(()),
        () = delivering => Ok(()),
    }
}

/// Serves one client on standard input and output. The operator started it, so no key is asked for.
async fn over_stdio(
    room: Strongroom,
    home: &Home,
    tenant: Option<TenantId>,
    mut ends: Ends,
    mut hangups: Signal,
    out: &Out,
) -> Result<(), Failure> {
    let tenant = match whose(&room, tenant) {
        Ok(tenant) => tenant,
        Err(failure) => {
            room.close().await?;
            return Err(failure);
        }
    };
    out.note(format!(
        "serving {} tools to {tenant} on standard input and output",
        room.catalogue().tools().len()
    ));
    let reloads = async {
        while hangups.recv().await.is_some() {
            reload(&room, home, out).await;
        }
        std::future::pending::<()>().await;
    };
    let (input, output) = (tokio::io::stdin(), tokio::io::stdout());
    let served = tokio::select! {
        served = strongroom::serve::stdio(room.clone(), tenant, input, output, ends.next()) => served,
        () = reloads => Ok(()),
        () = room.follow(home, |noticed| tell(noticed, out)) => Ok(()),
        () = room.keep(|done| dropped(done, out)) => Ok(()),
    };
    let closed = room.close().await;
    served?;
    closed?;
    Ok(())
}

/// Whose calls come in on standard input.
fn whose(room: &Strongroom, tenant: Option<TenantId>) -> Result<TenantId, Failure> {
    let settings = room.settings();
    match tenant {
        Some(tenant) if settings.tenants.contains_key(&tenant) => Ok(tenant),
        Some(tenant) => Err(Failure::reason(Reason::TenantUnknown, format!("there is no tenant {tenant}"))),
        None if settings.single_tenant => Ok(TenantId::default_tenant()),
        None => Err(Failure::usage(
            "this host has tenants; say with --tenant whose calls come in on standard input",
        )),
    }
}

/// What those who watch the host are told, and where.
struct Watched {
    metrics: Option<tokio::net::TcpListener>,
    exporter: Option<Exporter>,
}

impl Watched {
    async fn open(room: &Strongroom, world: &World) -> Result<Self, Failure> {
        let address = room.settings().host.telemetry.metrics;
        let metrics = match address {
            Some(address) => Some(world.listen(address).await.map_err(|failure| {
                failure.help("name another address in `telemetry.metrics` of strongroom.toml")
            })?),
            None => None,
        };
        Ok(Self { metrics, exporter: room.exporter()? })
    }

    fn tell(&self, out: &Out) {
        if let Some(address) = self.metrics.as_ref().and_then(|listener| listener.local_addr().ok()) {
            out.note(format!("metrics for whoever asks on http://{address}/metrics"));
            if !address.ip().to_canonical().is_loopback() {
                out.note("warning: telemetry.metrics can be reached from other machines; it asks for no key");
            }
        }
    }

    fn start(self, room: &Strongroom) -> Telling {
        let (end, ended) = tokio::sync::watch::channel(());
        let mut tasks = JoinSet::new();
        // Ends when the sender is dropped.
        let until = |mut ended: tokio::sync::watch::Receiver<()>| async move { drop(ended.changed().await) };
        if let Some(listener) = self.metrics {
            let (room, until) = (room.clone(), until(ended.clone()));
            tasks.spawn(async move {
                if let Err(error) = strongroom::serve::telemetry::run(room, listener, until).await {
                    tracing::error!("metrics are not served any more: {error}");
                }
            });
        }
        if let Some(exporter) = self.exporter {
            tasks.spawn(exporter.run(until(ended)));
        }
        Telling { end: Some(end), tasks }
    }
}

/// The tasks that tell; they are gone with this.
struct Telling {
    end: Option<tokio::sync::watch::Sender<()>>,
    tasks: JoinSet<()>,
}

impl Telling {
    /// Lets them send what is left, which has its own bound.
    async fn end(&mut self) {
        self.end = None;
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!("telemetry broke off: {error}");
            }
        }
    }
}

/// The signals that end a program.
pub(crate) struct Ends {
    interrupt: Signal,
    terminate: Signal,
}

impl Ends {
    /// From now on they end nothing by themselves.
    pub(crate) fn listen() -> Result<Self, Failure> {
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// Waits for one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|e| Failure::failed(format!("signals cannot be received: {e}")))
}

/// An operator's order to read everything again.
async fn reload(room: &Strongroom, home: &Home, out: &Out) {
    let (done, changes) = (room.reload(home).await, room.refresh_tools().await);
    tools(changes, out);
    match done {
        Ok(done) => {
            out.note("the settings were read again and are in force");
            wait_for_restart(&done, out);
        }
        Err(error) => refused(error, out),
    }
}

/// What came of a change in the home folder.
fn tell(noticed: Noticed, out: &Out) {
    match noticed {
        Noticed::Settings(Ok(done)) => {
            out.note(match done.changed {
                true => "the settings on disk changed and are in force",
                false => "the settings on disk are those in force again",
            });
            wait_for_restart(&done, out);
        }
        Noticed::Settings(Err(error)) => refused(error, out),
        Noticed::Tools(changes) => tools(changes, out),
        Noticed::Unwatched(why) => {
            out.note(format!("warning: the home folder is not watched, but looked at every 2 s: {why}"));
        }
    }
}

/// What came of dropping what is too old.
fn dropped(done: Result<Dropped, OperateError>, out: &Out) {
    match done {
        Ok(Dropped { entries, below, kept_for }) => {
            out.note(format!(
                "audit.keep: dropped the bodies of {entries} entries, all below number {below}"
            ));
            if let Some(seq) = kept_for {
                out.note(format!(
                    "warning: entry {seq} is an intent that is still open; nothing from its bundle on goes"
                ));
            }
        }
        Err(error) => out.failure(&Failure::from(error)),
    }
}

fn refused(error: OperateError, out: &Out) {
    out.failure(&Failure::from(error));
    out.note("the settings from before stay in force");
}

fn wait_for_restart(done: &Reload, out: &Out) {
    if !done.restart.is_empty() {
        let waiting = done.restart.join(", ");
        out.note(format!("warning: {waiting} changed, and that is in force from the next start on"));
    }
}

fn tools(changes: io::Result<Vec<Change>>, out: &Out) {
    match changes {
        Ok(changes) => changes.iter().for_each(|change| match change {
            Change::Loaded(tool) => {
                out.note(format!("{} {} serves new calls", tool.name, tool.manifest.version));
            }
            Change::Gone(tool) => {
                out.note(format!("{tool} is gone from the tools folder, and for new calls"))
            }
        }),
        Err(error) => {
            out.note(format!("the tools folder cannot be read: {error}; the tools from before stay"));
        }
    }
}

impl From<TelemetryError> for Failure {
    fn from(error: TelemetryError) -> Self {
        Self::report(error.reason(), error)
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        Self::report(error.reason(), error)
    }
}
