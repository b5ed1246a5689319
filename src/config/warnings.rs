//! What is allowed but probably not meant. Looked for by `check` alone, as of its own time.

use super::section::Section;
use super::sheet::Sheet;
use crate::schedule::{Partition, Schedule, Window, WindowRule};
use chrono::{DateTime, NaiveTime, TimeZone, Utc};
use std::ops::Range;

/// The vendor has finished a day by 11:00 Central on the next one.
const FINISHED_ZONE: chrono_tz::Tz = chrono_tz::America::Chicago;
const FINISHED_AT: NaiveTime = NaiveTime::from_hms_opt(11, 0, 0).unwrap();

/// So many coming fires are looked at: with lists, months and clock changes the next one alone tells little.
const FIRES: usize = 12;

/// Where the keys stand that warnings point at.
pub(super) struct Spans {
    cron: Range<usize>,
    window: Range<usize>,
    late: Option<Range<usize>>,
}

impl Spans {
    pub fn of(top: &Section<'_>) -> Spans {
        let late = top.section("notify").filter(|notify| notify.has("late"));
        Spans {
            cron: top.key_span("cron"),
            window: top.key_span("window"),
            late: late.map(|notify| notify.key_span("late")),
        }
    }
}

pub(super) fn look(sheet: &Sheet, spans: &Spans, schedule: &Schedule, now: DateTime<Utc>) {
    let fires: Vec<DateTime<Utc>> = schedule.cadence.fires(now).take(FIRES).collect();
    let day = |fire: &DateTime<Utc>| fire.with_timezone(&schedule.timezone).date_naive();
    let windows: Vec<Window> = fires
        .iter()
        .map(|fire| schedule.window.window(day(fire)))
        .collect();
    if fires.is_empty() {
        let help = "`aptiqd trigger` and `aptiqd backfill` still run it";
        sheet.warn(
            spans.cron.clone(),
            "no-fire-left",
            "this schedule has no fire left",
            help,
        );
    }
    if let Some((fire, window)) = fires
        .iter()
        .zip(&windows)
        .find(|(fire, window)| !is_finished(**fire, **window))
    {
        let local = fire
            .with_timezone(&schedule.timezone)
            .format("%Y-%m-%d %H:%M %:z");
        let message = format!(
            "the fire of {local} asks for {}, which the vendor has not finished then",
            window.to
        );
        let help = "a day is finished about 11:00 America/Chicago on the next one: fire later, or end the window earlier";
        sheet.warn(spans.window.clone(), "unfinished-day", message, help);
    }
    let overlapping = windows
        .windows(2)
        .find(|pair| pair[0] != pair[1] && pair[0].overlaps(pair[1]));
    if let (Partition::Window, Some(pair)) = (schedule.partition, overlapping) {
        let message = format!(
            "windows overlap ({} and {}): readers of `data/` would see days twice",
            pair[0], pair[1]
        );
        sheet.warn(
            spans.window.clone(),
            "overlapping-windows",
            message,
            "write partition = \"date\"",
        );
    }
    if matches!(schedule.window, WindowRule::Fixed(_)) && fires.len() > 1 {
        let help = "for once, give `cron` seven fields with a year; for history on demand, enabled = false and `aptiqd trigger`";
        sheet.warn(
            spans.cron.clone(),
            "repeated-window",
            "every fire exports the same days",
            help,
        );
    }
    if let (Some(late), None) = (&spans.late, &schedule.freshness) {
        sheet.warn(
            late.clone(),
            "never-late",
            "nothing is ever late without [freshness]",
            "add [freshness] with warn_after and error_after",
        );
    }
}

/// Whether the vendor has finished the window's last day when the fire comes.
fn is_finished(fire: DateTime<Utc>, window: Window) -> bool {
    let Some(next) = window.to.succ_opt() else {
        return false;
    };
    let finished = FINISHED_ZONE
        .from_local_datetime(&next.and_time(FINISHED_AT))
        .earliest();
    finished.is_none_or(|finished| fire >= finished)
}
