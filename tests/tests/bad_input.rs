//! What no well-behaved client sends. Each gets a clear answer, in bounded time, and the server keeps serving.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use coffer_tests::{Client, Server, check};
use serde_json::json;

/// No answer to anything bad takes longer.
const BOUND: Duration = Duration::from_secs(20);
const MIB: usize = 1 << 20;

/// Sends bytes as they are; returns the status (0: closed without an answer) and the answer.
fn raw(server: &Server, parts: &[&[u8]]) -> (u16, String) {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(BOUND)).unwrap();
    stream.set_write_timeout(Some(BOUND)).unwrap();
    for part in parts {
        // A server may hang up in the middle of what it will not have; its answer is then still to be read.
        if stream.write_all(part).is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(read) = stream.read(&mut chunk) {
        answer.extend_from_slice(&chunk[..read]);
        if read == 0 || complete(&answer) {
            break;
        }
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0);
    (status, answer)
}

/// Whether the answer's body has come whole.
fn complete(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length:")?
            .trim()
            .parse::<usize>()
            .ok()
    });
    length.is_some_and(|length| body.len() >= length)
}

fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /v1/{path} HTTP/1.1\r\nHost: x\r\nX-Vault-Token: root\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn dev() -> (Server, Client) {
    let server = Server::dev().unwrap();
    let client = server.client();
    check! { client;
        "POST sys/mounts/kv", {"type": "kv", "options": {"version": "1"}} => 204;
    }
    (server, client)
}

#[test]
fn bodies() {
    let (server, client) = dev();
    let nested = format!("{{\"x\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let open = "[".repeat(10_000);
    let cases: &[(&str, &[u8], &[u16])] = &[
        ("not JSON", b"{\"x\": ", &[400]),
        ("text", b"hello", &[400]),
        ("an array", b"[1,2]", &[400]),
        ("a number", b"1", &[400]),
        ("not UTF-8", b"{\"x\": \"\xff\xfe\"}", &[400, 204]),
        ("10 000 nested arrays", nested.as_bytes(), &[400, 413]),
        ("10 000 open arrays", open.as_bytes(), &[400, 413]),
        ("two documents", b"{\"x\":1}{\"y\":2}", &[400, 204]),
    ];
    for (what, body, statuses) in cases {
        let began = Instant::now();
        let (status, answer) = raw(&server, &[&post("kv/bad", "", body)]);
        assert!(statuses.contains(&status), "{what}: {status} {answer}");
        assert!(
            status == 204 || answer.contains("\"errors\":[\""),
            "{what}: {answer}"
        );
        assert!(began.elapsed() < BOUND, "{what}");
        client.delete("kv/bad").expect(204);
    }
    check! { client;
        "GET sys/health" => 200, {"sealed": false};
    }
}

#[test]
fn policies_that_would_take_for_ever_to_parse() {
    let (_server, client) = dev();
    let rules = format!("path \"a\" {{\n x = {}1\n}}\n", "a<a<{ e=".repeat(60));
    let began = Instant::now();
    check! { client;
        "POST sys/policies/acl/p", {"policy": rules} => 400, {"errors": ["~more in it than plain values"]};
        "POST sys/policies/password/p", {"policy": rules} => 400, {"errors": ["~more in it than plain values"]};
    }
    assert!(began.elapsed() < BOUND);
}

#[test]
fn a_body_of_33_mib_is_too_large() {
    let (server, client) = dev();
    let body = format!("{{\"x\":\"{}\"}}", "a".repeat(33 * MIB));
    let (status, answer) = raw(&server, &[&post("kv/big", "", body.as_bytes())]);
    assert!([400, 413].contains(&status), "{status} {answer}");
    // Without a length it is no smaller.
    let head = "POST /v1/kv/big HTTP/1.1\r\nHost: x\r\nX-Vault-Token: root\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("{:x}\r\n{}\r\n", MIB, "a".repeat(MIB));
    let mut parts = vec![head.as_bytes()];
    parts.extend(std::iter::repeat_n(chunk.as_bytes(), 33));
    parts.push(b"0\r\n\r\n");
    let (status, answer) = raw(&server, &parts);
    assert!([400, 413].contains(&status), "{status} {answer}");
    client.get("kv/big").expect(404);
}

#[test]
fn paths() {
    let (server, client) = dev();
    client.post("kv/a", json!({"x": 1})).expect(204);
    let cases: &[(&str, &[u16])] = &[
        ("/v1/kv/../sys/mounts", &[400, 403, 404, 301, 307]),
        ("/v1/kv/%2e%2e/sys/mounts", &[400, 403, 404, 301, 307]),
        ("/v1/kv/..%2fsys/mounts", &[400, 403, 404, 301, 307]),
        ("/v1/kv/a%00b", &[400, 403, 404, 500]),
        ("/v1/kv/%ff%fe", &[400, 403, 404, 500]),
        ("/v1/kv/%zz", &[400, 403, 404]),
        ("/v1/none/a", &[404]),
        ("/v1/", &[404, 403]),
        ("/v1", &[404, 403, 301]),
        ("/v2/kv/a", &[404]),
        ("/v1/kv//a", &[200, 301, 307, 400, 404]),
        ("/v1/sys/none", &[404, 405, 403]),
    ];
    for (path, statuses) in cases {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nX-Vault-Token: root\r\nConnection: close\r\n\r\n"
        );
        let (status, answer) = raw(&server, &[request.as_bytes()]);
        assert!(statuses.contains(&status), "{path}: {status} {answer}");
        assert!(
            !answer.contains("\"secret/\""),
            "{path} leads out of its mount: {answer}"
        );
    }
    let long = format!(
        "GET /v1/kv/{} HTTP/1.1\r\nHost: x\r\nX-Vault-Token: root\r\nConnection: close\r\n\r\n",
        "a".repeat(100_000)
    );
    let (status, answer) = raw(&server, &[long.as_bytes()]);
    assert!([400, 404, 414, 431].contains(&status), "{status} {answer}");
    check! { client;
        "GET kv/a" => 200, {"data": {"x": 1}};
    }
}

#[test]
fn headers() {
    let (server, client) = dev();
    let many: String = (0..20_000)
        .map(|n| format!("X-Bomb-{n}: {}\r\n", "y".repeat(100)))
        .collect();
    let large = format!("X-Bomb: {}\r\n", "y".repeat(4 * MIB));
    for (what, headers) in [("many", many), ("large", large)] {
        let began = Instant::now();
        let (status, answer) = raw(&server, &[&post("kv/bad", &headers, b"{}")]);
        assert!([0, 400, 431].contains(&status), "{what}: {status} {answer}");
        assert!(began.elapsed() < BOUND, "{what}");
    }
    for nonsense in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"GET /v1/sys/health HTTP/9.9\r\n\r\n",
    ] {
        let (status, answer) = raw(&server, &[nonsense]);
        assert!(
            [0, 400, 426, 505].contains(&status),
            "{nonsense:?}: {status} {answer}"
        );
    }
    check! { client;
        "GET sys/health" => 200, {"sealed": false};
    }
}

#[test]
fn tokens() {
    let (server, client) = dev();
    for token in [
        "none",
        "hvs.",
        "hvs.CAESI",
        &"x".repeat(8000),
        "root.x",
        "../root",
        "r%00t",
        "s.123\u{e9}",
    ] {
        let request = format!(
            "GET /v1/kv/a HTTP/1.1\r\nHost: x\r\nX-Vault-Token: {token}\r\nConnection: close\r\n\r\n"
        );
        let (status, answer) = raw(&server, &[request.as_bytes()]);
        assert!([400, 403].contains(&status), "{token}: {status} {answer}");
        assert!(answer.contains("\"errors\":["), "{token}: {answer}");
    }
    check! { client.with_token("");
        "GET kv/a" => 403, {"errors": "*"};
        "POST sys/mounts/x", {"type": "kv"} => 403, {"errors": "*"};
        "GET none/a" => 403, {"errors": "*"};
    }
}

#[test]
fn operations_that_a_path_does_not_have() {
    let (_server, client) = dev();
    check! { client;
        "DELETE sys/health" => 405, "?";
        "DELETE auth/token/lookup-self" => 405, {"errors": ["~unsupported operation"]};
        "TRACE kv/a" => 405, "?";
        "BREW kv/a" => 405, "?";
    }
    for (method, path) in [
        ("LIST", "auth/token/lookup-self"),
        ("POST", "secret/metadata"),
        ("PATCH", "sys/mounts"),
    ] {
        let status = client.request(method, path, Some(&json!({}))).status;
        assert!(
            [400, 404, 405].contains(&status),
            "{method} {path}: {status}"
        );
    }
}

#[test]
fn types() {
    let (_server, client) = dev();
    check! { client;
        "POST sys/mounts/x", {"type": 5} => 400, {"errors": ["*"]};
        "POST sys/mounts/x", {"type": "kv", "options": "none"} => 400, {"errors": ["*"]};
        "POST sys/mounts/x", {"type": "kv", "config": {"default_lease_ttl": "soon"}} => 400, {"errors": ["*"]};
        "POST sys/mounts/x", {} => 400, {"errors": ["*"]};
        "POST sys/policies/acl/x", {"policy": {"a": {}}} => 400, {"errors": ["*"]};
        "POST sys/leases/renew", {"lease_id": ["a", {}]} => 400, {"errors": ["*"]};
        "POST sys/leases/renew", {} => 400, {"errors": ["*"]};
        "POST auth/token/create", {"policies": {"a": 1}} => 400, {"errors": ["*"]};
        "POST auth/token/create", {"num_uses": "many"} => 400, {"errors": ["*"]};
        "POST secret/data/a", {"data": {}, "options": {"cas": "first"}} => 400, {"errors": ["*"]};
        "POST secret/config", {"max_versions": "few"} => 400, {"errors": ["*"]};
    }
}

#[test]
fn slow_bodies_keep_nobody_waiting() {
    const SLOW: usize = 200;
    let (server, client) = dev();
    let head = b"POST /v1/kv/slow HTTP/1.1\r\nHost: x\r\nX-Vault-Token: root\r\nContent-Length: 1000\r\n\r\n{";
    let slow: Vec<TcpStream> = (0..SLOW)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address()).unwrap();
            stream.write_all(head).unwrap();
            stream
        })
        .collect();
    let began = Instant::now();
    for _ in 0..20 {
        client.post("kv/quick", json!({"x": 1})).expect(204);
    }
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    drop(slow);
    client.get("kv/slow").expect(404);
}
