//! Metrics and spans in OTLP's messages.
//!
//! Takes: what was gathered, ended calls. Gives: requests as bytes. May name: nothing.

use super::names::{METRICS, Metric};
use super::span::Ended;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric as Told, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use prometheus::proto::{LabelPair, MetricFamily, MetricType};
use prost::Message as _;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A text attribute.
pub(super) fn attribute(key: &str, value: &str) -> KeyValue {
    of(key, Value::StringValue(value.to_owned()))
}

/// A whole number as an attribute.
pub(super) fn number(key: &str, value: u64) -> KeyValue {
    of(key, Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)))
}

fn of(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// Who tells all this. `instance` tells processes of one host apart.
pub(super) fn resource(instance: &str) -> Resource {
    let attributes = vec![
        attribute("service.name", "strongroom"),
        attribute("service.version", VERSION),
        attribute("service.instance.id", instance),
    ];
    Resource { attributes, ..Resource::default() }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "strongroom".into(),
        version: VERSION.into(),
        ..InstrumentationScope::default()
    }
}

/// A request with the spans of these calls.
pub(super) fn traces(resource: &Resource, calls: &[Ended]) -> Vec<u8> {
    let spans = calls.iter().flat_map(Ended::spans).collect();
    let scope_spans = vec![ScopeSpans { scope: Some(scope()), spans, ..ScopeSpans::default() }];
    let spans = ResourceSpans { resource: Some(resource.clone()), scope_spans, ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![spans] }.encode_to_vec()
}

/// A request with all metrics: counted since `began`, as they are at `now` (nanoseconds since 1970).
pub(super) fn metrics(resource: &Resource, families: &[MetricFamily], began: u64, now: u64) -> Vec<u8> {
    let named = |family: &MetricFamily| METRICS.iter().find(|metric| metric.prometheus == family.name());
    let told = families.iter().filter_map(|family| Some(metric(named(family)?, family, began, now)));
    let scope_metrics =
        vec![ScopeMetrics { scope: Some(scope()), metrics: told.collect(), ..ScopeMetrics::default() }];
    let metrics =
        ResourceMetrics { resource: Some(resource.clone()), scope_metrics, ..ResourceMetrics::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![metrics] }.encode_to_vec()
}

fn metric(metric: &Metric, family: &MetricFamily, began: u64, now: u64) -> Told {
    let temporality = AggregationTemporality::Cumulative.into();
    let point = |labels: &[LabelPair], value: f64, start: u64| NumberDataPoint {
        attributes: attributes(metric, labels),
        start_time_unix_nano: start,
        time_unix_nano: now,
        value: Some(Number::AsDouble(value)),
        ..NumberDataPoint::default()
    };
    let points = family.get_metric();
    let data = match family.get_field_type() {
        MetricType::COUNTER => Data::Sum(Sum {
            data_points: points
                .iter()
                .map(|p| point(p.get_label(), p.get_counter().get_value(), began))
                .collect(),
            aggregation_temporality: temporality,
            is_monotonic: true,
        }),
        MetricType::HISTOGRAM => Data::Histogram(Histogram {
            data_points: points.iter().map(|p| histogram(metric, p, began, now)).collect(),
            aggregation_temporality: temporality,
        }),
        _ => Data::Gauge(Gauge {
            data_points: points.iter().map(|p| point(p.get_label(), p.get_gauge().get_value(), 0)).collect(),
        }),
    };
    Told {
        name: metric.otlp.into(),
        description: metric.help.into(),
        unit: metric.unit.into(),
        data: Some(data),
        ..Told::default()
    }
}

/// Prometheus counts what is below a bound, OTLP what is between two.
fn histogram(metric: &Metric, point: &prometheus::proto::Metric, began: u64, now: u64) -> HistogramDataPoint {
    let histogram = point.get_histogram();
    let finite: Vec<_> = histogram.get_bucket().iter().filter(|b| b.upper_bound().is_finite()).collect();
    let mut below = 0;
    let mut counts: Vec<u64> = Vec::with_capacity(finite.len() + 1);
    for bucket in &finite {
        counts.push(bucket.cumulative_count().saturating_sub(below));
        below = bucket.cumulative_count();
    }
    let count = histogram.get_sample_count();
    counts.push(count.saturating_sub(below));
    HistogramDataPoint {
        attributes: attributes(metric, point.get_label()),
        start_time_unix_nano: began,
        time_unix_nano: now,
        count,
        sum: Some(histogram.get_sample_sum()),
        bucket_counts: counts,
        explicit_bounds: finite.iter().map(|bucket| bucket.upper_bound()).collect(),
        ..HistogramDataPoint::default()
    }
}

/// Labels under the names that they have in OTLP; an empty one is none.
fn attributes(metric: &Metric, labels: &[LabelPair]) -> Vec<KeyValue> {
    let name = |label: &LabelPair| metric.labels.iter().find(|name| name.replace('.', "_") == label.name());
    let said = labels.iter().filter(|label| !label.value().is_empty());
    said.filter_map(|label| Some(attribute(name(label)?, label.value()))).collect()
}
