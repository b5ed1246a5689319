//! The cadence held against two independent answers: our oracle at clock changes, croner where there are none.

use super::oracle::{self, Meaning, transitions};
use super::tests::{NEW_YORK, cadence, utc};
use super::*;
use chrono::{NaiveDate, Timelike, Weekday};
use proptest::prelude::*;

fn meaning(
    text: &str,
    wildcard_hour: bool,
    matches: impl Fn(NaiveDateTime) -> bool + 'static,
) -> Meaning {
    Meaning {
        text: text.to_owned(),
        matches: Box::new(matches),
        wildcard_hour,
    }
}

fn at(hour: u32, minute: u32) -> impl Fn(NaiveDateTime) -> bool {
    move |t| t.hour() == hour && t.minute() == minute
}

/// Hourly, quarters, the two hours that clock changes hit most, midnight, a month's end, working days.
fn meanings() -> Vec<Meaning> {
    vec![
        meaning("0 * * * *", true, |t| t.minute() == 0),
        meaning("*/15 * * * *", true, |t| t.minute() % 15 == 0),
        meaning("30 */2 * * *", true, |t| {
            t.minute() == 30 && t.hour() % 2 == 0
        }),
        meaning("30 1 * * *", false, at(1, 30)),
        meaning("30 2 * * *", false, at(2, 30)),
        meaning("@daily", false, at(0, 0)),
        meaning("*/20 0-3 * * *", false, |t| {
            t.minute() % 20 == 0 && t.hour() <= 3
        }),
        meaning("59 23 28-31 * *", false, |t| t.day() >= 28 && at(23, 59)(t)),
        meaning("0 2 * * 1-5", false, |t| {
            !matches!(t.weekday(), Weekday::Sat | Weekday::Sun) && at(2, 0)(t)
        }),
    ]
}

fn agree_around(zone: Tz, transition: DateTime<Utc>, days: i64) {
    let (from, to) = (
        transition - TimeDelta::days(days),
        transition + TimeDelta::days(days),
    );
    for meaning in meanings() {
        let expected = oracle::fires(&meaning, zone, from, to);
        let cadence = cadence(&meaning.text, zone);
        let got: Vec<_> = cadence.fires(from).take_while(|&t| t <= to).collect();
        assert_eq!(
            got, expected,
            "{} in {zone} around {transition}",
            meaning.text
        );
        // From wherever one asks, not only from fire to fire.
        let mut probe = transition - TimeDelta::hours(3);
        while probe < transition + TimeDelta::hours(3) {
            if let Some(&next) = expected.iter().find(|&&t| t > probe) {
                assert_eq!(
                    cadence.next(probe),
                    Some(next),
                    "{} in {zone} after {probe}",
                    meaning.text
                );
            }
            probe += TimeDelta::minutes(17);
        }
    }
}

fn years(from: i32, to: i32) -> (DateTime<Utc>, DateTime<Utc>) {
    let start = |year| {
        NaiveDate::from_ymd_opt(year, 1, 1)
            .unwrap()
            .and_time(chrono::NaiveTime::MIN)
            .and_utc()
    };
    (start(from), start(to + 1))
}

#[test]
fn agrees_with_the_oracle_at_clock_changes_of_a_sample() {
    let zones = [
        NEW_YORK,
        chrono_tz::America::Chicago,
        chrono_tz::America::St_Johns,
        chrono_tz::Europe::London,
        chrono_tz::Africa::Cairo,        // at midnight
        chrono_tz::Africa::Casablanca,   // four a year
        chrono_tz::Australia::Lord_Howe, // half an hour
        chrono_tz::Antarctica::Troll,    // two hours
        chrono_tz::Asia::Kolkata,        // none
        chrono_tz::America::Santiago,
    ];
    let mut changes = 0;
    for zone in zones {
        let (from, to) = years(2026, 2027);
        for transition in transitions(zone, from, to) {
            agree_around(zone, transition, 1);
            changes += 1;
        }
    }
    assert!(changes >= 36, "{changes}");
}

#[test]
fn agrees_with_the_oracle_when_the_date_line_moves() {
    // Samoa skipped the whole of 30 December 2011; Kwajalein repeated most of a day in 1969 (before the epoch).
    let zone = chrono_tz::Pacific::Apia;
    agree_around(zone, utc("2011-12-30T10:00:00Z"), 2);
}

/// Long: every zone, every clock change from 2020 to 2037.
#[test]
#[ignore = "minutes; run in the long CI"]
fn agrees_with_the_oracle_at_every_clock_change_of_every_zone() {
    let (from, to) = years(2020, 2037);
    let mut seen = std::collections::BTreeSet::new();
    let mut changes = 0;
    for zone in chrono_tz::TZ_VARIANTS {
        let transitions = transitions(zone, from, to);
        // Zones that are links of each other need one visit.
        let offset = oracle::wall(from, zone) - from.naive_utc();
        if !seen.insert((offset, transitions.clone())) {
            continue;
        }
        for transition in transitions {
            agree_around(zone, transition, 1);
            changes += 1;
        }
        let daily = cadence("30 2 * * *", zone)
            .fires(from)
            .take_while(|&t| t < to)
            .count();
        assert!((6574..=6576).contains(&daily), "{daily} in {zone}");
    }
    println!("{} distinct zones, {changes} clock changes", seen.len());
    assert!(changes > 1000);
}

/// Field texts that every cron reads alike, `*/n` in the day fields left out.
fn expressions() -> impl Strategy<Value = String> {
    let list = |low: u32, high: u32| {
        proptest::collection::btree_set(low..=high, 1..4)
            .prop_map(|set| set.iter().map(u32::to_string).collect::<Vec<_>>().join(","))
    };
    let range = |low: u32, high: u32| {
        (low..=high, low..=high, 1..5u32)
            .prop_map(|(a, b, step)| format!("{}-{}/{step}", a.min(b), a.max(b)))
    };
    let any = |low, high| prop_oneof![2 => Just("*".to_owned()), 2 => list(low, high), 1 => range(low, high)];
    (any(0, 59), any(0, 23), any(1, 31), any(1, 12), any(0, 6))
        .prop_map(|(a, b, c, d, e)| format!("{a} {b} {c} {d} {e}"))
}

fn instants() -> impl Strategy<Value = DateTime<Utc>> {
    (1_577_836_800i64..2_145_916_800, 0..1_000_000_000u32)
        .prop_map(|(second, nano)| DateTime::from_timestamp(second, nano).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(300), ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_croner_where_no_clock_changes(expression in expressions(), after in instants()) {
        let Ok(cadence) = Cadence::compile(std::slice::from_ref(&expression), Tz::UTC) else { return Ok(()) };
        let croner: croner::Cron = expression.parse().unwrap();
        let expected: Vec<_> = croner.iter_after(after).take(5).filter(|t| t.year() < 2100).collect();
        let got: Vec<_> = cadence.fires(after).take(expected.len()).collect();
        prop_assert_eq!(got, expected, "{}", expression);
    }

    #[test]
    fn next_lies_strictly_ahead_and_nothing_lies_between(
        expression in expressions(),
        zone in proptest::sample::select(&chrono_tz::TZ_VARIANTS[..]),
        after in instants(),
        part in 0.0..1.0f64,
    ) {
        let Ok(cadence) = Cadence::compile(std::slice::from_ref(&expression), zone) else { return Ok(()) };
        let Some(next) = cadence.next(after) else { return Ok(()) };
        prop_assert!(next > after);
        let between = after + TimeDelta::seconds(((next - after).num_seconds() as f64 * part) as i64);
        prop_assert_eq!(cadence.next(between.min(next - TimeDelta::nanoseconds(1))), Some(next));
        prop_assert!(cadence.next(next).is_none_or(|then| then > next));
    }
}
