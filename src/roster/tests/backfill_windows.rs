//! Which windows a backfill asks for.

use super::backfill::{backfill, order, september};
use super::cells::window;
use super::world::{Weather, World, schedule};
use crate::coverage::Only;
use crate::roster::{Answer, Mode};
use crate::schedule::{Partition, Window, WindowRule};

#[test]
fn a_day_that_is_over_need_not_wait_for_its_fire() {
    // It is 12:00; today's fire is at 23:30.
    let mut world = World::new(
        1,
        Weather::default(),
        vec![schedule("daily", "30 23 * * *", 4)],
    );
    let days = window("2026-10-30", "2026-11-03");
    let asked = world.command(order(days, Only::Missing, 1, Mode::Act));
    let Ok(Answer::Backfill { runs, not_due, .. }) = asked else {
        panic!("{asked:?}")
    };
    let windows: Vec<Window> = runs.iter().map(|run| run.window).collect();
    assert_eq!(windows, [window("2026-10-30", "2026-11-01")]);
    assert_eq!(not_due, 8);
}

#[test]
fn one_file_a_window_is_filled_by_whole_windows() {
    let mut monthly = schedule("daily", "0 6 2 * *", 4);
    monthly.partition = Partition::Window;
    monthly.window = WindowRule::PreviousMonth;
    let mut world = World::new(1, Weather::default(), vec![monthly]);
    let runs = backfill(
        &mut world,
        window("2026-08-20", "2026-09-10"),
        Only::Missing,
    );
    let windows: Vec<Window> = runs.iter().map(|run| run.window).collect();
    assert_eq!(windows, [september(), window("2026-08-01", "2026-08-31")]);
}

#[test]
fn windows_that_overlap_are_chosen_so_that_the_fewest_hold_all_days() {
    for (rule, expected) in [
        (
            WindowRule::LastDays(7),
            vec![
                window("2026-09-24", "2026-09-30"),
                window("2026-09-17", "2026-09-23"),
                window("2026-09-10", "2026-09-16"),
            ],
        ),
        (
            WindowRule::MonthToDate,
            vec![window("2026-09-01", "2026-09-30")],
        ),
    ] {
        let mut rolling = schedule("daily", "0 6 * * *", 4);
        rolling.partition = Partition::Window;
        rolling.window = rule;
        let mut world = World::new(1, Weather::default(), vec![rolling]);
        let asked = window("2026-09-11", "2026-09-30");
        let runs = backfill(&mut world, asked, Only::Missing);
        let windows: Vec<Window> = runs.iter().map(|run| run.window).collect();
        assert_eq!(windows, expected);
    }
}

/// Fires leave days out: these are asked for in one piece, beside the windows.
#[test]
fn days_that_no_fire_asked_for_are_one_window() {
    let mut weekly = schedule("daily", "0 6 * * 1", 4);
    weekly.partition = Partition::Window;
    weekly.window = WindowRule::LastDays(3);
    let mut world = World::new(1, Weather::default(), vec![weekly]);
    // Mondays 7 and 14 September: 4 to 6, and 11 to 13.
    let runs = backfill(
        &mut world,
        window("2026-09-04", "2026-09-13"),
        Only::Missing,
    );
    let mut windows: Vec<Window> = runs.iter().map(|run| run.window).collect();
    windows.sort_unstable();
    assert_eq!(
        windows,
        [
            window("2026-09-04", "2026-09-06"),
            window("2026-09-07", "2026-09-10"),
            window("2026-09-11", "2026-09-13"),
        ]
    );
}
