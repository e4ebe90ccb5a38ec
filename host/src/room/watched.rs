//! The host for those who watch it: its metrics, and the way on which they and its traces leave.
//!
//! Takes: nothing. Gives: Prometheus' text, an [`Exporter`]. May name: every stage.

use super::{Room, Strongroom};
use crate::telemetry::{Exporter, Reach, State, TelemetryError};
use std::sync::Arc;

impl Strongroom {
    /// The metrics of this process as Prometheus' text, format 0.0.4. They name installed functions, and of tenants those that
    /// `telemetry.tenants` names.
    ///
    /// # Errors
    /// When they cannot be written as text, with the cause.
    pub fn metrics(&self) -> std::io::Result<Vec<u8>> {
        self.room.telemetry.meters.text(&self.room.state()).map_err(std::io::Error::other)
    }

    /// What sends traces and metrics to the endpoint in `telemetry.otlp`; `None` when there is none. Calls that end from now
    /// on are kept for it, a bounded number of them.
    ///
    /// # Errors
    /// When a header's variable is not set, or when there is an exporter already.
    pub fn exporter(&self) -> Result<Option<Exporter>, TelemetryError> {
        let room = &self.room;
        let mut random = [0; 16];
        let drawn = room.entropy.fill(&mut random);
        drawn.map_err(|error| TelemetryError::Endpoint(format!("the system has no randomness: {error}")))?;
        let reach = Reach {
            clock: room.clock.clone(),
            dial: room.wire.dial.clone(),
            tls: room.wire.tls.clone(),
            environment: &*room.environment,
            instance: hex::encode(random),
        };
        let watched: Arc<Room> = room.clone();
        let gather = Box::new(move || watched.telemetry.meters.gather(&watched.state()));
        Exporter::new(&room.settings().host.telemetry, &room.telemetry, reach, gather)
    }

    /// Counts a connection for as long as what it gives is held.
    pub(crate) fn connected(&self) -> Connected {
        self.room.telemetry.meters.connections.inc();
        Connected(self.clone())
    }
}

/// An open connection.
pub(crate) struct Connected(Strongroom);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.room.telemetry.meters.connections.dec();
    }
}

impl Room {
    fn state(&self) -> State {
        let (running, waiting) = self.places.load();
        let current = self.current();
        State {
            running,
            waiting,
            places: self.places.all(),
            writable: self.journal.ready().is_ok(),
            tenants: current.settings.tenants.len(),
            tools: self.catalogue.tools().len(),
            stops: self.ledger.kills().len(),
            stale: self.on_disk.is_stale(),
            draining: self.health.is_draining(),
        }
    }
}
