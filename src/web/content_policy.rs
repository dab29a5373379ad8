//! Content-Security-Policy: what a page may load, and where its forms go.

use poem::http::HeaderValue;

/// What differs between pages; everything else is the same for all. Each is a list of sources.
#[derive(Debug, Clone, Copy)]
pub struct ContentPolicy<'a> {
    pub forms: &'a str,
    pub scripts: &'a str,
    pub styles: &'a str,
    pub frames: &'a str,
    pub workers: &'a str,
    pub connections: &'a str,
}

impl Default for ContentPolicy<'_> {
    fn default() -> Self {
        let own = "'self'";
        Self { forms: own, scripts: own, styles: own, frames: "'none'", workers: own, connections: own }
    }
}

impl ContentPolicy<'_> {
    pub fn header(self) -> HeaderValue {
        let Self { forms, scripts, styles, frames, workers, connections } = self;
        let text = format!(
            "default-src 'self'; script-src {scripts}; style-src {styles}; frame-src {frames}; worker-src {workers}; \
             form-action {forms}; img-src 'self' data: https:; connect-src {connections}; font-src 'self' data:; object-src 'none'; \
             frame-ancestors 'none'; base-uri 'none'"
        );
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
    }
}
