use super::rows::grid;
use super::*;

#[tokio::test]
async fn verify_finds_each_kind_of_tampering() {
    let world = World::new(Format::Csv, Partition::Date).await;
    let days = window("2026-11-20", "2026-11-23");
    world.land(1, &[1], days, &grid(&[1], days, "x")).await;
    let name = world.schedule();
    assert!(
        verify(world.root(), Some(&name))
            .expect("verified")
            .is_clean()
    );

    let rewrite = |path: &Path, text: &str| {
        std::fs::remove_file(path).expect("removed");
        std::fs::write(path, text).expect("written");
    };
    rewrite(&world.data("date=2026-11-20"), "id\n1\n");
    std::fs::remove_file(world.data("date=2026-11-21")).expect("removed");
    rewrite(
        &layout::manifest(world.root(), &name, "date=2026-11-22"),
        "{",
    );
    std::fs::remove_file(layout::manifest(world.root(), &name, "date=2026-11-23"))
        .expect("removed");
    std::fs::write(world.root().join("data/owned/stray.csv"), "x").expect("written");

    let verification = verify(world.root(), Some(&name)).expect("verified");
    let found: Vec<(&str, FileState)> = verification
        .differences()
        .map(|file| (file.path.as_str(), file.state))
        .collect();
    assert_eq!(
        found,
        [
            ("data/owned/date=2026-11-20/owned.csv", FileState::Changed),
            ("data/owned/date=2026-11-21/owned.csv", FileState::Absent),
            (
                "meta/owned/date=2026-11-22.json",
                FileState::ManifestUnreadable
            ),
            (
                "data/owned/date=2026-11-23/owned.csv",
                FileState::WithoutManifest
            ),
            ("data/owned/stray.csv", FileState::WithoutManifest),
        ]
    );
    assert_eq!(verify(world.root(), None).expect("verified"), verification);
}

#[tokio::test]
async fn an_unreadable_manifest_stops_a_publish_rather_than_lose_rows() {
    let world = World::new(Format::Csv, Partition::Date).await;
    let days = window("2026-11-20", "2026-11-20");
    world.land(1, &[1], days, &grid(&[1], days, "x")).await;
    std::fs::write(
        layout::manifest(world.root(), &world.schedule(), "date=2026-11-20"),
        "{",
    )
    .expect("written");
    let part = world
        .deliver(2, 1, &[2], days, &grid(&[2], days, "x"))
        .await;
    let fault = world
        .landing
        .publish(world.order(2, &[2], days, vec![part]))
        .await
        .expect_err("unreadable");
    // Not of the disk: that would pause the landing of everything else.
    assert_eq!(fault.class, FaultClass::Content);
    assert!(
        fault.message.contains("move it and its file away"),
        "{fault}"
    );
}

#[tokio::test]
async fn landed_files_can_be_read_by_all_and_written_by_none() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new(Format::Csv, Partition::Date).await;
    let days = window("2026-11-20", "2026-11-21");
    world.land(1, &[1], days, &grid(&[1], days, "x")).await;
    let mode = world
        .data("date=2026-11-20")
        .metadata()
        .expect("file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o222, 0);
    assert_ne!(mode & 0o444, 0);
}

/// Other bytes of the same length, written into the very file, whose time of modification is put back.
fn falsify(path: &Path) {
    use std::fs::{File, FileTimes};
    use std::os::unix::fs::{FileExt, PermissionsExt};
    let before = path.metadata().expect("a file");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).expect("permitted");
    let file = File::options().read(true).write(true).open(path);
    let file = file.expect("opened");
    let mut byte = [0];
    let at = before.len() / 2;
    file.read_exact_at(&mut byte, at).expect("read");
    let other = if byte == *b"1" { b"2" } else { b"1" };
    file.write_all_at(other, at).expect("written");
    let modified = before.modified().expect("a time");
    file.set_times(FileTimes::new().set_modified(modified))
        .expect("put back");
    std::fs::set_permissions(path, before.permissions()).expect("sealed");
    let after = path.metadata().expect("a file");
    assert_eq!(
        (after.len(), after.modified().expect("a time")),
        (before.len(), modified)
    );
}

#[tokio::test]
async fn a_raw_file_changed_after_its_fetch_never_lands() {
    let days = window("2026-11-20", "2026-11-21");
    for format in FORMATS {
        // One part whose file is the raw one, one that is cut by date, and two that are merged.
        for (partition, parts) in [
            (Partition::Window, 1),
            (Partition::Date, 1),
            (Partition::Window, 2),
        ] {
            for restarted in [false, true] {
                let world = World::new(format, partition).await;
                let mut delivered = Vec::new();
                for number in 1..=parts {
                    let rows = grid(&[i64::from(number)], days, "x");
                    let ids = [i64::from(number)];
                    delivered.push(world.deliver(1, number, &ids, days, &rows).await);
                }
                falsify(&world.root().join(&delivered[0].artifact.path));
                let landing = match restarted {
                    false => world.landing.clone(),
                    true => Landing::open(settings(world.root())).expect("landing"),
                };
                let order = world.order(1, &[1, 2][..parts as usize], days, delivered);
                assert_eq!(landing.lost(order.clone()).await.expect("looked"), [1]);
                let fault = landing.publish(order).await.expect_err("changed");
                assert_eq!(fault.class, FaultClass::Content, "{fault}");
                assert_eq!(world.visible(), [""; 0], "{format:?} {partition:?} {parts}");
            }
        }
    }
}

#[tokio::test]
async fn a_raw_file_that_nobody_changed_lands_whoever_fetched_it() {
    let days = window("2026-11-20", "2026-11-20");
    for restarted in [false, true] {
        let world = World::new(Format::Csv, Partition::Date).await;
        let part = world
            .deliver(1, 1, &[1], days, &grid(&[1], days, "x"))
            .await;
        let raw = world.root().join(&part.artifact.path);
        let landing = match restarted {
            false => world.landing.clone(),
            true => Landing::open(settings(world.root())).expect("landing"),
        };
        let order = world.order(1, &[1], days, vec![part]);
        landing.publish(order).await.expect("published");
        let landed = std::fs::read(world.data("date=2026-11-20")).expect("landed");
        assert_eq!(landed, std::fs::read(raw).expect("raw"));
        assert!(verify(world.root(), None).expect("verified").is_clean());
    }
}
