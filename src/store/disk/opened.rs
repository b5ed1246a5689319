//! What opening found, for whoever must be told.

use super::folder::Ballast;
use super::migrate::Migrated;
use crate::store::Sequence;
use std::path::PathBuf;

/// A report of one opening. All of it is on the disk already; opening logs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The newest durable event.
    pub position: Sequence,
    pub revival: Revival,
    /// Bytes of a write that a crash cut short and nobody was promised.
    pub torn_bytes: u64,
    /// The journal is not as it was left, in words.
    pub journal_damage: Option<String>,
    /// First and last event whose changes are gone from the state: it must be reconciled with manifests and vendor.
    pub lost: Option<(Sequence, Sequence)>,
    /// Where damaged files were put.
    pub quarantine: Option<PathBuf>,
    pub ballast: Ballast,
    /// The folder was of an older format.
    pub migrated: Option<Migrated>,
}

/// How the state in sled came to be what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revival {
    /// A new folder.
    Made,
    /// It was audited and up to the journal.
    Kept,
    /// It was audited, and brought up to the journal.
    CaughtUp { commits: u64 },
    /// It was not to be trusted, and was refilled from the snapshot at `snapshot` (0: none) and the journal.
    Refilled {
        reason: String,
        snapshot: Sequence,
        commits: u64,
    },
}

impl Opened {
    /// Nothing is amiss that a person or the reconciler should know of.
    pub fn is_clean(&self) -> bool {
        !matches!(self.revival, Revival::Refilled { .. })
            && self.journal_damage.is_none()
            && self.lost.is_none()
            && self.ballast == Ballast::Kept
    }

    /// What a person should know of it, if anything is amiss.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Revival::Refilled { reason, .. } = &self.revival {
            notes.push(format!(
                "the state was not to be trusted and was refilled: {reason}"
            ));
        }
        if let Some(damage) = &self.journal_damage {
            notes.push(format!("the journal is damaged: {damage}"));
        }
        if let Some((from, to)) = self.lost {
            notes.push(format!("the events {from} to {to} are lost"));
        }
        if self.ballast == Ballast::Released {
            notes.push("the disk is nearly full: the ballast was released".to_owned());
        }
        notes
    }

    pub(super) fn log(&self) {
        let position = self.position;
        let quarantine = self
            .quarantine
            .as_deref()
            .map(|path| path.display().to_string());
        match &self.revival {
            Revival::Made => tracing::info!(position, "state folder made"),
            Revival::Kept => tracing::info!(position, "state opened"),
            Revival::CaughtUp { commits } => {
                tracing::info!(position, commits, "state brought up to the journal");
            }
            Revival::Refilled {
                reason,
                snapshot,
                commits,
            } => tracing::error!(
                position,
                reason,
                snapshot,
                commits,
                quarantine,
                "the state was not to be trusted: set aside and refilled"
            ),
        }
        if self.torn_bytes > 0 {
            tracing::warn!(
                bytes = self.torn_bytes,
                "an unfinished write was cut from the journal"
            );
        }
        if let Some(damage) = &self.journal_damage {
            tracing::error!(
                damage,
                quarantine,
                "the journal is damaged; a copy was set aside"
            );
        }
        if let Some((from, to)) = self.lost {
            tracing::error!(
                from,
                to,
                "committed events are lost: reconcile with manifests and the vendor"
            );
        }
        if self.ballast == Ballast::Released {
            tracing::error!("the disk is nearly full: the state folder's ballast was released");
        }
    }
}
