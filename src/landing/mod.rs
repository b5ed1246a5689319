//! From a signed address to a proven file: fetch, inspect, merge, publish, verify.
//!
//! A fetch is one streaming pass that writes, hashes, counts and inspects; a publish renames whole,
//! synced files into place and then their manifests. Both may be repeated after a stop at any
//! instruction and end the same way. Nothing partial is ever visible below `data/`.

mod address;
mod announce;
mod cells;
mod checks;
mod compose;
mod copying;
mod disk;
mod fetch;
mod inspect;
mod intake;
mod layout;
mod manifest;
mod merge;
mod outcome;
mod partial;
mod partition;
mod place;
mod proven;
mod prune;
mod publish;
mod recover;
mod remains;
mod repeated;
mod restated;
mod retype;
mod schema;
mod shape;
mod space;
mod standing;
#[cfg(test)]
mod tests;
mod verify;

pub use inspect::Terms;
pub use manifest::{Column, FileEntry, JobEntry, Manifest};
pub use prune::{KeptRun, PruneOrder, Pruned, PrunedRun};
pub use remains::{Manifests, manifests};
pub use restated::{ChangedSpan, Restatement};
pub use verify::{FileState, Verification, Verified, verify};

use crate::run::{Artifact, Fault, FaultClass, PartNumber, Published, RunId};
use crate::schedule::{Checks, Columns, Format, Name, Partition, Report, Window};
use chrono::{DateTime, Utc};
use disk::Disk;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The rows of a file, read as a delivered file is read before it may land.
///
/// # Errors
/// What is wrong with its content, or that it cannot be read.
pub fn rows_of(path: &std::path::Path, format: Format, terms: &Terms) -> Result<u64, Fault> {
    let scratch = path.with_extension("keys");
    inspect::inspect_file(path, format, terms, &scratch).map(|(facts, _)| facts.rows)
}

/// Where to land, and what a download may touch.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The landing folder; made if absent.
    pub root: PathBuf,
    /// The largest artifact; a longer one is refused at its header, or when it passes the limit.
    pub bytes_max: u64,
    /// Hosts, or `*.suffix`, that an address or redirect may name.
    pub allowed_hosts: Vec<String>,
    /// `base_url` is loopback: loopback hosts in `allowed_hosts` are accepted, also over http.
    pub loopback_allowed: bool,
    /// The longest silence within a download.
    pub read_timeout: Duration,
}

/// Why the landing folder cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {operation} {path}")]
    Io {
        operation: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot build the download client")]
    Client(#[source] reqwest::Error),
}

/// One download: the result of `job_id`, as part `part` of `run`.
#[derive(Clone, Debug)]
pub struct FetchOrder {
    pub schedule: Name,
    pub run: RunId,
    pub part: PartNumber,
    pub job_id: String,
    pub format: Format,
    pub terms: Terms,
}

/// A run whose parts are all fetched or given up.
#[derive(Clone, Debug)]
pub struct PublishOrder {
    pub schedule: Name,
    pub run: RunId,
    pub report: Report,
    pub format: Format,
    pub partition: Partition,
    pub window: Window,
    /// Sorted; all that the run asked for.
    pub properties: Vec<i64>,
    /// They are all that the schedule asks for.
    pub whole: bool,
    pub columns: Columns,
    pub checks: Checks,
    /// Who wants the rows landed although checks fail; nobody, as a rule.
    pub accepted_by: Option<String>,
    /// Parts that failed are simply absent: their cells are missing.
    pub parts: Vec<Delivered>,
    /// What earlier runs delivered for the partitions that [`Landing::unknown`] names.
    pub earlier: Vec<Earlier>,
    pub at: DateTime<Utc>,
}

/// A part of an earlier run that published files.
#[derive(Clone, Debug)]
pub struct Earlier {
    pub run: RunId,
    /// The run's.
    pub window: Window,
    pub part: Delivered,
}

/// A part that was fetched.
#[derive(Clone, Debug)]
pub struct Delivered {
    pub number: PartNumber,
    pub job_id: String,
    /// Sorted.
    pub properties: Vec<i64>,
    pub window: Window,
    pub artifact: Artifact,
    /// When its result was there: of two deliveries of a cell, the later one counts.
    pub delivered_at: DateTime<Utc>,
}

impl Delivered {
    fn terms(&self, order: &PublishOrder) -> Terms {
        Terms {
            properties: self.properties.clone(),
            window: self.window,
            partition: order.partition,
            columns: order.columns.clone(),
            checks: order.checks.clone(),
        }
    }
}

/// The landing folder, open for work. Clones share one download client.
#[derive(Clone)]
pub struct Landing {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    /// The file system it lay on when it was opened.
    device: u64,
    disk: Disk,
    client: reqwest::Client,
    /// One publish of a schedule at a time: a partition is read, rebuilt and replaced as one act.
    publishing: Mutex<BTreeMap<Name, Arc<tokio::sync::Mutex<()>>>>,
}

impl Landing {
    /// Makes the folders, proves that they can be written, and removes staging older than two weeks.
    pub fn open(settings: Settings) -> Result<Landing, Error> {
        let disk = Disk::new(settings.root.clone());
        Landing::with_disk(settings, disk)
    }

    fn with_disk(settings: Settings, disk: Disk) -> Result<Landing, Error> {
        layout::prepare(&settings.root)?;
        let device = space::device(&settings.root).map_err(|source| Error::Io {
            operation: "look at",
            path: settings.root.clone(),
            source,
        })?;
        let client = address::client(&settings).map_err(Error::Client)?;
        let inner = Inner {
            device,
            settings,
            disk,
            client,
            publishing: Mutex::default(),
        };
        Ok(Landing {
            inner: Arc::new(inner),
        })
    }

    /// Downloads, proves and keeps one artifact. A part whose artifact is already there is not
    /// downloaded again; a broken download of the same job goes on where it broke.
    pub async fn fetch(&self, order: FetchOrder, location: &str) -> Result<Artifact, Fault> {
        fetch::fetch(self, order, location).await
    }

    /// Merges the delivered parts into partitions and puts them in place. Repeating it after a
    /// crash at any instruction gives the same result.
    pub async fn publish(&self, order: PublishOrder) -> Result<Published, Fault> {
        let _turn = self.turn(&order.schedule).await;
        self.admit(0)?;
        let disk = self.inner.disk.clone();
        blocking(move || publish::publish(&disk, &order)).await
    }

    /// The one publish of a schedule that may be at work.
    async fn turn(&self, schedule: &Name) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = {
            let turns = &self.inner.publishing;
            let mut turns = turns.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(turns.entry(schedule.clone()).or_default())
        };
        turn.lock_owned().await
    }

    /// Parts of an order whose rows are nowhere any more: their raw file is gone or damaged, and they have not
    /// landed either. They must be delivered again before the run can be published.
    pub async fn lost(&self, order: PublishOrder) -> Result<Vec<PartNumber>, Fault> {
        let _turn = self.turn(&order.schedule).await;
        // In a folder that is not mounted nothing is lost.
        self.admit(0)?;
        let disk = self.inner.disk.clone();
        blocking(move || {
            let sorted = standing::sort(&disk, &order)?;
            Ok(sorted.lost.iter().map(|(part, _)| part.number).collect())
        })
        .await
    }

    /// The days of partitions of a run that were published once and have lost their manifest: what
    /// earlier runs delivered for them must be given along with the order.
    pub async fn unknown(&self, order: PublishOrder) -> Result<Vec<Window>, Fault> {
        let disk = self.inner.disk.clone();
        blocking(move || recover::unknown(disk.root(), &order)).await
    }

    /// The manifest of a schedule's partition; `None` if it was never published.
    pub fn manifest(&self, schedule: &Name, key: &str) -> Result<Option<Manifest>, Fault> {
        Manifest::load(self.inner.disk.root(), schedule, key)
    }

    /// The length of the file at a path below the folder; `None` if there is none.
    pub fn length(&self, path: &str) -> Option<u64> {
        let found = self.inner.disk.root().join(path).metadata().ok();
        found
            .filter(|found| found.is_file())
            .map(|found| found.len())
    }

    /// What later runs changed in a partition's rows, oldest first; each is of the generation it made.
    pub fn restatements(&self, schedule: &Name, key: &str) -> Vec<Restatement> {
        let mut all = restated::read(self.inner.disk.root(), schedule.as_str());
        all.retain(|one| one.path.split('/').nth(2) == Some(key));
        all
    }
}

/// Runs file work off the runtime's threads; a panic in a decoder is the content's fault.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Fault::new(
            FaultClass::Content,
            "the file work ended abnormally",
        )),
    }
}
