//! A second file with the bytes of a first, by the cheapest way that leaves two files.

use rustix::fs::{OFlags, ioctl_ficlone};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Bytes moved at a time.
const BLOCK: usize = 4 << 20;
/// Writing past the page cache asks for memory, offsets and lengths in multiples of a disk's blocks.
const GRAIN: usize = 4096;

/// Copies `from` into the new file `to`. Where the file system can, both share their blocks until one is written;
/// else a large file is written past the page cache, which would have to be filled and emptied for it.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<File> {
    let mut source = File::open(from)?;
    let mut target = File::create_new(to)?;
    if ioctl_ficlone(&target, &source).is_ok() {
        return Ok(target);
    }
    let length = source.metadata()?.len();
    let past = match length >= BLOCK as u64 {
        true => past_the_cache(&source, to)?,
        false => 0,
    };
    source.seek(SeekFrom::Start(past))?;
    target.seek(SeekFrom::Start(past))?;
    io::copy(&mut source, &mut target)?;
    Ok(target)
}

/// Writes as much as can be written so, and says how much that was: all but the last few bytes, or nothing
/// where the file system or the disk does not allow it.
fn past_the_cache(source: &File, to: &Path) -> io::Result<u64> {
    let flags = OFlags::DIRECT.bits().cast_signed();
    let opened = OpenOptions::new().write(true).custom_flags(flags).open(to);
    let Ok(target) = opened else {
        return Ok(0);
    };
    let mut room = vec![0; BLOCK + GRAIN];
    let aligned = room.as_ptr().align_offset(GRAIN);
    let block = &mut room[aligned..aligned + BLOCK];
    let mut at = 0;
    loop {
        let length = fill(source, at, block)?;
        let whole = length - length % GRAIN;
        if whole == 0 {
            return Ok(at);
        }
        match target.write_all_at(&block[..whole], at) {
            Ok(()) => at += whole as u64,
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Ok(0),
            Err(error) => return Err(error),
        }
        if whole < length {
            return Ok(at);
        }
    }
}

/// Reads until the block is full or the file ends.
fn fill(source: &File, at: u64, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match source.read_at(&mut block[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn copies_of_every_length_around_a_block_are_the_same_bytes_in_another_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let lengths = [
            0,
            1,
            GRAIN - 1,
            BLOCK - 1,
            BLOCK,
            BLOCK + 1,
            BLOCK + GRAIN,
            2 * BLOCK + 777,
        ];
        for length in lengths {
            let bytes: Vec<u8> = (0..length).map(|at| (at * 31 % 251) as u8).collect();
            fs::write(&from, &bytes).expect("written");
            copy(&from, &to).expect("copied");
            assert!(fs::read(&to).expect("read") == bytes, "{length} bytes");
            let inode = |path: &Path| path.metadata().expect("there").ino();
            assert_ne!(inode(&from), inode(&to));
            fs::remove_file(&to).expect("removed");
        }
    }

    #[test]
    fn a_file_that_is_there_is_never_written_into() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::write(&from, "new").expect("written");
        fs::write(&to, "old").expect("written");
        let refused = copy(&from, &to).expect_err("there already");
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&to).expect("read"), b"old");
    }
}
