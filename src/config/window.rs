//! The forms of `window`.

use super::section::{At, Section, brief, nearest};
use crate::schedule::{Window, WindowRule};
use chrono::{Datelike, NaiveDate};
use toml::de::DeValue;

/// Ten years: no window is longer, and none begins longer ago.
const DAYS_MAX: i64 = 3660;

const FORMS: &str = "yesterday, last_7_days, previous_week, previous_month, month_to_date, \
                     { from = \"-3d\", to = \"-1d\" } or { from = \"2025-01-01\", to = \"2025-12-31\" }";

pub(super) fn window(top: &Section<'_>) -> Option<WindowRule> {
    let at = top.value("window")?;
    if matches!(at.value, DeValue::Table(_)) {
        return between(top.table_at("window", &at)?);
    }
    let DeValue::String(word) = at.value else {
        return top.wrong_type("window", &at, "a word in quotes or { from, to }");
    };
    match word.as_ref() {
        "yesterday" => Some(WindowRule::Yesterday),
        "previous_week" => Some(WindowRule::PreviousWeek),
        "previous_month" => Some(WindowRule::PreviousMonth),
        "month_to_date" => Some(WindowRule::MonthToDate),
        word => last_days(top, &at, word),
    }
}

fn last_days(top: &Section<'_>, at: &At<&DeValue<'_>>, word: &str) -> Option<WindowRule> {
    let number = word.strip_prefix("last_").and_then(|rest| {
        let digits = rest.strip_suffix("_days").or(rest.strip_suffix("_day"))?;
        digits
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then_some(digits)
            .filter(|digits| !digits.is_empty())
    });
    let Some(number) = number else {
        let near = nearest(
            word,
            [
                "yesterday",
                "previous_week",
                "previous_month",
                "month_to_date",
                "last_7_days",
            ]
            .into_iter(),
        );
        let help = match (word, near) {
            ("today", _) => "the vendor has not finished today: write \"yesterday\"".to_owned(),
            (_, Some(near)) => format!("did you mean \"{near}\"?"),
            _ => format!("one of {FORMS}"),
        };
        return top.fault(
            at.span.clone(),
            "bad-window",
            format!("\"{}\" is no window", brief(word)),
            help,
        );
    };
    match number.parse::<u32>() {
        Ok(days) if (1..=DAYS_MAX).contains(&i64::from(days)) => Some(WindowRule::LastDays(days)),
        _ => {
            let help = format!("write from last_1_days to last_{DAYS_MAX}_days");
            top.fault(
                at.span.clone(),
                "bad-window",
                format!("\"{}\" is no window", brief(word)),
                help,
            )
        }
    }
}

/// One end of `{ from, to }`.
#[derive(Clone, Copy)]
enum End {
    /// Days from the day of the fire.
    Offset(i64),
    Date(NaiveDate),
}

fn between(section: Section<'_>) -> Option<WindowRule> {
    section.require(
        "from",
        "from = \"-3d\" counts from the day of the fire, from = \"2025-01-01\" is a date",
    );
    section.require(
        "to",
        "to = \"-1d\" counts from the day of the fire, to = \"2025-12-31\" is a date",
    );
    let (from, to) = (end(&section, "from"), end(&section, "to"));
    let (sheet, span) = (section.sheet, section.span.clone());
    section.finish();
    let (message, help) = match (from?, to?) {
        (End::Offset(from), End::Offset(to)) if from <= to => {
            return Some(WindowRule::Offsets { from, to });
        }
        (End::Date(from), End::Date(to)) if from <= to => match Window::new(from, to)? {
            window if i64::from(window.len()) <= DAYS_MAX => {
                return Some(WindowRule::Fixed(window));
            }
            window => (
                format!("the window has {} days", window.len()),
                format!("a run exports at most {DAYS_MAX} days: split it into several schedules"),
            ),
        },
        (End::Offset(_), End::Offset(_)) | (End::Date(_), End::Date(_)) => (
            "the window ends before it begins".to_owned(),
            "both days are included; exchange them".to_owned(),
        ),
        _ => (
            "one end is a date, the other an offset".to_owned(),
            "write two dates or two offsets".to_owned(),
        ),
    };
    sheet.fault(span, "bad-window", message, help);
    None
}

fn end(section: &Section<'_>, key: &'static str) -> Option<End> {
    let at = section.value(key)?;
    let text = match at.value {
        // A bare TOML date is as good as one in quotes.
        DeValue::Datetime(date) if date.time.is_none() => date.to_string(),
        DeValue::String(text) => text.to_string(),
        _ => {
            return section.wrong_type(
                key,
                &at,
                "a date such as \"2025-01-31\" or an offset such as \"-3d\"",
            );
        }
    };
    if let Ok(date) = NaiveDate::parse_from_str(&text, "%Y-%m-%d") {
        if (2000..=2100).contains(&date.year()) && text.len() == 10 {
            return Some(End::Date(date));
        }
        return section.fault(
            at.span,
            "bad-window",
            format!("{text} is out of reach"),
            "write a day from 2000-01-01 to 2100-12-31",
        );
    }
    let offset = text
        .strip_suffix('d')
        .and_then(|days| days.parse::<i64>().ok());
    match offset {
        Some(days) if (-DAYS_MAX..=0).contains(&days) => Some(End::Offset(days)),
        Some(days) if days > 0 => {
            let help = "offsets count from the day of the fire: \"-1d\" is yesterday, \"0d\" that day itself";
            section.fault(
                at.span,
                "bad-window",
                format!("\"{text}\" asks for days that have not begun"),
                help,
            )
        }
        Some(_) => {
            let help = format!("the earliest is \"-{DAYS_MAX}d\"");
            section.fault(
                at.span,
                "bad-window",
                format!("\"{text}\" is out of reach"),
                help,
            )
        }
        None => {
            let help = "write a date such as \"2025-01-31\" or an offset such as \"-3d\"";
            section.fault(
                at.span,
                "bad-window",
                format!("\"{}\" is neither a date nor an offset", brief(&text)),
                help,
            )
        }
    }
}
