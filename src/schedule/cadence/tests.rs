use super::*;
use chrono::Timelike;

pub(super) fn cadence(expression: &str, zone: Tz) -> Cadence {
    Cadence::compile(&[expression.to_owned()], zone).unwrap()
}

pub(super) fn utc(text: &str) -> DateTime<Utc> {
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

pub(super) const NEW_YORK: Tz = chrono_tz::America::New_York;

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
        ("0 1,24,3 * * *", "24", "0 to 23"),
        ("0 1,2,24 * * *", "24", "0 to 23"),
        ("0 0 0 * *", "0", "1 to 31"),
        ("0 0 * * 8", "8", "0 to 7"),
        ("0 0 * 13 *", "13", "1 to 12"),
        ("0 0 0 1 1 * 1969", "1969", "1970 to 2100"),
        ("0 22-2 * * *", "22-2", "22-23,0-2"),
        ("0 0 * * fri-mon", "fri-mon", "5-7,0-1"),
        ("0 0 ? * *", "?", "not of crontab(5)"),
        ("0 0 first * *", "first", "1 to 31"),
        ("0 0 L * *", "L", "previous_month"),
        ("0 0 15W * *", "15W", "previous_month"),
        ("0 0 * * 5L", "5L", "previous_month"),
        ("0 0 * * 1#2", "1#2", "second Monday"),
        ("H 0 * * *", "H", "jitter"),
        ("0~30 0 * * *", "0~30", "jitter"),
        ("0 0 1,,3 * *", "1,,3", "comma"),
        ("0 0 1, * *", "1,", "comma"),
        ("*/0 * * * *", "*/0", "from 1 to 60"),
        ("*/61 * * * *", "*/61", "from 1 to 60"),
        ("*/x * * * *", "*/x", "from 1 to 60"),
        ("0 0 */32 * *", "*/32", "from 1 to 31"),
        ("0 0 1 */13 *", "*/13", "from 1 to 12"),
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
    for (expression, message) in [
        ("", "is empty"),
        ("nonsense", "1 field is"),
        ("1 2 3", "3 fields are"),
    ] {
        let fault = Cadence::compile(&[expression.to_owned()], Tz::UTC).unwrap_err();
        assert!(fault.message.contains(message), "{}", fault.message);
    }
    let list = ["@daily".to_owned(), "nonsense".to_owned()];
    assert_eq!(Cadence::compile(&list, Tz::UTC).unwrap_err().index, 1);
    assert!(Cadence::compile(&[], Tz::UTC).is_err());
}

#[test]
fn a_fraction_of_a_second_moves_no_fire() {
    // In the first pass of the repeated hour; the second one begins at 06:00.
    let quarters = cadence("*/15 * * * *", NEW_YORK);
    assert_eq!(
        quarters.next(utc("2026-11-01T05:50:00.700Z")),
        Some(utc("2026-11-01T06:00:00Z"))
    );
}

#[test]
fn cadences_are_equal_by_expressions_and_zone() {
    let daily = cadence("@daily", NEW_YORK);
    assert_eq!(daily, cadence("@daily", NEW_YORK));
    assert_ne!(daily, cadence("@daily", Tz::UTC));
    assert_ne!(daily, cadence("@hourly", NEW_YORK));
}

#[test]
fn the_calendar_has_a_first_and_a_last_year() {
    let daily = cadence("@daily", Tz::UTC);
    let next = |after| daily.next(utc(after));
    assert_eq!(next("1960-05-05T00:00:00Z"), Some(DateTime::UNIX_EPOCH));
    assert_eq!(
        next("2100-06-01T00:00:00Z"),
        Some(utc("2100-06-02T00:00:00Z"))
    );
    assert_eq!(next("2101-06-01T00:00:00Z"), None);
}

#[test]
fn as_many_expressions_as_are_allowed_and_no_more() {
    let many = |count: u32| {
        let minutes = (0..count).map(|minute| format!("{} {} * * *", minute % 60, minute / 60));
        Cadence::compile(&minutes.collect::<Vec<_>>(), Tz::UTC)
    };
    assert!(many(64).is_ok());
    let fault = many(65).expect_err("a fault");
    assert_eq!(fault.help, "give between 1 and 64");
    assert!(many(0).is_err());
}
