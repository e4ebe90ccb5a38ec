//! The counters, gauges and histograms of one host.
//!
//! Takes: what happens. Gives: numbers, gathered when somebody looks. May name: config, powers, reason.

use super::functions::Functions;
use super::names::{self, Metric, MetricKind};
use prometheus::proto::MetricFamily;
use prometheus::{
    Encoder as _, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};
use std::time::Duration;

/// What is counted of calls.
pub(crate) struct OfCalls {
    pub(super) calls: IntCounterVec,
    pub(super) duration: HistogramVec,
    pub(super) fuel: IntCounterVec,
}

/// What is counted of the line in which calls wait.
#[derive(Clone, Debug)]
pub(crate) struct QueueMeters {
    shed: IntCounter,
    waited: Histogram,
}

impl QueueMeters {
    /// A call had to wait, and has its place.
    pub(crate) fn waited(&self, time: Duration) {
        self.waited.observe(time.as_secs_f64());
    }

    /// A call was sent away.
    pub(crate) fn shed(&self) {
        self.shed.inc();
    }
}

/// The state of the host at the moment at which somebody looks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct State {
    pub(crate) running: u32,
    pub(crate) waiting: usize,
    pub(crate) places: u32,
    pub(crate) writable: bool,
    pub(crate) tenants: usize,
    pub(crate) tools: usize,
    pub(crate) stops: usize,
    pub(crate) stale: bool,
    pub(crate) draining: bool,
}

struct Gauges {
    running: IntGauge,
    waiting: IntGauge,
    places: IntGauge,
    writable: IntGauge,
    tenants: IntGauge,
    tools: IntGauge,
    stops: IntGauge,
    stale: IntGauge,
    draining: IntGauge,
}

/// How an import call is counted: by class and decision.
const CLASSES: [&str; 5] = ["local", "observe", "effect", "time", "entropy"];

/// All of them.
pub(crate) struct Meters {
    registry: Registry,
    pub(super) of_calls: OfCalls,
    pub(super) functions: Functions,
    pub(super) tenant_calls: IntCounterVec,
    /// By class, allowed and denied.
    imports: Vec<(&'static str, [IntCounter; 2])>,
    queue: QueueMeters,
    commit: Histogram,
    jobs: Histogram,
    sync: Histogram,
    entries: Histogram,
    gauges: Gauges,
    pub(crate) connections: IntGauge,
    pub(super) dropped: IntCounter,
    pub(super) failed: IntCounterVec,
}

impl Meters {
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        let make = Maker(Registry::new());
        let imports = make.counters(&names::IMPORTS)?;
        let imports = CLASSES.map(|class| {
            let of = |decision| imports.with_label_values(&[class, decision]);
            (class, [of("allow"), of("deny")])
        });
        let failed = make.counters(&names::FAILED)?;
        // Both are there from the start, so that an alert on their rate sees the first failure.
        for signal in ["traces", "metrics"] {
            failed.with_label_values(&[signal]);
        }
        let info = IntGaugeVec::new(opts(&names::INFO), &["service_version"])?;
        make.0.register(Box::new(info.clone()))?;
        info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(Self {
            of_calls: OfCalls {
                calls: make.counters(&names::CALLS)?,
                duration: make.histograms(&names::DURATION)?,
                fuel: make.counters(&names::FUEL)?,
            },
            functions: Functions::new(),
            tenant_calls: make.counters(&names::TENANT_CALLS)?,
            imports: imports.into(),
            queue: QueueMeters { shed: make.counter(&names::SHED)?, waited: make.histogram(&names::QUEUE)? },
            commit: make.histogram(&names::COMMIT)?,
            jobs: make.histogram(&names::JOBS)?,
            sync: make.histogram(&names::SYNC)?,
            entries: make.histogram(&names::ENTRIES)?,
            gauges: Gauges {
                running: make.gauge(&names::RUNNING)?,
                waiting: make.gauge(&names::WAITING)?,
                places: make.gauge(&names::PLACES)?,
                writable: make.gauge(&names::WRITABLE)?,
                tenants: make.gauge(&names::TENANTS)?,
                tools: make.gauge(&names::TOOLS)?,
                stops: make.gauge(&names::STOPS)?,
                stale: make.gauge(&names::STALE)?,
                draining: make.gauge(&names::DRAINING)?,
            },
            connections: make.gauge(&names::CONNECTIONS)?,
            dropped: make.counter(&names::DROPPED)?,
            failed,
            registry: make.0,
        })
    }

    pub(crate) fn queue(&self) -> QueueMeters {
        self.queue.clone()
    }

    /// What to call after each transaction of the ledger.
    pub(crate) fn of_ledger(&self) -> impl Fn(usize, Duration) + Send + Sync + 'static {
        let (size, time) = (self.jobs.clone(), self.commit.clone());
        move |changes, took| batch(&size, &time, changes, took)
    }

    /// What to call after each sync of the audit log.
    pub(crate) fn of_audit(&self) -> impl Fn(usize, Duration) + Send + Sync + 'static {
        let (size, time) = (self.entries.clone(), self.sync.clone());
        move |entries, took| batch(&size, &time, entries, took)
    }

    /// Counts import calls of one class.
    pub(super) fn imported(&self, class: &str, allowed: bool, count: u64) {
        if let Some((_, [allow, deny])) = self.imports.iter().find(|(name, _)| *name == class) {
            if allowed { allow } else { deny }.inc_by(count);
        }
    }

    /// Everything, with the host's state as it is now.
    pub(crate) fn gather(&self, state: &State) -> Vec<MetricFamily> {
        let gauges = &self.gauges;
        gauges.running.set(state.running.into());
        gauges.waiting.set(whole(state.waiting));
        gauges.places.set(state.places.into());
        gauges.writable.set(state.writable.into());
        gauges.tenants.set(whole(state.tenants));
        gauges.tools.set(whole(state.tools));
        gauges.stops.set(whole(state.stops));
        gauges.stale.set(state.stale.into());
        gauges.draining.set(state.draining.into());
        self.registry.gather()
    }

    /// The same as Prometheus' text.
    pub(crate) fn text(&self, state: &State) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.gather(state), &mut text)?;
        Ok(text)
    }
}

fn batch(size: &Histogram, time: &Histogram, things: usize, took: Duration) {
    size.observe(f64::from(u32::try_from(things).unwrap_or(u32::MAX)));
    time.observe(took.as_secs_f64());
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn opts(metric: &Metric) -> Opts {
    Opts::new(metric.prometheus, metric.help)
}

/// Makes what a [`Metric`] describes, and has it gathered.
struct Maker(Registry);

impl Maker {
    fn counters(&self, metric: &Metric) -> Result<IntCounterVec, prometheus::Error> {
        let made = IntCounterVec::new(opts(metric), &labels(metric))?;
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }

    fn counter(&self, metric: &Metric) -> Result<IntCounter, prometheus::Error> {
        let made = IntCounter::with_opts(opts(metric))?;
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }

    fn gauge(&self, metric: &Metric) -> Result<IntGauge, prometheus::Error> {
        let made = IntGauge::with_opts(opts(metric))?;
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }

    fn histograms(&self, metric: &Metric) -> Result<HistogramVec, prometheus::Error> {
        let made = HistogramVec::new(buckets(metric), &labels(metric))?;
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }

    fn histogram(&self, metric: &Metric) -> Result<Histogram, prometheus::Error> {
        let made = Histogram::with_opts(buckets(metric))?;
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }
}

fn buckets(metric: &Metric) -> HistogramOpts {
    let bounds = match metric.kind {
        MetricKind::Histogram(bounds) => bounds.to_vec(),
        MetricKind::Counter | MetricKind::Gauge => Vec::new(),
    };
    HistogramOpts::new(metric.prometheus, metric.help).buckets(bounds)
}

fn labels(metric: &Metric) -> Vec<&'static str> {
    metric.labels.iter().map(|label| label_name(label)).collect()
}

/// A label's name as Prometheus has it. The library takes borrowed names alone.
fn label_name(label: &'static str) -> &'static str {
    match label {
        names::METHOD => "mcp_method_name",
        names::TOOL => "gen_ai_tool_name",
        names::REASON => "strongroom_reason_code",
        names::OUTCOME => "strongroom_outcome",
        "strongroom.import.class" => "strongroom_import_class",
        "strongroom.import.decision" => "strongroom_import_decision",
        "strongroom.tenant.id" => "strongroom_tenant_id",
        "strongroom.signal" => "strongroom_signal",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_of_imports_is_counted() {
        let classes = crate::imports::table::TABLE.iter().map(|import| import.class.as_str());
        assert!(classes.into_iter().all(|class| CLASSES.contains(&class)));
    }
}
