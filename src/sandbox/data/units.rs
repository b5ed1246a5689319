//! The `units` report: a change log, so that most units appear several times a day.

use chrono::{Datelike, Days, Months, NaiveDate};

use super::floorplans::Floorplan;
use super::{Column, Content, Kind, Property, Value, column, key, rounded};
use crate::sandbox::seeded::{Seeded, salt};

pub const COLUMNS: &[Column] = &[
    key("Property ID", Kind::Int),
    key("Report Date", Kind::Date),
    key("Unit", Kind::Text),
    column("Unit Status", Kind::Text),
    column("Date Available", Kind::Date),
    column("Date Leased", Kind::Date),
    column("Floorplan Name", Kind::Text),
    column("Beds", Kind::Int),
    column("Baths", Kind::Float(1)),
    column("Sq Ft", Kind::Int),
    column("Rent", Kind::Float(2)),
    column("NER", Kind::Float(2)),
    column("Days On Market", Kind::Int),
    column("Last Change Date", Kind::Date),
];

/// Changes of one unit that a day's rows show.
const CHANGES: u32 = 4;
/// Share of the dates in the future that are junk, as measured in the sibling feed.
const JUNK: f64 = 0.0115;
const STATUSES: &[&str] = &["Available", "On Notice", "Leased", "Vacant", "Model"];

pub fn row(content: &Content, property: &Property, day: NaiveDate, number: u32) -> Vec<Value> {
    let (unit, change) = (number / CHANGES, number % CHANGES);
    let plan = Floorplan::new(content.seed, property, unit % property.floorplans.max(1));
    let mut draw = Seeded::new(&[
        content.seed,
        property.id.cast_unsigned(),
        u64::from(day.num_days_from_ce().unsigned_abs()),
        salt("unit") + u64::from(number),
        content.restated,
    ]);
    let status = *draw.pick(STATUSES);
    let on_market = draw.below(120);
    let rent = property.rent_on(day) * plan.rent_factor() * draw.between(0.95, 1.05);
    let leased = status == "Leased";
    let available = day
        .checked_add_days(Days::new(draw.below(75)))
        .unwrap_or(day);
    let changed = day
        .checked_sub_days(Days::new(u64::from(CHANGES - change - 1) + draw.below(3)))
        .unwrap_or(day);
    vec![
        Value::Int(property.id),
        Value::Date(day),
        Value::text(format!("{}{:02}", 1 + unit / 20, 1 + unit % 20)),
        Value::text(status),
        if draw.chance(0.1) {
            Value::Null
        } else {
            Value::Date(with_junk(available, &mut draw))
        },
        if leased {
            Value::Date(changed)
        } else {
            Value::Null
        },
        Value::text(plan.name),
        Value::Int(plan.beds),
        rounded(plan.baths, 1),
        Value::Int(plan.sq_ft as i64),
        rounded(rent, 2),
        if draw.chance(0.05) {
            Value::Null
        } else {
            rounded(rent * draw.between(0.9, 1.0), 2)
        },
        Value::Int(on_market as i64),
        Value::Date(changed),
    ]
}

/// Now and then the year is mistyped by two centuries.
fn with_junk(date: NaiveDate, draw: &mut Seeded) -> NaiveDate {
    match draw.chance(JUNK) {
        true => date
            .checked_add_months(Months::new(200 * 12))
            .unwrap_or(date),
        false => date,
    }
}
