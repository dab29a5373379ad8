//! Traces: spans of this program, sent to a collector by OTLP over gRPC.

use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider},
};
use tracing_subscriber::{
    Layer,
    filter::{FilterExt, Targets, filter_fn},
    registry::LookupSpan,
};

use crate::{
    config::OtlpSettings,
    error::{Error, Result},
};

const SERVICE: &str = "lastmile";
const FLUSH_AT_MOST: Duration = Duration::from_secs(3);

/// Sends batches from a thread of its own; a collector that is away loses spans and holds nobody up. None without an endpoint.
pub(super) fn exporter(settings: &OtlpSettings) -> Result<Option<SdkTracerProvider>> {
    let Some(endpoint) = settings.endpoint.as_deref() else { return Ok(None) };
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
    // Whoever begins a trace decides for all that goes on with it.
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.sample)));
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .with_sampler(sampler)
        .build();
    Ok(Some(provider))
}

/// Our own spans only: the exporter's connection has spans, too, and would trace itself. Log lines stay in the log, which may say
/// more than a collector should know; they name their trace.
pub(super) fn layer<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let ours = Targets::new().with_target(SERVICE, tracing::Level::INFO);
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(SERVICE))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(ours.and(filter_fn(is_span)))
}

fn is_span(of: &tracing::Metadata<'_>) -> bool {
    of.is_span()
}

pub(super) fn flush(provider: &SdkTracerProvider) {
    // At the very end there is nobody left to tell that some spans were lost.
    drop(provider.shutdown_with_timeout(FLUSH_AT_MOST));
}
