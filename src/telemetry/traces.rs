//! Traces: spans of this program, sent to a collector by OTLP over gRPC.

use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing_subscriber::{Layer, filter::Targets, registry::LookupSpan};

use crate::error::{Error, Result};

const SERVICE: &str = "lastmile";
const FLUSH_AT_MOST: Duration = Duration::from_secs(3);

/// Sends batches from a thread of its own; a collector that is away loses spans and holds nobody up.
pub(super) fn exporter(endpoint: &str) -> Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build().map_err(|error| {
        Error::invalid(
            "otlp.endpoint",
            "bad_endpoint",
            format!("otlp.endpoint: {error}. Use http://collector:4317."),
        )
    })?;
    let resource = Resource::builder()
        .with_service_name(SERVICE)
        .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

/// Our own spans only: the exporter's connection has spans, too, and would trace itself.
pub(super) fn layer<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(SERVICE))
        .with_filter(Targets::new().with_target(SERVICE, tracing::Level::INFO))
}

pub(super) fn flush(provider: &SdkTracerProvider) {
    // At the very end there is nobody left to tell that some spans were lost.
    drop(provider.shutdown_with_timeout(FLUSH_AT_MOST));
}
