use super::*;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

const FOLDER: &str = "APTIQD_TEST_CRASH_FOLDER";
const FIRST: &str = "APTIQD_TEST_CRASH_FIRST";

/// Not a test of its own: what the test below runs in a process that it kills.
#[test]
fn child_that_commits_until_it_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let (disk, _) = open(Path::new(&folder));
    for number in first.. {
        runtime
            .block_on(disk.commit(sample::commit(number)))
            .unwrap();
        // To the pipe in one write: the parent sees whole lines only.
        let mut out = std::io::stdout().lock();
        out.write_all(format!("acknowledged {number}\n").as_bytes())
            .unwrap();
        out.flush().unwrap();
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_being_killed() {
    let folder = place();
    let memory = Memory::new();
    let mut next = 0;
    for round in 0..8_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "store::disk::tests::crash::child_that_commits_until_it_is_killed",
                "--nocapture",
            ])
            .env(FOLDER, folder.path())
            .env(FIRST, next.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut acknowledged = None;
        let mut heard = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let Some(number) = line.rsplit_once("acknowledged ").map(|(_, number)| number) else {
                continue;
            };
            acknowledged = Some(number.parse::<u64>().unwrap());
            heard += 1;
            if heard == 3 + 23 * round {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let acknowledged = acknowledged.expect("the child committed");
        let (disk, opened) = open(folder.path());
        assert_eq!((opened.lost, &opened.journal_damage), (None, &None));
        while next <= acknowledged || disk.position() > memory.position() {
            memory.commit(sample::commit(next)).await.unwrap();
            next += 1;
        }
        // At most the one commit that was under way is there besides.
        assert!(next <= acknowledged + 2, "{next} after {acknowledged}");
        assert_same(&disk, &memory);
    }
}
