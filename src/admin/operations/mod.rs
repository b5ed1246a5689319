//! What an operator asks beside runs: is everything well, is the callback's way open, is the
//! credential accepted, how much would a trigger ask for.

mod live;
mod routes;

pub use routes::with_routes;

use super::{Actor, Refusal, view};
use crate::run::{Fault, Source};
use crate::schedule::{Name, Window};
use std::future::Future;

/// What may be asked of a running daemon.
pub trait Operations: Send + Sync + 'static {
    /// Looks at everything; takes up to half a minute.
    fn doctor(&self) -> impl Future<Output = Result<view::Doctor, Refusal>> + Send;

    /// Calls ourselves by the public address.
    fn callback_test(&self) -> impl Future<Output = Result<view::CallbackTest, Refusal>> + Send;

    /// Asks ApartmentIQ whether it takes the credential.
    fn token_check(&self) -> impl Future<Output = Result<view::TokenCheck, Refusal>> + Send;

    /// What a trigger would ask for; refused as the trigger would be. Nothing is begun.
    fn forecast(
        &self,
        schedule: Name,
        window: Option<Window>,
        actor: Actor,
    ) -> impl Future<Output = Result<view::Forecast, Refusal>> + Send;
}

/// The composition root as these questions need it: it reaches the vendor, the disk, the network.
pub trait Surroundings: Send + Sync + 'static {
    fn examine(&self) -> impl Future<Output = Vec<view::Examined>> + Send;

    /// `None`: there is no public address.
    fn call_ourselves(&self) -> impl Future<Output = Option<view::CallbackTest>> + Send;

    fn check_token(&self) -> impl Future<Output = view::TokenCheck> + Send;

    /// The properties that only the vendor can list.
    fn properties_of(&self, source: Source)
    -> impl Future<Output = Result<Vec<i64>, Fault>> + Send;
}
