//! The listener's way to the engine.

use crate::callback::{Acknowledge, Unavailable};
use crate::engine::Handle;
use crate::run::AttemptId;

/// Acknowledges once the engine has committed.
#[derive(Clone)]
pub(super) struct Acknowledger(pub Handle);

impl Acknowledge for Acknowledger {
    async fn acknowledge(&self, attempt: AttemptId) -> Result<(), Unavailable> {
        if self.0.callback(attempt).await { Ok(()) } else { Err(Unavailable) }
    }
}
