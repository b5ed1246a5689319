//! journald's own protocol: an event with its fields, so that `journalctl APTIQD_RUN=…` finds what a run went through.

use super::{push_one_line, redact};
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

const SOCKET: &str = "/run/systemd/journal/socket";
/// Longer texts are cut, so that an event fits a datagram.
const TEXT_MAX: usize = 32 * 1024;

/// The way to journald.
pub(super) struct Journal {
    socket: UnixDatagram,
}

impl Journal {
    /// `None` where journald does not listen; lines on stderr are what is left then.
    pub(super) fn open() -> Option<Journal> {
        Journal::at(Path::new(SOCKET)).ok()
    }

    pub(super) fn at(path: &Path) -> io::Result<Journal> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        Ok(Journal { socket })
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut entry = Entry::default();
        event.record(&mut entry);
        let priority = priority(*event.metadata().level());
        let (message, datagram) = entry.close(priority);
        if self.socket.send(&datagram).is_err() {
            // journald is being restarted, or gone; stderr leads to it as well, once it is back.
            let _ = writeln!(io::stderr(), "<{priority}>{message}");
        }
    }
}

/// syslog's numbers.
pub(super) fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// An event as it is put together.
#[derive(Default)]
struct Entry {
    message: String,
    /// ` name=value` of each field, for whoever reads the message alone.
    told: String,
    fields: Vec<u8>,
}

impl Entry {
    fn take(&mut self, field: &Field, value: &str) {
        let value = clean(value);
        if field.name() == "message" {
            self.message = value;
            return;
        }
        let _ = write!(self.told, " {}={value}", field.name());
        let name = field.name().bytes().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => byte.to_ascii_uppercase(),
            _ => b'_',
        });
        self.fields.extend_from_slice(b"APTIQD_");
        self.fields.extend(name);
        self.fields.push(b'=');
        self.fields.extend_from_slice(value.as_bytes());
        self.fields.push(b'\n');
    }

    /// The message, and the datagram with everything.
    fn close(self, priority: u8) -> (String, Vec<u8>) {
        let message = format!("{}{}", self.message, self.told);
        let head = format!("PRIORITY={priority}\nSYSLOG_IDENTIFIER=aptiqd\nMESSAGE={message}\n");
        let mut datagram = head.into_bytes();
        datagram.extend(self.fields);
        (message, datagram)
    }
}

/// On one line, which is what keeps a text from forging a field, short enough, and without secrets.
fn clean(value: &str) -> String {
    let end = value.floor_char_boundary(TEXT_MAX);
    let mut line = String::with_capacity(end);
    push_one_line(&mut line, &redact::secrets(&value[..end]));
    line
}

impl Visit for Entry {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    /// What journald would receive of one event.
    fn received(act: impl FnOnce()) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let journald = UnixDatagram::bind(&path).unwrap();
        let journal = Journal::at(&path).unwrap();
        let subscriber = tracing_subscriber::registry().with(journal);
        tracing::subscriber::with_default(subscriber, act);
        let mut datagram = vec![0; 256 * 1024];
        let length = journald.recv(&mut datagram).unwrap();
        String::from_utf8(datagram[..length].to_vec()).unwrap()
    }

    #[test]
    fn an_event_brings_its_fields_and_its_priority() {
        let absent: Option<&str> = None;
        let datagram = received(|| {
            let (run, job) = ("daily.20261122T183000Z", "0b3a");
            tracing::warn!(run, part = 2, job, absent, "part 2: {}", "the job failed");
        });
        let mut lines: Vec<&str> = datagram.lines().collect();
        lines.sort_unstable();
        assert_eq!(
            lines,
            [
                "APTIQD_JOB=0b3a",
                "APTIQD_PART=2",
                "APTIQD_RUN=daily.20261122T183000Z",
                "MESSAGE=part 2: the job failed run=daily.20261122T183000Z part=2 job=0b3a",
                "PRIORITY=4",
                "SYSLOG_IDENTIFIER=aptiqd",
            ]
        );
        assert!(datagram.ends_with('\n'));
    }

    #[test]
    fn a_line_break_forges_no_field() {
        let datagram = received(|| {
            tracing::info!(said = %"no\nPRIORITY=0\nX=", "vendor\r\nsaid");
        });
        assert_eq!(datagram.lines().count(), 4, "{datagram}");
        assert!(datagram.contains("PRIORITY=6\n"), "{datagram}");
    }

    #[test]
    fn law_12_a_field_shows_no_secret() {
        let datagram = received(|| {
            tracing::error!(url = "https://h/a?sig=canary", "Bearer canary");
        });
        assert!(!datagram.contains("canary"), "{datagram}");
        assert!(
            datagram.contains("APTIQD_URL=https://h/a?[hidden]"),
            "{datagram}"
        );
    }

    #[test]
    fn a_long_text_is_cut_and_arrives() {
        let datagram = received(|| {
            let long = "ü".repeat(1_000_000);
            tracing::info!(long, "x");
        });
        assert!(datagram.len() < 150_000, "{}", datagram.len());
    }

    #[test]
    fn without_journald_there_is_none() {
        assert!(Journal::at(Path::new("/nowhere/socket")).is_err());
    }
}
