//! Text into HTML: what others wrote is escaped, what is a time says so to machines as well.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use std::fmt::{self, Display, Write};

/// A page as it grows.
pub struct Html {
    text: String,
}

impl Html {
    pub fn with_capacity(bytes: usize) -> Html {
        Html {
            text: String::with_capacity(bytes),
        }
    }

    pub fn put(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub fn format(&mut self, arguments: fmt::Arguments) {
        // A String takes whatever is written to it.
        let _ = self.text.write_fmt(arguments);
    }

    pub fn finish(self) -> String {
        self.text
    }
}

/// `html!(page, "…{}", value)`; values that others wrote go through [`escape`].
macro_rules! html {
    ($page:expr, $($argument:tt)*) => { $page.format(format_args!($($argument)*)) };
}
pub(super) use html;

/// Text as the content of an element or of a quoted attribute.
pub fn escape(text: &str) -> Escaped<'_> {
    Escaped(text)
}

pub struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// An instant in UTC; the script adds how long ago, or until, it is.
pub fn instant(at: DateTime<Utc>) -> String {
    zoned(at, Tz::UTC)
}

/// An instant as the clocks of a zone show it.
pub fn zoned(at: DateTime<Utc>, zone: Tz) -> String {
    let machine = at.format("%Y-%m-%dT%H:%M:%SZ");
    let people = at.with_timezone(&zone).format("%a %d %b %H:%M %Z");
    format!("<time datetime=\"{machine}\">{people}</time>")
}

/// An instant, or a dash.
pub fn instant_or_dash(at: Option<DateTime<Utc>>) -> String {
    at.map_or("–".to_owned(), instant)
}

/// The first and the last day, or the one.
pub fn days(from: NaiveDate, to: NaiveDate) -> String {
    match from == to {
        true => from.to_string(),
        false => format!("{from} to {to}"),
    }
}

/// `1,234,567`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `3 runs`, `1 run`.
pub fn counted(count: u64, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {what}{s}", grouped(count))
}

/// `1.2 MB`.
pub fn bytes(count: u64) -> String {
    let mut value = count as f64;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB"] {
        if value < 1000.0 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    match unit {
        "B" => format!("{count} B"),
        _ => format!("{value:.1} {unit}"),
    }
}

/// `950 ms`, `14 s`, `12 min`, `3 h 5 min`, in the two largest units.
pub fn span(milliseconds: i64) -> String {
    let seconds = milliseconds / 1_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        0 => format!("{} ms", milliseconds.max(0)),
        ..60 => format!("{seconds} s"),
        ..3_600 if minutes < 10 && seconds % 60 != 0 => format!("{minutes} min {} s", seconds % 60),
        ..3_600 => format!("{minutes} min"),
        ..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// A command to type; the script adds a button that copies it.
pub fn command(text: &str) -> String {
    format!("<code class=\"command\">{}</code>", escape(text))
}
