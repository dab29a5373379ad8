//! Log lines: JSON or text, to standard output or to files that change daily.

use std::{
    fmt::{self, Write as _},
    io::{self, BufWriter},
    time::Duration,
};

use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::task::JoinHandle;
use tracing_appender::{
    non_blocking::{NonBlockingBuilder, WorkerGuard},
    rolling::{RollingFileAppender, Rotation},
};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    field::MakeExt,
    filter::{FilterExt, filter_fn},
    fmt::{
        FmtContext, FormatEvent, FormatFields, MakeWriter,
        format::{self, Writer},
    },
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use super::{reports, traces};
use crate::{
    config::{LogFormat, LogSettings, Settings},
    error::{Error, Result},
    trace,
};

/// How long a line may wait for others, and how much of them.
const GATHERED_FOR: Duration = Duration::from_millis(10);
const GATHERED_BYTES: usize = 64 * 1024;

/// Crates that write credentials, or every byte of a connection, into their logs.
const SILENCED: &[&str] = &["vaultrs=off", "rustify=off", "rustify_derive=off"];

/// Keeps the log's writer and the traces' exporter alive; dropping it writes out what is still waiting.
#[must_use = "dropping it ends the log"]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
    reports: Option<JoinHandle<()>>,
    _writer: WorkerGuard,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(traces) = self.traces.take() {
            traces::flush(&traces);
        }
        if let Some(reports) = self.reports.take() {
            reports.abort();
        }
    }
}

/// Begins to log as the settings say. Once in a process, inside a runtime.
pub fn init(settings: &Settings) -> Result<Telemetry> {
    let filter = filter(&settings.log.level)?;
    let (writer, guard) = writer(&settings.log)?;
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match settings.log.format {
        LogFormat::Json => json(writer).boxed(),
        LogFormat::Text => text(writer).boxed(),
    };
    let traces = traces::exporter(&settings.otlp)?;
    let (listening, reports) = reports::begin(settings)?.unzip();
    tracing_subscriber::registry()
        .with(lines.with_filter(filter.and(filter_fn(is_line))))
        .with(traces.as_ref().map(traces::layer))
        .with(listening)
        .try_init()
        .map_err(Error::internal)?;
    if traces.is_some() {
        trace::switch_on();
    }
    tell_of_panics();
    Ok(Telemetry { traces, reports, _writer: guard })
}

/// Spans are for collectors.
fn is_line(of: &tracing::Metadata<'_>) -> bool {
    of.is_event()
}

/// Begins to log for a command that a person runs: text, to standard error.
pub fn init_for_command(level: &str) -> Result<Telemetry> {
    let (writer, guard) = NonBlockingBuilder::default().lossy(false).finish(io::stderr());
    tracing_subscriber::registry()
        .with(text(writer).with_filter(filter(level)?))
        .try_init()
        .map_err(Error::internal)?;
    Ok(Telemetry { traces: None, reports: None, _writer: guard })
}

/// A panic is a line like any other error, with the place and without what it says: that may be somebody's.
fn tell_of_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(location, "a panic");
        usual(panic);
    }));
}

fn filter(level: &str) -> Result<EnvFilter> {
    let bad = |reason: String| {
        Error::invalid(
            "log.level",
            "bad_filter",
            format!("log.level: {reason}. Use info, or lastmile=debug,info."),
        )
    };
    let mut filter = EnvFilter::builder().parse(level).map_err(|error| bad(error.to_string()))?;
    for silenced in SILENCED {
        filter = filter.add_directive(silenced.parse().map_err(|_odd| bad(format!("{silenced} is odd")))?);
    }
    Ok(filter)
}

/// Gathers the lines of a moment and writes them at once: neither a system call nor a waking of the log's thread for each.
struct Gathered<W: io::Write>(BufWriter<W>);

impl<W: io::Write> Gathered<W> {
    fn new(writer: W) -> Self {
        Self(BufWriter::with_capacity(GATHERED_BYTES, writer))
    }
}

impl<W: io::Write> io::Write for Gathered<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write(line)
    }

    /// Called when no line waits. Those of the next moment wait for each other.
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()?;
        #[expect(clippy::disallowed_methods, reason = "the log's own thread, on which nothing else runs")]
        std::thread::sleep(GATHERED_FOR);
        Ok(())
    }
}

/// Writing happens on a thread of its own: a slow disk or a full pipe never holds a request up.
fn writer(settings: &LogSettings) -> Result<(tracing_appender::non_blocking::NonBlocking, WorkerGuard)> {
    let builder = NonBlockingBuilder::default().thread_name("log");
    let Some(dir) = &settings.dir else { return Ok(builder.finish(Gathered::new(io::stdout()))) };
    let files = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("lastmile")
        .filename_suffix("log")
        .max_log_files(settings.keep_files)
        .build(dir)
        .map_err(|error| {
            Error::invalid(
                "log.dir",
                "not_writable",
                format!("{} cannot be written to: {error}.", dir.display()),
            )
        })?;
    Ok(builder.finish(Gathered::new(files)))
}

fn json<W>(writer: W) -> impl Layer<Registry> + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .map_event_format(|inner| Traced { inner, name: add_to_json })
        .with_writer(Tame(writer))
}

fn text<W>(writer: W) -> impl Layer<Registry> + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let fields = format::debug_fn(|to, field, value| {
        if field.name() != "message" {
            write!(to, "{}=", field.name())?;
        }
        write!(OneLine(to), "{value:?}")
    });
    tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .fmt_fields(fields.delimited(" "))
        .map_event_format(|inner| Traced { inner, name: add_to_text })
        .with_writer(writer)
}

/// Lines that are written while a trace goes on name it.
struct Traced<F> {
    inner: F,
    /// Writes a line with a trace's id in it.
    name: fn(&mut Writer<'_>, &str, &dyn fmt::Display) -> fmt::Result,
}

impl<S, N, F> FormatEvent<S, N> for Traced<F>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> fmt::Result {
        let Some(id) = trace::id() else { return self.inner.format_event(ctx, writer, event) };
        let mut line = String::new();
        self.inner.format_event(ctx, Writer::new(&mut line), event)?;
        (self.name)(&mut writer, line.trim_end_matches('\n'), &id)
    }
}

fn add_to_json(writer: &mut Writer<'_>, line: &str, id: &dyn fmt::Display) -> fmt::Result {
    match line.strip_suffix('}') {
        Some(open) => writeln!(writer, "{open},\"trace_id\":\"{id}\"}}"),
        None => writeln!(writer, "{line}"),
    }
}

fn add_to_text(writer: &mut Writer<'_>, line: &str, id: &dyn fmt::Display) -> fmt::Result {
    writeln!(writer, "{line} trace_id={id}")
}

/// Whether a terminal, or whoever reads line by line, would take this character for more than text.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes values so that they cannot begin a line of their own or speak to a terminal.
struct OneLine<'a, W>(&'a mut W);

impl<W: fmt::Write> fmt::Write for OneLine<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if is_control(c) {
                write!(self.0, "{}", c.escape_default())?;
            } else {
                self.0.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// JSON escapes the controls of ASCII; the others are escaped here, inside its strings, where alone they can stand.
struct Tame<W>(W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Tame<W> {
    type Writer = TameWriter<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        TameWriter(self.0.make_writer())
    }
}

struct TameWriter<W>(W);

impl<W: io::Write> io::Write for TameWriter<W> {
    /// A whole event comes at once.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Nearly every line: nothing in it can be one of those characters.
        if line.iter().all(|byte| *byte < 0x7f) {
            self.0.write_all(line)?;
            return Ok(line.len());
        }
        match std::str::from_utf8(line) {
            Ok(text) if text.trim_end_matches('\n').contains(is_control) => {
                let mut tame = String::with_capacity(text.len() + 16);
                for c in text.trim_end_matches('\n').chars() {
                    if is_control(c) {
                        tame.push_str(&format!("\\u{:04x}", u32::from(c)));
                    } else {
                        tame.push(c);
                    }
                }
                tame.push('\n');
                self.0.write_all(tame.as_bytes())?;
            }
            _ => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Kept {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const NASTY: &str = "a\r\nINFO forged\u{1b}[31m\u{9b}31m\u{2028}\u{202e}\u{7f}";

    fn written(layer: impl FnOnce(Kept) -> Box<dyn Layer<Registry> + Send + Sync>) -> String {
        let kept = Kept::default();
        let subscriber =
            tracing_subscriber::registry().with(layer(kept.clone()).with_filter(filter("info").unwrap()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(agent = NASTY, shown = %NASTY, "{NASTY}");
            tracing::error!(target: "rustify::http", token = "s.secret", "sent");
            tracing::debug!("not asked for");
        });
        kept.text()
    }

    #[test]
    fn values_stay_on_their_line_and_silent_crates_are_silent() {
        let plain = written(|kept| text(move || kept.clone()).boxed());
        let structured = written(|kept| json(move || kept.clone()).boxed());
        for line in [&plain, &structured] {
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            assert!(!line.trim_end_matches('\n').contains(is_control), "{line}");
            assert!(!line.contains("s.secret"), "{line}");
        }
        let read: serde_json::Value = serde_json::from_str(&structured).unwrap();
        assert_eq!(read["agent"], NASTY);
        assert_eq!(read["message"], NASTY);
        assert_eq!(read["level"], "INFO");
    }

    #[test]
    fn a_line_names_its_trace_and_stays_what_it_is() {
        let named = |name: fn(&mut Writer<'_>, &str, &dyn fmt::Display) -> fmt::Result, line: &str| {
            let mut text = String::new();
            name(&mut Writer::new(&mut text), line, &"0af7").unwrap();
            text
        };
        let json = named(add_to_json, "{\"message\":\"ready}\"}");
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&read["trace_id"], &read["message"]), (&"0af7".into(), &"ready}".into()));
        assert!(json.ends_with("}\n"), "{json}");
        assert_eq!(named(add_to_text, "INFO ready"), "INFO ready trace_id=0af7\n");
    }

    #[test]
    fn a_bad_filter_is_named() {
        let refused = filter("lastmile=loud").unwrap_err().to_string();
        assert!(refused.contains("log.level"), "{refused}");
    }

    #[test]
    fn nobody_can_ask_for_the_silent_crates() {
        let asked = filter("vaultrs=trace,info").unwrap();
        assert!(asked.to_string().contains("vaultrs=off"), "{asked}");
        assert!(!asked.to_string().contains("vaultrs=trace"), "{asked}");
    }
}
