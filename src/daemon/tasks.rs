//! The daemon's tasks by name. Each is meant to run until the stop; if one ends before, by panic or otherwise, the
//! process has lost a limb and must end, for systemd to start a whole one.

use super::Error;
use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

pub(super) struct Tasks {
    stop: CancellationToken,
    running: JoinSet<Result<(), Error>>,
    names: HashMap<Id, &'static str>,
}

impl Tasks {
    pub fn new(stop: CancellationToken) -> Tasks {
        Tasks {
            stop,
            running: JoinSet::new(),
            names: HashMap::new(),
        }
    }

    /// Cancelled when the daemon is to stop; tasks watch it.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    pub fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = Result<(), Error>> + Send + 'static,
    ) {
        let id = self.running.spawn(task).id();
        self.names.insert(id, name);
    }

    /// Until the stop.
    ///
    /// # Errors
    /// A task has ended before it.
    pub async fn supervise(&mut self) -> Result<(), Error> {
        let ended = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Ok(()),
            Some(ended) = self.running.join_next_with_id() => ended,
        };
        match self.outcome(ended) {
            // The stop can have come from the task itself.
            (_, Ok(())) if self.stop.is_cancelled() => Ok(()),
            (task, Ok(())) => Err(Error::Ended(task)),
            (_, fault) => fault,
        }
    }

    /// Waits for all tasks to end after the stop.
    ///
    /// # Errors
    /// The first fault of a task. What still runs after `grace` is one.
    pub async fn drain(mut self, grace: Duration) -> Result<(), Error> {
        let deadline = tokio::time::Instant::now() + grace;
        let mut outcome = Ok(());
        loop {
            match tokio::time::timeout_at(deadline, self.running.join_next_with_id()).await {
                Ok(None) => return outcome,
                Ok(Some(ended)) => outcome = outcome.and(self.outcome(ended).1),
                Err(_) => {
                    let task = self.names.values().min().copied().unwrap_or("a task");
                    return outcome.and(Err(Error::Stuck { task, grace }));
                }
            }
        }
    }

    fn outcome(
        &mut self,
        ended: Result<(Id, Result<(), Error>), JoinError>,
    ) -> (&'static str, Result<(), Error>) {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let task = self.names.remove(&id).unwrap_or("a task");
        let outcome = match ended {
            Ok((_, outcome)) => outcome,
            Err(_) => Err(Error::Panicked(task)),
        };
        (task, outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn tasks() -> (Tasks, CancellationToken) {
        let stop = CancellationToken::new();
        (Tasks::new(stop.clone()), stop)
    }

    /// One that ends with the stop.
    async fn until(stop: CancellationToken) -> Result<(), Error> {
        stop.cancelled().await;
        Ok(())
    }

    #[tokio::test]
    async fn a_panic_is_told_by_the_tasks_name_and_without_its_words() {
        let (mut tasks, stop) = tasks();
        tasks.spawn("the listener", until(stop));
        tasks.spawn("the engine", async { panic!("canary") });
        let fault = tasks.supervise().await.expect_err("a fault").to_string();
        assert!(fault.starts_with("the engine panicked"), "{fault}");
        assert!(!fault.contains("canary"), "{fault}");
    }

    #[tokio::test]
    async fn a_task_that_just_ends_is_a_fault_before_the_stop_and_none_after() {
        let (mut tasks, stop) = tasks();
        tasks.spawn("the listener", until(stop));
        tasks.spawn("the engine", async { Ok(()) });
        let fault = tasks.supervise().await;
        assert!(matches!(fault, Err(Error::Ended("the engine"))));

        let (mut tasks, stop) = self::tasks();
        tasks.spawn("the engine", until(stop.clone()));
        stop.cancel();
        assert!(tasks.supervise().await.is_ok());
        assert!(tasks.drain(LONG).await.is_ok());
    }

    #[tokio::test]
    async fn a_task_may_ask_for_the_stop() {
        let (mut tasks, stop) = tasks();
        tasks.spawn("the listener", until(stop.clone()));
        tasks.spawn("the signals", async move {
            stop.cancel();
            Ok(())
        });
        assert!(tasks.supervise().await.is_ok());
        assert!(tasks.drain(LONG).await.is_ok());
    }

    #[tokio::test]
    async fn a_task_that_will_not_stop_is_named() {
        let (mut tasks, stop) = tasks();
        tasks.spawn("the listener", std::future::pending());
        tasks.spawn("the engine", until(stop.clone()));
        stop.cancel();
        let fault = tasks.drain(Duration::from_millis(20)).await;
        let named = Err("the listener");
        let told = fault.map_err(|fault| match fault {
            Error::Stuck { task, .. } => task,
            other => panic!("{other}"),
        });
        assert_eq!(told, named);
    }

    #[tokio::test]
    async fn a_panic_while_stopping_is_not_lost_and_cuts_nobody_short() {
        let (mut tasks, stop) = tasks();
        let (send, receive) = tokio::sync::oneshot::channel();
        tasks.spawn("the engine", async move {
            stop.cancelled().await;
            let _ = send.send(());
            panic!("late")
        });
        let stop = tasks.stop().clone();
        let (written, read) = tokio::sync::oneshot::channel();
        tasks.spawn("the listener", async move {
            let _ = receive.await;
            tokio::task::yield_now().await;
            let _ = written.send(());
            Ok(())
        });
        stop.cancel();
        let fault = tasks.drain(LONG).await;
        assert!(matches!(fault, Err(Error::Panicked("the engine"))));
        assert!(read.await.is_ok());
    }
}
