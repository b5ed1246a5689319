//! Opening a state folder: lock, journal, state, and the mending of what is torn or damaged between them.

use super::folder::{Folder, io_error, sync_folder};
use super::migrate::migrate;
use super::opened::{Opened, Revival};
use super::revive::{Revived, revive};
use super::settings::Settings;
use super::snapshot;
use crate::store::journal::examine::{self, End};
use crate::store::journal::medium::Medium;
use crate::store::journal::segment::START;
use crate::store::journal::{Shelf, Writer};
use crate::store::state::State;
use crate::store::{Error, Sequence};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// All that a running store is made of.
pub struct Parts {
    pub folder: Folder,
    pub shelf: Shelf,
    pub state: State,
    pub writer: Writer,
    pub opened: Opened,
}

pub fn open(settings: &Settings, medium: Arc<dyn Medium>) -> Result<Parts, Error> {
    let folder = Folder::lock(&settings.path)?;
    let ballast = folder.trim_ballast(settings);
    let journal = folder.join("journal");
    fs::create_dir_all(&journal).map_err(io_error("make", &journal))?;
    folder.sync().map_err(io_error("sync", folder.path()))?;
    let shelf = Shelf::open(&journal).map_err(io_error("list", &journal))?;
    let migrated = migrate(&folder, settings, &shelf, &*medium)?;
    let end = examine::end(&shelf).map_err(io_error("read", &journal))?;
    let revived = revive(&folder, settings, &shelf)?;
    let mut mend = Mend {
        folder: &folder,
        settings,
        shelf: &shelf,
        end: &end,
        quarantine: revived.quarantine.clone(),
        damage: None,
    };
    let found = revived.state.sequence();
    let resumed = mend.journal(&revived).map_err(io_error("mend", &journal))?;
    let opened = Opened {
        position: resumed.position,
        revival: revived.revival,
        torn_bytes: mend.torn_bytes(),
        lost: (found < resumed.position).then_some((found + 1, resumed.position)),
        journal_damage: mend.damage,
        quarantine: mend.quarantine,
        ballast,
        migrated,
    };
    let refused =
        |reason: String| io_error("bring up to date", folder.path())(io::Error::other(reason));
    if found < resumed.position {
        let reached = revived.state.reach(resumed.position);
        reached.map_err(|broken| refused(broken.reason))?;
    }
    if opened.journal_damage.is_some() || opened.lost.is_some() {
        // The journal no longer leads here: from now on a snapshot must.
        revived
            .state
            .flush()
            .map_err(|broken| refused(broken.reason))?;
        snapshot::take(&folder, &revived.state, settings.now)
            .map_err(|broken| refused(broken.reason))?;
    }
    let writer = Writer::open(
        medium,
        shelf.folder(),
        settings.segment_bytes,
        resumed.segment,
        resumed.position + 1,
    )
    .map_err(io_error("open", &journal))?;
    Ok(Parts {
        state: revived.state,
        folder,
        shelf,
        writer,
        opened,
    })
}

/// Where the journal goes on.
struct Resumed {
    segment: Option<Sequence>,
    position: Sequence,
}

struct Mend<'a> {
    folder: &'a Folder,
    settings: &'a Settings,
    shelf: &'a Shelf,
    end: &'a End,
    quarantine: Option<PathBuf>,
    damage: Option<String>,
}

impl Mend<'_> {
    fn torn_bytes(&self) -> u64 {
        let torn = self
            .end
            .torn
            .as_ref()
            .map_or(0, |torn| torn.end - torn.start);
        torn + self.end.hollow.iter().map(|(_, bytes)| bytes).sum::<u64>()
    }

    /// Cuts what is torn, sets aside what is damaged; afterwards the journal ends with a whole frame.
    fn journal(&mut self, revived: &Revived) -> io::Result<Resumed> {
        for (hollow, _) in &self.end.hollow {
            fs::remove_file(self.shelf.path(*hollow))?;
            self.shelf.remove(*hollow);
        }
        let state = revived.state.sequence();
        let position = state.max(self.end.seen);
        if let (Some(segment), Some(damage)) = (self.end.segment, &self.end.damage) {
            let path = self.shelf.path(segment);
            self.quarantine = Some(self.folder.copy_aside(&path, self.settings.now)?);
            if damage.start < START {
                // Nothing may go on behind a header that is none.
                fs::remove_file(&path)?;
                self.shelf.remove(segment);
            } else {
                examine::cut(&path, damage.start)?;
            }
            self.damage = Some(format!(
                "bytes {}..{} of segment {segment} are no frame",
                damage.start, damage.end
            ));
        } else if let (Some(segment), Some(torn)) = (self.end.segment, &self.end.torn) {
            examine::cut(&self.shelf.path(segment), torn.start)?;
        }
        if revived.gap {
            self.set_aside_beyond(state)?;
        }
        if self.damage.is_none() && self.end.verified < state && revived.revival != Revival::Made {
            self.damage = Some(format!(
                "it ends at {}, the state at {state}",
                self.end.verified
            ));
        }
        sync_folder(self.shelf.folder())?;
        let goes_on = self.damage.is_none() && self.end.verified == position;
        Ok(Resumed {
            // A successor must not have the same name.
            segment: self
                .end
                .segment
                .filter(|first| goes_on || *first == position + 1)
                .filter(|first| self.shelf.firsts().contains(first)),
            position,
        })
    }

    /// Segments that the state cannot be led through, because something before them is gone.
    fn set_aside_beyond(&mut self, state: Sequence) -> io::Result<()> {
        self.damage
            .get_or_insert_with(|| format!("events are missing after {state}"));
        for first in self.shelf.firsts() {
            if first > state + 1 {
                let name = format!("journal/{first:020}.log");
                self.quarantine = Some(self.folder.set_aside(&name, self.settings.now)?);
                self.shelf.remove(first);
            } else if self.shelf.from(state + 1).first() == Some(&first) {
                let path = self.shelf.path(first);
                self.quarantine = Some(self.folder.copy_aside(&path, self.settings.now)?);
            }
        }
        Ok(())
    }
}
