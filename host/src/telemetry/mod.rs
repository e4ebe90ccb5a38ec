//! What the host tells of itself to those who watch it: metrics, traces, and where they go.
//!
//! Takes: each call as it ends, the host's state when somebody looks. Gives: [`METRICS`], Prometheus' text, OTLP. May name:
//! config, id, powers, reason.
//!
//! A call is counted once, when what holds it together in the audit log is closed, whatever way that happens
//! (`telemetry::observed`). Labels are words that the host knows: reason codes, outcomes, installed functions. Nothing
//! here ever holds arguments, results, credentials, or a name that a caller made up.

mod encode;
mod export;
mod functions;
mod meters;
mod names;
pub(crate) mod observed;
mod post;
mod span;
mod tellable;
mod trace_parent;

pub(crate) use export::Reach;
pub use export::{Exporter, TelemetryError};
pub use functions::{MOST_FUNCTIONS, OTHER};
pub(crate) use meters::{Meters, QueueMeters, State};
pub use names::{METRICS, Metric, MetricKind};
pub use tellable::is_tellable;
pub use trace_parent::TraceParent;

use crate::id::TenantId;
use span::Ended;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc;

/// What a host is watched by. One for each host; nothing of it is the process's.
pub(crate) struct Telemetry {
    pub(crate) meters: Meters,
    /// The tenants that are counted by name.
    tenants: BTreeSet<TenantId>,
    /// Where ended calls go when they are exported. Bounded: what does not fit is dropped and counted.
    spans: OnceLock<mpsc::Sender<Ended>>,
}

impl Telemetry {
    /// # Errors
    /// When two metrics have one name, which no release of this program has.
    pub(crate) fn new(tenants: BTreeSet<TenantId>) -> Result<Arc<Self>, prometheus::Error> {
        Ok(Arc::new(Self { meters: Meters::new()?, tenants, spans: OnceLock::new() }))
    }
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Telemetry")
    }
}
