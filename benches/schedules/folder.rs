//! A folder of many schedules, read and checked.

use crate::heap;
use crate::watch::Watch;
use aptiqd::config::{check, load_folder};
use aptiqd::schedule::Schedule;

/// Loaded schedules, and how long their texts are together.
pub struct Loaded {
    pub schedules: Vec<Schedule>,
    pub text: usize,
    /// Bytes on the heap before anything was loaded.
    pub before: usize,
}

/// Every minute of the day and a few hundred windows among them, no two properties alike.
fn text(number: usize) -> String {
    format!(
        "report = \"property\"\nformat = \"parquet\"\ncron = \"{} {} * * *\"\ntimezone = \"America/Chicago\"\n\
         window = \"yesterday\"\nproperties = {{ ids = [{}, 99001416, 99001470] }}\njitter = \"5m\"\n",
        number % 60,
        number / 60 % 24,
        number + 1,
    )
}

pub fn measure(count: usize) -> Loaded {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bytes = 0;
    for number in 0..count {
        let text = text(number);
        bytes += text.len();
        let path = folder.path().join(format!("schedule-{number:06}.toml"));
        std::fs::write(path, text).expect("a file");
    }
    // Once to bring the files into the page cache.
    drop(load_folder(folder.path()));
    let before = heap::live();
    let watch = Watch::start();
    let schedules = load_folder(folder.path()).expect("sound schedules");
    println!("load   {count} schedules in {} (goal 2 s)", watch.took());
    let watch = Watch::start();
    let now = "2026-11-23T12:00:00Z".parse().expect("an instant");
    let checked = check(&[folder.path().to_owned()], std::iter::empty(), now);
    println!("check  {count} schedules in {} (goal 2 s)", watch.took());
    assert_eq!((checked.schedules.len(), checked.faults.len()), (count, 0));
    drop(checked);
    Loaded {
        schedules,
        text: bytes,
        before,
    }
}
