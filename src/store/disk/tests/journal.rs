use super::*;
use crate::store::journal::examine;
use crate::store::journal::segment::{self, Piece};
use std::ops::ControlFlow;

/// Frames of a segment: offset, end, and the last event.
fn frames(path: &Path) -> Vec<(u64, u64, Sequence)> {
    let mut frames = Vec::new();
    segment::visit(path, 0, |piece| {
        if let Piece::Frame(frame, _) = piece {
            frames.push((frame.offset, frame.end(), frame.next() - 1));
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    frames
}

#[tokio::test]
async fn a_journal_cut_anywhere_keeps_exactly_the_whole_frames() {
    let (folder, _) = folder(60).await;
    let last = segments(folder.path()).pop().unwrap();
    let first: Sequence = last.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let bytes = fs::read(&last).unwrap();
    let whole = frames(&last);
    assert!(whole.len() > 2);
    for length in 0..bytes.len() as u64 {
        fs::write(&last, &bytes[..length as usize]).unwrap();
        let end = examine::end(&Shelf::open(last.parent().unwrap()).unwrap()).unwrap();
        let kept = whole.iter().rfind(|(_, end, _)| *end <= length);
        let expected = kept.map_or(first - 1, |(_, _, event)| *event);
        assert_eq!(
            (end.verified, end.seen),
            (expected, expected),
            "cut at {length}"
        );
        assert_eq!(end.damage, None, "cut at {length}");
        let edge = kept.map_or(segment::START, |(_, end, _)| *end);
        let torn = end.torn.map_or(0, |torn| torn.end - torn.start);
        let hollow: u64 = end.hollow.iter().map(|(_, bytes)| bytes).sum();
        assert_eq!(
            torn + hollow,
            length.saturating_sub(edge),
            "cut at {length}"
        );
    }
}

#[tokio::test]
async fn a_state_refilled_from_a_cut_journal_is_a_prefix_and_goes_on() {
    let (folder, _) = folder(40).await;
    let last = segments(folder.path()).pop().unwrap();
    let bytes = fs::read(&last).unwrap();
    let whole = frames(&last);
    let from = whole[whole.len() - 3].0;
    for length in (from..bytes.len() as u64).step_by(37) {
        fs::write(&last, &bytes[..length as usize]).unwrap();
        drop(fs::remove_dir_all(folder.path().join("sled")));
        let (disk, opened) = open(folder.path());
        assert_eq!(
            (opened.lost, &opened.journal_damage),
            (None, &None),
            "cut at {length}"
        );
        let memory = prefix(opened.position).await;
        assert_same(&disk, &memory);
        let next = (0..).find(|number| {
            let events: usize = (0..*number).map(|n| sample::commit(n).events.len()).sum();
            events as Sequence == opened.position
        });
        commit(&disk, &memory, next.unwrap()..next.unwrap() + 5).await;
        assert_same(&disk, &memory);
        disk.close().unwrap();
        let (disk, opened) = open(folder.path());
        assert!(opened.is_clean());
        assert_same(&disk, &memory);
        drop(disk);
        for path in segments(folder.path()).iter().filter(|path| **path > last) {
            fs::remove_file(path).unwrap();
        }
    }
}

#[tokio::test]
async fn a_flipped_byte_in_the_middle_is_never_taken_for_a_frame() {
    let (folder, _) = folder(40).await;
    let last = segments(folder.path()).pop().unwrap();
    let bytes = fs::read(&last).unwrap();
    let whole = frames(&last);
    let (start, stop, event) = whole[whole.len() - 2];
    let before = whole[whole.len() - 3].2;
    let seen = whole.last().unwrap().2;
    assert!(before < event && event < seen);
    for place in start..stop {
        let mut broken = bytes.clone();
        broken[place as usize] ^= 1 << (place % 8);
        fs::write(&last, &broken).unwrap();
        let end = examine::end(&Shelf::open(last.parent().unwrap()).unwrap()).unwrap();
        assert_eq!(
            (end.verified, end.seen),
            (before, seen),
            "flipped at {place}"
        );
        assert_eq!(end.damage, Some(start..stop), "flipped at {place}");
        assert_eq!(end.torn, None);
    }
}

fn flip(path: &Path, place: u64) {
    let mut bytes = fs::read(path).unwrap();
    bytes[place as usize] ^= 0x20;
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn damage_in_the_middle_is_set_aside_and_the_state_that_was_proven_is_kept() {
    let (folder, memory) = folder(40).await;
    let last = segments(folder.path()).pop().unwrap();
    let whole = frames(&last);
    flip(&last, whole[whole.len() - 2].0 + 30);
    let damaged = fs::read(&last).unwrap();
    let (disk, opened) = open(folder.path());
    assert!(opened.journal_damage.is_some() && !opened.is_clean());
    assert_eq!((opened.lost, opened.revival.clone()), (None, Revival::Kept));
    let copy = opened.quarantine.unwrap().join(last.file_name().unwrap());
    assert_eq!(fs::read(copy).unwrap(), damaged);
    assert_same_state(&disk, &memory);
    assert_eq!(disk.position(), memory.position());
    commit(&disk, &memory, 40..50).await;
    disk.close().unwrap();
    // From now on a snapshot leads over the damage.
    fs::remove_dir_all(folder.path().join("sled")).unwrap();
    let (disk, opened) = open(folder.path());
    assert_eq!((opened.lost, opened.journal_damage), (None, None));
    assert_same_state(&disk, &memory);
    assert_eq!(disk.position(), memory.position());
}

#[tokio::test]
async fn damage_in_the_middle_without_a_state_keeps_the_verified_prefix_and_says_what_is_lost() {
    let (folder, memory) = folder(40).await;
    let last = segments(folder.path()).pop().unwrap();
    let whole = frames(&last);
    flip(&last, whole[whole.len() - 2].0 + 30);
    fs::remove_dir_all(folder.path().join("sled")).unwrap();
    let (disk, opened) = open(folder.path());
    let kept = whole[whole.len() - 3].2;
    assert_eq!(opened.lost, Some((kept + 1, memory.position())));
    assert_same_state(&disk, &prefix(kept).await);
    // No sequence is ever given twice.
    assert_eq!(disk.position(), memory.position());
    let next = disk.commit(sample::commit(99)).await.unwrap();
    assert!(next > memory.position());
    let state = everything(&disk);
    disk.close().unwrap();
    let (disk, opened) = open(folder.path());
    assert!(opened.is_clean(), "{opened:?}");
    assert_eq!(everything(&disk), state);
}

#[tokio::test]
async fn an_older_segment_that_is_gone_costs_nothing_but_the_events_while_the_state_is_whole() {
    let (folder, memory) = folder(60).await;
    let gone = segments(folder.path())[1].clone();
    fs::remove_file(&gone).unwrap();
    let (disk, opened) = open(folder.path());
    assert!(opened.is_clean());
    assert_same_state(&disk, &memory);
    let left = disk.events(None, 0, usize::MAX).unwrap();
    assert!(left.len() < memory.position() as usize && !left.is_empty());
    disk.close().unwrap();
    // Without the state, the prefix before the gap is all that is proven.
    fs::remove_dir_all(folder.path().join("sled")).unwrap();
    let (disk, opened) = open(folder.path());
    let first: Sequence = gone.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    assert_eq!(opened.lost, Some((first, memory.position())));
    assert_same_state(&disk, &prefix(first - 1).await);
    assert!(
        opened
            .quarantine
            .unwrap()
            .join(segments(folder.path()).pop().unwrap().file_name().unwrap())
            .exists()
            || opened.journal_damage.is_some()
    );
    disk.commit(sample::commit(1)).await.unwrap();
    disk.close().unwrap();
    assert!(open(folder.path()).1.is_clean());
}

#[tokio::test]
async fn a_journal_that_lost_its_end_does_not_take_the_state_with_it() {
    let (folder, memory) = folder(60).await;
    let gone = segments(folder.path()).pop().unwrap();
    fs::remove_file(gone).unwrap();
    let (disk, opened) = open(folder.path());
    assert!(opened.journal_damage.is_some());
    assert_eq!(opened.lost, None);
    assert_same_state(&disk, &memory);
    assert_eq!(disk.position(), memory.position());
    commit(&disk, &memory, 60..70).await;
    disk.close().unwrap();
    fs::remove_dir_all(folder.path().join("sled")).unwrap();
    let (disk, opened) = open(folder.path());
    assert_eq!((opened.lost, opened.journal_damage), (None, None));
    assert_same_state(&disk, &memory);
}

#[tokio::test]
async fn an_only_frame_that_was_changed_is_set_aside_and_the_journal_goes_on() {
    for header in [false, true] {
        let (folder, _) = folder(60).await;
        let last = segments(folder.path()).pop().unwrap();
        let (start, end, _) = frames(&last)[0];
        let mut bytes = fs::read(&last).unwrap();
        bytes.truncate(end as usize);
        bytes[start as usize + 30] ^= 0x20;
        if header {
            bytes[3] ^= 0x20;
        }
        fs::write(&last, &bytes).unwrap();
        fs::remove_dir_all(folder.path().join("sled")).unwrap();
        drop(fs::remove_dir_all(folder.path().join("snapshots")));
        let (disk, opened) = open(folder.path());
        assert!(opened.journal_damage.is_some(), "{opened:?}");
        let kept = opened.quarantine.unwrap().join(last.file_name().unwrap());
        assert_eq!(fs::read(kept).unwrap(), bytes);
        disk.commit(sample::commit(60)).await.unwrap();
        let (position, state) = (disk.position(), everything(&disk));
        disk.close().unwrap();
        fs::remove_dir_all(folder.path().join("sled")).unwrap();
        let (disk, opened) = open(folder.path());
        assert_eq!(opened.journal_damage, None, "header: {header}");
        assert_eq!((disk.position(), everything(&disk)), (position, state));
    }
}
