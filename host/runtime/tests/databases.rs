//! Database backends: their connections, their pools, and where they may connect to.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use coffer_runtime::MountContext;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use support::{Fixture, fixture, mount, token};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A server of the protocol that the guest `backend` speaks.
#[derive(Clone, Default)]
struct Server {
    connections: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
}

impl Server {
    /// Returns its address.
    async fn start(&self, tls: Option<TlsAcceptor>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = self.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (server, tls) = (server.clone(), tls.clone());
                tokio::spawn(async move {
                    server.connections.fetch_add(1, Ordering::SeqCst);
                    server.open.fetch_add(1, Ordering::SeqCst);
                    match tls {
                        None => serve(stream).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream).await;
                            }
                        }
                    }
                    server.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        address
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    async fn until_open(&self, count: usize) {
        while self.open.load(Ordering::SeqCst) != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|len| len > 0) {
        let answer = match line.split_whitespace().nth(2) {
            // Until the client has had enough.
            Some("hang") => {
                let _ = stream.read_line(&mut line).await;
                return;
            }
            Some("hangup") => return,
            Some("fail") => "permission denied for the role\n",
            _ => "ok\n",
        };
        if let Some("slow") = line.split_whitespace().nth(2) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        if stream.get_mut().write_all(answer.as_bytes()).await.is_err()
            || stream.get_mut().flush().await.is_err()
        {
            return;
        }
        line.clear();
    }
}

fn db(url: &str) -> Value {
    json!({"name": "db", "config": {"url": url}})
}

fn with(mut data: Value, more: Value) -> Value {
    data.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    data
}

async fn ask(
    fixture: &Fixture,
    mount: &Arc<MountContext>,
    path: &str,
    data: Value,
) -> Result<Value, String> {
    fixture.ask(mount, token("t"), path, data).await
}

#[tokio::test]
async fn a_connection_is_kept_and_shared_by_the_mounts_callers() {
    let (fixture, server) = (fixture().await, Server::default());
    let (mount, other) = (Arc::new(mount("db")), Arc::new(support::mount("other")));
    let url = server.start(None).await;
    let answer = ask(&fixture, &mount, "db/username", db(&url)).await;
    assert_eq!(answer, Ok(json!({"username": "v-d-r-1"})));
    assert_eq!(server.connections(), 0, "a name needs no connection");
    ask(&fixture, &mount, "db/ping", db(&url)).await.unwrap();
    ask(&fixture, &mount, "db/create", db(&url)).await.unwrap();
    fixture
        .ask(&mount, token("another"), "db/create", db(&url))
        .await
        .unwrap();
    assert_eq!(server.connections(), 1);
    // What the database refuses is told, and costs no connection.
    let refused = ask(
        &fixture,
        &mount,
        "db/create",
        with(db(&url), json!({"statements": ["fail"]})),
    )
    .await;
    assert_eq!(
        refused,
        Err("ErrorKind::InvalidRequest: permission denied for the role".to_owned())
    );
    ask(&fixture, &mount, "db/create", db(&url)).await.unwrap();
    assert_eq!(server.connections(), 1);
    ask(&fixture, &other, "db/ping", db(&url)).await.unwrap();
    assert_eq!(server.connections(), 2, "another mount has its own");
    // Another configuration is another pool, and the old one's connection is closed.
    ask(
        &fixture,
        &mount,
        "db/ping",
        with(db(&url), json!({"config": {"url": url, "x": 1}})),
    )
    .await
    .unwrap();
    assert_eq!(server.connections(), 3);
    server.until_open(2).await;
    ask(&fixture, &mount, "db/close", json!({"name": "db"}))
        .await
        .unwrap();
    server.until_open(1).await;
    fixture.plugins.clear();
    server.until_open(0).await;
}

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
async fn no_more_connections_than_configured() {
    let (fixture, server) = (Arc::new(fixture().await), Server::default());
    let mount = Arc::new(mount("db"));
    let url = server.start(None).await;
    let slow = with(
        db(&url),
        json!({"max_connections": 2, "statements": ["slow"]}),
    );
    let calls = (0..6).map(|caller| {
        let (fixture, mount, slow) = (fixture.clone(), mount.clone(), slow.clone());
        tokio::spawn(async move {
            fixture
                .ask(&mount, token(&caller.to_string()), "db/create", slow)
                .await
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(server.connections(), 2);
    // While both are in use, a name can still be had, and who cannot wait is told.
    let hang = with(
        db(&url),
        json!({"max_connections": 2, "statements": ["hang"]}),
    );
    let hanging: Vec<_> = (0..2)
        .map(|caller| {
            let (fixture, mount, hang) = (fixture.clone(), mount.clone(), hang.clone());
            tokio::spawn(async move {
                fixture
                    .ask(&mount, token(&caller.to_string()), "db/create", hang)
                    .await
            })
        })
        .collect();
    let short = Arc::new(MountContext {
        deadline: Duration::from_millis(400),
        ..support::mount("db")
    });
    let ping = async || {
        ask(
            &fixture,
            &short,
            "db/ping",
            with(db(&url), json!({"max_connections": 2})),
        )
        .await
    };
    let busy = loop {
        if let Err(error) = ping().await {
            break error;
        }
    };
    assert_eq!(
        busy,
        "ErrorKind::Unavailable: all 2 connections to database \"db\" are in use"
    );
    ask(
        &fixture,
        &mount,
        "db/username",
        with(db(&url), json!({"max_connections": 2})),
    )
    .await
    .unwrap();
    hanging.iter().for_each(tokio::task::JoinHandle::abort);
    server.until_open(0).await;
}

#[tokio::test]
async fn a_connection_is_retired_when_its_lifetime_is_over() {
    let (fixture, server) = (fixture().await, Server::default());
    let mount = Arc::new(mount("db"));
    let data = with(db(&server.start(None).await), json!({"max_lifetime": 1}));
    ask(&fixture, &mount, "db/ping", data.clone())
        .await
        .unwrap();
    let started = Instant::now();
    while server.connections() == 1 {
        assert!(started.elapsed() < Duration::from_secs(5));
        ask(&fixture, &mount, "db/ping", data.clone())
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(started.elapsed() > Duration::from_millis(900));
    server.until_open(1).await;
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
            Some(format!("destination \"127.0.0.2:{port}\" is not granted: the connection's configuration does not name it"))),
        (url.clone(), format!("localhost:{port}"),
            Some(format!("destination \"localhost:{port}\" is not granted: the connection's configuration does not name it"))),
        (url.clone(), "127.0.0.1:1".to_owned(),
            Some("destination \"127.0.0.1:1\" is not granted: the connection's configuration does not name it".to_owned())),
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
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(server.der().to_vec())],
            PrivateKeyDer::try_from(server_key.serialize_der()).unwrap(),
        )
        .unwrap();
    Tls {
        roots: authority.pem(),
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
    let untrusted = "invalid peer certificate: UnknownIssuer";
    let wrong_name = "invalid peer certificate: certificate not valid for name \"else.example\"";
    #[rustfmt::skip]
    let table = [
        ("none", "else.example", "", None),
        ("chain", "else.example", mine.roots.as_str(), None),
        ("chain", "else.example", other.roots.as_str(), Some(untrusted)),
        ("chain", "else.example", "", Some(untrusted)),
        ("full", "db.example", mine.roots.as_str(), None),
        ("full", "else.example", mine.roots.as_str(), Some(wrong_name)),
        ("full", "db.example", other.roots.as_str(), Some(untrusted)),
    ];
    for (verification, name, roots, refused) in table {
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
