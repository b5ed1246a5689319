//! The one appender. After a failed write or sync it is of no more use: what the disk holds is then unknown,
//! and a second fsync may report success for bytes that the first one lost.

use super::frame;
use super::medium::Medium;
use super::segment;
use crate::store::Sequence;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub struct Writer {
    medium: Arc<dyn Medium>,
    folder: PathBuf,
    segment_bytes: u64,
    open: Option<Open>,
    buffer: Vec<u8>,
    next: Sequence,
}

struct Open {
    first: Sequence,
    file: File,
    length: u64,
}

/// Where the frames of one batch went.
pub struct Appended {
    /// The offset of each frame in its segment.
    pub offsets: Vec<u64>,
    /// Bytes written.
    pub bytes: u64,
    /// The segment that had to be made for them.
    pub rolled: Option<Sequence>,
}

/// A payload and the number of its events.
pub type Framed<'a> = (&'a [u8], u32);

impl Writer {
    /// Goes on in `segment`, if one is given; it must end with a whole frame.
    pub fn open(
        medium: Arc<dyn Medium>,
        folder: &Path,
        segment_bytes: u64,
        segment: Option<Sequence>,
        next: Sequence,
    ) -> io::Result<Writer> {
        let open = match segment {
            None => None,
            Some(first) => {
                let path = segment::path(folder, first);
                let file = OpenOptions::new().append(true).open(path)?;
                let length = file.metadata()?.len();
                Some(Open {
                    first,
                    file,
                    length,
                })
            }
        };
        Ok(Writer {
            medium,
            folder: folder.to_owned(),
            segment_bytes,
            open,
            buffer: Vec::new(),
            next,
        })
    }

    /// The sequence that the next event gets.
    pub fn next(&self) -> Sequence {
        self.next
    }

    /// Appends all frames by one write and one `fdatasync`; durable when it returns.
    pub fn append(&mut self, frames: &[Framed<'_>]) -> io::Result<Appended> {
        self.buffer.clear();
        let mut next = self.next;
        let mut offsets = Vec::with_capacity(frames.len());
        for (payload, events) in frames {
            offsets.push(self.buffer.len() as u64);
            frame::encode(&mut self.buffer, next, *events, payload);
            next += Sequence::from(*events);
        }
        let rolled = self.roll()?;
        let Some(open) = &mut self.open else {
            return Err(io::Error::other("no segment is open"));
        };
        self.medium.append(&mut open.file, &self.buffer)?;
        self.medium.sync(&open.file)?;
        // Whoever deletes the state under a running daemon leaves bytes that nobody will find again.
        if open.file.metadata()?.nlink() == 0 {
            return Err(io::Error::other("its newest segment was deleted"));
        }
        offsets.iter_mut().for_each(|offset| *offset += open.length);
        let bytes = self.buffer.len() as u64;
        open.length += bytes;
        self.next = next;
        // One huge commit must not pin its memory for good.
        self.buffer.shrink_to(1 << 20);
        Ok(Appended {
            offsets,
            bytes,
            rolled,
        })
    }

    /// Begins a new segment if the buffer does not fit into the open one. One without an event stays: its successor
    /// would have the same name.
    fn roll(&mut self) -> io::Result<Option<Sequence>> {
        let full = |open: &Open| {
            open.first < self.next && open.length + self.buffer.len() as u64 > self.segment_bytes
        };
        if self.open.as_ref().is_some_and(|open| !full(open)) {
            return Ok(None);
        }
        let mut file = self
            .medium
            .create(&segment::path(&self.folder, self.next))?;
        self.medium.append(&mut file, &segment::header())?;
        self.medium.sync(&file)?;
        self.medium.sync_folder(&self.folder)?;
        let length = segment::START;
        let first = self.next;
        self.open = Some(Open {
            first,
            file,
            length,
        });
        Ok(Some(self.next))
    }
}
