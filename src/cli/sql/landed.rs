//! What has landed of a schedule, as far as statements depend on it.

use crate::schedule::{Partition, Schedule};
use serde::Deserialize;
use std::path::Path;

/// The partitions and columns of one schedule.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Landed {
    /// `date=2026-11-22`, oldest first; only those with a file of the schedule's present format.
    pub partitions: Vec<String>,
    /// As last seen, in the file's order; none before the first file.
    pub columns: Vec<Column>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Column {
    pub name: String,
    /// Of the file's format: `int64`, `byte_array string`, `float`, `text`, …
    #[serde(rename = "type")]
    pub kind: String,
}

#[derive(Deserialize)]
struct KnownSchema {
    columns: Vec<Column>,
}

impl Landed {
    /// Looks into the landing folder. What cannot be read counts as not landed: these are
    /// suggestions, not proofs.
    pub fn look(root: &Path, schedule: &Schedule) -> Landed {
        let name = schedule.name.as_str();
        let file = format!("{name}.{}", schedule.format.as_str());
        let data = root.join("data").join(name);
        let mut partitions: Vec<String> = std::fs::read_dir(&data)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.path().join(&file).is_file())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|folder| folder.starts_with(&format!("{}=", key(schedule.partition))))
            .collect();
        partitions.sort();
        Landed {
            partitions,
            ..Landed::columns_alone(root, schedule)
        }
    }

    /// As [`Landed::look`], with no partition looked for.
    pub fn columns_alone(root: &Path, schedule: &Schedule) -> Landed {
        let schema = root
            .join("meta")
            .join(schedule.name.as_str())
            .join("schema.json");
        let known = std::fs::read(schema).ok();
        let known = known.and_then(|text| serde_json::from_slice::<KnownSchema>(&text).ok());
        Landed {
            partitions: Vec::new(),
            columns: known.map(|known| known.columns).unwrap_or_default(),
        }
    }

    /// Whether the files have a column of this name. Engines then hide it behind the partition key.
    pub fn has_column(&self, name: &str) -> bool {
        let same = |column: &Column| column.name.eq_ignore_ascii_case(name);
        self.columns.iter().any(same)
    }
}

/// What partition folders are named by.
pub fn key(partition: Partition) -> &'static str {
    match partition {
        Partition::Date => "date",
        Partition::Month => "month",
        Partition::Window => "window",
    }
}
