//! Brings a state folder of format 1 to the present one.
//!
//! ```text
//! copy     format1.TIME.part/ → format1.TIME/    the whole old state, on the disk before anything else is changed
//! snapshot snapshots/                            what the old sled holds, each record proven
//! fill     sled.new                              that snapshot and the journal after it, in the new layout
//! swap     sled → sled.former, sled.new → sled
//! format   FORMAT                                last; then sled.former goes
//! ```
//!
//! Journal, snapshots and exports have the same form in both formats. Stopped at any step it begins anew when the folder
//! is opened again, with the copy that is there if the journal is still the one that was copied.

use super::folder::{Folder, io_error, sync_folder};
use super::revive::{self, close, patiently};
use super::settings::Settings;
use super::snapshot;
use crate::store::Error;
use crate::store::journal::Shelf;
use crate::store::journal::medium::Medium;
use crate::store::state::{Broken, State};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What a state of format 1 consists of. Ballast and what was set aside earlier are none of it.
const COPIED: [&str; 5] = [
    "journal",
    "snapshots",
    "sled",
    revive::SUSPECT,
    revive::OPENING,
];
/// The old sled between the swap and the end.
pub const FORMER: &str = "sled.former";
/// Room beyond what is known to be needed.
const MARGIN_BYTES: u64 = 8 << 20;

/// A migration that was made, for whoever must be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The format before and now.
    pub from: u32,
    pub to: u32,
    /// The old state, whole. Nothing needs it but a return to the old program, and nothing removes it.
    pub copy: PathBuf,
    /// The size of the copy.
    pub bytes: u64,
    /// Why the old sled was not to be trusted, if it was not: then all is from an earlier snapshot and the journal.
    pub broken: Option<String>,
}

/// Migrates the folder if it is of format 1; `None` if it is of this one.
pub fn migrate(
    folder: &Folder,
    settings: &Settings,
    shelf: &Shelf,
    medium: &dyn Medium,
) -> Result<Option<Migrated>, Error> {
    let Some(from) = folder.former()? else {
        // What is left of a migration that was stopped at its very end.
        drop(fs::remove_dir_all(folder.join(FORMER)));
        return Ok(None);
    };
    tracing::info!(
        from,
        "the state folder is of an older format: a copy is made, then it is migrated"
    );
    let failed = |operation: &'static str| io_error(operation, folder.path());
    restore(folder).map_err(failed("put the old state back in"))?;
    let (copy, bytes) = kept(folder, settings, medium, from)
        .map_err(failed("copy, before it is migrated, the state in"))?;
    medium.step("snapshot").map_err(failed("migrate"))?;
    let broken = proven(folder, settings)?;
    medium.step("fill").map_err(failed("migrate"))?;
    let snapshots = snapshot::list(folder.path()).map_err(failed("list the snapshots of"))?;
    let refused = |broken: Broken| failed("migrate")(error_of(broken));
    let (state, _) = revive::filled(folder, settings, shelf, &snapshots).map_err(refused)?;
    state.flush().map_err(refused)?;
    close(state);
    swap(folder, medium).map_err(failed("put the new state in place in"))?;
    medium.step("format").map_err(failed("migrate"))?;
    let to = folder.write_format()?;
    // A leftover is removed by the next opening.
    drop(fs::remove_dir_all(folder.join(FORMER)));
    let migrated = Migrated {
        from,
        to,
        copy,
        bytes,
        broken,
    };
    migrated.log();
    Ok(Some(migrated))
}

impl Migrated {
    fn log(&self) {
        if let Some(reason) = &self.broken {
            tracing::warn!(reason, "the old state was refilled, not read");
        }
        let copy = self.copy.display().to_string();
        tracing::info!(
            from = self.from,
            to = self.to,
            copy,
            bytes = self.bytes,
            "state migrated; the copy of the old one may be removed once no return to the older aptiqd is wanted"
        );
    }
}

fn error_of(broken: Broken) -> io::Error {
    match broken.full {
        true => io::Error::new(io::ErrorKind::StorageFull, broken.reason),
        false => io::Error::other(broken.reason),
    }
}

/// Stopped in the middle of the swap there is no sled: the old one is taken back and all begins anew.
fn restore(folder: &Folder) -> io::Result<()> {
    let (sled, former) = (folder.join("sled"), folder.join(FORMER));
    match (sled.exists(), former.exists()) {
        (false, true) => fs::rename(&former, &sled)?,
        (true, true) => fs::remove_dir_all(&former)?,
        (_, false) => return Ok(()),
    }
    folder.sync()
}

/// A whole copy of the old state: one that is there already, or a new one.
fn kept(
    folder: &Folder,
    settings: &Settings,
    medium: &dyn Medium,
    format: u32,
) -> io::Result<(PathBuf, u64)> {
    let prefix = format!("format{format}");
    let journal = sizes(&folder.join("journal"))?;
    for entry in fs::read_dir(folder.path())? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(name) = name.filter(|name| name.starts_with(&prefix)) else {
            continue;
        };
        if name.ends_with(".part") {
            fs::remove_dir_all(&path)?;
        } else if sizes(&path.join("journal"))? == journal {
            return Ok((path.clone(), total(&path)?));
        }
    }
    let mut state = 0;
    for piece in COPIED {
        state += total(&folder.join(piece))?;
    }
    let needed = state + 2 * total(&folder.join("sled"))?;
    room(needed, folder.free().unwrap_or(u64::MAX))?;
    let copy = folder.named_beside(&prefix, settings.now);
    let part = PathBuf::from(format!("{}.part", copy.display()));
    let written = write_copy(folder, medium, format, &part);
    if let Err(error) = written {
        // It is of no use, and takes room.
        drop(fs::remove_dir_all(&part));
        return Err(error);
    }
    medium.step("copied")?;
    fs::rename(&part, &copy)?;
    folder.sync()?;
    let bytes = total(&copy)?;
    Ok((copy, bytes))
}

fn write_copy(folder: &Folder, medium: &dyn Medium, format: u32, part: &Path) -> io::Result<()> {
    fs::create_dir_all(part)?;
    for piece in COPIED {
        let from = folder.join(piece);
        if from.exists() {
            copy_all(&from, &part.join(piece), medium)?;
        }
    }
    let mut text = File::create(part.join("FORMAT"))?;
    text.write_all(format!("{format}\n").as_bytes())?;
    text.sync_all()?;
    sync_folder(part)
}

/// Copies bytes, not links: what is written later must not reach them. On the disk when it returns.
fn copy_all(from: &Path, to: &Path, medium: &dyn Medium) -> io::Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy_all(&entry.path(), &to.join(entry.file_name()), medium)?;
        }
        return sync_folder(to);
    }
    medium.step("copy")?;
    fs::copy(from, to)?;
    File::open(to)?.sync_all()
}

/// Lengths of the files in a folder, by name; none if it is missing.
fn sizes(path: &Path) -> io::Result<BTreeMap<PathBuf, u64>> {
    let mut sizes = BTreeMap::new();
    match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
        Ok(entries) => {
            for entry in entries {
                let entry = entry?;
                sizes.insert(entry.file_name().into(), entry.metadata()?.len());
            }
        }
    }
    Ok(sizes)
}

/// Bytes of a file, or of all files below a folder; 0 if there is nothing.
fn total(path: &Path) -> io::Result<u64> {
    let found = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        found => found?,
    };
    if !found.is_dir() {
        return Ok(found.len());
    }
    let mut bytes = 0;
    for entry in fs::read_dir(path)? {
        bytes += total(&entry?.path())?;
    }
    Ok(bytes)
}

fn room(needed: u64, free: u64) -> io::Result<()> {
    let needed = needed.saturating_add(MARGIN_BYTES);
    if needed <= free {
        return Ok(());
    }
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let text = format!(
        "a copy of the old state and the new one need {} MiB, and {} MiB are free",
        mib(needed),
        free >> 20
    );
    Err(io::Error::new(io::ErrorKind::StorageFull, text))
}

/// Writes what the old sled holds into a snapshot; or says why it is not to be trusted, as any opening would find:
/// then the snapshots and the journal that are there lead to the state.
fn proven(folder: &Folder, settings: &Settings) -> Result<Option<String>, Error> {
    let path = folder.join("sled");
    if !path.exists() {
        return Ok(None);
    }
    if let Ok(reason) = fs::read_to_string(folder.join(revive::SUSPECT)) {
        return Ok(Some(reason));
    }
    let (opening, cache) = (path.clone(), settings.cache_bytes);
    let opened = patiently(settings, "open", move || {
        State::open_former(&opening, cache)
    });
    let taken = opened.and_then(|state| {
        let taken = snapshot::take(folder, &state, settings.now);
        close(state);
        taken
    });
    match taken {
        Ok(_) => Ok(None),
        Err(broken) if broken.full => Err(io_error("migrate", &path)(error_of(broken))),
        Err(broken) => Ok(Some(broken.reason)),
    }
}

fn swap(folder: &Folder, medium: &dyn Medium) -> io::Result<()> {
    let (sled, former) = (folder.join("sled"), folder.join(FORMER));
    medium.step("swap")?;
    if sled.exists() {
        fs::rename(&sled, &former)?;
    }
    medium.step("swap halfway")?;
    fs::rename(folder.join("sled.new"), &sled)?;
    for mark in [revive::SUSPECT, revive::OPENING] {
        drop(fs::remove_file(folder.join(mark)));
    }
    folder.sync()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_in_numbers() {
        assert!(room(1, MARGIN_BYTES + 1).is_ok());
        let refused = room(5 << 20, 12 << 20).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        assert_eq!(
            refused.to_string(),
            "a copy of the old state and the new one need 13 MiB, and 12 MiB are free"
        );
    }
}
