//! The files of the journal: `00000000000000000001.log`, named by the first sequence they may hold.

use super::frame::{self, Frame, HEADER};
use crate::store::Sequence;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};

const MAGIC: [u8; 8] = *b"aptiqdjl";
/// The oldest format of a state folder whose programs read such a segment: a journal without its folder still says
/// whether it is for this program. Formats 1 and 2 have the same.
const VERSION: u32 = 1;
/// Bytes before the first frame.
pub const START: u64 = 16;

pub fn header() -> [u8; START as usize] {
    let mut header = [0; START as usize];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let checksum = crc32c::crc32c(&header[..12]);
    header[12..].copy_from_slice(&checksum.to_le_bytes());
    header
}

/// The version that the segment's header names, if the header is whole, whatever lies behind it.
pub fn version(path: &Path) -> io::Result<Option<u32>> {
    let mut found = [0; START as usize];
    match File::open(path)?.read_exact(&mut found) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let number = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| found[at + byte]));
    let whole = found[..8] == MAGIC && number(12) == crc32c::crc32c(&found[..12]);
    Ok(whole.then(|| number(8)))
}

pub fn path(folder: &Path, first: Sequence) -> PathBuf {
    folder.join(format!("{first:020}.log"))
}

/// First sequences of the segments in `folder`, ascending. Foreign files are left alone.
pub fn list(folder: &Path) -> io::Result<Vec<Sequence>> {
    let mut firsts = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_suffix(".log"));
        if let Some(digits) = digits.filter(|digits| digits.len() == 20) {
            firsts.extend(digits.parse::<Sequence>().ok());
        }
    }
    firsts.sort_unstable();
    Ok(firsts)
}

/// What a segment consists of.
pub enum Piece<'a> {
    Frame(Frame, &'a [u8]),
    /// Bytes that are no frame.
    Bad(Range<u64>),
}

/// Shows every piece of the segment from `offset` on (0 for all of it), in order, until told to stop.
///
/// # Errors
/// Those of reading; bytes that are no frame are a piece, not an error.
pub fn visit(
    path: &Path,
    offset: u64,
    mut show: impl FnMut(Piece<'_>) -> ControlFlow<()>,
) -> io::Result<()> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut at = offset;
    if at < START {
        let mut found = [0; START as usize];
        at = match file.read_exact(&mut found) {
            Ok(()) if found == header() => START,
            _ => return visit_damaged(path, 0, show),
        };
    }
    file.seek(SeekFrom::Start(at))?;
    let mut reader = BufReader::with_capacity(64 * 1024, file);
    let mut payload = Vec::new();
    while at < length {
        let Some(frame) = read_frame(&mut reader, at, length, &mut payload)? else {
            return visit_damaged(path, at, show);
        };
        at = frame.end();
        if show(Piece::Frame(frame, &payload)).is_break() {
            break;
        }
    }
    Ok(())
}

fn read_frame(
    reader: &mut impl Read,
    offset: u64,
    length: u64,
    payload: &mut Vec<u8>,
) -> io::Result<Option<Frame>> {
    let mut header = [0; HEADER];
    if length - offset < HEADER as u64 {
        return Ok(None);
    }
    reader.read_exact(&mut header)?;
    let Some(frame) = Frame::plausible(&header, offset).filter(|frame| frame.end() <= length)
    else {
        return Ok(None);
    };
    payload.resize(frame.payload as usize, 0);
    reader.read_exact(payload)?;
    Ok(frame::intact(&header, payload).then_some(frame))
}

/// The slow way, which finds the frames beyond bytes that are none.
fn visit_damaged(
    path: &Path,
    offset: u64,
    mut show: impl FnMut(Piece<'_>) -> ControlFlow<()>,
) -> io::Result<()> {
    let bytes = fs::read(path)?;
    let mut at = offset as usize;
    while at < bytes.len() {
        let next = (at..bytes.len()).find_map(|start| Some((start, frame::at(&bytes, start)?)));
        let good = next.as_ref().map_or(bytes.len(), |(start, _)| *start);
        if good > at && show(Piece::Bad(at as u64..good as u64)).is_break() {
            break;
        }
        let Some((_, (frame, payload))) = next else {
            break;
        };
        at = frame.end() as usize;
        if show(Piece::Frame(frame, payload)).is_break() {
            break;
        }
    }
    Ok(())
}

/// Reads the one frame at `offset`.
pub fn read_at(path: &Path, offset: u64) -> io::Result<Option<(Frame, Vec<u8>)>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(offset))?;
    let mut payload = Vec::new();
    let frame = match offset < length {
        true => read_frame(&mut file, offset, length, &mut payload)?,
        false => None,
    };
    Ok(frame.map(|frame| (frame, payload)))
}
