//! What is answered about properties that an operator leaves out.

use super::world::{Weather, World, schedule};
use crate::roster::{Answer, Command, Mode, PropertyNow};

pub(super) fn exclude(world: &mut World, property: i64, mode: Mode) -> Vec<PropertyNow> {
    let command = Command::Exclude {
        property,
        reason: "sold".into(),
        by: "test".into(),
        mode,
    };
    told(world, command)
}

fn told(world: &mut World, command: Command) -> Vec<PropertyNow> {
    match world.command(command) {
        Ok(Answer::Properties(all)) => all,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_names_its_property_whether_a_schedule_exports_it_or_not() {
    let daily = schedule("daily", "30 12 * * *", 2);
    let mut world = World::new(1, Weather::default(), vec![daily]);
    for (property, exporters) in [(2, 1), (99, 0)] {
        for mode in [Mode::Dry, Mode::Act] {
            let told = exclude(&mut world, property, mode);
            let [one] = told.as_slice() else {
                panic!("{told:?}")
            };
            assert_eq!((one.id, one.schedules.len()), (property, exporters));
            let left_out = one.excluded.as_ref().map(|why| why.reason.as_str());
            assert_eq!(left_out, Some("sold"));
        }
    }
    let all = told(&mut world, Command::Properties);
    let ids = all.iter().map(|one| (one.id, one.excluded.is_some()));
    assert_eq!(ids.collect::<Vec<_>>(), [(1, false), (2, true), (99, true)]);
    let include = Command::Include {
        property: 99,
        reason: None,
        by: "test".into(),
        mode: Mode::Act,
    };
    let told = told(&mut world, include);
    assert_eq!((told[0].id, &told[0].excluded), (99, &None));
}
