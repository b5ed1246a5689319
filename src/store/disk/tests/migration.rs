//! A folder that a program of format 1 left behind when it was killed, and what that program itself exported from it:
//! landed, cancelled and open runs, callbacks heard that led to nothing yet, a paused schedule, an excluded property, two
//! backfills, one of them under way.

use super::*;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicUsize;

const FOLDER: &str = "APTIQD_TEST_MIGRATION_FOLDER";
const STEP: &str = "APTIQD_TEST_MIGRATION_STEP";

fn old() -> TempDir {
    let folder = place();
    format1::unpack(folder.path());
    folder
}

/// The lines of an export between its first, which has a time, and its last.
fn lines(export: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(export).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.pop();
    lines.remove(0);
    lines.sort();
    lines
}

fn assert_nothing_lost(path: &Path) {
    let (disk, opened) = open(path);
    assert_eq!((opened.lost, &opened.journal_damage), (None, &None));
    disk.audit().unwrap();
    disk.close().unwrap();
    let mut bytes = Vec::new();
    export(settings(path), &mut bytes).unwrap();
    assert_eq!(lines(&bytes), lines(&format1::export()));
    assert_eq!(
        fs::read_to_string(path.join("FORMAT")).unwrap(),
        format!("{}\n", folder::FORMAT)
    );
    assert!(!path.join(migrate::FORMER).exists());
}

/// Every file below `path` but the lock.
fn files(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap().path();
            match entry.is_dir() {
                true => folders.push(entry),
                false if entry.ends_with("lock") => {}
                false => {
                    let name = entry.strip_prefix(path).unwrap().to_owned();
                    found.insert(name, fs::read(&entry).unwrap());
                }
            }
        }
    }
    found
}

/// The copies of the old state, whole or not.
fn copies(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).unwrap();
    let mut copies: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    copies.retain(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("format1.")
    });
    copies
}

/// Stops at one step of a migration.
struct Stops {
    at: usize,
    steps: AtomicUsize,
}

impl Medium for Stops {
    fn step(&self, _: &'static str) -> io::Result<()> {
        match self.steps.fetch_add(1, Ordering::SeqCst) == self.at {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

fn stopped(path: &Path, at: usize) -> bool {
    let medium = Arc::new(Stops {
        at,
        steps: AtomicUsize::new(0),
    });
    match Disk::open_on(settings(path), medium) {
        Ok((disk, _)) => {
            disk.close().unwrap();
            false
        }
        Err(Error::Io { source, .. }) => {
            assert_eq!(source.kind(), io::ErrorKind::StorageFull);
            true
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn everything_is_there_afterwards_and_the_old_state_beside_it() {
    let folder = old();
    let before = files(folder.path());
    let (disk, opened) = open(folder.path());
    let migrated = opened.migrated.clone().expect("it was of format 1");
    assert_eq!((migrated.from, migrated.to), (1, 2));
    assert_eq!(migrated.broken, None);
    assert!(opened.is_clean(), "{opened:?}");
    assert_eq!(opened.revival, Revival::Kept);
    disk.close().unwrap();
    assert_eq!(files(&migrated.copy), before);
    let bytes: usize = before.values().map(Vec::len).sum();
    assert_eq!(migrated.bytes, bytes as u64);
    assert_nothing_lost(folder.path());
    assert_eq!(open(folder.path()).1.migrated, None);
    assert_eq!(copies(folder.path()), [migrated.copy]);
}

#[test]
fn stopped_at_any_step_it_loses_nothing_and_goes_on() {
    let before = files(old().path());
    let mut at = 0;
    loop {
        let folder = old();
        if !stopped(folder.path(), at) {
            break;
        }
        for copy in copies(folder.path()) {
            let whole = copy.extension().is_none_or(|end| end != "part");
            assert!(!whole || files(&copy) == before, "step {at}");
        }
        // The same step again, of whatever is left to do.
        stopped(folder.path(), at);
        assert_nothing_lost(folder.path());
        let copies = copies(folder.path());
        assert_eq!(copies.len(), 1, "step {at}");
        assert_eq!(files(&copies[0]), before, "step {at}");
        at += 1;
    }
    assert!(at > 8, "only {at} steps");
}

#[test]
fn a_disk_that_cannot_take_the_copy_leaves_the_old_state_alone() {
    let folder = old();
    let before = files(folder.path());
    for at in 0..3 {
        assert!(stopped(folder.path(), at));
        assert_eq!(files(folder.path()), before);
    }
}

#[test]
fn a_second_program_changes_nothing() {
    let folder = old();
    let before = files(folder.path());
    let lock = Folder::lock(folder.path()).unwrap();
    assert!(matches!(
        Disk::open(settings(folder.path())),
        Err(Error::Locked)
    ));
    drop(lock);
    assert_eq!(files(folder.path()), before);
}

#[test]
fn an_old_sled_that_is_broken_is_made_up_for_by_the_journal() {
    let folder = old();
    let db = folder.path().join("sled/db");
    let length = fs::metadata(&db).unwrap().len() as usize;
    fs::write(&db, vec![0; length]).unwrap();
    let (disk, opened) = open(folder.path());
    disk.close().unwrap();
    let migrated = opened.migrated.unwrap();
    assert!(migrated.broken.is_some());
    assert_nothing_lost(folder.path());
}

#[test]
fn a_state_that_lost_its_format_file_is_migrated() {
    for text in [None, Some("")] {
        let folder = old();
        let path = folder.path().join("FORMAT");
        match text {
            None => fs::remove_file(path).unwrap(),
            Some(text) => fs::write(path, text).unwrap(),
        }
        assert_nothing_lost(folder.path());
    }
}

/// Without a look at its format its finished runs would not be found, and nothing would say so.
#[test]
fn an_old_sled_in_a_new_folder_is_refilled() {
    let folder = old();
    fs::write(folder.path().join("FORMAT"), "2\n").unwrap();
    let (disk, opened) = open(folder.path());
    disk.close().unwrap();
    assert!(
        matches!(&opened.revival, Revival::Refilled { reason, .. } if reason == "of format 1"),
        "{opened:?}"
    );
    assert_nothing_lost(folder.path());
}

#[test]
fn a_copy_without_its_lock_is_a_state_and_nothing_is_none() {
    let folder = old();
    drop(fs::remove_file(folder.path().join("lock")));
    assert_eq!(probe(folder.path()).unwrap(), Presence::Present);
    let empty = place();
    assert_eq!(probe(empty.path()).unwrap(), Presence::Absent);
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);
}

#[test]
fn an_export_of_format_1_is_imported() {
    let folder = place();
    let path = folder.path().join("state");
    import(&settings(&path), &format1::export()[..]).unwrap();
    assert_nothing_lost(&path);
    assert_eq!(copies(&path), [""; 0].map(PathBuf::from));
}

/// As `store rebuild` and `store import --replace` do when what they make comes to nothing.
#[test]
fn an_old_state_that_was_set_aside_and_put_back_is_as_it_was() {
    let folder = old();
    let before = files(folder.path());
    let settings = settings(folder.path());
    let aside = set_aside(&settings).unwrap().unwrap();
    let (disk, opened) = Disk::open(settings.clone()).unwrap();
    assert_eq!((opened.revival, opened.migrated), (Revival::Made, None));
    disk.close().unwrap();
    put_back(&settings, &aside).unwrap();
    assert_eq!(files(folder.path()), before);
    assert_nothing_lost(folder.path());
}

/// Says each step and waits at one for its end.
struct Announces {
    at: String,
}

impl Medium for Announces {
    fn step(&self, name: &'static str) -> io::Result<()> {
        if name == self.at {
            // To the pipe in one write: the parent sees whole lines only.
            let mut out = io::stdout().lock();
            out.write_all(format!("reached {name}\n").as_bytes())?;
            out.flush()?;
            drop(out);
            loop {
                thread::park();
            }
        }
        Ok(())
    }
}

/// Not a test of its own: what the test below runs in a process that it kills.
#[test]
fn child_that_migrates_until_it_is_killed() {
    let (Ok(folder), Ok(at)) = (std::env::var(FOLDER), std::env::var(STEP)) else {
        return;
    };
    drop(Disk::open_on(
        settings(Path::new(&folder)),
        Arc::new(Announces { at }),
    ));
}

#[test]
fn killed_at_any_step_it_loses_nothing() {
    let folder = old();
    let before = files(folder.path());
    let steps = [
        "copy",
        "copied",
        "snapshot",
        "fill",
        "swap",
        "swap halfway",
        "format",
    ];
    for step in steps {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "store::disk::tests::migration::child_that_migrates_until_it_is_killed",
                "--nocapture",
            ])
            .env(FOLDER, folder.path())
            .env(STEP, step)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut heard = BufReader::new(child.stdout.take().unwrap()).lines();
        let reached = heard.any(|line| line.unwrap().ends_with(&format!("reached {step}")));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(reached, "{step}");
    }
    assert_nothing_lost(folder.path());
    let copies = copies(folder.path());
    assert_eq!(copies.len(), 1);
    assert_eq!(files(&copies[0]), before);
}
