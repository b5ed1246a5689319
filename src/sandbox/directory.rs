//! Accounts, their comp sets and the properties in them.
//!
//! The shapes are what customers have seen, not what the vendor documents: pages of `data` whose
//! `attributes` hold the content; ids of comp sets are strings, ids of properties numbers.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use serde_json::{Value, json};

use super::data::Property;
use super::paging::Paging;
use super::reply::{self, Reply};
use super::world::World;

/// The two accounts and how many comp sets each has; the second needs several pages.
const ACCOUNTS: &[(i64, &str, i64)] = &[
    (9_901_947, "Sandbox Residential", 3),
    (9_901_948, "Sandbox Portfolio", 117),
];
const FIRST_COMP_SET: i64 = 11_848_667;
const FIRST_PROPERTY: i64 = 99_001_416;
/// Between the subject of one comp set and that of the next.
const STRIDE: i64 = 54;
const COMPETITORS: i64 = 5;

/// Comp sets as account and position in the world.
fn all_comp_sets() -> impl Iterator<Item = (i64, i64)> {
    ACCOUNTS
        .iter()
        .flat_map(|(account, _, sets)| (0..*sets).map(move |_| *account))
        .zip(0..)
}

fn subject(position: i64) -> i64 {
    FIRST_PROPERTY + STRIDE * position
}

pub async fn accounts(request: Request) -> Reply {
    let all: Vec<Value> = ACCOUNTS
        .iter()
        .map(|(id, name, _)| json!({"id": id, "name": name}))
        .collect();
    paged(&request, &all)
}

pub async fn comp_sets(
    State(world): State<Arc<World>>,
    Path(id): Path<String>,
    request: Request,
) -> Reply {
    let Some(account) = id
        .parse()
        .ok()
        .filter(|id: &i64| ACCOUNTS.iter().any(|(account, ..)| account == id))
    else {
        return reply::not_found("Account");
    };
    let sets: Vec<Value> = all_comp_sets()
        .filter(|(owner, _)| *owner == account)
        .map(|(_, position)| comp_set(&world, position))
        .collect();
    paged(&request, &sets)
}

fn comp_set(world: &World, position: i64) -> Value {
    let own = Property::new(world.options.seed, subject(position));
    json!({
        "id": (FIRST_COMP_SET + position).to_string(),
        "type": "comp_set",
        "attributes": {
            "name": own.name,
            "category": "Conventional",
            "market_survey": true,
            "subject_property_ids": [own.id],
            "owned_property_addresses":
                [{"address": own.address, "city": own.city, "state": own.state, "zip_code": own.zip_code}],
        },
    })
}

pub async fn market_survey(
    State(world): State<Arc<World>>,
    Path(id): Path<String>,
    request: Request,
) -> Reply {
    let position = id.parse().ok().map(|id: i64| id - FIRST_COMP_SET);
    let Some((_, position)) = all_comp_sets().find(|(_, known)| Some(*known) == position) else {
        return reply::not_found("Comp set");
    };
    let entries: Vec<Value> = (0..=COMPETITORS)
        .map(|n| survey_entry(&world, subject(position), n))
        .collect();
    let survey =
        json!({"id": id, "type": "market_survey", "attributes": {"market_survey_items": entries}});
    paged(&request, &[survey])
}

fn survey_entry(world: &World, subject: i64, n: i64) -> Value {
    let property = Property::new(world.options.seed, subject + n);
    json!({
        "id": property.id,
        "property_name": property.name,
        "subject_property": n == 0,
        "address": property.address,
        "city": property.city,
        "state": property.state,
        "zip_code": property.zip_code,
        "year_built": property.year_built,
        "number_of_stories": property.stories,
        "total_units": property.units,
        "avg_sq_ft": property.sq_ft,
    })
}

fn paged(request: &Request, all: &[Value]) -> Reply {
    match Paging::read(request.uri().query()) {
        Err(refusal) => reply::refused(refusal),
        Ok(paging) => {
            let (data, pagination) = paging.page(all);
            reply::ok(json!({"data": data, "pagination": pagination}))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendors_example_properties_are_subjects_and_no_property_is_in_two_sets() {
        assert_eq!([subject(0), subject(1)], [99_001_416, 99_001_470]);
        const { assert!(COMPETITORS < STRIDE) };
        assert_eq!(all_comp_sets().count(), 120);
    }
}
