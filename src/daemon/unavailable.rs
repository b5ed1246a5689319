//! The callback listener while there is no store to acknowledge with: everything genuine is told to come
//! again, so that no sender takes a refused connection for the end.

use super::{Error, callback_keys, listeners};
use crate::callback::{self, Acknowledge, Counters, Unavailable};
use crate::config;
use crate::run::AttemptId;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Takes nothing.
#[derive(Clone)]
struct Nobody;

impl Acknowledge for Nobody {
    async fn acknowledge(&self, _: AttemptId) -> Result<(), Unavailable> {
        Err(Unavailable)
    }
}

/// Answers 503 until `available`; gives back the listener, which a supervisor may have handed over only once.
///
/// # Errors
/// If the address cannot be listened on.
pub async fn answer_unavailable<T>(
    config: &config::Daemon,
    available: impl Future<Output = T>,
) -> Result<(T, TcpListener), Error> {
    let fault = |source| Error::Listen {
        address: config.callback.listen.to_string(),
        source,
    };
    let listener = listeners::callback(config.callback.listen).await?;
    let listener = listener.into_std().map_err(fault)?;
    let stop = CancellationToken::new();
    // Without a key no address was ever given out, and there is nobody to be told.
    let serving = match callback_keys(config) {
        Ok(keys) => {
            let shared = listener.try_clone().map_err(fault)?;
            let shared = TcpListener::from_std(shared).map_err(fault)?;
            Some(tokio::spawn(callback::serve(
                shared,
                Arc::new(keys),
                Nobody,
                callback::Limits::default(),
                stop.clone(),
                Arc::new(Counters::default()),
            )))
        }
        Err(_) => None,
    };
    let answer = available.await;
    stop.cancel();
    if let Some(serving) = serving {
        // It ends once its connections have; a panic in it has no bearing on what comes now.
        drop(serving.await);
    }
    let listener = TcpListener::from_std(listener).map_err(fault)?;
    Ok((answer, listener))
}
