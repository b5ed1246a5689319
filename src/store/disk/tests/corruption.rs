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
    let path = all[dice.below(all.len() as u64) as usize].clone();
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

/// However sled was corrupted, what is read afterwards is what was committed; nothing is silently missing.
async fn survive(seeds: std::ops::Range<u64>) {
    let (origin, memory) = folder(240).await;
    let mut refilled = 0;
    let mut found_later = 0;
    for seed in seeds {
        let folder = TempDir::new().unwrap();
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
        disk.commit(sample::commit(240)).await.unwrap();
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
