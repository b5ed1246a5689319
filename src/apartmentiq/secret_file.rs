//! A file that holds one secret on its own, and whether it has changed since it was read.

use secrecy::SecretString;
use secrecy::zeroize::Zeroize;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const SECRET_BYTES_MAX: u64 = 64 * 1024;

pub(super) struct SecretFile {
    path: PathBuf,
    /// Bits of its mode that must not be set: systemd gives its credentials to a group.
    closed_to: u32,
    /// As it was when last read: `None` before, `Some(None)` if there was no file.
    read_as: Option<Option<Stamp>>,
}

/// Seconds alone would miss two writes in one; a replaced file has another inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: (i64, i64),
    bytes: u64,
    inode: u64,
    mode: u32,
}

impl SecretFile {
    pub(super) fn new(path: PathBuf) -> SecretFile {
        let granted = std::env::var_os("CREDENTIALS_DIRECTORY");
        let granted = granted.is_some_and(|folder| path.starts_with(folder));
        SecretFile {
            path,
            closed_to: if granted { 0o007 } else { 0o077 },
            read_as: None,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether another read may give another secret than the last one did.
    pub(super) fn has_changed(&self) -> bool {
        self.read_as
            .is_some_and(|stamp| stamp != stamp_of(fs::metadata(&self.path)))
    }

    /// As if it had never been read.
    pub(super) fn forget(&mut self) {
        self.read_as = None;
    }

    /// The trimmed text. Its stamp is taken before, so that a write in between is seen as a change.
    pub(super) fn read(&mut self) -> io::Result<SecretString> {
        self.read_as = Some(stamp_of(fs::metadata(&self.path)));
        let mut text = String::new();
        let file = File::open(&self.path)?;
        // As at the start: what others can read is no secret.
        if file.metadata()?.mode() & self.closed_to != 0 {
            let path = self.path.display();
            let help = format!("it is open to others than its owner: chmod 600 {path}");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, help));
        }
        file.take(SECRET_BYTES_MAX).read_to_string(&mut text)?;
        let secret = SecretString::from(text.trim());
        text.zeroize();
        Ok(secret)
    }
}

fn stamp_of(metadata: io::Result<fs::Metadata>) -> Option<Stamp> {
    let metadata = metadata.ok()?;
    Some(Stamp {
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        bytes: metadata.len(),
        inode: metadata.ino(),
        mode: metadata.mode(),
    })
}
