//! Static roles and the connection's own password.

use super::*;

#[test]
fn a_static_role() {
    let test = Test::new();
    test.static_role();
    let first = test.fake.password_of("fixed").unwrap();
    test.host.advance(10);
    assert_eq!(
        test.read("static-creds/app-fixed"),
        json!({ "username": "fixed", "password": first, "ttl": 50, "rotation_period": 60,
                "last_vault_rotation": "2024-01-01T00:00:00.000000000Z" })
    );
    assert_eq!(
        test.read("static-roles/app-fixed"),
        json!({ "db_name": "db", "username": "fixed", "rotation_period": 60, "rotation_statements": [],
                "credential_type": "password", "last_vault_rotation": "2024-01-01T00:00:00.000000000Z" })
    );
    test.write("rotate-role/app-fixed", json!({})).unwrap();
    let second = test.fake.password_of("fixed").unwrap();
    assert_ne!(first, second);
    let data = test.read("static-creds/app-fixed");
    assert_eq!(
        (&data["password"], &data["ttl"]),
        (&json!(second), &json!(60))
    );
    test.write(
        "static-roles/app-fixed",
        json!({ "rotation_period": "5s", "rotation_statements": "SET" }),
    )
    .unwrap();
    test.host.advance(5);
    tick().unwrap();
    let third = test.fake.password_of("fixed").unwrap();
    assert_ne!(second, third);
    assert_eq!(
        test.fake.0.borrow().changed.last().unwrap().statements,
        ["SET"]
    );
    assert_eq!(test.keys("due/").len(), 1);
    assert!(test.keys("wal/").is_empty());
    tick().unwrap();
    assert_eq!(test.fake.password_of("fixed").unwrap(), third, "not due");
    test.call(Operation::Delete, "static-roles/app-fixed", json!({}))
        .unwrap();
    assert!(test.keys("due/").is_empty() && test.keys("static-").is_empty());
}

#[test]
fn static_roles_that_cannot_be() {
    let test = Test::new();
    #[rustfmt::skip]
    let table = [
        (json!({}), "database name is a required field"),
        (json!({ "db_name": "db" }), "username is a required field to create a static account"),
        (json!({ "db_name": "db", "username": "u" }), "one of rotation_schedule or rotation_period must be provided"),
        (json!({ "db_name": "db", "username": "u", "rotation_period": 4 }), "rotation_period must be 5 seconds or more"),
        (json!({ "db_name": "db", "username": "u", "rotation_period": 5, "rotation_schedule": "* * * * *" }), "mutually exclusive"),
        (json!({ "db_name": "db", "username": "u", "rotation_period": 5, "rotation_window": 3600 }), "rotation_window is invalid"),
        (json!({ "db_name": "db", "username": "u", "rotation_schedule": "x" }), "could not parse rotation_schedule"),
        (json!({ "db_name": "db", "username": "u", "rotation_schedule": "0 0 * * *", "rotation_window": 60 }), "3600 seconds or more"),
        (json!({ "db_name": "none", "username": "u", "rotation_period": 5 }), "failed to find entry"),
        (json!({ "db_name": "db", "username": "u", "rotation_period": 5, "skip_import_rotation": true }), "skip_import_rotation is not supported"),
        (json!({ "db_name": "db", "username": "u", "rotation_period": 5, "self_managed_password": "x" }), "self_managed_password is not supported"),
    ];
    for (data, expected) in table {
        let (kind, message) = test.error(Operation::Write, "static-roles/app-bad", data);
        assert_eq!(kind, ErrorKind::InvalidRequest);
        assert!(message.contains(expected), "{message}");
    }
    let other = json!({ "db_name": "db", "username": "u", "rotation_period": 5 });
    assert_eq!(
        test.error(Operation::Write, "static-roles/other", other).1,
        "\"other\" is not an allowed role"
    );
    test.fake
        .fail("db", Some(Error::invalid("role \"u\" does not exist")));
    let role = json!({ "db_name": "db", "username": "u", "rotation_period": 5 });
    assert_eq!(
        test.error(Operation::Write, "static-roles/app-bad", role).1,
        "error setting credentials: role \"u\" does not exist"
    );
    assert!(
        test.keys("static-role/").is_empty(),
        "no role without a password"
    );
    assert_eq!(
        test.error(Operation::Write, "rotate-role/app-bad", json!({}))
            .1,
        "no static role found for role name"
    );
    test.fake.fail("db", None);
    test.static_role();
    let renamed = json!({ "username": "x" });
    assert_eq!(
        test.error(Operation::Write, "static-roles/app-fixed", renamed)
            .1,
        "cannot update static account username"
    );
}

#[test]
fn an_interrupted_rotation_is_finished() {
    let test = Test::new();
    test.static_role();
    // As `prepare` left it.
    let wal = json!({ "new_password": "from-the-Wal-0", "begun": clock::now() });
    storage::put_json("wal/static-role/app-fixed", &wal).unwrap();
    assert_eq!(
        test.error(Operation::Write, "rotate-role/app-fixed", json!({}))
            .0,
        ErrorKind::Conflict,
        "somebody is at it"
    );
    test.host.advance(60);
    tick().unwrap();
    assert_eq!(
        test.fake.password_of("fixed").unwrap(),
        "from-the-Wal-0",
        "nobody was at it any more"
    );
    assert_eq!(
        test.read("static-creds/app-fixed")["password"],
        "from-the-Wal-0"
    );
    assert!(test.keys("wal/").is_empty());

    // One that never became a role leaves nothing.
    storage::put_json("wal/static-role/app-lost", &wal).unwrap();
    storage::put(&format!("due/{:020}/app-lost", clock::now()), b"").unwrap();
    tick().unwrap();
    assert!(test.keys("wal/").is_empty());
    assert_eq!(test.keys("due/").len(), 1);
}

#[test]
fn a_rotation_that_fails_can_be_tried_again_at_once() {
    let test = Test::new();
    test.static_role();
    let first = test.fake.password_of("fixed").unwrap();
    test.fake.fail("db", Some(Error::invalid("no")));
    test.host.advance(60);
    tick().unwrap();
    assert_eq!(test.read("static-creds/app-fixed")["password"], first);
    let (_, message) = test.error(Operation::Write, "rotate-role/app-fixed", json!({}));
    assert!(
        message.starts_with("unable to finish rotating credentials")
            && message.ends_with("error setting credentials: no")
    );
    test.fake.fail("db", None);
    test.write("rotate-role/app-fixed", json!({})).unwrap();
    assert_ne!(test.fake.password_of("fixed").unwrap(), first);
}

#[test]
fn a_rotation_that_fails_is_tried_again_less_and_less() {
    let test = Test::new();
    test.static_role();
    let first = test.fake.password_of("fixed").unwrap();
    test.fake.fail("db", Some(Error::unavailable("away")));
    test.host.advance(60);
    let mut tried = Vec::new();
    for second in 0..200u64 {
        let before = test.fake.0.borrow().targets.len();
        tick().unwrap();
        if test.fake.0.borrow().targets.len() > before {
            tried.push(second);
        }
        test.host.advance(1);
    }
    assert_eq!(tried, [0, 10, 30, 70, 150]);
    assert_eq!(test.read("static-creds/app-fixed")["ttl"], 0);
    test.fake.fail("db", None);
    test.host.advance(300);
    tick().unwrap();
    assert_ne!(test.fake.password_of("fixed").unwrap(), first);
    assert_eq!(test.read("static-creds/app-fixed")["ttl"], 60);
    assert_eq!(test.keys("due/").len(), 1);
}

#[test]
fn a_database_that_is_away_keeps_no_other_waiting() {
    let test = Test::new();
    test.write("config/near", connection()).unwrap();
    for i in 0..5 {
        let (db, user) = if i == 4 {
            ("near", "near".to_owned())
        } else {
            ("db", format!("far{i}"))
        };
        let role = json!({ "db_name": db, "username": user, "rotation_period": 60 });
        test.write(&format!("static-roles/app{i}"), role).unwrap();
    }
    let before = test.fake.password_of("near");
    test.fake.fail("db", Some(Error::unavailable("away")));
    test.host.advance(60);
    let calls = test.fake.0.borrow().targets.len();
    tick().unwrap();
    assert_eq!(
        test.fake.0.borrow().targets.len() - calls,
        2,
        "one try each"
    );
    assert_ne!(test.fake.password_of("near"), before);
}

#[test]
fn a_role_that_is_written_while_it_is_rotated() {
    let test = Test::new();
    test.static_role();
    test.fake.0.borrow_mut().meanwhile = Some(Box::new(|| {
        let mut role: Value = storage::get_json("static-role/app-fixed").unwrap().unwrap();
        role["schedule"] = json!({ "period": 90 });
        storage::put_json("static-role/app-fixed", &role).unwrap();
    }));
    test.write("rotate-role/app-fixed", json!({})).unwrap();
    let data = test.read("static-creds/app-fixed");
    assert_eq!(
        data["password"].as_str(),
        test.fake.password_of("fixed").as_deref()
    );
    assert_eq!(
        (&data["rotation_period"], &data["ttl"]),
        (&json!(90), &json!(90))
    );
    assert_eq!(test.keys("due/").len(), 1);

    // With a rotation that has to be finished, it stays due.
    test.fake.fail("db", Some(Error::unavailable("away")));
    test.error(Operation::Write, "rotate-role/app-fixed", json!({}));
    test.write("static-roles/app-fixed", json!({ "rotation_period": 3600 }))
        .unwrap();
    test.fake.fail("db", None);
    test.host.advance(10);
    tick().unwrap();
    let data = test.read("static-creds/app-fixed");
    assert_eq!(
        data["password"].as_str(),
        test.fake.password_of("fixed").as_deref()
    );
    assert_eq!(data["ttl"], 3600);
}

#[test]
fn a_creation_that_was_cut_off_can_be_repeated_at_once() {
    let test = Test::new();
    test.fake.fail("db", Some(Error::unavailable("cut off")));
    let role = json!({ "db_name": "db", "username": "fixed", "rotation_period": 60 });
    test.error(Operation::Write, "static-roles/app-fixed", role);
    let wal: Value = storage::get_json("wal/static-role/app-fixed")
        .unwrap()
        .unwrap();
    test.fake.fail("db", None);
    test.static_role();
    let password = test.fake.password_of("fixed").unwrap();
    assert_eq!(wal["new_password"], password, "what it may have already");
    assert_eq!(test.read("static-creds/app-fixed")["password"], password);
    assert!(test.keys("wal/").is_empty());
}

#[test]
fn what_failed_before_is_rotated_last() {
    let test = Test::new();
    test.write("config/near", connection()).unwrap();
    for (name, db) in [("app-a", "db"), ("app-b", "near")] {
        let role = json!({ "db_name": db, "username": name, "rotation_period": 60 });
        test.write(&format!("static-roles/{name}"), role).unwrap();
    }
    test.fake.fail("db", Some(Error::unavailable("hangs")));
    test.error(Operation::Write, "rotate-role/app-a", json!({}));
    test.host.advance(60);
    let calls = test.fake.0.borrow().targets.len();
    tick().unwrap();
    let targets = test.fake.0.borrow().targets.clone();
    let asked: Vec<_> = targets[calls..].iter().map(|on| &on.name).collect();
    assert_eq!(asked, ["near", "db"]);
}

#[test]
fn schedules() {
    let test = Test::new();
    let role = json!({ "db_name": "db", "username": "fixed", "rotation_schedule": "0 3 * * *", "rotation_window": "1h" });
    test.write("static-roles/app-fixed", role).unwrap();
    let data = test.read("static-creds/app-fixed");
    assert_eq!(
        (
            &data["ttl"],
            &data["rotation_schedule"],
            &data["rotation_window"]
        ),
        (&json!(3 * 3600), &json!("0 3 * * *"), &json!(3600))
    );
    assert!(data.get("rotation_period").is_none());
    let first = test.fake.password_of("fixed");
    test.host.advance(3 * 3600);
    tick().unwrap();
    let second = test.fake.password_of("fixed");
    assert_ne!(first, second);
    // Too late for this turn.
    test.host.advance(25 * 3600 + 1);
    tick().unwrap();
    assert_eq!(test.fake.password_of("fixed"), second);
    assert_eq!(test.read("static-creds/app-fixed")["ttl"], 23 * 3600 - 1);
    test.host.advance(23 * 3600);
    tick().unwrap();
    assert_ne!(test.fake.password_of("fixed"), second);
}

#[test]
fn the_root_password() {
    let test = Test::new();
    test.fake.0.borrow_mut().root = Some("first".to_owned());
    // Whoever writes the configuration meanwhile keeps neither from being stored.
    test.fake.0.borrow_mut().meanwhile = Some(Box::new(|| {
        let mut config: Value = storage::get_json("config/db").unwrap().unwrap();
        config["allowed_roles"] = json!(["app", "more"]);
        storage::put_json("config/db", &config).unwrap();
    }));
    test.write("rotate-root/db", json!({})).unwrap();
    assert_eq!(
        test.read("config/db")["allowed_roles"],
        json!(["app", "more"])
    );
    let root = test.fake.0.borrow().root.clone().unwrap();
    assert_ne!(root, "first");
    assert!(test.keys("wal/").is_empty());
    test.role();
    test.read("creds/app");
    assert!(
        test.read("config/db")["connection_details"]
            .get("password")
            .is_none()
    );

    // It holds until the operator writes another one.
    test.write("config/db", json!({ "allowed_roles": "app" }))
        .unwrap();
    test.write("rotate-root/db", json!({})).unwrap();
    test.error(
        Operation::Write,
        "config/db",
        json!({ "password": "first" }),
    );
    test.fake.0.borrow_mut().root = Some("third".to_owned());
    test.write("config/db", json!({ "password": "third" }))
        .unwrap();
    test.read("creds/app");

    test.fake
        .fail("db", Some(Error::unavailable("nobody there")));
    let (_, message) = test.error(Operation::Write, "rotate-root/db", json!({}));
    assert_eq!(message, "failed to update user: nobody there");
    assert!(test.keys("wal/").is_empty(), "nothing is in doubt");
    test.fake.fail("db", None);

    #[rustfmt::skip]
    let table = [
        (json!({ "username": "" }), "unable to rotate root credentials: no username in configuration"),
        (json!({ "username": "root", "password": "" }), "unable to rotate root credentials: no password in configuration"),
        (json!({ "password": "x", "connection_url": "postgresql://root:x@db/" }), "stands in connection_url itself"),
    ];
    for (mut data, expected) in table {
        data["verify_connection"] = json!(false);
        test.write("config/db", data).unwrap();
        let (kind, message) = test.error(Operation::Write, "rotate-root/db", json!({}));
        assert_eq!(kind, ErrorKind::InvalidRequest);
        assert!(message.contains(expected), "{message}");
    }
    assert!(
        test.error(Operation::Write, "rotate-root/none", json!({}))
            .1
            .starts_with("failed to find entry")
    );
}

#[test]
fn a_root_rotation_that_was_interrupted() {
    for taken in [true, false] {
        let test = Test::new();
        let wal = json!({ "username": "root", "new_password": "second", "begun": clock::now() });
        storage::put_json("wal/root/db", &wal).unwrap();
        test.fake.0.borrow_mut().root = Some(if taken { "second" } else { "first" }.to_owned());
        let (kind, _) = test.error(Operation::Write, "rotate-root/db", json!({}));
        assert_eq!(kind, ErrorKind::Conflict, "somebody is at it");
        test.host.advance(41);
        tick().unwrap();
        assert!(test.keys("wal/").is_empty());
        test.role();
        test.read("creds/app");
        test.write("rotate-root/db", json!({})).unwrap();
    }
    // A login that is refused settles it at once.
    let test = Test::new();
    test.role();
    let wal = json!({ "username": "root", "new_password": "second", "begun": clock::now() });
    storage::put_json("wal/root/db", &wal).unwrap();
    test.fake.0.borrow_mut().root = Some("second".to_owned());
    test.error(Operation::Read, "creds/app", json!({}));
    test.read("creds/app");
    assert!(test.keys("wal/").is_empty());

    let test = Test::new();
    let wal = json!({ "username": "root", "new_password": "second", "begun": 0 });
    storage::put_json("wal/root/db", &wal).unwrap();
    test.fake.fail("db", Some(Error::unavailable("away")));
    tick().unwrap();
    assert_eq!(test.keys("wal/").len(), 1, "not known yet");
    test.call(Operation::Delete, "config/db", json!({}))
        .unwrap();
    test.host.advance(41);
    tick().unwrap();
    assert!(test.keys("wal/").is_empty());
}
