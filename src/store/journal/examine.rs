//! The journal's end as a start finds it: whole, torn, or damaged.

use super::Shelf;
use super::frame::{Frame, HEADER};
use super::segment::{self, Piece};
use crate::store::Sequence;
use std::fs::{self, OpenOptions};
use std::io;
use std::ops::{ControlFlow, Range};
use std::path::Path;

/// What the newest segments look like.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct End {
    /// The newest segment with a whole frame.
    pub segment: Option<Sequence>,
    /// The last event before anything bad in it.
    pub verified: Sequence,
    /// The last event that the journal knows to have existed.
    pub seen: Sequence,
    /// Bytes after the last whole frame: a write that a crash cut short.
    pub torn: Option<Range<u64>>,
    /// Bytes that are no frame and that no crash leaves: those before a whole frame, and those that were wholly written once.
    pub damage: Option<Range<u64>>,
    /// Younger segments without a whole frame, and their bytes beyond the header.
    pub hollow: Vec<(Sequence, u64)>,
}

/// Reads back to the newest segment that has a frame. Changes nothing.
pub fn end(shelf: &Shelf) -> io::Result<End> {
    let mut hollow = Vec::new();
    let mut seen = 0;
    for first in shelf.firsts().into_iter().rev() {
        let path = shelf.path(first);
        let found = examine(&path, first)?;
        seen = found.seen.max(seen);
        if found.segment.is_some() {
            return Ok(End {
                seen,
                hollow,
                ..found
            });
        }
        let bytes = fs::metadata(&path)?.len().saturating_sub(segment::START);
        hollow.push((first, bytes));
    }
    // The name of a segment without frames still says what came before it.
    Ok(End {
        verified: seen,
        seen,
        hollow,
        ..End::default()
    })
}

fn examine(path: &Path, first: Sequence) -> io::Result<End> {
    let before = first.saturating_sub(1);
    let mut end = End {
        verified: before,
        seen: before,
        ..End::default()
    };
    let mut bad: Option<Range<u64>> = None;
    segment::visit(path, 0, |piece| {
        match piece {
            Piece::Bad(range) => bad = bad.take().or(Some(range)),
            Piece::Frame(frame, _) => {
                end.segment = Some(first);
                note(&mut end, &frame, bad.take());
            }
        }
        ControlFlow::Continue(())
    })?;
    match bad {
        Some(range) if !cut_short(&fs::read(path)?, &range) => {
            end.segment = Some(first);
            let earlier = end.damage.take();
            end.damage = earlier.or(Some(range));
        }
        bad => end.torn = bad,
    }
    Ok(end)
}

/// Whether a crash may have left these last bytes: the beginning of a frame, or one with a piece that never reached the disk, which
/// then reads as zeros. A frame that is all there and does not match its checksum was acknowledged, and was changed since.
fn cut_short(bytes: &[u8], bad: &Range<u64>) -> bool {
    if bad.start < segment::START {
        return bytes.len() < segment::START as usize
            || unwritten(bytes, 0, segment::START as usize);
    }
    let start = bad.start as usize;
    let Some(header) = bytes.get(start..).and_then(<[u8]>::first_chunk::<HEADER>) else {
        return true;
    };
    let end = match Frame::plausible(header, bad.start) {
        Some(frame) if frame.end() > bytes.len() as u64 => return true,
        Some(frame) => frame.end() as usize,
        None => start + HEADER,
    };
    unwritten(bytes, start, end)
}

/// What a disk writes at once, or not at all.
const SECTOR: usize = 512;

/// Whether some sector has nothing but zeros between `from` and `to`.
fn unwritten(bytes: &[u8], from: usize, to: usize) -> bool {
    let first = from / SECTOR * SECTOR;
    (first..to).step_by(SECTOR).any(|sector| {
        let piece = &bytes[sector.max(from)..(sector + SECTOR).min(to)];
        piece.iter().all(|byte| *byte == 0)
    })
}

fn note(end: &mut End, frame: &Frame, bad: Option<Range<u64>>) {
    if frame.first != end.seen + 1 {
        // Whole, but not what follows its predecessor: something between them is gone.
        end.damage.get_or_insert(frame.offset..frame.offset);
    }
    if let Some(range) = bad {
        end.damage = match end.damage.take() {
            Some(earlier) if earlier.start < range.start => Some(earlier),
            _ => Some(range),
        };
    }
    end.seen = end.seen.max(frame.next() - 1);
    if end.damage.is_none() {
        end.verified = end.seen;
    }
}

/// Cuts the file to `length`, durably.
pub fn cut(path: &Path, length: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(length)?;
    file.sync_all()
}
