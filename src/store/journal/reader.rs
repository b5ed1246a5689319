//! The journal as it is read: for events, and to bring the state up to it.

use super::frame::Frame;
use super::segment::{self, Piece};
use crate::store::wire;
use crate::store::{Sequence, StoredEvent};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};

/// The segments of a folder, shared by those who read them and the one who makes them.
pub struct Shelf {
    folder: PathBuf,
    firsts: RwLock<Vec<Sequence>>,
    /// A frame near which the last listing ended: the next one usually goes on there.
    bookmark: Mutex<Option<(Sequence, Frame)>>,
}

impl Shelf {
    pub fn open(folder: &Path) -> io::Result<Shelf> {
        Ok(Shelf {
            folder: folder.to_owned(),
            firsts: RwLock::new(segment::list(folder)?),
            bookmark: Mutex::new(None),
        })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// First sequences of all segments, ascending.
    pub fn firsts(&self) -> Vec<Sequence> {
        let firsts = self.firsts.read().unwrap_or_else(PoisonError::into_inner);
        firsts.clone()
    }

    pub fn path(&self, first: Sequence) -> PathBuf {
        segment::path(&self.folder, first)
    }

    pub fn add(&self, first: Sequence) {
        let mut firsts = self.firsts.write().unwrap_or_else(PoisonError::into_inner);
        firsts.push(first);
    }

    pub fn remove(&self, first: Sequence) {
        let mut firsts = self.firsts.write().unwrap_or_else(PoisonError::into_inner);
        firsts.retain(|other| *other != first);
    }

    /// Segments that can hold `sequence` or what follows it.
    pub fn from(&self, sequence: Sequence) -> Vec<Sequence> {
        let mut firsts = self.firsts();
        let before = firsts.partition_point(|first| *first <= sequence);
        firsts.drain(..before.saturating_sub(1));
        firsts
    }

    /// The event `sequence`, whose frame lies at `offset` of its segment; `None` if the journal no longer has it.
    pub fn event(&self, sequence: Sequence, offset: u64) -> io::Result<Option<StoredEvent>> {
        let firsts = self.firsts();
        let Some(place) = firsts
            .partition_point(|first| *first <= sequence)
            .checked_sub(1)
        else {
            return Ok(None);
        };
        let found = match segment::read_at(&self.path(firsts[place]), offset) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            other => other?,
        };
        Ok(found
            .filter(|(frame, _)| frame.first <= sequence && sequence < frame.next())
            .and_then(|(frame, payload)| {
                told(&frame, &payload)
                    .into_iter()
                    .find(|event| event.sequence == sequence)
            }))
    }

    /// Events after `after` up to `last`, oldest first, at most `limit`.
    pub fn events(
        &self,
        after: Sequence,
        last: Sequence,
        limit: usize,
    ) -> io::Result<Vec<StoredEvent>> {
        let mut found = Vec::new();
        if limit == 0 {
            return Ok(found);
        }
        for first in self.from(after + 1) {
            let offset = self.bookmarked(first, after);
            let visited = segment::visit(&self.path(first), offset, |piece| {
                let Piece::Frame(frame, payload) = piece else {
                    return ControlFlow::Continue(());
                };
                if frame.first > last {
                    return ControlFlow::Break(());
                }
                if frame.next() > after + 1 {
                    self.keep_bookmark(first, frame);
                    let wanted = |event: &StoredEvent| after < event.sequence;
                    found.extend(told(&frame, payload).into_iter().filter(wanted));
                }
                match found.len() >= limit {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            });
            match visited {
                // Dropped for its age since the segments were listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
            if found.len() >= limit {
                break;
            }
        }
        found.retain(|event| event.sequence <= last);
        found.truncate(limit);
        Ok(found)
    }

    fn bookmarked(&self, segment: Sequence, after: Sequence) -> u64 {
        let bookmark = self.bookmark.lock().unwrap_or_else(PoisonError::into_inner);
        match *bookmark {
            Some((place, frame)) if place == segment && frame.first <= after => frame.offset,
            _ => 0,
        }
    }

    fn keep_bookmark(&self, segment: Sequence, frame: Frame) {
        let mut bookmark = self.bookmark.lock().unwrap_or_else(PoisonError::into_inner);
        *bookmark = Some((segment, frame));
    }
}

fn told(frame: &Frame, payload: &[u8]) -> Vec<StoredEvent> {
    let Some(told) = wire::decode_events(payload) else {
        return Vec::new();
    };
    let numbered = told.events.into_iter().zip(frame.first..frame.next());
    let event = |(entry, sequence)| StoredEvent {
        sequence,
        at: told.at,
        entry,
    };
    numbered.map(event).collect()
}
