use super::*;
use std::fs::File;
use std::io::Write;
use std::sync::atomic::AtomicU32;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Call {
    Create,
    Append,
    /// Half of the bytes arrive.
    Tear,
    Sync,
    SyncFolder,
}

/// A disk on which the `due`th call of a kind fails, and all after it.
struct Faulty {
    call: Call,
    due: u32,
    calls: AtomicU32,
    failures: AtomicU32,
}

impl Faulty {
    fn new(call: Call, due: u32) -> Arc<Faulty> {
        let (calls, failures) = (AtomicU32::new(0), AtomicU32::new(0));
        Arc::new(Faulty {
            call,
            due,
            calls,
            failures,
        })
    }

    fn meet(&self, call: Call) -> io::Result<()> {
        if call == self.call && self.calls.fetch_add(1, Ordering::SeqCst) + 1 >= self.due {
            self.failures.fetch_add(1, Ordering::SeqCst);
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl Medium for Faulty {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.meet(Call::Create)?;
        Os.create(path)
    }

    fn append(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        self.meet(Call::Append)?;
        if let Err(error) = self.meet(Call::Tear) {
            file.write_all(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        Os.append(file, bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.meet(Call::Sync)?;
        Os.sync(file)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.meet(Call::SyncFolder)?;
        Os.sync_folder(path)
    }
}

/// A store that has stopped never lets go of sled's file: only the end of its process does.
fn reopen(path: &Path) -> (Disk, Opened) {
    let settings = Settings {
        lock_patience: Duration::from_millis(100),
        ..settings(path)
    };
    Disk::open(settings).expect("the folder opens")
}

#[tokio::test]
async fn a_failing_disk_stops_the_store_at_once_and_loses_nothing_acknowledged() {
    for call in [
        Call::Create,
        Call::Append,
        Call::Tear,
        Call::Sync,
        Call::SyncFolder,
    ] {
        for due in [1, 2, 5] {
            let folder = place();
            let medium = Faulty::new(call, due);
            let (disk, _) = Disk::open_on(settings(folder.path()), medium.clone()).unwrap();
            let memory = Memory::new();
            let mut number = 0;
            let unanswered = loop {
                match disk.commit(sample::commit(number)).await {
                    Ok(_) => drop(memory.commit(sample::commit(number)).await.unwrap()),
                    Err(error) => break error,
                }
                number += 1;
                assert!(number < 900, "{call:?} {due} was never met");
            };
            assert!(matches!(unanswered, Error::Stopped { .. }), "{unanswered}");
            assert!(disk.failed().await.contains("journal"));
            assert!(disk.commit(sample::commit(number + 1)).await.is_err());
            assert_eq!(
                medium.failures.load(Ordering::SeqCst),
                1,
                "a failed call was tried again"
            );
            // What was acknowledged can still be read.
            assert_eq!(everything(&disk), everything(&memory));
            assert!(disk.close().is_err());

            let (disk, opened) = reopen(folder.path());
            assert_eq!(
                (opened.lost, &opened.journal_damage),
                (None, &None),
                "{call:?} {due}"
            );
            if disk.position() > memory.position() {
                // On the disk after all: the caller was told of a failure, never of success.
                memory.commit(sample::commit(number)).await.unwrap();
            }
            assert_same(&disk, &memory);
            commit(&disk, &memory, number + 1..number + 6).await;
            assert_same(&disk, &memory);
        }
    }
}

#[tokio::test]
async fn all_who_wait_in_a_batch_that_fails_are_told() {
    let folder = place();
    let (disk, _) = Disk::open_on(settings(folder.path()), Faulty::new(Call::Sync, 2)).unwrap();
    let commits = (0..50).map(|number| disk.commit(sample::commit(number)));
    let answers = together(commits).await;
    assert!(
        answers
            .iter()
            .any(|answer| matches!(answer, Err(Error::Stopped { .. })))
    );
    let acknowledged = answers
        .iter()
        .filter_map(|answer| answer.as_ref().ok())
        .max();
    drop(disk);
    let (disk, _) = reopen(folder.path());
    assert!(acknowledged.is_none_or(|acknowledged| *acknowledged <= disk.position()));
}

/// A 2xx is worth nothing if the bytes belong to a file that is gone.
#[tokio::test]
async fn a_journal_that_is_deleted_under_the_store_stops_it() {
    let folder = place();
    let (disk, _) = Disk::open(settings(folder.path())).expect("the folder opens");
    disk.commit(sample::commit(0)).await.expect("durable");
    std::fs::remove_dir_all(folder.path().join("journal")).expect("deleted");
    let unanswered = disk.commit(sample::commit(1)).await;
    assert!(matches!(unanswered, Err(Error::Stopped { .. })));
    assert!(disk.failed().await.contains("deleted"));
}
