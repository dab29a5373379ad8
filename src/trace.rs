//! Spans, wherever one is begun: whether somebody collects them, and the trace that the work here belongs to, as the text that a row
//! or a header can hold (`traceparent` of W3C Trace Context).
//!
//! A [`root_span!`] begins a trace, or goes on with one that was [kept](TraceParent::here). A [`span!`] is a part of the trace that
//! the work here belongs to, and is none where there is no such trace: what a process does of itself, again and again, would
//! drown everything else. Where nobody collects, both cost one look at a flag.

use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::{
    Context, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, TraceContextExt, TraceState},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Set once, when this process begins to export.
static IS_ON: AtomicBool = AtomicBool::new(false);

pub fn switch_on() {
    IS_ON.store(true, Ordering::Relaxed);
}

/// Whether this process sends spans anywhere.
pub fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

/// Whether what is done here belongs to a trace that is collected.
pub fn is_followed() -> bool {
    is_on() && Context::map_current(|here| here.span().span_context().is_sampled())
}

/// The trace that the work here belongs to, collected or not.
pub fn id() -> Option<TraceId> {
    if !is_on() {
        return None;
    }
    let here = Context::map_current(|here| here.span().span_context().trace_id());
    (here != TraceId::INVALID).then_some(here)
}

/// A span that begins a trace of its own, unless it is told to [go on](TraceParent::continue_with) with another.
macro_rules! root_span {
    ($($said:tt)*) => {
        if $crate::trace::is_on() { tracing::info_span!($($said)*) } else { tracing::Span::none() }
    };
}

/// A span inside the trace of the work here; none where there is no trace, or nobody collects it.
macro_rules! span {
    ($($said:tt)*) => {
        if $crate::trace::is_followed() { tracing::info_span!($($said)*) } else { tracing::Span::none() }
    };
}

pub(crate) use {root_span, span};

/// A number as a span takes it: of the kinds of whole numbers, a collector is told only this one as a number.
pub fn number(n: impl TryInto<i64>) -> i64 {
    n.try_into().unwrap_or(i64::MAX)
}

/// Names a span by what only its end knows, such as the route.
pub fn rename(span: &Span, name: impl FnOnce() -> String) {
    if !span.is_none() {
        span.context().span().update_name(name());
    }
}

/// A place in a trace, which work that is done later or elsewhere goes on from.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceParent(SpanContext);

impl TraceParent {
    /// The place where we are. None while nobody collects: then rows keep nothing.
    pub fn here() -> Option<Self> {
        if !is_on() {
            return None;
        }
        let here = Context::map_current(|here| here.span().span_context().clone());
        here.is_valid().then_some(Self(here))
    }

    /// What a row kept; read only where somebody collects.
    pub fn kept(text: Option<&str>) -> Option<Self> {
        text.filter(|_| is_on()).and_then(Self::parse)
    }

    /// Reads `00-{trace id}-{span id}-{flags}`. Later versions may say more behind it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let version = hex(parts.next()?, 2)?;
        let trace = TraceId::from_hex(hex(parts.next()?, 32)?).ok()?;
        let span = SpanId::from_hex(hex(parts.next()?, 16)?).ok()?;
        let flags = u8::from_str_radix(hex(parts.next()?, 2)?, 16).ok()?;
        if version == "ff" || (version == "00" && parts.next().is_some()) {
            return None;
        }
        let flags = TraceFlags::new(flags) & TraceFlags::SAMPLED;
        let read = SpanContext::new(trace, span, flags, true, TraceState::NONE);
        read.is_valid().then_some(Self(read))
    }

    /// What [`TraceParent::parse`] reads.
    pub fn to_text(&self) -> String {
        let Self(at) = self;
        format!("00-{}-{}-{:02x}", at.trace_id(), at.span_id(), at.trace_flags().to_u8())
    }

    /// Makes a span that was not entered yet a part of this trace.
    pub fn continue_with(&self, span: &Span) {
        if !span.is_none() {
            // Refused only where no layer collects: then there is nothing to be a part of.
            drop(span.set_parent(Context::new().with_remote_span_context(self.0.clone())));
        }
    }

    /// Says that this was a cause of the span, which is in a trace of its own.
    pub fn link_to(&self, span: &Span) {
        if !span.is_none() {
            span.add_link(self.0.clone());
        }
    }
}

/// Lower-case hexadecimal digits, so many of them: the only spelling that the standard allows.
fn hex(text: &str, digits: usize) -> Option<&str> {
    let is_hex =
        text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    is_hex.then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_written_is_read() {
        let read = TraceParent::parse(GOOD).unwrap();
        assert_eq!(read.to_text(), GOOD);
        assert!(read.0.is_sampled());
        let quiet = TraceParent::parse(&GOOD.replace("-01", "-00")).unwrap();
        assert!(!quiet.0.is_sampled());
        // A later version may say more, and of the flags we know one.
        let later = TraceParent::parse(&format!("cc{}-more", GOOD.strip_prefix("00").unwrap())).unwrap();
        assert_eq!(later.to_text(), GOOD);
        assert_eq!(TraceParent::parse(&GOOD.replace("-01", "-ff")).unwrap().to_text(), GOOD);
    }

    #[test]
    fn what_is_not_one_is_not_believed() {
        for bad in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn nothing_is_made_while_nobody_collects() {
        assert!(span!("of nothing").is_none() && root_span!("of nothing").is_none());
        assert!(TraceParent::here().is_none() && id().is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,80}") {
            if let Some(read) = TraceParent::parse(&text) {
                prop_assert_eq!(read.to_text().len(), GOOD.len());
            }
        }
    }
}
