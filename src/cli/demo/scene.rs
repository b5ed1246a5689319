//! Where the demo plays: its folder, its configuration, its schedule.

use crate::admin::view::Code;
use crate::cli::exit::Failure;
use crate::sandbox::{Options, Sandbox};
use crate::schedule::Schedule;
use crate::{clock, config};
use chrono::{DateTime, Datelike, SubsecRound, TimeDelta, Timelike, Utc};
use std::fs;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The schedule's name.
pub const SCHEDULE: &str = "owned-daily";
/// Says that a folder is a demo's and may be replaced.
const MARK: &str = ".aptiqd-demo";

pub struct Scene {
    pub dir: PathBuf,
    pub exports: PathBuf,
    /// Where the status page is.
    pub admin: SocketAddr,
    /// Where callbacks are expected.
    pub public_url: String,
    /// The simulated file host, which is another than the API's.
    pub files_host: String,
    config: PathBuf,
}

pub fn sandbox_options() -> Options {
    Options {
        job_time: Duration::from_millis(600),
        ..Options::default()
    }
}

/// Makes room: removes what an earlier demo left, and nothing else.
pub fn clear(dir: &Path) -> Result<(), Failure> {
    may_play(dir)?;
    let shown = dir.display();
    for name in ["state", "exports", "schedules"] {
        match fs::remove_dir_all(dir.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(conflict(format!("cannot replace {shown}/{name}: {error}")));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a demo may play in a folder: one that is not there, is empty, or is an earlier demo's.
pub fn may_play(dir: &Path) -> Result<(), Failure> {
    let shown = dir.display();
    let empty = match fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(conflict(format!("cannot look into {shown}: {error}"))),
    };
    if !empty && !dir.join(MARK).exists() {
        return Err(conflict(format!(
            "{shown} holds something that is no demo's"
        )));
    }
    let socket = dir.join("state/admin.sock");
    match crate::admin::connect(&socket) {
        Ok(_) => Err(conflict(format!("a demo is running in {shown}"))),
        Err(_) => Ok(()),
    }
}

fn conflict(message: String) -> Failure {
    let help = "name another folder: aptiqd demo --dir DIR";
    Failure::new(Code::Conflict, message, help)
}

impl Scene {
    /// Writes the folder for a schedule that fires in a moment.
    pub fn set(dir: &Path, sandbox: &Sandbox) -> Result<Scene, Failure> {
        let failed = |error: io::Error| {
            let message = format!("cannot write the demo's folder {}: {error}", dir.display());
            Failure::new(Code::Failed, message, "name another: aptiqd demo --dir DIR")
        };
        let (callback, admin) = free_ports().map_err(failed)?;
        let scene = Scene {
            dir: dir.to_owned(),
            exports: dir.join("exports"),
            admin,
            public_url: format!("http://{callback}"),
            files_host: sandbox.files_host(),
            config: dir.join("aptiqd.toml"),
        };
        let due = clock::now().trunc_subsecs(0) + TimeDelta::seconds(2);
        let written = fs::create_dir_all(dir.join("schedules"))
            .and_then(|()| fs::create_dir_all(dir.join("state")))
            .and_then(|()| fs::write(dir.join(MARK), "`aptiqd demo` replaces this folder.\n"))
            .and_then(|()| secret(&dir.join("secret"), &sandbox.client_secret()))
            .and_then(|()| fs::write(&scene.config, scene.configuration(sandbox, callback)))
            .and_then(|()| {
                fs::write(
                    dir.join(format!("schedules/{SCHEDULE}.toml")),
                    schedule(due),
                )
            });
        written.map_err(failed)?;
        Ok(scene)
    }

    /// Reads it back as `run` would; the environment's overrides are not meant for it.
    pub fn load(&self) -> Result<(config::Daemon, Vec<Schedule>), Failure> {
        let loaded = config::load_all(&self.config, std::iter::empty());
        loaded.map_err(|faults| Failure::of_faults(&faults))
    }

    fn configuration(&self, sandbox: &Sandbox, callback: SocketAddr) -> String {
        let files_host = self
            .files_host
            .rsplit_once(':')
            .map_or("127.0.0.1", |(host, _)| host);
        format!(
            "# Written by `aptiqd demo`; it points at a simulated ApartmentIQ that ends with the demo.\n\
             [api]\n\
             base_url = \"{base}\"\n\
             token_url = \"{token}\"\n\
             client_id = \"{id}\"\n\
             client_secret_file = \"secret\"\n\
             requests_per_minute = 6000\n\
             poll_interval = \"5s\"\n\n\
             [callback]\n\
             listen = \"{callback}\"\n\
             public_url = \"{public_url}\"\n\n\
             [admin]\n\
             listen = \"{admin}\"\n\n\
             [download]\n\
             allowed_hosts = [\"{files_host}\"]\n",
            base = sandbox.base_url(),
            token = sandbox.token_url(),
            id = sandbox.client_id(),
            public_url = self.public_url,
            admin = self.admin,
        )
    }
}

/// The schedule, with a second expression for the one fire that the demo shows.
fn schedule(due: DateTime<Utc>) -> String {
    let once = format!(
        "{} {} {} {} {} *",
        due.second(),
        due.minute(),
        due.hour(),
        due.day(),
        due.month()
    );
    format!(
        "description = \"Six properties, daily\"\n\
         report      = \"property\"\n\
         format      = \"parquet\"\n\
         cron        = [\"30 18 * * *\", \"{once}\"]   # daily, and once for the demo\n\
         timezone    = \"UTC\"\n\
         window      = \"yesterday\"\n\
         properties  = {{ ids = [99001416, 99001470, 99001471, 99001502, 99001533, 99001540] }}\n\
         chunk       = {{ properties = 2, days = 31 }}\n"
    )
}

/// Two ports that were free a moment ago.
fn free_ports() -> io::Result<(SocketAddr, SocketAddr)> {
    let (one, two) = (
        TcpListener::bind("127.0.0.1:0")?,
        TcpListener::bind("127.0.0.1:0")?,
    );
    Ok((one.local_addr()?, two.local_addr()?))
}

fn secret(path: &Path, text: &str) -> io::Result<()> {
    let _ = fs::remove_file(path);
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())
}
