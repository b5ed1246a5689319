//! The desk: follows the journal, looks when something happened or is due, remembers, hands out.

use super::counts::{Counts, Outcome};
use super::decide::{look, next_look};
use super::heard::{Fact, Heard, Said, said};
use super::memory::{Memory, Pending, Records, changes};
use super::notice::{Kind, Notice};
use super::receiver::Receiver;
use super::route::Channels;
use super::seen::{Health, Seen};
use super::sender::{Done, QUEUE_MAX, Sender};
use super::web::Web;
use crate::clock;
use crate::engine::Handle;
use crate::roster::{Answer, Command, Entry, Snapshot};
use crate::run::RunId;
use crate::store::{self, Store, StoredEvent, record};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Events read at a time.
const PAGE: usize = 256;
/// The health of the daemon is looked at at least this often.
const LOOK_MAX: Duration = Duration::from_secs(60);
/// Between two readings of the journal: many events may come at once.
const BATCH: Duration = Duration::from_millis(200);
/// Reports of the senders that may wait.
const DONE_MAX: usize = 256;

/// What notices are made from and where they go.
pub struct Desk<S> {
    pub store: Arc<S>,
    pub handle: Handle,
    /// Cheap; asked at every look.
    pub health: Box<dyn Fn() -> Health + Send + Sync>,
    /// Changes after every reload, taken or refused.
    pub reloads: watch::Receiver<u64>,
    pub receivers: BTreeMap<String, Receiver>,
    pub counts: Counts,
}

/// The desk at work.
struct Open<S> {
    desk: Desk<S>,
    channels: Channels,
    queues: BTreeMap<String, mpsc::Sender<Arc<Notice>>>,
    memory: Memory,
    /// Read, and not yet looked at.
    heard: Vec<Heard>,
    /// As the store has them.
    records: Records,
}

impl<S: Store> Desk<S> {
    /// Serves until `stop`. A fault of the store is logged and tried again.
    ///
    /// # Panics
    /// When a sender panics: a daemon that goes on for months without a word to anybody is worse than one that starts
    /// anew, and what had not arrived goes out again then.
    pub async fn serve(self, stop: CancellationToken) {
        let (done, mut reports) = mpsc::channel(DONE_MAX);
        let mut senders = JoinSet::new();
        let mut open = self.open(&stop, &done, &mut senders).await;
        let mut position = open.desk.handle.position();
        let mut reloads = open.desk.reloads.clone();
        open.resume();
        let mut deadline = Instant::now();
        let mut due = true;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(report) = reports.recv() => open.settle(report, &mut reports).await,
                Some(()) = one_ended(&mut senders) => {}
                changed = position.changed() => {
                    if changed.is_err() {
                        // The engine has ended; so will the daemon.
                        stop.cancelled().await;
                        break;
                    }
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = tokio::time::sleep(BATCH) => {}
                    }
                    position.mark_unchanged();
                }
                Ok(()) = reloads.changed() => due = true,
                () = tokio::time::sleep_until(deadline) => due = true,
            }
            if let Some(pause) = open.turn(std::mem::take(&mut due)).await {
                deadline = Instant::now() + pause;
            }
        }
        // What arrives meanwhile is still struck off, if the engine takes it; the rest goes out again at the next start.
        drop(done);
        while let Some(report) = reports.recv().await {
            open.settle(report, &mut reports).await;
        }
        while one_ended(&mut senders).await.is_some() {}
    }

    async fn open(
        self,
        stop: &CancellationToken,
        done: &mpsc::Sender<Done>,
        senders: &mut JoinSet<()>,
    ) -> Open<S> {
        let web = Arc::new(Web::default());
        let mut queues = BTreeMap::new();
        for (name, receiver) in &self.receivers {
            self.counts.know(name);
            let (queue, waiting) = mpsc::channel(QUEUE_MAX);
            queues.insert(name.clone(), queue);
            let sender = Sender {
                name: name.clone(),
                receiver: receiver.clone(),
                web: Arc::clone(&web),
                counts: self.counts.clone(),
                stop: stop.clone(),
                done: done.clone(),
            };
            senders.spawn(sender.serve(waiting));
        }
        let channels = self.receivers.iter();
        let channels = channels.map(|(name, receiver)| (name.clone(), receiver.channel()));
        let channels = channels.collect();
        let records = match read(&self.store, |store| store::notices::remembered(store)).await {
            Ok(records) => records,
            Err(error) => {
                tracing::warn!(error, "what was told before cannot be read");
                Records::new()
            }
        };
        Open {
            memory: Memory::of(&records),
            heard: Vec::new(),
            channels,
            queues,
            records,
            desk: self,
        }
    }
}

impl<S: Store> Open<S> {
    /// What had not arrived when the daemon stopped goes out again, under the same id.
    fn resume(&mut self) {
        if self.memory.heard_through.is_none() {
            // What happened before anybody was to be told is history.
            self.memory.heard_through = Some(*self.desk.handle.position().borrow());
        }
        let mut waiting: Vec<Pending> = self.memory.pending.values().cloned().collect();
        waiting.sort_by_key(|pending| pending.notice.at);
        for pending in waiting {
            self.hand_out(pending);
        }
    }

    /// Reads what happened; looks if that or the time asks for it. Gives back how long nothing is due by time alone.
    async fn turn(&mut self, due: bool) -> Option<Duration> {
        match self.hear().await {
            Ok(false) if self.heard.is_empty() && !due => return None,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(error, "the journal cannot be read for notices");
                return Some(LOOK_MAX);
            }
        }
        let Some(snapshot) = self.snapshot().await else {
            return Some(LOOK_MAX);
        };
        let seen = Seen {
            snapshot,
            health: (self.desk.health)(),
        };
        let heard = std::mem::take(&mut self.heard);
        let notices = look(&mut self.memory, &heard, &seen, &self.channels);
        self.remember(!heard.is_empty(), notices).await;
        let next = next_look(&self.memory, &seen);
        let next = next.and_then(|at| (at - clock::now()).to_std().ok());
        Some(next.unwrap_or(LOOK_MAX).min(LOOK_MAX) + Duration::from_millis(1))
    }

    /// Takes in the events beyond those already read; `true` if callbacks have fallen silent or are back.
    async fn hear(&mut self) -> Result<bool, String> {
        let mut turned = false;
        loop {
            let after = self.memory.heard_through.unwrap_or(0);
            let page = read(&self.desk.store, move |store| {
                store.events(None, after, PAGE)
            })
            .await?;
            if page.is_empty() {
                return Ok(turned);
            }
            for event in page {
                turned |= self.take(&event).await?;
                self.memory.heard_through = Some(event.sequence);
            }
        }
    }

    async fn take(&mut self, event: &StoredEvent) -> Result<bool, String> {
        let fact = match said(event) {
            None => return Ok(false),
            Some(Said::Callbacks) => return Ok(true),
            Some(Said::Started(schedule, run)) => Fact::Started { schedule, run },
            Some(Said::Ended(id)) => match self.stored(id).await? {
                Some(run) => Fact::Ended { run },
                None => return Ok(false),
            },
        };
        self.heard.push(Heard {
            sequence: event.sequence,
            at: event.at,
            fact,
        });
        Ok(false)
    }

    async fn stored(&self, id: RunId) -> Result<Option<Box<crate::run::Run>>, String> {
        let run = read(&self.desk.store, move |store| {
            record::run(store, id.as_str())
        });
        Ok(run.await?.map(Box::new))
    }

    async fn snapshot(&self) -> Option<Snapshot> {
        match self.desk.handle.ask(Command::Snapshot).await {
            Ok(Answer::Snapshot(snapshot)) => Some(*snapshot),
            _ => None,
        }
    }

    /// One commit for what is new, then the notices go on their way.
    async fn remember(&mut self, runs: bool, notices: Vec<Pending>) {
        let kept = notices.iter().filter(|pending| is_kept(&pending.notice));
        for pending in kept {
            let id = pending.notice.id.clone();
            self.memory.pending.insert(id, pending.clone());
        }
        for lost in self.memory.overflow() {
            for receiver in &lost.to {
                self.desk.counts.add(receiver, Outcome::Dropped);
            }
            tracing::warn!(
                notice = lost.notice.id,
                "too many notices wait: the oldest is given up"
            );
        }
        let entries: Vec<Entry> = notices
            .iter()
            .filter(|pending| is_kept(&pending.notice))
            .map(told)
            .collect();
        self.commit(entries, runs).await;
        for pending in notices {
            self.hand_out(pending);
        }
    }

    /// How far was read is written along with what is worth a commit, or when a run began or ended.
    async fn commit(&mut self, entries: Vec<Entry>, runs: bool) {
        let records = self.memory.records();
        let changed = changes(&self.records, &records);
        let new = changed.iter().any(|(key, _)| key != "heard");
        let first = !self.records.contains_key("heard");
        if !(runs || new || first || !entries.is_empty()) {
            return;
        }
        let command = Command::Remember {
            entries,
            records: changed,
        };
        // While the daemon stops nothing is taken any more: the next start looks again.
        if self.desk.handle.ask(command).await.is_ok() {
            self.records = records;
        }
    }

    fn hand_out(&mut self, pending: Pending) {
        let notice = Arc::new(pending.notice);
        for name in pending.to {
            let sent = self
                .queues
                .get(&name)
                .map(|queue| queue.try_send(Arc::clone(&notice)));
            if !matches!(sent, Some(Ok(()))) {
                self.desk.counts.add(&name, Outcome::Dropped);
                tracing::warn!(
                    notifier = name,
                    notice = notice.id,
                    "a notice is dropped: its queue is full, or it is gone"
                );
                self.memory.settle(&notice.id, &name);
            }
        }
    }

    /// Strikes off what has arrived or was given up, all reports that wait in one commit.
    async fn settle(&mut self, first: Done, reports: &mut mpsc::Receiver<Done>) {
        let mut entries = Vec::new();
        let mut next = Some(first);
        while let Some(done) = next {
            self.memory.settle(&done.notice.id, &done.receiver);
            if is_kept(&done.notice) {
                entries.push(settled(&done));
            }
            next = reports.try_recv().ok();
        }
        self.commit(entries, false).await;
    }
}

/// The next sender that ends. Its panic is handed on to whoever watches over the desk; the words are in the log by then.
async fn one_ended(senders: &mut JoinSet<()>) -> Option<()> {
    let ended = senders.join_next().await?;
    if let Some(panic) = ended.err().and_then(|error| error.try_into_panic().ok()) {
        std::panic::resume_unwind(panic);
    }
    Some(())
}

/// A late beat is worth nothing; it is not kept for a restart.
fn is_kept(notice: &Notice) -> bool {
    notice.kind != Kind::Started
}

fn told(pending: &Pending) -> Entry {
    let notice = &pending.notice;
    entry(
        notice,
        json!({
            "event": "notice", "notice": notice.id, "kind": notice.kind, "level": notice.level,
            "to": pending.to, "repeat": notice.repeat, "text": notice.text,
        }),
    )
}

fn settled(done: &Done) -> Entry {
    let event = match done.outcome {
        Outcome::Delivered => "notice_delivered",
        _ => "notice_given_up",
    };
    let notice = &done.notice;
    entry(
        notice,
        json!({
            "event": event, "notice": notice.id, "kind": notice.kind, "to": done.receiver, "error": done.fault,
        }),
    )
}

fn entry(notice: &Notice, body: Value) -> Entry {
    Entry {
        schedule: notice.schedule.as_ref().map(ToString::to_string),
        run: notice.run.as_ref().map(ToString::to_string),
        body,
    }
}

/// A read of the store, off the runtime's threads.
async fn read<S: Store, T: Send + 'static>(
    store: &Arc<S>,
    read: impl FnOnce(&S) -> Result<T, store::Error> + Send + 'static,
) -> Result<T, String> {
    let store = Arc::clone(store);
    let read = tokio::task::spawn_blocking(move || read(&store)).await;
    let read = read.map_err(|_| "a read of the store ended abnormally".to_owned())?;
    read.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_senders_panic_is_the_desks() {
        let mut senders = JoinSet::new();
        senders.spawn(async {});
        assert_eq!(one_ended(&mut senders).await, Some(()));
        assert_eq!(one_ended(&mut senders).await, None);
        senders.spawn(async { panic!("a sender") });
        let desk = tokio::spawn(async move { one_ended(&mut senders).await });
        assert!(desk.await.is_err_and(|error| error.is_panic()));
    }
}
