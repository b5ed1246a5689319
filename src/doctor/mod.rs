//! What may be wrong around a daemon, each with the command that mends it.
//!
//! `local.rs` needs no daemon: clock, zones, disk, permissions, configuration. The rest is asked
//! from within one: `vendor.rs` the credential, the limits and the vendor's clock, `jobs.rs` what
//! lies upstream, `callback.rs` the way from the public address to ourselves.

mod callback;
mod certificate;
mod jobs;
mod local;
mod mend;
mod vendor;

pub use callback::{Outgoing, call, judge as judge_callback, nobody_is_called};
pub use jobs::{Fate, Known, Upstream, classify, judge as judge_jobs, learn, not_looked_at};
pub use local::{Local, examine as examine_locally};
pub use mend::Named;
pub use vendor::{clock, judge as judge_credential, limits, told as token_told};

use crate::admin::view::{Examined, Finding};

/// A line of the examination; what passed needs no help. `help` is a line to be typed as it stands: a command, and
/// behind `#` what a person must know about it.
pub fn examined(
    name: &str,
    status: Finding,
    observed: impl Into<String>,
    expected: impl Into<String>,
    help: impl Into<String>,
) -> Examined {
    let help = match status {
        Finding::Pass => String::new(),
        Finding::Warn | Finding::Fail => help.into(),
    };
    debug_assert!(
        status == Finding::Pass || mend::is_command(&help),
        "{name}: nothing to type: {help}"
    );
    Examined {
        name: name.to_owned(),
        status,
        observed: observed.into(),
        expected: expected.into(),
        help,
    }
}
