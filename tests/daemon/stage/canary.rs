//! Nothing secret may show in anything that the binary says: every output of a test is kept and searched.

use serde_json::Value;
use std::path::Path;

/// What must not occur, each with a name that may.
pub struct Canary(Vec<(String, String)>);

impl Canary {
    pub fn new() -> Canary {
        let mut canary = Canary(Vec::new());
        canary.add("a signed query", "X-Amz-Signature=");
        canary.add("a signed query", "X-Amz-Credential=");
        canary.add("a JWT", "eyJhbGciOi");
        canary
    }

    pub fn add(&mut self, name: &str, secret: &str) {
        if secret.len() >= 8 {
            self.0.push((name.to_owned(), secret.to_owned()));
        }
    }

    /// The key of callback addresses, in the state folder.
    pub fn add_keys(&mut self, file: &Path) {
        let keys = std::fs::read_to_string(file).unwrap_or_default();
        for line in keys.lines() {
            self.add("the callback key", line.trim());
        }
    }

    /// The MACs of the callback addresses that the vendor was given.
    pub fn add_addresses(&mut self, state: &Value) {
        for job in state["jobs"].as_array().into_iter().flatten() {
            if let Some((_, mac)) = job["callback_url"]
                .as_str()
                .and_then(|url| url.rsplit_once('.'))
            {
                self.add("a callback's MAC", mac);
            }
        }
    }

    /// The name of the first secret in `text`, and what stands around it, blotted out.
    pub fn found_in(&self, text: &str) -> Option<String> {
        let (name, secret) = self.0.iter().find(|(_, secret)| text.contains(secret))?;
        let line = text.lines().find(|line| line.contains(secret))?;
        Some(format!("{name} in: {}", line.replace(secret, "<SECRET>")))
    }
}

#[test]
fn a_secret_is_found_and_named_without_being_repeated() {
    let mut canary = Canary::new();
    canary.add("the client secret", "0123456789abcdef");
    assert_eq!(canary.found_in("all is well"), None);
    let found = canary.found_in("a\nsecret=0123456789abcdef\n").unwrap();
    assert_eq!(found, "the client secret in: secret=<SECRET>");
}
