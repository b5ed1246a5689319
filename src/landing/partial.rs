//! What is known of a download that broke, so that the next one goes on where it ended.

use super::disk::Disk;
use crate::run::Fault;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// Beside `part-NNNN.partial`; says which bytes of it are trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Partial {
    pub job_id: String,
    /// Only a strong tag proves that two answers are of the same bytes.
    pub etag: Option<String>,
    /// The whole length, if the server named it.
    pub length: Option<u64>,
    /// So many bytes were synced; more may be there and are not trusted.
    pub kept: u64,
}

impl Partial {
    /// The record of a download of `job_id` that can be resumed.
    pub fn load(path: &Path, job_id: &str) -> Option<Partial> {
        let partial: Partial = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        (partial.job_id == job_id && partial.kept > 0 && partial.etag.is_some()).then_some(partial)
    }

    pub fn save(&self, disk: &Disk, path: &Path) -> Result<(), Fault> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        disk.replace(&path.with_extension("resume.new"), path, &text)
    }
}
