use std::collections::BTreeMap;

use coffer_sdk::ErrorKind;
use coffer_sdk::testing::{Connection, Host};
use serde_json::json;

use super::*;

/// A server in memory: users and their passwords.
struct Memory(BTreeMap<String, String>);

impl Server for Memory {
    fn new(settings: Settings) -> Self {
        Self([(settings.username, settings.password)].into())
    }

    fn exists(&mut self, user: &str) -> Result<bool> {
        Ok(self.0.contains_key(user))
    }

    fn create(&mut self, user: &str, password: &str) -> Result<()> {
        self.0.insert(user.to_owned(), password.to_owned());
        Ok(())
    }

    fn set_password(&mut self, user: &str, password: &str) -> Result<()> {
        self.create(user, password)
    }

    fn remove(&mut self, user: &str) -> Result<()> {
        self.0.remove(user);
        Ok(())
    }

    fn ping(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Natively a connection to that; as the built component one to whatever the test's `Host` allows.
fn open(config: Value) -> Result<Connection<Database<Memory>>> {
    Connection::open(config.as_object().unwrap())
}

fn user(name: &str) -> UserRequest {
    UserRequest {
        username: name.to_owned(),
        password: "one".to_owned(),
        expires: None,
        statements: Vec::new(),
        rollback_statements: Vec::new(),
    }
}

#[test]
fn a_user_is_made_once_and_removed_for_good() {
    // The component talks to a server: start yours here, and `Host::allow` its address.
    if Host::runs_component() {
        return;
    }
    let _host = Host::new();
    let mut database = open(json!({ "connection_url": "db:1234", "username": "coffer" })).unwrap();
    database.create_user(&user("app")).unwrap();
    let taken = database.create_user(&user("app")).unwrap_err();
    assert_eq!(taken.kind, ErrorKind::Conflict);
    let change = UserChange {
        username: "app".to_owned(),
        password: Some("two".to_owned()),
        expires: None,
        statements: Vec::new(),
    };
    database.update_user(&change).unwrap();
    let removal = UserRemoval {
        username: "app".to_owned(),
        statements: Vec::new(),
    };
    database.delete_user(&removal).unwrap();
    database.delete_user(&removal).unwrap();
    assert!(!database.exists("app").unwrap());
}

#[test]
fn names_are_new_and_plain() {
    let _host = Host::new();
    let mut database = open(json!({ "connection_url": "db" })).unwrap();
    let naming = UserNaming {
        display_name: "o'neil@example.com".to_owned(),
        role_name: "app".to_owned(),
        template: String::new(),
    };
    let (one, two) = (
        database.username(&naming).unwrap(),
        database.username(&naming).unwrap(),
    );
    assert!(one.starts_with("v-o-neil-e-app-"), "{one}");
    assert_ne!(one, two);
}

#[test]
fn configurations() {
    let _host = Host::new();
    assert_eq!(address("db").unwrap(), ("db".to_owned(), PORT));
    assert_eq!(address("db:1234").unwrap(), ("db".to_owned(), 1234));
    for bad in [
        json!({}),
        json!({ "connection_url": ":1" }),
        json!({ "connection_url": "db:x" }),
    ] {
        open(bad.clone()).map(drop).unwrap_err();
    }
}
