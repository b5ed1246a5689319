//! The `property` report: one row per property and day.

use chrono::{Datelike, NaiveDate};

use super::{Column, Content, Kind, Property, Value, column, key, rounded};
use crate::sandbox::seeded::Seeded;

pub const COLUMNS: &[Column] = &[
    key("id", Kind::Int),
    key("report_generation_date", Kind::Date),
    column("property_name", Kind::Text),
    column("address", Kind::Text),
    column("city", Kind::Text),
    column("state", Kind::Text),
    column("zip_code", Kind::Text),
    column("total_units", Kind::Int),
    column("avg_sq_ft", Kind::Float(1)),
    column("advertised_occupancy_pct", Kind::Float(4)),
    column("avg_rent", Kind::Float(2)),
    column("avg_ner", Kind::Float(2)),
    column("avg_rent_psf", Kind::Float(4)),
    column("leases_last_30d", Kind::Int),
    column("applications_last_7d", Kind::Int),
];

pub fn row(content: &Content, property: &Property, day: NaiveDate) -> Vec<Value> {
    let day_number = u64::from(day.num_days_from_ce().unsigned_abs());
    let mut draw = Seeded::new(&[
        content.seed,
        property.id.cast_unsigned(),
        day_number,
        content.restated,
    ]);
    let rent = property.rent_on(day) * draw.between(0.996, 1.004);
    let concession = if draw.chance(0.3) {
        draw.between(0.0, 0.085)
    } else {
        0.0
    };
    let occupancy = (property.occupancy_on(day) + draw.between(-0.004, 0.004)).min(1.0);
    let turnover = f64::from(property.units) * 0.045;
    vec![
        Value::Int(property.id),
        Value::Date(day),
        Value::text(property.name.clone()),
        Value::text(property.address.clone()),
        Value::text(property.city),
        Value::text(property.state),
        Value::text(property.zip_code),
        Value::Int(i64::from(property.units)),
        rounded(property.sq_ft, 1),
        rounded(occupancy, 4),
        rounded(rent, 2),
        if draw.chance(0.02) {
            Value::Null
        } else {
            rounded(rent * (1.0 - concession), 2)
        },
        rounded(rent / property.sq_ft, 4),
        Value::Int((turnover * draw.between(0.6, 1.4)) as i64),
        if draw.chance(0.04) {
            Value::Null
        } else {
            Value::Int((turnover * draw.between(0.1, 0.5)) as i64)
        },
    ]
}
