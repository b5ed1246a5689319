//! What the manifests on disk say together, for a state that must be rebuilt.

use super::announce::published_file;
use super::cells::Cells;
use super::manifest::Manifest;
use super::verify::{names, read_failed};
use super::{Error, Landing};
use crate::run::{JobRemains, Remains, RunId, RunRemains};
use crate::schedule::{Name, Window};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// All manifests below a landing folder, by schedule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifests {
    pub schedules: Vec<Remains>,
    /// How many were taken in.
    pub read: u64,
    /// Those that were not, below the landing folder, with the reason.
    pub unread: Vec<(String, String)>,
}

impl Landing {
    /// Reads every manifest. Blocks as long as that takes.
    ///
    /// # Errors
    /// `Io` if a folder cannot be read; a manifest that cannot be is told in the answer.
    pub fn manifests(&self) -> Result<Manifests, Error> {
        manifests(self.inner.disk.root())
    }

    /// The run that landed last, by the schedule's `latest.json`.
    pub fn latest_run(&self, schedule: &Name) -> Option<RunId> {
        let root = self.inner.disk.root();
        let text = fs::read(super::layout::meta(root, schedule).join("latest.json")).ok()?;
        let latest: serde_json::Value = serde_json::from_slice(&text).ok()?;
        latest["run"].as_str()?.parse().ok()
    }
}

/// Reads every manifest below `root`; without the folder there is none.
///
/// # Errors
/// `Io` if a folder cannot be read.
pub fn manifests(root: &Path) -> Result<Manifests, Error> {
    let mut all = Manifests::default();
    for schedule in names(&root.join("meta"))? {
        let Ok(name) = Name::parse(&schedule) else {
            continue;
        };
        let remains = of_schedule(root, name, &mut all)?;
        if !remains.runs.is_empty() {
            all.schedules.push(remains);
        }
    }
    Ok(all)
}

fn of_schedule(root: &Path, schedule: Name, all: &mut Manifests) -> Result<Remains, Error> {
    let folder = root.join("meta").join(schedule.as_str());
    let mut remains = Remains {
        schedule,
        landed: Vec::new(),
        empty: Vec::new(),
        missing: Vec::new(),
        columns: Vec::new(),
        runs: Vec::new(),
    };
    let mut newest = None;
    let mut runs = BTreeMap::new();
    for name in names(&folder)? {
        if !name.contains('=') || !name.ends_with(".json") {
            continue;
        }
        let path = folder.join(&name);
        let text = fs::read(&path).map_err(read_failed(&path))?;
        match proven(root, &text) {
            Ok(manifest) => {
                all.read += 1;
                take_in(&manifest, &mut remains, &mut runs);
                if manifest.file.rows > 0 && newest < Some(manifest.landed_at) {
                    newest = Some(manifest.landed_at);
                    let columns = manifest.columns.into_iter();
                    remains.columns = columns.map(|column| column.name).collect();
                }
            }
            Err(reason) => {
                let path = format!("meta/{}/{name}", remains.schedule);
                all.unread.push((path, reason));
            }
        }
    }
    remains.runs = runs.into_values().collect();
    Ok(remains)
}

/// A manifest whose file is there in its full length.
fn proven(root: &Path, text: &[u8]) -> Result<Manifest, String> {
    let manifest: Manifest = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let Some(path) = &manifest.file.path else {
        return Ok(manifest);
    };
    match fs::metadata(root.join(path)) {
        Ok(found) if found.len() == manifest.file.bytes => Ok(manifest),
        Ok(found) => Err(format!(
            "{path} has {} bytes, not {}",
            found.len(),
            manifest.file.bytes
        )),
        Err(error) => Err(format!("{path}: {error}")),
    }
}

fn take_in(manifest: &Manifest, remains: &mut Remains, runs: &mut BTreeMap<RunId, RunRemains>) {
    let properties = manifest.asked_properties();
    let dates = &manifest.dates;
    let Some(window) = Window::new(dates.from, dates.to) else {
        return;
    };
    let mut landed = Cells::none(&properties, window);
    manifest.mark_landed(&mut landed);
    remains.landed.extend(landed.spans());
    remains.missing.extend(manifest.gaps.iter().copied());
    remains.empty.extend(manifest.empty.iter().copied());
    let run = runs
        .entry(manifest.run.clone())
        .or_insert_with(|| RunRemains {
            id: manifest.run.clone(),
            window: manifest.window,
            report: manifest.report,
            format: manifest.format,
            landed_at: manifest.landed_at,
            files: Vec::new(),
            checks: manifest.checks.clone(),
            properties: Vec::new(),
            jobs: Vec::new(),
            present: 0,
            absent: 0,
            through: None,
        });
    run.landed_at = run.landed_at.max(manifest.landed_at);
    run.files.extend(published_file(manifest));
    run.properties.extend(properties);
    run.properties.sort_unstable();
    run.properties.dedup();
    run.present += landed.count();
    run.absent += manifest
        .gaps
        .iter()
        .map(|gap| u64::from(gap.window().len()))
        .sum::<u64>();
    let days = (0..window.len() as usize).rev();
    let newest = days.into_iter().find(|day| landed.has_day(*day));
    run.through = run.through.max(newest.map(|day| landed.day_at(day)));
    for job in &manifest.jobs {
        let job = JobRemains {
            job_id: job.job_id.clone(),
            property_ids: job.property_ids.clone(),
            window: job.window(),
        };
        if !run.jobs.contains(&job) {
            run.jobs.push(job);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("a file");
        };
        put("data/daily/date=2026-11-01/daily.csv", "id\n1\n2\n");
        let manifest = |path: &str, bytes: u64, day: &str| {
            format!(
                r#"{{"schema":"aptiqd.manifest/1","schedule":"daily","run":"daily.20261102T183000Z","generation":1,
                "window":{{"from":"2026-11-01","to":"2026-11-02"}},"report":"property","format":"csv",
                "file":{{"path":"{path}","bytes":{bytes},"sha256":"aa","rows":2}},
                "jobs":[{{"job_id":"j1","properties":3,"property_ids":[1,2,3],"from":"{day}","to":"{day}","bytes":7,"sha256":"aa"}}],
                "properties":{{"requested":3,"present":2,"missing":[3]}},"dates":{{"from":"{day}","to":"{day}","missing":[]}},
                "columns":[],"checks":[],"landed_at":"2026-11-02T18:40:00Z",
                "gaps":[{{"property":3,"from":"{day}","to":"{day}"}}]}}"#
            )
        };
        let first = manifest("data/daily/date=2026-11-01/daily.csv", 7, "2026-11-01");
        put("meta/daily/date=2026-11-01.json", &first);
        let gone = manifest("data/daily/date=2026-11-02/daily.csv", 7, "2026-11-02");
        put("meta/daily/date=2026-11-02.json", &gone);
        put("meta/daily/date=2026-11-03.json", "{");
        put("meta/daily/latest.json", "{}");
        root
    }

    #[test]
    fn only_what_is_there_counts_as_landed() {
        let root = root();
        let all = manifests(root.path()).expect("readable");
        assert_eq!((all.read, all.unread.len()), (1, 2), "{:?}", all.unread);
        let [daily] = &all.schedules[..] else {
            panic!("{all:?}")
        };
        let landed: Vec<i64> = daily.landed.iter().map(|span| span.property).collect();
        assert_eq!(landed, [1, 2]);
        assert_eq!(daily.missing.len(), 1);
        let [run] = &daily.runs[..] else {
            panic!("{daily:?}")
        };
        assert_eq!((run.present, run.absent), (2, 1));
        assert_eq!(run.jobs[0].job_id, "j1");
        assert_eq!(run.through, "2026-11-01".parse().ok());
    }

    #[test]
    fn without_a_landing_folder_nothing_remains() {
        let root = tempfile::tempdir().expect("a folder");
        let all = manifests(&root.path().join("absent")).expect("no fault");
        assert_eq!(all, Manifests::default());
    }
}
