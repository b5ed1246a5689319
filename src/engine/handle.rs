//! How the rest of the process reaches the loop.

use crate::roster::{Answer, Command, Refusal};
use crate::run::AttemptId;
use crate::store::Sequence;
use tokio::sync::{mpsc, oneshot, watch};

/// Messages that may wait for the loop; beyond that, senders wait.
const WAITING_MAX: usize = 4_096;

pub(super) enum Message {
    Callback { attempt: AttemptId, reply: oneshot::Sender<()> },
    Command { command: Command, reply: oneshot::Sender<Result<Answer, Refusal>> },
}

/// Why a command has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Asked {
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The loop has ended or is ending; the store may have failed.
    #[error("the daemon is stopping")]
    Stopping,
}

/// A sender to the loop; cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    messages: mpsc::Sender<Message>,
    position: watch::Receiver<Sequence>,
}

pub(super) struct Inbox {
    pub messages: mpsc::Receiver<Message>,
    pub position: watch::Sender<Sequence>,
}

impl Handle {
    pub(super) fn pair(position: Sequence) -> (Handle, Inbox) {
        let (messages, inbox) = mpsc::channel(WAITING_MAX);
        let (sender, receiver) = watch::channel(position);
        (Handle { messages, position: receiver }, Inbox { messages: inbox, position: sender })
    }

    /// Returns once the callback is on disk; `false` if the loop cannot take it.
    pub async fn callback(&self, attempt: AttemptId) -> bool {
        let (reply, answer) = oneshot::channel();
        let message = Message::Callback { attempt, reply };
        self.messages.send(message).await.is_ok() && answer.await.is_ok()
    }

    /// Carries out a command; the answer comes after its commit.
    pub async fn ask(&self, command: Command) -> Result<Answer, Asked> {
        let (reply, answer) = oneshot::channel();
        let message = Message::Command { command, reply };
        self.messages.send(message).await.map_err(|_| Asked::Stopping)?;
        Ok(answer.await.map_err(|_| Asked::Stopping)??)
    }

    /// The newest durable event, watched.
    pub fn position(&self) -> watch::Receiver<Sequence> {
        self.position.clone()
    }

    /// Whether the loop still takes messages.
    pub fn is_open(&self) -> bool {
        !self.messages.is_closed()
    }
}
