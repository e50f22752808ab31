//! Connections to real servers: every way to log in, and every way to lose one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::Path;

use coffer_sdk::{Backend, ErrorKind};
use coffer_tests::postgres::{Database, PASSWORD, Postgres, SUPERUSER};
use common::{change, open, removal, superuser, user};
use serde_json::{Value, json};

const CREATE: &str = "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'";

/// Ends every session of the superuser but the one that says so.
fn cut(database: &Database<'_>) {
    database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
}

#[test]
fn a_dead_connection_is_made_anew() {
    let database = Postgres::shared().database();
    let mut postgres = superuser(&database.url_template());
    postgres.ping().unwrap();
    cut(&database);
    postgres.create_user(&user("v-anew", &[CREATE])).unwrap();
    cut(&database);
    postgres
        .update_user(&change("v-anew", Some("x"), None))
        .unwrap();
    cut(&database);
    postgres.delete_user(&removal("v-anew", &[])).unwrap();
    cut(&database);
    postgres.ping().unwrap();
    assert!(database.roles_like("v-anew").is_empty());
}

#[test]
fn a_server_that_restarts() {
    let mut server = Postgres::start(&["fsync=off"]).unwrap();
    let url = server.database().url_template();
    let mut postgres = superuser(&url);
    postgres.ping().unwrap();
    server.stop();
    let error = postgres.ping().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{}", error.message);
    server.run().unwrap();
    postgres.ping().unwrap();
    server.stop();
    server.run().unwrap();
    postgres.create_user(&user("v-restart", &[CREATE])).unwrap();
    postgres.delete_user(&removal("v-restart", &[])).unwrap();
}

/// A server that was demoted says 25006 to whatever writes.
#[test]
fn a_failover() {
    let old = Postgres::start(&["fsync=off"]).unwrap();
    let new = Postgres::start(&["fsync=off"]).unwrap();
    let addresses = format!("{},{}", old.address(), new.address());
    let config = |query: &str| {
        let url = format!(
            "postgresql://{{{{username}}}}:{{{{password}}}}@{addresses}/postgres?sslmode=disable{query}"
        );
        json!({ "connection_url": url, "username": SUPERUSER, "password": PASSWORD })
    };
    let mut kept = open(config("")).unwrap();
    kept.create_user(&user("v-before", &[CREATE])).unwrap();
    let (old_database, new_database) = (old.database(), new.database());
    assert_eq!(
        old_database.roles_like("v-before").len(),
        1,
        "hosts are tried in order"
    );
    old_database.execute("ALTER SYSTEM SET default_transaction_read_only = on");
    old_database.execute("SELECT pg_reload_conf()");
    cut_all(&old_database);

    kept.create_user(&user("v-after", &[CREATE]))
        .unwrap_or_else(|error| panic!("{}", error.message));
    assert_eq!(
        new_database.roles_like("v-after").len(),
        1,
        "the other host takes over"
    );
    let mut writable = open(config("&target_session_attrs=read-write")).unwrap();
    writable.create_user(&user("v-other", &[CREATE])).unwrap();
    assert_eq!(new_database.roles_like("v-other").len(), 1);

    let only = json!({ "connection_url": old_database.url_template(), "username": SUPERUSER, "password": PASSWORD });
    let error = open(only)
        .unwrap()
        .create_user(&user("v-never", &[CREATE]))
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.contains("25006"), "{}", error.message);
}

fn cut_all(database: &Database<'_>) {
    database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'");
}

#[test]
fn hosts_that_are_away() {
    let database = Postgres::shared().database();
    let (address, gone) = (Postgres::shared().address(), coffer_tests::port::free());
    let url = format!(
        "postgresql://{{{{username}}}}:{{{{password}}}}@{gone},{address}/{}",
        database.name
    );
    superuser(&url).ping().unwrap();
    let url = format!("postgresql://{{{{username}}}}:{{{{password}}}}@{gone},{gone}/x");
    let error = superuser(&url).ping().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert_eq!(
        error.message.matches("Connection refused").count(),
        2,
        "{}",
        error.message
    );
}

#[test]
fn the_wrong_login() {
    let database = Postgres::shared().database();
    let with = |field: &str, value: Value| {
        let mut config = json!({ "connection_url": database.url_template(), "username": SUPERUSER, "password": PASSWORD });
        config[field] = value;
        let error = open(config).unwrap().ping().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable, "{}", error.message);
        error.message
    };
    let message = with("password", json!("wr0ng"));
    assert!(
        message.contains("28P01") && !message.contains("wr0ng"),
        "{message}"
    );
    assert!(with("password", json!("")).contains("none is configured"));
    assert!(with("username", json!("nobody")).contains("28P01"));
    let address = Postgres::shared().address();
    let message = with(
        "connection_url",
        json!(format!(
            "postgresql://{{{{username}}}}:{{{{password}}}}@{address}/nodb"
        )),
    );
    assert!(message.contains("3D000"), "{message}");
    let message = with(
        "connection_url",
        json!(format!(
            "postgresql://{SUPERUSER}:{{{{password}}}}@{address}/?sslmode=require"
        )),
    );
    assert!(message.contains("does not speak TLS"), "{message}");
}

/// A server that lets each user in by another method.
fn methods(data: &Path, hba: &str) -> std::io::Result<()> {
    std::fs::write(data.join("pg_hba.conf"), hba)
}

#[test]
fn every_way_to_log_in() {
    let hba = "host all of_trust all trust\nhost all of_md5 all md5\nhost all of_password all password\nhost all all all scram-sha-256\n";
    let server = Postgres::start_with(&["fsync=off"], |data| methods(data, hba)).unwrap();
    let database = server.database();
    database.execute(
        "SET password_encryption TO md5; CREATE ROLE of_md5 LOGIN PASSWORD 'p1'; \
         CREATE ROLE of_password LOGIN PASSWORD 'p2'; CREATE ROLE of_trust LOGIN",
    );
    let ping = |user: &str, password: &str, sslmode: &str| {
        let url = database
            .url_template()
            .replace("sslmode=disable", &format!("sslmode={sslmode}"));
        open(json!({ "connection_url": url, "username": user, "password": password }))
            .unwrap()
            .ping()
    };
    for (user, password) in [("of_trust", ""), ("of_md5", "p1"), ("of_password", "p2")] {
        ping(user, password, "disable").unwrap_or_else(|error| panic!("{user}: {}", error.message));
    }
    for (user, password) in [("of_md5", "x"), ("of_password", "x")] {
        assert!(
            ping(user, password, "disable")
                .unwrap_err()
                .message
                .contains("28P01")
        );
    }
    // Nobody who asked for TLS sends a password in the clear.
    for sslmode in ["prefer", "allow"] {
        assert!(
            ping("of_password", "p2", sslmode)
                .unwrap_err()
                .message
                .contains("clear text")
        );
        ping("of_md5", "p1", sslmode).unwrap();
    }
}

/// A certificate authority, and a server's certificate for `localhost` by it.
struct Authority {
    ca: String,
    certificate: String,
    key: String,
}

fn authority() -> Authority {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key).unwrap();
    let issuer = rcgen::Issuer::new(params, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    Authority {
        ca: ca.pem(),
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    }
}

#[test]
fn encryption() {
    use std::os::unix::fs::PermissionsExt;
    let authority = authority();
    let hba = "hostssl all only_tls all scram-sha-256\nhostnossl all only_tls all reject\nhostssl all of_password all password\nhost all all all scram-sha-256\n";
    let server = Postgres::start_with(&["fsync=off", "ssl=on"], |data| {
        std::fs::write(data.join("server.crt"), &authority.certificate)?;
        std::fs::write(data.join("server.key"), &authority.key)?;
        std::fs::set_permissions(
            data.join("server.key"),
            std::fs::Permissions::from_mode(0o600),
        )?;
        methods(data, hba)
    })
    .unwrap();
    let database = server.database();
    database.execute(
        "CREATE ROLE only_tls LOGIN PASSWORD 'p'; CREATE ROLE of_password LOGIN PASSWORD 'p'",
    );
    let url = |host: &str, sslmode: &str| {
        let port = server.address().port();
        format!(
            "postgresql://{{{{username}}}}:{{{{password}}}}@{host}:{port}/{}?sslmode={sslmode}",
            database.name
        )
    };
    let ping = |host: &str, sslmode: &str, user: &str, ca: &str| {
        open(json!({ "connection_url": url(host, sslmode), "username": user, "password": "p", "tls_ca": ca })).unwrap().ping()
    };
    for sslmode in ["allow", "prefer", "require", "verify-full"] {
        ping("localhost", sslmode, "only_tls", &authority.ca)
            .unwrap_or_else(|error| panic!("{sslmode}: {}", error.message));
    }
    ping("127.0.0.1", "require", "of_password", "").expect("in the clear, but within TLS");
    assert!(
        ping("localhost", "disable", "only_tls", "")
            .unwrap_err()
            .message
            .contains("28000")
    );
    assert!(
        ping("127.0.0.1", "verify-full", "only_tls", &authority.ca).is_err(),
        "another name"
    );
    assert!(
        ping(
            "localhost",
            "verify-full",
            "only_tls",
            &self::authority().ca
        )
        .is_err(),
        "another authority"
    );
}
