//! TLS, as a real server speaks it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kit;

use coffer_sdk::testing::Host;
use coffer_sdk::{Backend, ErrorKind};
use coffer_tests::valkey::{ADMIN, PASSWORD, Valkey as Server};
use kit::{open, password, removal, user};
use serde_json::{Value, json};

/// A certificate authority, a server's certificate for `localhost` by it, and a client's.
struct Authority {
    ca: String,
    server: (String, String),
    client: (String, String),
}

fn authority() -> Authority {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key).unwrap();
    let issuer = rcgen::Issuer::new(params, ca_key);
    let signed = |name: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        // OpenSSL takes a certificate of the same name as its issuer for its own issuer.
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    };
    Authority {
        ca: ca.pem(),
        server: signed("localhost"),
        client: signed("coffer"),
    }
}

/// A server that listens with TLS at another port, and that port.
fn start(authority: &Authority, clients: &str) -> (Server, u16) {
    let port = coffer_tests::port::free().port();
    let settings = [
        &format!("tls-port {port}"),
        "tls-cert-file server.crt",
        "tls-key-file server.key",
        "tls-ca-cert-file ca.crt",
        &format!("tls-auth-clients {clients}"),
    ];
    let server = Server::start_with(&settings, |folder| {
        std::fs::write(folder.join("ca.crt"), &authority.ca)?;
        std::fs::write(folder.join("server.crt"), &authority.server.0)?;
        std::fs::write(folder.join("server.key"), &authority.server.1)
    });
    (server.unwrap(), port)
}

fn config(host: &str, port: u16, more: Value) -> Value {
    let mut config =
        json!({ "host": host, "port": port, "username": ADMIN, "password": PASSWORD, "tls": true });
    let more = more.as_object().unwrap().clone();
    config.as_object_mut().unwrap().extend(more);
    config
}

#[test]
fn whom_it_trusts() {
    let authority = authority();
    let (server, port) = start(&authority, "no");
    let _host = Host::new()
        .allow("localhost", port)
        .allow("127.0.0.1", port);
    let ping = |host: &str, more: Value| open(config(host, port, more)).unwrap().ping();

    let mut valkey = open(config(
        "localhost",
        port,
        json!({ "ca_cert": authority.ca }),
    ))
    .unwrap();
    valkey.create_user(&user("v-tls", &[])).unwrap();
    assert!(server.can_login("v-tls", &password("v-tls")));
    valkey.delete_user(&removal("v-tls")).unwrap();
    assert!(server.users_like("v-").is_empty());

    ping("127.0.0.1", json!({ "insecure_tls": true })).expect("anybody will do");
    for (what, refused) in [
        (
            "another name",
            ping("127.0.0.1", json!({ "ca_cert": authority.ca })),
        ),
        (
            "another authority",
            ping("localhost", json!({ "ca_cert": self::authority().ca })),
        ),
        ("no TLS", ping("localhost", json!({ "tls": false }))),
    ] {
        let error = refused.expect_err(what);
        assert_eq!(error.kind, ErrorKind::Unavailable, "{what}: {error:?}");
    }
}

#[test]
fn who_it_is() {
    let authority = authority();
    let (_server, port) = start(&authority, "yes");
    let _host = Host::new().allow("localhost", port);
    let (certificate, key) = &authority.client;
    let with =
        json!({ "ca_cert": authority.ca, "tls_certificate": certificate, "private_key": key });
    open(config("localhost", port, with))
        .unwrap()
        .ping()
        .unwrap();
    let without = json!({ "ca_cert": authority.ca });
    let error = open(config("localhost", port, without))
        .unwrap()
        .ping()
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error:?}");
}
