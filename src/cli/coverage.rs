//! `coverage`: how complete the landed data is, by property and day.

use super::console::{Console, Tone};
use super::exit::{Exit, Failure, Outcome};
use super::render::{amount, counted, days};
use super::{Context, encode};
use crate::admin::view::{Code, Coverage, CoverageCells, MissingSpan, Window, only};
use chrono::NaiveDate;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Properties shown with a line of their own.
const LINES_MAX: usize = 40;
/// Room left of a heat line: the property, its lacking days.
const LABEL: usize = 28;

/// Which property has which day; exit 3 if a cell that is due is missing or failed
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd coverage owned-daily
  aptiqd coverage owned-daily --from 2026-11-01 --to 2026-11-30
  aptiqd coverage owned-daily --missing --json | jq '.missing[]'")]
pub struct Args {
    /// The schedule's name
    pub(super) schedule: String,
    /// The first day [default: the first ever asked for]
    #[arg(long, value_name = "DAY", requires = "to")]
    from: Option<NaiveDate>,
    /// The last day, included [default: the last that is due]
    #[arg(long, value_name = "DAY", requires = "from")]
    to: Option<NaiveDate>,
    /// List every span of days that is missing or failed
    #[arg(long)]
    missing: bool,
}

pub async fn perform(args: Args, context: &Context) -> Outcome {
    let client = context.client().await?;
    let mut path = format!("/api/v1/coverage/{}", encode(&args.schedule));
    if let (Some(from), Some(to)) = (args.from, args.to) {
        let _ = write!(path, "?from={from}&to={to}");
    }
    let coverage: Coverage = client.read(&path).await?;
    let console = &context.console;
    if console.is_json() {
        console.document(&coverage);
    } else if args.missing {
        console.say(&spans(&coverage.missing));
    } else {
        console.say(&render(&coverage, console));
    }
    let lacking = coverage.cells.missing + coverage.cells.failed;
    if lacking == 0 {
        return Ok(Exit::Done);
    }
    let all = coverage.missing.iter();
    let first = all.clone().map(|span| span.from).min();
    let last = all.map(|span| span.to).max();
    let (from, to) = (first.unwrap_or(coverage.from), last.unwrap_or(coverage.to));
    let only = only(coverage.cells.missing, coverage.cells.failed);
    let help = format!(
        "aptiqd backfill {} --from {from} --to {to}{only}",
        coverage.schedule
    );
    let message = format!(
        "{} of {} lack",
        counted(lacking, "property-day"),
        coverage.schedule
    );
    Err(Failure::new(Code::Incomplete, message, help))
}

fn spans(missing: &[MissingSpan]) -> String {
    let mut text = String::new();
    for span in missing {
        let _ = writeln!(text, "{} {} {}", span.property, span.from, span.to);
    }
    text
}

fn render(coverage: &Coverage, console: &Console) -> String {
    let window = Window {
        from: coverage.from,
        to: coverage.to,
    };
    let cells = &coverage.cells;
    let mut text = format!("{} · {}\n", coverage.schedule, days(window));
    for (word, count, tone) in [
        ("landed", cells.landed, Tone::Good),
        ("empty", cells.empty, Tone::Warn),
        ("missing", cells.missing, Tone::Warn),
        ("failed", cells.failed, Tone::Bad),
        ("excluded", cells.excluded, Tone::Dim),
        ("not due", cells.not_due, Tone::Dim),
    ] {
        if count > 0 || word == "landed" {
            let label = console.tint(&format!("{word:<8}"), tone);
            let _ = writeln!(text, "  {label} {:>12}", amount(count));
        }
    }
    if *cells == CoverageCells::default() {
        text.push_str(
            "  no property is known yet: a fire or a trigger asks ApartmentIQ for them\n",
        );
    }
    text.push_str(&heat(coverage, console));
    text
}

/// A line for each property that lacks days, worst first: how much of each stretch of days lacks.
fn heat(coverage: &Coverage, console: &Console) -> String {
    let mut lacking: BTreeMap<i64, Vec<&MissingSpan>> = BTreeMap::new();
    for span in &coverage.missing {
        lacking.entry(span.property).or_default().push(span);
    }
    if lacking.is_empty() {
        return String::new();
    }
    let total = |spans: &[&MissingSpan]| -> i64 {
        let days = |span: &&MissingSpan| (span.to - span.from).num_days() + 1;
        spans.iter().map(days).sum()
    };
    let mut worst: Vec<(i64, Vec<&MissingSpan>)> = lacking.into_iter().collect();
    worst.sort_by_key(|(property, spans)| (-total(spans), *property));
    let all = (coverage.to - coverage.from).num_days() + 1;
    let room = usize::from(console.width()).saturating_sub(LABEL).max(10);
    let columns = room.min(usize::try_from(all).unwrap_or(room));
    let mut text = format!(
        "\n{:>14} {:>12} {} to {}; · there, ░▒▓█ lacking\n",
        "property", "days", coverage.from, coverage.to
    );
    for (property, spans) in worst.iter().take(LINES_MAX) {
        let line = heat_line(spans, coverage.from, all, columns);
        let lacking = amount(total(spans).unsigned_abs());
        let _ = writeln!(text, "{property:>14} {lacking:>12} {line}");
    }
    if let Some(more) = worst.len().checked_sub(LINES_MAX).filter(|more| *more > 0) {
        let _ = writeln!(
            text,
            "and {more} more: aptiqd coverage {} --missing",
            coverage.schedule
        );
    }
    text
}

fn heat_line(spans: &[&MissingSpan], first: NaiveDate, all: i64, columns: usize) -> String {
    let columns = i64::try_from(columns).unwrap_or(1);
    let share = |column: i64| {
        let (from, to) = (column * all / columns, (column + 1) * all / columns - 1);
        let lacking: i64 = spans
            .iter()
            .map(|span| {
                let begin = (span.from - first).num_days().max(from);
                let end = (span.to - first).num_days().min(to);
                (end - begin + 1).max(0)
            })
            .sum();
        (lacking, to - from + 1)
    };
    let glyph = |(lacking, days): (i64, i64)| match lacking * 4 / days.max(1) {
        _ if lacking == 0 => '·',
        0 => '░',
        1 => '▒',
        2 | 3 => '▓',
        _ => '█',
    };
    (0..columns).map(share).map(glyph).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::console::Reader;
    use chrono::Days;

    fn day(number: u64) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, 1).unwrap() + Days::new(number)
    }

    fn span(property: i64, from: u64, to: u64) -> MissingSpan {
        MissingSpan {
            property,
            from: day(from),
            to: day(to),
        }
    }

    fn coverage(length: u64, missing: Vec<MissingSpan>) -> Coverage {
        Coverage {
            schema: "aptiqd.coverage/1".into(),
            schedule: "owned".into(),
            from: day(0),
            to: day(length - 1),
            cells: CoverageCells {
                missing: missing
                    .iter()
                    .map(|span| u64::from(span.from <= span.to))
                    .sum(),
                ..CoverageCells::default()
            },
            missing,
        }
    }

    #[test]
    fn the_heat_lines_are_the_worst_first_and_fit() {
        let missing: Vec<MissingSpan> = (0..60)
            .map(|property| span(99_001_000 + property, 0, property.unsigned_abs()))
            .collect();
        let console = Console::new(Reader::Person);
        let text = render(&coverage(1_826, missing), &console);
        let lines: Vec<&str> = text.lines().collect();
        let width = usize::from(console.width());
        assert!(
            lines.iter().all(|line| line.chars().count() <= width),
            "{text}"
        );
        let first = lines.iter().position(|line| line.contains("99001059"));
        let second = lines.iter().position(|line| line.contains("99001058"));
        assert!(first.is_some() && first < second, "{text}");
        assert!(
            !text.contains("99001019") && text.contains("and 20 more"),
            "{text}"
        );
    }

    #[test]
    fn one_column_a_day_while_there_is_room() {
        let spans = [span(1, 1, 2), span(1, 5, 5)];
        let spans: Vec<&MissingSpan> = spans.iter().collect();
        assert_eq!(heat_line(&spans, day(0), 7, 7), "·██··█·");
        assert_eq!(heat_line(&spans, day(0), 40, 5), "▒····");
    }
}
