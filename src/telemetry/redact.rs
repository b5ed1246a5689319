//! The last net for law 12. Nobody is meant to log a secret; whoever does it by accident is caught here.

use std::borrow::Cow;

const HIDDEN: &str = "[hidden]";

/// What a secret stands behind; it reaches to the end of the word.
const MARKS: [&str; 5] = [
    "Bearer ",
    "bearer ",
    "/cb/v1/",
    "client_secret=",
    "access_token=",
];

/// Hides the queries of URLs, callback tokens, bearer tokens and JSON Web Tokens in a line.
pub(super) fn secrets(line: &str) -> Cow<'_, str> {
    if !is_suspect(line) {
        return Cow::Borrowed(line);
    }
    let mut clean = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((start, end)) = first_secret(rest) {
        clean.push_str(&rest[..start]);
        clean.push_str(HIDDEN);
        rest = &rest[end..];
    }
    clean.push_str(rest);
    Cow::Owned(clean)
}

fn is_suspect(line: &str) -> bool {
    line.contains("://") || line.contains("eyJ") || MARKS.iter().any(|mark| line.contains(mark))
}

/// The byte range of the leftmost secret.
fn first_secret(text: &str) -> Option<(usize, usize)> {
    let marked = MARKS.iter().filter_map(|mark| after_mark(text, mark));
    marked
        .chain(url_query(text))
        .chain(web_token(text))
        .min_by_key(|&(start, _)| start)
}

fn after_mark(text: &str, mark: &str) -> Option<(usize, usize)> {
    text.match_indices(mark).find_map(|(at, _)| {
        let start = at + mark.len();
        let end = word_end(text, start);
        // Already hidden, or a mention without a secret behind it.
        (end > start && !text[start..].starts_with(HIDDEN)).then_some((start, end))
    })
}

/// From behind the `?` of a URL to its end.
fn url_query(text: &str) -> Option<(usize, usize)> {
    text.match_indices("://").find_map(|(at, _)| {
        let end = word_end(text, at + 3);
        let mark = at + text[at..end].find('?')?;
        (mark + 1 < end && !text[mark + 1..].starts_with(HIDDEN)).then_some((mark + 1, end))
    })
}

/// `eyJ` is `{"` in base64: the head of every JSON Web Token.
fn web_token(text: &str) -> Option<(usize, usize)> {
    text.match_indices("eyJ").find_map(|(start, _)| {
        let end = word_end(text, start);
        (text[start..end].contains('.') && end - start > 20).then_some((start, end))
    })
}

/// Where the characters of a URL or a token end.
fn word_end(text: &str, start: usize) -> usize {
    let is_end = |c: char| c.is_whitespace() || c.is_control() || "\"'`<>()[]{}\\,".contains(c);
    text[start..]
        .find(is_end)
        .map_or(text.len(), |length| start + length)
}

#[cfg(test)]
mod tests {
    use super::secrets;

    #[test]
    fn law_12_queries_tokens_and_web_tokens_are_hidden() {
        for (line, clean) in [
            (
                "GET https://b.s3.amazonaws.com/a.csv?X-Amz-Signature=abc&x=1 failed",
                "GET https://b.s3.amazonaws.com/a.csv?[hidden] failed",
            ),
            (
                r#"{"url":"https://h/a?sig=1","next":"http://h/b?sig=2"}"#,
                r#"{"url":"https://h/a?[hidden]","next":"http://h/b?[hidden]"}"#,
            ),
            (
                "callback https://h/cb/v1/daily.20261122.1.1.MAC refused",
                "callback https://h/cb/v1/[hidden] refused",
            ),
            (
                "authorization: Bearer abc.def",
                "authorization: Bearer [hidden]",
            ),
            (
                "token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln refused",
                "token [hidden] refused",
            ),
            (
                "body client_id=a&client_secret=b",
                "body client_id=a&client_secret=[hidden]",
            ),
        ] {
            assert_eq!(secrets(line), clean);
        }
    }

    #[test]
    fn other_words_stay() {
        for line in [
            "landed https://h/a.csv",
            "Bearer ",
            "anything at all? yes",
            "the path /cb/v1/ alone",
            "schedule=daily run=daily.20261122 rows=12",
            "eyJ is how they begin",
            "Bearer [hidden] and https://h/a?[hidden]",
            "ünïcödé https://h/ü?",
        ] {
            assert_eq!(secrets(line), line);
        }
    }
}
