//! Brings a state to life that is exactly what the journal says: the sled that is there if it can be trusted,
//! else one refilled from the newest snapshot and the journal after it.

use super::folder::{Folder, io_error};
use super::opened::Revival;
use super::settings::Settings;
use super::snapshot;
use crate::store::journal::Shelf;
use crate::store::journal::segment::{self, Piece};
use crate::store::state::{Applied, Broken, CONTAINED, State, contained};
use crate::store::{Commit, Error, Sequence, wire};
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Runs come in the order of their commits, not of their keys: a small cache would read the same nodes again and again.
const FILLING_CACHE_BYTES: u64 = 64 << 20;
const BATCH_COMMITS: usize = 512;
const BATCH_BYTES: usize = 2 << 20;
/// Written before sled is opened, removed afterwards: found, it tells of an opening that ended the process.
pub const OPENING: &str = "sled.opening";
/// Written when sled is found out while the daemon runs, with the reason.
pub const SUSPECT: &str = "sled.suspect";
/// So many openings in a row may end the process before sled is refilled.
const OPENINGS: usize = 2;

/// A state that can be read, and how it came about.
pub struct Revived {
    pub state: State,
    pub revival: Revival,
    /// Not every event that follows the state is in the journal.
    pub gap: bool,
    pub quarantine: Option<PathBuf>,
}

struct Replayed {
    commits: u64,
    gap: bool,
}

pub fn revive(folder: &Folder, settings: &Settings, shelf: &Shelf) -> Result<Revived, Error> {
    let snapshots =
        snapshot::list(folder.path()).map_err(io_error("list the snapshots of", folder.path()))?;
    let reason = match existing(folder, settings, shelf)? {
        Ok(revived) => {
            // A snapshot can bridge what the journal no longer has.
            let newer = snapshots
                .first()
                .is_some_and(|newest| *newest > revived.state.sequence());
            if !revived.gap || !newer {
                return Ok(revived);
            }
            close(revived.state);
            "behind by more than the journal holds".to_owned()
        }
        Err(None) if shelf.firsts().is_empty() && snapshots.is_empty() => {
            let (state, _) = refill(folder, settings, shelf, &[])?;
            return Ok(Revived {
                state,
                revival: Revival::Made,
                gap: false,
                quarantine: None,
            });
        }
        Err(None) => "missing".to_owned(),
        Err(Some(broken)) => broken.reason,
    };
    let quarantine = set_aside(folder, settings)?;
    let (state, filled) = refill(folder, settings, shelf, &snapshots)?;
    Ok(Revived {
        state,
        revival: Revival::Refilled {
            reason,
            snapshot: filled.snapshot,
            commits: filled.replayed.commits,
        },
        gap: filled.replayed.gap,
        quarantine,
    })
}

/// The sled that is there, brought up to the journal; or why it cannot be used, nothing if there is none.
fn existing(
    folder: &Folder,
    settings: &Settings,
    shelf: &Shelf,
) -> Result<Result<Revived, Option<Broken>>, Error> {
    let path = folder.join("sled");
    if !path.exists() {
        return Ok(Err(None));
    }
    if let Ok(reason) = fs::read_to_string(folder.join(SUSPECT)) {
        return Ok(Err(Some(Broken::new(reason))));
    }
    let openings = fs::read(folder.join(OPENING)).map_or(0, |marks| marks.len());
    if openings >= OPENINGS {
        return Ok(Err(Some(Broken::new("opening it ended the process"))));
    }
    let marks = vec![b'.'; openings + 1];
    // On a full disk the mark cannot be made; sled's own answer is then the one that counts.
    drop(folder.replace(OPENING, &marks));
    let opened = patiently(settings, "open", {
        let (path, cache) = (path.clone(), settings.cache_bytes);
        let patience = settings.lock_patience;
        move || open_unlocked(&path, cache, patience)
    });
    let caught_up = opened.and_then(|state| {
        let replayed = replay(&state, shelf)?;
        Ok((state, replayed))
    });
    drop(fs::remove_file(folder.join(OPENING)));
    match caught_up {
        Ok((state, replayed)) => Ok(Ok(Revived {
            state,
            revival: match replayed.commits {
                0 => Revival::Kept,
                commits => Revival::CaughtUp { commits },
            },
            gap: replayed.gap,
            quarantine: None,
        })),
        Err(broken) if broken.full => Err(full(&path)),
        Err(broken) => Ok(Err(Some(broken))),
    }
}

fn full(path: &Path) -> Error {
    let source = io::Error::new(io::ErrorKind::StorageFull, "no space left on the disk");
    io_error("open the state in", path)(source)
}

/// Runs `call` on a thread of its own and gives up on it after `patience`; a thread that hangs is left behind.
pub fn patiently<T: Send + 'static>(
    settings: &Settings,
    operation: &'static str,
    call: impl FnOnce() -> Result<T, Broken> + Send + 'static,
) -> Result<T, Broken> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let name = format!("{CONTAINED}-{operation}");
    // The receiver may have given up; then nobody wants the answer.
    thread::Builder::new()
        .name(name)
        .spawn(move || drop(sender.send(contained(call))))?;
    receiver
        .recv_timeout(settings.patience)
        .unwrap_or_else(|_| Err(Broken::new(format!("sled hangs: {operation} did not end"))))
}

/// Opens the state, waiting a little for an earlier one of this process to let go of its file.
fn open_unlocked(path: &Path, cache_bytes: u64, patience: Duration) -> Result<State, Broken> {
    let begun = Instant::now();
    loop {
        match State::open(path, cache_bytes) {
            Err(broken) if broken.reason.contains("acquire lock") && begun.elapsed() < patience => {
                #[expect(clippy::disallowed_methods, reason = "a thread of its own, at opening")]
                thread::sleep(Duration::from_millis(20));
            }
            other => return other,
        }
    }
}

/// Drops the state, which lets sled end its own threads.
pub fn close(state: State) {
    drop(contained(move || {
        drop(state);
        Ok(())
    }));
}

fn set_aside(folder: &Folder, settings: &Settings) -> Result<Option<PathBuf>, Error> {
    let path = folder.join("sled");
    let quarantine = match path.exists() {
        true => Some(
            folder
                .set_aside("sled", settings.now)
                .map_err(io_error("set aside", &path))?,
        ),
        false => None,
    };
    drop(fs::remove_file(folder.join(SUSPECT)));
    drop(fs::remove_file(folder.join(OPENING)));
    Ok(quarantine)
}

/// What a new sled was filled from.
pub struct Filled {
    snapshot: Sequence,
    replayed: Replayed,
}

/// Makes a new sled beside, fills it, and puts it in place once it is whole and on the disk.
fn refill(
    folder: &Folder,
    settings: &Settings,
    shelf: &Shelf,
    snapshots: &[Sequence],
) -> Result<(State, Filled), Error> {
    let path = folder.join("sled");
    let refused = |broken: Broken| match broken.full {
        true => full(&path),
        false => io_error("refill", &path)(io::Error::other(broken.reason)),
    };
    let (filling, filled) = filled(folder, settings, shelf, snapshots).map_err(refused)?;
    filling.flush().map_err(refused)?;
    close(filling);
    fs::rename(folder.join("sled.new"), &path).map_err(io_error("put in place", &path))?;
    folder.sync().map_err(io_error("sync", folder.path()))?;
    let (cache, patience) = (settings.cache_bytes, settings.lock_patience);
    let opening = path.clone();
    let state = patiently(settings, "open", move || {
        open_unlocked(&opening, cache, patience)
    })
    .map_err(|broken| io_error("open", &path)(io::Error::other(broken.reason)))?;
    Ok((state, filled))
}

/// A new sled beside the one that is there, filled but not yet on the disk.
pub fn filled(
    folder: &Folder,
    settings: &Settings,
    shelf: &Shelf,
    snapshots: &[Sequence],
) -> Result<(State, Filled), Broken> {
    for snapshot in snapshots.iter().copied().map(Some).chain([None]) {
        let state = empty(folder, settings)?;
        let begun = match snapshot {
            None => Ok(0),
            Some(sequence) => snapshot::fill(&state, &folder.join(&snapshot::name(sequence))),
        };
        match begun {
            Ok(snapshot) => {
                let replayed = replay(&state, shelf)?;
                return Ok((state, Filled { snapshot, replayed }));
            }
            Err(broken) if broken.full => return Err(broken),
            Err(broken) => {
                let name = snapshot::name(snapshot.unwrap_or_default());
                tracing::error!(name, reason = broken.reason, "a snapshot cannot be used");
                close(state);
                folder.set_aside(&name, settings.now)?;
            }
        }
    }
    Err(Broken::new("no beginning was found"))
}

fn empty(folder: &Folder, settings: &Settings) -> Result<State, Broken> {
    let path = folder.join("sled.new");
    if path.exists() {
        fs::remove_dir_all(&path)?;
    }
    let cache = settings.cache_bytes.max(FILLING_CACHE_BYTES);
    open_unlocked(&path, cache, settings.lock_patience)
}

/// Applies what the journal holds beyond the state, as far as it goes without a gap.
fn replay(state: &State, shelf: &Shelf) -> Result<Replayed, Broken> {
    let mut pending: Vec<(Sequence, u64, Commit)> = Vec::new();
    let mut bytes = 0;
    let mut done = Replayed {
        commits: 0,
        gap: false,
    };
    let mut next = state.sequence() + 1;
    let mut failed = None;
    for first in shelf.from(next) {
        segment::visit(&shelf.path(first), 0, |piece| {
            let Piece::Frame(frame, payload) = piece else {
                return ControlFlow::Continue(());
            };
            if frame.next() <= next && frame.first < next {
                return ControlFlow::Continue(());
            }
            let commit = (frame.first == next)
                .then(|| wire::decode(payload))
                .flatten();
            let Some(commit) = commit.filter(|commit| commit.events.len() == frame.events as usize)
            else {
                done.gap = true;
                return ControlFlow::Break(());
            };
            next = frame.next();
            bytes += payload.len();
            pending.push((frame.first, frame.offset, commit));
            if pending.len() >= BATCH_COMMITS || bytes >= BATCH_BYTES {
                bytes = 0;
                if let Err(broken) = apply(state, &mut pending, &mut done) {
                    failed = Some(broken);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        if let Some(broken) = failed {
            return Err(broken);
        }
        if done.gap {
            break;
        }
    }
    apply(state, &mut pending, &mut done)?;
    Ok(done)
}

fn apply(
    state: &State,
    pending: &mut Vec<(Sequence, u64, Commit)>,
    done: &mut Replayed,
) -> Result<(), Broken> {
    let applied = pending.iter().map(|(first, offset, commit)| Applied {
        commit,
        first: *first,
        offset: *offset,
    });
    let batch: Vec<Applied<'_>> = applied.collect();
    state.apply(&batch)?;
    done.commits += batch.len() as u64;
    pending.clear();
    Ok(())
}
