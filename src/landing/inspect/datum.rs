//! One value of one row, whatever the format.

use chrono::NaiveDate;
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

/// Days since 1970-01-01.
pub(in crate::landing) fn day_number(day: NaiveDate) -> i32 {
    i32::try_from((day - NaiveDate::default()).num_days()).unwrap_or(i32::MAX)
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

/// A whole number in digits, also as `123.0`.
fn parse_id(text: &[u8]) -> Option<i64> {
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
