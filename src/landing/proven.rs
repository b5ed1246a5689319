//! Files that this process wrote and hashed itself, and what shows that nobody has touched them since: their
//! bytes need not be hashed again. It is known in memory only, so after a restart all of them are.

use super::merge;
use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// More files than that are not remembered; they are hashed again.
const REMEMBERED_MAX: usize = 4096;

/// Differs once a file was written, replaced, or given other times: nobody can set the time of its last change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    fn of(path: &Path) -> io::Result<Identity> {
        path.symlink_metadata().map(|found| Identity::from(&found))
    }

    /// Whether a change after `now`, read before this was, must show. File systems tell time in steps: a file as
    /// young as their clock could be written again without a trace.
    fn is_before(&self, now: Option<Identity>) -> bool {
        now.is_some_and(|now| now.device == self.device && now.changed > self.changed)
    }
}

impl From<&Metadata> for Identity {
    fn from(found: &Metadata) -> Identity {
        Identity {
            device: found.dev(),
            inode: found.ino(),
            length: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}

/// Files of one landing folder.
#[derive(Debug)]
pub(super) struct Proven {
    /// Where the file system's clock is read: a file is made here and removed again.
    clock: PathBuf,
    files: Mutex<BTreeMap<PathBuf, (Identity, String)>>,
}

impl Proven {
    pub fn new(root: &Path) -> Proven {
        Proven {
            clock: root.join("staging").join(".clock"),
            files: Mutex::default(),
        }
    }

    /// Remembers the hash of a file that this process has just sealed.
    pub fn remember(&self, path: &Path, sha256: &str) {
        let now = self.now();
        if let Ok(identity) = Identity::of(path)
            && identity.is_before(now)
        {
            self.keep(path, identity, sha256);
        }
    }

    /// Whether a file has this length and hash. It is read, unless its bytes are known already.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn prove(&self, path: &Path, bytes: u64, sha256: &str) -> io::Result<bool> {
        if self.holds(path, bytes, sha256) {
            return Ok(true);
        }
        let now = self.now();
        let before = Identity::of(path)?;
        if before.length != bytes {
            return Ok(false);
        }
        if merge::hash_file(path)? != (bytes, sha256.to_owned()) {
            return Ok(false);
        }
        if before.is_before(now) && Identity::of(path)? == before {
            self.keep(path, before, sha256);
        }
        Ok(true)
    }

    /// Whether a file has this length and hash, as far as that is known without reading it.
    pub fn holds(&self, path: &Path, bytes: u64, sha256: &str) -> bool {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.get(path).is_some_and(|(identity, known)| {
            (identity.length, &known[..]) == (bytes, sha256)
                && Identity::of(path).is_ok_and(|found| found == *identity)
        })
    }

    fn keep(&self, path: &Path, identity: Identity, sha256: &str) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if files.len() >= REMEMBERED_MAX {
            files.clear();
        }
        files.insert(path.to_owned(), (identity, sha256.to_owned()));
    }

    /// A file as young as the file system's clock.
    fn now(&self) -> Option<Identity> {
        let now = || -> io::Result<Identity> {
            let mut clock = File::create(&self.clock)?;
            clock.write_all(b"x")?;
            let now = clock.metadata().map(|now| Identity::from(&now));
            fs::remove_file(&self.clock)?;
            now
        };
        now().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::FileTimes;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    /// A file of three bytes, remembered once the file system's clock has gone on.
    fn remembered() -> (tempfile::TempDir, PathBuf, Proven) {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("staging")).expect("a folder");
        let path = folder.path().join("raw");
        fs::write(&path, "abc").expect("written");
        let proven = Proven::new(folder.path());
        while !proven.holds(&path, 3, ABC) {
            assert!(proven.prove(&path, 3, ABC).expect("read"));
        }
        (folder, path, proven)
    }

    fn put_back(path: &Path, modified: io::Result<std::time::SystemTime>) {
        let times = FileTimes::new().set_modified(modified.expect("a time"));
        let file = File::options().write(true).open(path).expect("opened");
        file.set_times(times).expect("put back");
    }

    #[test]
    fn a_file_that_nobody_touched_holds_what_was_hashed() {
        let (_folder, path, proven) = remembered();
        assert!(proven.holds(&path, 3, ABC));
        assert!(!proven.holds(&path, 3, "bb"));
        assert!(!proven.holds(&path.with_extension("other"), 3, ABC));
    }

    #[test]
    fn other_bytes_of_the_same_length_and_time_are_noticed() {
        let (_folder, path, proven) = remembered();
        let modified = || path.metadata().and_then(|found| found.modified());
        let before = modified();
        fs::write(&path, "abd").expect("written");
        put_back(&path, before);
        assert!(!proven.holds(&path, 3, ABC));
        assert!(!proven.prove(&path, 3, ABC).expect("read"));
    }

    #[test]
    fn another_file_of_the_name_is_noticed_and_read() {
        let (folder, path, proven) = remembered();
        let other = folder.path().join("other");
        fs::write(&other, "abc").expect("written");
        put_back(&other, path.metadata().and_then(|found| found.modified()));
        fs::rename(&other, &path).expect("renamed");
        assert!(!proven.holds(&path, 3, ABC));
        assert!(proven.prove(&path, 3, ABC).expect("read"));
        fs::remove_file(&path).expect("removed");
        assert!(!proven.holds(&path, 3, ABC));
        let gone = proven.prove(&path, 3, ABC).expect_err("gone");
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_file_as_young_as_the_clock_is_not_remembered() {
        let (_folder, path, proven) = remembered();
        let now = proven.now();
        assert!(Identity::of(&path).expect("there").is_before(now));
        assert!(!now.expect("a clock").is_before(now));
        assert!(!now.expect("a clock").is_before(None));
    }

    #[test]
    fn a_file_of_another_length_is_not_proven() {
        let (_folder, path, proven) = remembered();
        assert!(!proven.holds(&path, 4, ABC));
        assert!(!proven.prove(&path, 4, ABC).expect("looked at"));
    }
}
