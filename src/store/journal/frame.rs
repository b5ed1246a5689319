//! One commit in the journal: `length u32 · first sequence u64 · events u32 · CRC32C u32 · payload`, little endian.
//! The checksum covers the header before it and the payload.

use crate::store::{Sequence, limit};

pub const HEADER: usize = 20;

/// Where a frame lies and which events it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    pub offset: u64,
    pub first: Sequence,
    pub events: u32,
    pub payload: u32,
}

impl Frame {
    pub fn end(&self) -> u64 {
        self.offset + HEADER as u64 + u64::from(self.payload)
    }

    /// The sequence that follows the frame's last event.
    pub fn next(&self) -> Sequence {
        self.first + Sequence::from(self.events)
    }

    /// Reads a header that could be one; only the checksum tells whether it is.
    pub fn plausible(header: &[u8; HEADER], offset: u64) -> Option<Frame> {
        let frame = Frame {
            offset,
            payload: u32::from_le_bytes(header[0..4].try_into().ok()?),
            first: u64::from_le_bytes(header[4..12].try_into().ok()?),
            events: u32::from_le_bytes(header[12..16].try_into().ok()?),
        };
        let sane = frame.payload > 0
            && frame.payload as usize <= limit::COMMIT_BYTES
            && frame.first > 0
            && frame.first < 1 << 56
            && frame.events as usize <= limit::COMMIT_EVENTS;
        sane.then_some(frame)
    }
}

/// Appends a frame to `bytes`.
pub fn encode(bytes: &mut Vec<u8>, first: Sequence, events: u32, payload: &[u8]) {
    let start = bytes.len();
    bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&first.to_le_bytes());
    bytes.extend_from_slice(&events.to_le_bytes());
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&bytes[start..]), payload);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes.extend_from_slice(payload);
}

pub fn intact(header: &[u8; HEADER], payload: &[u8]) -> bool {
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&header[..16]), payload);
    header[16..] == checksum.to_le_bytes()
}

/// The whole frame at `offset` of `bytes`, with its payload.
pub fn at(bytes: &[u8], offset: usize) -> Option<(Frame, &[u8])> {
    let (header, rest) = bytes.get(offset..)?.split_first_chunk::<HEADER>()?;
    let frame = Frame::plausible(header, offset as u64)?;
    let payload = rest.get(..frame.payload as usize)?;
    intact(header, payload).then_some((frame, payload))
}
