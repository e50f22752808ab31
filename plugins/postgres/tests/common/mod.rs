//! The backend over the test host's network.

use std::cell::RefCell;

use coffer_sdk::Backend;
use coffer_sdk::backend::{UserChange, UserRemoval, UserRequest};
use coffer_sdk::testing::Host;
use postgres_plugin::Postgres;
use postgres_plugin::settings::Config;
use serde_json::{Value, json};

thread_local! {
    /// This thread's host, which lets it connect to what its configurations name.
    static HOST: RefCell<Option<Host>> = const { RefCell::new(None) };
}

/// A connection with this configuration.
pub fn open(config: Value) -> coffer_sdk::Result<Postgres> {
    let fields = config.as_object().unwrap();
    let settings = Config::read(fields).and_then(|config| config.settings());
    HOST.with_borrow_mut(|slot| {
        let servers = settings.iter().flat_map(|settings| &settings.hosts);
        let host = servers.fold(slot.take().unwrap_or_default(), |host, server| {
            host.allow(
                server.address.as_deref().unwrap_or(&server.name),
                server.port,
            )
        });
        *slot = Some(host);
    });
    Postgres::open(fields)
}

/// A connection as the superuser.
#[allow(dead_code)]
pub fn superuser(url: &str) -> Postgres {
    use coffer_tests::postgres::{PASSWORD, SUPERUSER};
    open(json!({ "connection_url": url, "username": SUPERUSER, "password": PASSWORD })).unwrap()
}

fn owned(statements: &[&str]) -> Vec<String> {
    statements
        .iter()
        .map(|statement| (*statement).to_owned())
        .collect()
}

#[allow(dead_code)]
pub fn user(username: &str, statements: &[&str]) -> UserRequest {
    UserRequest {
        username: username.to_owned(),
        password: format!("{username}-Pa55"),
        expires: None,
        statements: owned(statements),
        rollback_statements: Vec::new(),
    }
}

#[allow(dead_code)]
pub fn removal(username: &str, statements: &[&str]) -> UserRemoval {
    UserRemoval {
        username: username.to_owned(),
        statements: owned(statements),
    }
}

#[allow(dead_code)]
pub fn change(username: &str, password: Option<&str>, expires: Option<u64>) -> UserChange {
    UserChange {
        username: username.to_owned(),
        password: password.map(str::to_owned),
        expires,
        statements: Vec::new(),
    }
}
