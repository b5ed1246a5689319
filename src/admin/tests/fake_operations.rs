//! The remembering daemon, asked how everything is.

use super::fake::Fake;
use crate::admin::view::*;
use crate::admin::{Actor, Operations, Refusal};
use crate::schedule::{Name, Window};

impl Operations for Fake {
    async fn doctor(&self) -> Result<Doctor, Refusal> {
        Ok(Doctor::new(Vec::new()))
    }

    async fn callback_test(&self) -> Result<CallbackTest, Refusal> {
        Err(Refusal::new(Code::Config, "no public_url", "set it"))
    }

    async fn token_check(&self) -> Result<TokenCheck, Refusal> {
        Ok(TokenCheck {
            schema: "aptiqd.token/1".into(),
            ok: true,
            standing: Standing::Accepted,
            kind: "token".into(),
            standby: false,
            expires_at: None,
            expires_in_seconds: None,
            accounts: Vec::new(),
            reason: None,
            help: String::new(),
        })
    }

    async fn forecast(
        &self,
        schedule: Name,
        window: Option<Window>,
        _: Actor,
    ) -> Result<Forecast, Refusal> {
        self.note(format!("forecast {schedule} {window:?}"));
        Ok(Forecast::default())
    }
}
