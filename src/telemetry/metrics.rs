//! Counters, gauges and histograms of one process.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, SharedString, Unit,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::error::{OrInternal, Result};

pub(super) const REQUESTS: &str = "lastmile_http_requests_total";
pub(super) const DURATION: &str = "lastmile_http_request_duration_seconds";

const SEND: &str = "lastmile_send_seconds";

const SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

const METADATA: Metadata<'static> = Metadata::new("lastmile", Level::INFO, None);

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Counter,
    Gauge,
    Histogram,
}

/// Every metric of the program. What is not here is not told.
pub(super) const METRICS: &[(Sort, &str, &str)] = &[
    (Sort::Counter, REQUESTS, "Requests that were answered."),
    (Sort::Histogram, DURATION, "Seconds from a request's arrival to its answer."),
    (Sort::Gauge, "lastmile_db_pool_size", "Connections that a pool holds."),
    (Sort::Gauge, "lastmile_db_pool_available", "Connections of a pool that are idle."),
    (Sort::Gauge, "lastmile_db_pool_waiting", "Requests that wait for a connection."),
    (Sort::Gauge, "lastmile_tenants", "Tenants by status."),
    (Sort::Gauge, "lastmile_schema_pool_ready", "Schemas made ahead and ready for sign-ups."),
    (Sort::Gauge, "lastmile_migrations_behind", "Tenants whose schema is not at this program's version."),
    (Sort::Gauge, "lastmile_audit_seal_lag_seconds", "Age of the oldest audit row without a seal."),
    (Sort::Counter, "lastmile_mail_total", "Letters by outcome."),
    (Sort::Counter, "lastmile_deliveries_claimed_total", "Deliveries that were taken up."),
    (Sort::Counter, "lastmile_sends_total", "Calls of providers of messages by outcome."),
    (Sort::Histogram, SEND, "Seconds that a call of a provider of messages took."),
    (Sort::Counter, "lastmile_breakers_opened_total", "Accounts at providers that were taken out of use."),
    (Sort::Counter, "lastmile_sightings_total", "What alerts are judged by."),
    (Sort::Gauge, "lastmile_alerts_open", "Alerts that are open."),
    (Sort::Gauge, "lastmile_certificates", "Certificates of providers' own domains by state."),
    (Sort::Gauge, "lastmile_build_info", "1, with the version as label."),
];

/// The handles of one route, method and status, so that counting a request looks nothing up in the registry of metrics.
struct Series {
    method: &'static str,
    status: u16,
    requests: Counter,
    duration: Histogram,
}

/// What this process counts. Nothing here has a tenant as label.
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
    series: RwLock<HashMap<String, Vec<Series>>>,
}

impl Metrics {
    pub fn new() -> Result<Self> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(DURATION.to_owned()), SECONDS)
            .internal()?
            // Without buckets it would be a summary, which cannot be added up over processes.
            .set_buckets_for_metric(Matcher::Full(SEND.to_owned()), SECONDS)
            .internal()?
            .build_recorder();
        for (sort, name, text) in METRICS {
            let (name, text) = (KeyName::from_const_str(name), (*text).into());
            match sort {
                Sort::Counter => recorder.describe_counter(name, None, text),
                Sort::Gauge => recorder.describe_gauge(name, None, text),
                Sort::Histogram => recorder.describe_histogram(name, Some(Unit::Seconds), text),
            }
        }
        let handle = recorder.handle();
        let metrics = Self { recorder: Arc::new(recorder), handle, series: RwLock::new(HashMap::new()) };
        metrics.set("lastmile_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        Ok(metrics)
    }

    /// Makes this what `metrics::gauge!` and its like write into, everywhere in this process; the first one stays it.
    pub fn install(&self) {
        // In a process that has one already, that one goes on.
        drop(metrics::set_global_recorder(Shared(self.recorder.clone())));
    }

    /// Counts a request. `route` is the pattern that answered (`/api/v1/customers/:id`), never the path: a path would bring ids
    /// and an endless number of series.
    pub fn observe_request(&self, route: &str, method: &poem::http::Method, status: u16, took: Duration) {
        let method = known(method);
        let is = |series: &&Series| series.status == status && series.method == method;
        {
            let all = self.series.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(series) = all.get(route).and_then(|of_route| of_route.iter().find(is)) {
                series.requests.increment(1);
                series.duration.record(took.as_secs_f64());
                return;
            }
        }
        let series = self.make_series(route, method, status);
        series.requests.increment(1);
        series.duration.record(took.as_secs_f64());
        let mut all = self.series.write().unwrap_or_else(PoisonError::into_inner);
        let of_route = all.entry(route.to_owned()).or_default();
        if !of_route.iter().any(|known| is(&known)) {
            of_route.push(series);
        }
    }

    fn make_series(&self, route: &str, method: &'static str, status: u16) -> Series {
        let route = Label::new("route", route.to_owned());
        let by_route = vec![route.clone(), Label::new("method", method)];
        let mut by_status = by_route.clone();
        by_status.push(Label::new("status", status.to_string()));
        Series {
            method,
            status,
            requests: self.recorder.register_counter(&Key::from_parts(REQUESTS, by_status), &METADATA),
            duration: self.recorder.register_histogram(&Key::from_parts(DURATION, by_route), &METADATA),
        }
    }

    /// Sets a gauge.
    pub fn set(&self, name: &'static str, labels: &[(&'static str, &str)], value: f64) {
        let labels: Vec<Label> =
            labels.iter().map(|(label, of)| Label::new(*label, (*of).to_owned())).collect();
        let gauge: Gauge = self.recorder.register_gauge(&Key::from_parts(name, labels), &METADATA);
        gauge.set(value);
    }

    /// Everything, in Prometheus' text format.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Folds what was recorded into the histograms, so that memory stays small while nobody scrapes.
    pub fn keep_up(&self) {
        self.handle.run_upkeep();
    }
}

/// The recorder, for those who do not hold it.
struct Shared(Arc<PrometheusRecorder>);

impl Recorder for Shared {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.0.describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.0.describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.0.describe_histogram(key, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.0.register_counter(key, metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.0.register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.0.register_histogram(key, metadata)
    }
}

/// Clients may invent methods; labels may not.
fn known(method: &poem::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use poem::http::Method;

    use super::*;

    #[test]
    fn requests_are_counted_by_pattern_method_and_status() {
        let metrics = Metrics::new().unwrap();
        for _ in 0..3 {
            metrics.observe_request("/customers/:id", &Method::GET, 200, Duration::from_millis(3));
        }
        metrics.observe_request("/customers/:id", &Method::GET, 404, Duration::from_millis(30));
        metrics.observe_request("none", &Method::from_bytes(b"BREW").unwrap(), 405, Duration::ZERO);
        let text = metrics.render();
        for line in [
            r#"lastmile_http_requests_total{route="/customers/:id",method="GET",status="200"} 3"#,
            r#"lastmile_http_requests_total{route="/customers/:id",method="GET",status="404"} 1"#,
            r#"lastmile_http_requests_total{route="none",method="other",status="405"} 1"#,
            r#"lastmile_http_request_duration_seconds_bucket{route="/customers/:id",method="GET",le="0.005"} 3"#,
            r#"lastmile_http_request_duration_seconds_count{route="/customers/:id",method="GET"} 4"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }

    /// Generous, because this is a debug build on a busy machine; what it guards against is a lookup that formats labels.
    #[test]
    fn counting_costs_next_to_nothing() {
        let metrics = Metrics::new().unwrap();
        let began = Instant::now();
        for _ in 0..20_000 {
            metrics.observe_request("/customers", &Method::GET, 200, Duration::from_millis(1));
        }
        let each = began.elapsed() / 20_000;
        assert!(each < Duration::from_micros(20), "{each:?}");
    }
}
