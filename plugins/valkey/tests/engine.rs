//! The database engine over this backend and a real server: what an operator does, and what becomes of it there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kit;

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

use coffer_sdk::databases::{Target, UserChange, UserNaming, UserRemoval, UserRequest};
use coffer_sdk::testing::{Database, Host};
use coffer_sdk::{Backend, Error, ErrorKind, Operation, Response, Result};
use coffer_tests::valkey::Valkey as Server;
use database::DATABASE;
use kit::{admin, config_with, removal};
use serde_json::{Value, json};
use valkey_plugin::Valkey;

/// As the host keeps instances: one for each configuration, until it is unavailable.
#[derive(Default)]
struct Pool {
    instances: HashMap<String, Valkey>,
    /// The answer to the next change does not arrive.
    loses: Rc<Cell<bool>>,
}

impl Pool {
    fn on<R>(&mut self, on: &Target, call: impl FnOnce(&mut Valkey) -> Result<R>) -> Result<R> {
        assert_eq!(on.plugin, Valkey::describe().name);
        let instance = match self.instances.remove(&on.config) {
            Some(instance) => Ok(instance),
            None => Valkey::open(&serde_json::from_str(&on.config).unwrap()),
        };
        let mut instance = instance?;
        let result = call(&mut instance);
        if !matches!(&result, Err(error) if error.kind == ErrorKind::Unavailable) {
            self.instances.insert(on.config.clone(), instance);
        }
        result
    }
}

impl Database for Pool {
    fn secret_fields(&mut self, _: &Target) -> Result<Vec<String>> {
        Ok(Valkey::describe().secret_fields)
    }
    fn username(&mut self, on: &Target, naming: &UserNaming) -> Result<String> {
        self.on(on, |valkey| valkey.username(naming))
    }
    fn exists(&mut self, on: &Target, username: &str) -> Result<bool> {
        self.on(on, |valkey| valkey.exists(username))
    }
    fn create_user(&mut self, on: &Target, user: &UserRequest) -> Result<()> {
        self.on(on, |valkey| valkey.create_user(user))
    }
    fn update_user(&mut self, on: &Target, change: &UserChange) -> Result<()> {
        let loses = self.loses.take();
        self.on(on, |valkey| match valkey.update_user(change) {
            Ok(()) if loses => Err(Error::unavailable("the answer is lost")),
            other => other,
        })
    }
    fn delete_user(&mut self, on: &Target, removal: &UserRemoval) -> Result<()> {
        self.on(on, |valkey| valkey.delete_user(removal))
    }
    fn ping(&mut self, on: &Target) -> Result<()> {
        self.on(on, Backend::ping)
    }
}

struct Test {
    server: Server,
    host: Host,
    loses: Rc<Cell<bool>>,
}

impl Test {
    /// With a connection as `coffer`, who may manage users.
    fn new() -> Self {
        let server = Server::start(&[]).unwrap();
        server.ask(&["ACL", "SETUSER", "coffer", "on", ">first-pa55", "+acl"]);
        let pool = Pool::default();
        let loses = pool.loses.clone();
        let host = kit::host(&server).with_database(pool);
        let test = Self {
            server,
            host,
            loses,
        };
        test.write("config/db", test.connection(json!({}))).unwrap();
        test
    }

    fn connection(&self, more: Value) -> Value {
        let ours = json!({ "plugin_name": "valkey-database-plugin", "allowed_roles": "*", "username": "coffer", "password": "first-pa55" });
        let mut config = config_with(&self.server, ours);
        let more = more.as_object().unwrap().clone();
        config.as_object_mut().unwrap().extend(more);
        config
    }

    fn write(&self, path: &str, data: Value) -> Result<Response> {
        self.host.call(&DATABASE, Operation::Write, path, data)
    }

    fn read(&self, path: &str) -> Result<Value> {
        let response = self
            .host
            .call(&DATABASE, Operation::Read, path, json!({}))?;
        Ok(response.value())
    }

    /// Name and password, as somebody gets them.
    fn credentials(&self, path: &str) -> (String, String) {
        let data = self.read(path).unwrap();
        let text = |field: &str| data[field].as_str().unwrap().to_owned();
        (text("username"), text("password"))
    }
}

#[test]
fn credentials_from_a_role() {
    let test = Test::new();
    let role = json!({ "db_name": "db", "creation_statements": r#"["~app:*", "+@read"]"# });
    test.write("roles/app", role).unwrap();
    let (name, password) = test.credentials("creds/app");
    assert!(name.starts_with("V_TEST_APP_"), "{name}");
    assert!(test.server.can_login(&name, &password));
    assert_eq!(test.host.leases().len(), 1);
    let rules = json!({ "db_name": "db", "creation_statements": ["~*", "+@nothing"] });
    test.write("roles/bad", rules).unwrap();
    let error = test.read("creds/bad").unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidRequest, "{error:?}");
    assert_eq!(test.server.users_like("V_"), [name.as_str()]);
    admin(&test.server).delete_user(&removal(&name)).unwrap();
    assert!(test.server.users_like("V_").is_empty());
}

#[test]
fn a_configuration_is_tried() {
    let test = Test::new();
    let data = test.read("config/db").unwrap();
    assert_eq!(
        data["connection_details"]["port"],
        test.server.address().port()
    );
    assert_eq!(data["connection_details"]["password"], Value::Null);
    for (wrong, expected) in [
        (json!({ "password": "wr0ng-one" }), "WRONGPASS"),
        (json!({ "host": "elsewhere.example" }), "granted"),
        (json!({ "host": "a:b" }), "host is not"),
        (
            json!({ "tls": "true", "tls_certificate": "PEM" }),
            "go together",
        ),
    ] {
        let error = test
            .write("config/bad", test.connection(wrong))
            .unwrap_err();
        assert!(error.message.contains(expected), "{error:?}");
        assert!(!error.message.contains("wr0ng-one"), "{error:?}");
    }
    // A user who may not look at users.
    test.server.ask(&["ACL", "SETUSER", "coffer", "-acl"]);
    let error = test
        .write("config/bad", test.connection(json!({})))
        .unwrap_err();
    assert!(error.message.contains("NOPERM"), "{error:?}");
}

#[test]
fn the_connection_gets_a_password_that_nobody_knows() {
    let test = Test::new();
    test.write("rotate-root/db", json!({})).unwrap();
    assert!(!test.server.can_login("coffer", "first-pa55"));
    test.write("reset/db", json!({}))
        .expect("it knows the new one");
    test.write("rotate-root/db", json!({})).unwrap();
    test.write("roles/app", json!({ "db_name": "db" })).unwrap();
    let (name, password) = test.credentials("creds/app");
    assert!(test.server.can_login(&name, &password));
    admin(&test.server).delete_user(&removal(&name)).unwrap();
    assert!(test.server.users_like("V_").is_empty());
}

/// The server has taken the new password, and its answer is lost.
#[test]
fn a_rotation_that_is_cut_off_heals() {
    let test = Test::new();
    test.loses.set(true);
    let error = test.write("rotate-root/db", json!({})).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error:?}");
    assert!(
        !test.server.can_login("coffer", "first-pa55"),
        "it was taken"
    );
    // The refused login makes the engine find out.
    let _ = test.write("reset/db", json!({}));
    test.write("reset/db", json!({})).unwrap();
}

#[test]
fn a_user_whose_password_is_rotated() {
    let test = Test::new();
    test.server
        .ask(&["ACL", "SETUSER", "fixed", "on", ">0ld-pa55", "+ping"]);
    let role = json!({ "db_name": "db", "username": "fixed", "rotation_period": 3600 });
    test.write("static-roles/fixed", role).unwrap();
    let (_, first) = test.credentials("static-creds/fixed");
    assert!(test.server.can_login("fixed", &first));
    assert!(!test.server.can_login("fixed", "0ld-pa55"));
    test.write("rotate-role/fixed", json!({})).unwrap();
    let (_, second) = test.credentials("static-creds/fixed");
    assert!(test.server.can_login("fixed", &second));
    assert!(!test.server.can_login("fixed", &first));

    let role = json!({ "db_name": "db", "username": "nobody", "rotation_period": 3600 });
    let error = test.write("static-roles/nobody", role).unwrap_err();
    assert!(error.message.contains("no user"), "{error:?}");
    assert!(test.server.users_like("nobody").is_empty());
}
