//! Logging in with a JSON web token that an issuer has signed, by rules on what it claims: with one that somebody has, or
//! with one that an OpenID provider gives out when somebody logs in there with a browser.
//! <https://developer.hashicorp.com/vault/api-docs/auth/jwt>

mod bound;
mod browser;
mod cel;
mod client;
mod config;
mod login;
mod oidc;
mod person;
mod role;

use coffer_sdk::prelude::*;

const HELP: &str =
    "Logs in with a JSON web token of an issuer that the mount trusts, or at an OpenID provider.";

/// The auth method.
pub static JWT: Plugin = Plugin::auth("jwt", env!("CARGO_PKG_VERSION"), HELP)
    .paths(&[
        config::PATH,
        role::LIST,
        role::PATH,
        login::PATH,
        oidc::AUTH_URL,
        oidc::CALLBACK,
        oidc::POLL,
        cel::LIST,
        cel::ROLE,
        cel::LOGIN,
    ])
    .tick(60, oidc::sweep)
    .renew(login::renew);

coffer_sdk::export_plugin!(JWT);

#[cfg(test)]
mod tests;
