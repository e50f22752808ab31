//! The backend over the test host's network.
#![allow(dead_code)]

use coffer_sdk::backend::{UserChange, UserRemoval, UserRequest};
use coffer_sdk::testing::{Connection, Host};
use coffer_sdk::{Backend, Result};
use coffer_tests::MySql as Server;
use coffer_tests::mysql::{PASSWORD, SUPERUSER};
use serde_json::{Value, json};

/// The backend, natively or as the built component.
pub type MySql = Connection<mysql_plugin::MySql>;

pub const CREATE: &str = "CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'";

/// A host for this thread that lets it connect to loopback, at this port.
pub fn host(port: u16) -> Host {
    Host::new()
        .allow("127.0.0.1", port)
        .allow("localhost", port)
}

/// A connection with this configuration.
pub fn open(config: Value) -> Result<MySql> {
    MySql::open(config.as_object().unwrap())
}

/// A connection as the superuser.
pub fn superuser(server: &Server) -> MySql {
    open(config(&server.url_template())).unwrap()
}

/// The superuser's configuration.
pub fn config(url: &str) -> Value {
    json!({ "connection_url": url, "username": SUPERUSER, "password": PASSWORD })
}

fn owned(statements: &[&str]) -> Vec<String> {
    statements
        .iter()
        .map(|statement| (*statement).to_owned())
        .collect()
}

pub fn user(username: &str, statements: &[&str]) -> UserRequest {
    UserRequest {
        username: username.to_owned(),
        password: format!("{username}-Pa55"),
        expires: None,
        statements: owned(statements),
        rollback_statements: Vec::new(),
    }
}

pub fn removal(username: &str, statements: &[&str]) -> UserRemoval {
    UserRemoval {
        username: username.to_owned(),
        statements: owned(statements),
    }
}

pub fn change(username: &str, password: Option<&str>, expires: Option<u64>) -> UserChange {
    UserChange {
        username: username.to_owned(),
        password: password.map(str::to_owned),
        expires,
        statements: Vec::new(),
    }
}
