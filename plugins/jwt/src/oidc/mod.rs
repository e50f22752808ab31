//! Logins at an OpenID provider, with a browser (OpenID Connect Core 1.0).
//! <https://developer.hashicorp.com/vault/api-docs/auth/jwt#oidc-authorization-url-request>
//!
//! Whoever logs in asks for the URL where the provider does that (`auth_url`), and comes back with what the browser brought from
//! there (`callback`). Between the two nothing is kept here: all that is to be known of the login is sealed into the `state` that the
//! browser carries. Stored are only logins that have succeeded at the provider, until their `state` has expired: so that none is
//! used twice, and that a result can be asked for (`poll`).

mod auth_url;
mod callback;
mod id_token;
mod outcome;
mod page;
mod poll;
mod provider;
mod redirect;
pub(crate) mod state;

pub(crate) use auth_url::PATH as AUTH_URL;
pub(crate) use callback::PATH as CALLBACK;
pub(crate) use outcome::sweep;
pub(crate) use poll::PATH as POLL;
pub(crate) use redirect::is_allowed;

use coffer_sdk::prelude::*;

use crate::client::Client;
use crate::config::Config;

const STATE: Field<String> = Field::text("state", "What auth_url gave the browser to carry.");
const CLIENT_NONCE: Field<String> = Field::text(
    "client_nonce",
    "What whoever logs in has made up: it must be the same when the login is asked for and when it is completed.",
);
/// The longest that a client may make up, in bytes.
const LONGEST_NONCE: usize = 256;

/// The configuration, and what the mount is at the provider.
fn configured() -> Result<(Config, Client)> {
    let mut config =
        Config::load()?.ok_or_else(|| Error::invalid("could not load configuration"))?;
    match config.client.take() {
        Some(client) => Ok((config, client)),
        None => Err(Error::invalid(
            "OIDC login is not configured for this mount",
        )),
    }
}

/// In words that clients know.
fn login_failed(why: impl std::fmt::Display) -> Error {
    Error::invalid(format!("Vault login failed. {why}"))
}
