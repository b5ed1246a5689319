//! The state folder itself: its lock, its format, its ballast, and what is set aside in it.

use super::settings::Settings;
use crate::store::Error;
use crate::store::journal::segment;
use chrono::{DateTime, SecondsFormat, Utc};
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The newest format this code reads and the one it writes.
pub const FORMAT: u32 = 2;
/// The older one, which `migrate` brings to it: finished runs were not packed together.
const FORMER_FORMAT: u32 = 1;
/// So many sets of a broken sled are kept for whoever wants to look into them.
const BROKEN_KEPT: usize = 3;

/// Tries to take the lock, and the rest between two.
const FORKING_TRIES: u32 = 10;
const FORKING_REST: std::time::Duration = std::time::Duration::from_millis(20);

/// A locked state folder. The lock ends with the value.
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

pub fn io_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.display().to_string();
    move |source| Error::Io {
        operation,
        path,
        source,
    }
}

/// A process that is just being started holds a copy of every lock until it has become another program: so long a lock
/// that is let go of may seem held.
fn take(lock: &File, path: &Path) -> Result<(), Error> {
    for left in (0..FORKING_TRIES).rev() {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if left == 0 => break,
            Err(TryLockError::WouldBlock) => {
                #[expect(clippy::disallowed_methods, reason = "a moment, before anything runs")]
                std::thread::sleep(FORKING_REST);
            }
            Err(TryLockError::Error(source)) => return Err(io_error("lock", path)(source)),
        }
    }
    Err(Error::Locked)
}

/// Whether there is a state in the folder, or a piece of one.
pub fn holds_state(path: &Path) -> bool {
    let mut pieces = ["sled", "journal", "snapshots"].iter();
    pieces.any(|piece| path.join(piece).exists())
}

impl Folder {
    /// Locks the folder before anything else is written, then checks that its format is not a newer one.
    pub fn lock(path: &Path) -> Result<Folder, Error> {
        fs::create_dir_all(path).map_err(io_error("make", path))?;
        let own = path.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&own)
            .map_err(io_error("open", &own))?;
        take(&lock, &own)?;
        let folder = Folder {
            path: path.to_owned(),
            _lock: lock,
        };
        folder.check_format()?;
        Ok(folder)
    }

    fn check_format(&self) -> Result<(), Error> {
        self.check_journal()?;
        match self.read_format()? {
            Some(FORMAT) => Ok(()),
            Some(found) if found > FORMAT => Err(Error::NewerFormat {
                found,
                known: FORMAT,
            }),
            Some(_) | None => self.begin_format(),
        }
    }

    /// What `FORMAT` says; `None` if it is not there, or empty. What it cannot say is not guessed: a migration of what
    /// another program wrote would spoil it.
    fn read_format(&self) -> Result<Option<u32>, Error> {
        let path = self.join("FORMAT");
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(io_error("read", &path))?,
        };
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let number = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(0) => {}
            Ok(found) => return Ok(Some(found)),
            // More than a number can be.
            Err(_) if number => return Ok(Some(u32::MAX)),
            Err(_) => {}
        }
        Err(Error::UnknownFormat {
            path: path.display().to_string(),
            text: text.chars().take(20).collect(),
            known: FORMAT,
        })
    }

    /// A folder without a state is of the present format from now on; a state of an older one, or one whose `FORMAT` is
    /// lost, waits for `migrate`.
    fn begin_format(&self) -> Result<(), Error> {
        match holds_state(&self.path) {
            true => Ok(()),
            false => self.write_format().map(drop),
        }
    }

    /// The older format that the folder is of, or may be of.
    pub fn former(&self) -> Result<Option<u32>, Error> {
        match self.read_format()? {
            Some(FORMAT) => Ok(None),
            _ => Ok(Some(FORMER_FORMAT)),
        }
    }

    /// A backup or a careless hand may have lost `FORMAT`; what a newer one wrote must not pass for damage.
    fn check_journal(&self) -> Result<(), Error> {
        let journal = self.join("journal");
        let firsts = match segment::list(&journal) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            listed => listed.map_err(io_error("list", &journal))?,
        };
        for first in firsts.into_iter().rev() {
            let path = segment::path(&journal, first);
            match segment::version(&path).map_err(io_error("read", &path))? {
                Some(found) if found > FORMAT => {
                    return Err(Error::NewerFormat {
                        found,
                        known: FORMAT,
                    });
                }
                Some(_) => return Ok(()),
                // A header that a crash cut short: an older segment knows.
                None => {}
            }
        }
        Ok(())
    }

    /// Declares the folder to be of the present format, which is answered.
    pub fn write_format(&self) -> Result<u32, Error> {
        let written = self.replace("FORMAT", format!("{FORMAT}\n").as_bytes());
        written.map_err(io_error("write", &self.join("FORMAT")))?;
        Ok(FORMAT)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub fn sync(&self) -> io::Result<()> {
        sync_folder(&self.path)
    }

    /// Writes a small file whole: beside it, synced, renamed.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let beside = self.join(&format!("{name}.tmp"));
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, self.join(name))?;
        self.sync()
    }

    /// Bytes that are free for it; `None` if the file system does not say.
    pub fn free(&self) -> Option<u64> {
        let found = statvfs(&self.path).ok()?;
        Some(found.f_bavail.saturating_mul(found.f_frsize))
    }

    /// Gives up the ballast when the disk is nearly full: sled cannot even be opened without space.
    /// Otherwise sees to it that there is one.
    pub fn trim_ballast(&self, settings: &Settings) -> Ballast {
        let path = self.join("ballast");
        let bytes = settings.ballast_bytes;
        let Some(free) = self.free() else {
            return Ballast::Kept;
        };
        if free < bytes {
            return match fs::remove_file(&path) {
                Ok(()) => Ballast::Released,
                Err(_) => Ballast::Kept,
            };
        }
        if bytes > 0 && free > bytes.saturating_mul(4) && !path.exists() {
            // Only a precaution: a disk without room for it, or a file system without the call, is no failure.
            let made = File::create(&path).map(|file| {
                fallocate(&file, FallocateFlags::empty(), 0, bytes)
                    .or_else(|_| fs::remove_file(&path).map_err(|_| rustix::io::Errno::IO))
            });
            drop(made);
        }
        Ballast::Kept
    }

    /// Moves `name` into this start's quarantine.
    pub fn set_aside(&self, name: &str, at: DateTime<Utc>) -> io::Result<PathBuf> {
        let quarantine = self.quarantine(at)?;
        let leaf = Path::new(name).file_name().unwrap_or_default();
        fs::rename(self.join(name), unused(quarantine.join(leaf)))?;
        sync_folder(&quarantine)?;
        self.sync()?;
        self.forget_old_broken();
        Ok(quarantine)
    }

    /// Copies `path` into this start's quarantine.
    pub fn copy_aside(&self, path: &Path, at: DateTime<Utc>) -> io::Result<PathBuf> {
        let quarantine = self.quarantine(at)?;
        let copy = unused(quarantine.join(path.file_name().unwrap_or_default()));
        fs::copy(path, &copy)?;
        File::open(&copy)?.sync_all()?;
        sync_folder(&quarantine)?;
        Ok(quarantine)
    }

    fn quarantine(&self, at: DateTime<Utc>) -> io::Result<PathBuf> {
        self.make_beside("quarantine", at)
    }

    /// `PREFIX.TIME` in the folder.
    pub fn named_beside(&self, prefix: &str, at: DateTime<Utc>) -> PathBuf {
        let stamp = at.to_rfc3339_opts(SecondsFormat::Millis, true);
        self.join(&format!("{prefix}.{}", stamp.replace(['-', ':'], "")))
    }

    /// Makes the folder `PREFIX.TIME`, unless it is there.
    pub fn make_beside(&self, prefix: &str, at: DateTime<Utc>) -> io::Result<PathBuf> {
        let path = self.named_beside(prefix, at);
        fs::create_dir_all(&path)?;
        self.sync()?;
        Ok(path)
    }

    /// A broken sled can be refilled and is kept for the curious only; a piece of the journal is never removed.
    fn forget_old_broken(&self) {
        let Ok(entries) = fs::read_dir(&self.path) else {
            return;
        };
        let mut broken: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path().join("sled")))
            .filter(|path| path.is_dir() && path.parent().is_some_and(named_quarantine))
            .collect();
        broken.sort();
        let surplus = broken.len().saturating_sub(BROKEN_KEPT);
        for path in &broken[..surplus] {
            // What cannot be removed now is tried again next time.
            drop(fs::remove_dir_all(path));
            drop(path.parent().map(fs::remove_dir));
        }
    }
}

fn named_quarantine(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with("quarantine."))
}

fn unused(path: PathBuf) -> PathBuf {
    let numbered = (1..).map(|number| PathBuf::from(format!("{}.{number}", path.display())));
    let mut all = std::iter::once(path.clone()).chain(numbered);
    all.find(|path| !path.exists()).unwrap_or(path)
}

pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// What became of the ballast at a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ballast {
    Kept,
    Released,
}
