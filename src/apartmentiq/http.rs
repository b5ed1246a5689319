//! The client itself: one method a call, each classifying every possible answer.

use super::budget::{Budget, Priority};
use super::oauth::OAuth;
use super::reply::{NoReply, Reply, exchange};
use super::settings::{Credential, Error, Settings};
use super::token::{CredentialState, Credentials};
use super::usage::{LimitsSeen, Usage};
use super::wire;
use crate::run::{CreateFailure, Fault, FaultClass, JobSeen};
use crate::schedule::{Format, Report, Window};
use chrono::TimeDelta;
use reqwest::header::{ACCEPT, AUTHORIZATION, LOCATION};
use reqwest::{Method, StatusCode, Url, redirect};
use std::sync::Arc;
use std::time::Duration;

const REPLY_BYTES_MAX: usize = 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// First token, renewed one, standby, standby read anew.
const SENDINGS_MAX: u32 = 4;

/// What a job is to export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateJob {
    pub report: Report,
    pub format: Format,
    pub window: Window,
    pub property_ids: Vec<i64>,
    /// Carries a MAC: not for logs.
    pub callback_url: Option<String>,
}

/// ApartmentIQ's bulk API by one credential and within one request budget. Clones share both.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    base: Url,
    /// Keeps connections.
    reads: reqwest::Client,
    /// Never reuses one: a pooled connection that dies under a create leaves it unanswered.
    creates: reqwest::Client,
    credentials: Credentials,
    budget: Budget,
    usage: Arc<Usage>,
}

/// One call, before it is sent.
pub(super) struct Call<'a> {
    pub(super) endpoint: &'static str,
    pub(super) method: Method,
    /// Below `base_url`, segment by segment.
    pub(super) path: &'a [&'a str],
    pub(super) query: &'a [(&'a str, String)],
    pub(super) bytes_max: usize,
}

impl<'a> Call<'a> {
    pub(super) fn read(endpoint: &'static str, path: &'a [&'a str]) -> Call<'a> {
        Call {
            endpoint,
            method: Method::GET,
            path,
            query: &[],
            bytes_max: REPLY_BYTES_MAX,
        }
    }
}

impl Client {
    /// Sends nothing yet. Reads the pasted token, if that is the credential.
    pub fn new(settings: Settings) -> Result<Client, Error> {
        // Err means that it is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let base = address(&settings.base_url)?;
        let mut secured = base.scheme() == "https";
        let usage = Arc::new(Usage::default());
        let oauth_url = match &settings.credential {
            Credential::Client { .. } => Some(address(&settings.token_url)?),
            Credential::Token { .. } => None,
        };
        secured |= oauth_url.as_ref().is_some_and(|u| u.scheme() == "https");
        let connecting = || connecting(settings.request_timeout, secured);
        let reads = connecting().build().map_err(Error::Setup)?;
        let creates = connecting().pool_max_idle_per_host(0);
        let oauth = |id, url| OAuth {
            http: reads.clone(),
            url,
            id,
            usage: usage.clone(),
        };
        let (file, oauth) = match settings.credential {
            Credential::Client { id, secret_file } => {
                (secret_file, oauth_url.map(|url| oauth(id, url)))
            }
            Credential::Token { file } => (file, None),
        };
        Ok(Client {
            shared: Arc::new(Shared {
                base,
                creates: creates.build().map_err(Error::Setup)?,
                credentials: Credentials::new(file, oauth, settings.standby_token_file),
                budget: Budget::new(settings.requests_per_minute),
                usage,
                reads,
            }),
        })
    }

    /// Creates a job, at most once: what is not surely unsent or refused is unanswered (law 4).
    pub async fn create(&self, order: &CreateJob) -> Result<JobSeen, CreateFailure> {
        let reply = self.send_create(order).await?;
        if reply.status.is_success() {
            return self.job_in(&reply).map_err(CreateFailure::Unanswered);
        }
        let mut fault = reply.fault();
        if !reply.is_definite_refusal() {
            return Err(CreateFailure::Unanswered(fault));
        }
        if fault.class == FaultClass::Gone {
            // There is no such endpoint, rather than no such job.
            fault.class = FaultClass::Invalid;
        }
        Err(CreateFailure::Refused(fault))
    }

    /// The job's present state; `Gone` if the vendor does not know it (any more).
    pub async fn job(&self, job_id: &str) -> Result<JobSeen, Fault> {
        let path = ["bulk_api", "jobs", checked(job_id)?];
        let reply = self.read(Call::read("job", &path)).await?;
        self.job_in(&reply)
    }

    /// Where the result can be downloaded, as the vendor signed it just now: a secret, not for logs.
    pub async fn results(&self, job_id: &str) -> Result<String, Fault> {
        let path = ["bulk_api", "jobs", checked(job_id)?, "results"];
        let call = Call::read("results", &path);
        let url = self.shared.url(&call);
        let reply = self.authorized(call).await.map_err(NoReply::fault_of)?;
        if reply.status.is_success() {
            return Err(reply.nonsense("an answer without a redirect to the result"));
        }
        if !is_redirect(reply.status) {
            return Err(reply.fault());
        }
        let location = reply.headers.get(LOCATION).and_then(|l| l.to_str().ok());
        let location = location.and_then(|location| url.join(location).ok());
        match location {
            Some(location) => Ok(location.into()),
            None => Err(reply.nonsense("a redirect to no address")),
        }
    }

    /// Asks to cancel; the answer is the job as it is then.
    pub async fn cancel(&self, job_id: &str) -> Result<JobSeen, Fault> {
        let path = ["bulk_api", "jobs", checked(job_id)?];
        let call = Call {
            method: Method::DELETE,
            ..Call::read("cancel", &path)
        };
        let reply = self.read(call).await?;
        match self.job_in(&reply) {
            Ok(job) => Ok(job),
            // Done, but told without the job.
            Err(_) => self.job(job_id).await,
        }
    }

    /// The credential as it is known now, without asking.
    pub fn credential(&self) -> CredentialState {
        self.shared.credentials.state()
    }

    /// Returns once a credential file has changed or was reloaded: the time to try again what was
    /// refused. Looks every 5 s, so it is to be awaited only while something waits for it.
    pub async fn credential_changed(&self) {
        self.shared.credentials.changed().await;
    }

    /// What was first seen outside the vendor's contract since this was last asked.
    pub fn new_drift(&self) -> Vec<String> {
        self.shared.usage.new_drift()
    }

    /// Reads credential files anew at the next request.
    pub fn reload_credential(&self) {
        self.shared.credentials.reload();
    }

    /// How far the vendor's clock is ahead of ours, at least, by the last answer that told its time.
    pub fn clock_ahead(&self) -> Option<TimeDelta> {
        self.shared.usage.clock_ahead()
    }

    /// What was asked so far, and the vendor's limits as last seen.
    pub fn limits(&self) -> LimitsSeen {
        self.shared.usage.snapshot(&self.shared.budget)
    }

    /// A call that changes nothing, or may be repeated: any answer but 2xx is a fault.
    pub(super) async fn read(&self, call: Call<'_>) -> Result<Reply, Fault> {
        let reply = self.authorized(call).await.map_err(NoReply::fault_of)?;
        if reply.status.is_success() {
            Ok(reply)
        } else {
            Err(reply.fault())
        }
    }

    pub(super) fn note_drift(&self, notes: Vec<String>) {
        self.shared.usage.note_drift(notes);
    }

    fn job_in(&self, reply: &Reply) -> Result<JobSeen, Fault> {
        let body = reply.json()?;
        self.note_drift(wire::drift_of_job(&body));
        wire::job(&body).ok_or_else(|| reply.nonsense("a job without a job_id"))
    }

    async fn send_create(&self, order: &CreateJob) -> Result<Reply, CreateFailure> {
        let call = Call {
            method: Method::POST,
            ..Call::read("create", &["bulk_api", "jobs"])
        };
        let body = wire::CreateBody::from(order);
        self.sent(&call, Priority::Create, |request| request.json(&body))
            .await
            .map_err(|failure| match failure {
                Unsuccessful::NoBearer(fault) => CreateFailure::Unsent(fault),
                Unsuccessful::NoReply(none @ NoReply::Unsent(_)) => {
                    CreateFailure::Unsent(none.fault())
                }
                Unsuccessful::NoReply(none) => CreateFailure::Unanswered(none.fault()),
            })
    }

    async fn authorized(&self, call: Call<'_>) -> Result<Reply, Unsuccessful> {
        self.sent(&call, Priority::Read, |request| request).await
    }

    /// Sends with a token, and again with another one while the answer is a definite 401.
    async fn sent(
        &self,
        call: &Call<'_>,
        priority: Priority,
        dress: impl Fn(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> Result<Reply, Unsuccessful> {
        let shared = &self.shared;
        let client = match priority {
            Priority::Read => &shared.reads,
            Priority::Create => &shared.creates,
        };
        let credentials = &shared.credentials;
        let mut sendings = 1;
        // Renewed first, if it must be, so that what the budget lets through is sent at that moment.
        credentials.bearer().await.map_err(Unsuccessful::NoBearer)?;
        shared.budget.acquire(priority).await;
        let mut bearer = credentials.bearer().await.map_err(Unsuccessful::NoBearer)?;
        loop {
            let request = client
                .request(call.method.clone(), shared.url(call))
                .header(AUTHORIZATION, bearer.header.clone())
                .header(ACCEPT, "application/json");
            let exchanged = exchange(dress(request), call.bytes_max).await;
            let reply = shared.noted(call.endpoint, exchanged)?;
            if reply.status != StatusCode::UNAUTHORIZED {
                credentials.accepted(&bearer);
                return Ok(reply);
            }
            if sendings == SENDINGS_MAX || !reply.is_definite_refusal() {
                return Ok(reply);
            }
            match credentials.refused(&bearer).await {
                Some(other) => bearer = other,
                None => return Ok(reply),
            }
            sendings += 1;
            shared.budget.acquire(priority).await;
        }
    }
}

/// Why a request brought no reply.
enum Unsuccessful {
    /// There was no token to send it with.
    NoBearer(Fault),
    NoReply(NoReply),
}

impl From<NoReply> for Unsuccessful {
    fn from(none: NoReply) -> Unsuccessful {
        Unsuccessful::NoReply(none)
    }
}

impl NoReply {
    fn fault_of(failure: Unsuccessful) -> Fault {
        match failure {
            Unsuccessful::NoBearer(fault) => fault,
            Unsuccessful::NoReply(none) => none.fault(),
        }
    }
}

impl Shared {
    fn url(&self, call: &Call<'_>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(call.path);
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(call.query);
        }
        url
    }

    /// Counts what came, and keeps the pauses the vendor asks for.
    fn noted(
        &self,
        endpoint: &'static str,
        exchanged: Result<Reply, NoReply>,
    ) -> Result<Reply, NoReply> {
        let reply = match exchanged {
            Ok(reply) => reply,
            Err(none) => {
                self.usage.count(endpoint, none.code().to_owned());
                return Err(none);
            }
        };
        self.usage
            .count(endpoint, reply.status.as_u16().to_string());
        self.usage.note_headers(&reply.headers);
        if endpoint == "create" && reply.status.is_success() {
            self.usage.lift_quota();
        }
        if reply.status == StatusCode::TOO_MANY_REQUESTS {
            let fault = reply.fault();
            match (reply.quota(), fault.class, fault.retry_after) {
                (Some(quota), ..) => self.usage.note_quota(quota),
                (None, FaultClass::Throttled, Some(pause)) => self.budget.close(pause),
                _ => {}
            }
        }
        Ok(reply)
    }
}

fn connecting(request_timeout: Duration, secured: bool) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("aptiqd/", env!("CARGO_PKG_VERSION")))
        .timeout(request_timeout)
        // Ends before the whole does, so that "not even connected" is told from "unanswered".
        .connect_timeout(CONNECT_TIMEOUT.min(request_timeout / 2))
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy();
    if secured {
        builder
    } else {
        // Nothing but loopback http is spoken: do without the system's certificates, which a
        // bare machine may not have.
        builder.tls_certs_only([])
    }
}

fn address(text: &str) -> Result<Url, Error> {
    let url = Url::parse(text).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| Error::Address(text.to_owned()))
}

fn checked(job_id: &str) -> Result<&str, Fault> {
    if wire::is_job_id(job_id) {
        Ok(job_id)
    } else {
        Err(Fault::new(FaultClass::Invalid, "not a job id"))
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.shared.base.as_str())
            .finish_non_exhaustive()
    }
}
