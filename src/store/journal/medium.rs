//! What the journal asks of a disk: the seam at which tests let a disk fail.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

pub trait Medium: Send + Sync + 'static {
    /// Makes a file that must not exist yet.
    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().append(true).create_new(true).open(path)
    }

    fn append(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    /// `fdatasync`: the bytes and the length are on the disk when it returns.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    /// Called before each step of a migration: a fault here is a stop there.
    fn step(&self, _: &'static str) -> io::Result<()> {
        Ok(())
    }
}

/// The real one.
pub struct Os;

impl Medium for Os {}
