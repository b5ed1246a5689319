//! What the types of a Parquet file mean: days among its numbers, and words for its columns.

use super::datum::Datum;
use crate::landing::manifest::Column;
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};

/// What the integers of a column stand for.
#[derive(Clone, Copy)]
pub(super) enum Meaning {
    Number,
    Day,
    /// A moment in so many ticks a day.
    Moment(i64),
    /// A decimal with so many digits behind the point.
    Decimal(i32),
}

const DAY: i64 = 24 * 3600;

impl Meaning {
    pub fn of(column: &ColumnDescriptor) -> Meaning {
        match column.logical_type_ref() {
            Some(LogicalType::Date) => return Meaning::Day,
            Some(LogicalType::Timestamp(moment)) => {
                return Meaning::Moment(match moment.unit {
                    TimeUnit::MILLIS => DAY * 1_000,
                    TimeUnit::MICROS => DAY * 1_000_000,
                    TimeUnit::NANOS => DAY * 1_000_000_000,
                });
            }
            Some(LogicalType::Decimal(decimal)) => return Meaning::Decimal(decimal.scale),
            _ => {}
        }
        match column.converted_type() {
            ConvertedType::DATE => Meaning::Day,
            ConvertedType::TIMESTAMP_MILLIS => Meaning::Moment(DAY * 1_000),
            ConvertedType::TIMESTAMP_MICROS => Meaning::Moment(DAY * 1_000_000),
            ConvertedType::DECIMAL => Meaning::Decimal(column.type_scale()),
            _ => Meaning::Number,
        }
    }

    pub fn datum(self, value: i64) -> Datum<'static> {
        let day = |day: i64| Datum::Day(i32::try_from(day).unwrap_or(i32::MAX));
        match self {
            Meaning::Number | Meaning::Decimal(0) => Datum::Int(value),
            Meaning::Day => day(value),
            Meaning::Moment(ticks) => day(value.div_euclid(ticks)),
            #[expect(
                clippy::cast_precision_loss,
                reason = "compared with a bound, not kept"
            )]
            Meaning::Decimal(scale) => Datum::Float(value as f64 / 10f64.powi(scale)),
        }
    }
}

/// Leaf columns with their types, in words that change when the type does.
pub(super) fn describe(schema: &SchemaDescriptor) -> Vec<Column> {
    let columns = schema.columns().iter().map(|column| {
        let physical: Physical = column.physical_type();
        let mut kind = format!("{physical:?}").to_lowercase();
        if matches!(column.logical_type_ref(), Some(LogicalType::Unknown)) {
            // Its writer knew no type, because it saw no value.
            kind = "null".to_owned();
        } else if let Some(logical) = logical(column) {
            kind = format!("{kind} {logical}");
        }
        Column {
            name: column.path().string(),
            kind,
        }
    });
    columns.collect()
}

fn logical(column: &ColumnDescriptor) -> Option<String> {
    let name = match column.logical_type_ref() {
        Some(LogicalType::Timestamp(moment)) => format!("timestamp {:?}", moment.unit),
        Some(LogicalType::Decimal(of)) => format!("decimal({},{})", of.precision, of.scale),
        Some(LogicalType::Integer(of)) => {
            format!("{}int{}", if of.is_signed { "" } else { "u" }, of.bit_width)
        }
        Some(other) => format!("{other:?}"),
        None => match column.converted_type() {
            ConvertedType::NONE => return None,
            converted => format!("{converted:?}"),
        },
    };
    Some(name.to_lowercase())
}
