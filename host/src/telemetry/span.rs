//! One call as spans: the call itself, and the steps of it that it came to.
//!
//! Takes: the facts of a call that has ended. Gives: OTLP's spans. May name: id, reason.
//!
//! A trace has the call's own id where its caller named none, so that a call of the audit log is found in the traces.

use super::encode::{attribute, number};
use super::trace_parent::TraceParent;
use crate::id::{CallId, FunctionName, TenantId};
use crate::reason::{Outcome, Reason};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};

/// The steps, in their order; each begins when the one before it ends.
pub(super) const STEPS: [&str; 4] =
    ["strongroom.admit", "strongroom.isolate", "strongroom.execute", "strongroom.settle"];

/// A call that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) call: CallId,
    pub(super) parent: Option<TraceParent>,
    pub(super) tenant: Option<TenantId>,
    pub(super) method: &'static str,
    /// The installed function.
    pub(super) function: Option<FunctionName>,
    pub(super) reason: Reason,
    pub(super) outcome: Outcome,
    pub(super) fuel: u64,
    /// Nanoseconds since 1970.
    pub(super) began: u64,
    /// Nanoseconds after the beginning at which each step but the last ended; 0 for those that it did not come to.
    pub(super) ends: [u64; 3],
    /// How many nanoseconds it took.
    pub(super) took: u64,
}

impl Ended {
    /// The spans, the call's own first.
    pub(super) fn spans(&self) -> Vec<Span> {
        let trace = self.parent.map_or(*self.call.as_bytes(), |parent| *parent.trace_id());
        let own = self.span_id(0);
        let at = |after: u64| self.began.saturating_add(after);
        let call = Span {
            trace_id: trace.to_vec(),
            span_id: own.clone(),
            parent_span_id: self.parent.map(|parent| parent.span_id().to_vec()).unwrap_or_default(),
            // Sampled, and whether the parent is in another process is known.
            flags: 0x101 | if self.parent.is_some() { 0x200 } else { 0 },
            name: self.name(),
            kind: SpanKind::Server.into(),
            start_time_unix_nano: self.began,
            end_time_unix_nano: at(self.took),
            attributes: self.attributes(),
            status: Some(self.status()),
            ..Span::default()
        };
        let mut spans = vec![call];
        let mut from = 0;
        for (number, name) in (1..).zip(STEPS) {
            let until = self.ends.get(number - 1).copied().unwrap_or(self.took);
            // The last step ends with the call, if the call came to it.
            let came = until > 0 && (number < STEPS.len() || self.ends.last().is_some_and(|end| *end > 0));
            if !came {
                continue;
            }
            spans.push(Span {
                trace_id: trace.to_vec(),
                span_id: self.span_id(number),
                parent_span_id: own.clone(),
                flags: 0x101,
                name: name.to_owned(),
                kind: SpanKind::Internal.into(),
                start_time_unix_nano: at(from),
                end_time_unix_nano: at(until),
                ..Span::default()
            });
            from = until;
        }
        spans
    }

    fn name(&self) -> String {
        match (self.method, &self.function) {
            ("", _) => "strongroom.call".to_owned(),
            (method, None) => method.to_owned(),
            (method, Some(function)) => format!("{method} {function}"),
        }
    }

    fn attributes(&self) -> Vec<opentelemetry_proto::tonic::common::v1::KeyValue> {
        let mut all = vec![
            attribute("strongroom.call.id", &self.call.to_string()),
            attribute("strongroom.reason_code", self.reason.code()),
            attribute("strongroom.outcome", self.outcome.as_str()),
            number("strongroom.fuel.consumed", self.fuel),
        ];
        if !self.method.is_empty() {
            all.push(attribute("mcp.method.name", self.method));
        }
        if self.method == "tools/call" {
            all.push(attribute("gen_ai.operation.name", "execute_tool"));
        }
        all.extend(self.function.as_ref().map(|function| attribute("gen_ai.tool.name", function.as_str())));
        all.extend(self.tenant.as_ref().map(|tenant| attribute("strongroom.tenant.id", tenant.as_str())));
        if self.reason != Reason::Ok {
            all.push(attribute("error.type", self.reason.code()));
        }
        all
    }

    /// What went wrong is the reason code: messages are for the caller alone.
    fn status(&self) -> Status {
        let code = if self.reason == Reason::Ok { StatusCode::Unset } else { StatusCode::Error };
        Status { message: String::new(), code: code.into() }
    }

    /// Ids of spans are the random part of the call's id, counted on.
    fn span_id(&self, number: usize) -> Vec<u8> {
        let [.., a, b, c, d, e, f, g, h] = *self.call.as_bytes();
        let own = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        let id = own.wrapping_add(u64::try_from(number).unwrap_or_default());
        // All zeroes is no id.
        (if id == 0 { u64::MAX } else { id }).to_be_bytes().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(ends: [u64; 3]) -> Ended {
        Ended {
            call: CallId::new(7, [3; 10]),
            parent: None,
            tenant: None,
            method: "tools/call",
            function: Some(FunctionName::new("orders.list").unwrap()),
            reason: Reason::Ok,
            outcome: Outcome::Executed,
            fuel: 5,
            began: 1_000,
            ends,
            took: 100,
        }
    }

    #[test]
    fn a_call_has_the_steps_that_it_came_to_one_after_the_other() {
        for (ends, steps) in [([0, 0, 0], 0), ([10, 0, 0], 1), ([10, 20, 0], 2), ([10, 20, 70], 4)] {
            let spans = ended(ends).spans();
            let (call, rest) = spans.split_first().unwrap();
            assert_eq!((call.name.as_str(), rest.len()), ("tools/call orders.list", steps));
            assert_eq!((call.start_time_unix_nano, call.end_time_unix_nano), (1_000, 1_100));
            assert!(call.parent_span_id.is_empty());
            let mut at = 1_000;
            for (span, name) in rest.iter().zip(STEPS) {
                assert_eq!((span.name.as_str(), span.start_time_unix_nano), (name, at));
                assert_eq!((&span.parent_span_id, &span.trace_id), (&call.span_id, &call.trace_id));
                at = span.end_time_unix_nano;
            }
            assert!(at <= call.end_time_unix_nano);
            let ids: std::collections::BTreeSet<_> = spans.iter().map(|span| &span.span_id).collect();
            assert_eq!(ids.len(), spans.len());
        }
    }
}
