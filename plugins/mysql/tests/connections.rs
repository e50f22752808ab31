//! Connections to real servers: every way to log in, and every way to lose one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use coffer_sdk::testing::{Fault, Host};
use coffer_sdk::{Backend, ErrorKind};
use coffer_tests::mysql::{PASSWORD, SUPERUSER};
use coffer_tests::{MySql as Server, until};
use common::{CREATE, change, config, host, open, removal, superuser, user};
use serde_json::{Value, json};

/// Ends every session of the superuser but the one that says so.
fn cut(server: &Server) {
    for row in server.query(&format!(
        "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '{SUPERUSER}' AND ID <> CONNECTION_ID()"
    )) {
        // One that has just ended needs no end.
        server
            .try_query(SUPERUSER, PASSWORD, &format!("KILL {}", row[0]))
            .ok();
    }
}

#[test]
fn a_dead_connection_is_made_anew() {
    let server = Server::start(&[]).unwrap();
    let _host = host(server.address().port());
    let mut mysql = superuser(&server);
    mysql.ping().unwrap();
    cut(&server);
    mysql.create_user(&user("v-anew", &[CREATE])).unwrap();
    cut(&server);
    mysql
        .update_user(&change("v-anew", Some("x"), None))
        .unwrap();
    cut(&server);
    assert!(mysql.exists("v-anew").unwrap());
    cut(&server);
    mysql.delete_user(&removal("v-anew", &[])).unwrap();
    cut(&server);
    mysql.ping().unwrap();
    // One that the server itself has closed says so when it is used.
    server.execute("SET GLOBAL wait_timeout = 1");
    let mut idle = superuser(&server);
    idle.ping().unwrap();
    std::thread::sleep(Duration::from_millis(2500));
    idle.ping().unwrap();
    assert!(server.users_like("v-%").is_empty());
}

#[test]
fn a_server_that_restarts() {
    let mut server = Server::start(&[]).unwrap();
    let _host = host(server.address().port());
    let mut mysql = superuser(&server);
    mysql.ping().unwrap();
    server.stop();
    let error = mysql.ping().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{}", error.message);
    server.run().unwrap();
    mysql.ping().unwrap();
    server.stop();
    server.run().unwrap();
    mysql.create_user(&user("v-restart", &[CREATE])).unwrap();
    mysql.delete_user(&removal("v-restart", &[])).unwrap();
    assert!(server.users_like("v-%").is_empty());
}

/// A server that was demoted refuses whatever writes.
#[test]
fn a_server_that_became_read_only() {
    let server = Server::start(&[]).unwrap();
    let _host = host(server.address().port());
    // Whoever has READ ONLY ADMIN may write all the same.
    server.execute(
        "CREATE USER 'v_ops'@'%' IDENTIFIED BY 'x'; \
         GRANT CREATE USER, PROCESS, CONNECTION ADMIN, SELECT ON *.* TO 'v_ops'@'%'",
    );
    let mut login = config(&server.url_template());
    (login["username"], login["password"]) = (json!("v_ops"), json!("x"));
    let mut mysql = open(login).unwrap();
    mysql.create_user(&user("v-before", &[CREATE])).unwrap();
    server.execute("SET GLOBAL read_only = 1");
    let errors = [
        mysql.create_user(&user("v-after", &[CREATE])).unwrap_err(),
        mysql.delete_user(&removal("v-before", &[])).unwrap_err(),
        mysql
            .update_user(&change("v-before", Some("x"), None))
            .unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind, ErrorKind::Unavailable, "{}", error.message);
        assert!(error.message.contains("read-only"), "{}", error.message);
    }
    assert_eq!(server.users_like("v-%"), ["v-before@%"]);
    server.execute("SET GLOBAL read_only = 0");
    mysql.delete_user(&removal("v-before", &[])).unwrap();
    assert!(server.users_like("v-%").is_empty());
}

#[test]
fn a_creation_under_way_ends_first() {
    let server = Server::shared();
    let port = server.address().port();
    std::thread::scope(|scope| {
        let creation = scope.spawn(move || {
            let _host = host(port);
            superuser(server).create_user(&user("v-slow", &[CREATE, "SELECT SLEEP(15), 'v-slow'"]))
        });
        until(Duration::from_secs(10), "the creation is under way", || {
            let sleeps = "SELECT 1 FROM information_schema.PROCESSLIST WHERE STATE = 'User sleep' AND INFO LIKE '%v-slow%'";
            !server.query(sleeps).is_empty()
        });
        let _host = host(port);
        let mut mysql = superuser(server);
        let error = mysql.create_user(&user("v-slow", &[CREATE])).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Conflict, "{error:?}");
        mysql.delete_user(&removal("v-slow", &[])).unwrap();
        let error = creation.join().unwrap().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error:?}");
    });
    assert!(server.users_like("v-slow").is_empty());
    let _host = host(port);
    let mut mysql = superuser(server);
    mysql.create_user(&user("v-slow", &[CREATE])).unwrap();
    mysql.delete_user(&removal("v-slow", &[])).unwrap();
    assert!(server.users_like("v-slow").is_empty());
}

/// Somebody who began to log in before the user was dropped, and takes their time.
#[test]
fn a_login_that_is_under_way_is_ended_too() {
    use std::io::Read;
    let server = Server::start(&[]).unwrap();
    let _host = host(server.address().port());
    let mut mysql = superuser(&server);
    mysql.create_user(&user("v-late", &[CREATE])).unwrap();
    let mut slow = std::net::TcpStream::connect(server.address()).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    assert!(slow.read(&mut [0; 256]).unwrap() > 0, "the greeting");
    mysql.delete_user(&removal("v-late", &[])).unwrap();
    let end = slow.read_to_end(&mut Vec::new());
    assert!(end.is_ok() || end.unwrap_err().kind() != std::io::ErrorKind::WouldBlock);
    assert!(server.users_like("v-late").is_empty());
}

/// Wherever the network breaks, what is left is for the removal that the host calls for.
#[test]
fn the_network_fails_at_every_step() {
    let server = Server::shared();
    let port = server.address().port();
    let mut made = 0;
    for step in 1..40 {
        for fault in [Fault::Read(step), Fault::Write(step), Fault::End(step)] {
            let host = host(port);
            host.fail_network(fault);
            let mut mysql = superuser(server);
            let request = user(
                "v-broken",
                &[CREATE, "GRANT SELECT ON mysql.* TO '{{name}}'@'%'"],
            );
            match mysql.create_user(&request) {
                Ok(()) => made += 1,
                Err(error) => assert_eq!(error.kind, ErrorKind::Unavailable, "{fault:?} {error:?}"),
            }
            match mysql.delete_user(&removal("v-broken", &[])) {
                Ok(()) => {}
                Err(error) => {
                    assert_eq!(error.kind, ErrorKind::Unavailable, "{fault:?} {error:?}");
                    mysql.delete_user(&removal("v-broken", &[])).unwrap();
                }
            }
            assert!(server.users_like("v-broken").is_empty(), "{fault:?}");
        }
    }
    assert!(made > 20, "{made}");
    assert!(server.users_like("v-broken").is_empty());
    let host = host(port);
    host.fail_network(Fault::Connect(1));
    let error = superuser(server).ping().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    drop(host);
    let _host = Host::new();
    let error = superuser(server).ping().unwrap_err();
    assert_eq!(error.kind, ErrorKind::PermissionDenied);
}

#[test]
fn the_wrong_login() {
    let server = Server::shared();
    let gone = coffer_tests::port::free();
    let _host = host(server.address().port()).allow("127.0.0.1", gone.port());
    let with = |field: &str, value: Value| {
        let mut config = config(&server.url_template());
        config[field] = value;
        let error = open(config).unwrap().ping().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable, "{}", error.message);
        error.message
    };
    let message = with("password", json!("wr0ng"));
    assert!(
        message.contains("Error 1045") && !message.contains("wr0ng"),
        "{message}"
    );
    assert!(with("password", json!("")).contains("Error 1045"));
    assert!(with("username", json!("nobody")).contains("Error 1045"));
    let url = |rest: &str| json!(format!("{}{rest}", server.url_template()));
    assert!(with("connection_url", url("nodb")).contains("Error 1049"));
    assert!(with("connection_url", url("?tls=true")).contains("does not speak TLS"));
    assert!(with("connection_url", url("?nonsense=1")).contains("Error 1193"));
    let message = with(
        "connection_url",
        json!(format!("{{{{username}}}}:x@tcp({gone})/")),
    );
    assert!(message.contains(&gone.to_string()), "{message}");
    open(config(
        url("mysql?tls=preferred&timeout=5s&max_statement_time=60")
            .as_str()
            .unwrap(),
    ))
    .unwrap()
    .ping()
    .unwrap();
}

#[test]
fn other_ways_to_log_in() {
    let server = Server::start(&["--plugin-load-add=auth_ed25519"]).unwrap();
    let _host = host(server.address().port());
    server.execute(
        "CREATE USER 'of_nothing'@'%' IDENTIFIED BY ''; CREATE USER 'of_ed25519'@'%' IDENTIFIED VIA ed25519 USING PASSWORD('p'); \
         CREATE USER 'of_both'@'%' IDENTIFIED VIA ed25519 USING PASSWORD('p') OR mysql_native_password USING PASSWORD('p')",
    );
    let ping = |user: &str, password: &str| {
        let mut login = config(&server.url_template());
        (login["username"], login["password"]) = (json!(user), json!(password));
        open(login).unwrap().ping()
    };
    ping("of_nothing", "").unwrap();
    let error = ping("of_ed25519", "p").unwrap_err();
    assert!(
        error.message.contains("client_ed25519"),
        "{}",
        error.message
    );
}

/// A certificate authority, and a certificate for `localhost` by it.
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
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    // OpenSSL takes one of the same name as its issuer's for the issuer's.
    let name = rcgen::DnType::CommonName;
    params.distinguished_name.push(name, "localhost");
    let certificate = params.signed_by(&key, &issuer).unwrap();
    Authority {
        ca: ca.pem(),
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    }
}

#[test]
fn encryption() {
    let authority = authority();
    let server = Server::start_with(|folder| {
        let file = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).map(|()| path.display().to_string())
        };
        Ok(vec![
            format!("--ssl-ca={}", file("ca.pem", &authority.ca)?),
            format!("--ssl-cert={}", file("cert.pem", &authority.certificate)?),
            format!("--ssl-key={}", file("key.pem", &authority.key)?),
        ])
    })
    .unwrap();
    let port = server.address().port();
    let _host = host(port);
    server.execute(
        "CREATE USER only_tls@'%' IDENTIFIED BY 'p' REQUIRE SSL; CREATE USER only_known@'%' IDENTIFIED BY 'p' REQUIRE X509",
    );
    let ping = |server: &str, user: &str, query: &str, fields: Value| {
        let mut login = json!({
            "connection_url": format!("{user}:{{{{password}}}}@tcp({server}:{port})/?{query}"), "password": "p",
        });
        let all = login.as_object_mut().unwrap();
        all.extend(fields.as_object().unwrap().clone());
        open(login).unwrap().ping().map_err(|error| error.message)
    };
    let ca = || json!({ "tls_ca": authority.ca });
    ping("localhost", "only_tls", "", ca()).unwrap();
    ping("localhost", "only_tls", "tls=true", ca()).unwrap();
    for query in ["tls=skip-verify", "tls=preferred"] {
        ping("127.0.0.1", "only_tls", query, json!({})).unwrap();
    }
    let plain = ping("localhost", "only_tls", "", json!({})).unwrap_err();
    assert!(plain.contains("Error 1045"), "{plain}");
    let other_name = ping("127.0.0.1", "only_tls", "", ca()).unwrap_err();
    assert!(other_name.contains("TLS with"), "{other_name}");
    let named = json!({ "tls_ca": authority.ca, "tls_server_name": "localhost" });
    ping("127.0.0.1", "only_tls", "", named).unwrap();
    let trusting = json!({ "tls_ca": self::authority().ca, "tls_skip_verify": true });
    ping("127.0.0.1", "only_tls", "", trusting).unwrap();
    let other_ca = json!({ "tls_ca": self::authority().ca });
    ping("localhost", "only_tls", "", other_ca).unwrap_err();

    ping("localhost", "only_known", "", ca()).unwrap_err();
    let both = format!("{}{}", authority.certificate, authority.key);
    let known = json!({ "tls_ca": authority.ca, "tls_certificate_key": both });
    ping("localhost", "only_known", "", known).unwrap();

    // A user's whole life within TLS.
    let url = format!("{{{{username}}}}:{{{{password}}}}@tcp(localhost:{port})/");
    let login = json!({ "connection_url": url, "username": SUPERUSER, "password": PASSWORD, "tls_ca": authority.ca });
    let mut mysql = open(login).unwrap();
    let request = user("v-tls", &[CREATE]);
    mysql.create_user(&request).unwrap();
    assert!(server.can_login("v-tls", &request.password));
    mysql.delete_user(&removal("v-tls", &[])).unwrap();
    assert!(server.users_like("v-tls").is_empty());
}
