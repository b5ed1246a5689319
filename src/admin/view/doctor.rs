//! What `doctor`, `callback test` and `token check` say, and what a trigger would ask for.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How one thing was found; worse sorts last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Finding {
    Pass,
    Warn,
    Fail,
}

/// One thing looked at, what it should be, and the command that mends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Examined {
    /// `clock`, `zones`, `disk_state`, `disk_landing`, `permissions`, `configuration`, `daemon`,
    /// `credential`, `rate_limits`, `store`, `orphan_jobs`, `unfetched_jobs`, `callback`.
    pub name: String,
    pub status: Finding,
    pub observed: String,
    pub expected: String,
    /// Empty if there is nothing to mend.
    pub help: String,
}

/// `doctor`: in the order in which things are to be mended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Doctor {
    pub schema: String,
    /// Nothing failed; warnings there may be.
    pub ok: bool,
    pub checks: Vec<Examined>,
}

/// An account that the credential sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Account {
    pub id: i64,
    pub name: Option<String>,
}

/// How ApartmentIQ took the credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    Accepted,
    /// 401, also after it was renewed or read anew; or there is none to send.
    Refused,
    /// Accepted, but it may not see accounts, or its quota is spent.
    Forbidden,
    /// No answer, or none that says anything about it: try later.
    Unknown,
}

/// `token check`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TokenCheck {
    pub schema: String,
    pub ok: bool,
    pub standing: Standing,
    /// `client` (renews itself) or `token`.
    pub kind: String,
    /// Whether `standby_token_file` had to serve.
    pub standby: bool,
    /// By its grant, or by the `exp` of a pasted token; unknown for one that is no JWT.
    pub expires_at: Option<DateTime<Utc>>,
    pub expires_in_seconds: Option<i64>,
    pub accounts: Vec<Account>,
    /// Why it is not accepted, in the vendor's words.
    pub reason: Option<String>,
    pub help: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Certificate {
    pub issuer: String,
    pub expires_at: DateTime<Utc>,
}

/// `callback test`: a POST to ourselves by the public address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CallbackTest {
    pub schema: String,
    /// It was heard and answered as a vendor's callback is.
    pub ok: bool,
    pub public_url: String,
    /// The callback listener got it.
    pub heard: bool,
    /// What came back to the sender.
    pub status: Option<u16>,
    pub took_ms: u64,
    /// What went wrong, if anything did.
    pub problem: Option<String>,
    /// What is odd, but does no harm: a changed body, method or content type.
    pub oddities: Vec<String>,
    pub help: String,
    /// Of an https address.
    pub certificate: Option<Certificate>,
}

/// What a trigger would ask ApartmentIQ for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Forecast {
    pub parts: u64,
    pub properties: u64,
    pub property_days: u64,
}

impl Finding {
    pub fn as_str(self) -> &'static str {
        match self {
            Finding::Pass => "pass",
            Finding::Warn => "warn",
            Finding::Fail => "fail",
        }
    }
}

impl Doctor {
    pub fn new(checks: Vec<Examined>) -> Doctor {
        Doctor {
            schema: "aptiqd.doctor/1".to_owned(),
            ok: checks.iter().all(|check| check.status != Finding::Fail),
            checks,
        }
    }
}
