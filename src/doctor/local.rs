//! What can be seen of this machine without a daemon.

use super::examined;
use crate::admin::view::{Examined, Finding};
use crate::config::{self, Fault};
use chrono::{DateTime, Datelike, Utc};
use rustix::fs::{Access, access, statvfs};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Less free than this wants a look; less than the other, and the next run may not fit.
const FREE_LOW: u64 = 2_000_000_000;
const FREE_MIN: u64 = 200_000_000;
const INODES_LOW: u64 = 10_000;
/// No clock that is right says less: the year this was written.
const YEAR_MIN: i32 = 2026;
/// Where distributions say how new their zones are.
const SYSTEM_ZONES: &str = "/usr/share/zoneinfo/tzdata.zi";

/// What is looked at, and under which variables.
pub struct Local<'e> {
    pub config: &'e Path,
    pub env: &'e [(String, String)],
    pub now: DateTime<Utc>,
    /// Of `[state]` and `[landing]`, should the configuration be at fault.
    pub state: PathBuf,
    pub landing: PathBuf,
}

/// Clock, zones, disk, permissions, configuration, in this order. Blocks.
pub fn examine(local: &Local) -> Vec<Examined> {
    let env = local.env.iter().cloned();
    let config = local.config.to_owned();
    let checked = config::check(std::slice::from_ref(&config), env, local.now);
    let (state, landing) = match &checked.daemon {
        Some(daemon) => (daemon.state.path.clone(), daemon.landing.path.clone()),
        None => (local.state.clone(), local.landing.clone()),
    };
    let secrets: Vec<&Fault> = checked
        .faults
        .iter()
        .filter(|fault| fault.code == "secret-permissions")
        .collect();
    vec![
        clock(local.now),
        zones(),
        disk("disk_state", &state),
        disk("disk_landing", &landing),
        permissions(&state, &landing, &secrets),
        configuration(local.config, &checked),
    ]
}

/// Replaced by a comparison with the vendor's clock where there is one.
fn clock(now: DateTime<Utc>) -> Examined {
    let status = match now.year() >= YEAR_MIN {
        true => Finding::Pass,
        false => Finding::Fail,
    };
    let observed = format!(
        "{}, compared with no other",
        now.format("%Y-%m-%d %H:%M:%SZ")
    );
    let expected = "the present time";
    examined(
        "clock",
        status,
        observed,
        expected,
        "timedatectl set-ntp true",
    )
}

fn zones() -> Examined {
    let ours = chrono_tz::IANA_TZDB_VERSION;
    let system = std::fs::read_to_string(SYSTEM_ZONES).ok();
    let theirs = system.as_deref().and_then(zones_version);
    let expected = "as new as this system's";
    match theirs {
        Some(theirs) if theirs > ours => examined(
            "zones",
            Finding::Warn,
            format!("tzdb {ours} inside aptiqd, {theirs} on this system"),
            expected,
            "apt install ./aptiqd_*.deb   # a newer aptiqd: zones are compiled in, and rules may have changed",
        ),
        Some(theirs) => {
            let observed = format!("tzdb {ours} inside aptiqd, {theirs} on this system");
            examined("zones", Finding::Pass, observed, expected, "")
        }
        None => {
            let observed = format!("tzdb {ours} inside aptiqd, none on this system");
            examined("zones", Finding::Pass, observed, expected, "")
        }
    }
}

/// `2026a` of `# version 2026a`; a letter may be missing.
fn zones_version(text: &str) -> Option<&str> {
    let version = text.lines().next()?.strip_prefix("# version ")?.trim();
    let year = version.get(..4)?;
    year.bytes().all(|b| b.is_ascii_digit()).then_some(version)
}

fn disk(name: &str, folder: &Path) -> Examined {
    let expected = "2 GB and 10000 files free";
    let there = nearest(folder);
    let stat = match statvfs(there) {
        Ok(stat) => stat,
        Err(error) => {
            let observed = format!("{}: {error}", there.display());
            let help = format!("ls -ld {}", config::shell_word(there));
            return examined(name, Finding::Fail, observed, expected, help);
        }
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    // File systems without a fixed number of files say 0 of 0.
    let files = (stat.f_files > 0).then_some(stat.f_favail);
    let status = room(free, files);
    let shown = folder.display();
    let files = files.map_or(String::new(), |files| format!(", {files} files"));
    let observed = format!("{} MB{files} free at {shown}", free / 1_000_000);
    let help = format!(
        "du -xh -d 2 {} | sort -h | tail   # what takes the room",
        config::shell_word(there)
    );
    examined(name, status, observed, expected, help)
}

fn room(free: u64, files: Option<u64>) -> Finding {
    match (free, files) {
        (..FREE_MIN, _) | (_, Some(0)) => Finding::Fail,
        (..FREE_LOW, _) | (_, Some(..INODES_LOW)) => Finding::Warn,
        _ => Finding::Pass,
    }
}

/// The folder itself, or the one that it would be made in.
fn nearest(folder: &Path) -> &Path {
    let there = folder.ancestors().find(|one| one.exists());
    there
        .filter(|one| !one.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn permissions(state: &Path, landing: &Path, secrets: &[&Fault]) -> Examined {
    let expected = "both folders ours to write and nobody else's, secrets mode 0600";
    let mut found: Vec<(String, String)> = Vec::new();
    for folder in [state, landing] {
        found.extend(folder_fault(folder));
    }
    let key = state.join("callback.key");
    if mode(&key).is_some_and(|mode| mode & 0o077 != 0) {
        let shown = config::shell_word(&key);
        found.push((
            format!("{} is open to others", key.display()),
            format!("chmod 600 {shown}"),
        ));
    }
    let secrets = secrets.iter();
    found.extend(secrets.map(|fault| (fault.message.clone(), fault.help.clone())));
    if found.is_empty() {
        let observed = format!("{} and {} are writable", state.display(), landing.display());
        return examined("permissions", Finding::Pass, observed, expected, "");
    }
    let (observed, help): (Vec<String>, Vec<String>) = found.into_iter().unzip();
    let help = help.join(" && ");
    examined(
        "permissions",
        Finding::Fail,
        observed.join("; "),
        expected,
        help,
    )
}

fn folder_fault(folder: &Path) -> Option<(String, String)> {
    let there = nearest(folder);
    let shown = config::shell_word(there);
    if access(there, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let message = format!("{} is not writable by this user", there.display());
        return Some((message, format!("chown \"$(id -un)\" {shown}")));
    }
    let open = mode(folder)? & 0o002 != 0;
    let message = || format!("{} is writable by everyone", folder.display());
    open.then(|| (message(), format!("chmod o-w {shown}")))
}

fn mode(path: &Path) -> Option<u32> {
    Some(std::fs::metadata(path).ok()?.permissions().mode())
}

fn configuration(file: &Path, checked: &config::Checked) -> Examined {
    let shown = file.display();
    let expected = "no fault";
    let help = format!("aptiqd check --config {}", config::shell_word(file));
    let more = |count: usize| match count {
        0 | 1 => String::new(),
        count => format!(", and {} more", count - 1),
    };
    let (faults, warnings) = (&checked.faults, &checked.warnings);
    match (faults.first(), warnings.first()) {
        (Some(first), _) => {
            let observed = format!("{first}{}", more(faults.len()));
            examined("configuration", Finding::Fail, observed, expected, help)
        }
        (None, Some(first)) => {
            let observed = format!("{first}{}", more(warnings.len()));
            examined("configuration", Finding::Warn, observed, expected, help)
        }
        (None, None) => {
            let schedules = match checked.schedules.len() {
                1 => "1 schedule".to_owned(),
                count => format!("{count} schedules"),
            };
            let observed = format!("{shown}, {schedules}");
            examined("configuration", Finding::Pass, observed, expected, "")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_warns_before_it_fails() {
        assert_eq!(room(10_000_000_000, Some(1_000_000)), Finding::Pass);
        assert_eq!(room(10_000_000_000, None), Finding::Pass);
        assert_eq!(room(1_000_000_000, None), Finding::Warn);
        assert_eq!(room(10_000_000_000, Some(5)), Finding::Warn);
        assert_eq!(room(10_000_000_000, Some(0)), Finding::Fail);
        assert_eq!(room(1, None), Finding::Fail);
    }

    #[test]
    fn a_clock_before_this_program_is_wrong() {
        let at = |text: &str| clock(text.parse().unwrap()).status;
        assert_eq!(at("1970-01-01T00:00:00Z"), Finding::Fail);
        assert_eq!(at("2026-11-25T00:00:00Z"), Finding::Pass);
    }

    #[test]
    fn the_systems_zones_say_their_version() {
        assert_eq!(zones_version("# version 2026a\nR x"), Some("2026a"));
        assert_eq!(zones_version("R x"), None);
        assert_eq!(zones_version("# version x"), None);
    }

    #[test]
    fn an_open_folder_and_an_open_key_are_named_with_their_chmod() {
        let folder = tempfile::tempdir().unwrap();
        let (state, landing) = (folder.path().join("state"), folder.path().join("exports"));
        let fine = permissions(&state, &landing, &[]);
        assert_eq!(
            fine.status,
            Finding::Pass,
            "folders are made at the start: {fine:?}"
        );
        std::fs::create_dir(&state).unwrap();
        std::fs::write(state.join("callback.key"), "k").unwrap();
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(&state, open).unwrap();
        let found = permissions(&state, &landing, &[]);
        assert_eq!(found.status, Finding::Fail);
        assert!(found.help.contains("chmod o-w "), "{found:?}");
        assert!(found.help.contains("chmod 600 "), "{found:?}");
    }
}
