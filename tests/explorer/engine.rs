//! The engine in small: fold, ask state what to do, commit, then answer and begin. Everything that steers it is production code.

use crate::design::Design;
use crate::laws::{Law, fold_is_lawful};
use crate::world::{Errand, FOREIGN, Fate, POLL, Spot, World, instant, seen};
use aptiqd::run::{
    AttemptState, CreateFailure, Event, Fault, FaultClass, LearnedBy, Next, NextPart, PartState,
    cancels, settled,
};

/// Something that came in.
#[derive(Clone, Debug)]
pub enum Fact {
    Event(Event),
    /// Snapshot of the vendor's list.
    Listed {
        began: i64,
        jobs: Vec<(String, Fate)>,
        whole: bool,
    },
    ListBroken,
    Callback(Spot),
    /// A single read could not be answered.
    CheckBroken,
    TimePassed,
}

/// When the power fails in a turn, if it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    Stays,
    /// Before the commit: the fact is lost.
    CutBefore,
    /// After the commit, before anything is answered or begun.
    CutAfter,
}

#[derive(Default)]
struct Turn {
    begun: Vec<Errand>,
    authorised: Vec<Spot>,
    heard: Vec<Spot>,
}

impl World {
    pub fn turn(&mut self, design: Design, fact: Fact, power: Power) -> Result<(), Law> {
        let before = self.run.clone();
        let memory = (self.checked.clone(), self.suspects.clone(), self.sweep_at);
        let known = (self.ghost.owed.clone(), self.ghost.seconds.clone());
        let mut turn = Turn::default();
        self.take(design, fact, &mut turn)?;
        self.end_if_overdue(design)?;
        self.dispatch(design, &mut turn)?;
        if power == Power::CutBefore {
            self.run = before;
            (self.checked, self.suspects, self.sweep_at) = memory;
            (self.ghost.owed, self.ghost.seconds) = known;
            self.betray(design, turn);
            return self.restart(design);
        }
        for at in &turn.authorised {
            *self.ghost.authorised.entry(*at).or_default() += 1;
        }
        if power == Power::CutAfter {
            return self.restart(design);
        }
        for at in turn.heard {
            self.acknowledge(at);
        }
        for errand in turn.begun {
            self.begin(errand)?;
        }
        self.holds()
    }

    /// What a design that does not wait for its commit has done before the power failed.
    fn betray(&mut self, design: Design, turn: Turn) {
        if design == Design::AcknowledgeFirst {
            turn.heard.into_iter().for_each(|at| self.acknowledge(at));
        }
        if design == Design::ActFirst {
            for at in turn.authorised {
                *self.ghost.sent.entry(at).or_default() += 1;
                self.late.push((at, self.tick + 1));
            }
        }
    }

    fn acknowledge(&mut self, at: Spot) {
        if self.waits_for(at) {
            self.ghost.acknowledged.insert(at);
        }
    }

    /// A callback to this attempt has something to tell.
    fn waits_for(&self, at: Spot) -> bool {
        let part = self.run.parts.get(&at.0);
        !self.run.state.is_terminal()
            && part
                .is_some_and(|part| part.current_number() == Some(at.1) && part.state.holds_job())
    }

    fn begin(&mut self, errand: Errand) -> Result<(), Law> {
        match &errand {
            Errand::Submit { at, .. } => *self.ghost.sent.entry(*at).or_default() += 1,
            Errand::Fetch { at, .. } => self.may_fetch(*at)?,
            Errand::Publish { .. } => self.may_publish()?,
            _ => {}
        }
        self.errands.push(errand);
        Ok(())
    }

    /// The process is gone and another takes up what is on disk.
    pub fn restart(&mut self, design: Design) -> Result<(), Law> {
        let expires = self.tick + 1;
        for errand in std::mem::take(&mut self.errands) {
            if let Errand::Submit { at, job: None, .. } = errand {
                self.late.push((at, expires));
            }
        }
        self.checked.clear();
        self.ghost.read_at.clear();
        self.suspects.clear();
        self.sweep_at = self.tick;
        let interrupted: Vec<Spot> = self
            .run
            .parts
            .values()
            .filter(|part| matches!(part.state, PartState::Submitting { .. }))
            .filter_map(|part| Some((part.number, part.current_number()?)))
            .collect();
        let mut turn = Turn::default();
        for (part, attempt) in interrupted {
            if design == Design::ForgetCreatesAtRestart {
                continue;
            }
            let fault = Fault::new(FaultClass::Unanswered, "stopped");
            let failure = match design {
                Design::RepeatCreatesAtRestart => CreateFailure::Refused(Fault {
                    class: FaultClass::Throttled,
                    ..fault
                }),
                _ => CreateFailure::Unanswered(fault),
            };
            self.fold(
                design,
                &Event::SubmitFailed {
                    part,
                    attempt,
                    failure,
                },
            )?;
        }
        self.end_if_overdue(design)?;
        self.dispatch(design, &mut turn)?;
        for at in turn.authorised {
            *self.ghost.authorised.entry(at).or_default() += 1;
        }
        turn.begun
            .into_iter()
            .try_for_each(|errand| self.begin(errand))?;
        self.holds()
    }

    fn fold(&mut self, design: Design, event: &Event) -> Result<(), Law> {
        let before = self.run.clone();
        let now = self.now();
        let ignored = design.fold(&mut self.run, event, now).is_err();
        fold_is_lawful(&before, &self.run, ignored, event)
    }

    fn take(&mut self, design: Design, fact: Fact, turn: &mut Turn) -> Result<(), Law> {
        match fact {
            Fact::Event(event) => {
                self.answered(&event);
                self.fold(design, &event)
            }
            Fact::Callback((part, attempt)) => {
                turn.heard.push((part, attempt));
                if self.waits_for((part, attempt)) {
                    self.ghost.owed.insert((part, attempt), self.tick);
                }
                self.fold(
                    design,
                    &Event::CallbackHeard {
                        part,
                        attempt,
                        count: 1,
                    },
                )
            }
            Fact::Listed { began, jobs, whole } => self.listed(design, began, &jobs, whole),
            Fact::ListBroken => {
                self.sweep_at = self.tick + 1;
                self.postpone_lookups();
                Ok(())
            }
            Fact::CheckBroken | Fact::TimePassed => Ok(()),
        }
    }

    /// A read that was begun after a callback has answered it.
    fn answered(&mut self, event: &Event) {
        if let Event::JobChecked {
            part,
            attempt,
            asked_at,
            ..
        } = event
        {
            let at = (*part, *attempt);
            if self
                .ghost
                .owed
                .get(&at)
                .is_some_and(|tick| instant(*tick) <= *asked_at)
            {
                self.ghost.owed.remove(&at);
            }
        }
    }

    fn postpone_lookups(&mut self) {
        let look = instant(self.tick + 1);
        for part in self.run.parts.values_mut() {
            if let PartState::Unanswered { look_at, .. } = &mut part.state {
                *look_at = look;
            }
        }
    }

    /// One list answers for every open job.
    fn listed(
        &mut self,
        design: Design,
        began: i64,
        jobs: &[(String, Fate)],
        whole: bool,
    ) -> Result<(), Law> {
        self.sweep_at = began + POLL;
        let whole = whole || design == Design::BelievePartialLists;
        let asked_at = instant(began);
        let parts: Vec<u32> = self.run.parts.keys().copied().collect();
        for part in parts {
            let current = self.run.parts[&part].current().cloned();
            let Some(current) = current else { continue };
            let attempt = current.number;
            match (&self.run.parts[&part].state, &current.job_id) {
                (PartState::Exporting { .. }, Some(id)) => {
                    match jobs.iter().find(|(job, _)| job == id) {
                        Some((id, fate)) => {
                            let job = seen(id, *fate);
                            let by = LearnedBy::Poll;
                            let event = Event::JobChecked {
                                part,
                                attempt,
                                job,
                                by,
                                asked_at,
                            };
                            self.answered(&event);
                            self.fold(design, &event)?;
                        }
                        None if whole => drop(self.suspects.insert(part)),
                        None => {}
                    }
                }
                (PartState::Unanswered { .. }, _) => {
                    self.look_up(design, (part, attempt), began, jobs, whole)?;
                }
                _ => {}
            }
        }
        self.note_seconds(design, jobs)
    }

    fn look_up(
        &mut self,
        design: Design,
        at: Spot,
        began: i64,
        jobs: &[(String, Fate)],
        whole: bool,
    ) -> Result<(), Law> {
        let (part, attempt) = at;
        let ours = |id: &str| {
            self.job(id).is_some_and(|job| match design {
                Design::AdoptAnyAddress => job.at.0 == part,
                _ => job.at == at,
            })
        };
        let mut found: Vec<(String, Fate)> =
            jobs.iter().filter(|(id, _)| ours(id)).cloned().collect();
        if found.is_empty() && design == Design::AdoptForeign {
            found.extend(jobs.iter().find(|(id, _)| id == FOREIGN).cloned());
        }
        found
            .sort_by_key(|(id, fate)| (matches!(fate, Fate::Failed | Fate::Cancelled), id.clone()));
        if found.is_empty() {
            if !whole {
                self.postpone_lookups();
                return Ok(());
            }
            return self.fold(
                design,
                &Event::JobNotFound {
                    part,
                    attempt,
                    asked_at: instant(began),
                },
            );
        }
        let (id, fate) = found.remove(0);
        let extra = found.into_iter().map(|(id, _)| id).collect();
        self.fold(
            design,
            &Event::JobFound {
                part,
                attempt,
                job: seen(&id, fate),
                extra,
            },
        )
    }

    fn note_seconds(&mut self, design: Design, jobs: &[(String, Fate)]) -> Result<(), Law> {
        for (id, fate) in jobs {
            let Some((part, attempt)) = self.job(id).map(|job| job.at) else {
                continue;
            };
            let tries = self.run.parts.get(&part).map(|part| &part.attempts);
            let adopted = tries
                .and_then(|tries| tries.iter().find(|other| other.number == attempt))
                .and_then(|attempt| attempt.job_id.clone());
            if *fate != Fate::Running || adopted.is_none_or(|known| known == *id) {
                continue;
            }
            self.ghost.seconds.insert(id.clone());
            self.fold(
                design,
                &Event::SecondJobSeen {
                    part,
                    attempt,
                    job_id: id.clone(),
                },
            )?;
        }
        Ok(())
    }

    fn end_if_overdue(&mut self, design: Design) -> Result<(), Law> {
        let publishing = self
            .errands
            .iter()
            .any(|errand| matches!(errand, Errand::Publish { .. }));
        let overdue = self
            .run
            .deadline_at()
            .is_some_and(|deadline| deadline <= self.now());
        if overdue && !publishing && !self.run.state.is_terminal() {
            self.fold(design, &Event::DeadlinePassed)?;
        }
        Ok(())
    }

    fn dispatch(&mut self, design: Design, turn: &mut Turn) -> Result<(), Law> {
        let now = self.now();
        let began = self.tick;
        match aptiqd::run::next(&self.run, now) {
            Next::Publish if !self.under_way(|errand| matches!(errand, Errand::Publish { .. })) => {
                turn.begun.push(Errand::Publish { began });
            }
            Next::Parts => self.dispatch_parts(design, turn)?,
            _ => {}
        }
        let orders: Vec<(Spot, String)> = cancels(&self.run)
            .filter(|(.., not_before)| *not_before <= now)
            .map(|(part, attempt, job, _)| ((part, attempt), job.to_owned()))
            .collect();
        for (at, job) in orders {
            let errand = |errand: &Errand| matches!(errand, Errand::Cancel { job: other, .. } if *other == job);
            if !self.under_way(errand) {
                turn.begun.push(Errand::Cancel { at, job, began });
            }
        }
        Ok(())
    }

    fn under_way(&self, like: impl Fn(&Errand) -> bool) -> bool {
        self.errands.iter().any(like)
    }

    fn dispatch_parts(&mut self, design: Design, turn: &mut Turn) -> Result<(), Law> {
        let began = self.tick;
        let mut wanted = false;
        let numbers: Vec<u32> = self.run.parts.keys().copied().collect();
        for number in numbers {
            let part = &self.run.parts[&number];
            let at = (number, part.current_number().unwrap_or(0));
            let exporting = matches!(part.state, PartState::Exporting { .. });
            let checked = self.checked.get(&at).copied().map(instant);
            let checked = checked.filter(|_| design != Design::NoPauseBetweenReads);
            let sweep = self.sweep_at <= began && design != Design::CallbacksOnly;
            match aptiqd::run::next_part(&self.run, part, checked, self.now()) {
                NextPart::Submit => self.submit(design, number, turn)?,
                NextPart::Find => wanted = true,
                NextPart::Check if !self.reads(at) => {
                    self.may_check(at)?;
                    self.ghost.read_at.insert(at, began);
                    self.read(at, turn);
                }
                NextPart::Watch if self.suspects.contains(&number) && !self.reads(at) => {
                    self.read(at, turn)
                }
                NextPart::Watch => wanted |= sweep,
                NextPart::WaitUntil(_) => wanted |= exporting && sweep,
                NextPart::Fetch
                    if !self.under_way(
                        |errand| matches!(errand, Errand::Fetch { at: other, .. } if *other == at),
                    ) =>
                {
                    turn.begun.push(Errand::Fetch { at, began });
                }
                NextPart::Check | NextPart::Fetch | NextPart::Rest => {}
            }
        }
        if wanted && !self.under_way(|errand| matches!(errand, Errand::List { .. })) {
            turn.begun.push(Errand::List { began, reply: None });
        }
        Ok(())
    }

    fn reads(&self, at: Spot) -> bool {
        self.under_way(|errand| matches!(errand, Errand::Check { at: other, .. } if *other == at))
    }

    fn read(&mut self, at: Spot, turn: &mut Turn) {
        let current = self.run.parts[&at.0].current();
        if let Some(job) = current.and_then(|attempt| attempt.job_id.clone()) {
            self.checked.insert(at, self.tick);
            turn.begun.push(Errand::Check {
                at,
                job,
                began: self.tick,
                reply: None,
            });
        }
    }

    fn submit(&mut self, design: Design, part: u32, turn: &mut Turn) -> Result<(), Law> {
        let attempt = self.run.parts[&part].next_attempt();
        self.may_submit((part, attempt))?;
        self.fold(design, &Event::SubmitStarted { part, attempt })?;
        let taken = self.run.parts[&part].current();
        if taken.is_some_and(|taken| taken.state == AttemptState::Submitting) {
            turn.authorised.push((part, attempt));
            turn.begun.push(Errand::Submit {
                at: (part, attempt),
                began: self.tick,
                job: None,
            });
        }
        Ok(())
    }

    /// The turn with which the run begins.
    pub fn begin_first(&mut self, design: Design) -> Result<(), Law> {
        self.turn(design, Fact::TimePassed, Power::Stays)
    }

    pub fn is_over(&self) -> bool {
        settled(&self.run)
    }
}
