//! What can happen next, and what it costs of the luck that is left.

use crate::engine::Power;
use crate::world::{ERRAND_MAX, Errand, Fate, Spot, World};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    Tick,
    /// What becomes of the errand at this place.
    Errand(usize, Turnout, Power),
    JobEnds(usize, Fate),
    JobVanishes(usize),
    Callback(Spot, Power),
    CallbackTwice(Spot),
    CallbackLost(Spot),
    Forged(Spot),
    LateArrives(usize),
    LateDies(usize),
    Echo,
    Cancelled,
    Crash,
}

/// How an errand, or one half of it, turns out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turnout {
    /// It reaches the vendor: the job comes to be, the list is read.
    Arrives,
    ArrivesLagging,
    ArrivesTwice,
    Refused,
    Unsent,
    /// It never arrives, and nobody answers.
    Lost,
    /// Nobody answers, and it arrives later.
    Late,
    Answered,
    /// Answered, and the same answer comes once more.
    AnsweredTwice,
    AnswerLost,
    Partial,
    Broken,
    Odd,
    Denied,
    Content,
}

use Turnout::*;

impl Turnout {
    fn is_bad(self) -> bool {
        !matches!(self, Arrives | Answered)
    }
}

impl Move {
    pub fn costs_fault(&self) -> bool {
        match self {
            Move::Errand(_, turnout, _) => turnout.is_bad(),
            Move::JobEnds(_, fate) => *fate != Fate::Succeeded,
            Move::JobVanishes(_) | Move::CallbackTwice(_) | Move::CallbackLost(_) => true,
            _ => false,
        }
    }

    pub fn costs_crash(&self) -> bool {
        match self {
            Move::Errand(.., power) | Move::Callback(_, power) => *power != Power::Stays,
            Move::Crash => true,
            _ => false,
        }
    }
}

/// Whom a fair continuation serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Everything goes well from now on.
    Fair,
    /// No callback is ever delivered.
    Silent,
    /// No job ever ends and no callback comes.
    Bleak,
}

impl World {
    pub fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        for (place, errand) in self.errands.iter().enumerate() {
            self.of_errand(place, errand, &mut moves);
        }
        for (place, job) in self.jobs.iter().enumerate() {
            if job.fate == Fate::Running && !job.gone {
                moves.push(Move::JobEnds(place, Fate::Succeeded));
                moves.push(Move::JobEnds(place, Fate::Failed));
                moves.push(Move::JobVanishes(place));
            }
        }
        for (at, count) in &self.callbacks {
            moves.extend(powers().map(|power| Move::Callback(*at, power)));
            moves.push(Move::CallbackLost(*at));
            if *count < 2 {
                moves.push(Move::CallbackTwice(*at));
            }
        }
        for place in 0..self.late.len() {
            moves.push(Move::LateArrives(place));
            moves.push(Move::LateDies(place));
        }
        if self.echo.is_some() {
            moves.push(Move::Echo);
        }
        if self.luck.forged > 0 {
            let parts = self.run.parts.values();
            moves.extend(
                parts.filter_map(|part| Some(Move::Forged((part.number, part.current_number()?)))),
            );
        }
        if self.luck.cancels > 0 && !self.run.state.is_terminal() {
            moves.push(Move::Cancelled);
        }
        moves.push(Move::Crash);
        if self.may_tick() {
            moves.push(Move::Tick);
        }
        moves.retain(|wanted| self.affords(wanted));
        moves
    }

    fn affords(&self, wanted: &Move) -> bool {
        (!wanted.costs_fault() || self.luck.faults > 0)
            && (!wanted.costs_crash() || self.luck.crashes > 0)
    }

    /// Errands take a bounded time, and so does a create that is still on its way.
    fn may_tick(&self) -> bool {
        !self.is_over()
            && self
                .errands
                .iter()
                .all(|errand| self.tick - errand.began() < ERRAND_MAX)
            && self.late.iter().all(|(_, expires)| self.tick < *expires)
    }

    fn of_errand(&self, place: usize, errand: &Errand, moves: &mut Vec<Move>) {
        let turnouts: &[Turnout] = match errand {
            Errand::Submit { job: None, .. } => &[
                Arrives,
                ArrivesLagging,
                ArrivesTwice,
                Refused,
                Unsent,
                Lost,
                Late,
            ],
            Errand::Submit { .. } => &[Answered, AnsweredTwice, AnswerLost],
            Errand::List { reply: None, .. } => &[Arrives, Broken],
            Errand::List { .. } => &[Answered, Partial],
            Errand::Check {
                reply: None, job, ..
            } => match self.job(job) {
                Some(job) if !job.gone => &[Arrives, Odd, Denied, Broken],
                _ => &[Answered, Broken],
            },
            Errand::Check { .. } => &[Answered, AnsweredTwice],
            Errand::Fetch { .. } => &[Answered, Broken, Content],
            Errand::Publish { .. } | Errand::Cancel { .. } => &[Answered, Broken],
        };
        for turnout in turnouts {
            moves.push(Move::Errand(place, *turnout, Power::Stays));
            if *turnout == Answered {
                moves.extend(
                    powers()
                        .skip(1)
                        .map(|power| Move::Errand(place, Answered, power)),
                );
            }
        }
    }

    /// The one move with which the world goes on under a policy; none once the run is over.
    pub fn policy(&self, policy: Policy) -> Option<Move> {
        if self.is_over() {
            return None;
        }
        if let Some((place, errand)) = self.errands.iter().enumerate().next() {
            let mut good = Vec::new();
            self.of_errand(place, errand, &mut good);
            return good.into_iter().next();
        }
        if !self.late.is_empty() {
            return Some(Move::LateDies(0));
        }
        if policy != Policy::Bleak
            && let Some(place) = self
                .jobs
                .iter()
                .position(|job| job.fate == Fate::Running && !job.gone)
        {
            return Some(Move::JobEnds(place, Fate::Succeeded));
        }
        match self.callbacks.keys().next() {
            Some(at) if policy == Policy::Fair => Some(Move::Callback(*at, Power::Stays)),
            _ => Some(Move::Tick),
        }
    }
}

fn powers() -> impl Iterator<Item = Power> {
    [Power::Stays, Power::CutBefore, Power::CutAfter].into_iter()
}
