//! Law 11: landed means that the name exists, the bytes match, and both were synced first.

use super::super::disk::{Step, Witness};
use super::rows::grid;
use super::*;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const IDS: [i64; 4] = [1, 2, 3, 4];

/// Fails the step number `at` and all after it, as a power cut would.
pub(super) fn power_cut(at: usize) -> (Witness, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&taken);
    let witness: Witness = Arc::new(move |_, _| {
        if counter.fetch_add(1, Ordering::SeqCst) >= at {
            return Err(io::Error::other("the power failed"));
        }
        Ok(())
    });
    (witness, taken)
}

pub(super) fn with_witness(world: &World, witness: Witness) -> Landing {
    let disk = Disk::witnessed(world.root().to_owned(), witness);
    Landing::with_disk(settings(world.root()), disk).expect("landing")
}

/// Publishes a first state and fetches what a second run would publish.
pub(super) async fn prepared(
    format: Format,
    partition: Partition,
    days: Window,
) -> (World, PublishOrder) {
    let world = World::new(format, partition).await;
    world.land(1, &IDS, days, &grid(&IDS, days, "old")).await;
    let parts = vec![
        world
            .deliver(2, 1, &IDS[..1], days, &grid(&IDS[..1], days, "new"))
            .await,
        world
            .deliver(2, 2, &IDS[1..2], days, &grid(&IDS[1..2], days, "new"))
            .await,
    ];
    let order = world.order(2, &IDS[..2], days, parts);
    (world, order)
}

#[tokio::test]
async fn a_publish_that_stops_at_any_step_is_completed_by_a_repeat() {
    let days = window("2026-11-29", "2026-12-01");
    for (format, partition) in [
        (Format::Csv, Partition::Date),
        (Format::Jsonl, Partition::Window),
        (Format::Parquet, Partition::Month),
    ] {
        let (calm, order) = prepared(format, partition, days).await;
        let expected = calm.landing.publish(order).await.expect("published");
        let mut stops = 0;
        for at in 0.. {
            let (world, order) = prepared(format, partition, days).await;
            let (witness, _) = power_cut(at);
            let cut = with_witness(&world, witness).publish(order.clone()).await;
            assert_only_whole_files(&world);
            if cut.is_err() {
                stops += 1;
            }
            let published = Landing::open(settings(world.root()))
                .expect("landing")
                .publish(order)
                .await
                .expect("repeated");
            assert_eq!(published, expected, "{format:?} stopped at {at}");
            for slice in super::super::partition::slices(partition, days) {
                assert_eq!(world.rows(&slice.key), calm.rows(&slice.key));
                assert_eq!(world.manifest(&slice.key), calm.manifest(&slice.key));
            }
            assert_eq!(world.changes(), calm.changes(), "stopped at {at}");
            assert!(verify(world.root(), None).expect("verified").is_clean());
            if cut.is_ok() {
                break;
            }
        }
        assert!(stops > 15, "{stops}");
    }
}

/// Every visible file is readable as a whole, old or new.
fn assert_only_whole_files(world: &World) {
    for path in world.visible() {
        let rows = super::rows::decode(world.format, &world.root().join(&path));
        assert!(!rows.is_empty() && rows.len().is_multiple_of(4), "{path}");
    }
}

#[tokio::test]
async fn a_fetch_that_stops_at_any_step_is_completed_by_a_repeat() {
    let days = window("2026-11-21", "2026-11-22");
    for at in 0.. {
        let world = World::new(Format::Jsonl, Partition::Date).await;
        let body = super::rows::encode(Format::Jsonl, &grid(&IDS, days, "x"));
        let location = world.server.serve(Reply::of(body.clone()));
        let order = world.fetch_order(1, 1, "job", &IDS, days);
        let (witness, _) = power_cut(at);
        let cut = with_witness(&world, witness)
            .fetch(order.clone(), &location)
            .await;
        let artifact = world
            .landing
            .fetch(order, &location)
            .await
            .expect("repeated");
        assert_eq!(
            std::fs::read(world.root().join(&artifact.path)).expect("raw"),
            body
        );
        match cut {
            Ok(cut) => {
                assert_eq!(cut, artifact);
                assert!(at > 5, "{at}");
                break;
            }
            Err(fault) => assert_eq!(fault.class, FaultClass::Disk, "{fault}"),
        }
    }
}

#[tokio::test]
async fn files_and_folders_are_synced_around_every_rename() {
    let days = window("2026-11-29", "2026-12-01");
    let (world, order) = prepared(Format::Parquet, Partition::Date, days).await;
    let steps: Arc<Mutex<Vec<(Step, std::path::PathBuf)>>> = Arc::default();
    let seen = Arc::clone(&steps);
    let witness: Witness = Arc::new(move |step, path| {
        seen.lock().expect("steps").push((step, path.to_owned()));
        Ok(())
    });
    with_witness(&world, witness)
        .publish(order)
        .await
        .expect("published");
    let steps = steps.lock().expect("steps");
    let mut data_renames = 0;
    for (at, (step, path)) in steps.iter().enumerate() {
        if *step != Step::Rename {
            continue;
        }
        let folder = path.parent().expect("folder");
        assert_eq!(steps[at + 1], (Step::SyncFolder, folder.to_owned()));
        if path.starts_with(world.root().join("data")) {
            data_renames += 1;
            let key = folder.file_name().expect("key");
            let name = path.file_name().expect("name");
            let staged = layout::staging(world.root(), &world.run(2))
                .join("out")
                .join(key)
                .join(name);
            let synced = steps[..at].contains(&(Step::SyncFile, staged));
            assert!(
                synced,
                "{} was renamed before it was synced",
                path.display()
            );
            let manifest =
                layout::manifest(world.root(), &world.schedule(), &key.to_string_lossy());
            let place = steps
                .iter()
                .position(|step| *step == (Step::Rename, manifest.clone()));
            assert!(
                place.is_some_and(|place| place > at),
                "the manifest came first"
            );
        }
    }
    assert_eq!(data_renames, 3);
}

#[tokio::test]
async fn facts_that_were_lost_are_found_again() {
    let days = window("2026-11-29", "2026-12-01");
    for format in FORMATS {
        let (world, order) = prepared(format, Partition::Date, days).await;
        let (other, same) = prepared(format, Partition::Date, days).await;
        std::fs::remove_dir_all(layout::staging(world.root(), &world.run(2))).expect("removed");
        let without = world.landing.publish(order).await.expect("published");
        let with = other.landing.publish(same).await.expect("published");
        assert_eq!(without, with);
    }
}
