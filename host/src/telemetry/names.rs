//! Every metric that there is: its name in both worlds, its unit, its labels, and what it means.
//!
//! Takes: nothing. Gives: [`METRICS`]. May name: nothing.
//!
//! Names and labels of OpenTelemetry where it has one (`mcp.*`, `gen_ai.*`), else under `strongroom.`. Prometheus' names
//! are made from those as OpenTelemetry prescribes: dots are underscores, the unit and `_total` stand at the end.

/// How a metric counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MetricKind {
    /// Goes up only, from the start of the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations in buckets with these upper bounds.
    Histogram(&'static [f64]),
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// Its name on `/metrics`.
    pub prometheus: &'static str,
    /// Its name in OTLP.
    pub otlp: &'static str,
    /// Its unit (UCUM).
    pub unit: &'static str,
    /// How it counts.
    pub kind: MetricKind,
    /// Its labels, as OTLP's attributes are called; on `/metrics` their dots are underscores.
    pub labels: &'static [&'static str],
    /// What it means, in one sentence.
    pub help: &'static str,
}

impl Metric {
    /// Its labels' names on `/metrics`.
    pub fn prometheus_labels(&self) -> impl Iterator<Item = String> {
        self.labels.iter().map(|label| label.replace('.', "_"))
    }
}

/// Seconds of a call: 50 µs to 60 s.
const CALL: MetricKind = MetricKind::Histogram(&[
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0,
]);
/// Seconds of a wait for the disk: 0.1 ms to 1 s.
const DISK: MetricKind =
    MetricKind::Histogram(&[0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 1.0]);
/// Seconds of a wait for a place: 1 ms to 60 s.
const WAIT: MetricKind = MetricKind::Histogram(&[0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0]);
/// Things in one batch.
const BATCH: MetricKind = MetricKind::Histogram(&[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0]);

/// The operation: `tools/call`, `tools/list`, or empty when it was refused before anybody knew which, or is none of MCP's.
pub(super) const METHOD: &str = "mcp.method.name";
/// An installed function; [`OTHER`](super::OTHER) for all others; empty where there is none.
pub(super) const TOOL: &str = "gen_ai.tool.name";
/// One of the reason codes.
pub(super) const REASON: &str = "strongroom.reason_code";
/// One of the outcomes.
pub(super) const OUTCOME: &str = "strongroom.outcome";

macro_rules! metrics {
    ($( $id:ident $prometheus:literal $otlp:literal $unit:literal $kind:expr, [$($label:expr),*], $help:literal; )+) => {
        $( pub(super) const $id: Metric = Metric {
            prometheus: $prometheus, otlp: $otlp, unit: $unit, kind: $kind, labels: &[$($label),*], help: $help,
        }; )+

        /// Every metric, in the order of the documentation.
        pub const METRICS: &[Metric] = &[$($id),+];
    };
}

metrics! {
    CALLS "strongroom_calls_total" "strongroom.calls" "{call}" MetricKind::Counter, [METHOD, TOOL, REASON, OUTCOME],
        "Calls that have ended, each once, whatever way it ended.";
    DURATION "mcp_server_operation_duration_seconds" "mcp.server.operation.duration" "s" CALL, [METHOD, TOOL, OUTCOME],
        "How long calls took, from their beginning to their last durable entry.";
    FUEL "strongroom_fuel_consumed_total" "strongroom.fuel.consumed" "{fuel}" MetricKind::Counter, [TOOL],
        "Fuel that calls have used, in the guest and in imports.";
    IMPORTS "strongroom_import_calls_total" "strongroom.import.calls" "{call}" MetricKind::Counter,
        ["strongroom.import.class", "strongroom.import.decision"],
        "Import calls of guests, by what they touch and whether the gate let them pass.";
    TENANT_CALLS "strongroom_tenant_calls_total" "strongroom.tenant.calls" "{call}" MetricKind::Counter,
        ["strongroom.tenant.id", REASON],
        "Calls of the tenants that telemetry.tenants names, and of no others.";
    RUNNING "strongroom_calls_running" "strongroom.calls.running" "{call}" MetricKind::Gauge, [],
        "Calls that hold a place now.";
    WAITING "strongroom_calls_waiting" "strongroom.calls.waiting" "{call}" MetricKind::Gauge, [],
        "Calls that wait for a place now.";
    PLACES "strongroom_calls_limit" "strongroom.calls.limit" "{call}" MetricKind::Gauge, [],
        "Calls that can run at once, each with a slot of the memory pool.";
    SHED "strongroom_calls_shed_total" "strongroom.calls.shed" "{call}" MetricKind::Counter, [],
        "Calls that were sent away because there was no place for them.";
    QUEUE "strongroom_queue_wait_duration_seconds" "strongroom.queue.wait.duration" "s" WAIT, [],
        "How long calls waited for a place, of those that had to wait.";
    COMMIT "strongroom_ledger_commit_duration_seconds" "strongroom.ledger.commit.duration" "s" DISK, [],
        "How long the ledger took for a transaction, with its sync.";
    JOBS "strongroom_ledger_batch_size" "strongroom.ledger.batch.size" "{change}" BATCH, [],
        "Changes that shared a transaction of the ledger.";
    SYNC "strongroom_audit_sync_duration_seconds" "strongroom.audit.sync.duration" "s" DISK, [],
        "How long the audit log took to write a batch and sync it.";
    ENTRIES "strongroom_audit_batch_size" "strongroom.audit.batch.size" "{entry}" BATCH, [],
        "Entries that shared a sync of the audit log.";
    WRITABLE "strongroom_audit_writable" "strongroom.audit.writable" "1" MetricKind::Gauge, [],
        "1 while the audit log can be written, else 0 and every call is refused.";
    CONNECTIONS "strongroom_http_connections" "strongroom.http.connections" "{connection}" MetricKind::Gauge, [],
        "Connections of the HTTP API that are open now.";
    TENANTS "strongroom_tenants" "strongroom.tenants" "{tenant}" MetricKind::Gauge, [],
        "Tenants with a file.";
    TOOLS "strongroom_tools" "strongroom.tools" "{tool}" MetricKind::Gauge, [],
        "Tools that are installed and loaded.";
    STOPS "strongroom_stops" "strongroom.stops" "{stop}" MetricKind::Gauge, [],
        "Kill switches and freezes in force.";
    STALE "strongroom_config_stale" "strongroom.config.stale" "1" MetricKind::Gauge, [],
        "1 while a file at fault keeps older settings in force, else 0.";
    DRAINING "strongroom_draining" "strongroom.draining" "1" MetricKind::Gauge, [],
        "1 from the sign to stop on, while running calls end, else 0.";
    INFO "strongroom_build_info" "strongroom.build.info" "1" MetricKind::Gauge, ["service.version"],
        "Always 1; its label is the version.";
    DROPPED "strongroom_telemetry_spans_dropped_total" "strongroom.telemetry.spans.dropped" "{span}" MetricKind::Counter, [],
        "Calls whose spans were dropped, because exporting is slower than they came or has failed.";
    FAILED "strongroom_telemetry_export_failures_total" "strongroom.telemetry.export.failures" "{request}" MetricKind::Counter,
        ["strongroom.signal"],
        "Requests to the OTLP endpoint that failed, by signal: traces, metrics.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn prometheus_names_are_made_from_the_others() {
        let mut seen = BTreeSet::new();
        for metric in METRICS {
            let unit = if metric.unit == "s" { "_seconds" } else { "" };
            let total = if metric.kind == MetricKind::Counter { "_total" } else { "" };
            assert_eq!(metric.prometheus, format!("{}{unit}{total}", metric.otlp.replace('.', "_")));
            assert!(seen.insert(metric.prometheus), "{} is there twice", metric.prometheus);
            assert!(metric.help.ends_with('.'));
            if let MetricKind::Histogram(bounds) = metric.kind {
                assert!(bounds.is_sorted() && !metric.labels.iter().any(|label| label.contains("tenant")));
            }
        }
    }
}
