//! The address a job is given: an attempt's id under a MAC, so that a callback proves whose it is
//! and a job in the vendor's list names its attempt.

use crate::run::AttemptId;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// What comes between `public_url` and the token.
pub const PATH: &str = "/cb/v1/";

const TOKEN_BYTES_MAX: usize = 200;
const MAC_BYTES: usize = 16;
const KEY_BYTES: usize = 32;
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

/// The keys of callback addresses: the first one signs, all of them verify. They can be exchanged while they are used.
pub struct CallbackKeys {
    ring: RwLock<Arc<Ring>>,
}

struct Ring {
    keys: Vec<Hmac<Sha256>>,
    /// Tells whether two rings hold the same keys in the same order.
    print: [u8; 32],
    /// They were made just now: addresses given out before cannot be verified any more.
    fresh: bool,
}

/// Why there are no keys. Never holds what the file says.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot {operation} {path}")]
    Io {
        operation: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("line {line} is not a key of 64 hex digits")]
    Malformed { line: usize },
    #[error("there is no key in it")]
    Empty,
    #[error("cannot draw a key from the system's random source: {0}")]
    Random(getrandom::Error),
}

impl CallbackKeys {
    /// One key a line, 64 hex digits, newest first; empty lines are passed over.
    pub fn parse(text: &str) -> Result<CallbackKeys, KeyError> {
        let mut keys = Vec::new();
        let mut print = Sha256::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            let malformed = KeyError::Malformed { line: index + 1 };
            let key: [u8; KEY_BYTES] = decode_hex(&line.to_ascii_lowercase()).ok_or(malformed)?;
            keys.push(keyed(&key));
            print.update(key);
        }
        if keys.is_empty() {
            return Err(KeyError::Empty);
        }
        Ok(CallbackKeys::of(Ring {
            keys,
            print: print.finalize().into(),
            fresh: false,
        }))
    }

    fn of(ring: Ring) -> CallbackKeys {
        CallbackKeys {
            ring: RwLock::new(Arc::new(ring)),
        }
    }

    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads a key file that must be there.
    pub fn load(path: &Path) -> Result<CallbackKeys, KeyError> {
        CallbackKeys::parse(&read_bounded(path).map_err(io_error("read", path))?)
    }

    /// Whether both hold the same keys in the same order.
    pub fn are(&self, other: &CallbackKeys) -> bool {
        self.ring().print == other.ring().print
    }

    /// From now on these sign and verify, everywhere that this is shared.
    pub fn exchange(&self, new: &CallbackKeys) {
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = new.ring();
    }

    /// Reads the key file, or makes one with a fresh key and mode 0600, durable on return.
    pub fn load_or_create(path: &Path) -> Result<CallbackKeys, KeyError> {
        match read_bounded(path) {
            Ok(text) => CallbackKeys::parse(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(path),
            Err(source) => Err(io_error("read", path)(source)),
        }
    }

    /// Reads the key file; where there is none, keys that prove nothing and are not kept.
    pub fn load_or_forget(path: &Path) -> Result<CallbackKeys, KeyError> {
        match path.exists() {
            true => CallbackKeys::load_or_create(path),
            false => Ok(CallbackKeys::fresh(&drawn()?)),
        }
    }

    fn fresh(key: &[u8; KEY_BYTES]) -> CallbackKeys {
        CallbackKeys::of(Ring {
            keys: vec![keyed(key)],
            print: Sha256::digest(key).into(),
            fresh: true,
        })
    }

    /// `public_url` + `/cb/v1/` + token, signed with the newest key.
    pub fn address(&self, public_url: &str, attempt: &AttemptId) -> String {
        let origin = public_url.trim_end_matches('/');
        format!("{origin}{PATH}{}", self.token(attempt))
    }

    /// The last segment of an attempt's address.
    pub fn token(&self, attempt: &AttemptId) -> String {
        let text = attempt.to_string();
        let mac = self.ring().keys[0]
            .clone()
            .chain_update(text.as_bytes())
            .finalize()
            .into_bytes();
        format!("{text}.{}", encode_hex(&mac[..MAC_BYTES]))
    }

    /// Whose token this is, if it was signed by one of the keys. The MAC is checked over the exact
    /// text, in constant time and against every key, before anything is parsed.
    pub fn verify(&self, token: &str) -> Option<AttemptId> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (text, mac) = token.rsplit_once('.')?;
        let mac: [u8; MAC_BYTES] = decode_hex(mac)?;
        let mut genuine = false;
        for key in &self.ring().keys {
            let keyed = key.clone().chain_update(text.as_bytes());
            genuine |= keyed.verify_truncated_left(&mac).is_ok();
        }
        if genuine { text.parse().ok() } else { None }
    }

    /// The attempt that an address below `public_url` names, while the keys were made only now: those that
    /// could prove it may be lost.
    pub fn resembles(&self, public_url: &str, url: &str) -> Option<AttemptId> {
        let token = url.strip_prefix(public_url.trim_end_matches('/'))?;
        let ours = self.ring().fresh && token.starts_with(PATH) && self.verify_url(url).is_none();
        ours.then(|| attempt_of_url(url))?
    }

    /// Whose address this is, if it was signed by one of the keys, whatever its origin.
    pub fn verify_url(&self, url: &str) -> Option<AttemptId> {
        self.verify(token_of_url(url)?)
    }
}

impl fmt::Debug for CallbackKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallbackKeys({} redacted)", self.ring().keys.len())
    }
}

/// The attempt an address of our form names. The MAC is *not* checked: this serves a rebuild whose
/// keys are lost; where there are keys, use [`CallbackKeys::verify_url`].
pub fn attempt_of_url(url: &str) -> Option<AttemptId> {
    let (text, mac) = token_of_url(url)?.rsplit_once('.')?;
    decode_hex::<MAC_BYTES>(mac)?;
    text.parse().ok()
}

/// `text` with the MAC of every callback address in it blotted out, for logs and errors.
pub fn without_mac(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(PATH) {
        let (before, token) = rest.split_at(at + PATH.len());
        clean.push_str(before);
        let end = token
            .find(|c: char| !c.is_ascii_alphanumeric() && !"._-%~".contains(c))
            .unwrap_or(token.len());
        let (token, after) = token.split_at(end);
        // The class above is ASCII, so any cut is at a character.
        clean.push_str(&token[..token.len().saturating_sub(2 * MAC_BYTES)]);
        clean.push('…');
        rest = after;
    }
    clean.push_str(rest);
    clean
}

fn token_of_url(url: &str) -> Option<&str> {
    let url = url.split(['?', '#']).next()?;
    let at = url.rfind(PATH)?;
    let token = &url[at + PATH.len()..];
    (!token.is_empty() && token.len() <= TOKEN_BYTES_MAX).then_some(token)
}

fn create(path: &Path) -> Result<CallbackKeys, KeyError> {
    let key = drawn()?;
    write_durably(path, &format!("{}\n", encode_hex(&key))).map_err(io_error("create", path))?;
    Ok(CallbackKeys::fresh(&key))
}

fn drawn() -> Result<[u8; KEY_BYTES], KeyError> {
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(KeyError::Random)?;
    Ok(key)
}

/// A crash leaves either no key file or a whole one: addresses signed with half a key would be lost.
fn write_durably(path: &Path, text: &str) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::File::open(folder)?.sync_all()
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?
        .take(KEY_FILE_BYTES_MAX)
        .read_to_string(&mut text)?;
    Ok(text)
}

fn io_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeyError {
    let path = path.to_owned();
    move |source| KeyError::Io {
        operation,
        path,
        source,
    }
}

fn keyed(key: &[u8; KEY_BYTES]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn encode_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lowercase digits only, so that there is one text per token.
fn decode_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let text = text.as_bytes();
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
