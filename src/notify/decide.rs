//! Which notices a change makes: a pure function of what was told, what happened and what is so.

use super::condition::{Condition, EXPIRES_SOON, Standing, Subject, conditions, past};
use super::heard::{Fact, Heard};
use super::memory::{Backfilled, Memory, Pending, Told};
use super::notice::{Kind, Level, Notice, cut, id_of};
use super::route::{Audience, Channels, receivers};
use super::seen::Seen;
use crate::run::{CheckStatus, Run, RunId, RunState, Trigger};
use crate::schedule::{Name, Schedule};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// While something lasts it is told again after so long.
const REPEAT: TimeDelta = TimeDelta::hours(6);
/// A run's end that is older is history, a start that is older is no beat.
const NEWS_MAX: TimeDelta = TimeDelta::hours(24);
const BEAT_MAX: TimeDelta = TimeDelta::minutes(10);
/// Bytes of a notice's facts; a record of the store holds twice that.
const DATA_MAX: usize = 30_000;
/// Files that a notice of landed data names.
const FILES_MAX: usize = 100;

/// Folds what was heard and seen into the memory, and says what is to be told to whom.
pub(super) fn look(
    memory: &mut Memory,
    heard: &[Heard],
    seen: &Seen,
    channels: &Channels,
) -> Vec<Pending> {
    let schedules: Vec<&Schedule> = seen
        .snapshot
        .schedules
        .iter()
        .map(|now| &*now.schedule)
        .collect();
    let mut desk = Out {
        now: seen.snapshot.at,
        schedules: &schedules,
        channels,
        out: Vec::new(),
    };
    for heard in heard {
        take(memory, heard, &mut desk);
        memory.heard_through = memory.heard_through.max(Some(heard.sequence));
    }
    finish_backfills(memory, seen, &mut desk);
    compare(memory, seen, &mut desk);
    desk.out
}

/// What goes out of one look.
struct Out<'a> {
    now: DateTime<Utc>,
    schedules: &'a [&'a Schedule],
    channels: &'a Channels,
    out: Vec<Pending>,
}

impl Out<'_> {
    fn tell(&mut self, mut notice: Notice, audience: Audience) {
        let to = receivers(
            (notice.kind, notice.level),
            notice.schedule.as_ref(),
            audience,
            self.schedules,
            self.channels,
        );
        if !to.is_empty() {
            notice.text = cut(&notice.text);
            if notice.data.to_string().len() > DATA_MAX {
                notice.data = json!({"omitted": "it is too large for a notice"});
            }
            self.out.push(Pending { notice, to });
        }
    }
}

fn take(memory: &mut Memory, heard: &Heard, out: &mut Out) {
    match &heard.fact {
        Fact::Started { schedule, run } if out.now - heard.at < BEAT_MAX => {
            let text = format!("{schedule}: a run has started");
            let parts = (Kind::Started, Level::Info, text);
            let notice = of_run(parts, schedule, run, heard, json!({}));
            out.tell(notice, Audience::Beats);
        }
        Fact::Ended { run } if out.now - heard.at < NEWS_MAX => ended(memory, run, heard, out),
        Fact::Started { .. } | Fact::Ended { .. } => {}
    }
}

fn of_run(
    (kind, level, text): (Kind, Level, String),
    schedule: &Name,
    run: &RunId,
    heard: &Heard,
    data: Value,
) -> Notice {
    Notice {
        id: id_of(&[kind.as_str(), run.as_str(), &heard.sequence.to_string()]),
        kind,
        level,
        at: heard.at,
        schedule: Some(schedule.clone()),
        run: Some(run.clone()),
        text,
        help: Some(format!("aptiqd show {run}")),
        repeat: 0,
        data,
    }
}

fn ended(memory: &mut Memory, run: &Run, heard: &Heard, out: &mut Out) {
    let name = &run.schedule;
    if !run.state.is_terminal() {
        // A retry has opened it again: it will end once more.
        return;
    }
    if run.trigger == Trigger::Backfill {
        count(memory.backfills.entry(name.clone()).or_default(), run);
    }
    if let Some(changed) = schema_change(run) {
        let text = format!("{name}: the columns of its files have changed: {changed}");
        let parts = (Kind::SchemaChanged, Level::Warning, text);
        let notice = of_run(parts, name, &run.id, heard, changed);
        out.tell(notice, Audience::Readers);
    }
    match run.state {
        RunState::Landed => {
            let text = format!("{name} has landed {} rows for {}", run.rows, run.window);
            let parts = (Kind::Landed, Level::Info, text);
            let notice = of_run(parts, name, &run.id, heard, facts(run));
            out.tell(notice, Audience::Both);
        }
        // Readers are told of the schedule's state and not of each run; a backfill is told of as a whole.
        RunState::Failed | RunState::Incomplete if run.trigger != Trigger::Backfill => {
            let kind = match run.state {
                RunState::Failed => Kind::Failed,
                _ => Kind::Incomplete,
            };
            let reason = run.reason.as_deref().unwrap_or_default();
            let text = format!("{name}: a run {}: {reason}", past(kind));
            let parts = (kind, Level::Error, text);
            let notice = of_run(parts, name, &run.id, heard, facts(run));
            out.tell(notice, Audience::Beats);
        }
        _ => {}
    }
}

fn facts(run: &Run) -> Value {
    let files = run.files.iter().take(FILES_MAX);
    json!({
        "state": run.state.as_str(), "reason": run.reason, "trigger": run.trigger.as_str(),
        "nominal_at": run.nominal_at, "window": run.window, "rows": run.rows, "bytes": run.bytes,
        "files": files.collect::<Vec<_>>(), "files_total": run.files.len(),
    })
}

/// What the schema check saw, if it let a change pass but wants it told.
fn schema_change(run: &Run) -> Option<Value> {
    let check = run.checks.iter().find(|check| check.name == "schema")?;
    (check.status == CheckStatus::Warn).then(|| check.observed.clone())
}

fn count(so_far: &mut Backfilled, run: &Run) {
    match run.state {
        RunState::Landed => so_far.landed += 1,
        RunState::Incomplete => so_far.incomplete += 1,
        RunState::Failed => so_far.failed += 1,
        _ => so_far.cancelled += 1,
    }
    so_far.rows += run.rows;
}

fn finish_backfills(memory: &mut Memory, seen: &Seen, out: &mut Out) {
    let open = |name: &Name| {
        let mut open = seen.snapshot.open.iter().map(|open| &open.run);
        open.any(|run| run.schedule == *name && run.trigger == Trigger::Backfill)
    };
    let finished: Vec<Name> = memory
        .backfills
        .keys()
        .filter(|name| !open(name))
        .cloned()
        .collect();
    for name in finished {
        let Some(went) = memory.backfills.remove(&name) else {
            continue;
        };
        let level = match went {
            Backfilled { failed: 1.., .. } => Level::Error,
            Backfilled {
                incomplete: 1.., ..
            } => Level::Warning,
            _ => Level::Info,
        };
        let text = format!(
            "{name}: the backfill has finished: {} landed, {} incomplete, {} failed, {} cancelled, {} rows",
            went.landed, went.incomplete, went.failed, went.cancelled, went.rows
        );
        let at = out.now.to_rfc3339();
        let notice = Notice {
            id: id_of(&["backfill", name.as_str(), &at]),
            kind: Kind::BackfillFinished,
            level,
            at: out.now,
            help: Some(format!("aptiqd coverage {name}")),
            schedule: Some(name),
            run: None,
            text,
            repeat: 0,
            data: json!(went),
        };
        out.tell(notice, Audience::Readers);
    }
}

/// Tells what became ill, became worse, lasts, or is well again.
fn compare(memory: &mut Memory, seen: &Seen, out: &mut Out) {
    let found = conditions(seen);
    let now = out.now;
    for (subject, condition) in &found {
        let before = memory.told.get(subject);
        match (before, condition.standing) {
            (None, Standing::Well) => {}
            (Some(told), Standing::Well) => {
                let notice = of_state(subject, condition, told.since, 0, now);
                out.tell(notice, audience(condition.kind));
                memory.told.remove(subject);
            }
            (Some(told), Standing::Ill)
                if (told.kind, told.level) == (condition.kind, condition.level) =>
            {
                if now - told.told_at < REPEAT {
                    continue;
                }
                let told = Told {
                    told_at: now,
                    repeats: told.repeats + 1,
                    ..told.clone()
                };
                let notice = of_state(subject, condition, told.since, told.repeats, now);
                out.tell(notice, Audience::Readers);
                memory.told.insert(subject.clone(), told);
            }
            (_, Standing::Ill) => {
                let notice = of_state(subject, condition, now, 0, now);
                out.tell(notice, audience(condition.kind));
                let told = Told {
                    kind: condition.kind,
                    level: condition.level,
                    since: now,
                    told_at: now,
                    repeats: 0,
                };
                memory.told.insert(subject.clone(), told);
            }
        }
    }
    forget_the_gone(memory, seen);
}

/// Each run's failure is a beat of its own.
fn audience(kind: Kind) -> Audience {
    match kind {
        Kind::Late | Kind::Recovered | Kind::FreshAgain => Audience::Both,
        _ => Audience::Readers,
    }
}

fn of_state(
    subject: &Subject,
    condition: &Condition,
    since: DateTime<Utc>,
    repeat: u32,
    now: DateTime<Utc>,
) -> Notice {
    let mut text = condition.text.clone();
    let mut data = condition.data.clone();
    if let (true, Some(data)) = (since < now, data.as_object_mut()) {
        data.insert("since".to_owned(), json!(since));
    }
    if repeat > 0 {
        text.push_str(&format!(" (since {})", since.format("%Y-%m-%d %H:%M UTC")));
    }
    Notice {
        id: id_of(&[
            condition.kind.as_str(),
            &subject.key(),
            &format!("{:?}", condition.level),
            &since.to_rfc3339(),
            &repeat.to_string(),
        ]),
        kind: condition.kind,
        level: condition.level,
        at: now,
        schedule: subject.schedule().cloned(),
        run: condition.run.clone(),
        text,
        help: condition.help.clone(),
        repeat,
        data,
    }
}

/// What is told of a schedule that is no longer declared, or of callbacks no longer asked for, is over.
fn forget_the_gone(memory: &mut Memory, seen: &Seen) {
    let declared: BTreeMap<&Name, ()> = seen
        .snapshot
        .schedules
        .iter()
        .map(|now| (&now.schedule.name, ()))
        .collect();
    memory.told.retain(|subject, _| match subject {
        Subject::Callbacks => seen.health.callbacks_expected,
        other => other
            .schedule()
            .is_none_or(|name| declared.contains_key(name)),
    });
}

/// When time alone changes something next: data grows late, a token nears its end, a state has lasted.
pub(super) fn next_look(memory: &Memory, seen: &Seen) -> Option<DateTime<Utc>> {
    let now = seen.snapshot.at;
    let late = seen.snapshot.schedules.iter().flat_map(|now| now.late_at());
    let repeats = memory.told.values().map(|told| told.told_at + REPEAT);
    let expiry = seen
        .health
        .credential_expires_at
        .filter(|_| !seen.health.credential_renews);
    let expiry = expiry.map(|at| at - EXPIRES_SOON);
    late.chain(repeats)
        .chain(expiry)
        .filter(|at| *at > now)
        .min()
}
