//! One task a receiver: takes notices in order, tries, waits, gives up. What hangs here hangs alone.

use super::counts::{Counts, Outcome};
use super::notice::{Kind, Notice};
use super::receiver::Receiver;
use super::web::Web;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Notices that may wait for one receiver.
pub(super) const QUEUE_MAX: usize = 64;
/// Tries of one notice: with the rests between them some thirteen minutes.
const TRIES: u32 = 10;
const REST_FIRST: Duration = Duration::from_secs(1);
const REST_MAX: Duration = Duration::from_secs(300);
/// How long a try under way may still take when the daemon stops.
const GRACE: Duration = Duration::from_secs(2);

/// What became of a notice at one receiver.
pub(super) struct Done {
    pub receiver: String,
    pub notice: Arc<Notice>,
    pub outcome: Outcome,
    /// Why it was given up.
    pub fault: Option<String>,
}

pub(super) struct Sender {
    pub name: String,
    pub receiver: Receiver,
    pub web: Arc<Web>,
    pub counts: Counts,
    pub stop: CancellationToken,
    pub done: mpsc::Sender<Done>,
}

impl Sender {
    pub async fn serve(self, mut queue: mpsc::Receiver<Arc<Notice>>) {
        loop {
            let notice = tokio::select! {
                () = self.stop.cancelled() => return,
                notice = queue.recv() => match notice {
                    Some(notice) => notice,
                    None => return,
                },
            };
            let Some((outcome, fault)) = self.deliver(&notice).await else {
                return;
            };
            self.counts.add(&self.name, outcome);
            let receiver = self.name.clone();
            let done = Done {
                receiver,
                notice,
                outcome,
                fault,
            };
            if self.done.send(done).await.is_err() {
                return;
            }
        }
    }

    /// `None` if the daemon stops before it is known.
    async fn deliver(&self, notice: &Notice) -> Option<(Outcome, Option<String>)> {
        // A beat that comes late tells the wrong time.
        let tries = if notice.kind == Kind::Started {
            1
        } else {
            TRIES
        };
        let mut rest = REST_FIRST;
        for number in 1..=tries {
            let fault = match self.one_try(notice).await? {
                Ok(()) => {
                    self.went_through();
                    return Some((Outcome::Delivered, None));
                }
                Err(fault) => fault,
            };
            self.broke(&fault.words);
            if number == tries {
                return Some((Outcome::GivenUp, Some(fault.words)));
            }
            self.counts.add(&self.name, Outcome::Retried);
            let pause = fault.rest.unwrap_or_default().max(rest);
            rest = (rest * 2).min(REST_MAX);
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep(pause) => {}
            }
        }
        None
    }

    async fn one_try(&self, notice: &Notice) -> Option<Result<(), super::receiver::Broken>> {
        let handing = self.receiver.hand(notice, &self.web);
        tokio::pin!(handing);
        tokio::select! {
            result = &mut handing => Some(result),
            () = self.stop.cancelled() => tokio::time::timeout(GRACE, handing).await.ok(),
        }
    }

    /// Logged once when it begins and once when it is over.
    fn broke(&self, fault: &str) {
        if self.counts.note(&self.name, Some(fault)) {
            tracing::warn!(notifier = self.name, "notices do not get through: {fault}");
        } else {
            tracing::debug!(
                notifier = self.name,
                "a notice did not get through: {fault}"
            );
        }
    }

    fn went_through(&self) {
        if self.counts.note(&self.name, None) {
            tracing::info!(notifier = self.name, "notices get through again");
        }
    }
}
