//! Logging in with the token of a Kubernetes service account. The cluster says whether it is good (TokenReview), or its keys do.
//! <https://developer.hashicorp.com/vault/api-docs/auth/kubernetes>

mod account;
mod config;
mod login;
mod review;
mod role;
mod selector;

use coffer_sdk::prelude::*;

const HELP: &str = "Logs in with the token of a Kubernetes service account.";

/// The auth method.
pub static KUBERNETES: Plugin = Plugin::auth("kubernetes", env!("CARGO_PKG_VERSION"), HELP)
    .paths(&[config::PATH, role::LIST, role::PATH, login::PATH])
    .renew(login::renew);

coffer_sdk::export_plugin!(KUBERNETES);
