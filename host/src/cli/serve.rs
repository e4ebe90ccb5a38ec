//! `serve`: the HTTP API, until somebody ends it.
//!
//! Takes: an address, signals. Gives: a server that reloads on SIGHUP and drains on SIGINT and SIGTERM.
//! May name: the library, World.

use super::{Failure, Out, host};
use crate::World;
use std::net::SocketAddr;
use strongroom::reason::Reason;
use strongroom::serve::ServeError;
use strongroom::{OperateError, Strongroom};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Serve the installed tools over HTTP
///
/// SIGHUP reads the settings and the tools folder again. SIGINT and SIGTERM let running calls end, then stop; a second one stops at once.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to listen [default: `listen` in strongroom.toml, or else 127.0.0.1:8787]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

pub(crate) async fn run(args: Args, world: &World, out: &Out) -> Result<(), Failure> {
    // Before anything is opened, so that nothing is left half open by a signal.
    let mut ends =
        Ends { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? };
    let mut hangups = listen(SignalKind::hangup())?;
    let spinner = out.spinner("loading tools");
    let room = host::builder(world)?.build().await;
    spinner.finish_and_clear();
    let room = room?;
    let address = args.listen.unwrap_or(room.settings().host.listen);
    let listener = match world.listen(address).await {
        Ok(listener) => listener,
        Err(failure) => {
            room.close().await?;
            return Err(failure);
        }
    };
    let bound = listener.local_addr().unwrap_or(address);
    out.note(format!("serving {} tools on http://{bound}", room.catalogue().tools().len()));

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
            reload(&room, out).await;
        }
        std::future::pending::<()>().await;
    };
    let stopped = async {
        let _ = stopped.await;
    };
    tokio::select! {
        served = strongroom::serve::run(room.clone(), listener, stopped) => {
            let closed = room.close().await;
            served?;
            closed?;
            Ok(())
        }
        () = signals => Err(Failure::reason(Reason::Cancelled, "stopped at once; calls that ran were broken off")),
        () = reloads => Ok(()),
    }
}

/// The signals that end a program.
struct Ends {
    interrupt: Signal,
    terminate: Signal,
}

impl Ends {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|e| Failure::failed(format!("signals cannot be received: {e}")))
}

/// Takes the new settings over, whole or not at all, and what was installed meanwhile.
async fn reload(room: &Strongroom, out: &Out) {
    let done = match room.read_settings() {
        Ok(settings) => room.apply(settings).await,
        Err(errors) => Err(OperateError::from(errors)),
    };
    if let Err(error) = room.refresh_tools().await {
        out.note(format!("the tools folder cannot be read: {error}; the tools from before stay"));
    }
    match done {
        Ok(()) => out.note("the settings were read again and are in force"),
        Err(error) => {
            out.failure(&Failure::from(error));
            out.note("the settings from before stay in force");
        }
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        Self::report(error.reason(), error)
    }
}
