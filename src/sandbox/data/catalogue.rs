//! Properties: names, places and the slow-moving figures their reports are made from.

use std::f64::consts::TAU;

use chrono::{Datelike, NaiveDate};

use crate::sandbox::seeded::{Seeded, salt};

const FIRST: &[&str] = &[
    "Cedar",
    "Harbor",
    "Juniper",
    "Lakeside",
    "Magnolia",
    "Northgate",
    "Orchard",
    "Pinecrest",
    "Riverbend",
    "Stonebrook",
    "The Alder",
    "Vista",
    "Westlake",
    "Willow",
];
const SECOND: &[&str] = &[
    "Commons", "Crossing", "Flats", "Heights", "Landing", "Lofts", "Park", "Place", "Station",
];
const STREETS: &[&str] = &[
    "Main St",
    "Elm Ave",
    "Congress Blvd",
    "Lakeshore Dr",
    "5th St",
    "Peachtree Rd",
    "Depot Ln",
];
const PLACES: &[(&str, &str, &str)] = &[
    ("Austin", "TX", "78704"),
    ("Dallas", "TX", "75204"),
    ("Nashville", "TN", "37203"),
    ("Charlotte", "NC", "28203"),
    ("Denver", "CO", "80205"),
    ("Phoenix", "AZ", "85004"),
    ("Atlanta", "GA", "30308"),
    ("Boston", "MA", "02215"),
];

/// One property, the same for a seed and an id whenever it is asked for.
#[derive(Debug, Clone)]
pub struct Property {
    pub id: i64,
    pub name: String,
    pub address: String,
    pub city: &'static str,
    pub state: &'static str,
    pub zip_code: &'static str,
    pub units: u32,
    pub stories: u32,
    pub year_built: u32,
    pub sq_ft: f64,
    pub floorplans: u32,
    rent: f64,
    occupancy: f64,
    /// Rent growth a year, as a fraction.
    growth: f64,
    season: f64,
}

impl Property {
    pub fn new(seed: u64, id: i64) -> Property {
        let mut draw = Seeded::new(&[seed, salt("property"), id.cast_unsigned()]);
        let (city, state, zip_code) = *draw.pick(PLACES);
        Property {
            id,
            name: format!("{} {}", draw.pick(FIRST), draw.pick(SECOND)),
            address: format!("{} {}", 100 + draw.below(8900), draw.pick(STREETS)),
            city,
            state,
            zip_code,
            units: 80 + draw.below(320) as u32,
            stories: 2 + draw.below(14) as u32,
            year_built: 1972 + draw.below(52) as u32,
            sq_ft: draw.between(640.0, 1180.0).round(),
            floorplans: 4 + draw.below(5) as u32,
            rent: draw.between(1150.0, 2900.0),
            occupancy: draw.between(0.90, 0.975),
            growth: draw.between(-0.015, 0.055),
            season: draw.between(0.01, 0.035),
        }
    }

    /// The mean asking rent on a day, in dollars: growth, a summer peak and nothing else.
    pub fn rent_on(&self, day: NaiveDate) -> f64 {
        self.rent * (1.0 + self.growth * years(day)) * (1.0 + self.season * summer(day))
    }

    /// The advertised share of occupied units on a day, between 0.8 and 0.995.
    pub fn occupancy_on(&self, day: NaiveDate) -> f64 {
        (self.occupancy + 0.6 * self.season * summer(day)).clamp(0.8, 0.995)
    }
}

fn years(day: NaiveDate) -> f64 {
    f64::from(day.num_days_from_ce() - 738_885) / 365.25
}

fn summer(day: NaiveDate) -> f64 {
    ((f64::from(day.ordinal()) - 105.0) / 365.25 * TAU).sin()
}
