//! A server from a configuration file: what it listens with, and how it stops.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use coffer_tests::server::binary;
use coffer_tests::{Cli, Server, port, until};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

const BOUND: Duration = Duration::from_secs(20);

/// Writes `ca.pem`, and a certificate that it has signed for the loopback interface with its key.
fn certificates(folder: &Path) {
    certificate(folder, "ca.pem", "cert.pem", "key.pem");
}

fn certificate(folder: &Path, ca_file: &str, cert_file: &str, key_file: &str) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])
        .unwrap()
        .signed_by(&key, &Issuer::new(ca, ca_key))
        .unwrap();
    for (name, text) in [
        (ca_file, ca_pem),
        (cert_file, leaf.pem()),
        (key_file, key.serialize_pem()),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

fn with_tls() -> Server {
    with_tls_and("")
}

/// With more settings of the listener, in whose text `FOLDER` is the server's.
fn with_tls_and(settings: &str) -> Server {
    Server::configured(&binary().unwrap(), "https", |folder, address| {
        certificates(folder);
        certificate(folder, "client-ca.pem", "client.pem", "client-key.pem");
        let file = |name: &str| folder.join(name).display().to_string();
        format!(
            "storage \"inmem\" {{}}\napi_addr = \"https://coffer.example:8200\"\nlistener \"tcp\" {{\n  address = \"{address}\"\n  \
             tls_cert_file = {:?}\n  tls_key_file = {:?}\n  {}\n}}\n",
            file("cert.pem"),
            file("key.pem"),
            settings.replace("FOLDER", &folder.display().to_string())
        )
    })
    .unwrap()
}

#[test]
fn a_listener_speaks_tls() {
    let server = with_tls();
    let cli = |variables: &[(&str, &str)]| {
        let cli = Cli::at(&server.url(), "").unwrap();
        variables
            .iter()
            .fold(cli, |cli, (name, value)| cli.with(name, value))
    };
    let ca = server.folder().join("ca.pem").display().to_string();
    let trusting = cli(&[("VAULT_CACERT", &ca)]);
    // 2: it answers, and is sealed.
    assert_eq!(trusting.run("status").code, 2);
    assert_eq!(cli(&[("VAULT_SKIP_VERIFY", "true")]).run("status").code, 2);
    let refused = cli(&[]).run("status");
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("certificate"), "{refused:?}");
    let made = trusting
        .run("operator init -key-shares=1 -key-threshold=1 -format=json")
        .json();
    let share = made["unseal_keys_hex"][0].as_str().unwrap();
    trusting.run(&format!("operator unseal {share}")).ok();
    let root = cli(&[
        ("VAULT_CACERT", &ca),
        ("VAULT_TOKEN", made["root_token"].as_str().unwrap()),
    ]);
    let leader = root.run("read -format=json sys/leader").json();
    assert!(
        leader.to_string().contains("https://coffer.example:8200"),
        "{leader}"
    );
}

#[test]
fn a_listener_wants_certificates_of_its_clients() {
    let ca = "tls_client_ca_file = \"FOLDER/client-ca.pem\"";
    let required = with_tls_and(&format!(
        "{ca}\n  tls_require_and_verify_client_cert = true"
    ));
    let asked = with_tls_and(ca);
    let status = |server: &Server, shown: Option<(&str, &str)>| {
        let file = |name: &str| server.folder().join(name).display().to_string();
        let cli = Cli::at(&server.url(), "").unwrap();
        let cli = cli.with("VAULT_CACERT", &file("ca.pem"));
        let cli = match shown {
            None => cli,
            Some((certificate, key)) => cli
                .with("VAULT_CLIENT_CERT", &file(certificate))
                .with("VAULT_CLIENT_KEY", &file(key)),
        };
        cli.run("status").code
    };
    let good = Some(("client.pem", "client-key.pem"));
    // The server's own, of another authority.
    let bad = Some(("cert.pem", "key.pem"));
    // 2: it answers, and is sealed.
    assert_eq!(status(&required, good), 2);
    assert_eq!(status(&required, bad), 1);
    assert_eq!(status(&required, None), 1);
    assert_eq!(status(&asked, good), 2);
    assert_eq!(status(&asked, bad), 1);
    assert_eq!(status(&asked, None), 2);
}

#[test]
fn a_proxy_that_is_trusted_says_who_the_client_is() {
    let server = Server::configured(&binary().unwrap(), "http", |_, address| {
        format!(
            "storage \"inmem\" {{}}\nlistener \"tcp\" {{\n  address = \"{address}\"\n  tls_disable = true\n  \
             require_request_header = true\n  x_forwarded_for_authorized_addrs = \"127.0.0.0/8\"\n}}\n"
        )
    })
    .unwrap();
    let (vault, from) = ("X-Vault-Request: true", "X-Forwarded-For: 1.2.3.4");
    let status = |headers: &[&str]| server.raw("GET", "sys/health", headers, "").status;
    assert_eq!(status(&[vault, from]), 501);
    assert_eq!(status(&[from]), 412);
    assert_eq!(status(&[vault]), 400);
    assert_eq!(status(&[vault, "X-Forwarded-For: nobody"]), 400);

    let call = |method: &str, path: &str, token: &str, from: &str, body: Value| {
        let token = format!("X-Vault-Token: {token}");
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let answer = server.raw(method, path, &[vault, from, &token], &body);
        let body = serde_json::from_str(&answer.body).unwrap_or(Value::Null);
        (answer.status, body)
    };
    let one = json!({"secret_shares": 1, "secret_threshold": 1});
    let (_, made): (_, Value) = call("PUT", "sys/init", "", from, one);
    call(
        "PUT",
        "sys/unseal",
        "",
        from,
        json!({"key": made["keys"][0]}),
    );
    let root = made["root_token"].as_str().unwrap();
    let role = json!({"token_bound_cidrs": ["1.2.3.4/32"], "allowed_policies": ["default"]});
    let (status, _) = call("POST", "auth/token/roles/bound", root, from, role);
    assert_eq!(status, 204);
    let (_, token) = call("POST", "auth/token/create/bound", root, from, json!({}));
    let token = token["auth"]["client_token"].as_str().unwrap();
    let asks = |from: &str| call("GET", "auth/token/lookup-self", token, from, Value::Null).0;
    assert_eq!(asks(from), 200);
    assert_eq!(asks("X-Forwarded-For: 1.2.3.5"), 403);
    // What somebody else has written before it counts for nothing.
    assert_eq!(asks("X-Forwarded-For: 1.2.3.4, 1.2.3.5"), 403);
}

#[test]
fn sighup_reads_certificates_and_the_log_level_again() {
    let server = with_tls();
    let hang_up = || {
        let pid = Pid::from_raw(server.pid().unwrap().cast_signed()).unwrap();
        kill_process(pid, Signal::HUP).unwrap();
    };
    let logged = |text: &str| server.log().matches(text).count();
    let file = |name: &str| server.folder().join(name);
    let status = |ca: &str| {
        let cli = Cli::at(&server.url(), "").unwrap();
        cli.with("VAULT_CACERT", &file(ca).display().to_string())
            .run("status")
            .code
    };
    std::fs::rename(file("ca.pem"), file("old.pem")).unwrap();
    assert_eq!(status("old.pem"), 2);
    certificates(server.folder());
    hang_up();
    until(BOUND, "the new certificate", || status("ca.pem") == 2);
    assert_eq!(status("old.pem"), 1);
    assert_eq!(logged("certificate read again"), 1);

    let (key, config) = (file("key.pem"), file("config.hcl"));
    let good = std::fs::read(&key).unwrap();
    std::fs::write(&key, "nonsense").unwrap();
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}log_level = \"error\"\n")).unwrap();
    hang_up();
    until(BOUND, "the key is refused", || {
        logged("the certificate in use stays") == 1
    });
    assert_eq!(logged(&format!("tls_key_file {}", key.display())), 1);
    assert_eq!(status("ca.pem"), 2);

    std::fs::write(&key, good).unwrap();
    std::fs::write(&config, format!("{text}nonsense = 1\n")).unwrap();
    hang_up();
    until(BOUND, "the configuration is refused", || {
        logged("the configuration in use stays") == 1
    });
    assert_eq!(
        logged("certificate read again"),
        1,
        "no longer logged, at this level"
    );
    assert_eq!(status("ca.pem"), 2);
}

#[test]
fn plain_http_to_a_tls_listener_is_told_so() {
    let server = with_tls();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(BOUND)).unwrap();
    stream
        .write_all(b"GET /v1/sys/health HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 400 "), "{answer}");
    assert!(
        answer.contains("Client sent an HTTP request to an HTTPS server."),
        "{answer}"
    );
}

#[test]
fn sigterm_lets_requests_finish() {
    let (mut server, _) = Server::ready().unwrap();
    let root = server.client();
    root.post(
        "sys/mounts/kv",
        serde_json::json!({"type": "kv", "options": {"version": "1"}}),
    )
    .expect(204);
    let address = server.address();
    let body = br#"{"answer":42}"#;
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(BOUND)).unwrap();
    write!(
        stream,
        "POST /v1/kv/late HTTP/1.1\r\nHost: x\r\nX-Vault-Token: {}\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        server.root_token(),
        body.len()
    )
    .unwrap();
    // It asks for the body: the request is under way.
    let mut interim = [0; 64];
    let read = stream.read(&mut interim).unwrap();
    assert!(interim[..read].starts_with(b"HTTP/1.1 100 "));
    let stopping = thread::spawn(move || {
        let status = server.terminate().unwrap();
        (server, status)
    });
    until(BOUND, "no new connection is taken", || {
        TcpStream::connect(address).is_err()
    });
    stream.write_all(body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    let (mut server, status) = stopping.join().unwrap();
    assert!(status.success(), "{status}\n{}", server.log());
    // What was answered is there after the next start.
    server.start().unwrap();
    assert_eq!(server.anonymous().get("sys/health").status, 503);
}

#[test]
fn an_address_without_a_host_is_all_of_them() {
    let server = Server::configured(&binary().unwrap(), "http", |_, address| {
        format!(
            "storage \"inmem\" {{}}\nlistener \"tcp\" {{\n  address = \":{}\"\n  tls_disable = true\n}}\n",
            address.port()
        )
    })
    .unwrap();
    assert_eq!(server.anonymous().get("sys/init").status, 200);
}

#[test]
fn a_dev_server_takes_settings_from_a_file() {
    let config = "default_lease_ttl = \"7m\"\nlog_format = \"json\"\n";
    let server = Server::dev_configured(&binary().unwrap(), port::free(), config).unwrap();
    let mount = server.client().get("sys/mounts/secret/tune");
    assert_eq!(mount.body["data"]["default_lease_ttl"], 420, "{mount:?}");
    assert!(server.log().contains("{\"timestamp\""), "{}", server.log());
}

#[test]
fn a_configuration_that_is_wrong_says_where() {
    for (text, expected) in [
        ("storage \"redb\" {}", "path"),
        ("storage \"inmem\" {}", "a listener is missing"),
        (
            "storage \"inmem\" {}\nlistener \"tcp\" {\n  adress = \"127.0.0.1:0\"\n}",
            "config.hcl:3:12",
        ),
        (
            "listener \"tcp\" {\n  address = \"here:there\"\n}",
            "config.hcl:2:13: listener: address",
        ),
        (
            "storage \"inmem\" {}\nlistener \"tcp\" {\n  tls_cert_file = \"/none\"\n  tls_key_file = \"/none\"\n}",
            "tls_cert_file /none: ",
        ),
    ] {
        let error = Server::configured(&binary().unwrap(), "http", |_, _| text.to_owned())
            .err()
            .expect("a server");
        let message = error.to_string();
        assert!(message.contains("exit status: 1"), "{message}");
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_configuration_is_looked_at_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let file = |name: &str| folder.path().join(name);
    let cli = Cli::at("http://127.0.0.1:1", "").unwrap();
    let diagnose = |config: String| {
        std::fs::write(file("c.hcl"), config).unwrap();
        let flag = format!("-config={}", file("c.hcl").display());
        cli.words(["operator", "diagnose", &flag])
    };
    let address = port::free();
    let good = format!(
        "storage \"redb\" {{ path = {:?} }}\napi_addr = \"https://x\"\nlistener \"tcp\" {{\n  address = \"{address}\"\n  \
         tls_cert_file = {:?}\n  tls_key_file = {:?}\n}}\n",
        file("data"),
        file("cert.pem"),
        file("key.pem")
    );
    let ran = diagnose(good.clone());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("[ ok ] listener"), "{ran:?}");
    assert!(!file("data").exists(), "it has made nothing");

    let taken = std::net::TcpListener::bind(address).unwrap();
    let ran = diagnose(good.clone());
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.stdout.contains("[warn] listener") && ran.stdout.contains("in use"),
        "{ran:?}"
    );
    drop(taken);

    for (config, reason) in [
        (
            good.replace("cert.pem", "none.pem"),
            "[fail] listener: TLS: tls_cert_file",
        ),
        (
            format!("{good}audit_directory = \"/none\"\n"),
            "[fail] audit: audit_directory",
        ),
        (
            format!("{good}plugin_keys = [\"/none\"]\n"),
            "[fail] plugins",
        ),
        (
            format!("{good}nonsense = 1\n"),
            "nonsense: there is no such setting",
        ),
    ] {
        let ran = diagnose(config);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stdout.contains(reason), "{ran:?}");
    }
    let ran = diagnose(
        "storage \"inmem\" {}\nlistener \"tcp\" {\n  address = \":0\"\n  tls_disable = true\n}\n"
            .to_owned(),
    );
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stdout.contains("plain HTTP"), "{ran:?}");
}
