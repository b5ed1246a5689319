//! What the credential sees: the cheapest question that only an accepted one is answered.

use super::http::Client;
use super::properties::{field, id};
use crate::run::Fault;

/// An account of the credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSeen {
    pub id: i64,
    pub name: Option<String>,
}

impl Client {
    /// The accounts that the credential sees, in the vendor's order.
    pub async fn accounts(&self) -> Result<Vec<AccountSeen>, Fault> {
        let accounts = self.all_of(&["accounts"]).await?;
        let seen = accounts.iter().filter_map(|account| {
            let name = field(account, "name").and_then(|name| name.as_str());
            Some(AccountSeen {
                id: id(account)?,
                name: name.map(str::to_owned),
            })
        });
        Ok(seen.collect())
    }
}
