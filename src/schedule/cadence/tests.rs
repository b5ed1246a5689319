use super::oracle::{self, Meaning, transitions};
use super::*;
use chrono::{NaiveDate, Timelike, Weekday};
use proptest::prelude::*;

fn cadence(expression: &str, zone: Tz) -> Cadence {
    Cadence::compile(&[expression.to_owned()], zone).unwrap()
}

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn first(expression: &str, zone: Tz, after: &str, count: usize) -> Vec<String> {
    cadence(expression, zone)
        .fires(utc(after))
        .take(count)
        .map(|t| {
            t.with_timezone(&zone)
                .format("%a %m-%d %H:%M:%S %z")
                .to_string()
        })
        .collect()
}

const NEW_YORK: Tz = chrono_tz::America::New_York;

#[test]
fn crontab_words_mean_what_crontab_says() {
    let from = "2026-01-01T00:00:00Z"; // a Thursday
    let cases = [
        (
            "30 12 * * *",
            vec!["Thu 01-01 12:30:00 +0000", "Fri 01-02 12:30:00 +0000"],
        ),
        ("0 6 * * 1", vec!["Mon 01-05 06:00:00 +0000"]),
        ("0 6 * * 0", vec!["Sun 01-04 06:00:00 +0000"]),
        ("0 6 * * 7", vec!["Sun 01-04 06:00:00 +0000"]),
        ("0 6 * * mon", vec!["Mon 01-05 06:00:00 +0000"]),
        (
            "0 6 * * Sat-Sun",
            vec![
                "Sat 01-03 06:00:00 +0000",
                "Sun 01-04 06:00:00 +0000",
                "Sat 01-10 06:00:00 +0000",
            ],
        ),
        // both restricted: either matches; in the six-field form too
        (
            "0 6 13 * fri",
            vec![
                "Fri 01-02 06:00:00 +0000",
                "Fri 01-09 06:00:00 +0000",
                "Tue 01-13 06:00:00 +0000",
            ],
        ),
        (
            "15 0 6 13 * 5",
            vec![
                "Fri 01-02 06:00:15 +0000",
                "Fri 01-09 06:00:15 +0000",
                "Tue 01-13 06:00:15 +0000",
            ],
        ),
        // a field that begins with `*` does not restrict: both must match
        (
            "0 6 */2 * mon",
            vec![
                "Mon 01-05 06:00:00 +0000",
                "Mon 01-19 06:00:00 +0000",
                "Mon 02-09 06:00:00 +0000",
            ],
        ),
        ("0 0 1 feb *", vec!["Sun 02-01 00:00:00 +0000"]),
        ("0 0 0 29 2 * 2028", vec!["Tue 02-29 00:00:00 +0000"]),
        (
            "5/20 3 * * *",
            vec![
                "Thu 01-01 03:05:00 +0000",
                "Thu 01-01 03:25:00 +0000",
                "Thu 01-01 03:45:00 +0000",
            ],
        ),
        ("@daily", vec!["Fri 01-02 00:00:00 +0000"]),
        ("@midnight", vec!["Fri 01-02 00:00:00 +0000"]),
        ("@hourly", vec!["Thu 01-01 01:00:00 +0000"]),
        ("@weekly", vec!["Sun 01-04 00:00:00 +0000"]),
        ("@monthly", vec!["Sun 02-01 00:00:00 +0000"]),
        ("@yearly", vec!["Fri 01-01 00:00:00 +0000"]),
        ("@annually", vec!["Fri 01-01 00:00:00 +0000"]),
    ];
    for (expression, expected) in cases {
        assert_eq!(
            first(expression, Tz::UTC, from, expected.len()),
            expected,
            "{expression}"
        );
    }
}

#[test]
fn a_fixed_hour_in_the_gap_fires_once_right_after_it() {
    let got = first("30 2 * * *", NEW_YORK, "2026-03-07T12:00:00Z", 2);
    assert_eq!(
        got,
        ["Sun 03-08 03:00:00 -0400", "Mon 03-09 02:30:00 -0400"]
    );
    // All of the gap's fires are one, and one with a fire that belongs there.
    let got = first("*/10 2,3 * * *", NEW_YORK, "2026-03-08T06:00:00Z", 2);
    assert_eq!(
        got,
        ["Sun 03-08 03:00:00 -0400", "Sun 03-08 03:10:00 -0400"]
    );
    // Midnight itself may be missing.
    let got = first(
        "@daily",
        chrono_tz::Africa::Cairo,
        "2026-04-23T00:00:00Z",
        2,
    );
    assert_eq!(
        got,
        ["Fri 04-24 01:00:00 +0300", "Sat 04-25 00:00:00 +0300"]
    );
}

#[test]
fn a_fixed_hour_in_the_repeat_fires_the_first_time_only() {
    let got = first("30 1 * * *", NEW_YORK, "2026-10-31T12:00:00Z", 2);
    assert_eq!(
        got,
        ["Sun 11-01 01:30:00 -0400", "Mon 11-02 01:30:00 -0500"]
    );
    // Asked from inside the repeat, the answer still lies ahead.
    let got = first("30 1 * * *", NEW_YORK, "2026-11-01T06:10:00Z", 1);
    assert_eq!(got, ["Mon 11-02 01:30:00 -0500"]);
}

#[test]
fn a_wildcard_hour_follows_elapsed_time() {
    let got = first("30 * * * *", NEW_YORK, "2026-03-08T06:00:00Z", 2);
    assert_eq!(
        got,
        ["Sun 03-08 01:30:00 -0500", "Sun 03-08 03:30:00 -0400"]
    );
    let got = first("30 * * * *", NEW_YORK, "2026-11-01T05:00:00Z", 3);
    assert_eq!(
        got,
        [
            "Sun 11-01 01:30:00 -0400",
            "Sun 11-01 01:30:00 -0500",
            "Sun 11-01 02:30:00 -0500"
        ]
    );
}

#[test]
fn the_rarest_fire_in_a_repeat_is_not_lost() {
    // The next wall time ahead is a year off; the same one comes again in an hour.
    let got = first("30 * 1 11 *", NEW_YORK, "2026-11-01T05:30:00Z", 1);
    assert_eq!(got, ["Sun 11-01 01:30:00 -0500"]);
    let only = cadence("0 30 */23 1 11 * 2026", NEW_YORK);
    assert_eq!(only.fires(utc("2026-01-01T00:00:00Z")).count(), 2); // 00:30 and 23:30
}

#[test]
fn a_list_is_one_ordered_calendar_without_doubles() {
    let list = ["0 12 * * *", "0 6 * * *", "0 6 * * mon"].map(str::to_owned);
    let cadence = Cadence::compile(&list, Tz::UTC).unwrap();
    let hours: Vec<u32> = cadence
        .fires(utc("2026-01-04T12:00:00Z"))
        .take(4)
        .map(|t| t.hour())
        .collect();
    assert_eq!(hours, [6, 12, 6, 12]);
    assert_eq!(cadence.expressions(), list);
}

#[test]
fn a_fraction_of_a_second_neither_repeats_nor_skips() {
    let cadence = cadence("* * * * * *", Tz::UTC);
    let after = utc("2026-01-01T00:00:00.999999999Z");
    assert_eq!(cadence.next(after), Some(utc("2026-01-01T00:00:01Z")));
    assert_eq!(
        cadence.next(utc("2026-01-01T00:00:01Z")),
        Some(utc("2026-01-01T00:00:02Z"))
    );
}

#[test]
fn the_calendar_ends_and_the_far_past_is_no_panic() {
    let cadence = cadence("0 0 1 1 *", NEW_YORK);
    assert_eq!(cadence.next(DateTime::<Utc>::MAX_UTC), None);
    assert_eq!(cadence.next(utc("2100-06-01T00:00:00Z")), None);
    assert!(cadence.next(DateTime::<Utc>::MIN_UTC).is_some());
}

#[test]
fn what_cannot_fire_is_refused() {
    for expression in [
        "0 0 30 2 *",
        "0 0 31 4,6,9,11 *",
        "0 0 0 1 1 * 2019",
        "0 0 0 29 2 * 2027",
        "0 0 0 31 12 * 2025",
    ] {
        let fault = Cadence::compile(&[expression.to_owned()], NEW_YORK).unwrap_err();
        assert_eq!(fault.kind, CadenceFaultKind::NeverFires, "{expression}");
    }
    // One of two readings is enough.
    assert!(Cadence::compile(&["0 0 30 2 mon".to_owned()], NEW_YORK).is_ok());
}

#[test]
fn malformed_expressions_are_pointed_at() {
    let cases = [
        ("", "", "5 fields"),
        ("12 30 *", "12 30 *", "5 fields"),
        ("1 2 3 4 5 6 7 8", "1 2 3 4 5 6 7 8", "5 fields"),
        ("60 * * * *", "60", "0 to 59"),
        ("0 24 * * *", "24", "0 to 23"),
        ("0 0 0 * *", "0", "1 to 31"),
        ("0 0 * * 8", "8", "0 to 7"),
        ("0 0 * 13 *", "13", "1 to 12"),
        ("0 0 0 1 1 * 1969", "1969", "1970 to 2100"),
        ("0 22-2 * * *", "22-2", "22-23,0-2"),
        ("0 0 * * fri-mon", "fri-mon", "5-7,0-1"),
        ("0 0 ? * *", "?", "`*`"),
        ("0 0 L * *", "L", "previous_month"),
        ("0 0 15W * *", "15W", "previous_month"),
        ("0 0 * * 5L", "5L", "previous_month"),
        ("0 0 * * 1#2", "1#2", "second Monday"),
        ("H 0 * * *", "H", "jitter"),
        ("0 0 1,,3 * *", "1,,3", "comma"),
        ("0 0 1, * *", "1,", "comma"),
        ("*/0 * * * *", "*/0", "from 1 to 60"),
        ("*/61 * * * *", "*/61", "from 1 to 60"),
        ("*/x * * * *", "*/x", "from 1 to 60"),
        ("0 0 * * funday", "funday", "mon"),
        ("0 noon * * *", "noon", "0 to 23"),
        ("99999999999 * * * *", "99999999999", "0 to 59"),
        ("@reboot", "@reboot", "trigger"),
        ("@every 5m", "@every 5m", "*/15"),
        ("@fortnightly", "@fortnightly", "@weekly"),
    ];
    for (expression, part, help) in cases {
        let fault = Cadence::compile(&[expression.to_owned()], Tz::UTC).unwrap_err();
        assert_eq!(fault.kind, CadenceFaultKind::Malformed, "{expression}");
        assert_eq!(
            &expression[fault.span.clone().unwrap()],
            part,
            "{expression}"
        );
        assert!(fault.help.contains(help), "{expression}: {}", fault.help);
    }
    let list = ["@daily".to_owned(), "nonsense".to_owned()];
    assert_eq!(Cadence::compile(&list, Tz::UTC).unwrap_err().index, 1);
    assert!(Cadence::compile(&[], Tz::UTC).is_err());
}

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
    #![proptest_config(ProptestConfig::with_cases(300))]

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
