//! Who hears what: the schedule's `[notify]` table, and what kind of receiver it is.

use super::notice::{Kind, Level};
use crate::schedule::{Name, Schedule};
use std::collections::{BTreeMap, BTreeSet};

/// What a receiver is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    /// Reads: changes and recoveries.
    Reader,
    /// Counts beats: each run's start, success and failure.
    Beat,
}

/// All receivers by name.
pub(super) type Channels = BTreeMap<String, Channel>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    Readers,
    Beats,
    Both,
}

impl Audience {
    fn takes(self, channel: Channel) -> bool {
        matches!(
            (self, channel),
            (Audience::Both, _)
                | (Audience::Readers, Channel::Reader)
                | (Audience::Beats, Channel::Beat)
        )
    }
}

/// The receivers of a notice about `schedule`, or about the daemon: the latter goes to whoever hears
/// of a schedule's failures.
pub(super) fn receivers(
    (kind, level): (Kind, Level),
    schedule: Option<&Name>,
    audience: Audience,
    schedules: &[&Schedule],
    channels: &Channels,
) -> BTreeSet<String> {
    let concerned = schedules
        .iter()
        .filter(|known| schedule.is_none_or(|name| known.name == *name));
    let mut to = BTreeSet::new();
    for known in concerned {
        let named = named(known, word(kind, level));
        let beaten = named_set(known, "landed");
        to.extend(named.filter(|name| {
            let channel = channels.get(*name).copied();
            // A beat that hears of every landing needs no second one for the recovery.
            let twice = matches!(kind, Kind::Recovered | Kind::FreshAgain)
                && channel == Some(Channel::Beat)
                && beaten.contains(*name);
            channel.is_some_and(|channel| audience.takes(channel)) && !twice
        }));
    }
    to.into_iter().cloned().collect()
}

/// The key of `[notify]` that a notice goes by.
fn word(kind: Kind, level: Level) -> &'static str {
    match kind {
        Kind::Started | Kind::Landed => "landed",
        Kind::Recovered | Kind::FreshAgain => "recovered",
        Kind::Late => "late",
        Kind::BackfillFinished if level == Level::Info => "landed",
        _ => "failed",
    }
}

fn named<'a>(schedule: &'a Schedule, word: &str) -> impl Iterator<Item = &'a String> {
    let of = |key: &str| schedule.notify.get(key).into_iter().flatten();
    of(word).chain(of("all"))
}

fn named_set<'a>(schedule: &'a Schedule, word: &str) -> BTreeSet<&'a String> {
    named(schedule, word).collect()
}
