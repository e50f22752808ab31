//! Logging in with a JSON web token that an issuer has signed, by rules on what it claims.
//! <https://developer.hashicorp.com/vault/api-docs/auth/jwt>

mod bound;
mod config;
mod login;
mod role;

use coffer_sdk::prelude::*;

const HELP: &str = "Logs in with a JSON web token of an issuer that the mount trusts.";

/// The auth method.
pub static JWT: Plugin = Plugin::auth("jwt", env!("CARGO_PKG_VERSION"), HELP)
    .paths(&[config::PATH, role::LIST, role::PATH, login::PATH])
    .renew(login::renew);

coffer_sdk::export_plugin!(JWT);
