//! One thing worth telling, with the command that explains or mends it.

use crate::run::RunId;
use crate::schedule::Name;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Longer texts are cut: they quote the vendor.
const TEXT_MAX: usize = 1_000;

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A run has begun; only machines are told.
    Started,
    Landed,
    Failed,
    Incomplete,
    /// A run landed after failed or incomplete ones.
    Recovered,
    Late,
    /// Data came after a notice that it was late.
    FreshAgain,
    SchemaChanged,
    /// The last open run of a schedule's backfills has ended.
    BackfillFinished,
    CredentialExpiring,
    CredentialRefused,
    CredentialGood,
    QuotaSpent,
    QuotaFree,
    CallbacksSilent,
    CallbacksBack,
    ReloadRejected,
    ReloadTaken,
    DiskLow,
    DiskFree,
}

impl Kind {
    /// The word in documents, the same as in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Started => "started",
            Kind::Landed => "landed",
            Kind::Failed => "failed",
            Kind::Incomplete => "incomplete",
            Kind::Recovered => "recovered",
            Kind::Late => "late",
            Kind::FreshAgain => "fresh_again",
            Kind::SchemaChanged => "schema_changed",
            Kind::BackfillFinished => "backfill_finished",
            Kind::CredentialExpiring => "credential_expiring",
            Kind::CredentialRefused => "credential_refused",
            Kind::CredentialGood => "credential_good",
            Kind::QuotaSpent => "quota_spent",
            Kind::QuotaFree => "quota_free",
            Kind::CallbacksSilent => "callbacks_silent",
            Kind::CallbacksBack => "callbacks_back",
            Kind::ReloadRejected => "reload_rejected",
            Kind::ReloadTaken => "reload_taken",
            Kind::DiskLow => "disk_low",
            Kind::DiskFree => "disk_free",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Info,
    Warning,
    Error,
}

/// What goes out; stored until it has arrived.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The same whenever the same change is told: receivers may drop a second one.
    pub id: String,
    pub kind: Kind,
    pub level: Level,
    /// When it was noticed.
    pub at: DateTime<Utc>,
    /// `None`: it is about the daemon.
    pub schedule: Option<Name>,
    pub run: Option<RunId>,
    /// One or two sentences for people.
    pub text: String,
    /// The command that explains or mends it.
    pub help: Option<String>,
    /// 0 when it is new; how often it was told again while it lasted.
    pub repeat: u32,
    /// Facts for machines, by kind.
    pub data: Value,
}

impl Notice {
    /// The document that webhooks and programs get, in the form that Standard Webhooks advise: `type`, `timestamp`, `data`.
    pub fn document(&self) -> Value {
        json!({
            "schema": "aptiqd.notice/1",
            "id": self.id,
            "type": self.kind,
            "timestamp": self.at.to_rfc3339_opts(SecondsFormat::Millis, true),
            "level": self.level,
            "schedule": self.schedule,
            "run": self.run,
            "text": self.text,
            "help": self.help,
            "repeat": self.repeat,
            "data": self.data,
        })
    }
}

/// Derived from what makes the notice one and not another.
pub(super) fn id_of(parts: &[&str]) -> String {
    let hash = Sha256::digest(parts.join("\n").as_bytes());
    let start = String::from("notice_");
    hash.iter().take(12).fold(start, |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// At most so long, cut between characters.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
