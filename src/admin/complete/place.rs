//! What a path that a person wrote names.

use crate::run::RunId;
use crate::schedule::Name;

/// What a path names below the landing folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    Partition { schedule: Name, key: String },
    Raw { run: RunId, part: u32 },
    Quarantined { run: RunId },
}

/// Reads a path from its end, so that it may begin anywhere.
pub(super) fn place(path: &str) -> Option<Place> {
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    let aside = parts
        .windows(3)
        .find(|three| three[..2] == ["staging", "quarantine"]);
    if let Some([_, _, run]) = aside {
        let run = run.parse().ok()?;
        return Some(Place::Quarantined { run });
    }
    let last = |count: usize| parts.len().checked_sub(count).map(|at| &parts[at..]);
    if let Some(["raw", _, run, file]) = last(4) {
        let number = file.strip_prefix("part-")?.split('.').next()?;
        let run = run.parse().ok()?;
        return Some(Place::Raw {
            run,
            part: number.parse().ok()?,
        });
    }
    let partition = |schedule: &str, key: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "=_-".contains(c);
        let schedule = Name::parse(schedule).ok()?;
        // Other files lie beside the manifests.
        (key.contains('=') && key.chars().all(plain)).then(|| Place::Partition {
            schedule,
            key: key.to_owned(),
        })
    };
    if let Some(["data", schedule, key, _]) = last(4) {
        return partition(schedule, key);
    }
    match last(3) {
        Some(["data", schedule, key]) => partition(schedule, key),
        Some(["meta", schedule, file]) => partition(schedule, file.strip_suffix(".json")?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_from_its_end() {
        let expected = Place::Partition {
            schedule: Name::parse("owned").unwrap(),
            key: "date=2026-11-22".to_owned(),
        };
        for path in [
            "data/owned/date=2026-11-22/owned.csv",
            "/srv/data/x/data/owned/date=2026-11-22/owned.csv",
            "./exports/data/owned/date=2026-11-22/",
            "meta/owned/date=2026-11-22.json",
        ] {
            assert_eq!(place(path).as_ref(), Some(&expected), "{path}");
        }
        let raw = place("raw/owned/owned.20261122T183000Z/part-0012.csv");
        assert!(matches!(raw, Some(Place::Raw { part: 12, .. })), "{raw:?}");
        for path in [
            "staging/quarantine/owned.20261122T183000Z",
            "/srv/x/staging/quarantine/owned.20261122T183000Z/date=2026-11-22/owned.csv",
        ] {
            let aside = place(path);
            assert!(
                matches!(aside, Some(Place::Quarantined { .. })),
                "{aside:?}"
            );
        }
        for path in [
            "",
            "owned.csv",
            "data/../../etc/passwd",
            "data/owned/../x",
            "meta/owned/latest.json",
            "data/O/a/b",
        ] {
            assert_eq!(place(path), None, "{path}");
        }
    }
}
