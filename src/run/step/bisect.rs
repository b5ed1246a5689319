//! A job that fails because of one property: its part gives way to smaller ones until the offender stands alone and
//! the rest lands.

use super::super::{AttemptState, Fault, FaultClass, Part, PartNumber, PartState, Run, RunState};
use super::Touched;
use crate::schedule::Retry;
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

/// Pieces that all splits of one run may make together.
const PIECES_MAX: usize = 256;
/// So many properties the vendor's words may name and still tell offenders from the rest.
const NAMED_MAX: usize = 3;
/// Shorter numbers in the vendor's words are counts, codes and years.
const ID_DIGITS_MIN: usize = 5;

/// Jobs of the part that may fail upstream. A piece is a probe; a property left alone gets a second chance.
pub(super) fn attempts(part: &Part, retry: Retry) -> u32 {
    match (part.of, part.count) {
        (None, _) => retry.attempts,
        (Some(_), 1) => retry.attempts.min(2),
        (Some(_), _) => 1,
    }
}

/// Splits the part whose job ended in `fault`: at the properties that the vendor names, or in halves once its
/// attempts are spent. `None` if it is to be tried again or given up.
pub(super) fn split(
    run: &mut Run,
    number: PartNumber,
    state: AttemptState,
    fault: &Fault,
    now: DateTime<Utc>,
) -> Option<Touched> {
    let part = run.parts.get(&number)?;
    let named = named(part.properties(&run.properties), &fault.message);
    let spent = part.counted() >= attempts(part, run.terms.retry);
    let pieces = match named.is_empty() {
        false => around(part.count, &named),
        true if spent && fault.class == FaultClass::Job => halves(part.count),
        true => return None,
    };
    let room = pieces.len() > 1 && room_for(run, part, pieces.len(), !named.is_empty());
    (run.state == RunState::Running && room)
        .then(|| replace(run, number, &pieces, state, fault, now))?
}

fn replace(
    run: &mut Run,
    number: PartNumber,
    pieces: &[(u32, u32)],
    state: AttemptState,
    fault: &Fault,
    now: DateTime<Utc>,
) -> Option<Touched> {
    let free = run.parts.keys().last().copied().unwrap_or(0) + 1;
    let part = run.parts.get_mut(&number)?;
    if let Some(attempt) = part.attempts.last_mut() {
        attempt.state = state;
        attempt.error = Some(fault.message.clone());
        attempt.ended_at = Some(now);
    }
    part.fault = Some(fault.clone());
    part.state = PartState::Superseded;
    let (start, window, of) = (part.first, part.window, part.of.or(Some(number)));
    let made: Vec<Part> = pieces
        .iter()
        .zip(free..)
        .map(|(&(skip, count), number)| Part {
            of,
            ..Part::planned(number, start + skip, count, window)
        })
        .collect();
    let into: Vec<PartNumber> = made.iter().map(|part| part.number).collect();
    run.parts
        .extend(made.into_iter().map(|part| (part.number, part)));
    Some(Touched {
        parts: into.iter().copied().chain([number]).collect(),
        split: Some((number, into)),
    })
}

/// Whether so many more pieces stay within what finding two offenders of a part costs. While nothing shows that the
/// vendor can deliver at all it is less, one offender in one part and a split of each other: an outage must not cost
/// a job for every property.
fn room_for(run: &Run, part: &Part, pieces: usize, named: bool) -> bool {
    let root = part.of.unwrap_or(part.number);
    let of = |part: &&Part| part.of.is_some();
    let all = run.parts.values().filter(of).count();
    let own = run
        .parts
        .values()
        .filter(|other| other.of == Some(root))
        .count();
    let whole = run.parts.get(&root).map_or(part.count, |root| root.count);
    let levels = whole.max(2).next_power_of_two().ilog2() as usize;
    let delivered =
        |part: &Part| matches!(part.state, PartState::Fetching { .. } | PartState::Fetched);
    let (most, in_all) = if named {
        (4 * levels + 2 * NAMED_MAX, PIECES_MAX)
    } else if run.parts.values().any(delivered) {
        (4 * levels, PIECES_MAX)
    } else {
        let roots = run.parts.len() - all;
        (2 * levels + 2, 2 * levels + 2 + 2 * roots)
    };
    own + pieces <= most && all + pieces <= in_all.min(PIECES_MAX)
}

/// Two pieces of nearly equal size, as (properties before it, its properties).
fn halves(count: u32) -> Vec<(u32, u32)> {
    let first = count.div_ceil(2);
    [(0, first), (first, count - first)]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .collect()
}

/// Each of `named` alone, and what lies between them.
fn around(count: u32, named: &BTreeSet<u32>) -> Vec<(u32, u32)> {
    let mut pieces = Vec::new();
    let mut from = 0;
    for &place in named {
        pieces.push((from, place - from));
        pieces.push((place, 1));
        from = place + 1;
    }
    pieces.push((from, count - from));
    pieces.retain(|(_, count)| *count > 0);
    pieces
}

/// Places of the properties that `words` name, if these are few and not all.
fn named(properties: &[i64], words: &str) -> BTreeSet<u32> {
    let places: BTreeSet<u32> = words
        .split(|c: char| !c.is_ascii_digit())
        .filter(|digits| digits.len() >= ID_DIGITS_MIN)
        .filter_map(|digits| digits.parse().ok())
        .filter_map(|id: i64| properties.binary_search(&id).ok())
        .filter_map(|place| u32::try_from(place).ok())
        .collect();
    match places.len() {
        len if len <= NAMED_MAX && len < properties.len() => places,
        _ => BTreeSet::new(),
    }
}
