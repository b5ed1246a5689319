//! How long the vendor wishes us to wait, by whichever header says so.

use reqwest::header::{HeaderMap, RETRY_AFTER};
use std::time::{Duration, SystemTime};

/// The longest pause that is kept on the vendor's word.
const PAUSE_MAX: Duration = Duration::from_secs(3600);
/// The shortest: "at once", said again and again, must not make a loop.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// `Retry-After` before `X-RateLimit-Reset-After` before `X-RateLimit-Reset`; at most an hour.
pub(super) fn pause(headers: &HeaderMap) -> Option<Duration> {
    retry_after(headers)
        .or_else(|| header(headers, "x-ratelimit-reset-after").and_then(seconds))
        .or_else(|| header(headers, "x-ratelimit-reset").and_then(until_epoch))
        .map(|pause| pause.clamp(PAUSE_MIN, PAUSE_MAX))
}

/// `Retry-After` alone. The rate limit's window stands in every answer, so it says nothing about an
/// answer that was not throttled.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    header(headers, RETRY_AFTER.as_str())
        .and_then(|text| seconds(text).or_else(|| until_date(text)))
        .map(|pause| pause.clamp(PAUSE_MIN, PAUSE_MAX))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.parse().ok()?;
    let bounded = seconds.clamp(0.0, PAUSE_MAX.as_secs_f64());
    (!seconds.is_nan()).then(|| Duration::from_secs_f64(bounded))
}

fn until_date(text: &str) -> Option<Duration> {
    let date = httpdate::parse_http_date(text).ok()?;
    let now = SystemTime::from(crate::clock::now());
    Some(date.duration_since(now).unwrap_or_default())
}

fn until_epoch(text: &str) -> Option<Duration> {
    let at: i64 = text.parse().ok()?;
    let left = at.saturating_sub(crate::clock::now().timestamp());
    Some(Duration::from_secs(u64::try_from(left).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_read_from_whichever_header_there_is_and_bounded() {
        let pause = |headers: &[(&'static str, &str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            pause(&headers.collect())
        };
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(
            pause(&[("retry-after", "7"), ("x-ratelimit-reset-after", "9")]),
            seconds(7)
        );
        assert_eq!(pause(&[("x-ratelimit-reset-after", "9")]), seconds(9));
        assert_eq!(pause(&[("retry-after", "999999999")]), seconds(3600));
        assert_eq!(pause(&[("retry-after", "-5")]), seconds(1));
        assert_eq!(pause(&[("retry-after", "soon")]), None);
        assert_eq!(
            pause(&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")]),
            seconds(1)
        );
        assert_eq!(
            pause(&[("x-ratelimit-reset", "99999999999")]),
            seconds(3600)
        );
        assert_eq!(pause(&[("x-ratelimit-reset", "1000")]), seconds(1));
    }
}
