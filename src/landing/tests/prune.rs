//! Which raw files go, and which must stay although they are old.

use super::rows::grid;
use super::*;
use std::collections::BTreeSet;

const IDS: [i64; 2] = [1, 2];

async fn prune(world: &World, open: &[RunId], dry: bool, age: Duration) -> Pruned {
    let order = PruneOrder {
        open: open.iter().cloned().collect::<BTreeSet<_>>(),
        retention: Duration::from_secs(60),
        now: crate::clock::now() + age,
        dry,
    };
    world.landing.prune(order).await.expect("pruned")
}

fn raw(world: &World, run: u32) -> std::path::PathBuf {
    world.root().join("raw/owned").join(world.run(run).as_str())
}

#[tokio::test]
async fn old_raw_files_go_and_young_open_or_needed_ones_stay() {
    let old = Duration::from_secs(3_600);
    let days = window("2026-11-01", "2026-11-03");
    for format in FORMATS {
        let world = World::new(format, Partition::Date).await;
        world.land(1, &IDS, days, &grid(&IDS, days, "x")).await;
        let young = prune(&world, &[], false, Duration::ZERO).await;
        assert_eq!(young, Pruned::default());
        let open = prune(&world, &[world.run(1)], false, old).await;
        assert_eq!((open.removed.len(), open.kept.len()), (0, 1));
        assert!(open.kept[0].reason.contains("not ended"));
        // Of a damaged file the raw rows are the only ones left.
        let damaged = world.data("date=2026-11-02");
        let good = std::fs::read(&damaged).expect("the file");
        std::fs::remove_file(&damaged).expect("removed");
        let needed = prune(&world, &[], false, old).await;
        assert!(needed.removed.is_empty());
        assert!(
            needed.kept[0].reason.contains("date=2026-11-02"),
            "{needed:?}"
        );
        std::fs::write(&damaged, good).expect("mended");
        let dry = prune(&world, &[], true, old).await;
        assert_eq!(dry.removed.len(), 1);
        assert!(raw(&world, 1).exists());
        let done = prune(&world, &[], false, old).await;
        assert_eq!(done.removed, dry.removed);
        assert!(!raw(&world, 1).exists());
        assert!(verify(world.root(), None).expect("verified").is_clean());
        // A run for one property still keeps the others' rows.
        world
            .land(2, &IDS[..1], days, &grid(&IDS[..1], days, "y"))
            .await;
        assert_eq!(world.rows("date=2026-11-02").len(), 2);
    }
}

#[tokio::test]
async fn quarantined_files_go_with_their_raw_ones() {
    let mut world = World::new(Format::Csv, Partition::Date).await;
    world.checks.unique = vec!["id".to_owned()];
    let days = window("2026-11-01", "2026-11-01");
    let rows = grid(&IDS, days, "x");
    let published = world
        .land(1, &IDS, days, &[rows.clone(), rows].concat())
        .await;
    assert_eq!(published.verdict, Verdict::Quarantined);
    let pruned = prune(&world, &[], false, Duration::from_secs(3_600)).await;
    let paths: Vec<&str> = pruned.removed.iter().map(|run| run.path.as_str()).collect();
    let run = world.run(1);
    assert_eq!(
        paths,
        [
            format!("raw/owned/{run}"),
            format!("staging/quarantine/{run}")
        ]
    );
}

/// A publish whose raw file is gone says so at once, instead of trying again.
#[tokio::test]
async fn a_publish_without_its_raw_file_is_told() {
    let world = World::new(Format::Csv, Partition::Date).await;
    let days = window("2026-11-01", "2026-11-01");
    let part = world
        .deliver(1, 1, &IDS, days, &grid(&IDS, days, "x"))
        .await;
    prune(&world, &[], false, Duration::from_secs(3_600)).await;
    let order = world.order(1, &IDS, days, vec![part]);
    let fault = world.landing.publish(order).await.expect_err("gone");
    assert_eq!(fault.class, FaultClass::Gone);
    assert!(fault.message.contains("raw_retention"), "{fault}");
}
