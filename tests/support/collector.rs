//! An OTLP endpoint on loopback that keeps what it is sent.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use std::sync::{Arc, Mutex};

/// What was sent, by signal.
#[derive(Default)]
struct Kept {
    raw: Vec<u8>,
    heads: Vec<HeaderMap>,
    spans: Vec<Span>,
    metrics: Vec<Metric>,
}

/// The endpoint; it ends with the test's runtime.
#[derive(Clone)]
pub struct Collector {
    /// Its address, as `telemetry.otlp` has it.
    pub url: String,
    kept: Arc<Mutex<Kept>>,
}

impl Collector {
    /// Starts it.
    pub async fn start() -> Self {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let router = Router::new()
            .route("/v1/traces", post(traces))
            .route("/v1/metrics", post(metrics))
            .with_state(kept.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, kept }
    }

    /// Every byte of every body, and every header as text.
    pub fn bytes(&self) -> Vec<u8> {
        let kept = self.kept.lock().unwrap();
        [format!("{:?}", kept.heads).into_bytes(), kept.raw.clone()].concat()
    }

    /// The values of a header, one for each request.
    pub fn header(&self, name: &str) -> Vec<String> {
        let kept = self.kept.lock().unwrap();
        kept.heads.iter().map(|h| h.get(name).map_or("", |v| v.to_str().unwrap()).to_owned()).collect()
    }

    /// The spans so far.
    pub fn spans(&self) -> Vec<Span> {
        self.kept.lock().unwrap().spans.clone()
    }

    /// The metrics of the last request.
    pub fn metrics(&self) -> Vec<Metric> {
        self.kept.lock().unwrap().metrics.clone()
    }
}

async fn traces(State(kept): State<Arc<Mutex<Kept>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let request = ExportTraceServiceRequest::decode(&*body).unwrap();
    let mut kept = kept.lock().unwrap();
    let scopes = request.resource_spans.into_iter().flat_map(|resource| {
        let attributes = resource.resource.unwrap().attributes;
        assert_eq!(attribute(&attributes, "service.name").as_deref(), Some("strongroom"));
        resource.scope_spans
    });
    kept.spans.extend(scopes.flat_map(|scope| scope.spans));
    kept.raw.extend_from_slice(&body);
    kept.heads.push(headers);
    StatusCode::OK
}

async fn metrics(State(kept): State<Arc<Mutex<Kept>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let request = ExportMetricsServiceRequest::decode(&*body).unwrap();
    let mut kept = kept.lock().unwrap();
    let scopes = request.resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
    kept.metrics = scopes.flat_map(|scope| scope.metrics).collect();
    kept.raw.extend_from_slice(&body);
    kept.heads.push(headers);
    StatusCode::OK
}

/// An attribute's value as text.
pub fn attribute(attributes: &[KeyValue], name: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == name)?;
    Some(match found.value.clone()?.value? {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    })
}
