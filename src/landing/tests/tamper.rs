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
    assert_eq!(fault.class, FaultClass::Disk);
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
