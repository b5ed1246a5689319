//! Whether the landing folder can take more: there, writable, and not nearly full.

use super::Landing;
use super::disk::disk_fault;
use crate::run::{Fault, FaultClass};
use rustix::fs::StatVfsMountFlags;
use std::fs;
use std::io;
use std::path::Path;

/// So much is left free for what else lives there, manifests and the journal among it; of a small
/// filesystem a twentieth.
const FLOOR: u64 = 64 << 20;
const FLOOR_SHARE: u64 = 20;

impl Landing {
    /// Refuses work while the folder cannot take `bytes` more; costs one look at the filesystem.
    pub fn admit(&self, bytes: u64) -> Result<(), Fault> {
        admit(&self.inner.settings.root, bytes)
    }

    /// Bytes that can still be written below the landing folder.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.inner.settings.root)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

fn admit(root: &Path, bytes: u64) -> Result<(), Fault> {
    // A disk that is not mounted leaves an empty folder, or none.
    fs::metadata(root.join("data")).map_err(|error| disk_fault("open", root, &error))?;
    let stat = rustix::fs::statvfs(root)
        .map_err(|error| disk_fault("look at", root, &io::Error::from(error)))?;
    if stat.f_flag.contains(StatVfsMountFlags::RDONLY) {
        let message = format!("{} is mounted read-only", root.display());
        return Err(Fault::new(FaultClass::Disk, message));
    }
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let floor = floor(stat.f_blocks.saturating_mul(stat.f_frsize));
    if free < floor.saturating_add(bytes) {
        let wanted = match bytes {
            0 => String::new(),
            bytes => format!(" for a file of {} MB", megabytes(bytes)),
        };
        let message = format!(
            "no space left: {} MB free below {}{wanted}, {} MB are kept free",
            megabytes(free),
            root.display(),
            megabytes(floor),
        );
        return Err(Fault::new(FaultClass::Disk, message));
    }
    Ok(())
}

fn floor(size: u64) -> u64 {
    FLOOR.min(size / FLOOR_SHARE)
}

fn megabytes(bytes: u64) -> u64 {
    bytes / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_gone_or_too_small_is_told_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let gone = admit(folder.path(), 0).expect_err("no data folder");
        assert_eq!(gone.class, FaultClass::Disk);
        assert!(gone.message.contains("cannot open"), "{gone}");
        fs::create_dir(folder.path().join("data")).expect("made");
        admit(folder.path(), 0).expect("room");
        let full = admit(folder.path(), u64::MAX).expect_err("too large");
        assert!(full.message.starts_with("no space left"), "{full}");
    }

    #[test]
    fn a_small_disk_keeps_a_small_part_free() {
        assert_eq!(floor(64 << 20), (64 << 20) / 20);
        assert_eq!(floor(1 << 40), FLOOR);
    }
}
