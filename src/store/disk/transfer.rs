//! `store export` and `store import`, with no daemon on the folder.

use super::folder::{Folder, io_error};
use super::settings::Settings;
use super::snapshot::{self, Head, Lines, Places, SCHEMA, Told};
use super::{Disk, open};
use crate::store::journal::medium::{Medium, Os};
use crate::store::journal::{Framed, Writer, segment};
use crate::store::state::Broken;
use crate::store::wire;
use crate::store::{Commit, Error, Sequence, Store, StoredEvent};
use std::fs::{self, File};
use std::io::{self, BufRead, BufWriter, Write};
use std::sync::Arc;

const PAGE: usize = 1_000;

/// Writes the whole state and all events that the journal still has, as JSON Lines.
///
/// # Errors
/// As [`Disk::open`]; `Io` if `to` cannot be written.
pub fn export(settings: Settings, to: impl Write) -> Result<Sequence, Error> {
    let (now, path) = (settings.now, settings.path.clone());
    let (disk, opened) = Disk::open(settings)?;
    let refused = || io_error("export", &path);
    let head = Head {
        schema: SCHEMA.to_owned(),
        sequence: opened.position,
        at: now,
    };
    let mut lines = Lines::begin(to, &head, Places::Left).map_err(refused())?;
    let walked = disk.shared.state().walk(|_, records| {
        for record in &records {
            lines.record(record)?;
        }
        Ok(())
    });
    walked.map_err(|broken| disk.distrust(&broken))?;
    let mut after = 0;
    loop {
        let page = disk.events(None, after, PAGE)?;
        let Some(last) = page.last() else {
            break;
        };
        after = last.sequence;
        for event in page {
            lines.told(&Told::Event(event)).map_err(refused())?;
        }
    }
    lines.finish().map_err(refused())?;
    disk.close()?;
    Ok(head.sequence)
}

/// Makes a state folder of an export; answers its sequence.
///
/// # Errors
/// `Io` if there is a state already, or if the export is not whole: then nothing is left behind.
pub fn import(settings: &Settings, from: impl BufRead) -> Result<Sequence, Error> {
    let folder = Folder::lock(&settings.path)?;
    let refused = || io_error("import into", &settings.path);
    for name in ["sled", "journal", "snapshots"] {
        if folder.join(name).exists() {
            return Err(refused()(io::ErrorKind::AlreadyExists.into()));
        }
    }
    let taken = take_in(&folder, settings, from);
    let sequence = taken.map_err(|broken| {
        for name in ["journal", "snapshots"] {
            // What is left is refused by the next import, which names it.
            drop(fs::remove_dir_all(folder.join(name)));
        }
        refused()(io::Error::other(broken.reason))
    })?;
    drop(folder);
    let parts = open::open(settings, Arc::new(Os))?;
    Ok(parts.opened.position.max(sequence))
}

fn take_in(folder: &Folder, settings: &Settings, from: impl BufRead) -> Result<Sequence, Broken> {
    let journal = folder.join("journal");
    fs::create_dir_all(&journal)?;
    fs::create_dir_all(folder.join("snapshots"))?;
    let mut intake = Intake {
        folder,
        settings,
        writer: None,
        waiting: Vec::new(),
        lines: None,
    };
    let head = snapshot::read(from, |head, told| Ok(intake.told(head, told)?))?;
    intake.append()?;
    intake.finish(&head)?;
    Ok(head.sequence)
}

struct Intake<'a> {
    folder: &'a Folder,
    settings: &'a Settings,
    writer: Option<Writer>,
    waiting: Vec<StoredEvent>,
    lines: Option<Lines<BufWriter<File>>>,
}

impl Intake<'_> {
    fn lines(&mut self, head: &Head) -> io::Result<&mut Lines<BufWriter<File>>> {
        Ok(match &mut self.lines {
            Some(lines) => lines,
            none => {
                let path = self.folder.join(&snapshot::name(head.sequence));
                let to = BufWriter::new(File::create(path)?);
                none.insert(Lines::begin(to, head, Places::Kept)?)
            }
        })
    }

    fn told(&mut self, head: &Head, told: Told) -> io::Result<()> {
        self.lines(head)?;
        match told {
            Told::Event(event) => {
                self.waiting.push(event);
                if self.waiting.len() == PAGE {
                    self.append()?;
                }
                Ok(())
            }
            // Where another journal had its events is of no meaning here.
            Told::Index(..) => Ok(()),
            record => self.lines(head)?.told(&record),
        }
    }

    /// Writes the events that wait into the journal, and where they are into the snapshot.
    fn append(&mut self) -> io::Result<()> {
        let Some(first) = self.waiting.first().map(|event| event.sequence) else {
            return Ok(());
        };
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let journal = self.folder.join("journal");
                let bytes = self.settings.segment_bytes;
                none.insert(Writer::open(Arc::new(Os), &journal, bytes, None, first)?)
            }
        };
        let mut payloads = Vec::with_capacity(self.waiting.len());
        for (event, expected) in self.waiting.iter().zip(writer.next()..) {
            if event.sequence != expected {
                return Err(io::Error::other("its events do not follow one another"));
            }
            payloads.push(wire::encode(&Commit {
                at: event.at,
                events: vec![event.entry.clone()],
                changes: Vec::new(),
            })?);
        }
        let frames: Vec<Framed<'_>> = payloads.iter().map(|bytes| (bytes.as_slice(), 1)).collect();
        let appended = writer.append(&frames)?;
        let Some(lines) = &mut self.lines else {
            return Ok(());
        };
        for (event, offset) in self.waiting.drain(..).zip(appended.offsets) {
            if let Some(run) = event.entry.run {
                lines.told(&Told::Index(run, event.sequence, offset))?;
            }
        }
        Ok(())
    }

    fn finish(mut self, head: &Head) -> io::Result<()> {
        self.lines(head)?;
        let journal = self.folder.join("journal");
        let next = self.writer.as_ref().map(Writer::next);
        if next != Some(head.sequence + 1) {
            if next.is_some() {
                return Err(io::Error::other("its events do not reach its end"));
            }
            let path = segment::path(&journal, head.sequence + 1);
            let mut file = Os.create(&path)?;
            Os.append(&mut file, &segment::header())?;
            Os.sync(&file)?;
        }
        if let Some(lines) = self.lines.take() {
            lines.finish()?.get_ref().sync_all()?;
        }
        Os.sync_folder(&journal)?;
        Os.sync_folder(&self.folder.join("snapshots"))?;
        self.folder.sync()
    }
}
