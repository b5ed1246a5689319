//! Logs: one line an event, on stderr, in the form that whoever reads stderr wants.
//!
//! `APTIQD_LOG` sets the level by tracing's filter syntax (`debug`, `aptiqd::engine=trace`). Other crates speak only from
//! WARN up, whatever it says: below that they print requests, and a request may carry a credential.

mod journal;
mod redact;

use journal::Journal;
use std::io::{self, IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::sync::Once;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry};

/// The variable with the filter. One underscore: `APTIQD_SECTION__KEY` are overrides of the configuration.
pub const FILTER_VARIABLE: &str = "APTIQD_LOG";

/// Who reads the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A person: short, coloured unless `NO_COLOR` is set.
    Human,
    /// A program: one JSON object a line.
    Json,
    /// journald: an event with its fields where it listens, else lines with `<6>` and its kin in front; no time of our own.
    Journal,
}

impl Style {
    /// What stderr is connected to.
    pub fn detect() -> Style {
        let journal = std::env::var("JOURNAL_STREAM").ok();
        let stderr = rustix::fs::fstat(io::stderr())
            .map(|stat| (stat.st_dev, stat.st_ino))
            .ok();
        Style::of(journal.as_deref(), stderr, io::stderr().is_terminal())
    }

    /// `JOURNAL_STREAM` is inherited by children whose stderr goes elsewhere, so its `device:inode` must be ours.
    fn of(journal_stream: Option<&str>, stderr: Option<(u64, u64)>, terminal: bool) -> Style {
        let ours = stderr.map(|(device, inode)| format!("{device}:{inode}"));
        if journal_stream.is_some() && journal_stream == ours.as_deref() {
            Style::Journal
        } else if terminal {
            Style::Human
        } else {
            Style::Json
        }
    }
}

/// Starts logging from INFO up, for the daemon, and has panics logged. A second call changes nothing.
pub fn init(style: Style) {
    init_from(style, LevelFilter::INFO);
}

/// Like [`init`], silent below `level` unless `APTIQD_LOG` says otherwise; for verbs that print an answer.
pub fn init_from(style: Style, level: LevelFilter) {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| start(style, level));
}

fn start(style: Style, level: LevelFilter) {
    let text = std::env::var(FILTER_VARIABLE).unwrap_or_default();
    let (filter, fault) = match EnvFilter::builder()
        .with_default_directive(level.into())
        .parse(&text)
    {
        Ok(filter) => (filter, None),
        Err(fault) => (
            EnvFilter::default().add_directive(level.into()),
            Some(fault),
        ),
    };
    let colour = io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let journal = match style {
        Style::Journal => Journal::open(),
        Style::Human | Style::Json => None,
    };
    let started = match journal {
        Some(journal) => layered(journal.boxed(), filter).try_init(),
        None => subscriber(style, filter, colour, io::stderr).try_init(),
    };
    // Somebody else's subscriber (a test's) may stay.
    if started.is_err() {
        return;
    }
    std::panic::set_hook(Box::new(log_panic));
    if let Some(fault) = fault {
        tracing::warn!(variable = FILTER_VARIABLE, %fault, "log filter is not understood and not used");
    }
}

fn subscriber<S, W>(style: Style, filter: EnvFilter, colour: bool, sink: S) -> impl Subscriber
where
    S: Fn() -> W + Send + Sync + 'static,
    W: Write + 'static,
{
    let lines = Lines { style, sink };
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(lines)
        .log_internal_errors(false);
    let layer = match style {
        Style::Human => layer.with_ansi(colour).with_target(false).compact().boxed(),
        Style::Journal => layer
            .with_ansi(false)
            .with_target(false)
            .without_time()
            .compact()
            .boxed(),
        Style::Json => layer
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .boxed(),
    };
    layered(layer, filter)
}

fn layered(layer: Box<dyn Layer<Registry> + Send + Sync>, filter: EnvFilter) -> impl Subscriber {
    tracing_subscriber::registry()
        .with(layer.with_filter(filter_fn(is_safe)))
        .with(filter)
}

fn is_safe(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let ours = target == "aptiqd" || target.starts_with("aptiqd::");
    ours || *metadata.level() <= Level::WARN
}

/// Once, where it happened; what it says may quote anything, so it passes the same net as every line.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic
        .payload_as_str()
        .unwrap_or("a payload that is no text");
    let location = panic.location().map(ToString::to_string);
    let thread = std::thread::current();
    tracing::error!(
        location = location.as_deref().unwrap_or("unknown"),
        thread = thread.name().unwrap_or("unnamed"),
        "panicked: {message}"
    );
}

/// Makes a writer for each event, because only there its level is known.
struct Lines<S> {
    style: Style,
    sink: S,
}

/// One event on its way to the sink.
struct Line<W> {
    /// sd-daemon(3)'s number in front.
    priority: Option<u8>,
    style: Style,
    sink: W,
}

impl<'a, S, W> MakeWriter<'a> for Lines<S>
where
    S: Fn() -> W + 'a,
    W: Write,
{
    type Writer = Line<W>;

    fn make_writer(&'a self) -> Line<W> {
        Line {
            priority: None,
            style: self.style,
            sink: (self.sink)(),
        }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<W> {
        let priority = match self.style {
            Style::Journal => Some(journal::priority(*metadata.level())),
            Style::Human | Style::Json => None,
        };
        Line {
            priority,
            ..self.make_writer()
        }
    }
}

impl<W: Write> Write for Line<W> {
    /// Takes a whole event, as tracing hands it over. Whoever reads stderr may be gone; that stops nothing.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let mut line = String::with_capacity(text.len() + 8);
        if let Some(priority) = self.priority {
            line.push_str(&format!("<{priority}>"));
        }
        let body = redact::secrets(text.trim_end_matches('\n'));
        match self.style {
            Style::Json => line.push_str(&body),
            Style::Human | Style::Journal => push_one_line(&mut line, &body),
        }
        line.push('\n');
        let _ = self.sink.write_all(line.as_bytes());
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// The vendor's words are logged verbatim; a line break in them must not forge a second event.
fn push_one_line(line: &mut String, body: &str) {
    for character in body.chars() {
        match character {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            other => line.push(other),
        }
    }
}

#[cfg(test)]
mod tests;
