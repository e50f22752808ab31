//! `config/` and `reset/`.

use super::*;

#[test]
fn connections() {
    let test = Test::new();
    assert_eq!(test.fake.0.borrow().pings, 1, "verified");
    let target = test.fake.0.borrow().targets[0].clone();
    assert_eq!((target.max_connections, target.max_lifetime), (5, 60));
    assert!(target.config.contains("\"x_other\":1") && !target.config.contains("allowed_roles"));
    assert_eq!(
        test.read("config/db"),
        json!({ "plugin_name": "postgresql-database-plugin", "plugin_version": "", "allowed_roles": ["app*"],
                "connection_details": { "connection_url": "postgresql://{{username}}:{{password}}@db/app", "username": "root",
                                        "max_open_connections": "5", "max_connection_lifetime": "1m", "x_other": 1 },
                "root_credentials_rotate_statements": [], "password_policy": "", "verify_connection": true })
    );
    // What is not given stays.
    test.write(
        "config/db",
        json!({ "allowed_roles": ["a", "b"], "root_rotation_statements": "A; B, C" }),
    )
    .unwrap();
    let data = test.read("config/db");
    assert_eq!(data["allowed_roles"], json!(["a", "b"]));
    assert_eq!(
        data["root_credentials_rotate_statements"],
        json!(["A; B, C"])
    );
    assert_eq!(data["connection_details"]["username"], "root");
    assert!(test.fake.0.borrow().targets[1].config.contains("first"));
    assert_eq!(
        test.call(Operation::List, "config", json!({}))
            .unwrap()
            .value(),
        json!({ "keys": ["db"] })
    );

    let in_url = test.write("config/url", json!({ "plugin_name": "postgresql-database-plugin", "connection_url": "postgresql://u:p@h/" }));
    assert!(in_url.unwrap().warnings[0].starts_with("Password found in connection_url"));
    assert_eq!(
        test.read("config/url")["connection_details"]["connection_url"],
        "postgresql://u:xxxxx@h/"
    );

    test.write("reset/db", json!({})).unwrap();
    test.call(Operation::Delete, "config/db", json!({}))
        .unwrap();
    assert!(
        test.call(Operation::Read, "config/db", json!({}))
            .unwrap()
            .data
            .is_none()
    );
}

#[test]
fn connections_that_cannot_be() {
    let test = Test::new();
    #[rustfmt::skip]
    let table = [
        (json!({}), "empty plugin name"),
        (json!({ "plugin_name": "nope" }), "error creating database object: plugin \"nope\" is unknown"),
        (json!({ "plugin_name": "postgresql-database-plugin", "self_managed_password": true }), "self_managed_password is not supported"),
        (json!({ "plugin_name": "postgresql-database-plugin", "max_connection_lifetime": "x" }), "invalid max_connection_lifetime"),
        (json!({ "plugin_name": "postgresql-database-plugin", "max_open_connections": "x" }), "max_open_connections"),
    ];
    for (data, expected) in table {
        let (kind, message) = test.error(Operation::Write, "config/bad", data);
        assert_eq!(kind, ErrorKind::InvalidRequest);
        assert!(message.contains(expected), "{message}");
    }
    test.fake
        .fail("bad", Some(Error::unavailable("nobody there")));
    let config = json!({ "plugin_name": "postgresql-database-plugin" });
    let (kind, message) = test.error(Operation::Write, "config/bad", config.clone());
    assert_eq!(kind, ErrorKind::InvalidRequest);
    assert_eq!(
        message,
        "error creating database object: error verifying connection: nobody there"
    );
    assert!(test.keys("config/bad").is_empty());
    let mut unverified = config;
    unverified["verify_connection"] = json!(false);
    test.write("config/bad", unverified).unwrap();
    assert_eq!(
        test.error(Operation::Write, "reset/bad", json!({})).0,
        ErrorKind::Unavailable
    );
    let (_, message) = test.error(Operation::Write, "reset/none", json!({}));
    assert_eq!(
        message,
        "failed to find entry for connection with name: \"none\""
    );
    assert_eq!(
        test.error(Operation::Read, "config/a b", json!({})),
        (ErrorKind::NotFound, "unsupported path".to_owned())
    );
}
