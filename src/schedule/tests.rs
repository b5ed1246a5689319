//! A schedule to test with.

use super::*;
use chrono::{Datelike, NaiveDate, TimeDelta, Weekday};
use chrono_tz::Tz;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn schedule(name: &str, cron: &str) -> Schedule {
    Schedule {
        name: Name::parse(name).unwrap(),
        description: Box::default(),
        report: Report::Property,
        format: Format::Csv,
        cadence: Cadence::compile(&[cron.to_owned()], Tz::UTC).unwrap(),
        timezone: Tz::UTC,
        window: WindowRule::Yesterday,
        properties: Properties::Listed(vec![Property { id: 1, name: None }]),
        chunk: Chunk {
            properties: 25,
            days: 31,
        },
        partition: Partition::Date,
        overlap: Overlap::Queue,
        catch_up: CatchUp {
            mode: CatchUpMode::Coalesce,
            max_age: Duration::from_secs(604_800),
            max_runs: 31,
        },
        jitter: Duration::ZERO,
        deadline: Duration::from_secs(21_600),
        retry: Retry {
            attempts: 4,
            first: Duration::from_secs(30),
            max: Duration::from_secs(1800),
        },
        enabled: true,
        columns: Arc::new(Columns {
            property: "id".to_owned(),
            date: "report_generation_date".to_owned(),
        }),
        checks: Arc::new(Checks {
            min_property_coverage: None,
            min_rows_vs_median: None,
            unique: Vec::new(),
            max_null_rate: BTreeMap::new(),
            range: BTreeMap::new(),
            schema_change: SchemaChange::Notify,
            on_fail: OnFail::Quarantine,
        }),
        backfill_new: None,
        freshness: None,
        notify: BTreeMap::new(),
    }
}

#[test]
fn a_window_counts_and_holds_its_days() {
    let day = |number| NaiveDate::from_ymd_opt(2026, 11, number).unwrap();
    let window = |from, to| Window::new(day(from), day(to)).unwrap();
    let week = window(9, 15);
    assert_eq!((week.len(), week.days().count()), (7, 7));
    assert_eq!(Window::day(day(9)).len(), 1);
    let held = (1..=30).filter(|number| week.contains(day(*number)));
    assert_eq!(held.collect::<Vec<_>>(), (9..=15).collect::<Vec<_>>());
    for (from, to, overlaps) in [(1, 8, false), (1, 9, true), (15, 20, true), (16, 20, false)] {
        assert_eq!(week.overlaps(window(from, to)), overlaps, "{from}..{to}");
        assert_eq!(window(from, to).overlaps(week), overlaps, "{from}..{to}");
    }
    assert_eq!(Window::new(day(2), day(1)), None);
}

/// `longest` bounds what any fire exports, and is reached where days are counted.
#[test]
fn no_window_is_longer_than_its_rule_says() {
    let year = || {
        NaiveDate::from_ymd_opt(2026, 1, 1)
            .unwrap()
            .iter_days()
            .take(400)
    };
    let offsets = |from, to| WindowRule::Offsets { from, to };
    for (rule, longest) in [
        (WindowRule::Yesterday, 1),
        (WindowRule::LastDays(3), 3),
        (WindowRule::PreviousWeek, 7),
        (WindowRule::PreviousMonth, 31),
        (WindowRule::MonthToDate, 31),
        (offsets(-9, -2), 8),
        (offsets(-2, -2), 1),
    ] {
        let lengths = year().map(|day| rule.window(day).len());
        assert_eq!(lengths.max(), Some(longest), "{rule:?}");
        assert_eq!(rule.longest(), longest, "{rule:?}");
    }
}

/// Against what the rules say in words, for each day of a year and more.
#[test]
fn a_window_lies_where_its_rule_says() {
    let days = NaiveDate::from_ymd_opt(2027, 12, 1).unwrap().iter_days();
    for day in days.take(460) {
        let back = |days| day - chrono::Days::new(days);
        let ends = |rule: WindowRule| (rule.window(day).from, rule.window(day).to);
        assert_eq!(ends(WindowRule::Yesterday), (back(1), back(1)));
        assert_eq!(ends(WindowRule::LastDays(9)), (back(9), back(1)));
        let offsets = WindowRule::Offsets { from: -9, to: -2 };
        assert_eq!(ends(offsets), (back(9), back(2)));

        let (monday, sunday) = ends(WindowRule::PreviousWeek);
        assert_eq!(
            (monday.weekday(), sunday.weekday()),
            (Weekday::Mon, Weekday::Sun)
        );
        assert_eq!(sunday - monday, TimeDelta::days(6));
        // The last one that is over.
        assert!((1..=7).contains(&(day - sunday).num_days()), "{day}");

        let (first, last) = ends(WindowRule::PreviousMonth);
        assert_eq!((first.day(), first.month()), (1, last.month()), "{day}");
        assert_eq!(last.succ_opt(), day.with_day(1), "{day}");

        let (first, last) = ends(WindowRule::MonthToDate);
        assert_eq!((Some(first), last), (back(1).with_day(1), back(1)), "{day}");
    }
}

#[test]
fn names_are_the_vendors_words() {
    let stored = |value: serde_json::Value| value.as_str().unwrap().to_owned();
    for report in [Report::Property, Report::Units, Report::Floorplans] {
        let text = stored(serde_json::to_value(report).unwrap());
        assert_eq!(report.as_str(), text);
    }
    for format in [Format::Csv, Format::Jsonl, Format::Parquet] {
        let text = stored(serde_json::to_value(format).unwrap());
        assert_eq!(format.as_str(), text);
    }
    assert_eq!(String::from(Name::parse("daily").unwrap()), "daily");
}

#[test]
fn a_name_is_a_short_plain_word() {
    let longest = "a".repeat(64);
    for good in ["a", "7", "owned-daily_2", &longest] {
        assert_eq!(Name::parse(good).unwrap().as_str(), good);
    }
    let too_long = "a".repeat(65);
    for bad in [
        "", "-a", "_a", "A", "aB", "a b", "a.b", "a/b", "é", "aé", &too_long,
    ] {
        assert!(Name::parse(bad).is_err(), "{bad}");
    }
}
