//! Why sled is not to be trusted, and the containment of its panics.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Threads with this in their name may panic without the process being at fault: what they do is contained.
pub const CONTAINED: &str = "store-sled";

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Broken {
    pub reason: String,
    /// The disk is full: nothing is wrong with the state, and a refill would fail as well.
    pub full: bool,
}

impl Broken {
    pub fn new(reason: impl Into<String>) -> Broken {
        Broken {
            reason: reason.into(),
            full: false,
        }
    }
}

impl From<sled::Error> for Broken {
    fn from(error: sled::Error) -> Broken {
        let full = match &error {
            sled::Error::Io(error) => error.kind() == std::io::ErrorKind::StorageFull,
            _ => false,
        };
        let reason = format!("sled: {error}");
        Broken { reason, full }
    }
}

impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Broken {
        Broken {
            full: error.kind() == std::io::ErrorKind::StorageFull,
            reason: error.to_string(),
        }
    }
}

/// Runs what calls sled; its panics are answers.
pub fn contained<T>(call: impl FnOnce() -> Result<T, Broken>) -> Result<T, Broken> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("without a message");
        let text: String = text.chars().take(300).collect();
        Err(Broken::new(format!("sled panicked: {text}")))
    })
}
