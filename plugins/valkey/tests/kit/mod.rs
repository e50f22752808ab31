//! What these suites share: the backend, opened as the host opens it, with real sockets.
#![allow(dead_code)]

use coffer_sdk::backend::{UserChange, UserRemoval, UserRequest};
use coffer_sdk::testing::{Connection, Host};
use coffer_sdk::{Backend, Result};
use coffer_tests::valkey::{ADMIN, PASSWORD, Valkey as Server};
use serde_json::{Value, json};

/// The backend, natively or as the built component.
pub type Valkey = Connection<valkey_plugin::Valkey>;

/// The host of a thread, who lets it connect to this server.
pub fn host(server: &Server) -> Host {
    Host::new().allow("127.0.0.1", server.address().port())
}

/// A connection with this configuration.
pub fn open(config: Value) -> Result<Valkey> {
    Valkey::open(config.as_object().unwrap())
}

/// The configuration of a connection as the administrator.
pub fn config(server: &Server) -> Value {
    json!({ "host": "127.0.0.1", "port": server.address().port(), "username": ADMIN, "password": PASSWORD })
}

/// As [`config`], with some of it changed.
pub fn config_with(server: &Server, more: Value) -> Value {
    let mut config = config(server);
    let more = more.as_object().unwrap().clone();
    config.as_object_mut().unwrap().extend(more);
    config
}

/// A connection as the administrator.
pub fn admin(server: &Server) -> Valkey {
    open(config(server)).unwrap()
}

pub fn user(username: &str, statements: &[&str]) -> UserRequest {
    UserRequest {
        username: username.to_owned(),
        password: password(username),
        expires: None,
        statements: statements.iter().map(|text| (*text).to_owned()).collect(),
        rollback_statements: Vec::new(),
    }
}

/// Of a user that [`user`] made.
pub fn password(username: &str) -> String {
    format!("{username}-Pa55 'word\"")
}

pub fn removal(username: &str) -> UserRemoval {
    UserRemoval {
        username: username.to_owned(),
        statements: Vec::new(),
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
