//! How fast a very large folder is read.

use aptiqd::config::check;
use std::time::Instant;

/// Prints the figure; run with `--release`. Machines differ too much for a bound that fails a build.
#[test]
#[ignore = "writes a hundred thousand files; run by hand in release"]
fn a_hundred_thousand_schedules() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..100_000 {
        let text = format!(
            "report = \"property\"\nformat = \"parquet\"\ncron = \"{} {} * * *\"\ntimezone = \"America/Chicago\"\n\
             window = \"yesterday\"\nproperties = {{ ids = [{number}, 99001416, 99001470] }}\njitter = \"5m\"\n",
            number % 60,
            12 + number % 12,
        );
        let text = text.replace("[0, ", "[1, ");
        std::fs::write(
            folder.path().join(format!("schedule-{number:06}.toml")),
            text,
        )
        .unwrap();
    }
    let begin = Instant::now();
    let schedules = aptiqd::config::load_folder(folder.path()).unwrap();
    println!(
        "load: {} schedules in {:?}",
        schedules.len(),
        begin.elapsed()
    );
    drop(schedules);
    let begin = Instant::now();
    let checked = check(
        &[folder.path().to_owned()],
        std::iter::empty(),
        "2026-11-23T12:00:00Z".parse().unwrap(),
    );
    println!(
        "check: {} schedules, {} faults in {:?}",
        checked.schedules.len(),
        checked.faults.len(),
        begin.elapsed()
    );
    assert_eq!(checked.faults, []);
    assert_eq!(checked.schedules.len(), 100_000);
}
