//! One schedule's file: every key read, defaults filled in, contradictions refused with the reason.

use super::properties::properties;
use super::section::{At, Section, brief, nearest};
use super::warnings;
use super::window::window;
use crate::schedule::{
    Cadence, CadenceFaultKind, CatchUp, CatchUpMode, Checks, Chunk, Columns, Format, Freshness,
    Name, OnFail, Overlap, Partition, Report, Retry, Schedule, SchemaChange, WindowRule,
};
use chrono_tz::Tz;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

pub(super) const KEYS: &[&str] = &[
    "description",
    "report",
    "format",
    "cron",
    "timezone",
    "window",
    "properties",
    "chunk",
    "partition",
    "overlap",
    "catch_up",
    "jitter",
    "deadline",
    "retry",
    "enabled",
    "columns",
    "checks",
    "freshness",
    "notify",
];

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Events that `[notify]` may name.
const NOTICES: &[&str] = &["failed", "late", "landed", "recovered", "all"];

/// Reads the schedule `name`. `notifiers` are those of the daemon's configuration, where it is known.
pub(super) fn resolve(
    name: Name,
    top: Section<'_>,
    notifiers: Option<&BTreeSet<String>>,
) -> Option<Schedule> {
    require_all(&top);
    let description = top
        .text("description")
        .map_or_else(String::new, |at| at.value.into_owned());
    let report = top.choice(
        "report",
        &[
            ("property", Report::Property),
            ("units", Report::Units),
            ("floorplans", Report::Floorplans),
        ],
    );
    let format = top.choice(
        "format",
        &[
            ("csv", Format::Csv),
            ("jsonl", Format::Jsonl),
            ("parquet", Format::Parquet),
        ],
    );
    let zone = timezone(&top);
    let cadence = cadence(&top, zone);
    let window = window(&top);
    let properties = properties(&top);
    let chunk = chunk(&top);
    let partition = top.choice(
        "partition",
        &[
            ("date", Partition::Date),
            ("month", Partition::Month),
            ("window", Partition::Window),
        ],
    );
    let overlap = top.choice(
        "overlap",
        &[
            ("queue", Overlap::Queue),
            ("skip", Overlap::Skip),
            ("cancel_other", Overlap::CancelOther),
            ("allow", Overlap::Allow),
        ],
    );
    let overlap = overlap.unwrap_or(Overlap::Queue);
    let catch_up = catch_up(&top, overlap);
    let jitter = top
        .duration("jitter", Duration::ZERO)
        .map_or(Duration::ZERO, |at| at.value);
    if !jitter.is_zero() && jitter < SECOND {
        top.sheet.fault(
            top.key_span("jitter"),
            "bad-duration",
            "`jitter` is under a second",
            "write 0s for none, or from 1s",
        );
    }
    let deadline = top.duration("deadline", SECOND);
    let retry = retry(&top, deadline.as_ref());
    let enabled = top.boolean("enabled").unwrap_or(true);
    let columns = columns(&top);
    let checks = checks(&top);
    let freshness = freshness(&top);
    let notify = notify(&top, notifiers);
    let sheet = top.sheet;
    let spans = warnings::Spans::of(&top);
    top.finish();

    let window = window?;
    let schedule = Schedule {
        name,
        description,
        report: report?,
        format: format?,
        cadence: cadence?,
        timezone: zone?,
        window,
        properties: properties?,
        chunk,
        partition: partition.unwrap_or_else(|| default_partition(window)),
        overlap,
        catch_up,
        jitter,
        deadline: deadline.map_or(6 * HOUR, |at| at.value),
        retry,
        enabled,
        columns,
        checks,
        freshness,
        notify,
    };
    if let Some(now) = sheet.now {
        warnings::look(sheet, &spans, &schedule, now);
    }
    Some(schedule)
}

fn require_all(top: &Section<'_>) {
    for (key, help) in [
        (
            "report",
            "report = \"property\", \"units\" or \"floorplans\"",
        ),
        ("format", "format = \"parquet\", \"csv\" or \"jsonl\""),
        ("cron", "cron = \"30 12 * * *\" fires every day at 12:30"),
        (
            "timezone",
            "timezone = \"America/Chicago\", or another IANA name",
        ),
        ("window", "window = \"yesterday\", for one"),
        ("properties", "properties = { ids = [99001416] }, for one"),
    ] {
        top.require(key, help);
    }
}

/// One file a day where a run is one day, else one a run.
fn default_partition(window: WindowRule) -> Partition {
    let one_day = match window {
        WindowRule::Yesterday | WindowRule::LastDays(1) => true,
        WindowRule::Offsets { from, to } => from == to,
        WindowRule::Fixed(window) => window.len() == 1,
        _ => false,
    };
    if one_day {
        Partition::Date
    } else {
        Partition::Window
    }
}

fn timezone(top: &Section<'_>) -> Option<Tz> {
    let at = top.text("timezone")?;
    if let Ok(zone) = at.value.parse() {
        return Some(zone);
    }
    let american = match at.value.to_ascii_uppercase().as_str() {
        "CST" | "CDT" | "CT" | "CENTRAL" => Some("America/Chicago"),
        "EDT" | "ET" | "EASTERN" => Some("America/New_York"),
        "MDT" | "MT" | "MOUNTAIN" => Some("America/Denver"),
        "PST" | "PDT" | "PT" | "PACIFIC" => Some("America/Los_Angeles"),
        _ => None,
    };
    let near = || {
        nearest(
            &at.value,
            chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()),
        )
    };
    let help = match american.or_else(near) {
        Some(name) => format!("did you mean \"{name}\"?"),
        None => "write an IANA name such as \"America/Chicago\" or \"UTC\"".to_owned(),
    };
    top.fault(
        at.span,
        "bad-zone",
        format!("\"{}\" is no time zone", brief(&at.value)),
        help,
    )
}

/// Compiles the expressions, also where the zone is at fault, so that both faults are seen at once.
fn cadence(top: &Section<'_>, zone: Option<Tz>) -> Option<Cadence> {
    let list = top.texts("cron")?;
    let expressions: Vec<String> = list
        .value
        .iter()
        .map(|at| at.value.clone().into_owned())
        .collect();
    let fault = match Cadence::compile(&expressions, zone.unwrap_or(Tz::UTC)) {
        Ok(cadence) => return Some(cadence),
        Err(fault) => fault,
    };
    let code = match fault.kind {
        CadenceFaultKind::Malformed => "bad-cron",
        CadenceFaultKind::NeverFires => "never-fires",
    };
    let span = match list.value.get(fault.index) {
        Some(at) => within(top, at, fault.span),
        None => list.span,
    };
    top.fault(span, code, fault.message, fault.help)
}

/// The span of a part of a text, where the file has that text word for word between its quotes.
fn within(top: &Section<'_>, at: &At<Cow<'_, str>>, part: Option<Range<usize>>) -> Range<usize> {
    let source = top.sheet.source(&at.span);
    match part {
        Some(part)
            if !part.is_empty()
                && source.get(1..source.len().saturating_sub(1)) == Some(&at.value) =>
        {
            at.span.start + 1 + part.start..at.span.start + 1 + part.end
        }
        _ => at.span.clone(),
    }
}

fn chunk(top: &Section<'_>) -> Chunk {
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

fn catch_up(top: &Section<'_>, overlap: Overlap) -> CatchUp {
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

fn retry(top: &Section<'_>, deadline: Option<&At<Duration>>) -> Retry {
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

fn columns(top: &Section<'_>) -> Columns {
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

fn checks(top: &Section<'_>) -> Checks {
    let mut checks = Checks {
        min_property_coverage: None,
        min_rows_vs_median: None,
        unique: Vec::new(),
        max_null_rate: BTreeMap::new(),
        range: BTreeMap::new(),
        schema_change: SchemaChange::Notify,
        on_fail: OnFail::Quarantine,
    };
    let Some(section) = top.section("checks") else {
        return checks;
    };
    checks.min_property_coverage = section.share("min_property_coverage");
    checks.min_rows_vs_median = section.share("min_rows_vs_median");
    if let Some(list) = section.texts("unique") {
        checks.unique = list
            .value
            .into_iter()
            .map(|at| at.value.into_owned())
            .collect();
    }
    if let Some(rates) = section.section("max_null_rate") {
        let share = |(key, at): (At<&str>, At<_>)| {
            Some((key.value.to_owned(), rates.share_at(key.value, &at)?))
        };
        checks.max_null_rate = rates.entries().filter_map(share).collect();
    }
    if let Some(ranges) = section.section("range") {
        checks.range = ranges
            .entries()
            .filter_map(|(key, at)| Some((key.value.to_owned(), bounds(&ranges, key.value, &at)?)))
            .collect();
    }
    let change = section.choice(
        "schema_change",
        &[
            ("notify", SchemaChange::Notify),
            ("reject", SchemaChange::Reject),
            ("accept", SchemaChange::Accept),
        ],
    );
    checks.schema_change = change.unwrap_or(checks.schema_change);
    let on_fail = section.choice(
        "on_fail",
        &[("quarantine", OnFail::Quarantine), ("land", OnFail::Land)],
    );
    checks.on_fail = on_fail.unwrap_or(checks.on_fail);
    section.finish();
    checks
}

/// `[least, most]`.
fn bounds(section: &Section<'_>, key: &str, at: &At<&toml::de::DeValue<'_>>) -> Option<(f64, f64)> {
    let toml::de::DeValue::Array(list) = at.value else {
        return section.fault(
            at.span.clone(),
            "bad-type",
            format!("`checks.range.{key}` is no list"),
            "write [least, most]",
        );
    };
    let [least, most] = &list[..] else {
        let message = format!("`checks.range.{key}` is no pair");
        return section.fault(
            at.span.clone(),
            "bad-value",
            message,
            "write two: [least, most]",
        );
    };
    let number = |one: &toml::Spanned<toml::de::DeValue<'_>>| {
        let at = At {
            value: one.get_ref(),
            span: one.span(),
        };
        section.float_at(key, &at)
    };
    let (least, most) = (number(least)?, number(most)?);
    if least <= most {
        return Some((least, most));
    }
    let message = format!("`checks.range.{key}` goes from {least} to {most}");
    section.fault(
        at.span.clone(),
        "contradiction",
        message,
        "the smaller number comes first",
    )
}

fn freshness(top: &Section<'_>) -> Option<Freshness> {
    let section = top.section("freshness")?;
    section.require("warn_after", "warn_after = \"26h\"");
    section.require("error_after", "error_after = \"36h\"");
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
    section.finish();
    Some(Freshness {
        warn_after: warn?.value,
        error_after: error?.value,
    })
}

fn notify(
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
