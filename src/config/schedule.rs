//! One schedule's file: every key read, defaults filled in, contradictions refused with the reason.

use super::checks::checks;
use super::landed;
use super::properties::properties;
use super::schedules::Scope;
use super::section::{At, Section, brief, nearest};
use super::sheet::Sheet;
use super::terms::{SECOND, backfill_new, catch_up, chunk, columns, freshness, notify, retry};
use super::warnings;
use super::window::window;
use crate::schedule::{
    Cadence, CadenceFaultKind, Chunk, Columns, Compiler, Format, Name, Overlap, Partition,
    Properties, Report, Schedule, Shared, WindowRule,
};
use chrono_tz::Tz;
use std::borrow::Cow;
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
    "backfill_new",
    "columns",
    "checks",
    "freshness",
    "notify",
];

const HOUR: Duration = Duration::from_secs(3600);
/// Parts of one run.
const PARTS_MAX: u64 = 20_000;

/// Reads the schedule `name`, held against the scope that is known of it.
pub(super) fn resolve(
    name: Name,
    top: Section<'_>,
    scope: &Scope,
    shared: &mut Shared,
) -> Option<Schedule> {
    require_all(&top);
    let description = top
        .text("description")
        .map_or_else(Box::default, |at| Box::from(at.value.as_ref()));
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
    let cadence = cadence(&top, zone, &mut shared.cadences);
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
    let backfill_new = backfill_new(&top, window);
    let columns = columns(&top);
    let checks = checks(&top);
    let freshness = freshness(&top).map(Box::new);
    let notify = notify(&top, scope.notifiers.as_ref());
    let sheet = top.sheet;
    let spans = warnings::Spans::of(&top);
    let landed_spans = landed::Spans::of(&top);
    let partition = partition.or_else(|| window.map(default_partition));
    if let Some(partition) = partition {
        refuse_key_columns(&top, partition, &columns);
    }
    let chunk_at = top.key_span(if top.has("chunk") { "chunk" } else { "window" });
    top.finish();

    let window = window?;
    let properties = properties?;
    refuse_too_many_parts(sheet, chunk_at, &properties, window, chunk);
    let schedule = Schedule {
        name,
        description,
        report: report?,
        format: format?,
        cadence: cadence?,
        timezone: zone?,
        window,
        properties,
        chunk,
        partition: partition?,
        overlap,
        catch_up,
        jitter,
        deadline: deadline.map_or(6 * HOUR, |at| at.value),
        retry,
        enabled,
        backfill_new,
        columns: shared.columns.keep(columns),
        checks: shared.checks.keep(checks),
        freshness,
        notify,
    };
    if let Some(root) = &scope.landing {
        landed::hold(sheet, &landed_spans, &schedule, root);
    }
    if let Some(now) = sheet.now {
        warnings::look(sheet, &spans, &schedule, now);
    }
    Some(schedule)
}

/// One fire must not ask for more jobs than the vendor can be asked for in a day or two.
fn refuse_too_many_parts(
    sheet: &Sheet,
    at: Range<usize>,
    properties: &Properties,
    window: WindowRule,
    chunk: Chunk,
) {
    let Properties::Listed(list) = properties else {
        return;
    };
    let groups = (list.len() as u64).div_ceil(u64::from(chunk.properties.max(1)));
    let parts = groups * u64::from(window.longest().div_ceil(chunk.days.max(1)));
    if parts > PARTS_MAX {
        let help =
            format!("a run has at most {PARTS_MAX} parts: make `chunk` larger or split the window");
        let message = format!("a run would have {parts} parts, one job each");
        sheet.fault(at, "too-many-parts", message, help);
    }
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

/// Readers take a folder's key for a column, and silently prefer it to one of the file.
fn refuse_key_columns(top: &Section<'_>, partition: Partition, columns: &Columns) {
    let Some(section) = top.section("columns") else {
        return;
    };
    let own = landed::key_name(partition);
    for (key, column) in [("property", &columns.property), ("date", &columns.date)] {
        if column.eq_ignore_ascii_case(own) {
            section.sheet.fault(
                section.key_span(key),
                "key-column",
                format!("`columns.{key}` is `{column}`, which readers would not see below folders named `{own}=…`"),
                format!("partition by another key than \"{own}\""),
            );
        }
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
fn cadence(top: &Section<'_>, zone: Option<Tz>, compiler: &mut Compiler) -> Option<Cadence> {
    let list = top.texts("cron")?;
    let expressions: Vec<String> = list
        .value
        .iter()
        .map(|at| at.value.clone().into_owned())
        .collect();
    let fault = match compiler.compile(expressions, zone.unwrap_or(Tz::UTC)) {
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
