//! ApartmentIQ's bulk API as a client: wire forms, credentials, one request budget, callback addresses.

mod accounts;
mod budget;
mod callback_address;
mod catalogue;
mod http;
mod jwt;
mod listing;
mod oauth;
mod pause;
mod properties;
mod reply;
mod secret_file;
mod settings;
mod slot;
mod token;
mod usage;
mod wire;

pub use accounts::AccountSeen;
pub use callback_address::{CallbackKeys, KeyError, PATH, attempt_of_url, without_mac};
pub use http::{Client, CreateJob};
pub use listing::{JobPage, Listing};
pub use settings::{Credential, Error, Settings};
pub use token::{CredentialKind, CredentialState, InUse};
pub use usage::{LimitsSeen, Quota, RequestCount, VendorClock};
pub use wire::jobs_in;

#[cfg(test)]
mod tests;
