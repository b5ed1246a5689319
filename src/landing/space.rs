//! Whether the landing folder can take more: there, writable, and not nearly full.

use super::disk::disk_fault;
use super::{Error, Landing, layout};
use crate::run::{Fault, FaultClass};
use rustix::fs::StatVfsMountFlags;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// So much is left free for what else lives there, manifests and the journal among it; of a small
/// filesystem a twentieth.
const FLOOR: u64 = 64 << 20;
const FLOOR_SHARE: u64 = 20;

impl Landing {
    /// Refuses work while the folder cannot take `bytes` more; costs one look at the filesystem.
    pub fn admit(&self, bytes: u64) -> Result<(), Fault> {
        admit(&self.inner.settings.root, self.inner.device, bytes)
    }

    /// Bytes that can still be written below the landing folder.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.inner.settings.root)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// Which file system the folder lies on.
pub(super) fn device(root: &Path) -> io::Result<u64> {
    Ok(fs::metadata(root)?.dev())
}

fn admit(root: &Path, opened_on: u64, bytes: u64) -> Result<(), Fault> {
    let now_on = device(root).map_err(|error| disk_fault("open", root, &error))?;
    if !root.join("data").exists() {
        // A disk that is not mounted leaves an empty folder of another file system; one of the same was emptied.
        if now_on != opened_on {
            let message = format!(
                "{} is empty and on another file system than when the daemon started: mount it, or restart aptiqd to \
                 land there",
                root.display()
            );
            return Err(Fault::new(FaultClass::Disk, message));
        }
        layout::prepare(root).map_err(|error| match error {
            Error::Io {
                operation,
                path,
                source,
            } => disk_fault(operation, &path, &source),
            other => Fault::new(FaultClass::Disk, other.to_string()),
        })?;
    }
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
    fn a_folder_that_is_gone_elsewhere_or_too_small_is_told_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let on = device(folder.path()).expect("it is there");
        let gone = admit(&folder.path().join("none"), on, 0).expect_err("no folder");
        assert_eq!(gone.class, FaultClass::Disk);
        assert!(gone.message.contains("cannot open"), "{gone}");
        let elsewhere = admit(folder.path(), on + 1, 0).expect_err("not mounted");
        assert!(
            elsewhere.message.contains("another file system"),
            "{elsewhere}"
        );
        assert!(!folder.path().join("data").exists());
        // Emptied where it is: made anew.
        admit(folder.path(), on, 0).expect("room");
        assert!(folder.path().join("data").exists() && folder.path().join("staging").exists());
        // A disk that came back need not have its old number.
        admit(folder.path(), on + 1, 0).expect("room");
        let full = admit(folder.path(), on, u64::MAX).expect_err("too large");
        assert!(full.message.starts_with("no space left"), "{full}");
    }

    #[test]
    fn a_small_disk_keeps_a_small_part_free() {
        assert_eq!(floor(64 << 20), (64 << 20) / 20);
        assert_eq!(floor(1 << 40), FLOOR);
    }
}
