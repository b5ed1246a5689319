//! `schedules/*.toml`: a folder of schedules, all of them or all their faults.

use super::section::Section;
use super::sheet::{Sheet, unreadable};
use super::{Fault, schedule};
use crate::schedule::{Name, Schedule, Shared};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// What schedules are held against beside their own files.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The names under `[notify]` in `aptiqd.toml`; `None` where that is not known.
    pub notifiers: Option<BTreeSet<String>>,
    /// Look for warnings too, as of this time.
    pub now: Option<DateTime<Utc>>,
    /// The landing folder, whose files a schedule must go on from; `None` where that is not known.
    pub landing: Option<PathBuf>,
}

/// Schedules of good files, faults of the others, and warnings.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub schedules: Vec<Schedule>,
    pub faults: Vec<Fault>,
    pub warnings: Vec<Fault>,
}

/// Loads every `NAME.toml` of a folder, ordered by name. Other files, and hidden ones, are left alone.
///
/// # Errors
/// All faults of all files.
pub fn load_folder(folder: &Path) -> Result<Vec<Schedule>, Vec<Fault>> {
    load_folder_in(folder, &Scope::default())
}

/// The same, held against more than the files themselves.
///
/// # Errors
/// All faults of all files.
pub fn load_folder_in(folder: &Path, scope: &Scope) -> Result<Vec<Schedule>, Vec<Fault>> {
    let files = files_of(folder).map_err(|fault| vec![fault])?;
    let gathered = gather(&files, scope);
    if gathered.faults.is_empty() {
        Ok(gathered.schedules)
    } else {
        Err(gathered.faults)
    }
}

/// The schedule files of a folder, in order.
pub(super) fn files_of(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Fault::of_file(
            folder,
            "missing-folder",
            "there is no such folder of schedules",
            "make it, or name another by `schedules` in aptiqd.toml",
        ),
        _ => unreadable(folder, &error),
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        // Editors and mounted volumes leave hidden files behind.
        let hidden = name.as_encoded_bytes().starts_with(b".");
        if !hidden && Path::new(&name).extension() == Some(OsStr::new("toml")) {
            files.push(folder.join(name));
        }
    }
    files.sort();
    Ok(files)
}

/// Reads all files, on all cores: a hundred thousand of them must not take seconds.
pub(super) fn gather(files: &[PathBuf], scope: &Scope) -> Gathered {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let share = files.len().div_ceil(workers).max(64);
    let mut all = Gathered::default();
    std::thread::scope(|threads| {
        let shares: Vec<_> = files
            .chunks(share)
            .map(|files| threads.spawn(move || gather_share(files, scope)))
            .collect();
        for share in shares {
            let share = share
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            all.schedules.extend(share.schedules);
            all.faults.extend(share.faults);
            all.warnings.extend(share.warnings);
        }
    });
    all.faults.extend(same_names(files));
    all
}

fn gather_share(files: &[PathBuf], scope: &Scope) -> Gathered {
    let mut share = Gathered::default();
    let mut shared = Shared::default();
    for file in files {
        let (outcome, warnings) = load_file(file, scope, &mut shared);
        match outcome {
            Ok(schedule) => share.schedules.push(schedule),
            Err(faults) => share.faults.extend(faults),
        }
        share.warnings.extend(warnings);
    }
    share
}

/// Files of one name in different folders: only one of them could be the schedule. One folder has no two.
fn same_names(files: &[PathBuf]) -> Vec<Fault> {
    if files
        .windows(2)
        .all(|pair| pair[0].parent() == pair[1].parent())
    {
        return Vec::new();
    }
    let mut first = std::collections::BTreeMap::new();
    let mut faults = Vec::new();
    for file in files {
        let Some(stem) = file.file_stem() else {
            continue;
        };
        if let Some(other) = first.insert(stem, file) {
            let message = format!("a second schedule `{}`", stem.display());
            let help = format!(
                "{} has the name already: rename one of the two",
                other.display()
            );
            faults.push(Fault::of_file(file, "duplicate-name", message, help));
        }
    }
    faults
}

fn load_file(
    file: &Path,
    scope: &Scope,
    shared: &mut Shared,
) -> (Result<Schedule, Vec<Fault>>, Vec<Fault>) {
    match Sheet::open(file) {
        Ok(sheet) => load_sheet(sheet, scope, shared),
        Err(fault) => (Err(vec![fault]), Vec::new()),
    }
}

/// Resolves a schedule already in memory; its name is the file's stem.
pub(super) fn load_sheet(
    mut sheet: Sheet,
    scope: &Scope,
    shared: &mut Shared,
) -> (Result<Schedule, Vec<Fault>>, Vec<Fault>) {
    sheet.now = scope.now;
    let stem = sheet
        .path()
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy();
    let Ok(name) = Name::parse(&stem) else {
        let help = "the file's name is the schedule's: lowercase letters, digits, `_` and `-`, at most 64, then .toml";
        let fault = Fault::of_file(
            sheet.path(),
            "bad-name",
            format!("`{stem}` is no name for a schedule"),
            help,
        );
        return (Err(vec![fault]), Vec::new());
    };
    let schedule = sheet.table().and_then(|table| {
        let top = Section::top(&sheet, &table, schedule::KEYS);
        schedule::resolve(name, top, scope, shared)
    });
    sheet.close(schedule)
}
