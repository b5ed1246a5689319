//! What schedules take of a process's memory, seen from a process that does nothing else.

use crate::crowd::limits;
use aptiqd::roster::{Loaded, Roster};
use std::path::Path;
use std::process::Command;

/// Names the folder to the process that is measured.
pub const FOLDER: &str = "APTIQD_BENCH_FOLDER";

/// In the measured process: loads, declares, and prints by how many bytes it grew. What the allocator keeps of the
/// work is counted too, so this is the most that it can be.
pub fn grow(folder: &Path) {
    let before = resident();
    let schedules = aptiqd::config::load_folder(folder).expect("sound schedules");
    let now = "2026-11-23T12:00:00Z".parse().expect("an instant");
    let (roster, turn) = Roster::load(limits(32), Loaded::default(), schedules, now);
    drop(turn);
    println!("{}", resident().saturating_sub(before));
    drop(roster);
}

/// The figure, from a process of its own.
pub fn measure(folder: &Path, count: usize, text: usize) {
    let this = std::env::current_exe().expect("this program");
    let output = Command::new(this).env(FOLDER, folder).output();
    let output = output.expect("it runs");
    let grown: f64 = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .expect("a number of bytes");
    let (own, text) = (grown / count as f64, text as f64 / count as f64);
    println!(
        "memory at most {own:.0} bytes a schedule in a roster at rest, {:.0} beyond its text of {text:.0} (goal 1024)",
        own - text
    );
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_whitespace().nth(1);
    pages
        .and_then(|pages| pages.parse::<usize>().ok())
        .unwrap_or(0)
        * 4096
}
