//! The answers of a running daemon.

use super::super::live::unexpected;
use super::super::outside::Outside;
use super::super::view::{self, Code};
use super::super::{Actor, Live, Refusal};
use super::{Operations, Surroundings};
use crate::roster::{Answer, Command, Mode, plan};
use crate::run::{FaultClass, Source};
use crate::schedule::{Name, Window};
use crate::store::Store;
use std::collections::BTreeSet;

impl<S: Store, O: Outside + Surroundings> Operations for Live<S, O> {
    async fn doctor(&self) -> Result<view::Doctor, Refusal> {
        Ok(view::Doctor::new(self.outside.examine().await))
    }

    async fn callback_test(&self) -> Result<view::CallbackTest, Refusal> {
        let called = self.outside.call_ourselves().await;
        called.ok_or_else(|| {
            let message =
                "callback.public_url is not set: no callback is asked for, jobs are polled";
            let help =
                "set public_url in [callback] to where a proxy passes /cb/v1/ on, and restart";
            Refusal::new(Code::Config, message, help)
        })
    }

    async fn token_check(&self) -> Result<view::TokenCheck, Refusal> {
        Ok(self.outside.check_token().await)
    }

    async fn forecast(
        &self,
        schedule: Name,
        window: Option<Window>,
        actor: Actor,
    ) -> Result<view::Forecast, Refusal> {
        let command = Command::Trigger {
            schedule,
            window,
            by: actor.label(),
            mode: Mode::Dry,
        };
        let Answer::Run(run) = self.ask(command).await? else {
            return Err(unexpected());
        };
        let properties = match run.terms.source.clone() {
            None => run.properties.to_vec(),
            Some(source) => self.asked_for(source).await?,
        };
        let parts = plan::parts(&properties, run.window, run.terms.chunk).len() as u64;
        let count = properties.len() as u64;
        Ok(view::Forecast {
            parts,
            properties: count,
            property_days: count * u64::from(run.window.len()),
        })
    }
}

impl<S: Store, O: Outside + Surroundings> Live<S, O> {
    /// The properties that a run would ask for now, less those that are excluded.
    async fn asked_for(&self, source: Source) -> Result<Vec<i64>, Refusal> {
        let asked = self.outside.properties_of(source).await;
        let mut properties = asked.map_err(|fault| {
            let code = match fault.class {
                FaultClass::Credential => Code::CredentialRefused,
                _ => Code::Unavailable,
            };
            let message = format!("the properties cannot be asked for: {}", fault.message);
            Refusal::new(code, message, "aptiqd token check")
        })?;
        let excluded = self.excluded().await?;
        properties.retain(|id| !excluded.contains(id));
        Ok(properties)
    }

    async fn excluded(&self) -> Result<BTreeSet<i64>, Refusal> {
        let Answer::Properties(properties) = self.ask(Command::Properties).await? else {
            return Err(unexpected());
        };
        let out = properties.into_iter().filter(|one| one.excluded.is_some());
        Ok(out.map(|one| one.id).collect())
    }
}
