use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<(usize, u8, u8, Option<u8>)>),
    Reopen,
    Refill,
}

fn step() -> impl Strategy<Value = Step> {
    let change = (
        0..8_usize,
        0..4_u8,
        0..3_u8,
        proptest::option::weighted(0.7, any::<u8>()),
    );
    prop_oneof![
        20 => proptest::collection::vec(change, 0..6).prop_map(Step::Commit),
        1 => Just(Step::Reopen),
        1 => Just(Step::Refill),
    ]
}

fn key(tree: Tree, run: u8, part: u8) -> Vec<u8> {
    let run = format!("s{}.{}", run / 2, "x".repeat(usize::from(run)));
    match tree {
        Tree::Part | Tree::Roster | Tree::Coverage => {
            [run.as_bytes(), b"\0", &u32::from(part).to_be_bytes()].concat()
        }
        _ => run.into_bytes(),
    }
}

fn commit_of(changes: &[(usize, u8, u8, Option<u8>)]) -> Commit {
    let change = |(tree, run, part, value): &(usize, u8, u8, Option<u8>)| {
        let tree = Tree::ALL[*tree];
        let key = Key {
            tree,
            key: key(tree, *run, *part),
        };
        match value {
            // Some values fill a cold page or more.
            Some(value) => Change::Put {
                key,
                value: vec![b'a' + value % 9; usize::from(*value) * 30],
            },
            None => Change::Delete { key },
        }
    };
    let event = |(_, run, part, _): &(usize, u8, u8, Option<u8>)| crate::store::Entry {
        schedule: None,
        run: (*part > 0).then(|| String::from_utf8(key(Tree::Run, *run, 0)).unwrap()),
        body: serde_json::json!({"event": "changed", "part": part}),
    };
    Commit {
        at: DateTime::UNIX_EPOCH,
        events: changes.iter().skip(1).map(event).collect(),
        changes: changes.iter().map(change).collect(),
    }
}

fn assert_same_reads(disk: &Disk, memory: &Memory) {
    let runs: BTreeSet<Vec<u8>> = (0..4).map(|run| key(Tree::Run, run, 0)).collect();
    for tree in Tree::ALL {
        for run in &runs {
            for part in 0..3 {
                let number = run.iter().filter(|byte| **byte == b'x').count() as u8;
                let key = Key {
                    tree,
                    key: key(tree, number, part),
                };
                assert_eq!(disk.read(&key).unwrap(), memory.read(&key).unwrap());
            }
            for prefix in [
                &b""[..],
                b"s0",
                b"s1.",
                run,
                &[run.as_slice(), b"\0"].concat(),
            ] {
                for backwards in [false, true] {
                    for after in [
                        None,
                        Some(run.as_slice()),
                        Some(&[run.as_slice(), b"\0\0\0\0\x01"].concat()),
                    ] {
                        for limit in [1, 3, 100] {
                            let ask = |store: &dyn Fn() -> Result<
                                Vec<crate::store::state::Record>,
                                Error,
                            >| { store().unwrap() };
                            let one = ask(&|| disk.scan(tree, prefix, after, backwards, limit));
                            let other = ask(&|| memory.scan(tree, prefix, after, backwards, limit));
                            assert_eq!(
                                one, other,
                                "{tree:?} {prefix:?} {after:?} {backwards} {limit}"
                            );
                        }
                    }
                }
            }
            let run = std::str::from_utf8(run).unwrap();
            for after in [0, 3, 7] {
                let expected = memory.events(Some(run), after, 4).unwrap();
                assert_eq!(disk.events(Some(run), after, 4).unwrap(), expected);
                assert_eq!(
                    disk.events(None, after, 4).unwrap(),
                    memory.events(None, after, 4).unwrap()
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_is_committed_is_read_as_from_the_reference(steps in proptest::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let folder = place();
        let memory = Memory::new();
        let mut disk = Some(open(folder.path()).0);
        for step in steps {
            match step {
                Step::Commit(changes) => {
                    let expected = runtime.block_on(memory.commit(commit_of(&changes))).unwrap();
                    let store = disk.as_ref().unwrap();
                    prop_assert_eq!(runtime.block_on(store.commit(commit_of(&changes))).unwrap(), expected);
                }
                Step::Reopen | Step::Refill => {
                    disk.take().unwrap().close().unwrap();
                    if matches!(step, Step::Refill) {
                        fs::remove_dir_all(folder.path().join("sled")).unwrap();
                    }
                    let (opened, report) = open(folder.path());
                    prop_assert_eq!(report.lost, None);
                    prop_assert_eq!(report.journal_damage, None);
                    disk = Some(opened);
                }
            }
        }
        let disk = disk.unwrap();
        assert_same_reads(&disk, &memory);
        disk.audit().unwrap();
    }
}

#[tokio::test]
async fn a_folder_is_found_as_it_was_left() {
    let (folder, memory) = folder(200).await;
    let (disk, opened) = open(folder.path());
    assert_eq!(opened.revival, Revival::Kept);
    assert!(opened.is_clean());
    assert!(
        segments(folder.path()).len() > 5,
        "the journal never rolled"
    );
    assert_same(&disk, &memory);
    commit(&disk, &memory, 200..230).await;
    assert_same(&disk, &memory);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_that_come_together_get_sequences_without_gaps() {
    let folder = place();
    let disk = Arc::new(open(folder.path()).0);
    let mut committers = tokio::task::JoinSet::new();
    for number in 0..300 {
        let disk = Arc::clone(&disk);
        committers.spawn(async move {
            let commit = sample::commit(number);
            let events = commit.events.len() as Sequence;
            let last = disk.commit(commit).await.unwrap();
            assert!(disk.position() >= last);
            last + 1 - events..=last
        });
    }
    let mut sequences: Vec<Sequence> = committers.join_all().await.into_iter().flatten().collect();
    sequences.sort_unstable();
    let all: Vec<Sequence> = (1..=disk.position()).collect();
    assert_eq!(sequences, all);
}

#[tokio::test]
async fn a_second_daemon_is_refused_and_writes_nothing() {
    let (folder, memory) = folder(9).await;
    let (disk, _) = open(folder.path());
    let listed = |path: &Path| fs::read_dir(path).unwrap().count();
    let before = listed(folder.path());
    assert!(matches!(
        Disk::open(settings(folder.path())),
        Err(Error::Locked)
    ));
    assert_eq!(listed(folder.path()), before);
    assert_same(&disk, &memory);
    drop(disk);
    assert_same(&open(folder.path()).0, &memory);
}

#[tokio::test]
async fn a_newer_format_is_refused() {
    let (folder, _) = folder(1).await;
    fs::write(folder.path().join("FORMAT"), "3\n").unwrap();
    let refused = Disk::open(settings(folder.path()));
    assert!(matches!(
        refused,
        Err(Error::NewerFormat { found: 3, known: 2 })
    ));
}

/// What nobody here wrote is not taken for an older format, which a migration would write over.
#[tokio::test]
async fn a_format_that_says_something_else_is_refused_and_left_alone() {
    let (folder, memory) = folder(1).await;
    let path = folder.path().join("FORMAT");
    for text in ["3.1", "v3", "garbage", "0", "-1", "2 2", "\u{fffd}"] {
        fs::write(&path, text).unwrap();
        let refused = Disk::open(settings(folder.path()));
        assert!(
            matches!(refused, Err(Error::UnknownFormat { known: 2, .. })),
            "{text}"
        );
        assert_eq!(fs::read(&path).unwrap(), text.as_bytes());
    }
    fs::write(&path, [0xff, 0xfe]).unwrap();
    let refused = Disk::open(settings(folder.path()));
    assert!(matches!(refused, Err(Error::UnknownFormat { .. })));
    fs::write(&path, "999999999999999999999999\n").unwrap();
    let refused = Disk::open(settings(folder.path()));
    assert!(matches!(refused, Err(Error::NewerFormat { .. })));
    fs::write(&path, " 2\n").unwrap();
    assert_same(&open(folder.path()).0, &memory);
}

/// `FORMAT` may be lost on the way from one machine to another. Without a look at the header a newer segment has no whole frame, and
/// what has none at the journal's end is removed.
#[tokio::test]
async fn a_newer_journal_is_refused_and_left_alone_without_its_format_file() {
    let (folder, _) = folder(40).await;
    let last = segments(folder.path()).pop().unwrap();
    let mut bytes = fs::read(&last).unwrap();
    bytes[8] = 3;
    let checksum = crc32c::crc32c(&bytes[..12]);
    bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
    bytes[16..].iter_mut().for_each(|byte| *byte ^= 0x5a);
    fs::write(&last, &bytes).unwrap();
    for format in [None, Some("1\n"), Some("2\n"), Some("")] {
        let path = folder.path().join("FORMAT");
        match format {
            None => fs::remove_file(path).unwrap(),
            Some(text) => fs::write(path, text).unwrap(),
        }
        let refused = Disk::open(settings(folder.path()));
        assert!(
            matches!(refused, Err(Error::NewerFormat { found: 3, known: 2 })),
            "{format:?}"
        );
        assert_eq!(fs::read(&last).unwrap(), bytes);
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_anything_is_written() {
    let (folder, memory) = folder(3).await;
    let (disk, _) = open(folder.path());
    let mut commit = sample::commit(3);
    commit.changes.push(Change::Put {
        key: Key {
            tree: Tree::Roster,
            key: b"r".to_vec(),
        },
        value: vec![b'1'; 60 * 1024 + 1],
    });
    let refused = disk.commit(commit.clone()).await;
    assert!(matches!(
        refused,
        Err(Error::TooLarge {
            bytes: 61_441,
            limit: 61_440
        })
    ));
    assert_same(&disk, &memory);
    if let Some(Change::Put { value, .. }) = commit.changes.last_mut() {
        value.pop();
    }
    disk.commit(commit.clone()).await.unwrap();
    memory.commit(commit).await.unwrap();
    assert_same(&disk, &memory);
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let folder = place();
    let (disk, _) = open(folder.path());
    disk.shut();
    assert!(matches!(
        disk.commit(sample::commit(0)).await,
        Err(Error::Stopped { .. })
    ));
}

#[tokio::test]
async fn ballast_is_made_where_there_is_room_and_given_up_where_there_is_none() {
    let (folder, memory) = folder(3).await;
    let with = |ballast_bytes| Settings {
        ballast_bytes,
        ..settings(folder.path())
    };
    let ballast = folder.path().join("ballast");
    drop(Disk::open(with(1 << 20)).unwrap());
    assert_eq!(fs::metadata(&ballast).unwrap().len(), 1 << 20);
    // No disk has this much free: it is as good as full.
    let (disk, opened) = Disk::open(with(u64::MAX / 8)).unwrap();
    assert_eq!(opened.ballast, Ballast::Released);
    assert!(!opened.is_clean() && !ballast.exists());
    assert_same(&disk, &memory);
}
