//! `Range` and `If-Range` of a download.

use axum::http::{HeaderMap, header};

use super::job::Artifact;

/// The bytes a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Whole,
    Part { from: u64, bytes: u64 },
    Outside,
}

/// Several ranges at once are answered with the whole file, as S3 does.
pub fn asked(headers: &HeaderMap, artifact: &Artifact) -> Asked {
    let field = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(range) = field(header::RANGE).and_then(|range| range.strip_prefix("bytes=")) else {
        return Asked::Whole;
    };
    let quoted = format!("\"{}\"", artifact.etag);
    if field(header::IF_RANGE).is_some_and(|etag| etag != quoted) {
        return Asked::Whole;
    }
    part(range, artifact.bytes)
}

fn part(range: &str, length: u64) -> Asked {
    let Some((first, last)) = range.split_once('-').filter(|_| !range.contains(',')) else {
        return Asked::Whole;
    };
    let (from, to) = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(from), Ok(last)) if last >= from => (from, last.saturating_add(1).min(length)),
        (Ok(from), Err(_)) if last.trim().is_empty() => (from, length),
        (Err(_), Ok(0)) if first.trim().is_empty() => return Asked::Outside,
        (Err(_), Ok(suffix)) if first.trim().is_empty() => (length.saturating_sub(suffix), length),
        _ => return Asked::Whole,
    };
    if from >= length {
        return Asked::Outside;
    }
    Asked::Part {
        from,
        bytes: to - from,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_by_the_rfc() {
        let cases = [
            ("0-0", Asked::Part { from: 0, bytes: 1 }),
            ("2-4", Asked::Part { from: 2, bytes: 3 }),
            ("5-", Asked::Part { from: 5, bytes: 5 }),
            ("5-999", Asked::Part { from: 5, bytes: 5 }),
            ("-3", Asked::Part { from: 7, bytes: 3 }),
            ("-99", Asked::Part { from: 0, bytes: 10 }),
            ("10-", Asked::Outside),
            ("-0", Asked::Outside),
            ("4-2", Asked::Whole),
            ("0-1,4-5", Asked::Whole),
            ("x-y", Asked::Whole),
        ];
        for (range, expected) in cases {
            assert_eq!(part(range, 10), expected, "{range}");
        }
        assert_eq!(part("0-", 0), Asked::Outside);
    }
}
