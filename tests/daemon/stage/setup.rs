//! What a stage is built from: the simulated service's options, `aptiqd.toml` and schedules.

use aptiqd::sandbox::Options;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// Whether the daemon sends callback addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callbacks {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// OAuth client credentials.
    Client,
    /// A pasted access token.
    Token,
}

/// One key of `aptiqd.toml` or of a schedule, with its value as TOML.
pub type Key = (&'static str, &'static str);

#[derive(Clone)]
pub struct Setup {
    pub sandbox: Options,
    pub callbacks: Callbacks,
    pub credential: Credential,
    /// `section.key` and its value as TOML; overrides what a test needs anyway.
    pub settings: Vec<Key>,
    /// Rules of good conduct that this test expects to see broken by design; none, as a rule.
    pub violations_expected: bool,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            sandbox: Options {
                job_time: Duration::from_millis(60),
                lag: Duration::from_millis(400),
                ..Options::default()
            },
            callbacks: Callbacks::On,
            credential: Credential::Client,
            settings: Vec::new(),
            violations_expected: false,
        }
    }
}

impl Setup {
    pub fn faults(list: &str) -> Setup {
        let mut setup = Setup::default();
        setup.sandbox.faults = list.parse().expect("known faults");
        setup
    }

    pub fn without_callbacks(mut self) -> Setup {
        self.callbacks = Callbacks::Off;
        self
    }

    pub fn with(mut self, key: &'static str, value: &'static str) -> Setup {
        self.settings.push((key, value));
        self
    }

    pub fn job_time(mut self, time: Duration) -> Setup {
        self.sandbox.job_time = time;
        self
    }
}

/// The sections of `aptiqd.toml`, later keys winning.
#[derive(Default)]
pub struct Sections(BTreeMap<String, BTreeMap<String, String>>);

impl Sections {
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        let (section, key) = key.split_once('.').expect("section.key");
        let section = self.0.entry(section.to_owned()).or_default();
        section.insert(key.to_owned(), value.into());
    }

    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        for (section, keys) in &self.0 {
            let _ = writeln!(text, "[{section}]");
            for (key, value) in keys {
                let _ = writeln!(text, "{key} = {value}");
            }
        }
        text
    }
}

/// A schedule that never fires by itself during a test; `keys` override.
pub fn schedule(keys: &[Key]) -> String {
    let mut all = BTreeMap::from([
        ("report", "\"property\""),
        ("format", "\"csv\""),
        ("cron", "\"0 0 29 2 *\""),
        ("timezone", "\"America/Chicago\""),
        ("window", "\"yesterday\""),
        ("properties", "{ ids = [99001416, 99001470, 99001471] }"),
        ("chunk", "{ properties = 25, days = 31 }"),
        ("retry", "{ attempts = 4, first = \"1s\", max = \"2s\" }"),
    ]);
    all.extend(keys.iter().copied());
    let mut text = String::new();
    for (key, value) in all {
        let _ = writeln!(text, "{key} = {value}");
    }
    text
}
