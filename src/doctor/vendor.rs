//! What the vendor says: of the credential, of its limits, of the time.

use super::{Named, examined, mend};
use crate::admin::view::{Account, Examined, Finding, Standing, TokenCheck};
use crate::apartmentiq::{AccountSeen, CredentialKind, CredentialState, InUse, LimitsSeen};
use crate::run::{Fault, FaultClass};
use chrono::{DateTime, TimeDelta, Utc};
use std::path::Path;

/// Clocks further apart than the first want a look; beyond the other, days and deadlines are not what they seem.
const APART_WARN: TimeDelta = TimeDelta::seconds(10);
const APART_FAIL: TimeDelta = TimeDelta::minutes(2);
/// A pasted token that ends so soon wants replacing.
const ENDS_WARN: TimeDelta = TimeDelta::days(7);
const ENDS_FAIL: TimeDelta = TimeDelta::days(1);

/// The answer to `GET /accounts`, and what is known of the credential after it.
pub fn told(
    answer: Result<Vec<AccountSeen>, Fault>,
    state: &CredentialState,
    named: &Named<'_>,
    now: DateTime<Utc>,
) -> TokenCheck {
    let standing = match &answer {
        Ok(_) => Standing::Accepted,
        Err(fault) => match fault.class {
            FaultClass::Credential => Standing::Refused,
            FaultClass::Forbidden | FaultClass::Quota => Standing::Forbidden,
            _ => Standing::Unknown,
        },
    };
    let help = match standing {
        Standing::Accepted => String::new(),
        Standing::Refused => anew(named),
        Standing::Forbidden => mend::paste(
            named.secret,
            "ask ApartmentIQ for one that is allowed this, paste it",
        ),
        Standing::Unknown => format!(
            "curl -sSI {}   # any answer? else api.base_url is wrong, or the network down; aptiqd goes on by itself",
            crate::config::shell_word(Path::new(named.base_url))
        ),
    };
    let kind = match state.kind {
        CredentialKind::Client => "client",
        CredentialKind::Token => "token",
    };
    let (accounts, reason) = match answer {
        Ok(accounts) => (accounts, None),
        Err(fault) => (Vec::new(), Some(fault.message)),
    };
    TokenCheck {
        schema: "aptiqd.token/1".to_owned(),
        ok: standing == Standing::Accepted,
        standing,
        kind: kind.to_owned(),
        standby: state.in_use == InUse::Standby,
        expires_at: state.expires_at,
        expires_in_seconds: state.expires_at.map(|at| (at - now).num_seconds()),
        accounts: accounts.into_iter().map(account).collect(),
        reason,
        help,
    }
}

fn anew(named: &Named<'_>) -> String {
    mend::paste(named.secret, "paste a valid secret")
}

fn account(seen: AccountSeen) -> Account {
    Account {
        id: seen.id,
        name: seen.name,
    }
}

/// The credential: accepted, by whom it is seen, and for how long.
pub fn judge(token: &TokenCheck, named: &Named<'_>) -> Examined {
    let expected = "accepted by ApartmentIQ, for another 7 days";
    let reason = token.reason.as_deref().unwrap_or_default();
    let line = |status, observed: String, help: &str| {
        examined("credential", status, observed, expected, help)
    };
    let anew = anew(named);
    match token.standing {
        Standing::Refused => line(Finding::Fail, format!("refused: {reason}"), &token.help),
        Standing::Forbidden => line(
            Finding::Warn,
            format!("accepted, but {reason}"),
            &token.help,
        ),
        Standing::Unknown => {
            let observed = format!("cannot be asked for: {reason}");
            line(Finding::Fail, observed, &token.help)
        }
        Standing::Accepted => {
            let accounts = token.accounts.len();
            let seen = match token.accounts.first() {
                Some(first) if accounts == 1 => format!("sees account {}", first.id),
                _ => format!("sees {accounts} accounts"),
            };
            let ends = token.expires_at.map_or("unknown".to_owned(), |at| {
                at.format("%Y-%m-%d %H:%M:%SZ").to_string()
            });
            let observed = format!("{}, {seen}, expires {ends}", token.kind);
            if token.standby {
                let observed = format!("the first is refused, the standby serves: {observed}");
                return line(Finding::Warn, observed, &anew);
            }
            line(ending(token), observed, &anew)
        }
    }
}

/// A client's tokens renew themselves; a pasted one ends silently.
fn ending(token: &TokenCheck) -> Finding {
    let left = token.expires_in_seconds.map(TimeDelta::seconds);
    match left.filter(|_| token.kind == "token") {
        Some(left) if left < ENDS_FAIL => Finding::Fail,
        Some(left) if left < ENDS_WARN => Finding::Warn,
        _ => Finding::Pass,
    }
}

/// Our clock against the vendor's; `None` where it never told the time.
pub fn clock(seen: &LimitsSeen) -> Option<Examined> {
    let clock = seen.clock?;
    // Its seconds are whole, so half of one is the best guess.
    let apart = clock.ours - clock.theirs - TimeDelta::milliseconds(500);
    let status = match apart.abs() {
        apart if apart > APART_FAIL => Finding::Fail,
        apart if apart > APART_WARN => Finding::Warn,
        _ => Finding::Pass,
    };
    let seconds = apart.num_milliseconds() as f64 / 1_000.0;
    let observed = match status {
        Finding::Pass => "within a few seconds of ApartmentIQ's".to_owned(),
        _ if seconds > 0.0 => format!("{seconds:.0} s ahead of ApartmentIQ's"),
        _ => format!("{:.0} s behind ApartmentIQ's", -seconds),
    };
    let expected = "at most 10 s apart";
    Some(examined(
        "clock",
        status,
        observed,
        expected,
        "timedatectl set-ntp true",
    ))
}

/// The vendor's limits as last seen, beside our own.
pub fn limits(
    seen: &LimitsSeen,
    per_minute: u32,
    named: &Named<'_>,
    now: DateTime<Utc>,
) -> Examined {
    let said = match (seen.limit, seen.answered_at) {
        (Some(limit), Some(at)) => {
            let ago = (now - at).num_seconds().max(0);
            format!("X-RateLimit-Limit {limit}, last answer {ago} s ago")
        }
        (None, Some(_)) => "ApartmentIQ names no limit".to_owned(),
        (_, None) => "no answer yet".to_owned(),
    };
    let observed = format!(
        "{said}; ours {per_minute} a minute; throttled for {} s since the start",
        seen.throttled.as_secs()
    );
    let expected = "neither throttled nor out of quota";
    let (status, observed, help) = match (seen.quota, seen.closed_for) {
        (Some(quota), _) => (
            Finding::Warn,
            format!("the quota of {} was spent; {observed}", quota.limit),
            "aptiqd plan --next 10   # ask ApartmentIQ for more, or export less often".to_owned(),
        ),
        (None, Some(pause)) => (
            Finding::Warn,
            format!("throttled for another {} s; {observed}", pause.as_secs()),
            mend::edit(named.config, "a lower api.requests_per_minute"),
        ),
        (None, None) => (Finding::Pass, observed, String::new()),
    };
    examined("rate_limits", status, observed, expected, help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apartmentiq::{Quota, VendorClock};

    fn now() -> DateTime<Utc> {
        "2026-11-22T18:30:00Z".parse().unwrap()
    }

    fn state(kind: CredentialKind, days: i64) -> CredentialState {
        CredentialState {
            kind,
            expires_at: Some(now() + TimeDelta::days(days)),
            refused: false,
            in_use: InUse::First,
        }
    }

    fn fault(class: FaultClass) -> Result<Vec<AccountSeen>, Fault> {
        Err(Fault::new(class, "401: no"))
    }

    fn named() -> Named<'static> {
        Named {
            config: Path::new("/etc/aptiqd/aptiqd.toml"),
            secret: Path::new("/etc/aptiqd/secrets/token"),
            base_url: "https://data.example.com/api/v1",
        }
    }

    #[test]
    fn a_pasted_token_warns_in_time_and_a_client_never() {
        let judged = |kind, days| {
            let token = told(Ok(Vec::new()), &state(kind, days), &named(), now());
            judge(&token, &named()).status
        };
        assert_eq!(judged(CredentialKind::Token, 30), Finding::Pass);
        assert_eq!(judged(CredentialKind::Token, 3), Finding::Warn);
        assert_eq!(judged(CredentialKind::Token, 0), Finding::Fail);
        assert_eq!(judged(CredentialKind::Client, 0), Finding::Pass);
    }

    #[test]
    fn refused_is_told_from_unreachable() {
        let state = state(CredentialKind::Token, 30);
        let told = |class| told(fault(class), &state, &named(), now());
        let judge = |token: &TokenCheck| judge(token, &named());
        assert_eq!(told(FaultClass::Credential).standing, Standing::Refused);
        assert_eq!(told(FaultClass::Unreachable).standing, Standing::Unknown);
        assert_eq!(told(FaultClass::Forbidden).standing, Standing::Forbidden);
        assert_eq!(
            judge(&told(FaultClass::Credential)).help,
            "(umask 077; cat > /etc/aptiqd/secrets/token) && aptiqd token check   # paste a valid secret, then Ctrl-D"
        );
        assert_eq!(judge(&told(FaultClass::Forbidden)).status, Finding::Warn);
        assert_eq!(judge(&told(FaultClass::Unanswered)).status, Finding::Fail);
    }

    #[test]
    fn clocks_may_differ_by_seconds_only() {
        let judged = |apart: i64| {
            let seen = LimitsSeen {
                clock: Some(VendorClock {
                    theirs: now(),
                    ours: now() + TimeDelta::milliseconds(apart),
                }),
                ..LimitsSeen::default()
            };
            let line = clock(&seen).unwrap();
            (line.status, line.observed)
        };
        assert_eq!(judged(700).0, Finding::Pass);
        assert_eq!(judged(-9_000).0, Finding::Pass);
        assert_eq!(
            judged(30_500),
            (Finding::Warn, "30 s ahead of ApartmentIQ's".to_owned())
        );
        assert_eq!(judged(-3_600_000).0, Finding::Fail);
        assert_eq!(clock(&LimitsSeen::default()), None);
    }

    #[test]
    fn a_spent_quota_is_a_persons_affair() {
        let mut seen = LimitsSeen::default();
        let limits = |seen: &LimitsSeen| limits(seen, 18, &named(), now());
        assert_eq!(limits(&seen).status, Finding::Pass);
        seen.closed_for = Some(std::time::Duration::from_secs(9));
        assert_eq!(limits(&seen).status, Finding::Warn);
        seen.quota = Some(Quota {
            limit: 5_000,
            usage: None,
        });
        assert!(limits(&seen).observed.contains("5000"));
    }
}
