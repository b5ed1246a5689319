//! `[notify.NAME]`: where notices go.

use super::WebAddress;
use super::secret_file::{Holds, Secrets};
use super::section::{At, Section};
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::path::PathBuf;
use toml::de::DeValue;

/// One receiver of notices.
#[derive(Clone, Debug)]
pub enum Notifier {
    /// A chat hook; the body always has a `text`.
    Slack { url: NoticeUrl },
    /// Signed as Standard Webhooks with the secret in `secret_file`.
    Webhook {
        url: NoticeUrl,
        secret_file: PathBuf,
    },
    /// Start, success and failure of runs, as healthchecks.io takes them.
    Ping { url: NoticeUrl },
    /// A program that gets the notice as JSON on its standard input; never empty.
    Exec { command: Vec<String> },
}

/// An address whose knowledge is the permission to use it.
#[derive(Clone, Debug)]
pub enum NoticeUrl {
    Inline(SecretString),
    /// Read when it is used, so that it may change.
    File(PathBuf),
}

#[derive(Clone, Copy)]
enum Kind {
    Slack,
    Webhook,
    Ping,
    Exec,
}

pub(super) fn notifiers(top: &Section<'_>, secrets: &Secrets<'_>) -> BTreeMap<String, Notifier> {
    let Some(notify) = top.section("notify") else {
        return BTreeMap::new();
    };
    let mut all = BTreeMap::new();
    for (name, at) in notify.entries() {
        if !is_name(name.value) {
            let help = "lowercase letters, digits, `_` and `-`, at most 64";
            notify.sheet.fault(
                name.span,
                "bad-name",
                format!("`{}` is no name for a notifier", name.value),
                help,
            );
            continue;
        }
        if let Some(section) = notify.table_at(name.value, &at)
            && let Some(notifier) = notifier(section, secrets)
        {
            all.insert(name.value.to_owned(), notifier);
        }
    }
    all
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

fn notifier(section: Section<'_>, secrets: &Secrets<'_>) -> Option<Notifier> {
    let kinds = [
        ("slack", Kind::Slack),
        ("webhook", Kind::Webhook),
        ("ping", Kind::Ping),
        ("exec", Kind::Exec),
    ];
    section.require(
        "kind",
        "kind = \"slack\", \"webhook\", \"ping\" or \"exec\"",
    );
    let Some(kind) = section.choice("kind", &kinds) else {
        // Without a kind nobody can say which of the other keys are right.
        for key in ["url", "url_file", "secret_file", "command"] {
            section.value(key);
        }
        section.finish();
        return None;
    };
    let notifier = match kind {
        Kind::Slack => url(&section, secrets).map(|url| Notifier::Slack { url }),
        Kind::Ping => url(&section, secrets).map(|url| Notifier::Ping { url }),
        Kind::Webhook => {
            section.require(
                "secret_file",
                "notices are signed: secret_file = \"…\" names the file with the key",
            );
            let url = url(&section, secrets);
            let secret = secrets.file(&section, "secret_file", Holds::Word);
            url.zip(secret).map(|(url, secret)| Notifier::Webhook {
                url,
                secret_file: secret.value,
            })
        }
        Kind::Exec => command(&section).map(|command| Notifier::Exec { command }),
    };
    section.finish();
    notifier
}

fn url(section: &Section<'_>, secrets: &Secrets<'_>) -> Option<NoticeUrl> {
    match (section.has("url"), section.has("url_file")) {
        (true, true) => {
            section.value("url");
            section.value("url_file");
            let span = section.key_span("url_file");
            section.fault(
                span,
                "contradiction",
                "both `url` and `url_file` are given",
                "keep one of them",
            )
        }
        (false, true) => {
            section.value("url");
            Some(NoticeUrl::File(
                secrets.file(section, "url_file", Holds::Word)?.value,
            ))
        }
        _ => {
            section.require(
                "url",
                "url = \"https://…\", or url_file = \"…\" with the address in a file",
            );
            section.value("url_file");
            let at = section.text("url")?;
            match WebAddress::parse(at.value.split(['?', '#']).next().unwrap_or_default()) {
                Ok(_) => Some(NoticeUrl::Inline(SecretString::from(at.value.into_owned()))),
                Err((what, help)) => section.fault(
                    at.span,
                    "bad-url",
                    format!("`{}` is {what}", section.name("url")),
                    help,
                ),
            }
        }
    }
}

fn command(section: &Section<'_>) -> Option<Vec<String>> {
    section.require(
        "command",
        "command = [\"/usr/local/bin/notify\", \"--flag\"]",
    );
    let at = section.value("command")?;
    let At { value: words, span } = match at.value {
        DeValue::Array(_) => section.texts_at("command", &at)?,
        _ => {
            return section.wrong_type(
                "command",
                &at,
                "a list: the program and its arguments, one text each,",
            );
        }
    };
    if words.first().is_none_or(|program| program.value.is_empty()) {
        return section.fault(
            span,
            "bad-value",
            "the command names no program",
            "command = [\"/usr/local/bin/notify\"]",
        );
    }
    Some(
        words
            .into_iter()
            .map(|word| word.value.into_owned())
            .collect(),
    )
}
