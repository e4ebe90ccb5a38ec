//! Sending traces and metrics to the operator's OTLP endpoint, in the background.
//!
//! Takes: ended calls, what is gathered. Gives: [`Exporter`]. May name: config, powers, reason.
//!
//! No call waits for it. What does not fit into the queue, and what the endpoint does not take, is dropped and counted;
//! metrics lose nothing by that, because each request has them from the start on.

use super::Telemetry;
use super::encode;
use super::post::Endpoint;
use super::span::Ended;
use crate::config::{Secret, TelemetryConfig};
use crate::powers::{Clock, Dial, Environment};
use crate::reason::Reason;
use http::HeaderValue;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prometheus::proto::MetricFamily;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

/// Ended calls that may wait to be sent.
const QUEUE: usize = 4096;
/// Calls in one request.
const BATCH: usize = 512;
/// How long a call that has ended waits for others.
const LINGER: Duration = Duration::from_secs(1);
/// How long the last requests may take when the host ends.
const FLUSH: Duration = Duration::from_secs(2);

/// Why nothing can be exported.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum TelemetryError {
    /// A variable with a header's value is not there, or no header's value.
    #[error("telemetry.otlp_headers: the variable {variable} {what}")]
    #[diagnostic(help("set it in the environment of `strongroom serve`, or remove the header"))]
    Header {
        /// The variable, by its name.
        variable: String,
        /// What is wrong with it.
        what: String,
    },
    /// The endpoint cannot be reached by this name.
    #[error("telemetry.otlp cannot be used: {0}")]
    Endpoint(String),
    /// Somebody exports already.
    #[error("this host's telemetry is exported already")]
    Twice,
}

impl TelemetryError {
    /// The stable word for it.
    #[must_use]
    pub fn reason(&self) -> Reason {
        Reason::ConfigInvalid
    }
}

/// What is gathered when metrics are sent.
pub(crate) type Gather = Box<dyn Fn() -> Vec<MetricFamily> + Send + Sync>;

/// Sends what the host tells of itself. Calls that end before [`Exporter::run`] is polled wait for it.
pub struct Exporter {
    telemetry: Arc<Telemetry>,
    clock: Arc<dyn Clock>,
    endpoint: Endpoint,
    gather: Gather,
    every: Duration,
    resource: Resource,
    began_ns: u64,
    spans: mpsc::Receiver<Ended>,
    batch: Vec<Ended>,
    failing: bool,
}

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Exporter")
    }
}

/// What an exporter reaches of the world.
pub(crate) struct Reach<'a> {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) dial: Arc<dyn Dial>,
    pub(crate) tls: Arc<rustls::ClientConfig>,
    pub(crate) environment: &'a dyn Environment,
    /// Tells processes apart.
    pub(crate) instance: String,
}

impl Exporter {
    /// `None` when the operator names no endpoint. From here on calls that end are kept for it.
    pub(crate) fn new(
        config: &TelemetryConfig,
        telemetry: &Arc<Telemetry>,
        reach: Reach<'_>,
        gather: Gather,
    ) -> Result<Option<Self>, TelemetryError> {
        let Some(url) = &config.otlp else { return Ok(None) };
        let Reach { clock, dial, tls, environment, instance } = reach;
        let mut headers = Vec::new();
        for (name, variable) in &config.otlp_headers {
            let fault = |what: String| TelemetryError::Header { variable: variable.clone(), what };
            let value = environment.variable(variable).map_err(|error| fault(error.to_string()))?;
            let value = value.filter(|value| !value.is_empty()).ok_or_else(|| fault("is not set".into()))?;
            if HeaderValue::from_str(&value).is_err() {
                return Err(fault("holds characters that no header can carry".into()));
            }
            headers.push((name.clone(), Secret::new(value.as_str().to_owned())));
        }
        let endpoint = Endpoint::new(url, headers, dial, tls);
        let endpoint = endpoint.ok_or_else(|| TelemetryError::Endpoint("it names no host".into()))?;
        let (sender, spans) = mpsc::channel(QUEUE);
        telemetry.spans.set(sender).map_err(|_| TelemetryError::Twice)?;
        Ok(Some(Self {
            telemetry: telemetry.clone(),
            endpoint,
            gather,
            every: Duration::from_millis(config.every_ms),
            resource: encode::resource(&instance),
            began_ns: clock.unix_us().saturating_mul(1000),
            clock,
            spans,
            batch: Vec::new(),
            failing: false,
        }))
    }

    /// Sends until `ended` is ready, then what is left, for at most two seconds.
    pub async fn run(mut self, ended: impl Future<Output = ()>) {
        tokio::select! {
            biased;
            () = ended => {}
            () = self.work() => {}
        }
        self.spans.close();
        if tokio::time::timeout(FLUSH, self.flush()).await.is_err() {
            let left = self.batch.len().saturating_add(self.spans.len());
            tracing::warn!(calls = left, "telemetry: the endpoint is slow, and the last traces are dropped");
            self.lose(left);
        }
    }

    async fn work(&mut self) {
        let mut metrics = tokio::time::interval(self.every);
        metrics.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick is at once, when there is nothing to tell.
        metrics.tick().await;
        loop {
            let room = BATCH.saturating_sub(self.batch.len());
            tokio::select! {
                _ = metrics.tick() => self.send_metrics().await,
                taken = self.spans.recv_many(&mut self.batch, room) => {
                    if taken == 0 {
                        return;
                    }
                    self.gather_more().await;
                    self.send_traces().await;
                }
            }
        }
    }

    /// Waits a little, so that many calls share a request.
    async fn gather_more(&mut self) {
        let wait = tokio::time::sleep(LINGER);
        tokio::pin!(wait);
        while let room @ 1.. = BATCH.saturating_sub(self.batch.len()) {
            tokio::select! {
                biased;
                () = &mut wait => return,
                taken = self.spans.recv_many(&mut self.batch, room) => if taken == 0 { return },
            }
        }
    }

    async fn flush(&mut self) {
        loop {
            let room = BATCH.saturating_sub(self.batch.len());
            // What is in a closed channel comes without a wait.
            self.spans.recv_many(&mut self.batch, room).await;
            if self.batch.is_empty() {
                break;
            }
            self.send_traces().await;
        }
        self.send_metrics().await;
    }

    async fn send_traces(&mut self) {
        let body = encode::traces(&self.resource, &self.batch);
        let sent = self.endpoint.post("traces", body).await;
        let calls = self.batch.len();
        self.batch.clear();
        if sent.is_err() {
            self.lose(calls);
        }
        self.tell("traces", sent);
    }

    async fn send_metrics(&mut self) {
        let now = self.clock.unix_us().saturating_mul(1000);
        let body = encode::metrics(&self.resource, &(self.gather)(), self.began_ns, now);
        let sent = self.endpoint.post("metrics", body).await;
        self.tell("metrics", sent);
    }

    fn lose(&self, calls: usize) {
        self.telemetry.meters.dropped.inc_by(u64::try_from(calls).unwrap_or(u64::MAX));
    }

    /// Told once, when it begins and when it ends: an endpoint that is away for a day is not news every second.
    fn tell(&mut self, signal: &str, sent: io::Result<()>) {
        match sent {
            Ok(()) if self.failing => {
                self.failing = false;
                tracing::info!("telemetry: the endpoint takes traces and metrics again");
            }
            Ok(()) => {}
            Err(error) => {
                self.telemetry.meters.failed.with_label_values(&[signal]).inc();
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(signal, "telemetry cannot be sent: {error}");
                }
            }
        }
    }
}
