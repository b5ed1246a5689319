//! Tables, ages and amounts as people read them.

use super::console::{Console, Tone};
use crate::admin::view::{Level, RunState, Window};
use chrono::{DateTime, Utc};
use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use std::time::Duration;

/// A table with a header that fits the console; long cells wrap.
pub struct Rows {
    table: Table,
}

impl Rows {
    pub fn new(console: &Console, header: &[&str]) -> Rows {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(console.width())
            .set_header(header.iter().map(|word| word.to_uppercase()));
        Rows { table }
    }

    pub fn row(&mut self, cells: &[&str]) {
        self.table.add_row(cells);
    }

    /// The text, with the words that name a state in their tones.
    pub fn finish(mut self, console: &Console) -> String {
        let widths = self.table.column_max_content_widths();
        let columns = widths.len();
        if let Some(first) = self.table.column_mut(0) {
            first.set_padding((0, 1));
            // An id or a name is copied from here: it stays in one piece, unless the others would have no place.
            if widths[0] <= console.width() / 4 * 3 {
                first.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        if let Some(last) = columns
            .checked_sub(1)
            .and_then(|at| self.table.column_mut(at))
        {
            last.set_padding((u16::from(columns > 1), 0));
        }
        let mut text = String::new();
        for line in self.table.lines() {
            text.push_str(&paint(line.trim_end(), console));
            text.push('\n');
        }
        text
    }
}

/// Words that stand alone in a cell and say how something is.
const WORDS: [(&str, Tone); 16] = [
    ("landed", Tone::Good),
    ("fetched", Tone::Good),
    ("succeeded", Tone::Good),
    ("ok", Tone::Good),
    ("pass", Tone::Good),
    ("incomplete", Tone::Warn),
    ("paused", Tone::Warn),
    ("late", Tone::Warn),
    ("warn", Tone::Warn),
    ("failed", Tone::Bad),
    ("failing", Tone::Bad),
    ("fail", Tone::Bad),
    ("abandoned", Tone::Bad),
    ("cancelled", Tone::Warn),
    ("skipped", Tone::Dim),
    ("disabled", Tone::Dim),
];

fn paint(line: &str, console: &Console) -> String {
    for (word, tone) in WORDS {
        let cell = format!(" {word} ");
        if let Some(at) = line.find(&cell) {
            let (before, after) = (&line[..=at], &line[at + 1 + word.len()..]);
            return format!("{before}{}{after}", console.tint(word, tone));
        }
    }
    line.to_owned()
}

pub fn tone_of(state: RunState) -> Tone {
    match state {
        RunState::Landed => Tone::Good,
        RunState::Incomplete | RunState::Cancelled => Tone::Warn,
        RunState::Failed => Tone::Bad,
        RunState::Queued | RunState::Running => Tone::Strong,
        RunState::Skipped => Tone::Dim,
    }
}

pub fn tone_of_level(level: Level) -> Tone {
    match level {
        Level::Error => Tone::Bad,
        Level::Warn => Tone::Warn,
        Level::Ok => Tone::Good,
    }
}

/// `2026-11-21`, or `2026-11-01 to 2026-11-30`.
pub fn days(window: Window) -> String {
    if window.from == window.to {
        window.from.to_string()
    } else {
        format!("{} to {}", window.from, window.to)
    }
}

/// `3h 12m ago`, `in 2d 4h`, `now`: the two largest units.
pub fn age(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let apart = at - now;
    let past = apart < chrono::TimeDelta::zero();
    let span = span(apart.abs().to_std().unwrap_or_default());
    match (past, span.as_str()) {
        (_, "0s") => "now".to_owned(),
        (true, span) => format!("{span} ago"),
        (false, span) => format!("in {span}"),
    }
}

/// A duration in its two largest units, `3h 12m`; cut, not rounded.
pub fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [
        (seconds / 86_400, 'd'),
        (seconds / 3_600 % 24, 'h'),
        (seconds / 60 % 60, 'm'),
        (seconds % 60, 's'),
    ];
    let first = units.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let shown = units.iter().skip(first).take(2);
    let words = shown.filter(|(count, unit)| *count > 0 || (*unit == 's' && first == 3));
    let words: Vec<String> = words
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    words.join(" ")
}

/// `12.3 MB`: decimal units, three digits.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if count < 1_000 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1_000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    let digits = if value < 9.995 {
        2
    } else if value < 99.95 {
        1
    } else {
        0
    };
    format!("{value:.digits$} {}", UNITS[unit])
}

/// `1,234,567`.
pub fn amount(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 part`, `28 parts`, `2 properties`.
pub fn counted(count: u64, noun: &str) -> String {
    let nouns = match (count, noun.strip_suffix('y')) {
        (1, _) => noun.to_owned(),
        (_, Some(stem)) if !stem.ends_with(['a', 'e', 'o']) => format!("{stem}ies"),
        _ => format!("{noun}s"),
    };
    format!("{} {nouns}", amount(count))
}

/// `text` cut at blanks into lines that begin at `indent` and end before `width`; the first line is
/// begun already. A word that is longer stays whole.
pub fn folded(text: &str, width: usize, indent: usize) -> String {
    let room = width.saturating_sub(indent).max(20);
    let mut folded = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > room {
            folded.push('\n');
            folded.push_str(&" ".repeat(indent));
            used = 0;
        } else if used > 0 {
            folded.push(' ');
            used += 1;
        }
        folded.push_str(word);
        used += length;
    }
    folded
}

/// Down to whole seconds, in UTC.
pub fn instant(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// A word as it can be pasted into a shell.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else if text.contains('\'') && !text.contains(['"', '$', '`', '\\', '!']) {
        format!("\"{text}\"")
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::console::Reader;

    #[test]
    fn amounts_and_ages_are_short() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_234), "1.23 kB");
        assert_eq!(bytes(169_000_000), "169 MB");
        assert_eq!(bytes(999_999), "1.00 MB");
        assert_eq!(amount(0), "0");
        assert_eq!(amount(1_234_567), "1,234,567");
        assert_eq!(counted(1, "part"), "1 part");
        assert_eq!(counted(2, "day"), "2 days");
        assert_eq!(counted(2, "property"), "2 properties");
        let now: DateTime<Utc> = "2026-11-22T18:30:00Z".parse().unwrap();
        let at = |text: &str| age(text.parse().unwrap(), now);
        assert_eq!(at("2026-11-22T15:17:09Z"), "3h 12m ago");
        assert_eq!(at("2026-11-22T18:30:00.4Z"), "now");
        assert_eq!(at("2026-11-22T18:29:00Z"), "1m ago");
        assert_eq!(at("2026-11-22T18:30:07Z"), "in 7s");
        assert_eq!(at("2026-11-24T20:45:00Z"), "in 2d 2h");
    }

    #[test]
    fn folded_text_keeps_to_its_column() {
        let text = folded("one two three four five six seven eight", 30, 10);
        assert_eq!(text, "one two three four\n          five six seven eight");
        assert_eq!(folded("", 80, 4), "");
        assert_eq!(folded(&"x".repeat(90), 40, 4).len(), 90);
    }

    #[test]
    fn a_table_never_exceeds_its_width() {
        let console = Console::new(Reader::Person);
        let mut rows = Rows::new(&console, &["run", "state", "reason"]);
        let id = "a-schedule-with-quite-a-long-name.m20261122T183000123Z";
        rows.row(&[id, "failed", &"the vendor said no ".repeat(20)]);
        let text = rows.finish(&console);
        assert!(text.contains(id), "{text}");
        assert!(text.lines().count() > 3);
        let width = usize::from(console.width());
        assert!(
            text.lines().all(|line| line.chars().count() <= width),
            "{text}"
        );
    }
}
