//! The `floorplans` report: a few rows per property and day.

use chrono::{Datelike, NaiveDate};

use super::{Column, Content, Kind, Property, Value, column, key, rounded};
use crate::sandbox::seeded::{Seeded, salt};

pub const COLUMNS: &[Column] = &[
    key("Property ID", Kind::Int),
    key("Report Date", Kind::Date),
    column("Floor Plan Name", Kind::Text),
    column("Beds", Kind::Int),
    column("Baths", Kind::Float(1)),
    column("Avg Sq Ft", Kind::Float(1)),
    column("Unit Count", Kind::Int),
    column("Available Units", Kind::Int),
    column("Avg Rent", Kind::Float(2)),
    column("Avg NER", Kind::Float(2)),
];

const NAMES: &[&str] = &[
    "Aspen", "Birch", "Cypress", "Dogwood", "Elm", "Fir", "Ginkgo", "Hawthorn",
];

/// What a floor plan is on every day; named by its number within the property.
pub struct Floorplan {
    pub name: String,
    pub beds: i64,
    pub baths: f64,
    pub sq_ft: f64,
    pub count: i64,
}

impl Floorplan {
    pub fn new(seed: u64, property: &Property, number: u32) -> Floorplan {
        let mut draw = Seeded::new(&[
            seed,
            salt("floor plan"),
            property.id.cast_unsigned(),
            u64::from(number),
        ]);
        let beds = i64::from(number % 4);
        let tree = NAMES[number as usize % NAMES.len()];
        let name = match draw.below(6) {
            // As the vendor's own feed has it: typed over two lines in somebody's property system.
            0 => format!("The {tree}\nw/ Den"),
            1 => format!("{beds}x{}, \"{tree}\"", beds.max(1)),
            _ => format!("{}{number} {tree}", (b'A' + beds as u8) as char),
        };
        Floorplan {
            name,
            beds,
            baths: if draw.chance(0.25) {
                beds.max(1) as f64 + 0.5
            } else {
                beds.max(1) as f64
            },
            sq_ft: (property.sq_ft * (0.62 + 0.28 * beds as f64) * draw.between(0.95, 1.05))
                .round(),
            count: i64::from(property.units / property.floorplans.max(1)),
        }
    }

    /// Asking rent relative to the property's mean.
    pub fn rent_factor(&self) -> f64 {
        0.74 + 0.21 * self.beds as f64
    }
}

pub fn row(content: &Content, property: &Property, day: NaiveDate, number: u32) -> Vec<Value> {
    let plan = Floorplan::new(content.seed, property, number);
    let day_number = u64::from(day.num_days_from_ce().unsigned_abs());
    let mut draw = Seeded::new(&[
        content.seed,
        property.id.cast_unsigned(),
        day_number,
        u64::from(number),
        content.restated,
    ]);
    let rent = property.rent_on(day) * plan.rent_factor() * draw.between(0.995, 1.005);
    let available =
        (plan.count as f64 * (1.0 - property.occupancy_on(day)) * draw.between(0.3, 1.9)) as i64;
    let listed = available > 0;
    vec![
        Value::Int(property.id),
        Value::Date(day),
        Value::text(plan.name),
        Value::Int(plan.beds),
        rounded(plan.baths, 1),
        rounded(plan.sq_ft, 1),
        Value::Int(plan.count),
        Value::Int(available),
        if listed {
            rounded(rent, 2)
        } else {
            Value::Null
        },
        if listed {
            rounded(rent * draw.between(0.92, 1.0), 2)
        } else {
            Value::Null
        },
    ]
}
