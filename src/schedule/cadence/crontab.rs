//! Reads expressions in the words of crontab(5), points at the field that is wrong, and writes them in the form the
//! `cron` crate evaluates: six or seven fields, weekdays from 1 = Sunday, day of month AND day of week.

use std::fmt::Write as _;
use std::ops::{Range, RangeInclusive};

/// Whether fires of an expression are bound to hours of the wall clock or follow elapsed time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hour {
    Fixed,
    /// The hour field begins with `*`.
    Wildcard,
}

#[derive(Debug)]
pub(super) struct Crontab {
    /// What the crate evaluates; two where day of month OR day of week is meant.
    pub forms: Vec<String>,
    pub hour: Hour,
}

#[derive(Debug)]
pub(super) struct FieldFault {
    pub span: Range<usize>,
    pub message: String,
    pub help: String,
}

/// One kind of field: its name, its values, and the words that stand for some of them.
struct Unit {
    name: &'static str,
    values: RangeInclusive<u32>,
    words: &'static [&'static str],
}

const SECOND: Unit = unit("second", 0..=59);
const MINUTE: Unit = unit("minute", 0..=59);
const HOUR: Unit = unit("hour", 0..=23);
const DAY: Unit = unit("day of month", 1..=31);
const YEAR: Unit = unit("year", 1970..=2100);
const MONTH: Unit = Unit {
    name: "month",
    values: 1..=12,
    words: &[
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ],
};
const WEEKDAY: Unit = Unit {
    name: "day of week",
    values: 0..=7,
    words: &[
        "sunday",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
    ],
};

const fn unit(name: &'static str, values: RangeInclusive<u32>) -> Unit {
    Unit {
        name,
        values,
        words: &[],
    }
}

/// A field that was understood: its values in order, and whether it begins with `*`.
struct Field {
    values: Vec<u32>,
    star: bool,
}

pub(super) fn parse(text: &str) -> Result<Crontab, FieldFault> {
    let words = words(text);
    if words.first().is_some_and(|(_, word)| word.starts_with('@')) {
        return parse_alias(text.trim(), 0..text.len());
    }
    let [second, minute, hour, day, month, weekday, year] = layout(text, &words)?;
    let read = |word: Option<(usize, &str)>, unit: &Unit, absent: &str| match word {
        Some((at, word)) => field(at, word, unit),
        None => field(0, absent, unit),
    };
    let second = read(second, &SECOND, "0")?;
    let minute = read(minute, &MINUTE, "*")?;
    let hour = read(hour, &HOUR, "*")?;
    let day = read(day, &DAY, "*")?;
    let month = read(month, &MONTH, "*")?;
    let weekday = read(weekday, &WEEKDAY, "*")?;
    let year = read(year, &YEAR, "*")?;

    let form = |day: &str, weekday: &str| {
        format!(
            "{} {} {} {day} {} {weekday} {}",
            written(&second.values, &SECOND),
            written(&minute.values, &MINUTE),
            written(&hour.values, &HOUR),
            written(&month.values, &MONTH),
            written(&year.values, &YEAR),
        )
    };
    let days = written(&day.values, &DAY);
    let weekdays = written_weekdays(&weekday.values);
    Ok(Crontab {
        // crontab(5): a field that begins with `*` does not restrict; if both do, either suffices.
        forms: if day.star || weekday.star {
            vec![form(&days, &weekdays)]
        } else {
            vec![form(&days, "*"), form("*", &weekdays)]
        },
        hour: if hour.star {
            Hour::Wildcard
        } else {
            Hour::Fixed
        },
    })
}

/// The words of an expression and where each begins.
fn words(text: &str) -> Vec<(usize, &str)> {
    let start = text.as_ptr() as usize;
    text.split_whitespace()
        .map(|word| (word.as_ptr() as usize - start, word))
        .collect()
}

type Slots<'a> = [Option<(usize, &'a str)>; 7];

fn layout<'a>(text: &str, words: &[(usize, &'a str)]) -> Result<Slots<'a>, FieldFault> {
    let mut slots: Slots<'a> = [None; 7];
    let first = match words.len() {
        5 => 1,
        6 | 7 => 0,
        count => {
            return Err(FieldFault {
                span: 0..text.len(),
                message: match count {
                    0 => "the cron expression is empty".to_owned(),
                    1 => "1 field is no cron expression".to_owned(),
                    _ => format!("{count} fields are no cron expression"),
                },
                help: "write 5 fields (minute, hour, day of month, month, day of week), 6 with seconds first, \
                       7 with a year last, or @daily and the like"
                    .to_owned(),
            });
        }
    };
    for (slot, word) in slots[first..].iter_mut().zip(words) {
        *slot = Some(*word);
    }
    Ok(slots)
}

fn parse_alias(word: &str, span: Range<usize>) -> Result<Crontab, FieldFault> {
    let name = word.split_whitespace().next().unwrap_or_default();
    let fields = match word {
        "@hourly" => "0 * * * *",
        "@daily" | "@midnight" => "0 0 * * *",
        "@weekly" => "0 0 * * 0",
        "@monthly" => "0 0 1 * *",
        "@yearly" | "@annually" => "0 0 1 1 *",
        _ => {
            return Err(FieldFault {
                span,
                message: format!("`{name}` is not supported"),
                help: match name {
                    "@reboot" => "a schedule follows the calendar; to export now, run `aptiqd trigger SCHEDULE`",
                    "@every" => "cron counts from the clock, not from the start: every 15 minutes is `*/15 * * * *`",
                    _ => "there are @hourly, @daily, @midnight, @weekly, @monthly, @yearly and @annually",
                }
                .to_owned(),
            });
        }
    };
    parse(fields)
}

fn field(at: usize, text: &str, unit: &Unit) -> Result<Field, FieldFault> {
    let mut values = Vec::new();
    let mut begin = at;
    for term in text.split(',') {
        let span = begin..begin + term.len();
        term_into(&mut values, term, unit).map_err(|(message, help)| FieldFault {
            // An empty term has no text to point at; its comma has.
            span: if span.is_empty() {
                at..at + text.len()
            } else {
                span.clone()
            },
            message,
            help,
        })?;
        begin = span.end + 1;
    }
    values.sort_unstable();
    values.dedup();
    Ok(Field {
        values,
        star: text.starts_with('*'),
    })
}

type Fault = (String, String);

/// `*`, `5`, `mon`, `1-5`, each also with `/step`.
fn term_into(values: &mut Vec<u32>, term: &str, unit: &Unit) -> Result<(), Fault> {
    let (range, step) = match term.split_once('/') {
        Some((range, step)) => (range, Some(step_of(step, unit)?)),
        None => (term, None),
    };
    let (low, high) = (*unit.values.start(), *unit.values.end());
    let (from, to) = if range == "*" {
        (low, high)
    } else if let Some((from, to)) = range.split_once('-') {
        ordered(value(from, unit)?, value(to, unit)?, range, unit)?
    } else {
        let from = value(range, unit)?;
        // `5/10` counts on from 5, as every cron but the oldest reads it.
        (from, if step.is_some() { high } else { from })
    };
    values.extend((from..=to).step_by(step.unwrap_or(1)));
    Ok(())
}

fn step_of(text: &str, unit: &Unit) -> Result<usize, Fault> {
    let width = unit.values.end() - unit.values.start() + 1;
    match text.parse::<u32>() {
        Ok(step) if (1..=width).contains(&step) => Ok(step as usize),
        _ => Err((
            format!("`{text}` is no step for the {}", unit.name),
            format!("a step is a number from 1 to {width}"),
        )),
    }
}

fn ordered(from: u32, to: u32, range: &str, unit: &Unit) -> Result<(u32, u32), Fault> {
    if from <= to {
        return Ok((from, to));
    }
    if to == 0 && unit.name == WEEKDAY.name {
        return Ok((from, 7)); // `fri-sun`: the week may end with Sunday
    }
    let (low, high) = (unit.values.start(), unit.values.end());
    Err((
        format!("the {} range `{range}` runs backwards", unit.name),
        format!("split it: `{from}-{high},{low}-{to}`"),
    ))
}

fn value(text: &str, unit: &Unit) -> Result<u32, Fault> {
    let (low, high) = (*unit.values.start(), *unit.values.end());
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return match text.parse::<u32>() {
            Ok(number) if unit.values.contains(&number) => Ok(number),
            _ => Err((
                format!("{text} is no {}", unit.name),
                format!("the {} goes from {low} to {high}", unit.name),
            )),
        };
    }
    let lower = text.to_ascii_lowercase();
    let known = |word: &&&str| **word == lower || (lower.len() == 3 && word.starts_with(&lower));
    match unit.words.iter().position(|word| known(&word)) {
        Some(index) => Ok(low + index as u32),
        None => Err((format!("`{text}` is no {}", unit.name), hint(text, unit))),
    }
}

/// What whoever wrote `text` probably meant.
fn hint(text: &str, unit: &Unit) -> String {
    let (low, high) = (unit.values.start(), unit.values.end());
    let upper = text.to_ascii_uppercase();
    match upper.as_str() {
        "" => "remove the spare comma, dash or slash, or write the missing number".to_owned(),
        "?" => "`?` is not of crontab(5): write `*`".to_owned(),
        "H" | "R" => "write a number; to spread load, give the schedule a `jitter`".to_owned(),
        _ if upper.contains('#') => {
            "`#` is not of crontab(5): the second Monday is a Monday among the days 8-14, one schedule a weekday"
                .to_owned()
        }
        _ if upper.contains('~') => "write a number; to spread load, give the schedule a `jitter`".to_owned(),
        _ if last_or_nearest(&upper, unit) => {
            "`L` and `W` are not of crontab(5): for a finished month write day 1 and window = \"previous_month\""
                .to_owned()
        }
        _ if unit.words.is_empty() => format!("write a number from {low} to {high}, `*`, a range, a list or a step"),
        _ => format!("write a number from {low} to {high} or a name such as `{}`", &unit.words[1][..3]),
    }
}

/// Quartz's `L`, `LW`, `15W`, `5L`.
fn last_or_nearest(upper: &str, unit: &Unit) -> bool {
    let day = unit.name == DAY.name || unit.name == WEEKDAY.name;
    day && upper
        .trim_start_matches(|c: char| c.is_ascii_digit())
        .chars()
        .all(|c| "LW".contains(c))
}

/// The values as the crate reads them: `*`, or a list of numbers and ranges.
fn written(values: &[u32], unit: &Unit) -> String {
    let all = unit.values.clone().count();
    if values.len() == all {
        "*".to_owned()
    } else {
        listed(values)
    }
}

/// 0 and 7 are Sunday, the crate's 1.
fn written_weekdays(values: &[u32]) -> String {
    let mut days: Vec<u32> = values.iter().map(|day| day % 7 + 1).collect();
    days.sort_unstable();
    days.dedup();
    if days.len() == 7 {
        "*".to_owned()
    } else {
        listed(&days)
    }
}

fn listed(values: &[u32]) -> String {
    let mut text = String::new();
    let mut rest = values;
    while let Some(&from) = rest.first() {
        let run = rest.iter().zip(from..).take_while(|(a, b)| *a == b).count();
        let comma = if text.is_empty() { "" } else { "," };
        let to = from + run as u32 - 1;
        // Writing to a String cannot fail.
        let _ = match run {
            1 => write!(text, "{comma}{from}"),
            _ => write!(text, "{comma}{from}-{to}"),
        };
        rest = &rest[run..];
    }
    text
}
