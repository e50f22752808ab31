//! The engine over the SDK's host in memory and a database of our own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use coffer_sdk::databases::{Target, UserChange, UserNaming, UserRemoval, UserRequest};
use coffer_sdk::prelude::*;
use coffer_sdk::testing::{Database, Host};
use coffer_sdk::{ErrorKind, Operation};
use serde_json::Value;

use crate::{DATABASE, creds, tick};

mod connections;
mod rotation;

const START: u64 = 1_704_067_200_000;

/// Users and their passwords, and what was asked.
#[derive(Default)]
struct State {
    users: BTreeMap<String, String>,
    created: Vec<UserRequest>,
    changed: Vec<UserChange>,
    removed: Vec<UserRemoval>,
    targets: Vec<Target>,
    pings: u32,
    /// What every call on a connection of this name ends with.
    fails: BTreeMap<String, Error>,
    /// The connection's own password, if it is checked.
    root: Option<String>,
    /// What somebody else does while a password is changed.
    meanwhile: Option<Box<dyn FnOnce()>>,
}

#[derive(Clone, Default)]
struct Fake(Rc<RefCell<State>>);

impl Fake {
    fn look<R>(&self, on: &Target, act: impl FnOnce(&mut State) -> Result<R>) -> Result<R> {
        let mut state = self.0.borrow_mut();
        state.targets.push(on.clone());
        if let Some(error) = state.fails.get(&on.name) {
            return Err(error.clone());
        }
        let config: Value = serde_json::from_str(&on.config).unwrap();
        if state
            .root
            .as_deref()
            .is_some_and(|root| config["password"] != root)
        {
            return Err(Error::unavailable(
                "password authentication failed (SQLSTATE 28P01)",
            ));
        }
        act(&mut state)
    }

    fn fail(&self, connection: &str, error: Option<Error>) {
        let mut state = self.0.borrow_mut();
        match error {
            Some(error) => state.fails.insert(connection.to_owned(), error),
            None => state.fails.remove(connection),
        };
    }

    fn password_of(&self, user: &str) -> Option<String> {
        self.0.borrow().users.get(user).cloned()
    }
}

impl Database for Fake {
    fn secret_fields(&mut self, _: &Target) -> Result<Vec<String>> {
        Ok(vec!["x_key".to_owned()])
    }

    fn exists(&mut self, on: &Target, username: &str) -> Result<bool> {
        self.look(on, |state| Ok(state.users.contains_key(username)))
    }

    fn username(&mut self, on: &Target, naming: &UserNaming) -> Result<String> {
        if on.plugin != "postgresql-database-plugin" {
            return Err(Error::invalid(format!("plugin {:?} is unknown", on.plugin)));
        }
        if !naming.template.is_empty() {
            return Ok(naming.template.clone());
        }
        let count = self.0.borrow().created.len();
        Ok(format!(
            "v-{}-{}-{count}",
            naming.display_name, naming.role_name
        ))
    }

    fn create_user(&mut self, on: &Target, user: &UserRequest) -> Result<()> {
        self.look(on, |state| {
            if state.users.contains_key(&user.username) {
                return Err(Error::conflict("role exists"));
            }
            state
                .users
                .insert(user.username.clone(), user.password.clone());
            state.created.push(user.clone());
            Ok(())
        })
    }

    fn update_user(&mut self, on: &Target, change: &UserChange) -> Result<()> {
        let meanwhile = self.0.borrow_mut().meanwhile.take();
        if let Some(act) = meanwhile {
            act();
        }
        self.look(on, |state| {
            state.changed.push(change.clone());
            if let Some(password) = &change.password {
                state
                    .users
                    .insert(change.username.clone(), password.clone());
                if state.root.is_some() && change.username == "root" {
                    state.root = Some(password.clone());
                }
            }
            Ok(())
        })
    }

    fn delete_user(&mut self, on: &Target, removal: &UserRemoval) -> Result<()> {
        self.look(on, |state| {
            state.users.remove(&removal.username);
            state.removed.push(removal.clone());
            Ok(())
        })
    }

    fn ping(&mut self, on: &Target) -> Result<()> {
        self.look(on, |state| {
            state.pings += 1;
            Ok(())
        })
    }
}

struct Test {
    host: Host,
    fake: Fake,
}

impl Test {
    /// With a connection `db` that allows `app*`.
    fn new() -> Self {
        let fake = Fake::default();
        let test = Self {
            host: Host::new().with_database(fake.clone()),
            fake,
        };
        test.write("config/db", connection()).unwrap();
        test
    }

    fn call(&self, operation: Operation, path: &str, data: Value) -> Result<Response> {
        self.host.call(&DATABASE, operation, path, data)
    }

    fn write(&self, path: &str, data: Value) -> Result<Response> {
        self.call(Operation::Write, path, data)
    }

    #[track_caller]
    fn read(&self, path: &str) -> Value {
        self.call(Operation::Read, path, json!({})).unwrap().value()
    }

    fn error(&self, operation: Operation, path: &str, data: Value) -> (ErrorKind, String) {
        let error = self.call(operation, path, data).unwrap_err();
        (error.kind, error.message)
    }

    fn role(&self) {
        let role = json!({ "db_name": "db", "creation_statements": CREATE, "default_ttl": "1h", "max_ttl": 86_400,
                           "revocation_statements": ["DROP"], "renew_statements": "RENEW", "rollback_statements": ["BACK"] });
        self.write("roles/app", role).unwrap();
    }

    fn static_role(&self) {
        let role = json!({ "db_name": "db", "username": "fixed", "rotation_period": 60 });
        self.write("static-roles/app-fixed", role).unwrap();
    }

    fn keys(&self, prefix: &str) -> Vec<String> {
        self.host
            .keys()
            .into_iter()
            .filter(|key| key.starts_with(prefix))
            .collect()
    }
}

const CREATE: &str = "CREATE ROLE \"{{name}}\"; GRANT a, b TO \"{{name}}\";";

fn connection() -> Value {
    json!({ "plugin_name": "postgresql-database-plugin", "allowed_roles": "app*",
            "connection_url": "postgresql://{{username}}:{{password}}@db/app", "username": "root", "password": "first",
            "max_open_connections": "5", "max_connection_lifetime": "1m", "private_key": "KEY", "x_key": "k", "x_other": 1 })
}

#[test]
fn passwords_follow_the_roles_policy_else_the_connections() {
    let mut test = Test::new();
    let host = test.host.password_policy("digits", 30, "0123456789");
    test.host = host.password_policy("letters", 12, "abcdef");
    test.role();
    test.static_role();
    let made = |test: &Test| {
        let created = test.read("creds/app")["password"].clone();
        test.write("rotate-role/app-fixed", json!({})).unwrap();
        let rotated = test.read("static-creds/app-fixed")["password"].clone();
        [created, rotated].map(|password| password.as_str().unwrap().to_owned())
    };
    let of = |password: &String, length: usize, alphabet: &str| {
        password.len() == length && password.chars().all(|letter| alphabet.contains(letter))
    };
    assert!(made(&test).iter().all(|password| password.len() == 20));

    test.write("config/db", json!({ "password_policy": "letters" }))
        .unwrap();
    assert_eq!(test.read("config/db")["password_policy"], "letters");
    let passwords = made(&test);
    assert!(
        passwords.iter().all(|password| of(password, 12, "abcdef")),
        "{passwords:?}"
    );

    let config = json!({ "db_name": "db", "credential_config": { "password_policy": "digits" } });
    for path in ["roles/app", "static-roles/app-fixed"] {
        test.write(path, config.clone()).unwrap();
        assert_eq!(
            test.read(path)["credential_config"],
            config["credential_config"]
        );
    }
    let passwords = made(&test);
    assert!(
        passwords
            .iter()
            .all(|password| of(password, 30, "0123456789")),
        "{passwords:?}"
    );
    // What is not written again stays; what is written empty goes.
    test.write("roles/app", json!({ "max_ttl": "3d" })).unwrap();
    assert_eq!(
        test.read("roles/app")["credential_config"],
        config["credential_config"]
    );
    test.write("rotate-root/db", json!({})).unwrap();
    assert_eq!(test.fake.password_of("root").unwrap().len(), 12);
    test.write(
        "roles/app",
        json!({ "credential_config": { "password_policy": "" } }),
    )
    .unwrap();
    assert!(test.read("roles/app").get("credential_config").is_none());
    assert!(of(&made(&test)[0], 12, "abcdef"));

    test.write("config/db", json!({ "password_policy": "gone" }))
        .unwrap();
    test.host.leases();
    let (kind, message) = test.error(Operation::Read, "creds/app", json!({}));
    assert_eq!(
        (kind, message.as_str()),
        (
            ErrorKind::Internal,
            "failed to generate password: no password policy found"
        )
    );
    assert!(
        test.keys("role/").len() == 1,
        "the request left nothing but what was there"
    );
    assert!(test.host.leases().is_empty(), "and no lease");
}

#[test]
fn roles() {
    let test = Test::new();
    test.role();
    assert_eq!(
        test.read("roles/app"),
        json!({ "db_name": "db", "default_ttl": 3600, "max_ttl": 86_400, "creation_statements": [CREATE],
                "revocation_statements": ["DROP"], "renew_statements": ["RENEW"], "rollback_statements": ["BACK"],
                "credential_type": "password" })
    );
    test.write(
        "roles/app",
        json!({ "max_ttl": "2d", "creation_statements": ["A", "B"] }),
    )
    .unwrap();
    let data = test.read("roles/app");
    assert_eq!(
        (&data["max_ttl"], &data["default_ttl"]),
        (&json!(172_800), &json!(3600))
    );
    assert_eq!(data["creation_statements"], json!(["A", "B"]));
    #[rustfmt::skip]
    let table = [
        (json!({}), "database name is required"),
        (json!({ "db_name": "db", "credential_type": "rsa_private_key" }), "\"rsa_private_key\" is not supported"),
        (json!({ "db_name": "db", "credential_type": "client_certificate" }), "\"client_certificate\" is not supported"),
        (json!({ "db_name": "db", "credential_type": "x" }), "invalid credential_type \"x\""),
        (json!({ "db_name": "db", "credential_config": { "x": "p" } }), "credential_config validation failed"),
        (json!({ "db_name": "db", "default_ttl": -1 }), "default_ttl"),
        (json!({ "db_name": "db", "creation_statements": [{}] }), "creation_statements"),
    ];
    for (data, expected) in table {
        let (kind, message) = test.error(Operation::Write, "roles/bad", data);
        assert_eq!(kind, ErrorKind::InvalidRequest);
        assert!(message.contains(expected), "{message}");
    }
    test.static_role();
    for (path, data) in [
        ("roles/app-fixed", json!({ "db_name": "db" })),
        (
            "static-roles/app",
            json!({ "db_name": "db", "username": "u", "rotation_period": 60 }),
        ),
    ] {
        assert_eq!(
            test.error(Operation::Write, path, data).1,
            "Role and Static Role names must be unique"
        );
    }
    assert_eq!(
        test.call(Operation::List, "roles", json!({}))
            .unwrap()
            .value(),
        json!({ "keys": ["app"] })
    );
    test.call(Operation::Delete, "roles/app", json!({}))
        .unwrap();
    assert!(
        test.call(Operation::Read, "roles/app", json!({}))
            .unwrap()
            .data
            .is_none()
    );
}

#[test]
fn a_user_has_a_lease_before_it_is_made() {
    let test = Test::new();
    test.role();
    let data = test.read("creds/app");
    let username = data["username"].as_str().unwrap();
    assert_eq!(
        test.fake.password_of(username).as_deref(),
        data["password"].as_str()
    );
    let user = test.fake.0.borrow().created[0].clone();
    assert_eq!(user.statements, [CREATE]);
    assert_eq!(user.rollback_statements, ["BACK"]);
    assert_eq!(
        user.expires,
        Some(START + 3_605_000),
        "five seconds after the lease"
    );
    let lease = test.host.leases().pop().unwrap();
    assert_eq!(
        (
            lease.ttl,
            lease.max_ttl,
            lease.renewable,
            lease.group.as_str()
        ),
        (3600, 86_400, true, "db")
    );
    let internal: Value = serde_json::from_str(&lease.internal).unwrap();
    assert_eq!(
        internal,
        json!({ "username": username, "role": "app", "db_name": "db", "revocation_statements": ["DROP"] })
    );

    test.fake.fail("db", Some(Error::unavailable("away")));
    assert_eq!(
        test.error(Operation::Read, "creds/app", json!({})),
        (ErrorKind::Unavailable, "away".to_owned())
    );
    assert_eq!(
        test.host.leases().len(),
        1,
        "what may have been made will be removed"
    );
}

#[test]
fn a_name_that_is_taken_is_not_removed_with_the_lease() {
    let test = Test::new();
    test.role();
    for (template, asked_before) in [("theirs", true), ("random", false)] {
        let config = json!({ "username_template": template });
        test.write("config/db", config).unwrap();
        let theirs = (template.to_owned(), "p".to_owned());
        test.fake.0.borrow_mut().users.extend([theirs]);
        let calls = test.fake.0.borrow().targets.len();
        let (kind, message) = test.error(Operation::Read, "creds/app", json!({}));
        assert_eq!(kind, ErrorKind::InvalidRequest);
        assert!(message.contains("exists"), "{message}");
        assert!(test.host.leases().is_empty(), "no lease is left");
        assert_eq!(test.fake.0.borrow().targets.len() - calls, 1);
        assert_eq!(message.starts_with("user"), asked_before, "{message}");
    }
}

#[test]
fn who_gets_no_user() {
    let test = Test::new();
    test.role();
    test.write("roles/other", json!({ "db_name": "db" }))
        .unwrap();
    test.write("roles/app-lost", json!({ "db_name": "none" }))
        .unwrap();
    #[rustfmt::skip]
    let table = [
        ("creds/none", ErrorKind::InvalidRequest, "unknown role: none"),
        ("creds/other", ErrorKind::InvalidRequest, "\"other\" is not an allowed role"),
        ("creds/app-lost", ErrorKind::InvalidRequest, "failed to find entry for connection with name: \"none\""),
        ("static-creds/none", ErrorKind::InvalidRequest, "unknown role: none"),
    ];
    for (path, kind, message) in table {
        assert_eq!(
            test.error(Operation::Read, path, json!({})),
            (kind, message.to_owned()),
            "{path}"
        );
    }
    assert!(test.host.leases().is_empty());
}

fn lease(test: &Test) -> Lease {
    test.read("creds/app");
    let internal = serde_json::from_str(&test.host.leases().pop().unwrap().internal).unwrap();
    Lease::of(
        "creds/app",
        &internal,
        clock::now(),
        clock::now() + 3_600_000,
    )
}

#[test]
fn renewal() {
    let test = Test::new();
    test.role();
    let lease = lease(&test);
    test.host.advance(600);
    let renewal = creds::renew(&lease, 7200).unwrap();
    assert_eq!((renewal.ttl, renewal.max_ttl), (3600, 86_400));
    let change = test.fake.0.borrow().changed[0].clone();
    assert_eq!(change.expires, Some(START + (600 + 7205) * 1000));
    assert_eq!(
        (change.password, change.statements),
        (None, vec!["RENEW".to_owned()])
    );
    test.host.advance(86_000);
    assert!(
        creds::renew(&lease, 0).is_ok(),
        "nothing is left to prolong"
    );
    assert_eq!(test.fake.0.borrow().changed.len(), 1);
    test.call(Operation::Delete, "roles/app", json!({}))
        .unwrap();
    let error = creds::renew(&lease, 0).unwrap_err();
    assert_eq!(
        error.message,
        "error during renew: could not find role with name \"app\""
    );
}

#[test]
fn revocation() {
    let test = Test::new();
    test.role();
    let lease = lease(&test);
    let statements = |test: &Test| {
        test.fake
            .0
            .borrow()
            .removed
            .last()
            .unwrap()
            .statements
            .clone()
    };
    test.write("roles/app", json!({ "revocation_statements": "NEW" }))
        .unwrap();
    creds::revoke(&lease).unwrap();
    assert_eq!(statements(&test), ["NEW"], "as the role is now");
    test.write("roles/app", json!({ "db_name": "elsewhere" }))
        .unwrap();
    creds::revoke(&lease).unwrap();
    assert_eq!(statements(&test), ["DROP"], "where it was made");
    assert_eq!(test.fake.0.borrow().targets.last().unwrap().name, "db");
    test.call(Operation::Delete, "roles/app", json!({}))
        .unwrap();
    creds::revoke(&lease).unwrap();
    assert_eq!(statements(&test), ["DROP"], "as the role was");
    assert!(test.fake.0.borrow().users.is_empty());
    test.fake.fail("db", Some(Error::unavailable("away")));
    assert_eq!(
        creds::revoke(&lease).unwrap_err().kind,
        ErrorKind::Unavailable
    );
}
