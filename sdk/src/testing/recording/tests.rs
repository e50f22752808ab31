#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Value, json};

use super::MASK;
use crate::network::Stream;
use crate::testing::{Host, StorageFault};
use crate::{http, prelude::*};

/// A file of this test's, gone with this value.
struct File(std::path::PathBuf);

impl File {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("coffer-recording-{}-{name}", std::process::id())))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

fn ask(body: &Value) -> Result<http::Response> {
    http::Request::new("POST", "https://a.example/x")
        .header("Authorization", "Bearer hunter2")
        .json(body)
        .send()
}

fn said(panics: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(panics)).unwrap_err();
    payload.downcast_ref::<String>().unwrap().clone()
}

#[test]
fn a_recording_answers_as_the_service_did_and_keeps_no_secret() {
    let file = File::new("http");
    {
        let host = Host::new();
        host.serve_http(|request| match request.body.len() {
            10.. => Ok((200, json!({ "token": "s3cr3t", "for": "everybody" }))),
            _ => Err(Error::unavailable("down")),
        });
        host.record(&file.0, &["s3cr3t", "pa55word"]);
        ask(&json!({ "password": "pa55word" })).unwrap();
        ask(&json!({})).unwrap_err();
    }
    let text = std::fs::read_to_string(&file.0).unwrap();
    for secret in ["hunter2", "s3cr3t", "pa55word"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let replay = || {
        let host = Host::new();
        host.replay(&file.0, &["s3cr3t", "pa55word"]);
        host
    };
    let host = replay();
    let answer = ask(&json!({ "password": "pa55word" }))
        .unwrap()
        .json()
        .unwrap();
    assert_eq!(answer, json!({ "token": MASK, "for": "everybody" }));
    assert_eq!(ask(&json!({})).unwrap_err().message, "down");
    let more = said(|| drop(ask(&json!({}))));
    assert!(more.contains("ends before call 3"), "{more}");
    drop(host);

    let host = replay();
    let other = said(|| drop(ask(&json!({ "password": "other" }))));
    assert!(other.contains("call 1 of the plugin is another"), "{other}");
    let lines: Vec<_> = other
        .lines()
        .filter(|line| line.starts_with(['-', '+']))
        .collect();
    assert_eq!(lines.len(), 2, "{other}");
    assert!(lines.iter().any(|line| line.contains("other")), "{other}");
    drop(host);

    let less = said(|| drop(replay()));
    assert!(
        less.contains("made 0 calls, and 2 more were recorded"),
        "{less}"
    );
}

#[test]
fn a_conversation_is_replayed_without_a_server() {
    let file = File::new("network");
    let talk = |host: &str, port: u16| {
        let mut stream = Stream::connect(host, port).unwrap();
        stream.write_all(b"ping\xff").unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"pong");
    };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    {
        let host = Host::new().allow("127.0.0.1", port);
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 5]).unwrap();
            stream.write_all(b"pong").unwrap();
        });
        host.record(&file.0, &[]);
        talk("127.0.0.1", port);
        server.join().unwrap();
    }
    let host = Host::new();
    host.replay(&file.0, &[]);
    talk("127.0.0.1", port);
}

#[test]
fn real_http_goes_where_the_test_allows() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        let answer = "HTTP/1.1 404 Not Found\r\nx-here: yes\r\ncontent-length: 2\r\n\r\nno";
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(head).unwrap()
    });
    let host = Host::new().allow("127.0.0.1", port);
    let send = |port| http::Request::new("GET", format!("http://127.0.0.1:{port}/a?b=c")).send();
    send(1).unwrap_err();
    host.fail_http(1);
    assert!(
        send(port)
            .unwrap_err()
            .message
            .contains("the test lets it fail")
    );
    let answer = send(port).unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (404, &b"no"[..]));
    assert!(
        answer
            .headers
            .contains(&("x-here".to_owned(), "yes".to_owned()))
    );
    assert!(server.join().unwrap().starts_with("GET /a?b=c HTTP/1.1"));
}

#[test]
fn faults_strike_once_and_where_they_should() {
    let host = Host::new();
    host.fail_storage(StorageFault::Put(2));
    host.fail_storage(StorageFault::Get(1));
    storage::put("a", b"1").unwrap();
    storage::put("b", b"2").unwrap_err();
    storage::put("b", b"2").unwrap();
    storage::get("a").unwrap_err();
    assert_eq!(storage::get("a").unwrap().unwrap(), b"1");
    host.fail_storage(StorageFault::List(1));
    storage::list("").unwrap_err();
    host.set_clock(5000);
    assert_eq!(clock::now(), 5000);
}

#[test]
fn what_is_left_is_found() {
    static PLUGIN: Plugin = Plugin::secret("x", "1.0.0", "").revoke(|lease| {
        let key: String = lease.internal()?;
        storage::get(&key)?.ok_or_else(|| Error::internal("gone"))?;
        storage::delete(&key)
    });
    let host = Host::new();
    let make = |key: &str| {
        storage::put(key, b"").unwrap();
        let lease = effects::LeaseRequest {
            ttl: 0,
            max_ttl: 0,
            renewable: false,
            group: String::new(),
            internal: json!(key).to_string(),
        };
        host.transaction(|| effects::lease(&lease)).unwrap();
        lease
    };
    host.revoke(&PLUGIN, &make("a")).unwrap();
    host.assert_nothing_left(&PLUGIN, || host.keys());
    storage::put("b", b"").unwrap();
    let left = said(|| host.assert_nothing_left(&PLUGIN, || host.keys()));
    assert!(left.contains("this is left: [\"b\"]"), "{left}");
    make("c");
    let again = said(|| host.assert_nothing_left(&PLUGIN, || host.keys()));
    assert!(again.contains("does not end a second time"), "{again}");
}
