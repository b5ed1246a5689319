//! The seam between the engine and whatever keeps its state.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::future::Future;

/// The number of an event in the journal; from 1, without gaps.
pub type Sequence = u64;

/// The kinds of record. Few, because sled's cost grows with trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tree {
    /// Schedule name → watermark, pause, last success.
    Schedule,
    /// Run id → run.
    Run,
    /// Run id, 0, part number (big-endian u32) → part with its attempts.
    Part,
    /// Run id → nothing: the runs that still have work to do.
    Open,
    /// Creation (big-endian milliseconds), run id → how the run ended, if it did: for listing newest first. What is
    /// written here stays when a run is opened again, so it counts for runs that are not in `Open`.
    Recent,
    /// Run id, 0, chunk number (big-endian u32) → published files.
    File,
    /// Roster hash, 0, chunk number (big-endian u32) → property ids.
    Roster,
    /// Schedule name, 0, property (big-endian, sign flipped) → intervals of cells.
    Coverage,
    /// Operators' decisions and whatever is single: exclusions, format, identity.
    Setting,
}

impl Tree {
    pub const ALL: [Tree; 9] = [
        Tree::Schedule,
        Tree::Run,
        Tree::Part,
        Tree::Open,
        Tree::Recent,
        Tree::File,
        Tree::Roster,
        Tree::Coverage,
        Tree::Setting,
    ];
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    pub tree: Tree,
    pub key: Vec<u8>,
}

/// One record written or removed; values are JSON under 60 KiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Put { key: Key, value: Vec<u8> },
    Delete { key: Key },
}

/// The events of one turn and the records they change: all of it or nothing.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Commit {
    pub at: DateTime<Utc>,
    pub events: Vec<Entry>,
    pub changes: Vec<Change>,
}

/// An event as it is to be remembered: what it is about, and its JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The schedule it concerns, if one.
    pub schedule: Option<String>,
    /// The run it concerns, if one; events are indexed by it.
    pub run: Option<String>,
    /// A JSON object with at least `"event"`, its name.
    pub body: serde_json::Value,
}

/// An event as it was committed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredEvent {
    pub sequence: Sequence,
    pub at: DateTime<Utc>,
    #[serde(flatten)]
    pub entry: Entry,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another daemon holds the folder. Exit 5.
    #[error("the state folder is in use by another aptiqd")]
    Locked,
    /// Made by a newer aptiqd. Exit 78.
    #[error("the state folder has format {found}; this aptiqd reads up to {known}")]
    NewerFormat { found: u32, known: u32 },
    /// Nobody knows who wrote it. Exit 78.
    #[error("{path} says {text:?}, where this aptiqd writes {known}")]
    UnknownFormat {
        path: String,
        text: String,
        known: u32,
    },
    /// After this nothing more is acknowledged; the process ends.
    #[error("cannot {operation} {path}")]
    Io {
        operation: &'static str,
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("a record over the limit of {limit} bytes: {bytes}")]
    TooLarge { bytes: usize, limit: usize },
    #[error("a deadline of the store passed while it tried to {operation}")]
    Deadline { operation: &'static str },
    /// An earlier failure stopped the store; nothing more is accepted.
    #[error("the store has stopped: {reason}")]
    Stopped { reason: String },
    #[error("a stored record of {tree:?} cannot be read: {reason}")]
    Record { tree: Tree, reason: String },
}

/// About six methods, so that another store needs no change above it.
pub trait Store: Send + Sync + 'static {
    /// Makes the commit durable; the answer is the sequence of its last event.
    /// Reads that begin after it returned see it.
    fn commit(&self, commit: Commit) -> impl Future<Output = Result<Sequence, Error>> + Send;

    fn read(&self, key: &Key) -> Result<Option<Vec<u8>>, Error>;

    /// Records of `tree` whose keys begin with `prefix`, in key order (or from the last one back),
    /// starting beyond `after`, at most `limit`.
    fn scan(
        &self,
        tree: Tree,
        prefix: &[u8],
        after: Option<&[u8]>,
        backwards: bool,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Error>;

    /// Events after `after`, oldest first, of one run or of all, at most `limit`.
    fn events(
        &self,
        run: Option<&str>,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, Error>;

    /// The sequence of the newest durable event; 0 in an empty store.
    fn position(&self) -> Sequence;

    /// Reads all that is kept and proves that nothing is missing or changed. Blocks.
    ///
    /// # Errors
    /// `Stopped` if it is not what was committed; nothing more is accepted then.
    fn audit(&self) -> Result<(), Error> {
        Ok(())
    }
}
