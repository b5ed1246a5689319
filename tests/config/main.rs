//! Configuration from outside: examples load, broken files give one precise fault each, a hundred thousand schedules
//! load in no time.

mod broken;
mod daemon;
mod examples;
mod schedules;
mod schema;
mod speed;
