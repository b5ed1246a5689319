//! One value of one row, whatever the format.

use chrono::{Datelike, NaiveDate};
use std::borrow::Cow;
use std::hash::{Hash, Hasher};

#[derive(Clone, Debug, PartialEq)]
pub(in crate::landing) enum Datum<'a> {
    /// The row has no such column.
    Absent,
    Null,
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(Cow<'a, [u8]>),
    /// A calendar day, as days since 1970-01-01.
    Day(i32),
    /// An array, an object, a repeated column.
    Nested,
}

/// 1970-01-01, as days of the common era.
const EPOCH: i32 = 719_163;

/// Days since 1970-01-01.
pub(in crate::landing) fn day_number(day: NaiveDate) -> i32 {
    day.num_days_from_ce() - EPOCH
}

/// The day of a number; `None` far outside the calendar.
pub(in crate::landing) fn day_of_number(number: i32) -> Option<NaiveDate> {
    NaiveDate::default().checked_add_signed(chrono::TimeDelta::days(i64::from(number)))
}

/// The day that `YYYY-MM-DD` or an RFC 3339 moment begins with.
pub(in crate::landing) fn parse_day(text: &[u8]) -> Option<i32> {
    let text = text.trim_ascii();
    let (day, rest) = text.split_at_checked(10)?;
    if !matches!(rest.first(), None | Some(b'T' | b't' | b' ')) {
        return None;
    }
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0u32, |sum, digit| {
            digit
                .is_ascii_digit()
                .then(|| sum * 10 + u32::from(digit - b'0'))
        })
    };
    if day[4] != b'-' || day[7] != b'-' {
        return None;
    }
    let year = i32::try_from(number(&day[..4])?).ok()?;
    NaiveDate::from_ymd_opt(year, number(&day[5..7])?, number(&day[8..])?).map(day_number)
}

/// Days that were parsed before: days repeat, if not from row to row then every month.
#[derive(Debug, Default)]
pub(in crate::landing) struct KnownDays([Option<([u8; 10], i32)>; 32]);

impl KnownDays {
    /// As [`parse_day`].
    pub fn parse(&mut self, text: &[u8]) -> Option<i32> {
        let Ok(text) = <[u8; 10]>::try_from(text) else {
            return parse_day(text);
        };
        // By the last two digits: the days of a month have a place each.
        let place = usize::from(text[8] & 15) * 10 + usize::from(text[9] & 15);
        let known = &mut self.0[place % 32];
        match known {
            Some((same, day)) if *same == text => Some(*day),
            _ => {
                let day = parse_day(&text)?;
                *known = Some((text, day));
                Some(day)
            }
        }
    }
}

/// A whole number in digits, also as `123.0`.
fn parse_id(text: &[u8]) -> Option<i64> {
    // What ids look like, in every row.
    if (1..=18).contains(&text.len()) && text.iter().all(u8::is_ascii_digit) {
        let add = |sum: i64, digit: &u8| sum * 10 + i64::from(digit - b'0');
        return Some(text.iter().fold(0, add));
    }
    let text = std::str::from_utf8(text.trim_ascii()).ok()?;
    let whole = text.split_once('.').map_or(text, |(whole, zeros)| {
        if zeros.bytes().all(|b| b == b'0') {
            whole
        } else {
            text
        }
    });
    whole.parse().ok()
}

impl Datum<'_> {
    /// The same value, its text not copied.
    pub fn borrowed(&self) -> Datum<'_> {
        match self {
            Datum::Text(text) => Datum::Text(Cow::Borrowed(text)),
            Datum::Absent => Datum::Absent,
            Datum::Null => Datum::Null,
            Datum::Int(number) => Datum::Int(*number),
            Datum::Float(number) => Datum::Float(*number),
            Datum::Bool(truth) => Datum::Bool(*truth),
            Datum::Day(day) => Datum::Day(*day),
            Datum::Nested => Datum::Nested,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Datum::Absent | Datum::Null)
    }

    pub fn as_property(&self) -> Option<i64> {
        match self {
            Datum::Int(id) => Some(*id),
            Datum::Text(text) => parse_id(text),
            #[expect(clippy::cast_possible_truncation, reason = "within the exact integers")]
            Datum::Float(id) if id.fract() == 0.0 && id.abs() < 9e15 => Some(*id as i64),
            _ => None,
        }
    }

    pub fn as_day(&self) -> Option<i32> {
        match self {
            Datum::Day(day) => Some(*day),
            Datum::Text(text) => parse_day(text),
            _ => None,
        }
    }

    pub fn as_number(&self) -> Option<f64> {
        match self {
            #[expect(
                clippy::cast_precision_loss,
                reason = "compared with a bound, not kept"
            )]
            Datum::Int(number) => Some(*number as f64),
            Datum::Float(number) => Some(*number),
            Datum::Text(text) => std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok(),
            _ => None,
        }
    }

    /// For people, bounded.
    pub fn shown(&self) -> String {
        match self {
            Datum::Absent | Datum::Null => "null".to_owned(),
            Datum::Int(number) => number.to_string(),
            Datum::Float(number) => number.to_string(),
            Datum::Bool(truth) => truth.to_string(),
            Datum::Text(text) => String::from_utf8_lossy(&text[..text.len().min(60)]).into_owned(),
            Datum::Day(day) => {
                day_of_number(*day).map_or_else(|| day.to_string(), |d| d.to_string())
            }
            Datum::Nested => "a nested value".to_owned(),
        }
    }
}

impl Hash for Datum<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Datum::Int(number) => number.hash(state),
            Datum::Float(number) => number.to_bits().hash(state),
            Datum::Bool(truth) => truth.hash(state),
            Datum::Text(text) => text.hash(state),
            Datum::Day(day) => day.hash(state),
            Datum::Absent | Datum::Null | Datum::Nested => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_the_same_whether_it_is_known_or_not() {
        let mut known = KnownDays::default();
        let texts = [
            "2026-11-01",
            "2026-12-01",
            "2026-11-01",
            "1970-01-01",
            "1969-12-31",
            "2026-02-30",
            "2026-11-01T06:00:00Z",
            " 2026-11-1",
            "\0\0\0\0\0\0\0\0\0\0",
            "",
            "2026-11-011",
        ];
        for text in texts.iter().chain(&texts) {
            assert_eq!(
                known.parse(text.as_bytes()),
                parse_day(text.as_bytes()),
                "{text}"
            );
        }
        assert_eq!(parse_day(b"1970-01-01"), Some(0));
        assert_eq!(parse_day(b"1969-12-31"), Some(-1));
    }

    #[test]
    fn ids_are_read_as_people_and_spreadsheets_write_them() {
        let read = |text: &str| Datum::Text(Cow::Borrowed(text.as_bytes())).as_property();
        for (text, id) in [
            ("99001416", 99_001_416),
            (" 7 ", 7),
            ("007", 7),
            ("99001416.0", 99_001_416),
            ("-5", -5),
            ("999999999999999999", 999_999_999_999_999_999),
            ("9223372036854775807", i64::MAX),
        ] {
            assert_eq!(read(text), Some(id), "{text}");
        }
        for text in ["", "9223372036854775808", "1.5", "x", "1x", "٣"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
