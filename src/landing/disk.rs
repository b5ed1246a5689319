//! Every step that changes the disk, behind one seam: a test can make the power fail at any of them.

use super::copying;
use super::proven::Proven;
use crate::run::{Fault, FaultClass};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A step about to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    MakeFolder,
    Create,
    Copy,
    SyncFile,
    Rename,
    SyncFolder,
    Append,
    Remove,
}

/// Sees each step first; an error stands for the step failing.
pub(super) type Witness = Arc<dyn Fn(Step, &Path) -> io::Result<()> + Send + Sync>;

#[derive(Clone)]
pub(super) struct Disk {
    root: PathBuf,
    witness: Option<Witness>,
    proven: Arc<Proven>,
}

/// A disk failure, in words and without the error's own chain.
pub(super) fn disk_fault(operation: &str, path: &Path, error: &io::Error) -> Fault {
    Fault::new(
        FaultClass::Disk,
        format!("cannot {operation} {}: {error}", path.display()),
    )
}

impl Disk {
    pub fn new(root: PathBuf) -> Disk {
        Disk {
            proven: Arc::new(Proven::new(&root)),
            witness: None,
            root,
        }
    }

    #[cfg(test)]
    pub fn witnessed(root: PathBuf, witness: Witness) -> Disk {
        Disk {
            proven: Arc::new(Proven::new(&root)),
            witness: Some(witness),
            root,
        }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    fn step(&self, step: Step, path: &Path) -> io::Result<()> {
        self.witness
            .as_ref()
            .map_or(Ok(()), |witness| witness(step, path))
    }

    /// Makes a folder and its parents, each of them durable. The root itself is never made: a
    /// landing folder that vanished (an unmounted disk) must not be silently replaced.
    pub fn make_folder(&self, path: &Path) -> Result<(), Fault> {
        if path.is_dir() {
            return Ok(());
        }
        if path == self.root {
            let gone = io::Error::from(io::ErrorKind::NotFound);
            return Err(disk_fault("open", path, &gone));
        }
        let parent = path.parent().unwrap_or(&self.root);
        self.make_folder(parent)?;
        self.step(Step::MakeFolder, path)
            .and_then(|()| match fs::create_dir(path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                other => other,
            })
            .map_err(|error| disk_fault("make", path, &error))?;
        self.sync_folder(parent)
    }

    /// An empty file for writing; a left-over of the same name goes first, so that bytes already
    /// linked elsewhere are never written through.
    pub fn create(&self, path: &Path) -> Result<File, Fault> {
        self.remove(path)?;
        self.step(Step::Create, path)
            .and_then(|()| {
                OpenOptions::new()
                    .write(true)
                    .read(true)
                    .create_new(true)
                    .open(path)
            })
            .map_err(|error| disk_fault("create", path, &error))
    }

    /// A copy of `from`, synced and sealed; filesystems that can let both share their blocks until one
    /// is written. A second name for the same file would let damage to one be damage to both.
    pub fn copy(&self, from: &Path, to: &Path) -> Result<(), Fault> {
        self.remove(to)?;
        self.step(Step::Copy, to)
            .and_then(|()| copying::copy(from, to))
            .map_err(|error| disk_fault("copy", from, &error))
            .and_then(|file| self.seal(&file, to))
    }

    /// What is known of files that need not be hashed again.
    pub fn proven(&self) -> &Proven {
        &self.proven
    }

    /// Whole and read-only from here on: what is published is never written again.
    pub fn seal(&self, file: &File, path: &Path) -> Result<(), Fault> {
        let sealed = file.metadata().and_then(|metadata| {
            let mut permissions = metadata.permissions();
            permissions.set_readonly(true);
            file.set_permissions(permissions)
        });
        sealed.map_err(|error| disk_fault("seal", path, &error))?;
        self.sync_file(file, path)
    }

    pub fn sync_file(&self, file: &File, path: &Path) -> Result<(), Fault> {
        self.step(Step::SyncFile, path)
            .and_then(|()| file.sync_all())
            .map_err(|error| disk_fault("sync", path, &error))
    }

    pub fn sync_folder(&self, path: &Path) -> Result<(), Fault> {
        self.step(Step::SyncFolder, path)
            .and_then(|()| File::open(path))
            .and_then(|folder| folder.sync_all())
            .map_err(|error| disk_fault("sync", path, &error))
    }

    /// Renames a synced file and makes the new name durable.
    pub fn rename(&self, from: &Path, to: &Path) -> Result<(), Fault> {
        self.step(Step::Rename, to)
            .and_then(|()| rename_over(from, to))
            .map_err(|error| disk_fault("rename", to, &error))?;
        self.sync_folder(to.parent().unwrap_or(&self.root))
    }

    /// Renames a folder onto a free name and makes the new name durable.
    pub fn rename_folder(&self, from: &Path, to: &Path) -> Result<(), Fault> {
        self.step(Step::Rename, to)
            .and_then(|()| fs::rename(from, to))
            .map_err(|error| disk_fault("rename", to, &error))?;
        self.sync_folder(to.parent().unwrap_or(&self.root))
    }

    /// A small file, replaced as a whole: fsync, rename, fsync. `staging` is its place until then.
    pub fn replace(&self, staging: &Path, to: &Path, bytes: &[u8]) -> Result<(), Fault> {
        for folder in [staging.parent(), to.parent()].into_iter().flatten() {
            self.make_folder(folder)?;
        }
        let mut file = self.create(staging)?;
        file.write_all(bytes)
            .map_err(|error| disk_fault("write", staging, &error))?;
        self.sync_file(&file, staging)?;
        self.rename(staging, to)
    }

    /// Appends whole lines durably; the torn tail of an interrupted append is cut off first.
    pub fn append_lines(&self, path: &Path, lines: &[u8]) -> Result<(), Fault> {
        let fresh = !path.exists();
        let append = || -> io::Result<File> {
            self.step(Step::Append, path)?;
            let mut file = OpenOptions::new()
                .read(true)
                .append(true)
                .create(true)
                .open(path)?;
            let whole = whole_lines(&file)?;
            file.set_len(whole)?;
            file.write_all(lines)?;
            Ok(file)
        };
        let file = append().map_err(|error| disk_fault("append to", path, &error))?;
        self.sync_file(&file, path)?;
        match path.parent() {
            Some(folder) if fresh => self.sync_folder(folder),
            _ => Ok(()),
        }
    }

    /// Removes a file if it is there.
    pub fn remove(&self, path: &Path) -> Result<(), Fault> {
        if fs::symlink_metadata(path).is_err() {
            return Ok(());
        }
        self.step(Step::Remove, path)
            .and_then(|()| fs::remove_file(path))
            .map_err(|error| disk_fault("remove", path, &error))
    }

    /// Removes a folder and all in it, if it is there.
    pub fn remove_folder(&self, path: &Path) -> Result<(), Fault> {
        if !path.exists() {
            return Ok(());
        }
        self.step(Step::Remove, path)
            .and_then(|()| fs::remove_dir_all(path))
            .map_err(|error| disk_fault("remove", path, &error))
    }
}

/// Two names of one inode make `rename` a no-op that leaves both; the old name must go.
fn rename_over(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    match fs::remove_file(from) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The length of `file` up to and with its last newline.
fn whole_lines(mut file: &File) -> io::Result<u64> {
    use std::io::{Read, Seek, SeekFrom};
    let mut end = file.metadata()?.len();
    let mut block = vec![0; 4096];
    while end > 0 {
        let start = end.saturating_sub(4096);
        file.seek(SeekFrom::Start(start))?;
        let length = usize::try_from(end - start).unwrap_or(block.len());
        file.read_exact(&mut block[..length])?;
        if let Some(at) = memchr::memrchr(b'\n', &block[..length]) {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}
