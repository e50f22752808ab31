//! What the configuration file changes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use coffer_tests::server::Keys;
use coffer_tests::{Cli, Server, check, port, until};
use serde_json::json;

/// A durable server that is unsealed, with these settings in its listener and beside it, made of its folder.
fn server(listener: &str, settings: impl FnOnce(&Path) -> String) -> (Server, Keys) {
    Server::ready_with(listener, settings).unwrap()
}

fn nothing(_: &Path) -> String {
    String::new()
}

/// What a stream answers to a request of this server's health, after some bytes.
fn ask(mut stream: impl Read + Write, before: &[u8], path: &str, token: &str) -> String {
    let request = format!(
        "GET /v1/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Vault-Token: {token}\r\n\r\n"
    );
    let mut answer = String::new();
    // A connection that is refused may be closed before all is sent.
    let _ = stream.write_all(&[before, request.as_bytes()].concat());
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn a_socket_in_the_file_system() {
    let (mut server, keys) = server("", |folder| {
        let path = folder.join("api.sock");
        format!("listener \"unix\" {{\n address = {path:?}\n socket_mode = \"600\"\n }}\n")
    });
    let path = server.folder().join("api.sock");
    let answer = |token: &str| {
        ask(
            UnixStream::connect(&path).unwrap(),
            b"",
            "auth/token/lookup-self",
            token,
        )
    };
    assert!(answer(server.root_token()).starts_with("HTTP/1.1 200"));
    assert!(answer("").starts_with("HTTP/1.1 403"));
    let cli = Cli::at(&format!("unix://{}", path.display()), server.root_token()).unwrap();
    let told = cli.run("token lookup -format=json").json();
    assert_eq!(told["data"]["id"], server.root_token());
    let missing = Cli::at("unix:///nowhere.sock", "").unwrap();
    let refused = missing.with("VAULT_MAX_RETRIES", "0").run("status");
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused
            .stderr
            .contains("unix:///nowhere.sock/v1/sys/seal-status"),
        "{refused:?}"
    );
    let curl = cli.run("read -output-curl-string sys/mounts").ok();
    assert!(
        curl.contains(&format!(
            "--unix-socket '{}' \"http://127.0.0.1/v1/sys/mounts\"",
            path.display()
        )),
        "{curl}"
    );
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // One that was killed has left it; one that ends takes it away.
    server.restart().unwrap();
    server.unseal(&keys).unwrap();
    assert!(answer(server.root_token()).starts_with("HTTP/1.1 200"));
    assert!(server.terminate().unwrap().success());
    assert!(!path.exists());
}

#[test]
fn a_load_balancer_says_who_a_client_is() {
    let v2 = |address: [u8; 4]| {
        let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
        header.extend(address);
        header.extend([127, 0, 0, 1, 0, 1, 0, 2]);
        header
    };
    let v1 = b"PROXY TCP4 10.9.1.1 127.0.0.1 1 2\r\n".to_vec();
    // Without a header, and with one that says that the client is where its token is good.
    let rows = [
        ("use_always", "", "403", "200"),
        ("allow_authorized", "127.0.0.0/8", "403", "200"),
        ("allow_authorized", "10.0.0.1", "403", "403"),
        ("deny_unauthorized", "127.0.0.1", "403", "200"),
        ("deny_unauthorized", "10.0.0.1", "", ""),
    ];
    let ports: Vec<_> = rows.iter().map(|_| port::free()).collect();
    let (server, _) = server("", |_| {
        let listeners = rows.iter().zip(&ports).map(|((behavior, nets, ..), address)| {
            let named = match *nets {
                "" => String::new(),
                nets => format!("proxy_protocol_authorized_addrs = {nets:?}"),
            };
            format!("listener \"tcp\" {{\n address = \"{address}\"\n tls_disable = true\n proxy_protocol_behavior = {behavior:?}\n {named}\n}}\n")
        });
        listeners.collect()
    });
    let client = server.client();
    let role = json!({"token_bound_cidrs": ["10.9.0.0/16"]});
    client.post("auth/token/roles/there", role).expect(204);
    let made = client.post("auth/token/create/there", json!({"policies": ["default"]}));
    let token = made.text("/auth/client_token");
    let status = |at: usize, before: &[u8]| {
        let stream = TcpStream::connect(ports[at]).unwrap();
        let answer = ask(stream, before, "auth/token/lookup-self", &token);
        answer.get(9..12).unwrap_or_default().to_owned()
    };
    for (at, row) in rows.iter().enumerate() {
        assert_eq!(status(at, b""), row.2, "{row:?}");
        assert_eq!(status(at, &v1), row.3, "{row:?}");
        assert_eq!(status(at, &v2([10, 9, 1, 1])), row.3, "{row:?}");
    }
    assert_eq!(status(0, &v2([10, 8, 1, 1])), "403");
    assert_eq!(status(0, b"PROXY UNKNOWN\r\n"), "403");
    // Broken ones get nothing, and harm nobody.
    assert_eq!(status(0, b"PROXY TCP4 10.9.1.1\r\n"), "");
    assert_eq!(
        status(0, &[b"PROXY ".to_vec(), vec![b'x'; 5000]].concat()),
        ""
    );
    assert_eq!(status(0, &v1), "200");
}

#[test]
fn what_key_holders_do_can_be_closed_to_those_without_a_token() {
    let closed = "disable_unauthed_rekey_endpoints = true\ndisable_unauthed_generate_root_endpoints = true\ntelemetry { unauthenticated_metrics_access = true }\ninflight_requests_logging { unauthenticated_in_flight_requests_access = true }";
    let (closed, _) = server(closed, nothing);
    let (usual, _) = server("", nothing);
    for (server, open) in [(&closed, false), (&usual, true)] {
        let anonymous = server.anonymous();
        for path in [
            "sys/rekey/init",
            "sys/generate-root/attempt",
            "sys/generate-root",
        ] {
            let status = if open { 200 } else { 403 };
            assert_eq!(anonymous.get(path).status, status, "{path}");
            assert_eq!(server.client().get(path).status, 200, "{path}");
        }
        for path in ["sys/metrics", "sys/in-flight-req"] {
            let status = if open { 403 } else { 200 };
            assert_eq!(anonymous.get(path).status, status, "{path}");
        }
    }
    let reader = closed
        .client()
        .limited_to(r#"path "sys/*" { capabilities = ["read", "update"] }"#);
    check! { reader;
        "GET sys/rekey/init" => 403, {"errors": ["*"]};
        "PUT sys/generate-root/attempt", {} => 403, {"errors": ["*"]};
    }
    check! { closed.anonymous();
        "PUT sys/rekey/init", {"secret_shares": 1, "secret_threshold": 1} => 403, {"errors": ["*"]};
        "PUT sys/rekey/update", {"key": "00", "nonce": "x"} => 403, {"errors": ["*"]};
        "DELETE sys/rekey/init" => 403, {"errors": ["*"]};
    }
}

#[test]
fn what_is_stored_is_shown_where_that_is_wanted() {
    let (usual, _) = server("", nothing);
    check! { usual.client();
        "GET sys/raw/core/cluster" => 404, {"errors": ["*"]};
        "LIST sys/raw" => 404, {"errors": ["*"]};
        "GET sys/internal/inspect/router/root" => 404, {"errors": ["*"]};
    }
    let (server, _) = server("", |_| {
        "raw_storage_endpoint = true\nintrospection_endpoint = true\n".into()
    });
    let client = server.client();
    check! { client;
        "GET sys/raw/core/keyring" => 400, {"errors": ["cannot access \"core/keyring\""]};
        "GET sys/raw/core/root-key" => 400, {"errors": ["*"]};
        "PUT sys/raw/core/seal-config", {"value": "x"} => 400, {"errors": ["*"]};
        "DELETE sys/raw/core/keyring" => 400, {"errors": ["*"]};
        "GET sys/raw/core/encryptions/1" => 400, {"errors": ["*"]};
        "LIST sys/raw" => 200, {"data": {"keys": "*"}};
        "GET sys/raw/foo/bar" => 404, {"errors": []};
        "PUT sys/raw/foo/bar", {"value": "aGk=", "encoding": "base64"} => 204;
        "PUT sys/raw/foo/bin", {"value": "/wA=", "encoding": "base64"} => 204;
        "PUT sys/raw/foo/bad", {"value": "%", "encoding": "base64"} => 400, {"errors": ["*"]};
        "GET sys/raw/foo/bar" => 200, {"data": {"value": "hi"}};
        "GET sys/raw/foo/bar?encoding=base64" => 200, {"data": {"value": "aGk="}};
        "GET sys/raw/foo/bar?encoding=x" => 400, {"errors": ["invalid encoding \"x\""]};
        "GET sys/raw/foo/bin" => 400, {"errors": ["~base64"]};
        "LIST sys/raw/foo" => 200, {"data": {"keys": ["bar", "bin"]}};
        "DELETE sys/raw/foo/bar" => 204;
        "GET sys/raw/foo/bar" => 404, {"errors": []};
        "GET sys/raw/ns/root/policy/default" => 200, {"data": {"value": "*"}};
        "GET sys/internal/inspect/router/nope" => 404, {"errors": ["*"]};
        "GET sys/internal/inspect/request?a=b" => 200, {"data": {"data": {"a": "b"}, "req": {"path": "internal/inspect/request", "display_name": "root"}}};
    }
    let root = client.get("sys/internal/inspect/router/root").ok();
    let paths: Vec<_> = root["data"]["root"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mount| mount["mount_path"].clone())
        .collect();
    assert_eq!(paths, ["auth/token/", "cubbyhole/", "identity/", "sys/"]);
    let reader = client
        .limited_to(r#"path "sys/*" { capabilities = ["read", "list", "update", "delete"] }"#);
    check! { reader;
        "GET sys/raw/foo/bin" => 403, {"errors": ["*"]};
        "LIST sys/raw" => 403, {"errors": ["*"]};
        "PUT sys/raw/foo/bin", {"value": "x"} => 403, {"errors": ["*"]};
        "GET sys/internal/inspect/router/root" => 403, {"errors": ["*"]};
    }
}

#[test]
fn the_configuration_is_told_without_its_secrets() {
    let (server, _) = server("", |_| {
        "cluster_name = \"blue\"\nmax_lease_ttl = \"10h\"\nuser_lockout \"userpass\" {\n lockout_threshold = 2\n lockout_duration = \"1h\"\n}\nseal \"shamir\" {}\n".into()
    });
    check! { server.client();
        "POST sys/config/reload/license" => 204, null;
        "POST sys/config/reload/other" => 400, {"errors": ["~invalid reload subsystem"]};
        "GET sys/config/state/sanitized" => 200, {"data": {
            "cluster_name": "blue", "max_lease_ttl": 36000, "storage": {"type": "redb"},
            "listeners": [{"type": "tcp", "config": {"tls_disable": true}}],
            "seals": [{"type": "shamir"}],
            "user_lockout_configs": [{"type": "userpass", "lockout_threshold": 2, "lockout_duration": 3_600_000_000_000_u64}],
        }};
        "GET sys/health" => 200, {"cluster_name": "blue"};
        // Of userpass two failures lock out, as configured.
        "POST sys/auth/userpass", {"type": "userpass"} => 204;
        "POST auth/userpass/users/bo", {"password": "right"} => 204;
        "POST auth/userpass/login/bo", {"password": "wrong"} => 400, {"errors": ["*"]};
        "POST auth/userpass/login/bo", {"password": "wrong"} => 400, {"errors": ["*"]};
        "POST auth/userpass/login/bo", {"password": "right"} => 403, {"errors": ["*"]};
        "POST sys/auth/userpass/tune", {"user_lockout_config": {"lockout_disable": true}} => 204;
        "POST auth/userpass/login/bo", {"password": "right"} => 200, {"auth": {"client_token": "*"}};
    }
}

#[test]
fn audit_devices_of_the_configuration_are_there_while_it_names_them() {
    let block = |folder: &Path, name: &str| {
        let file = folder.join(format!("{name}.log"));
        format!(
            "audit \"file\" \"{name}\" {{\n description = \"as code\"\n options {{\n  file_path = {file:?}\n }}\n}}\n"
        )
    };
    let (mut server, keys) = server("", |folder| block(folder, "one"));
    let client = server.client();
    check! { client;
        "GET sys/audit" => 200, {"data": {"one/": {"type": "file", "description": "as code"}}};
        "DELETE sys/audit/one" => 400, {"errors": ["~configuration"]};
    }
    let salted = client
        .post("sys/audit-hash/one", json!({"input": "x"}))
        .ok();
    let file = |server: &Server, name: &str| {
        std::fs::read_to_string(server.folder().join(format!("{name}.log"))).unwrap_or_default()
    };
    assert!(file(&server, "one").contains("sys/audit-hash/one"));
    server.restart().unwrap();
    server.unseal(&keys).unwrap();
    // The same device: what it shows of a text stays the same.
    let again = client
        .post("sys/audit-hash/one", json!({"input": "x"}))
        .ok();
    assert_eq!(again["data"], salted["data"]);
    // Another one instead.
    let config = server.folder().join("config.hcl");
    let text = std::fs::read_to_string(&config).unwrap();
    let without = text.split("audit ").next().unwrap().to_owned();
    std::fs::write(&config, without.clone() + &block(server.folder(), "two")).unwrap();
    server.restart().unwrap();
    server.unseal(&keys).unwrap();
    check! { client;
        "GET sys/audit" => 200, {"data": {"one/": "!", "two/": {"type": "file"}}};
    }
    // One that cannot write: nothing is answered that it would not have.
    std::fs::write(
        &config,
        without + &block(&server.folder().join("missing"), "three"),
    )
    .unwrap();
    server.restart().unwrap();
    let refused = server
        .anonymous()
        .post("sys/unseal", json!({"key": keys.shares[0]}));
    assert!(!refused.is_ok(), "{refused:?}");
    assert!(
        server.log().contains("three/ in the configuration"),
        "{}",
        server.log()
    );
    check! { server.anonymous();
        "GET sys/seal-status" => 200, {"sealed": true};
    }
}

#[test]
fn the_log_is_watched_through_the_api() {
    let server = Server::dev().unwrap();
    let client = server.client();
    check! { client;
        "GET sys/monitor?log_level=x" => 400, {"errors": ["unknown log level"]};
        "GET sys/monitor?log_format=x" => 400, {"errors": ["unknown log format"]};
    }
    check! { server.anonymous();
        "GET sys/monitor" => 403, {"errors": ["*"]};
    }
    let watch = |query: &str| {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        let timeout = Some(Duration::from_secs(60));
        stream.set_read_timeout(timeout).unwrap();
        write!(
            stream,
            "GET /v1/sys/monitor?{query} HTTP/1.1\r\nHost: x\r\nX-Vault-Token: root\r\n\r\n"
        )
        .unwrap();
        let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
        assert_eq!(lines.next().unwrap(), "HTTP/1.1 200 OK");
        assert!(lines.by_ref().any(|line| line.is_empty()));
        lines
    };
    // At the finest level nothing of a request is shown: libraries would.
    let mut all = watch("log_level=trace");
    client.get("auth/token/lookup-self").expect(200);
    let mut people = watch("log_level=warn");
    let mut machines = watch("log_level=info&log_format=json");
    // Something is logged until both have seen it.
    client
        .post("sys/auth/userpass", json!({"type": "userpass"}))
        .expect(204);
    client
        .post("auth/userpass/users/bo", json!({"password": "x"}))
        .expect(204);
    for _ in 0..5 {
        client.post("auth/userpass/login/bo", json!({"password": "y"}));
    }
    let seen = "somebody has failed to log in too often";
    assert!(people.any(|line| line.contains(seen) && line.contains("WARN")));
    let before: Vec<_> = all
        .by_ref()
        .take_while(|line| !line.contains(seen))
        .collect();
    let foreign = |line: &&String| line.contains(": ") && !line.contains("coffer_");
    let foreign: Vec<_> = before.iter().filter(foreign).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    let line = machines.find(|line| line.contains(seen)).unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["level"], "WARN");
}

#[test]
fn requests_under_way_are_told() {
    let server = Server::dev().unwrap();
    let client = server.client();
    let told = client.get("sys/in-flight-req").ok();
    let requests: Vec<_> = told.as_object().unwrap().values().collect();
    assert_eq!(requests.len(), 1, "{told}");
    assert_eq!(requests[0]["request_path"], "/v1/sys/in-flight-req");
    assert_eq!(requests[0]["request_method"], "GET");
    until(Duration::from_secs(10), "the last one is over", || {
        client
            .get("sys/in-flight-req")
            .ok()
            .as_object()
            .unwrap()
            .len()
            == 1
    });
    check! { client;
        "GET sys/internal/counters/entities" => 200, {"data": {"counters": {"entities": {"total": 0}}}};
    }
}
