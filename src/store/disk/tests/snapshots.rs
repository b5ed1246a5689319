use super::*;
use std::sync::atomic::AtomicBool;

#[tokio::test]
async fn a_state_is_refilled_from_a_snapshot_and_what_follows_it() {
    let (folder, memory) = folder(50).await;
    let (disk, _) = open(folder.path());
    let sequence = disk.snapshot().unwrap();
    assert_eq!(sequence, memory.position());
    commit(&disk, &memory, 50..60).await;
    disk.close().unwrap();
    fs::remove_dir_all(folder.path().join("sled")).unwrap();
    let (disk, opened) = open(folder.path());
    assert!(
        matches!(&opened.revival, Revival::Refilled { snapshot, commits: 10, .. } if *snapshot == sequence),
        "{opened:?}"
    );
    assert_same(&disk, &memory);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_is_of_one_sequence_while_commits_go_on() {
    let (folder, memory) = folder(1200).await;
    let (disk, _) = open(folder.path());
    let disk = Arc::new(disk);
    let done = Arc::new(AtomicBool::new(false));
    let (walking, walked) = (Arc::clone(&disk), Arc::clone(&done));
    let snapshots = thread::spawn(move || {
        let mut taken = Vec::new();
        while !walked.load(Ordering::SeqCst) || taken.len() < 3 {
            taken.push(walking.snapshot().unwrap());
            walking.audit().unwrap();
        }
        taken
    });
    // Open runs and finished ones alike, at both ends of the walk.
    for number in (1200..1320).chain(1..40).chain(600..640) {
        disk.commit(sample::commit(number)).await.unwrap();
        memory.commit(sample::commit(number)).await.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    let mut taken = snapshots.join().unwrap();
    assert_same(&disk, &memory);
    Arc::into_inner(disk).unwrap().close().unwrap();
    taken.sort_unstable();
    taken.dedup();
    let expected = everything(&memory);
    for sequence in taken {
        // Each snapshot alone, with the journal after it, leads to the same state.
        let copy = place();
        copy_folder(folder.path(), copy.path());
        fs::remove_dir_all(copy.path().join("sled")).unwrap();
        for other in snapshot::list(copy.path()).unwrap() {
            if other != sequence {
                fs::remove_file(copy.path().join(snapshot::name(other))).unwrap();
            }
        }
        let (disk, opened) = open(copy.path());
        assert!(
            matches!(opened.revival, Revival::Refilled { snapshot, .. } if snapshot == sequence)
        );
        assert_eq!(everything(&disk), expected);
    }
}

#[tokio::test]
async fn a_broken_snapshot_gives_way_to_an_older_one() {
    let (folder, memory) = folder(20).await;
    let (disk, _) = open(folder.path());
    let older = disk.snapshot().unwrap();
    commit(&disk, &memory, 20..30).await;
    let newer = disk.snapshot().unwrap();
    disk.close().unwrap();
    let path = folder.path().join(snapshot::name(newer));
    let bytes = fs::read(&path).unwrap();
    let mut dice = Dice(7);
    for round in 0..12 {
        let mut broken = bytes.clone();
        match round % 2 {
            0 => broken.truncate(dice.below(bytes.len() as u64 - 1) as usize),
            _ => broken[dice.below(bytes.len() as u64 - 1) as usize] ^= 4,
        }
        fs::write(&path, &broken).unwrap();
        fs::remove_dir_all(folder.path().join("sled")).unwrap();
        let (disk, opened) = open(folder.path());
        assert!(
            matches!(opened.revival, Revival::Refilled { snapshot, .. } if snapshot == older),
            "round {round}"
        );
        assert_eq!(opened.lost, None);
        assert_same(&disk, &memory);
    }
}

#[tokio::test]
async fn segments_that_two_snapshots_cover_are_dropped_at_their_age() {
    let folder = place();
    let old = Settings {
        history: Duration::from_secs(3600),
        snapshot_bytes: 16 * 1024,
        ..settings(folder.path())
    };
    let (disk, _) = Disk::open(old.clone()).unwrap();
    let memory = Memory::new();
    let mut number = 0;
    // A sample's commit is a minute after the one before it.
    while segments(folder.path())
        .iter()
        .any(|path| path.ends_with("00000000000000000001.log"))
        || number == 0
    {
        commit(&disk, &memory, number..number + 20).await;
        number += 20;
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(number < 50_000, "nothing is ever dropped");
    }
    assert_same_state(&disk, &memory);
    let events = disk.events(None, 0, usize::MAX).unwrap();
    assert!(events[0].sequence > 1);
    let newest = memory
        .events(None, events[0].sequence - 1, usize::MAX)
        .unwrap();
    assert_eq!(events, newest);
    let kept = newest.last().unwrap().at - events[0].at;
    assert!(
        kept >= chrono::TimeDelta::hours(1),
        "events younger than the history were dropped"
    );
    assert_eq!(disk.events(Some(&sample::run(0)), 0, 9).unwrap(), []);
    disk.close().unwrap();
    fs::remove_dir_all(folder.path().join("sled")).unwrap();
    let (disk, opened) = Disk::open(old).unwrap();
    assert_eq!(opened.lost, None);
    assert_same_state(&disk, &memory);
}

#[tokio::test]
async fn an_export_is_imported_whole_or_not_at_all() {
    let (origin, memory) = folder(70).await;
    let mut bytes = Vec::new();
    export(settings(origin.path()), &mut bytes).unwrap();
    let target = place();
    let path = target.path().join("state");
    for cut in [0, 10, bytes.len() / 2, bytes.len() - 2] {
        assert!(
            import(&settings(&path), &bytes[..cut]).is_err(),
            "cut at {cut}"
        );
    }
    let mut changed = bytes.clone();
    changed[bytes.len() / 3] ^= 1;
    assert!(import(&settings(&path), &changed[..]).is_err());
    let sequence = import(&settings(&path), &bytes[..]).unwrap();
    assert_eq!(sequence, memory.position());
    let (disk, opened) = open(&path);
    assert!(opened.is_clean(), "{opened:?}");
    assert_same(&disk, &memory);
    commit(&disk, &memory, 70..80).await;
    disk.close().unwrap();
    assert!(
        import(&settings(&path), &bytes[..]).is_err(),
        "over a state that is there"
    );
    let (disk, _) = open(&path);
    assert_same(&disk, &memory);
}
