//! How the daemon and its schedules are: what a person looks at first.

use super::{Fault, Run};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

/// How bad it is; worse sorts first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Error,
    Warn,
    Ok,
}

/// Something a person should look at, with the command that mends or explains it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Attention {
    pub level: Level,
    /// A schedule's name, or `credential`, `callbacks`, `config`, `landing`, `store`.
    pub subject: String,
    pub message: String,
    pub help: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Pause {
    pub since: DateTime<Utc>,
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LastRun {
    pub id: String,
    pub state: super::RunState,
    pub reason: Option<String>,
    pub finished_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ScheduleStatus {
    pub name: String,
    pub description: String,
    pub enabled: bool,
    pub paused: Option<Pause>,
    pub next_fire: Option<DateTime<Utc>>,
    pub last_run: Option<LastRun>,
    /// When a run of it last landed.
    pub last_success: Option<DateTime<Utc>>,
    /// The last day of which data has landed.
    pub data_through: Option<NaiveDate>,
    pub level: Level,
    /// `ok`, `running`, `failing`, `incomplete`, `late`, `paused`, `disabled` or `new`.
    pub state: String,
    pub reason: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Callbacks {
    /// Whether callback addresses are sent at all.
    pub public_url: Option<String>,
    /// Heard with a good token since the daemon began.
    pub received: u64,
    /// Requests that were answered 404.
    pub refused: u64,
    /// Of the jobs that ended since the daemon began, the share learned by callback; 0 to 1.
    pub share: Option<f64>,
    /// How much earlier than the next sweep such jobs were learned of, on average.
    #[serde(default)]
    pub lead_seconds: Option<f64>,
    /// When a callback was last heard.
    #[serde(default)]
    pub last_heard_at: Option<DateTime<Utc>>,
    /// Since when those that were due have not come.
    #[serde(default)]
    pub silent_since: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Credential {
    /// `client` (renews itself) or `token`.
    pub kind: String,
    pub expires_at: Option<DateTime<Utc>>,
    /// The vendor's last answer to it was a refusal.
    pub refused: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConfigHealth {
    pub path: Option<String>,
    pub last_reload_at: Option<DateTime<Utc>>,
    /// Whether the last reload was taken.
    pub ok: bool,
    pub faults: Vec<Fault>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StoreHealth {
    /// The sequence of the newest durable event.
    pub position: u64,
    pub free_bytes: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LandingHealth {
    pub path: String,
    pub free_bytes: Option<u64>,
}

/// `status`: worst first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Status {
    pub schema: String,
    pub version: String,
    /// Able to acknowledge callbacks.
    pub ready: bool,
    /// When the daemon began.
    pub since: DateTime<Utc>,
    pub attention: Vec<Attention>,
    pub schedules: Vec<ScheduleStatus>,
    /// Open runs, oldest first.
    pub runs: Vec<Run>,
    pub jobs_in_flight: u64,
    pub callbacks: Callbacks,
    pub credential: Credential,
    pub config: ConfigHealth,
    pub store: StoreHealth,
    pub landing: LandingHealth,
}

/// `/api/v1/schedules`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Schedules {
    pub schema: String,
    pub schedules: Vec<ScheduleStatus>,
}

/// `/-/healthy` and `/-/ready`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Ready {
    pub ok: bool,
    pub reason: Option<String>,
}

/// `reload`: what is different now; names of schedules.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Reload {
    pub schema: String,
    pub added: Vec<String>,
    pub changed: Vec<String>,
    pub removed: Vec<String>,
    /// Receivers of notices, `[notify.NAME]`.
    pub notifiers: Changes,
    /// Other keys sign or verify callback addresses from now on.
    pub callback_keys: bool,
    /// Keys of `aptiqd.toml` that say something else than when the daemon was started, and wait for its next start.
    pub needs_restart: Vec<String>,
    pub dry_run: bool,
}

/// Names that came, changed and went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Changes {
    pub added: Vec<String>,
    pub changed: Vec<String>,
    pub removed: Vec<String>,
}

/// `cancel`, `retry`, `pause`, `resume`: what it did, to what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Acted {
    pub schema: String,
    /// `cancel`, `retry`, `pause` or `resume`.
    pub action: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleStatus>,
    pub dry_run: bool,
}

impl Status {
    /// Puts the worst first and the rest by name.
    pub fn sort(&mut self) {
        self.attention
            .sort_by(|a, b| (a.level, &a.subject).cmp(&(b.level, &b.subject)));
        self.schedules
            .sort_by(|a, b| (a.level, &a.name).cmp(&(b.level, &b.name)));
    }
}

impl Acted {
    pub fn on_run(action: &str, run: Run, dry_run: bool) -> Acted {
        Acted {
            schema: "aptiqd.act/1".to_owned(),
            action: action.to_owned(),
            run: Some(run),
            schedule: None,
            dry_run,
        }
    }

    pub fn on_schedule(action: &str, schedule: ScheduleStatus, dry_run: bool) -> Acted {
        Acted {
            schema: "aptiqd.act/1".to_owned(),
            action: action.to_owned(),
            run: None,
            schedule: Some(schedule),
            dry_run,
        }
    }
}
