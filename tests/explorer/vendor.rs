//! The vendor's side, and everything else that is not the daemon: carries a move out.

use crate::design::Design;
use crate::engine::{Fact, Power};
use crate::laws::Law;
use crate::moves::{Move, Turnout};
use crate::world::{Errand, FOREIGN, Fate, Job, Spot, World, instant, seen};
use aptiqd::run::{
    Artifact, CreateFailure, Event, Fault, FaultClass, LearnedBy, PartState, Published, Verdict,
};

fn fault(class: FaultClass) -> Fault {
    Fault::new(class, "")
}

impl World {
    /// The world after a move; the broken law if one is broken.
    pub fn after(&self, wanted: &Move, design: Design) -> Result<World, Law> {
        let mut next = self.clone();
        next.luck.faults -= u8::from(wanted.costs_fault());
        next.luck.crashes -= u8::from(wanted.costs_crash());
        next.carry_out(wanted, design)?;
        next.errands.sort();
        next.jobs.sort();
        next.late.sort_unstable();
        Ok(next)
    }

    fn carry_out(&mut self, wanted: &Move, design: Design) -> Result<(), Law> {
        match wanted {
            Move::Tick => {
                self.tick += 1;
                self.turn(design, Fact::TimePassed, Power::Stays)
            }
            Move::Errand(place, turnout, power) => {
                let errand = self.errands.remove(*place);
                self.turns_out(errand, *turnout, *power, design)
            }
            Move::JobEnds(place, fate) => {
                let job = &mut self.jobs[*place];
                job.fate = *fate;
                let at = job.at;
                let count = self.callbacks.entry(at).or_default();
                *count = 2.min(*count + 1);
                Ok(())
            }
            Move::JobVanishes(place) => {
                self.jobs[*place].gone = true;
                Ok(())
            }
            Move::Callback(at, power) => {
                self.take_callback(*at);
                self.turn(design, Fact::Callback(*at), *power)
            }
            Move::CallbackTwice(at) => self.turn(design, Fact::Callback(*at), Power::Stays),
            Move::CallbackLost(at) => {
                self.take_callback(*at);
                Ok(())
            }
            Move::Forged(at) => {
                self.luck.forged -= 1;
                self.turn(design, Fact::Callback(*at), Power::Stays)
            }
            Move::LateArrives(place) => {
                let (at, _) = self.late.remove(*place);
                self.create(at, self.tick, false);
                Ok(())
            }
            Move::LateDies(place) => {
                self.late.remove(*place);
                Ok(())
            }
            Move::Echo => match self.echo.take() {
                Some(event) => self.turn(design, Fact::Event(event), Power::Stays),
                None => Ok(()),
            },
            Move::Cancelled => {
                self.luck.cancels -= 1;
                let event = Event::CancelledByOperator {
                    reason: String::new(),
                };
                self.turn(design, Fact::Event(event), Power::Stays)
            }
            Move::Crash => self.restart(design),
        }
    }

    fn take_callback(&mut self, at: Spot) {
        let left = self.callbacks.remove(&at).unwrap_or(0).saturating_sub(1);
        if left > 0 {
            self.callbacks.insert(at, left);
        }
    }

    fn create(&mut self, at: Spot, listed_from: i64, second: bool) -> String {
        let before = self.jobs.iter().filter(|job| job.at == at).count();
        let id = format!("{}.{}.{before}", at.0, at.1);
        self.jobs.push(Job {
            id: id.clone(),
            at,
            fate: Fate::Running,
            listed_from,
            gone: false,
            second,
            denied: 0,
        });
        id
    }

    fn turns_out(
        &mut self,
        errand: Errand,
        turnout: Turnout,
        power: Power,
        design: Design,
    ) -> Result<(), Law> {
        match errand {
            Errand::Submit {
                at,
                began,
                job: None,
            } => self.submit_turns_out(at, began, turnout, design),
            Errand::Submit {
                at, job: Some(job), ..
            } => {
                let (part, attempt) = at;
                let event = match turnout {
                    Turnout::AnswerLost => unanswered(at),
                    _ => Event::SubmitAccepted {
                        part,
                        attempt,
                        job: seen(&job, Fate::Running),
                    },
                };
                self.report(event, turnout, power, design)
            }
            Errand::List { began, reply } => {
                self.list_turns_out(began, reply, turnout, power, design)
            }
            Errand::Check {
                at,
                job,
                began,
                reply,
            } => self.check_turns_out((at, job, began, reply), turnout, power, design),
            Errand::Fetch { at, .. } => self.fetch_turns_out(at, turnout, power, design),
            Errand::Publish { .. } => self.publish_turns_out(turnout, power, design),
            Errand::Cancel { at, job, .. } => {
                self.cancel_turns_out(at, &job, turnout, power, design)
            }
        }
    }

    /// Delivers a report, and keeps it for a second time if that is how it turns out.
    fn report(
        &mut self,
        event: Event,
        turnout: Turnout,
        power: Power,
        design: Design,
    ) -> Result<(), Law> {
        if turnout == Turnout::AnsweredTwice {
            self.echo = Some(event.clone());
        }
        self.turn(design, Fact::Event(event), power)
    }

    fn submit_turns_out(
        &mut self,
        at: Spot,
        began: i64,
        turnout: Turnout,
        design: Design,
    ) -> Result<(), Law> {
        let (part, attempt) = at;
        let failed = |failure| Event::SubmitFailed {
            part,
            attempt,
            failure,
        };
        let event = match turnout {
            Turnout::Refused => failed(CreateFailure::Refused(fault(FaultClass::Throttled))),
            Turnout::Unsent => failed(CreateFailure::Unsent(fault(FaultClass::Unreachable))),
            Turnout::Lost => unanswered(at),
            Turnout::Late => {
                self.late.push((at, self.tick + 1));
                unanswered(at)
            }
            _ => {
                let lag = i64::from(turnout == Turnout::ArrivesLagging);
                let id = self.create(at, self.tick + lag, false);
                if turnout == Turnout::ArrivesTwice {
                    self.create(at, self.tick, true);
                }
                self.errands.push(Errand::Submit {
                    at,
                    began,
                    job: Some(id),
                });
                return Ok(());
            }
        };
        self.turn(design, Fact::Event(event), Power::Stays)
    }

    fn list_turns_out(
        &mut self,
        began: i64,
        reply: Option<Vec<(String, Fate)>>,
        turnout: Turnout,
        power: Power,
        design: Design,
    ) -> Result<(), Law> {
        match (turnout, reply) {
            (Turnout::Broken, _) => self.turn(design, Fact::ListBroken, power),
            (_, None) => {
                let shown = self
                    .jobs
                    .iter()
                    .filter(|job| job.listed_from <= self.tick && !job.gone);
                let foreign = (FOREIGN.to_owned(), Fate::Succeeded);
                let shown = shown.map(|job| (job.id.clone(), job.fate));
                let reply = Some(shown.chain([foreign]).collect());
                self.errands.push(Errand::List { began, reply });
                Ok(())
            }
            (Turnout::Partial, Some(_)) => {
                let fact = Fact::Listed {
                    began,
                    jobs: Vec::new(),
                    whole: false,
                };
                self.turn(design, fact, power)
            }
            (_, Some(jobs)) => self.turn(
                design,
                Fact::Listed {
                    began,
                    jobs,
                    whole: true,
                },
                power,
            ),
        }
    }

    fn check_turns_out(
        &mut self,
        (at, job, began, reply): (Spot, String, i64, Option<Fate>),
        turnout: Turnout,
        power: Power,
        design: Design,
    ) -> Result<(), Law> {
        let (part, attempt) = at;
        if turnout == Turnout::Broken {
            return self.turn(design, Fact::CheckBroken, power);
        }
        if let Some(fate) = reply {
            let job = seen(&job, fate);
            let by = LearnedBy::Callback;
            self.suspects.remove(&part);
            let event = Event::JobChecked {
                part,
                attempt,
                job,
                by,
                asked_at: instant(began),
            };
            return self.report(event, turnout, power, design);
        }
        let known = self.job(&job).filter(|job| !job.gone).map(|job| job.fate);
        match (turnout, known) {
            (Turnout::Odd, Some(Fate::Running)) => {
                self.errands.push(Errand::Check {
                    at,
                    job,
                    began,
                    reply: Some(Fate::Odd),
                });
                Ok(())
            }
            (Turnout::Arrives | Turnout::Odd, Some(fate)) => {
                self.errands.push(Errand::Check {
                    at,
                    job,
                    began,
                    reply: Some(fate),
                });
                Ok(())
            }
            _ => {
                if let Some(known) = self.jobs.iter_mut().find(|known| known.id == job) {
                    known.denied = 3.min(known.denied + 1);
                }
                self.suspects.remove(&part);
                let fault = fault(FaultClass::Gone);
                self.turn(
                    design,
                    Fact::Event(Event::JobAbsent {
                        part,
                        attempt,
                        fault,
                    }),
                    power,
                )
            }
        }
    }

    fn fetch_turns_out(
        &mut self,
        at: Spot,
        turnout: Turnout,
        power: Power,
        design: Design,
    ) -> Result<(), Law> {
        let (part, attempt) = at;
        let broken = |class| Event::FetchBroken {
            part,
            attempt,
            fault: fault(class),
        };
        let event = match turnout {
            Turnout::Broken => broken(FaultClass::Transfer),
            Turnout::Content => broken(FaultClass::Content),
            _ => {
                let artifact = Artifact {
                    bytes: 1,
                    sha256: String::new(),
                    rows: 1,
                    path: String::new(),
                };
                Event::ArtifactFetched {
                    part,
                    attempt,
                    artifact,
                }
            }
        };
        if turnout != Turnout::Answered {
            *self.ghost.broken.entry(at).or_default() += 1;
        }
        self.turn(design, Fact::Event(event), power)
    }

    fn publish_turns_out(
        &mut self,
        turnout: Turnout,
        power: Power,
        design: Design,
    ) -> Result<(), Law> {
        if turnout == Turnout::Broken {
            let fault = fault(FaultClass::Disk);
            return self.turn(design, Fact::Event(Event::PublishBroken { fault }), power);
        }
        let fetched = self
            .run
            .live_parts()
            .filter(|part| part.state == PartState::Fetched);
        let fetched: std::collections::BTreeSet<u32> = fetched.map(|part| part.number).collect();
        let whole = fetched.len() == self.run.live_parts().count();
        self.ghost.published = Some(fetched);
        let published = Box::new(Published {
            names_days: None,
            verdict: if whole {
                Verdict::Landed
            } else {
                Verdict::Incomplete
            },
            reason: None,
            files: Vec::new(),
            rows: 1,
            bytes: 1,
            checks: Vec::new(),
            landed: Vec::new(),
            empty: Vec::new(),
            missing: Vec::new(),
            lost: Vec::new(),
            told: Vec::new(),
        });
        self.turn(
            design,
            Fact::Event(Event::RunPublished { published }),
            power,
        )
    }

    fn cancel_turns_out(
        &mut self,
        at: Spot,
        id: &str,
        turnout: Turnout,
        power: Power,
        design: Design,
    ) -> Result<(), Law> {
        let (part, attempt) = at;
        let job_id = id.to_owned();
        if turnout == Turnout::Broken {
            let fault = fault(FaultClass::Unanswered);
            let event = Event::CancelBroken {
                part,
                attempt,
                job_id,
                fault,
            };
            return self.turn(design, Fact::Event(event), power);
        }
        if let Some(job) = self
            .jobs
            .iter_mut()
            .find(|job| job.id == id && job.fate == Fate::Running)
        {
            job.fate = Fate::Cancelled;
        }
        let event = Event::CancelSettled {
            part,
            attempt,
            job_id,
            outcome: String::new(),
        };
        self.turn(design, Fact::Event(event), power)
    }
}

fn unanswered((part, attempt): Spot) -> Event {
    let failure = CreateFailure::Unanswered(fault(FaultClass::Unanswered));
    Event::SubmitFailed {
        part,
        attempt,
        failure,
    }
}
