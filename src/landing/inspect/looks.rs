//! What a file looks like from its first bytes, to say what came instead of what was asked for.

use super::content;
use crate::run::Fault;
use crate::schedule::Format;
use memchr::memmem;

/// Refuses a head that cannot be of `format`, saying what it looks like.
pub(super) fn admit(format: Format, head: &[u8]) -> Result<(), Fault> {
    let wanted = format.as_str();
    let refuse = |what: &str| {
        Err(content(format!(
            "asked for {wanted}, the file looks like {what}"
        )))
    };
    let text = head
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(head)
        .trim_ascii_start();
    if format == Format::Parquet {
        return match head {
            [b'P', b'A', b'R', b'1', ..] => Ok(()),
            [b'P', b'A', b'R', b'E', ..] => refuse("an encrypted Parquet file"),
            _ => refuse(&name(head, text)),
        };
    }
    if binary(head).is_some() || text.starts_with(b"<") || head.contains(&0) {
        return refuse(&name(head, text));
    }
    let object = text.starts_with(b"{");
    match format {
        Format::Jsonl if !object && !text.is_empty() => refuse(&name(head, text)),
        // A CSV header may begin with a brace, but not with an object of JSON.
        Format::Csv if object && text[1..].trim_ascii_start().starts_with(b"\"") => refuse("JSONL"),
        Format::Csv if text.starts_with(b"[{") || text.starts_with(b"[\n") => {
            refuse("a JSON array")
        }
        _ => Ok(()),
    }
}

fn binary(head: &[u8]) -> Option<&'static str> {
    match head {
        [b'P', b'A', b'R', b'1', ..] => Some("Parquet"),
        [0x1f, 0x8b, ..] => Some("gzip"),
        [b'P', b'K', 3, 4, ..] => Some("a zip archive"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16 text"),
        _ => None,
    }
}

fn name(head: &[u8], text: &[u8]) -> String {
    if let Some(name) = binary(head) {
        return name.to_owned();
    }
    match text {
        [b'<', ..] => markup(text),
        [b'{', ..] => "JSON".to_owned(),
        [b'[', ..] => "a JSON array".to_owned(),
        _ if head.contains(&0) => "binary data".to_owned(),
        _ if memchr::memchr(b',', text).is_some() => "CSV".to_owned(),
        _ => "plain text".to_owned(),
    }
}

/// An error document is named by its code alone: the rest of it may quote the signature.
fn markup(text: &[u8]) -> String {
    let code = |tag: &[u8], end: &[u8]| {
        let from = memmem::find(text, tag)? + tag.len();
        let to = from + memmem::find(&text[from..], end)?;
        let code = std::str::from_utf8(&text[from..to]).ok()?;
        (code.len() < 64 && code.bytes().all(|b| b.is_ascii_alphanumeric())).then_some(code)
    };
    let error = memmem::find(text, b"<Error>").is_some();
    match code(b"<Code>", b"</Code>") {
        Some(code) if error => format!("an S3 error document ({code})"),
        _ if error => "an S3 error document".to_owned(),
        _ if text.starts_with(b"<?xml") => "XML".to_owned(),
        _ => "HTML".to_owned(),
    }
}
