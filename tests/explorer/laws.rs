//! What no history may break.

use crate::world::{ATTEMPTS, Errand, FOREIGN, Fate, Spot, World};
use aptiqd::run::{Part, PartState, Run, RunState, settled};

/// A broken law, in words.
pub type Law = String;

fn broken<T>(law: &str, of: impl std::fmt::Debug) -> Result<T, Law> {
    Err(format!("{law}: {of:?}"))
}

/// Laws 4 and 5, over one fact: ends absorb, an attempt keeps its job, attempts are limited.
pub fn fold_is_lawful(
    before: &Run,
    after: &Run,
    ignored: bool,
    fact: &dyn std::fmt::Debug,
) -> Result<(), Law> {
    if ignored && before != after {
        return broken("an ignored fact changed something", fact);
    }
    if before.state.is_terminal() && before.state != after.state {
        return broken("an end was left", fact);
    }
    for (number, part) in &after.parts {
        if part.attempts.len() > ATTEMPTS as usize {
            return broken("more attempts than allowed", number);
        }
        let was = &before.parts[number].attempts;
        for (old, new) in was.iter().zip(&part.attempts) {
            if old.job_id.is_some() && old.job_id != new.job_id {
                return broken("an attempt changed its job", (number, new.number));
            }
        }
    }
    Ok(())
}

impl World {
    /// Law 4: a new attempt only when nothing of the old ones can be alive; and never while a result can be had.
    pub fn may_submit(&self, (part, attempt): Spot) -> Result<(), Law> {
        if self.run.state.is_terminal() {
            return broken("a create for a run that has ended", part);
        }
        let of_part = self.jobs.iter().filter(|job| job.at.0 == part);
        for job in of_part.filter(|job| !job.second && !job.gone && job.denied < 3) {
            match job.fate {
                Fate::Running => return broken("a second create beside a live job", &job.id),
                Fate::Succeeded if self.ghost.broken.get(&job.at).copied().unwrap_or(0) < 2 => {
                    return broken(
                        "another job though the first one's result can be had",
                        &job.id,
                    );
                }
                _ => {}
            }
        }
        if self.late.iter().any(|((late, _), _)| *late == part) {
            return broken(
                "a second create while the first may still arrive",
                (part, attempt),
            );
        }
        Ok(())
    }

    /// A callback decides nothing: only a job that has succeeded at the vendor is fetched, and by its own attempt.
    pub fn may_fetch(&self, (part, attempt): Spot) -> Result<(), Law> {
        let current = self.run.parts[&part].current();
        let job = current
            .and_then(|current| current.job_id.as_deref())
            .and_then(|id| self.job(id));
        match job {
            Some(job) if job.fate == Fate::Succeeded && job.at == (part, attempt) => Ok(()),
            other => broken("a download of a job that has not succeeded", other),
        }
    }

    pub fn may_publish(&self) -> Result<(), Law> {
        match self.run.live_parts().all(|part| part.state.is_closed()) {
            true => Ok(()),
            false => broken("a publish while a part is open", self.run.state),
        }
    }

    /// Law 6: a read of its own only for a callback that no read has answered, and five seconds after the last.
    pub fn may_check(&self, at: Spot) -> Result<(), Law> {
        if self
            .ghost
            .read_at
            .get(&at)
            .is_some_and(|last| self.tick <= *last)
        {
            return broken("two reads of one attempt within five seconds", at);
        }
        match self.ghost.owed.contains_key(&at) {
            true => Ok(()),
            false => broken("a read that no callback asked for", at),
        }
    }

    /// What must hold whenever a turn is over.
    pub fn holds(&self) -> Result<(), Law> {
        for (at, sent) in &self.ghost.sent {
            let authorised = self.ghost.authorised.get(at).copied().unwrap_or(0);
            if *sent > authorised {
                return broken("a create that no commit authorised", (at, sent, authorised));
            }
        }
        self.run
            .parts
            .values()
            .try_for_each(|part| self.part_holds(part))?;
        if self.run.state == RunState::Landed {
            let all = self.run.live_parts().map(|part| part.number).collect();
            if self.ghost.published.as_ref() != Some(&all) {
                return broken(
                    "landed, but not all of it is published",
                    &self.ghost.published,
                );
            }
        }
        match settled(&self.run) {
            true => self.left_nothing_behind(),
            false => Ok(()),
        }
    }

    fn part_holds(&self, part: &Part) -> Result<(), Law> {
        for attempt in &part.attempts {
            if attempt.job_id.as_deref() == Some(FOREIGN) {
                return broken("somebody else's job was adopted", attempt.number);
            }
            let job = attempt.job_id.as_deref().and_then(|id| self.job(id));
            if job.is_some_and(|job| job.at != (part.number, attempt.number)) {
                return broken("a job of another attempt was adopted", &attempt.job_id);
            }
        }
        let Some(attempt) = part.current() else {
            return Ok(());
        };
        let at = (part.number, attempt.number);
        if self.ghost.acknowledged.contains(&at) && attempt.heard_at.is_none() {
            return broken("an acknowledged callback is not on disk", at);
        }
        let waits = matches!(part.state, PartState::Exporting { heard: None, .. });
        if waits && !self.run.state.is_terminal() && self.ghost.owed.contains_key(&at) {
            return broken(
                "a callback's hint was forgotten before a read answered it",
                at,
            );
        }
        Ok(())
    }

    /// Law 4: once a run is settled, nothing of it lives on at the vendor.
    fn left_nothing_behind(&self) -> Result<(), Law> {
        let submits = self
            .errands
            .iter()
            .any(|errand| matches!(errand, Errand::Submit { .. }));
        if submits || !self.late.is_empty() {
            return broken("settled while a create may still arrive", &self.late);
        }
        let denied = |job: &&crate::world::Job| job.gone || job.denied >= 3;
        let mut alive = self.jobs.iter().filter(|job| job.fate == Fate::Running);
        match alive
            .find(|job| !denied(job) && (!job.second || self.ghost.seconds.contains(&job.id)))
        {
            Some(job) => broken("settled, but a job was left running", &job.id),
            None => Ok(()),
        }
    }
}
