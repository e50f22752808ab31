//! Database backends: their connections, what those may carry, and where they may lead.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use coffer_runtime::MountContext;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use support::database::{Server, ask, db, with};
use support::{fixture, mount, token};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

#[tokio::test]
async fn calls_outside_forbid_a_second_run() {
    let (fixture, server) = (fixture().await, Server::default());
    let mount = Arc::new(mount("db"));
    let url = server.start(None).await;
    for (path, touched) in [
        ("db/username", false),
        ("db/ping", false),
        ("db/create", true),
    ] {
        let outcome = fixture.call(&mount, token("t"), path, db(&url)).await;
        assert!(outcome.result.is_ok_and(|result| result.is_ok()));
        assert_eq!(outcome.touched, touched, "{path}");
    }
}

#[tokio::test]
async fn a_connection_in_doubt_is_not_used_again() {
    let (fixture, server) = (fixture().await, Server::default());
    let mount = Arc::new(mount("db"));
    let url = server.start(None).await;
    ask(&fixture, &mount, "db/ping", db(&url)).await.unwrap();
    let hung_up = ask(
        &fixture,
        &mount,
        "db/create",
        with(db(&url), json!({"statements": ["hangup"]})),
    )
    .await;
    assert_eq!(
        hung_up,
        Err("ErrorKind::Unavailable: the database hung up".to_owned())
    );
    ask(&fixture, &mount, "db/ping", db(&url)).await.unwrap();
    assert_eq!(server.connections(), 2);
    let trapped = ask(
        &fixture,
        &mount,
        "db/create",
        with(db(&url), json!({"statements": ["panic"]})),
    )
    .await;
    let expected =
        "database plugin \"backend\" failed: trap: wasm `unreachable` instruction executed";
    assert_eq!(trapped, Err(format!("ErrorKind::Unavailable: {expected}")));
    ask(&fixture, &mount, "db/ping", db(&url)).await.unwrap();
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn a_database_that_hangs_is_reported_by_the_plugin_in_time() {
    let (fixture, server) = (fixture().await, Server::default());
    let mount = Arc::new(MountContext {
        deadline: Duration::from_millis(800),
        ..mount("db")
    });
    let url = server.start(None).await;
    let started = Instant::now();
    let answer = ask(
        &fixture,
        &mount,
        "db/create",
        with(db(&url), json!({"statements": ["hang"]})),
    )
    .await
    .unwrap_err();
    assert!(
        answer.starts_with("ErrorKind::Unavailable: database \"db\" has not answered for "),
        "{answer}"
    );
    assert!(started.elapsed() < Duration::from_millis(800));
    server.until_open(0).await;
    // The same, where the calls are given up from outside.
    let hang = fixture.call(
        &mount,
        token("t"),
        "db/create",
        with(db(&url), json!({"statements": ["hang"]})),
    );
    assert!(
        tokio::time::timeout(Duration::from_millis(100), hang)
            .await
            .is_err()
    );
    server.until_open(0).await;
    ask(&fixture, &mount, "db/ping", db(&url)).await.unwrap();
}

#[tokio::test]
async fn only_granted_destinations() {
    let (fixture, server) = (fixture().await, Server::default());
    let mount = Arc::new(mount("db"));
    let url = server.start(None).await;
    let port = url.rsplit_once(':').unwrap().1.to_owned();
    let ping = async |config: Value| {
        ask(
            &fixture,
            &mount,
            "db/ping",
            json!({"name": "db", "config": config}),
        )
        .await
    };
    #[rustfmt::skip]
    let table = [
        (url.clone(), url.clone(), None),
        (format!("localhost:{port}"), format!("localhost:{port}"), None),
        (url.clone(), format!("127.0.0.2:{port}"),
            Some(format!("destination \"127.0.0.2:{port}\" is not granted: no configuration names it, and the plugin was not granted it by name"))),
        (url.clone(), format!("localhost:{port}"),
            Some(format!("destination \"localhost:{port}\" is not granted: no configuration names it, and the plugin was not granted it by name"))),
        (url.clone(), "127.0.0.1:1".to_owned(),
            Some("destination \"127.0.0.1:1\" is not granted: no configuration names it, and the plugin was not granted it by name".to_owned())),
        // A name that leads home.
        (format!("127.1:{port}"), format!("127.1:{port}"),
            Some("destination \"127.1\" resolves to 127.0.0.1, which is not allowed for a name".to_owned())),
    ];
    for (url, dial, refused) in table {
        let expected = refused.map_or(Ok(json!({})), |reason| {
            Err(format!("ErrorKind::PermissionDenied: {reason}"))
        });
        assert_eq!(
            ping(json!({"url": url, "dial": dial})).await,
            expected,
            "{url} {dial}"
        );
    }
    let nobody = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let down = ping(json!({"url": nobody.to_string()})).await;
    assert_eq!(
        down,
        Err(format!(
            "ErrorKind::Unavailable: cannot connect to {nobody}: Connection refused (os error 111)"
        ))
    );
}

#[tokio::test]
async fn what_cannot_be_opened_says_why() {
    let fixture = fixture().await;
    let mount = Arc::new(mount("db"));
    #[rustfmt::skip]
    let table = [
        (json!({"plugin": "nothing"}), "InvalidRequest: plugin not found in the catalog: nothing"),
        (json!({"plugin": "guest"}), "InvalidRequest: plugin \"guest\" is not a database plugin"),
        (json!({"config": {"refuse": true}}), "InvalidRequest: this configuration is refused"),
    ];
    for (data, expected) in table {
        assert_eq!(
            ask(&fixture, &mount, "db/ping", data).await,
            Err(format!("ErrorKind::{expected}"))
        );
    }
}

/// A certificate authority, and a server that has a certificate of it.
struct Tls {
    roots: String,
    acceptor: TlsAcceptor,
}

fn tls(authority: &str, name: &str) -> Tls {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params
        .distinguished_name
        .push(DnType::CommonName, authority);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let server_key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let server = params.signed_by(&server_key, &issuer).unwrap();
    serve(authority.pem(), &server, &server_key)
}

/// A server whose certificate is its own authority.
fn self_signed(name: &str) -> Tls {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let server = params.self_signed(&key).unwrap();
    serve(server.pem(), &server, &key)
}

fn serve(roots: String, server: &rcgen::Certificate, key: &KeyPair) -> Tls {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(server.der().to_vec())],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    Tls {
        roots,
        acceptor: TlsAcceptor::from(Arc::new(config)),
    }
}

#[tokio::test]
async fn tls_is_verified_as_far_as_asked_for() {
    let (fixture, server, mine, other) = (
        fixture().await,
        Server::default(),
        tls("mine", "db.example"),
        tls("other", "db.example"),
    );
    let mount = Arc::new(mount("db"));
    let url = server.start(Some(mine.acceptor.clone())).await;
    let own = self_signed("db.example");
    let its_own = Server::default();
    let own_url = its_own.start(Some(own.acceptor.clone())).await;
    let untrusted = "invalid peer certificate: UnknownIssuer";
    let wrong_name = "invalid peer certificate: certificate not valid for name \"else.example\"";
    #[rustfmt::skip]
    let table = [
        (&url, "none", "else.example", "", None),
        (&url, "chain", "else.example", mine.roots.as_str(), None),
        (&url, "chain", "else.example", other.roots.as_str(), Some(untrusted)),
        (&url, "chain", "else.example", "", Some(untrusted)),
        (&url, "full", "db.example", mine.roots.as_str(), None),
        (&url, "full", "else.example", mine.roots.as_str(), Some(wrong_name)),
        (&url, "full", "db.example", other.roots.as_str(), Some(untrusted)),
        (&own_url, "chain", "else.example", own.roots.as_str(), None),
        (&own_url, "full", "db.example", own.roots.as_str(), None),
        (&own_url, "full", "else.example", own.roots.as_str(), Some(wrong_name)),
        (&own_url, "chain", "db.example", mine.roots.as_str(), Some("invalid peer certificate")),
    ];
    for (url, verification, name, roots, refused) in table {
        let tls = json!({"verification": verification, "server_name": name, "roots": roots});
        let answer = ask(
            &fixture,
            &mount,
            "db/ping",
            json!({"name": "db", "config": {"url": url, "tls": tls}}),
        )
        .await;
        match refused {
            None => assert_eq!(answer, Ok(json!({})), "{verification} {name}"),
            Some(reason) => {
                let answer = answer.unwrap_err();
                assert!(
                    answer
                        .starts_with(&format!("ErrorKind::Unavailable: TLS with {url}: {reason}")),
                    "{answer}"
                );
            }
        }
    }
    for (tls, expected) in [
        (
            json!({"verification": "full", "server_name": "db.example", "roots": "rubbish"}),
            "the root certificate holds no PEM certificate",
        ),
        (
            json!({"verification": "full", "server_name": "not a name", "roots": mine.roots}),
            "\"not a name\" is neither a host name nor an address",
        ),
        (
            json!({"verification": "none", "server_name": "x", "certificate": mine.roots, "key": "rubbish"}),
            "the client key is no PEM private key",
        ),
    ] {
        let answer = ask(
            &fixture,
            &mount,
            "db/ping",
            json!({"name": "db", "config": {"url": url, "tls": tls}}),
        )
        .await;
        assert_eq!(
            answer,
            Err(format!("ErrorKind::InvalidRequest: {expected}"))
        );
    }
}
