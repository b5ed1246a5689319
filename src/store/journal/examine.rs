//! The journal's end as a start finds it: whole, torn, or damaged.

use super::segment::{self, Piece};
use super::{Shelf, frame::Frame};
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
    /// Bytes before a whole frame that are none themselves.
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
    end.torn = bad;
    Ok(end)
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
