//! The terms a schedule runs on: size of jobs, catch-up, retries, columns, lateness, notices.

use super::section::{At, Section, brief, nearest};
use crate::schedule::{
    CatchUp, CatchUpMode, Chunk, Columns, Freshness, Overlap, Retry, WindowRule,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use toml::de::DeValue;

pub(super) const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Events that `[notify]` may name.
const NOTICES: &[&str] = &["failed", "late", "landed", "recovered", "all"];

pub(super) fn chunk(top: &Section<'_>) -> Chunk {
    let default = Chunk {
        properties: 25,
        days: 31,
    };
    let Some(section) = top.section("chunk") else {
        return default;
    };
    let size = |key: &'static str, max: i64, default: u32| {
        let Some(at) = section.value(key) else {
            return default;
        };
        let Some(number) = section.integer_at(key, &at) else {
            return default;
        };
        if !(1..=max).contains(&number) {
            let help = format!("a job holds from 1 to {max} {key}");
            section.sheet.fault(
                at.span,
                "bad-chunk",
                format!("`chunk.{key}` is {number}"),
                help,
            );
        }
        u32::try_from(number).unwrap_or(default)
    };
    let chunk = Chunk {
        properties: size("properties", 10_000, default.properties),
        days: size("days", 3660, default.days),
    };
    section.finish();
    chunk
}

pub(super) fn catch_up(top: &Section<'_>, overlap: Overlap) -> CatchUp {
    let mut catch_up = CatchUp {
        mode: CatchUpMode::Coalesce,
        max_age: 7 * 24 * HOUR,
        max_runs: 31,
    };
    let Some(section) = top.section("catch_up") else {
        return catch_up;
    };
    let mode = section.choice(
        "mode",
        &[
            ("none", CatchUpMode::None),
            ("latest", CatchUpMode::Latest),
            ("all", CatchUpMode::All),
            ("coalesce", CatchUpMode::Coalesce),
        ],
    );
    catch_up.mode = mode.unwrap_or(catch_up.mode);
    catch_up.max_age = section
        .duration("max_age", SECOND)
        .map_or(catch_up.max_age, |at| at.value);
    let runs = section
        .integer("max_runs", 1..=10_000)
        .and_then(|n| u32::try_from(n).ok());
    catch_up.max_runs = runs.unwrap_or(catch_up.max_runs);
    if catch_up.mode == CatchUpMode::All {
        let why = match overlap {
            Overlap::CancelOther => Some("each caught-up run would cancel the one before it"),
            Overlap::Skip => Some("every caught-up run but the first would be skipped"),
            Overlap::Queue | Overlap::Allow => None,
        };
        if let Some(why) = why {
            let help = "catch up by \"coalesce\" or \"latest\", or let runs overlap by \"queue\" or \"allow\"";
            let message =
                format!("`catch_up.mode` = \"all\" does not go with this `overlap`: {why}");
            section
                .sheet
                .fault(section.key_span("mode"), "contradiction", message, help);
        }
    }
    section.finish();
    catch_up
}

pub(super) fn retry(top: &Section<'_>, deadline: Option<&At<Duration>>) -> Retry {
    let mut retry = Retry {
        attempts: 4,
        first: 30 * SECOND,
        max: HOUR / 2,
    };
    let Some(section) = top.section("retry") else {
        return retry;
    };
    let attempts = section
        .integer("attempts", 1..=100)
        .and_then(|n| u32::try_from(n).ok());
    retry.attempts = attempts.unwrap_or(retry.attempts);
    let first = section.duration("first", SECOND);
    let max = section.duration("max", SECOND);
    retry.first = first.as_ref().map_or(retry.first, |at| at.value);
    retry.max = max.as_ref().map_or(retry.max, |at| at.value);
    if retry.first > retry.max {
        // Blame what was written; the default bends to it.
        match (&first, &max) {
            (Some(_), None) => retry.max = retry.first,
            (None, Some(_)) => retry.first = retry.max,
            _ => section.sheet.fault(
                section.key_span("first"),
                "contradiction",
                "`retry.first` is longer than `retry.max`",
                "the rest between attempts grows from `first` to `max`",
            ),
        }
    }
    if let (Some(first), Some(deadline)) = (&first, deadline)
        && first.value >= deadline.value
        && retry.attempts > 1
    {
        let message =
            "`retry.first` is not shorter than `deadline`: no second attempt could be made";
        section.sheet.fault(
            first.span.clone(),
            "contradiction",
            message,
            "lengthen the deadline, or write retry = { attempts = 1 }",
        );
    }
    section.finish();
    retry
}

/// Days of history for a property that is new in the roster; the longest duration bounds them.
pub(super) fn backfill_new(top: &Section<'_>, window: Option<WindowRule>) -> Option<u32> {
    let at = top.value("backfill_new")?;
    if let DeValue::Integer(number) = at.value {
        let help = format!("days are written as \"{number}d\"");
        return top.fault(at.span, "bad-type", "`backfill_new` is a bare number", help);
    }
    let at = top.duration("backfill_new", Duration::ZERO)?;
    let help = "write whole days, such as \"90d\", or leave the key out for no history";
    let days = at.value.as_secs() / DAY.as_secs();
    if days == 0 || at.value != DAY * u32::try_from(days).unwrap_or(u32::MAX) {
        let fault = match at.value.is_zero() {
            true => "`backfill_new` is no day at all",
            false => "`backfill_new` is not a number of whole days",
        };
        return top.fault(at.span, "bad-duration", fault, help);
    }
    let pointless = match window {
        Some(WindowRule::Fixed(_)) => "every fire exports the same days, for new properties too",
        Some(WindowRule::LastDays(reach)) if days <= u64::from(reach) => {
            "every fire exports as many days anyway, for new properties too"
        }
        _ => return u32::try_from(days).ok(),
    };
    let message = format!("`backfill_new` does not go with this `window`: {pointless}");
    top.fault(at.span, "contradiction", message, "remove `backfill_new`")
}

pub(super) fn columns(top: &Section<'_>) -> Columns {
    let mut columns = Columns {
        property: "id".to_owned(),
        date: "report_generation_date".to_owned(),
    };
    let Some(section) = top.section("columns") else {
        return columns;
    };
    for (key, column) in [
        ("property", &mut columns.property),
        ("date", &mut columns.date),
    ] {
        if let Some(at) = section.text(key) {
            if at.value.is_empty() {
                section.sheet.fault(
                    at.span,
                    "bad-value",
                    format!("`columns.{key}` is empty"),
                    "leave it out for its default",
                );
            }
            *column = at.value.into_owned();
        }
    }
    if columns.property == columns.date {
        let message = format!("`{}` is to be both the property and the date", columns.date);
        section.sheet.fault(
            section.span.clone(),
            "contradiction",
            message,
            "name two columns",
        );
    }
    section.finish();
    columns
}

/// Where `[freshness]` says only the other: a day and two hours, a day and a half.
const WARN_AFTER: Duration = Duration::from_secs(26 * 3600);
const ERROR_AFTER: Duration = Duration::from_secs(36 * 3600);

pub(super) fn freshness(top: &Section<'_>) -> Option<Freshness> {
    let section = top.section("freshness")?;
    let warn = section.duration("warn_after", SECOND);
    let error = section.duration("error_after", SECOND);
    if let (Some(warn), Some(error)) = (&warn, &error)
        && error.value < warn.value
    {
        let message = "`freshness.error_after` is shorter than `freshness.warn_after`";
        section.sheet.fault(
            error.span.clone(),
            "contradiction",
            message,
            "the warning comes first",
        );
    }
    let is_faulty = (section.has("warn_after") && warn.is_none())
        || (section.has("error_after") && error.is_none());
    section.finish();
    if is_faulty {
        return None;
    }
    let error_after = error.as_ref().map(|error| error.value);
    let warn_after = warn.as_ref().map(|warn| warn.value);
    Some(Freshness {
        warn_after: warn_after.unwrap_or(WARN_AFTER.min(error_after.unwrap_or(WARN_AFTER))),
        error_after: error_after.unwrap_or(ERROR_AFTER.max(warn_after.unwrap_or(ERROR_AFTER))),
    })
}

pub(super) fn notify(
    top: &Section<'_>,
    notifiers: Option<&BTreeSet<String>>,
) -> BTreeMap<String, Vec<String>> {
    let mut notify = BTreeMap::new();
    let Some(section) = top.section("notify") else {
        return notify;
    };
    for event in NOTICES {
        let Some(names) = section.texts(event) else {
            continue;
        };
        for name in &names.value {
            let known = notifiers.is_none_or(|known| known.contains(name.value.as_ref()));
            if !known {
                let near = nearest(
                    &name.value,
                    notifiers.into_iter().flatten().map(String::as_str),
                );
                let help = match near {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => format!("add [notify.{}] to aptiqd.toml", name.value),
                };
                let message = format!("there is no notifier \"{}\"", brief(&name.value));
                section
                    .sheet
                    .fault(name.span.clone(), "unknown-notifier", message, help);
            }
        }
        let names = names
            .value
            .into_iter()
            .map(|at| at.value.into_owned())
            .collect();
        notify.insert((*event).to_owned(), names);
    }
    section.finish();
    notify
}
