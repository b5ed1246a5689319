//! How the client behaves: what it asked, and where it did what a good client does not.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Requests kept in the log; older ones are only counted.
const LOGGED: usize = 2_000;
/// Violations kept; a client this bad needs no further proof.
const VIOLATIONS: usize = 500;
/// Requests that were already under way when a 429 was answered are no disobedience.
const UNDER_WAY: Duration = Duration::from_millis(250);
/// Status reads beyond callbacks and lists that a client may have good reason for.
const READS_TO_SPARE: u64 = 2;

/// A rule that a good client keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The bearer token went to the file host.
    AuthorizationToFiles,
    /// A Referer, which carries addresses about, went to the file host.
    RefererToFiles,
    /// A second create while a job with the same callback address is live.
    SecondLiveCreate,
    /// Jobs were read one by one, without a callback to prompt it, more often than the list was.
    JobByJobPolling,
    UnknownQueryField,
    UnknownBodyField,
    /// A request before the time named by Retry-After.
    BeforeRetryAfter,
}

impl Rule {
    pub fn name(self) -> &'static str {
        match self {
            Rule::AuthorizationToFiles => "authorization-to-files",
            Rule::RefererToFiles => "referer-to-files",
            Rule::SecondLiveCreate => "second-live-create",
            Rule::JobByJobPolling => "job-by-job-polling",
            Rule::UnknownQueryField => "unknown-query-field",
            Rule::UnknownBodyField => "unknown-body-field",
            Rule::BeforeRetryAfter => "before-retry-after",
        }
    }
}

/// One request as it is remembered: no token and no signature is kept.
pub struct Seen<'a> {
    pub endpoint: &'static str,
    pub method: &'a str,
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub authorization: bool,
    pub referer: bool,
    pub range: Option<&'a str>,
}

pub struct Conduct {
    started: Instant,
    counts: BTreeMap<&'static str, u64>,
    log: VecDeque<Value>,
    violations: Vec<Value>,
    violation_count: u64,
    /// Status reads that callbacks have prompted and that have not happened yet.
    prompted: u64,
    unprompted_reads: u64,
    recent: VecDeque<Instant>,
    answered_429: Option<Instant>,
    barred_until: Option<Instant>,
    pub callbacks_sent: u64,
    pub callbacks_answered: u64,
    pub callbacks_not_delivered: u64,
}

impl Conduct {
    pub fn new() -> Conduct {
        Conduct {
            started: Instant::now(),
            counts: BTreeMap::new(),
            log: VecDeque::new(),
            violations: Vec::new(),
            violation_count: 0,
            prompted: 0,
            unprompted_reads: 0,
            recent: VecDeque::new(),
            answered_429: None,
            barred_until: None,
            callbacks_sent: 0,
            callbacks_answered: 0,
            callbacks_not_delivered: 0,
        }
    }

    pub fn saw(&mut self, seen: &Seen<'_>) {
        *self.counts.entry(seen.endpoint).or_default() += 1;
        if self.log.len() == LOGGED {
            self.log.pop_front();
        }
        self.log.push_back(json!({
            "at_ms": self.at_ms(),
            "endpoint": seen.endpoint,
            "method": seen.method,
            "path": seen.path,
            "query": seen.query,
            "authorization": seen.authorization,
            "referer": seen.referer,
            "range": seen.range,
        }));
    }

    /// Keeps a create's body as it was sent.
    pub fn saw_create(&mut self, body: &[u8]) {
        let body =
            serde_json::from_slice(body).unwrap_or_else(|_| json!(String::from_utf8_lossy(body)));
        let last = self
            .log
            .iter_mut()
            .rev()
            .find(|seen| seen["endpoint"] == "create" && seen.get("body").is_none());
        if let Some(seen) = last {
            seen["body"] = body;
        }
    }

    pub fn count(&self, endpoint: &str) -> u64 {
        self.counts.get(endpoint).copied().unwrap_or(0)
    }

    pub fn violated(&mut self, rule: Rule, detail: impl Into<String>) {
        self.violation_count += 1;
        if self.violations.len() < VIOLATIONS {
            self.violations
                .push(json!({"rule": rule.name(), "detail": detail.into(), "at_ms": self.at_ms()}));
        }
    }

    /// A callback was sent: one status read is now the right thing to do.
    pub fn prompted_read(&mut self) {
        self.prompted += 1;
    }

    pub fn read_one_job(&mut self, id: &str) {
        if self.prompted > 0 {
            self.prompted -= 1;
            return;
        }
        self.unprompted_reads += 1;
        if self.unprompted_reads > self.count("list") + READS_TO_SPARE {
            self.violated(Rule::JobByJobPolling, id);
        }
    }

    /// Counts a request against a limit; true when it is one too many.
    pub fn over(&mut self, limit: u32, window: Duration) -> bool {
        let now = Instant::now();
        self.recent.retain(|at| now.duration_since(*at) < window);
        let over = self.recent.len() >= limit as usize;
        if !over {
            self.recent.push_back(now);
        }
        over
    }

    /// Nothing is answered until `until`.
    pub fn bar(&mut self, until: Instant) {
        self.answered_429.get_or_insert_with(Instant::now);
        self.barred_until = Some(until);
    }

    /// How long the client is still barred; notes when it should have known.
    pub fn barred(&mut self, endpoint: &str) -> Option<Duration> {
        let now = Instant::now();
        let left = self.barred_until?.saturating_duration_since(now);
        if left.is_zero() {
            self.barred_until = None;
            self.answered_429 = None;
            return None;
        }
        if self
            .answered_429
            .is_some_and(|at| now.duration_since(at) > UNDER_WAY)
        {
            self.violated(Rule::BeforeRetryAfter, endpoint);
        }
        Some(left)
    }

    fn at_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    pub fn view(&self) -> Value {
        json!({
            "requests": self.counts,
            "requests_log": self.log,
            "violations": self.violations,
            "violation_count": self.violation_count,
            "callbacks": {
                "sent": self.callbacks_sent,
                "answered": self.callbacks_answered,
                "not_delivered": self.callbacks_not_delivered,
            },
        })
    }
}
