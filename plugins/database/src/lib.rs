//! Database credentials: made on request and removed with their lease, or kept and given a new password now and then.
//!
//! `config/` holds connections, `roles/` and `creds/` what is made on request, `static-roles/` and `static-creds/` what is
//! kept. What a user is in a particular database is the business of that connection's backend, another component, which this
//! one names and the host runs.
//!
//! Whatever is about to be done to a database is stored first, durably: for a user, the lease that will remove it; for a new
//! password, the password. So a crash at any point leaves something that is finished later, and never a user or a password
//! that nobody knows of.

mod config;
mod creds;
mod input;
mod limits;
mod password;
mod redact;
mod roles;
mod root;
mod rotation;
mod schedule;
mod static_roles;

use coffer_sdk::prelude::*;

const HELP: &str = "Database credentials, made on request or rotated.";

/// The secret engine.
pub static DATABASE: Plugin = Plugin::secret("database", env!("CARGO_PKG_VERSION"), HELP)
    .paths(&[
        config::LIST,
        config::PATH,
        config::RESET,
        roles::LIST,
        roles::PATH,
        creds::PATH,
        static_roles::LIST,
        static_roles::PATH,
        static_roles::CREDS,
        rotation::PATH,
        root::PATH,
    ])
    .tick(limits::TICK, tick)
    .renew(creds::renew)
    .revoke(creds::revoke);

coffer_sdk::export_plugin!(DATABASE);

fn tick() -> Result<()> {
    rotation::tick()?;
    root::tick()
}

#[cfg(test)]
mod tests;
