//! What ships as an example is right, and stays so.

use aptiqd::config::{check, load_folder};
use std::path::PathBuf;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_shipped_schedules_load() {
    let schedules = load_folder(&root().join("schedules"))
        .unwrap_or_else(|faults| panic!("{}", aptiqd::config::render(&faults)));
    let names: Vec<&str> = schedules
        .iter()
        .map(|schedule| schedule.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "comp-sets-weekly",
            "history-once",
            "owned-portfolio-daily",
            "trailing-three-days",
            "units-month-end"
        ]
    );
}

#[test]
fn the_shipped_schedules_give_no_cause_for_warning() {
    let now = "2026-11-23T12:00:00Z".parse().unwrap();
    let checked = check(&[root().join("schedules")], std::iter::empty(), now);
    assert_eq!(checked.schedules.len(), 5);
    assert_eq!((checked.faults, checked.warnings), (vec![], vec![]));
}

#[test]
fn every_example_begins_with_its_schema() {
    for entry in std::fs::read_dir(root().join("schedules")).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let text = std::fs::read_to_string(&path).unwrap();
            let schema = text
                .lines()
                .next()
                .unwrap()
                .strip_prefix("#:schema ")
                .unwrap();
            assert!(
                path.parent().unwrap().join(schema).exists(),
                "{}",
                path.display()
            );
        }
    }
}
