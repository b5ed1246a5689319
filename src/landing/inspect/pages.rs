//! The pages of a Parquet file before any is unpacked: where each begins, and how much it claims to become.
//! A decoder reserves what a header claims, so a lie there must be met first.

use super::content;
use crate::run::Fault;
use flate2::read::MultiGzDecoder;
use parquet::basic::Compression;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// The largest page, unpacked; writers cut at 1 MiB, and none at more than 100 MiB.
pub(super) const PAGE_MAX: u64 = 128 << 20;
/// A page's header holds at most two statistics values beside a few numbers.
const HEADER_MAX: u64 = 16 << 20;
/// Structures within structures.
const DEPTH_MAX: u32 = 8;

/// Refuses a file with a page that lies outside its column or claims too much.
pub(super) fn check(file: &File, metadata: &ParquetMetaData) -> Result<(), Fault> {
    for group in super::parquet::filled(metadata) {
        for chunk in metadata.row_group(group).columns() {
            check_chunk(file, chunk)?;
        }
    }
    Ok(())
}

fn check_chunk(file: &File, chunk: &ColumnChunkMetaData) -> Result<(), Fault> {
    let name = chunk.column_path().string();
    let wrong = |what: &str| {
        content(format!(
            "the Parquet file is corrupt: column `{name}` has a page {what}"
        ))
    };
    let data = chunk.data_page_offset();
    let start = chunk
        .dictionary_page_offset()
        .map_or(data, |at| at.min(data));
    let mut at = start.unsigned_abs();
    let end = at.saturating_add(chunk.compressed_size().unsigned_abs());
    while at < end {
        let mut thrift = Thrift::at(file, at, end);
        let header = thrift
            .page_header()
            .map_err(|_| wrong("whose header cannot be read"))?;
        let body = thrift.at;
        let (Ok(packed), Ok(unpacked)) = (
            u64::try_from(header.compressed),
            u64::try_from(header.uncompressed),
        ) else {
            return Err(wrong("of a negative size"));
        };
        if unpacked > PAGE_MAX {
            return Err(wrong(&format!("that claims {unpacked} bytes")));
        }
        let Some(next) = body.checked_add(packed).filter(|next| *next <= end) else {
            return Err(wrong("that reaches beyond its column"));
        };
        // The other codecs stop at what the header claims.
        if matches!(chunk.compression(), Compression::GZIP(_)) {
            let packed = Slice {
                file,
                at: body,
                end: next,
            };
            if !inflates_to(packed, unpacked) {
                return Err(wrong("that holds more than it claims"));
            }
        }
        at = next;
    }
    Ok(())
}

/// Whether gzip data is no longer than `claimed` once unpacked; errors are left to the decoder.
fn inflates_to(packed: impl Read, claimed: u64) -> bool {
    let mut plain = MultiGzDecoder::new(packed).take(claimed + 1);
    io::copy(&mut plain, &mut io::sink()).is_ok_and(|bytes| bytes <= claimed)
}

/// Some bytes of a file, whose own position does not matter.
struct Slice<'f> {
    file: &'f File,
    at: u64,
    end: u64,
}

impl Read for Slice<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let length = self.file.read_at(&mut buffer[..wanted], self.at)?;
        self.at += length as u64;
        Ok(length)
    }
}

#[derive(Default)]
struct PageHeader {
    uncompressed: i64,
    compressed: i64,
}

/// Reads just enough of Thrift's compact protocol to find the end of a page's header.
struct Thrift<'f> {
    slice: Slice<'f>,
    buffer: [u8; 256],
    filled: usize,
    used: usize,
    /// Where the next byte lies.
    at: u64,
    limit: u64,
}

/// The header is not one, or is longer than any.
struct Broken;

impl<'f> Thrift<'f> {
    fn at(file: &'f File, at: u64, end: u64) -> Thrift<'f> {
        Thrift {
            slice: Slice { file, at, end },
            buffer: [0; 256],
            filled: 0,
            used: 0,
            at,
            limit: end.min(at.saturating_add(HEADER_MAX)),
        }
    }

    fn page_header(&mut self) -> Result<PageHeader, Broken> {
        let mut header = PageHeader::default();
        let mut field = 0;
        while let Some(kind) = self.field(&mut field)? {
            match (field, kind) {
                (2, 5) => header.uncompressed = self.number()?,
                (3, 5) => header.compressed = self.number()?,
                _ => self.skip(kind, 0)?,
            }
        }
        Ok(header)
    }

    fn byte(&mut self) -> Result<u8, Broken> {
        if self.at >= self.limit {
            return Err(Broken);
        }
        if self.used == self.filled {
            self.filled = self.slice.read(&mut self.buffer).map_err(|_| Broken)?;
            self.used = 0;
        }
        let byte = *self.buffer[..self.filled].get(self.used).ok_or(Broken)?;
        self.used += 1;
        self.at += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64, Broken> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Broken)
    }

    fn number(&mut self) -> Result<i64, Broken> {
        let zigzag = self.varint()?;
        Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
    }

    /// The next field's type, its number put into `field`; `None` at the end of the structure.
    fn field(&mut self, field: &mut i64) -> Result<Option<u8>, Broken> {
        let head = self.byte()?;
        if head == 0 {
            return Ok(None);
        }
        *field = match head >> 4 {
            0 => self.number()?,
            step => *field + i64::from(step),
        };
        Ok(Some(head & 15))
    }

    fn skip(&mut self, kind: u8, depth: u32) -> Result<(), Broken> {
        if depth > DEPTH_MAX {
            return Err(Broken);
        }
        match kind {
            1 | 2 => Ok(()),
            3 => self.byte().map(drop),
            4..=6 => self.varint().map(drop),
            7 => self.bytes(8),
            8 => {
                let length = self.varint()?;
                self.bytes(length)
            }
            9 | 10 => self.list(depth),
            12 => {
                let mut field = 0;
                while let Some(kind) = self.field(&mut field)? {
                    self.skip(kind, depth + 1)?;
                }
                Ok(())
            }
            _ => Err(Broken),
        }
    }

    fn list(&mut self, depth: u32) -> Result<(), Broken> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.varint()?,
            count => u64::from(count),
        };
        for _ in 0..count {
            match head & 15 {
                // Within a list a truth takes a byte.
                1 | 2 => drop(self.byte()?),
                kind => self.skip(kind, depth + 1)?,
            }
        }
        Ok(())
    }

    fn bytes(&mut self, count: u64) -> Result<(), Broken> {
        for _ in 0..count {
            self.byte()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_gzip_page_that_holds_more_than_it_claims_is_found_early() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(&vec![0; 1 << 20]).expect("packed");
        let packed = packed.finish().expect("packed");
        assert!(inflates_to(&packed[..], 1 << 20));
        assert!(!inflates_to(&packed[..], (1 << 20) - 1));
        assert!(!inflates_to(&packed[..50], 1 << 20));
    }
}
