//! The journal damaged at random. With the state beside it nothing is lost; without it, what is lost is said, and what is kept is
//! a prefix of what was committed. Never anything else, and never in silence.

use super::*;
use crate::store::journal::segment::{self, Piece};
use std::ops::ControlFlow;

/// Where the last frame of a segment begins.
fn last_frame(path: &Path) -> usize {
    let mut last = 0;
    let visited = segment::visit(path, 0, |piece| {
        if let Piece::Frame(frame, _) = piece {
            last = frame.offset as usize;
        }
        ControlFlow::Continue(())
    });
    visited.unwrap();
    last
}

/// Does something to the journal; whether what is left may be what a crash leaves: a write cut short, or never come to the disk.
fn harm(folder: &Path, dice: &mut Dice) -> (String, bool) {
    let all = segments(folder);
    let place = dice.below(all.len() as u64) as usize;
    let last = place + 1 == all.len();
    let path = &all[place];
    let mut bytes = fs::read(path).unwrap();
    let at = dice.below(bytes.len() as u64) as usize;
    let stop = (at + 1 + dice.below(600) as usize).min(bytes.len());
    let frame = last_frame(path);
    let (what, torn) = match dice.below(7) {
        0 => {
            fs::remove_file(path).unwrap();
            return (format!("removed {}", path.display()), last);
        }
        1 => {
            bytes.truncate(at);
            ("truncated", last)
        }
        2 => {
            bytes[at..stop].fill(0);
            ("zeroed", last && stop > frame)
        }
        3 => {
            bytes[at..stop]
                .iter_mut()
                .for_each(|byte| *byte = dice.below(256) as u8);
            ("scribbled over", false)
        }
        4 => {
            bytes.drain(at..stop);
            // No frame is left behind the cut: the first one that it hit is shorter than it says, or may be.
            ("cut a piece out of", last && stop > frame)
        }
        5 => {
            let piece = bytes[at..stop].to_vec();
            bytes.splice(at..at, piece);
            ("repeated a piece of", false)
        }
        _ => {
            let before = bytes[at];
            bytes[at] ^= 1 << dice.below(8);
            // A length that has grown: the rest of the frame seems never to have come.
            let longer = (frame..frame + 4).contains(&at) && bytes[at] > before;
            ("flipped a bit of", last && longer)
        }
    };
    fs::write(path, bytes).unwrap();
    (format!("{what} {} at {at}", path.display()), torn)
}

async fn survive(seeds: std::ops::Range<u64>) {
    const COMMITS: u64 = 120;
    let (origin, memory) = folder(COMMITS).await;
    assert!(
        segments(origin.path()).len() > 3,
        "too few segments to aim at"
    );
    let (mut said, mut whole, mut prefixes) = (0, 0, 0);
    for seed in seeds {
        let folder = place();
        copy_folder(origin.path(), folder.path());
        let mut dice = Dice(seed);
        let alone = dice.below(2) == 0;
        if alone {
            fs::remove_dir_all(folder.path().join("sled")).unwrap();
            drop(fs::remove_dir_all(folder.path().join("snapshots")));
        }
        let (done, torn) = harm(folder.path(), &mut dice);
        let done = format!(
            "seed {seed}: {done}{}",
            if alone { ", no sled" } else { "" }
        );
        let (disk, opened) = open(folder.path());
        let loud = opened.lost.is_some() || opened.journal_damage.is_some();
        said += u64::from(loud);
        let same = everything(&disk) == everything(&memory);
        whole += u64::from(same);
        if !alone {
            assert!(
                same,
                "{done}: the state beside the journal was not kept: {opened:?}"
            );
        } else if !same {
            prefixes += 1;
            assert!(loud || torn, "{done}: lost in silence: {opened:?}");
            assert!(
                is_prefix(&disk).await,
                "{done}: not what any moment was: {opened:?}"
            );
        }
        // It goes on, and what it takes now it keeps.
        let position = disk.commit(sample::commit(COMMITS)).await.unwrap();
        let state = everything(&disk);
        disk.close().unwrap();
        let (disk, _) = open(folder.path());
        assert!(disk.position() >= position, "{done}");
        assert_eq!(everything(&disk), state, "{done}");
    }
    println!("{said} said aloud, {whole} with all state, {prefixes} with a prefix, 0 silent");
    assert!(
        said > 0 && prefixes > 0,
        "no damage did any harm: the test aims badly"
    );
}

/// The state is that of the sample after some number of commits.
async fn is_prefix(disk: &Disk) -> bool {
    let state = everything(disk);
    let memory = Memory::new();
    for number in 0.. {
        if everything(&memory) == state {
            return true;
        }
        if number > 200 {
            return false;
        }
        memory.commit(sample::commit(number)).await.unwrap();
    }
    false
}

#[tokio::test]
async fn a_damaged_journal_loses_nothing_in_silence() {
    survive(0..40).await;
}

#[tokio::test]
#[ignore = "minutes"]
async fn a_damaged_journal_loses_nothing_in_silence_at_length() {
    survive(1_000..1_400).await;
}
