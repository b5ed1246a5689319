//! Ordered stop: a signal or a task's unexpected end, and nothing running after it.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// Cancels `stop` at the first SIGTERM or SIGINT. To be called within the runtime, before `READY`.
pub fn stop_on_signals(stop: CancellationToken) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "stopping");
        stop.cancel();
    });
    Ok(())
}

/// Why the daemon has to end although nobody asked it to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unexpected {
    #[error("the {task} panicked: {words}")]
    Panicked { task: &'static str, words: String },
    #[error("the {task} ended although nobody stopped it")]
    Ended { task: &'static str },
    #[error("the {task} did not end within {grace:?}")]
    Stuck { task: &'static str, grace: Duration },
}

/// The daemon's tasks by name. Each is meant to run until `stop`; if one ends before, by panic or
/// otherwise, the process has lost a limb and must end, for systemd to start a whole one.
pub struct Supervisor {
    stop: CancellationToken,
    tasks: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

impl Supervisor {
    pub fn new(stop: CancellationToken) -> Supervisor {
        Supervisor {
            stop,
            tasks: JoinSet::new(),
            names: HashMap::new(),
        }
    }

    /// Cancelled when the daemon is to stop; tasks watch it.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.tasks.spawn(task).id();
        self.names.insert(id, name);
    }

    /// Waits for the stop, or for the first task that ends before it; the stop is then cancelled
    /// for the others. To be followed by [`Supervisor::drain`] in either case.
    pub async fn supervise(&mut self) -> Result<(), Unexpected> {
        let ended = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Ok(()),
            Some(ended) = self.tasks.join_next_with_id() => ended,
        };
        let outcome = match self.outcome(ended) {
            (task, Ok(())) if !self.stop.is_cancelled() => Err(Unexpected::Ended { task }),
            (_, outcome) => outcome,
        };
        self.stop.cancel();
        outcome
    }

    /// Waits for all tasks to end, at most `grace`; the first fault is the answer, and what is
    /// still running afterwards is aborted.
    pub async fn drain(mut self, grace: Duration) -> Result<(), Unexpected> {
        self.stop.cancel();
        let deadline = tokio::time::Instant::now() + grace;
        let mut outcome = Ok(());
        loop {
            match tokio::time::timeout_at(deadline, self.tasks.join_next_with_id()).await {
                Ok(None) => return outcome,
                Ok(Some(ended)) => {
                    let (_, ended) = self.outcome(ended);
                    outcome = outcome.and(ended);
                }
                Err(_) => {
                    let task = self.names.values().copied().min().unwrap_or("task");
                    self.tasks.shutdown().await;
                    return outcome.and(Err(Unexpected::Stuck { task, grace }));
                }
            }
        }
    }

    fn outcome(
        &mut self,
        ended: Result<(Id, ()), JoinError>,
    ) -> (&'static str, Result<(), Unexpected>) {
        let id = match &ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        let task = self.names.remove(&id).unwrap_or("task");
        let outcome = match ended {
            Err(error) if error.is_panic() => {
                let words = words(error.into_panic().as_ref());
                tracing::error!(task, words, "a task panicked");
                Err(Unexpected::Panicked { task, words })
            }
            _ => Ok(()),
        };
        (task, outcome)
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a word".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_stops_everything_and_is_named() {
        let mut supervisor = Supervisor::new(CancellationToken::new());
        let stop = supervisor.stop().clone();
        supervisor.spawn("listener", async move { stop.cancelled().await });
        supervisor.spawn("engine", async { panic!("law broken") });
        let fault = supervisor.supervise().await.unwrap_err();
        let expected = Unexpected::Panicked {
            task: "engine",
            words: "law broken".into(),
        };
        assert_eq!(fault, expected);
        assert_eq!(supervisor.drain(Duration::from_secs(5)).await, Ok(()));
    }

    #[tokio::test]
    async fn a_task_that_just_ends_is_a_fault_before_the_stop_and_none_after() {
        let mut supervisor = Supervisor::new(CancellationToken::new());
        supervisor.spawn("engine", async {});
        let fault = supervisor.supervise().await;
        assert_eq!(fault, Err(Unexpected::Ended { task: "engine" }));

        let mut supervisor = Supervisor::new(CancellationToken::new());
        let stop = supervisor.stop().clone();
        stop.cancel();
        supervisor.spawn("engine", async move { stop.cancelled().await });
        assert_eq!(supervisor.supervise().await, Ok(()));
        assert_eq!(supervisor.drain(Duration::from_secs(5)).await, Ok(()));
    }

    #[tokio::test]
    async fn a_task_that_will_not_stop_is_aborted_and_named() {
        let mut supervisor = Supervisor::new(CancellationToken::new());
        supervisor.spawn("listener", std::future::pending());
        let grace = Duration::from_millis(20);
        let stuck = Unexpected::Stuck {
            task: "listener",
            grace,
        };
        assert_eq!(supervisor.drain(grace).await, Err(stuck));
    }

    #[tokio::test]
    async fn a_panic_while_stopping_is_not_lost() {
        let mut supervisor = Supervisor::new(CancellationToken::new());
        let stop = supervisor.stop().clone();
        supervisor.spawn("engine", async move {
            stop.cancelled().await;
            panic!("late");
        });
        let fault = supervisor.drain(Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(fault.to_string(), "the engine panicked: late");
    }
}
