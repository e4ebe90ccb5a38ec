//! One call, watched from its beginning to its end, and counted once, when this is dropped.
//!
//! Takes: what each stage learns. Gives: counts, spans, and the call's own `tracing` span. May name: id, reason.

use super::Telemetry;
use super::functions::{Cells, Method};
use super::span::Ended;
use super::trace_parent::TraceParent;
use crate::id::{CallId, FunctionName, TenantId};
use crate::reason::{Outcome, Reason};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;

/// What is known of a call for those who watch the host.
pub(crate) struct Observed {
    telemetry: Arc<Telemetry>,
    method: Method,
    cells: Option<Arc<Cells>>,
    reason: Reason,
    outcome: Outcome,
    took: Duration,
    fuel: u64,
    ran: bool,
    /// Only of tenants that are counted by name, and of calls that are exported.
    tenant: Option<TenantId>,
    trace: Option<Box<Trace>>,
    span: tracing::Span,
}

/// What is kept of a call that is exported.
struct Trace {
    call: CallId,
    parent: Option<TraceParent>,
    began_ns: u64,
    ends: [u64; 3],
    function: Option<FunctionName>,
}

/// A step that has ended; the last one ends with the call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Passed {
    /// Identified, admitted and authorized.
    Admit,
    /// Its store is made.
    Isolate,
    /// It has run.
    Execute,
}

impl Observed {
    pub(crate) fn new(telemetry: &Arc<Telemetry>, call: CallId, unix_us: u64) -> Self {
        let traced = telemetry.spans.get().is_some();
        let trace = traced.then(|| {
            let began_ns = unix_us.saturating_mul(1000);
            Box::new(Trace { call, parent: None, began_ns, ends: [0; 3], function: None })
        });
        let span = tracing::debug_span!(
            target: "strongroom::call",
            "call",
            otel.name = tracing::field::Empty,
            otel.kind = "server",
            mcp.method.name = tracing::field::Empty,
            gen_ai.tool.name = tracing::field::Empty,
            strongroom.tenant.id = tracing::field::Empty,
            strongroom.call.id = %call,
            strongroom.reason_code = tracing::field::Empty,
        );
        Self {
            telemetry: telemetry.clone(),
            method: Method::None,
            cells: None,
            reason: Reason::Cancelled,
            outcome: Outcome::Denied,
            took: Duration::ZERO,
            fuel: 0,
            ran: false,
            tenant: None,
            trace,
            span,
        }
    }

    /// The call's own span, for the steps after the first.
    pub(crate) fn span(&self) -> tracing::Span {
        self.span.clone()
    }

    pub(crate) fn belongs_to(&mut self, tenant: &TenantId) {
        self.span.record("strongroom.tenant.id", tenant.as_str());
        if self.trace.is_some() || self.telemetry.tenants.contains(tenant) {
            self.tenant = Some(tenant.clone());
        }
    }

    /// A function is asked for, installed or not.
    pub(crate) fn calls(&mut self) {
        if self.method == Method::Call {
            return;
        }
        self.method = Method::Call;
        self.cells = Some(self.telemetry.meters.functions.unknown().clone());
        self.span.record("mcp.method.name", "tools/call");
    }

    /// The function is installed.
    pub(crate) fn finds(&mut self, function: &FunctionName) {
        self.cells = Some(self.telemetry.meters.functions.of(function));
        if let Some(trace) = &mut self.trace {
            trace.function = Some(function.clone());
        }
        if !self.span.is_disabled() {
            self.span.record("otel.name", format!("tools/call {function}").as_str());
            self.span.record("gen_ai.tool.name", function.as_str());
        }
    }

    /// The functions are listed.
    pub(crate) fn lists(&mut self) {
        (self.method, self.cells) = (Method::List, None);
        self.span.record("mcp.method.name", "tools/list");
    }

    /// It is part of its caller's trace. What its caller does not record is not exported.
    pub(crate) fn continues(&mut self, parent: Option<TraceParent>) {
        match (&mut self.trace, parent) {
            (Some(trace), Some(parent)) if parent.is_sampled() => trace.parent = Some(parent),
            (trace @ Some(_), Some(_)) => *trace = None,
            _ => {}
        }
    }

    /// Whether steps are timed.
    pub(crate) fn is_traced(&self) -> bool {
        self.trace.is_some()
    }

    /// A step has ended so long after the call's beginning.
    pub(crate) fn passed(&mut self, step: Passed, after: Duration) {
        if let Some(trace) = &mut self.trace
            && let Some(end) = trace.ends.get_mut(step as usize)
        {
            *end = nanos(after).max(1);
        }
    }

    /// What running cost.
    pub(crate) fn used(&mut self, fuel: u64) {
        (self.fuel, self.ran) = (fuel, true);
    }

    /// Import calls of one class.
    pub(crate) fn imported(&self, class: &str, allowed: bool, count: u64) {
        self.telemetry.meters.imported(class, allowed, count);
    }

    /// How it has ended, as far as it is known: the last word counts.
    pub(crate) fn ends(&mut self, reason: Reason, outcome: Outcome, took: Duration) {
        (self.reason, self.outcome, self.took) = (reason, outcome, took);
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        let meters = &self.telemetry.meters;
        let cells = self.cells.take().unwrap_or_else(|| meters.functions.without(self.method));
        cells.count(&meters.of_calls, self.reason, self.outcome, self.took.as_secs_f64());
        if self.ran {
            cells.burn(&meters.of_calls, self.fuel);
        }
        self.span.record("strongroom.reason_code", self.reason.code());
        if let Some(tenant) = &self.tenant
            && self.telemetry.tenants.contains(tenant)
        {
            meters.tenant_calls.with_label_values(&[tenant.as_str(), self.reason.code()]).inc();
        }
        let (Some(trace), Some(spans)) = (self.trace.take(), self.telemetry.spans.get()) else { return };
        let Trace { call, parent, began_ns, ends, function } = *trace;
        let ended = Ended {
            call,
            parent,
            tenant: self.tenant.take(),
            method: self.method.name(),
            function,
            reason: self.reason,
            outcome: self.outcome,
            fuel: self.fuel,
            began: began_ns,
            ends,
            took: nanos(self.took),
        };
        // Nobody waits for an exporter: what does not fit is dropped, and counted unless the exporter has ended.
        if let Err(TrySendError::Full(_)) = spans.try_send(ended) {
            meters.dropped.inc();
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
