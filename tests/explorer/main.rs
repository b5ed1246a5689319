//! Every life of a run, not some: the production `step`, `next`, `next_part` and `cancels` driven through all interleavings of a
//! hostile vendor, network and power supply within a budget of bad luck. The same search must catch every wrong design in `design.rs`.

mod design;
mod engine;
mod key;
mod laws;
mod moves;
mod search;
mod vendor;
mod world;

use design::{Design, MUTANTS};
use search::{Found, explore};
use world::{Luck, World};

/// Bad luck of one run: how much of each may happen in one history.
struct Config {
    parts: u32,
    luck: Luck,
}

const fn config(parts: u32, faults: u8, crashes: u8, forged: u8, cancels: u8) -> Config {
    let luck = Luck {
        faults,
        crashes,
        forged,
        cancels,
    };
    Config { parts, luck }
}

const SHORT: [Config; 2] = [config(1, 1, 0, 0, 0), config(1, 0, 1, 0, 1)];

const LONG: [Config; 5] = [
    config(1, 1, 1, 1, 1),
    config(1, 2, 1, 0, 0),
    config(2, 0, 1, 0, 1),
    config(2, 0, 1, 1, 0),
    config(2, 1, 0, 0, 0),
];

fn prove(configs: &[Config]) -> usize {
    let mut total = 0;
    for config in configs {
        let found = explore(
            World::new(config.parts, config.luck),
            Design::Right,
            usize::MAX,
        );
        println!("{} part(s), {:?}: {found}", config.parts, config.luck);
        assert!(found.violation.is_none(), "{found:#}");
        total += found.states;
    }
    println!("{total} distinct states, 0 violations, every one of them converges");
    total
}

#[test]
fn every_state_keeps_the_laws_and_converges() {
    assert!(prove(&SHORT) > 10_000);
}

#[test]
#[ignore = "minutes long; .ci/torture runs it"]
fn twenty_million_states_keep_the_laws_and_converge() {
    assert!(prove(&LONG) >= 20_000_000);
}

fn hunt(mutant: Design) -> Option<Found> {
    let (parts, luck) = mutant.shows_with();
    let found = explore(World::new(parts, luck), mutant, 400_000);
    found.violation.is_some().then_some(found)
}

#[test]
fn every_wrong_design_is_caught() {
    let mut survivors = Vec::new();
    for (mutant, what) in MUTANTS {
        match hunt(*mutant) {
            Some(found) => println!("caught  {what}: {}", found.law()),
            None => survivors.push(*what),
        }
    }
    println!(
        "{} of {} wrong designs caught",
        MUTANTS.len() - survivors.len(),
        MUTANTS.len()
    );
    assert!(survivors.is_empty(), "nobody noticed: {survivors:#?}");
}
