//! A state folder before it is opened: whether there is a state in it, and putting one aside.

use super::folder::{Folder, holds_state, io_error};
use super::settings::Settings;
use super::snapshot;
use crate::store::{Error, Sequence};
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

/// What makes up a state, below its folder.
const PIECES: [&str; 8] = [
    "sled",
    "sled.new",
    "journal",
    "snapshots",
    super::revive::SUSPECT,
    super::revive::OPENING,
    super::migrate::FORMER,
    // Last: until it is moved the rest is of its format.
    "FORMAT",
];

/// What a state folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    Absent,
    Present,
}

/// Looks whether there is a state in the folder, a copy without its `lock` among them; writes nothing but that.
///
/// # Errors
/// `Locked` while a daemon has it, `NewerFormat` if a newer one made it.
pub fn probe(path: &Path) -> Result<Presence, Error> {
    let _lock = match holds_state(path) || path.join("lock").exists() {
        true => Folder::lock(path)?,
        false => return Ok(Presence::Absent),
    };
    match holds_state(path) {
        true => Ok(Presence::Present),
        false => Ok(Presence::Absent),
    }
}

/// Moves the state, if there is one, into a folder `before.TIME` beside it, where nothing ever removes it.
///
/// # Errors
/// As [`probe`]; `Io` if it cannot be moved.
pub fn set_aside(settings: &Settings) -> Result<Option<PathBuf>, Error> {
    let folder = Folder::lock(&settings.path)?;
    if !holds_state(folder.path()) {
        return Ok(None);
    }
    let beside = folder
        .make_beside("before", settings.now)
        .map_err(io_error("make a folder in", folder.path()))?;
    for piece in PIECES {
        let from = folder.join(piece);
        if from.exists() {
            std::fs::rename(&from, beside.join(piece)).map_err(io_error("set aside", &from))?;
        }
    }
    folder.sync().map_err(io_error("sync", folder.path()))?;
    Ok(Some(beside))
}

/// Undoes [`set_aside`], in the place of whatever was made meanwhile.
///
/// # Errors
/// `Io` if it cannot be moved back; it is still where it was put then.
pub fn put_back(settings: &Settings, beside: &Path) -> Result<(), Error> {
    let folder = Folder::lock(&settings.path)?;
    for piece in PIECES {
        let to = folder.join(piece);
        let removed = match to.is_dir() {
            true => std::fs::remove_dir_all(&to),
            false => std::fs::remove_file(&to),
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("remove", &to)(error));
            }
            _ => {}
        }
        let from = beside.join(piece);
        if from.exists() {
            std::fs::rename(&from, &to).map_err(io_error("put back", &from))?;
        }
    }
    std::fs::remove_dir(beside).map_err(io_error("remove", beside))?;
    folder.sync().map_err(io_error("sync", folder.path()))
}

/// Reads an export to its end and proves it; answers its sequence.
///
/// # Errors
/// `Io` if it is not whole.
pub fn prove(from: impl BufRead) -> Result<Sequence, Error> {
    let read = snapshot::read(from, |_, _| Ok(()));
    let read = read.map_err(|broken| {
        io_error("read", Path::new("the export"))(io::Error::other(broken.reason))
    });
    Ok(read?.sequence)
}
