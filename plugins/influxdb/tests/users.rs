//! Users of a real server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use coffer_sdk::backend::{UserChange, UserNaming, UserRemoval, UserRequest};
use coffer_sdk::testing::{Connection, Host};
use coffer_sdk::{Backend, ErrorKind};
use coffer_tests::InfluxDb as Server;
use coffer_tests::influxdb::{ADMIN, PASSWORD};

/// The backend, natively or as the built component.
type InfluxDb = Connection<influxdb_plugin::InfluxDb>;
use serde_json::{Value, json};

fn connected(server: &Server, more: Value) -> (Host, InfluxDb) {
    let address = server.address();
    let host = Host::new().allow("127.0.0.1", address.port());
    let mut config = json!({
        "host": "127.0.0.1", "port": address.port(), "username": ADMIN, "password": PASSWORD,
    });
    let (Value::Object(fields), Value::Object(more)) = (&mut config, more) else {
        panic!("objects")
    };
    fields.extend(more);
    (host, InfluxDb::open(fields).unwrap())
}

fn request(username: &str, statements: &[&str]) -> UserRequest {
    UserRequest {
        username: username.to_owned(),
        password: format!("{username}'s \\ \"password\""),
        expires: None,
        statements: statements.iter().map(|text| (*text).to_owned()).collect(),
        rollback_statements: Vec::new(),
    }
}

fn removal(username: &str) -> UserRemoval {
    UserRemoval {
        username: username.to_owned(),
        statements: Vec::new(),
    }
}

fn change(username: &str, password: Option<&str>) -> UserChange {
    UserChange {
        username: username.to_owned(),
        password: password.map(str::to_owned),
        expires: Some(1),
        statements: Vec::new(),
    }
}

#[test]
fn the_life_of_a_user() {
    let server = Server::shared();
    let (_host, mut influx) = connected(server, json!({}));
    influx.ping().unwrap();
    server.ask("CREATE DATABASE life");
    let statements = r#"CREATE USER "{{username}}" WITH PASSWORD '{{password}}'; GRANT READ ON life TO "{{name}}""#;
    let user = request("v_life", &[statements]);
    assert!(!influx.exists("v_life").unwrap());
    influx.create_user(&user).unwrap();
    assert!(influx.exists("v_life").unwrap());
    let seen = server.ask_as("v_life", &user.password, "SHOW DATABASES");
    assert_eq!(seen["results"][0]["series"][0]["values"], json!([["life"]]));

    influx.update_user(&change("v_life", Some("n3w"))).unwrap();
    assert!(server.can_login("v_life", "n3w"));
    assert!(!server.can_login("v_life", &user.password));
    influx.update_user(&change("v_life", None)).unwrap();

    influx.delete_user(&removal("v_life")).unwrap();
    assert!(!server.can_login("v_life", "n3w"));
    influx
        .delete_user(&removal("v_life"))
        .expect("gone already is removed");
    let error = influx
        .update_user(&change("v_life", Some("x")))
        .unwrap_err();
    assert_eq!(error.message, "there is no user \"v_life\"");
}

#[test]
fn a_name_that_is_taken_stays_with_whoever_has_it() {
    let server = Server::shared();
    let (_host, mut influx) = connected(server, json!({}));
    server.ask("CREATE USER v_taken WITH PASSWORD 'theirs'");
    let error = influx.create_user(&request("v_taken", &[])).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict);
    assert!(server.can_login("v_taken", "theirs"));
    // Of many who want a name at once one gets it.
    let won: Vec<bool> = std::thread::scope(|threads| {
        let one = |n: u32| {
            let (_host, mut influx) = connected(server, json!({}));
            let mut user = request("v_race", &[]);
            user.password = format!("password-{n}");
            match influx.create_user(&user) {
                Ok(()) => server.can_login("v_race", &user.password),
                Err(error) => {
                    assert_eq!(error.kind, ErrorKind::Conflict, "{error:?}");
                    false
                }
            }
        };
        let all: Vec<_> = (0..8).map(|n| threads.spawn(move || one(n))).collect();
        all.into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
}

#[test]
fn what_fails_half_way_is_taken_back_and_tells_no_password() {
    let server = Server::shared();
    let (_host, mut influx) = connected(server, json!({}));
    let create = r#"CREATE USER "{{username}}" WITH PASSWORD '{{password}}'"#;
    #[rustfmt::skip]
    let table = [
        (vec![create, r#"GRANT READ ON nowhere_at_all TO "{{username}}""#], "database not found"),
        (vec!["CREATE USER {{password}}"], "error parsing query"),
        (vec!["SHOW DATABASES"], "have not made the user"),
    ];
    for (statements, says) in table {
        let mut user = request("v_half", &statements);
        user.password = "swordfish123".to_owned();
        let error = influx.create_user(&user).unwrap_err();
        assert!(error.message.contains(says), "{error:?}");
        assert!(!error.message.contains("swordfish123"), "{error:?}");
        assert_eq!(server.users_like("v_half"), Vec::<String>::new());
    }
    let mut user = request("v_half", &[create, "DROP DATABASE"]);
    user.rollback_statements =
        vec![r#"DROP USER "{{username}}"; CREATE DATABASE rolled_back"#.to_owned()];
    influx.create_user(&user).unwrap_err();
    assert!(
        server
            .ask("SHOW DATABASES")
            .to_string()
            .contains("rolled_back")
    );
}

#[test]
fn who_is_not_let_in_is_told_so_and_who_is_not_there_is_unavailable() {
    let server = Server::shared();
    let (_host, mut influx) = connected(server, json!({ "password": "wrong-password" }));
    let error = influx.ping().unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidRequest);
    assert!(
        error.message.contains("authorization failed (28P01)"),
        "{error:?}"
    );
    server.ask("CREATE USER v_weak WITH PASSWORD 'weak-password'");
    let (_host, mut influx) = connected(
        server,
        json!({ "username": "v_weak", "password": "weak-password" }),
    );
    let error = influx.ping().unwrap_err();
    assert!(
        error.message.contains("requires admin privilege"),
        "{error:?}"
    );
    // Somebody who listens and says nothing that makes sense.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for answer in [
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]",
            "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n",
        ] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = [0; 4096];
            std::io::Read::read(&mut stream, &mut buffer).unwrap();
            std::io::Write::write_all(&mut stream, answer.as_bytes()).unwrap();
        }
    });
    let host = Host::new().allow("127.0.0.1", port);
    let config = json!({ "host": "127.0.0.1", "port": port, "username": "u", "password": "p" });
    let mut influx = InfluxDb::open(config.as_object().unwrap()).unwrap();
    for _ in 0..3 {
        let error = influx.ping().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error:?}");
    }
    drop(host);
}

#[test]
fn names_say_for_whom_they_are() {
    let (_host, mut influx) = connected(Server::shared(), json!({}));
    let name = |influx: &mut InfluxDb, display: &str, template: &str| {
        influx.username(&UserNaming {
            display_name: display.to_owned(),
            role_name: "app".to_owned(),
            template: template.to_owned(),
        })
    };
    let made = name(&mut influx, "token-\"ci\"; DROP", "").unwrap();
    assert!(made.starts_with("v_token__ci___dro_app_"), "{made}");
    assert_eq!(
        name(&mut influx, "ci", "{{.DisplayName}}-x").unwrap(),
        "ci-x"
    );
    for bad in ["{{.Nobody}}", "{{"] {
        assert!(name(&mut influx, "ci", bad).is_err());
    }
}

#[test]
fn the_component_does_the_same_in_the_sandbox() {
    coffer_tests::plugin::once_more_as_component("influxdb-database-plugin");
}
