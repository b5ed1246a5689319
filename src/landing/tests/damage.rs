//! Files and manifests that somebody broke or took away.

use super::rows::grid;
use super::*;
use crate::landing::partition::slices;

const PARTITIONS: [Partition; 3] = [Partition::Window, Partition::Date, Partition::Month];
const KEY: &str = "date=2026-11-01";

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
    rows
}

fn damage(path: &Path) {
    let bytes = std::fs::read(path).expect("file");
    std::fs::remove_file(path).expect("removed");
    let bytes: Vec<u8> = bytes.iter().map(|byte| byte ^ 1).collect();
    std::fs::write(path, bytes).expect("written");
}

impl World {
    /// What a store knows of the parts of an earlier run.
    fn earlier(&self, run: u32, days: Window, parts: &[Delivered]) -> Vec<Earlier> {
        let of = |part: &Delivered| Earlier {
            run: self.run(run),
            window: days,
            part: part.clone(),
        };
        parts.iter().map(of).collect()
    }
}

#[tokio::test]
async fn a_damaged_or_absent_file_is_made_anew_from_raw() {
    let days = window("2026-11-01", "2026-11-02");
    for format in FORMATS {
        for partition in PARTITIONS {
            for absent in [false, true] {
                let world = World::new(format, partition).await;
                let old = grid(&[1, 2], days, "old");
                let parts = vec![
                    world.deliver(1, 1, &[1], days, &old[..2]).await,
                    world.deliver(1, 2, &[2], days, &old[2..]).await,
                ];
                world.publish(1, &[1, 2], days, parts).await;
                world.land(2, &[2], days, &grid(&[2], days, "newer")).await;
                for slice in slices(partition, days) {
                    match absent {
                        true => std::fs::remove_file(world.data(&slice.key)).expect("removed"),
                        false => damage(&world.data(&slice.key)),
                    }
                }
                let new = grid(&[3], days, "new");
                let published = world.land(3, &[3], days, &new).await;
                assert_eq!(published.verdict, Verdict::Landed, "{published:?}");
                assert_eq!(published.told[0]["event"], "partition_rebuilt");
                let mut all = Vec::new();
                for slice in slices(partition, days) {
                    all.extend(world.rows(&slice.key));
                    assert_eq!(world.manifest(&slice.key).generation, 3);
                }
                let expected = [old[..2].to_vec(), grid(&[2], days, "newer"), new].concat();
                assert_eq!(sorted(all), sorted(expected), "{format:?} {partition:?}");
                assert!(verify(world.root(), None).expect("verified").is_clean());
            }
        }
    }
}

#[tokio::test]
async fn damage_to_a_published_file_is_none_to_the_raw_one() {
    let world = World::new(Format::Csv, Partition::Date).await;
    let day = window("2026-11-01", "2026-11-01");
    let part = world.deliver(1, 1, &[1], day, &grid(&[1], day, "x")).await;
    world.publish(1, &[1], day, vec![part.clone()]).await;
    let raw = std::fs::read(world.root().join(&part.artifact.path)).expect("raw");
    let path = world.data(KEY);
    let mut permissions = path.metadata().expect("file").permissions();
    #[expect(
        clippy::permissions_set_readonly_false,
        reason = "a file in a test's own folder"
    )]
    permissions.set_readonly(false);
    std::fs::set_permissions(&path, permissions).expect("permitted");
    std::fs::write(&path, "written in place").expect("written");
    assert_eq!(
        std::fs::read(world.root().join(&part.artifact.path)).expect("raw"),
        raw
    );
}

#[tokio::test]
async fn what_raw_does_not_hold_any_more_is_not_made_up() {
    let world = World::new(Format::Csv, Partition::Date).await;
    let day = window("2026-11-01", "2026-11-01");
    let part = world
        .deliver(1, 1, &[1, 2], day, &grid(&[1, 2], day, "x"))
        .await;
    world.publish(1, &[1, 2], day, vec![part.clone()]).await;
    damage(&world.data(KEY));
    std::fs::remove_file(world.root().join(&part.artifact.path)).expect("removed");
    let before = std::fs::read(world.data(KEY)).expect("file");

    let part = world.deliver(2, 1, &[3], day, &grid(&[3], day, "x")).await;
    let order = world.order(2, &[3], day, vec![part]);
    let fault = world.landing.publish(order).await.expect_err("damaged");
    assert_eq!(fault.class, FaultClass::Content);
    assert!(
        fault
            .message
            .contains("not the file that its manifest describes"),
        "{fault}"
    );
    assert!(
        fault
            .message
            .contains("aptiqd trigger owned --from 2026-11-01"),
        "{fault}"
    );
    assert_eq!(std::fs::read(world.data(KEY)).expect("file"), before);

    // What replaces all of it needs nothing of it.
    let published = world.land(3, &[1, 2], day, &grid(&[1, 2], day, "y")).await;
    assert_eq!(published.verdict, Verdict::Landed);
    assert!(verify(world.root(), None).expect("verified").is_clean());
}

#[tokio::test]
async fn a_lost_manifest_drops_nobodys_rows() {
    let days = window("2026-11-01", "2026-11-02");
    for format in FORMATS {
        for partition in PARTITIONS {
            for with_file in [true, false] {
                let world = World::new(format, partition).await;
                let old = grid(&[1, 2], days, "old");
                let first = world.deliver(1, 1, &[1, 2], days, &old).await;
                world.publish(1, &[1, 2], days, vec![first.clone()]).await;
                for slice in slices(partition, days) {
                    let manifest = layout::manifest(world.root(), &world.schedule(), &slice.key);
                    std::fs::remove_file(manifest).expect("removed");
                    if !with_file {
                        std::fs::remove_file(world.data(&slice.key)).expect("removed");
                    }
                }
                let new = grid(&[3], days, "new");
                let part = world.deliver(2, 1, &[3], days, &new).await;
                let mut order = world.order(2, &[3], days, vec![part]);
                let unknown = world.landing.unknown(order.clone()).await.expect("looked");
                assert_eq!(unknown.len(), slices(partition, days).len());
                order.earlier = world.earlier(1, days, &[first]);
                let published = world
                    .landing
                    .publish(order.clone())
                    .await
                    .expect("published");
                assert_eq!(
                    (published.verdict, published.lost.len()),
                    (Verdict::Landed, 0)
                );
                let mut all = Vec::new();
                for slice in slices(partition, days) {
                    all.extend(world.rows(&slice.key));
                    let manifest = world.manifest(&slice.key);
                    assert_eq!((manifest.generation, manifest.properties.present), (2, 3));
                }
                let expected = sorted([old, new].concat());
                assert_eq!(sorted(all), expected, "{format:?} {partition:?}");
                assert_eq!(world.landing.unknown(order).await.expect("looked"), []);
                assert!(verify(world.root(), None).expect("verified").is_clean());
            }
        }
    }
}

#[tokio::test]
async fn rows_lost_with_their_manifest_are_told_as_lost() {
    let world = World::new(Format::Csv, Partition::Date).await;
    let day = window("2026-11-01", "2026-11-01");
    let first = world
        .deliver(1, 1, &[1, 2], day, &grid(&[1, 2], day, "old"))
        .await;
    world.publish(1, &[1, 2], day, vec![first.clone()]).await;
    std::fs::remove_file(layout::manifest(world.root(), &world.schedule(), KEY)).expect("removed");
    std::fs::remove_file(world.root().join(&first.artifact.path)).expect("removed");
    let part = world
        .deliver(2, 1, &[2, 3], day, &grid(&[2, 3], day, "new"))
        .await;
    let mut order = world.order(2, &[2, 3], day, vec![part]);
    order.earlier = world.earlier(1, day, &[first]);
    let published = world.landing.publish(order).await.expect("published");
    assert_eq!(published.lost, [span(1, "2026-11-01", "2026-11-01")]);
    assert_eq!(published.told[0]["event"], "rows_lost");
    assert_eq!(world.manifest(KEY).properties.missing, [1]);
    assert_eq!(world.rows(KEY).len(), 2);
}

#[tokio::test]
async fn a_partition_never_published_is_not_taken_for_lost() {
    let world = World::new(Format::Csv, Partition::Date).await;
    let day = window("2026-11-01", "2026-11-01");
    let part = world.deliver(1, 1, &[1], day, &grid(&[1], day, "x")).await;
    let order = world.order(1, &[1], day, vec![part]);
    assert_eq!(world.landing.unknown(order).await.expect("looked"), []);
}

/// A manifest that is none will never become readable: it must not pause anything.
#[tokio::test]
async fn a_broken_manifest_counts_as_lost() {
    let world = World::new(Format::Csv, Partition::Date).await;
    let day = window("2026-11-01", "2026-11-01");
    let old = grid(&[1, 2], day, "old");
    let first = world.deliver(1, 1, &[1, 2], day, &old).await;
    world.publish(1, &[1, 2], day, vec![first.clone()]).await;
    let path = layout::manifest(world.root(), &world.schedule(), KEY);
    std::fs::write(path, "{\"x").expect("written");
    let fault = world.landing.manifest(&world.schedule(), KEY);
    assert_eq!(fault.expect_err("none").class, FaultClass::Content);
    let new = grid(&[3], day, "new");
    let part = world.deliver(2, 1, &[3], day, &new).await;
    let mut order = world.order(2, &[3], day, vec![part]);
    let unknown = world.landing.unknown(order.clone()).await.expect("looked");
    assert_eq!(unknown, [day]);
    order.earlier = world.earlier(1, day, &[first]);
    let published = world.landing.publish(order).await.expect("published");
    assert_eq!(published.verdict, Verdict::Landed);
    assert_eq!(world.rows(KEY), sorted([old, new].concat()));
    assert_eq!(world.manifest(KEY).generation, 2);
}
