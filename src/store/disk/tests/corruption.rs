use super::*;
use std::path::PathBuf;

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => files(&entry.path(), found),
            false => found.push(entry.path()),
        }
    }
    found.sort();
}

/// Does one of the things that disks and people do to files.
fn corrupt(sled: &Path, dice: &mut Dice) -> String {
    let mut all = Vec::new();
    files(sled, &mut all);
    all.retain(|path| fs::metadata(path).unwrap().len() > 0);
    // The other files are tiny, and sled opens without most of them.
    let path = match dice.below(5) {
        0 => all[dice.below(all.len() as u64) as usize].clone(),
        _ => sled.join("db"),
    };
    let mut bytes = fs::read(&path).unwrap();
    let length = bytes.len() as u64;
    // Most of the file is zeros that nobody reads: aim at what was written.
    let used = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(1, |place| place as u64 + 1);
    let place = dice.below(used) as usize;
    let what = match dice.below(6) {
        0 => {
            fs::remove_file(&path).unwrap();
            return format!("removed {}", path.display());
        }
        1 => {
            bytes.truncate(place);
            "truncated"
        }
        2 => {
            let stop = (place + 1 + dice.below(4096) as usize).min(bytes.len());
            bytes[place..stop].fill(0);
            "zeroed"
        }
        3 => {
            let stop = (place + 1 + dice.below(64) as usize).min(bytes.len());
            bytes[place..stop]
                .iter_mut()
                .for_each(|byte| *byte = dice.below(256) as u8);
            "scribbled over"
        }
        4 => {
            let from = dice.below(used) as usize;
            let count = (dice.below(8192) as usize).min(bytes.len() - from.max(place));
            bytes.copy_within(from..from + count, place);
            "overlaid"
        }
        _ => {
            bytes[place] ^= 1 << dice.below(8);
            "flipped a bit of"
        }
    };
    fs::write(&path, bytes).unwrap();
    format!("{what} {} of {length} at {place}", path.display())
}

/// Enough for several segments of sled: it reads the newest one whole when it opens.
const COMMITS: u64 = 1_200;

/// However sled was corrupted, what is read afterwards is what was committed; nothing is silently missing.
async fn survive(seeds: std::ops::Range<u64>) {
    let (origin, memory) = folder(0).await;
    let (disk, _) = open(origin.path());
    for from in (0..COMMITS).step_by(240) {
        commit_together(&disk, &memory, from..from + 240).await;
    }
    disk.close().unwrap();
    let mut refilled = 0;
    let mut found_later = 0;
    for seed in seeds {
        let folder = place();
        copy_folder(origin.path(), folder.path());
        let done = corrupt(&folder.path().join("sled"), &mut Dice(seed));
        eprintln!("seed {seed}: {done}");
        let (disk, opened) = open(folder.path());
        assert_eq!(
            (opened.lost, &opened.journal_damage),
            (None, &None),
            "seed {seed}: {done}"
        );
        refilled += u64::from(matches!(opened.revival, Revival::Refilled { .. }));
        let disk = match disk.audit() {
            Ok(()) => disk,
            Err(_) => {
                found_later += 1;
                assert!(matches!(
                    disk.commit(sample::commit(0)).await,
                    Err(Error::Stopped { .. })
                ));
                disk.failed().await;
                drop(disk);
                let (disk, opened) = open(folder.path());
                assert!(
                    matches!(opened.revival, Revival::Refilled { .. }),
                    "seed {seed}: {done}"
                );
                disk
            }
        };
        assert_same(&disk, &memory);
        disk.commit(sample::commit(COMMITS)).await.unwrap();
        disk.close().unwrap();
        let (disk, opened) = open(folder.path());
        assert!(opened.is_clean(), "seed {seed}: {done}: {opened:?}");
        drop(disk);
    }
    eprintln!("{refilled} refilled when opened, {found_later} found by the full audit");
    assert!(
        refilled > 0,
        "no corruption did any harm: the test aims badly"
    );
}

#[tokio::test]
async fn corrupted_sled_is_refilled() {
    survive(0..60).await;
}

#[tokio::test]
#[ignore = "minutes"]
async fn corrupted_sled_is_refilled_at_length() {
    survive(1_000..1_500).await;
}

#[tokio::test]
async fn a_state_that_is_gone_is_refilled_and_the_broken_one_kept() {
    for removed in ["sled", "sled/db", "sled/conf"] {
        let (folder, memory) = folder(30).await;
        let path = folder.path().join(removed);
        match path.is_dir() {
            true => fs::remove_dir_all(&path).unwrap(),
            false => fs::remove_file(&path).unwrap(),
        }
        let (disk, opened) = open(folder.path());
        assert!(
            matches!(
                opened.revival,
                Revival::Refilled {
                    snapshot: 0,
                    commits: 30,
                    ..
                }
            ) || removed == "sled/conf",
            "{opened:?}"
        );
        assert_eq!(
            opened
                .quarantine
                .is_some_and(|path| path.join("sled").exists()),
            path.parent() != Some(folder.path())
                && matches!(opened.revival, Revival::Refilled { .. })
        );
        assert_same(&disk, &memory);
    }
}

/// Does something to sled's own records, behind the store's back.
fn tamper(folder: &Path, kind: u8, change: impl FnOnce(&sled::Db, &[u8], &[u8])) {
    let begun = std::time::Instant::now();
    let db = loop {
        #[expect(clippy::disallowed_methods, reason = "a few records of a test")]
        match sled::open(folder.join("sled")) {
            Ok(db) => break db,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(5), "{error}"),
        }
    };
    let (key, value) = db.scan_prefix([kind]).next().unwrap().unwrap();
    change(&db, &key, &value);
    db.flush().unwrap();
}

const COVERAGE: u8 = 5;
/// Packs of finished runs.
const FINISHED: u8 = 12;

#[tokio::test]
async fn a_record_that_is_silently_missing_is_missed() {
    for kind in [COVERAGE, FINISHED] {
        let (folder, memory) = folder(60).await;
        tamper(folder.path(), kind, |db, key, _| {
            drop(db.remove(key).unwrap())
        });
        let (disk, opened) = open(folder.path());
        let disk = match kind {
            FINISHED => {
                assert_eq!(opened.revival, Revival::Kept);
                assert!(matches!(disk.audit(), Err(Error::Stopped { .. })));
                assert!(
                    disk.failed()
                        .await
                        .contains("not those that were committed")
                );
                drop(disk);
                open(folder.path()).0
            }
            _ => {
                assert!(matches!(opened.revival, Revival::Refilled { .. }));
                disk
            }
        };
        assert_same(&disk, &memory);
    }
}

#[tokio::test]
async fn a_record_that_went_back_in_time_is_found_by_the_audit_in_the_background() {
    let (folder, memory) = folder(60).await;
    let older = std::cell::RefCell::new(Vec::new());
    tamper(folder.path(), FINISHED, |db, _, _| {
        let records = db.scan_prefix([FINISHED]);
        older.borrow_mut().extend(records.map(Result::unwrap));
    });
    let (disk, _) = open(folder.path());
    for number in 8..12 {
        disk.commit(sample::commit(number)).await.unwrap();
        memory.commit(sample::commit(number)).await.unwrap();
    }
    disk.close().unwrap();
    tamper(folder.path(), FINISHED, |db, _, _| {
        let changed = |(key, value): &(sled::IVec, sled::IVec)| {
            let now = db.get(key).unwrap();
            now.is_some_and(|now| now != *value)
        };
        let (key, value) = older.take().into_iter().find(changed).unwrap();
        db.insert(key, value).unwrap();
    });
    let soon = Settings {
        audit_after: Some(Duration::ZERO),
        ..settings(folder.path())
    };
    let (disk, _) = Disk::open(soon).unwrap();
    assert!(disk.failed().await.contains("not to be trusted"));
    drop(disk);
    assert_same(&open(folder.path()).0, &memory);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_stops_the_store_and_is_refilled() {
    let (folder, memory) = folder(60).await;
    tamper(folder.path(), FINISHED, |db, key, value| {
        let mut value = value.to_vec();
        value[9] ^= 1;
        db.insert(key, value).unwrap();
    });
    let (disk, _) = open(folder.path());
    let read = disk.scan(Tree::Run, b"", None, false, 100);
    assert!(matches!(
        read,
        Err(Error::Record {
            tree: Tree::Run,
            ..
        })
    ));
    assert!(matches!(
        disk.commit(sample::commit(60)).await,
        Err(Error::Stopped { .. })
    ));
    drop(disk);
    let (disk, opened) = open(folder.path());
    assert!(matches!(opened.revival, Revival::Refilled { .. }));
    assert_same(&disk, &memory);
}

#[tokio::test]
async fn an_opening_that_ended_the_process_is_not_tried_for_ever() {
    let (folder, memory) = folder(30).await;
    fs::write(folder.path().join("sled.opening"), "..").unwrap();
    let (disk, opened) = open(folder.path());
    assert!(matches!(opened.revival, Revival::Refilled { .. }));
    assert_same(&disk, &memory);
    disk.close().unwrap();
    assert!(open(folder.path()).1.is_clean());
}

#[tokio::test]
async fn old_sets_of_a_broken_sled_are_forgotten() {
    let (folder, memory) = folder(3).await;
    for day in 0..6 {
        fs::write(folder.path().join("sled.suspect"), "a test").unwrap();
        let mut settings = settings(folder.path());
        settings.now += chrono::TimeDelta::days(day);
        let (disk, opened) = Disk::open(settings).unwrap();
        assert!(matches!(opened.revival, Revival::Refilled { .. }));
        assert_same(&disk, &memory);
    }
    let named = |entry: &fs::DirEntry| {
        entry
            .file_name()
            .to_string_lossy()
            .starts_with("quarantine.")
    };
    let kept = fs::read_dir(folder.path())
        .unwrap()
        .filter(|entry| named(entry.as_ref().unwrap()));
    assert_eq!(kept.count(), 3);
}
