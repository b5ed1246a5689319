//! One property that fails a job is found and named, and the rest lands, within a bounded number of jobs.

use super::super::*;
use super::{job, published, run, start};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the vendor says of a failed job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Words {
    Silent,
    Naming,
}

/// A run of `count` properties in parts of at most `chunk`; ids begin at 99,001,000.
fn planned(count: u32, chunk: u32) -> Run {
    let mut run = run();
    let window = run.window;
    let ids: Vec<i64> = (0..i64::from(count)).map(|n| 99_001_000 + n).collect();
    let parts: Vec<Part> = (0..count.div_ceil(chunk))
        .map(|n| Part::planned(n + 1, n * chunk, chunk.min(count - n * chunk), window))
        .collect();
    step(&mut run, &Event::Started, start()).expect("started");
    let event = Event::Planned {
        properties: Arc::new(ids),
        roster: "r".into(),
        parts,
    };
    step(&mut run, &event, start()).expect("planned");
    run
}

/// The vendor fails every job that holds one of `bad`; gives back how many jobs it was sent.
fn live(run: &mut Run, bad: &BTreeSet<i64>, words: Words) -> usize {
    let mut now = start();
    for jobs in 0..2_000 {
        let open = run
            .parts
            .values()
            .find(|part| !part.state.is_closed())
            .map(|part| (part.number, part.next_attempt()));
        let Some((part, attempt)) = open else {
            return jobs;
        };
        now += TimeDelta::minutes(10);
        export(run, part, attempt, bad, words, now);
    }
    panic!("it does not come to an end: {:?}", run.parts);
}

fn export(
    run: &mut Run,
    part: u32,
    attempt: u32,
    bad: &BTreeSet<i64>,
    words: Words,
    now: DateTime<Utc>,
) {
    let mut told = |event: Event| step(run, &event, now).expect("it is in place");
    told(Event::SubmitStarted { part, attempt });
    let submitted = job(1, JobStatus::Submitted);
    told(Event::SubmitAccepted {
        part,
        attempt,
        job: submitted,
    });
    let offender = run.parts[&part]
        .properties(&run.properties)
        .iter()
        .find(|id| bad.contains(id))
        .copied();
    let mut seen = job(1, JobStatus::Succeeded);
    if let Some(offender) = offender {
        seen.status = JobStatus::Failed;
        seen.error_message = Some(match words {
            Words::Silent => "something is wrong".into(),
            Words::Naming => format!("no data source for {offender} on 20261101"),
        });
    }
    let by = LearnedBy::Poll;
    let asked_at = now;
    let mut told = |event: Event| step(run, &event, now).expect("it is in place");
    told(Event::JobChecked {
        part,
        attempt,
        job: seen,
        by,
        asked_at,
    });
    if offender.is_none() {
        let artifact = Artifact {
            bytes: 1,
            sha256: "00".into(),
            rows: 1,
            path: "raw".into(),
        };
        told(Event::ArtifactFetched {
            part,
            attempt,
            artifact,
        });
    }
}

fn properties_in(run: &Run, state: &PartState) -> Vec<i64> {
    let parts = run.live_parts().filter(|part| part.state == *state);
    let mut ids: Vec<i64> = parts
        .flat_map(|part| part.properties(&run.properties).to_vec())
        .collect();
    ids.sort_unstable();
    ids
}

fn levels(chunk: u32) -> usize {
    chunk.max(2).next_power_of_two().ilog2() as usize
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(300), ..ProptestConfig::default() })]

    /// One or two offenders of a part are found whatever their place, and nothing else is lost.
    #[test]
    fn offenders_stand_alone_and_the_rest_lands(
        count in 2..120_u32,
        chunk in 2..40_u32,
        places in proptest::collection::btree_set(0..120_i64, 1..3),
        named in any::<bool>(),
    ) {
        let bad: BTreeSet<i64> = places.iter().map(|n| 99_001_000 + n % i64::from(count)).collect();
        let mut run = planned(count, chunk);
        let words = if named { Words::Naming } else { Words::Silent };
        let plain = run.parts.len();
        let jobs = live(&mut run, &bad, words);
        let fetched = properties_in(&run, &PartState::Fetched);
        let lost = properties_in(&run, &PartState::Abandoned);
        let whole: Vec<i64> = run.properties.iter().copied().filter(|id| !bad.contains(id)).collect();
        prop_assert_eq!(fetched, whole);
        prop_assert_eq!(lost, bad.iter().copied().collect::<Vec<_>>());
        for part in run.live_parts().filter(|part| part.state == PartState::Abandoned) {
            let words = part.fault.as_ref().map(|fault| fault.message.clone()).unwrap_or_default();
            prop_assert!(words.starts_with("something is wrong") || words.starts_with("no data source"));
        }
        // Beside the attempts of the parts themselves: two pieces a level and offender, each left alone tried twice.
        let extra = 3 * bad.len() + bad.len() * (2 * levels(chunk) + 2 + 6);
        prop_assert!(jobs <= plain + extra, "{jobs} jobs for {plain} parts");
    }

    /// Whatever fails, jobs stay bounded, every property is in one live part, and every part comes to an end.
    #[test]
    fn an_outage_costs_a_bounded_number_of_jobs(
        count in 1..200_u32,
        chunk in 1..40_u32,
        every in 1..4_i64,
        named in any::<bool>(),
    ) {
        let mut run = planned(count, chunk);
        let bad: BTreeSet<i64> = run.properties.iter().copied().filter(|id| id % every == 0).collect();
        let words = if named { Words::Naming } else { Words::Silent };
        let plain = run.parts.len();
        let jobs = live(&mut run, &bad, words);
        prop_assert!(jobs <= 3 * plain + 2 * (256 + plain), "{jobs} jobs for {plain} parts");
        if bad.len() == count as usize && words == Words::Silent {
            // Nothing shows that the vendor delivers at all: one part is looked into, the others are split once.
            prop_assert!(jobs <= (3 + 4) * plain + 2 * (2 * levels(chunk) + 2), "{jobs} jobs for {plain} parts");
        }
        let mut live: Vec<i64> = run.live_parts().flat_map(|part| part.properties(&run.properties).to_vec()).collect();
        live.sort_unstable();
        prop_assert_eq!(&live, &*run.properties);
    }
}

#[test]
fn a_named_property_costs_no_further_attempt_of_the_whole_part() {
    let mut run = planned(25, 25);
    let bad = BTreeSet::from([99_001_013]);
    let jobs = live(&mut run, &bad, Words::Naming);
    // The part, what stands before and behind the offender, and the offender twice.
    assert_eq!(jobs, 5);
    assert_eq!(run.state, RunState::Publishing);
}

#[test]
fn a_create_that_is_refused_for_a_named_property_is_split_too() {
    let (run, touched) = refused(4, "property_ids: 99001002 is unknown");
    assert_eq!(touched.split, Some((1, vec![2, 3, 4])));
    let sizes: Vec<u32> = run.live_parts().map(|part| part.count).collect();
    assert_eq!(sizes, [2, 1, 1]);
    assert_eq!(run.state, RunState::Running);
}

#[test]
fn a_run_says_which_property_failed_and_why() {
    let mut run = planned(4, 4);
    live(&mut run, &BTreeSet::from([99_001_002]), Words::Silent);
    let span = |property| CellSpan {
        property,
        from: run.window.from,
        to: run.window.to,
    };
    let published = Published {
        missing: vec![span(99_001_002)],
        ..published(Verdict::Incomplete)
    };
    let event = Event::RunPublished {
        published: Box::new(published),
    };
    step(&mut run, &event, start()).expect("published");
    assert_eq!(run.state, RunState::Incomplete);
    assert_eq!(
        run.reason.as_deref(),
        Some("property 99001002 failed: something is wrong")
    );
}

#[test]
fn a_job_that_the_vendor_cancelled_is_no_propertys_fault() {
    let mut run = planned(4, 4);
    for attempt in 1..=3 {
        let (part, now) = (1, start() + TimeDelta::hours(i64::from(attempt)));
        step(&mut run, &Event::SubmitStarted { part, attempt }, now).expect("started");
        let submitted = job(1, JobStatus::Submitted);
        let event = Event::SubmitAccepted {
            part,
            attempt,
            job: submitted,
        };
        step(&mut run, &event, now).expect("accepted");
        let event = Event::JobChecked {
            part,
            attempt,
            job: job(1, JobStatus::Cancelled),
            by: LearnedBy::Poll,
            asked_at: now,
        };
        step(&mut run, &event, now).expect("checked");
    }
    assert_eq!(run.parts.len(), 1);
    assert_eq!(run.state, RunState::Failed);
}

#[test]
fn words_that_name_all_or_many_tell_no_offender() {
    let is_split = |count, words| refused(count, words).1.split.is_some();
    for (words, split) in [
        ("99001000 is unknown", true),
        ("99001000, 99001003 and 99001005 are unknown", true),
        (
            "99001000, 99001001, 99001003 and 99001005 are unknown",
            false,
        ),
        ("1000 and 99001009 are unknown", false),
    ] {
        assert_eq!(is_split(6, words), split, "{words}");
    }
    let (run, _) = refused(6, "99001001 and 99001004 are unknown");
    let pieces: Vec<(u32, u32)> = run
        .live_parts()
        .map(|part| (part.first, part.count))
        .collect();
    assert_eq!(pieces, [(0, 1), (1, 1), (2, 2), (4, 1), (5, 1)]);
    assert!(is_split(3, "99001000 and 99001002 are unknown"));
    assert!(!is_split(3, "99001000, 99001001 and 99001002 are unknown"));
}

/// A run of one part of so many properties whose create is refused with these words.
fn refused(count: u32, words: &str) -> (Run, Touched) {
    let mut run = planned(count, count);
    let (part, attempt) = (1, 1);
    step(&mut run, &Event::SubmitStarted { part, attempt }, start()).expect("started");
    let fault = Fault::new(FaultClass::Invalid, words);
    let failure = CreateFailure::Refused(fault);
    let event = Event::SubmitFailed {
        part,
        attempt,
        failure,
    };
    let touched = step(&mut run, &event, start()).expect("refused");
    (run, touched)
}

#[test]
fn looking_for_offenders_costs_so_many_jobs() {
    for (count, chunk, from, to, words, jobs) in [
        // Three tries of the part, two pieces a level, the offender twice.
        (16, 16, 0, 1, Words::Silent, 12),
        // Three tries and ten pieces: nothing shows that the vendor delivers.
        (16, 16, 0, 16, Words::Silent, 13),
        (16, 16, 0, 16, Words::Naming, 34),
        // Sixteen pieces beside a part that was delivered.
        (32, 16, 16, 32, Words::Silent, 22),
        (32, 16, 16, 32, Words::Naming, 35),
        (48, 8, 0, 48, Words::Silent, 38),
        (48, 8, 8, 48, Words::Silent, 106),
        // Each of 24 parts: three tries, six pieces, four of them twice.
        (100, 4, 4, 100, Words::Silent, 313),
        // One good part, three tries of 99, and no more than 256 pieces.
        (2_000, 20, 20, 2_000, Words::Silent, 554),
    ] {
        let mut run = planned(count, chunk);
        let bad = (from..to).map(|n| 99_001_000 + n).collect();
        assert_eq!(
            live(&mut run, &bad, words),
            jobs,
            "{from} to {to} of {count} in parts of {chunk}"
        );
    }
}
