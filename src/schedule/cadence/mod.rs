//! Cron over wall clocks: the only folder that names the `cron` crate, and this its only file.
//!
//! The crate is never shown a time zone: it steps over wall clocks as if they were UTC, and [`Line::next`] places
//! each wall time in the zone. So clock changes follow one rule of ours:
//!
//! - a *fixed* hour (the hour field does not begin with `*`) fires once a wall time: at the first valid instant
//!   after a gap that swallows it, the first time around in a repeated hour;
//! - a *wildcard* hour (`*`, `*/2`) follows elapsed time: nothing in the gap, again in the repeat.

#[cfg(test)]
mod agreement;
mod crontab;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Datelike, MappedLocalTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};
use crontab::Hour;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// aptiqd is younger than this. No expression whose last fire lies before it is of use (a constant and not the clock,
/// so that a schedule that once was accepted stays so), and a clock that shows less has not been set.
pub const DAWN: DateTime<Utc> = DateTime::from_timestamp(1_767_225_600, 0).unwrap();

/// The crate's calendar ends with this year.
const LAST_YEAR: i32 = 2100;

/// Expressions of one schedule, at most.
const EXPRESSIONS_MAX: usize = 64;

/// A compiled list of cron expressions in one zone. Cloning shares what was compiled.
#[derive(Clone)]
pub struct Cadence {
    expressions: Arc<[String]>,
    zone: Tz,
    lines: Arc<[Line]>,
}

/// Compiles what many schedules say alike only once, so that they share it.
#[derive(Default)]
pub struct Compiler {
    known: BTreeMap<(&'static str, Vec<String>), Cadence>,
}

impl Compiler {
    /// The same as [`Cadence::compile`].
    pub fn compile(&mut self, expressions: Vec<String>, zone: Tz) -> Result<Cadence, CadenceFault> {
        let key = (zone.name(), expressions);
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let cadence = Cadence::compile(&key.1, zone)?;
        self.known.insert(key, cadence.clone());
        Ok(cadence)
    }
}

/// Why an expression cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CadenceFault {
    /// Which expression of the list.
    pub index: usize,
    /// Byte range within the expression, where one field is at fault.
    pub span: Option<std::ops::Range<usize>>,
    pub kind: CadenceFaultKind,
    pub message: String,
    pub help: String,
}

/// What sort of fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CadenceFaultKind {
    /// Not an expression of the accepted forms.
    Malformed,
    /// Well formed, but no day of the calendar matches, or only days long past.
    NeverFires,
}

impl Cadence {
    /// Compiles the expressions; refuses one that can never fire, and an empty list.
    pub fn compile(expressions: &[String], zone: Tz) -> Result<Cadence, CadenceFault> {
        if expressions.is_empty() || expressions.len() > EXPRESSIONS_MAX {
            return Err(CadenceFault {
                index: 0,
                span: None,
                kind: CadenceFaultKind::Malformed,
                message: format!("{} cron expressions", expressions.len()),
                help: format!("give between 1 and {EXPRESSIONS_MAX}"),
            });
        }
        let mut lines = Vec::with_capacity(expressions.len());
        for (index, expression) in expressions.iter().enumerate() {
            let compiled = compile_one(index, expression)?;
            if compiled.iter().all(|line| line.next(DAWN, zone).is_none()) {
                return Err(never_fires(index, expression));
            }
            lines.extend(compiled);
        }
        Ok(Cadence {
            expressions: expressions.into(),
            zone,
            lines: lines.into(),
        })
    }

    /// The first fire strictly after `after`; `None` once the calendar is exhausted.
    pub fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let fire = self
            .lines
            .iter()
            .filter_map(|line| line.next(after, self.zone))
            .min();
        debug_assert!(fire.is_none_or(|fire| fire > after));
        fire
    }

    /// All fires strictly after `after`, in order, each once.
    pub fn fires(&self, after: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> + '_ {
        std::iter::successors(self.next(after), |&fire| self.next(fire))
    }

    /// The expressions as they were declared.
    pub fn expressions(&self) -> &[String] {
        &self.expressions
    }

    /// The zone whose wall clock they are read on.
    pub fn zone(&self) -> Tz {
        self.zone
    }
}

impl PartialEq for Cadence {
    fn eq(&self, other: &Cadence) -> bool {
        self.zone == other.zone && self.expressions == other.expressions
    }
}

impl fmt::Debug for Cadence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cadence({:?} in {})", self.expressions, self.zone)
    }
}

fn compile_one(index: usize, expression: &str) -> Result<Vec<Line>, CadenceFault> {
    let crontab = crontab::parse(expression).map_err(|fault| CadenceFault {
        index,
        span: Some(fault.span),
        kind: CadenceFaultKind::Malformed,
        message: fault.message,
        help: fault.help,
    })?;
    let line = |form: &String| {
        let calendar = form.parse().map_err(|_| CadenceFault {
            index,
            span: None,
            kind: CadenceFaultKind::Malformed,
            message: format!("`{expression}` cannot be evaluated"),
            help: "write it in the five fields of crontab(5)".to_owned(),
        })?;
        Ok(Line {
            calendar,
            hour: crontab.hour,
        })
    };
    crontab.forms.iter().map(line).collect()
}

fn never_fires(index: usize, expression: &str) -> CadenceFault {
    CadenceFault {
        index,
        span: None,
        kind: CadenceFaultKind::NeverFires,
        message: format!("`{expression}` never fires"),
        help: "no day from 2026 on matches it: look at day of month, month and year".to_owned(),
    }
}

/// One calendar of the crate, and how its fires meet a clock change.
struct Line {
    calendar: cron::Schedule,
    hour: Hour,
}

impl Line {
    /// The first fire strictly after `after`.
    fn next(&self, after: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        if after.year() > LAST_YEAR {
            return None;
        }
        // The crate's calendar begins with 1970.
        let after = after.max(DateTime::UNIX_EPOCH - TimeDelta::days(1));
        match self.hour {
            Hour::Fixed => self.next_fixed(after, zone),
            Hour::Wildcard => self.next_elapsed(after, zone),
        }
    }

    fn walls_after(&self, wall: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> + '_ {
        self.calendar.after(&wall.and_utc()).map(|t| t.naive_utc())
    }

    /// Placing a wall time once never goes back in time as wall times grow, so the first one that lands after
    /// `after` is the answer.
    fn next_fixed(&self, after: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        self.walls_after(wall_of(after, zone))
            .filter_map(|wall| placed_once(wall, zone))
            .find(|&fire| fire > after)
    }

    /// The next matching wall time, or, while the hour that will be repeated runs for the first time, one of its
    /// wall times already past that comes again.
    fn next_elapsed(&self, after: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        let wall = wall_of(after, zone);
        let ahead = self
            .walls_after(wall)
            .find_map(|wall| match zone.from_local_datetime(&wall) {
                MappedLocalTime::None => None,
                MappedLocalTime::Single(fire) => Some(fire.to_utc()).filter(|&fire| fire > after),
                MappedLocalTime::Ambiguous(first, second) => [first.to_utc(), second.to_utc()]
                    .into_iter()
                    .find(|&fire| fire > after),
            });
        let again = repeat_of(wall, after, zone).and_then(|(begin, shift)| {
            let fire = self.walls_after(begin - TimeDelta::seconds(1)).next()?;
            (fire <= wall).then(|| after_wall(fire, wall, after) + shift)
        });
        ahead.into_iter().chain(again).min()
    }
}

/// The wall clock at `at`, in whole seconds: no expression is finer.
fn wall_of(at: DateTime<Utc>, zone: Tz) -> NaiveDateTime {
    let whole = at - TimeDelta::nanoseconds(i64::from(at.timestamp_subsec_nanos()));
    whole.with_timezone(&zone).naive_local()
}

/// The instant at which the wall clock of `now` (`wall`) showed `earlier`, by the offset in force.
fn after_wall(earlier: NaiveDateTime, wall: NaiveDateTime, now: DateTime<Utc>) -> DateTime<Utc> {
    now - TimeDelta::nanoseconds(i64::from(now.timestamp_subsec_nanos())) - (wall - earlier)
}

/// The one instant of a fixed wall time: the first of two, the end of the gap for none.
fn placed_once(wall: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&wall) {
        MappedLocalTime::Single(fire) | MappedLocalTime::Ambiguous(fire, _) => Some(fire.to_utc()),
        MappedLocalTime::None => Some(GapInfo::new(&wall, &zone)?.end?.to_utc()),
    }
}

/// If `at`, showing `wall`, lies in the first pass of a repeated hour: the wall time at which the repeat begins, and
/// how much later it shows the same wall time again.
fn repeat_of(
    wall: NaiveDateTime,
    at: DateTime<Utc>,
    zone: Tz,
) -> Option<(NaiveDateTime, TimeDelta)> {
    let MappedLocalTime::Ambiguous(first, second) = zone.from_local_datetime(&wall) else {
        return None;
    };
    let (first, second) = (first.to_utc(), second.to_utc());
    if at >= second {
        return None;
    }
    let shift = second - first;
    // The clock goes back somewhere in (first, second]; every second of that is in one pass or the other.
    let offset = |t: DateTime<Utc>| t.with_timezone(&zone).naive_local() - t.naive_utc();
    let (mut before, mut since) = (first, second);
    while since - before > TimeDelta::seconds(1) {
        let middle = before + TimeDelta::seconds((since - before).num_seconds() / 2);
        if offset(middle) == offset(first) {
            before = middle;
        } else {
            since = middle;
        }
    }
    Some((since.with_timezone(&zone).naive_local(), shift))
}
