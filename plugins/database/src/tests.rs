#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use coffer_sdk::Operation::{Delete, List, Read, Write};
use coffer_sdk::databases::{Target, UserChange, UserNaming, UserRemoval, UserRequest};
use coffer_sdk::testing::{Database, Host};
use serde_json::json;

use super::*;

/// Users and their passwords; `down` refuses everything.
#[derive(Clone, Default)]
struct Users(Rc<RefCell<(BTreeMap<String, String>, bool)>>);

impl Users {
    fn up(&self) -> Result<()> {
        if self.0.borrow().1 { Err(Error::unavailable("down")) } else { Ok(()) }
    }
    fn names(&self) -> Vec<String> {
        self.0.borrow().0.keys().cloned().collect()
    }
    fn password(&self, name: &str) -> String {
        self.0.borrow().0.get(name).cloned().unwrap_or_default()
    }
    fn down(&self, down: bool) {
        self.0.borrow_mut().1 = down;
    }
}

impl Database for Users {
    fn username(&mut self, _: &Target, naming: &UserNaming) -> Result<String> {
        Ok(format!("v-{}-{}", naming.role_name, self.0.borrow().0.len()))
    }
    fn create_user(&mut self, _: &Target, user: &UserRequest) -> Result<()> {
        self.up()?;
        self.0.borrow_mut().0.insert(user.username.clone(), user.password.clone());
        Ok(())
    }
    fn update_user(&mut self, _: &Target, change: &UserChange) -> Result<()> {
        self.up()?;
        if let Some(password) = &change.password {
            self.0.borrow_mut().0.insert(change.username.clone(), password.clone());
        }
        Ok(())
    }
    fn delete_user(&mut self, _: &Target, removal: &UserRemoval) -> Result<()> {
        self.up()?;
        self.0.borrow_mut().0.remove(&removal.username);
        Ok(())
    }
    fn ping(&mut self, on: &Target) -> Result<()> {
        self.up()?;
        let known = self.password("root");
        let config: serde_json::Value = serde_json::from_str(&on.config).unwrap();
        if known.is_empty() || config["password"] == json!(known) { Ok(()) } else { Err(Error::unavailable("password authentication failed")) }
    }
}

fn host() -> (Host, Users) {
    let users = Users::default();
    let host = Host::new().with_database(users.clone());
    let config = json!({"plugin_name": "p", "allowed_roles": "app,r*", "connection_url": "db://h", "username": "root", "password": "pw"});
    host.call(&DATABASE, Write, "config/db", config).unwrap();
    (host, users)
}

fn role(host: &Host, name: &str) {
    let role = json!({"db_name": "db", "creation_statements": "CREATE, x;", "default_ttl": "1h", "max_ttl": "2h"});
    host.call(&DATABASE, Write, &format!("roles/{name}"), role).unwrap();
}

#[test]
fn a_user_is_leased_renewed_and_removed() {
    let (host, users) = host();
    role(&host, "app");
    assert_eq!(host.call(&DATABASE, Read, "roles/app", json!({})).unwrap().value()["creation_statements"], json!(["CREATE, x;"]));
    let creds = host.call(&DATABASE, Read, "creds/app", json!({})).unwrap().value();
    assert_eq!(users.password(creds["username"].as_str().unwrap()), creds["password"].as_str().unwrap());
    let leases = host.leases();
    let made = leases.first().unwrap();
    assert_eq!((made.ttl, made.max_ttl, made.group.as_str()), (3600, 7200, "db"));
    assert!(!made.internal.contains(creds["password"].as_str().unwrap()), "a lease holds no password");
    let internal = serde_json::from_str(&made.internal).unwrap();
    let lease = Lease::of("creds/app", &internal, clock::now(), 0);
    assert_eq!(creds::renew(&lease, 60).unwrap(), Renewal { ttl: 3600, max_ttl: 7200, period: 0 });
    host.call(&DATABASE, Delete, "roles/app", json!({})).unwrap();
    assert!(creds::renew(&lease, 60).is_err(), "a role that is gone renews nothing");
    users.down(true);
    assert_eq!(creds::revoke(&lease).unwrap_err().kind, coffer_sdk::ErrorKind::Unavailable);
    users.down(false);
    creds::revoke(&lease).unwrap();
    creds::revoke(&lease).unwrap();
    assert_eq!(users.names(), Vec::<String>::new(), "nothing is left");
}

#[test]
fn refusals() {
    let (host, _users) = host();
    role(&host, "app");
    role(&host, "other");
    host.call(&DATABASE, Write, "roles/readonly", json!({"db_name": "db"})).unwrap();
    host.call(&DATABASE, Write, "roles/rolost", json!({"db_name": "nope", "creation_statements": ["x"]})).unwrap();
    for (path, message) in [
        ("creds/none", "unknown role: none"),
        ("creds/other", "\"other\" is not an allowed role"),
        ("creds/readonly", "empty creation statements"),
        ("creds/rolost", "failed to find entry for connection with name: \"nope\""),
    ] {
        assert_eq!(host.call(&DATABASE, Read, path, json!({})).unwrap_err().message, message);
    }
    for (path, body) in [
        ("config/x", json!({})),
        ("config/x", json!({"plugin_name": "p", "password_policy": "p"})),
        ("roles/x", json!({})),
        ("roles/x", json!({"db_name": "db", "credential_type": "rsa_private_key"})),
        ("roles/x", json!({"db_name": "db", "default_ttl": "2h", "max_ttl": "1h"})),
        ("roles/x", json!({"db_name": "db", "creation_statements": 5})),
        ("static-roles/app", json!({"db_name": "db", "username": "u", "rotation_period": 60})),
        ("static-roles/ro", json!({"db_name": "db", "username": "u", "rotation_period": 1})),
        ("static-roles/ro", json!({"db_name": "db", "username": "u", "rotation_schedule": "* * * * *"})),
    ] {
        assert!(host.call(&DATABASE, Write, path, body.clone()).is_err(), "{path} {body}");
    }
    assert!(host.leases().is_empty());
    let config = host.call(&DATABASE, Read, "config/db", json!({})).unwrap();
    assert!(!config.data.unwrap().contains("pw"), "a password is not read back");
}

#[test]
fn static_passwords_rotate_when_they_are_due_and_survive_an_outage() {
    let (host, users) = host();
    let role = json!({"db_name": "db", "username": "u", "rotation_period": 60});
    users.down(true);
    assert!(host.call(&DATABASE, Write, "static-roles/ro", role.clone()).is_err());
    assert!(!host.keys().iter().any(|key| key.starts_with("static-role/") || key.starts_with("due/")), "nothing half-made");
    users.down(false);
    host.call(&DATABASE, Write, "static-roles/ro", role).unwrap();
    let read = |host: &Host| host.call(&DATABASE, Read, "static-creds/ro", json!({})).unwrap().value()["password"].as_str().unwrap().to_owned();
    let first = read(&host);
    assert_eq!(users.password("u"), first);
    rotation::tick().unwrap();
    assert_eq!(read(&host), first, "not due yet");
    host.advance(61);
    users.down(true);
    rotation::tick().unwrap();
    assert_eq!(read(&host), first);
    users.down(false);
    host.advance(601);
    rotation::tick().unwrap();
    let second = read(&host);
    assert_ne!(second, first);
    assert_eq!(users.password("u"), second);
    host.call(&DATABASE, Write, "rotate-role/ro", json!({})).unwrap();
    assert_ne!(read(&host), second);
    assert_eq!(host.call(&DATABASE, List, "static-roles", json!({})).unwrap().value()["keys"], json!(["ro"]));
    host.call(&DATABASE, Delete, "static-roles/ro", json!({})).unwrap();
    assert!(!host.keys().iter().any(|key| key.contains("ro")), "nothing is left: {:?}", host.keys());
}

#[test]
fn the_root_password_is_found_again_after_a_crash() {
    let (host, users) = host();
    host.call(&DATABASE, Write, "rotate-root/db", json!({})).unwrap();
    let known = users.password("root");
    assert!(!known.is_empty() && known != "pw");
    // The database took a new password, and the host died before it noted that.
    storage::put_json("wal/root/db", &json!({"password": "new"})).unwrap();
    users.0.borrow_mut().0.insert("root".to_owned(), "new".to_owned());
    rotation::tick().unwrap();
    assert_eq!(connection::required("db").unwrap().text("password"), "new");
    // And the other way: the database never took it.
    storage::put_json("wal/root/db", &json!({"password": "never"})).unwrap();
    rotation::tick().unwrap();
    assert_eq!(connection::required("db").unwrap().text("password"), "new");
    assert!(!host.keys().iter().any(|key| key.starts_with("wal/")));
}

#[test]
fn passwords_have_every_kind_of_character() {
    let _host = Host::new();
    for _ in 0..100 {
        let password = password::generate();
        assert_eq!(password.len(), 20);
        assert!(password.contains('-') && password.bytes().any(|b| b.is_ascii_digit()));
    }
}
