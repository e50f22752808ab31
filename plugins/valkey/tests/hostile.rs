//! Servers that are none: each ends in a clear error, soon, and in bounded memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kit;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use coffer_sdk::testing::Host;
use coffer_sdk::{Backend, Error, ErrorKind};
use kit::{Valkey, change, open, removal, user};
use serde_json::json;

/// A server that answers each command (or flight) with the next of these, and the last one again and again.
fn serve(answers: Vec<Vec<u8>>) -> (Host, Valkey) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answers = answers.clone();
            thread::spawn(move || script(&mut stream, &answers));
        }
    });
    let host = Host::new().allow("127.0.0.1", port);
    let config =
        json!({ "host": "127.0.0.1", "port": port, "username": "coffer", "password": "hunter22" });
    (host, open(config).unwrap())
}

/// An empty answer is the end: nothing more is said.
fn script(stream: &mut TcpStream, answers: &[Vec<u8>]) {
    let last = answers.last().unwrap();
    for answer in answers.iter().chain(std::iter::repeat(last)) {
        if answer.is_empty() {
            stream.shutdown(Shutdown::Write).ok();
        }
        if stream.read(&mut [0; 65_536]).unwrap_or(0) == 0 {
            return;
        }
        stream.write_all(answer).ok();
    }
}

fn answers(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|text| text.as_bytes().to_vec()).collect()
}

const OK: &str = "+OK\r\n";
const NOBODY: &str = "$-1\r\n";
const SOMEBODY: &str =
    "*6\r\n+flags\r\n*1\r\n+on\r\n+passwords\r\n*1\r\n+00\r\n+commands\r\n+-@all\r\n";

#[track_caller]
fn is_clear(what: &str, error: &Error, kind: ErrorKind, expected: &str) {
    assert_eq!(error.kind, kind, "{what}: {error:?}");
    assert!(error.message.contains(expected), "{what}: {error:?}");
    assert!(error.message.len() < 2000, "{what}");
    for secret in ["hunter22", "Pa55", "n3w-pass"] {
        assert!(!error.message.contains(secret), "{what}: {error:?}");
    }
}

#[test]
fn at_the_door() {
    let nested = "*1\r\n".repeat(500_000);
    let flood = format!("*9999999\r\n{}", ":1\r\n".repeat(500_000));
    let line = format!("-{}", "x".repeat(4 << 20));
    #[rustfmt::skip]
    let table: Vec<(&str, &[u8], &str)> = vec![
        ("nothing", b"", "closed the connection"),
        ("HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n", "nonsense"),
        ("0xff", &[0xff; 4096], "cannot connect"),
        ("zeroes", &[0; 4096], "cannot connect"),
        ("a number", b":1\r\n", "no answer to a login"),
        ("another word", b"+QUEUED\r\n", "no answer to a login"),
        ("nobody", b"$-1\r\n", "no answer to a login"),
        ("a huge length", b"$999999999999\r\n", "nonsense"),
        ("a negative length", b"*-7\r\n", "nonsense"),
        ("a length that lies", b"$2\r\nOKOK\r\n", "another length"),
        ("lists in lists", nested.as_bytes(), "too deeply"),
        ("a flood", flood.as_bytes(), "values"),
        ("a line without an end", line.as_bytes(), "bytes"),
        ("a wrong password", b"-WRONGPASS invalid username-password pair\r\n", "28P01"),
        ("a password quoted back", b"-ERR what is hunter22\r\n", "[password]"),
        ("not ready", b"-LOADING the dataset\r\n", "LOADING"),
        ("protected", b"-DENIED Redis is running in protected mode\r\n", "DENIED"),
        ("too many", b"-ERR max number of clients reached\r\n", "max number"),
        ("more than was asked for", b"+OK\r\n+OK\r\n", "no command"),
    ];
    for (what, bytes, expected) in table {
        let (_host, mut valkey) = serve(vec![bytes.to_vec(), Vec::new()]);
        is_clear(
            what,
            &valkey.ping().unwrap_err(),
            ErrorKind::Unavailable,
            expected,
        );
    }
}

#[test]
fn what_is_no_user() {
    #[rustfmt::skip]
    let table = [
        ("a number", ":1\r\n"), ("a word", "+OK\r\n"), ("an empty list", "*0\r\n"), ("a number for a name", "*2\r\n:1\r\n:2\r\n"),
        ("half of a user", "*1\r\n+flags\r\n"), ("flags that are numbers", "*2\r\n+flags\r\n*1\r\n:1\r\n"),
        ("flags that are lists", "*2\r\n+flags\r\n*1\r\n*1\r\n+on\r\n"), ("no flags", "*2\r\n+flags\r\n*0\r\n"),
        ("an error within", "*2\r\n-ERR x\r\n+on\r\n"), ("passwords only", "*2\r\n+passwords\r\n*0\r\n"),
        ("the end", ""),
    ];
    for (what, answer) in table {
        let (_host, mut valkey) = serve(answers(&[OK, answer]));
        let errors = [
            valkey.exists("v-x").unwrap_err(),
            valkey.create_user(&user("v-x", &[])).unwrap_err(),
            valkey
                .update_user(&change("v-x", Some("n3w-pass"), None))
                .unwrap_err(),
        ];
        for error in errors {
            is_clear(what, &error, ErrorKind::Unavailable, "");
        }
    }
}

#[test]
fn a_server_that_lies() {
    let removed = ":1\r\n";
    let claimed = [OK, SOMEBODY].concat();
    let refused = "-ERR Error in ACL SETUSER modifier '>hunter22': n3w-pass\r\n";
    type Call = fn(&mut Valkey) -> coffer_sdk::Result<()>;
    let create: Call = |valkey| valkey.create_user(&user("v-x", &[]));
    let update: Call = |valkey| valkey.update_user(&change("v-x", Some("n3w-pass"), None));
    let delete: Call = |valkey| valkey.delete_user(&removal("v-x"));
    use ErrorKind::{Conflict, InvalidRequest, Unavailable};
    #[rustfmt::skip]
    let table: Vec<(&str, Vec<&str>, Call, ErrorKind, &str)> = vec![
        ("never removed", vec![OK, removed, SOMEBODY, removed, SOMEBODY, removed, SOMEBODY], delete, Unavailable, "there again"),
        ("removed in other words", vec![OK, "+gone\r\n"], delete, Unavailable, "neither yes nor no"),
        ("a removal refused", vec![OK, "-NOPERM no\r\n"], delete, InvalidRequest, "NOPERM"),
        ("gone and not found out", vec![OK, removed, "-LOADING x\r\n"], delete, Unavailable, "LOADING"),
        ("claimed by somebody else", vec![OK, NOBODY, &claimed, &claimed], create, Conflict, "already exists"),
        ("claimed, and removed", vec![OK, NOBODY, &claimed, "-ERR no c0ffe4c1a1400000\r\n$-1\r\n"], create, InvalidRequest, "ERR no"),
        ("claimed, and the end", vec![OK, NOBODY, OK, ""], create, Unavailable, "closed"),
        ("a claim refused", vec![OK, NOBODY, "-ERR no\r\n$-1\r\n"], create, InvalidRequest, "ERR no"),
        ("a replica", vec![OK, NOBODY, "-READONLY no\r\n$-1\r\n"], create, Unavailable, "READONLY"),
        ("vanished", vec![OK, NOBODY, "+OK\r\n$-1\r\n"], create, Unavailable, "removed while"),
        ("secrets quoted", vec![OK, SOMEBODY, refused], update, InvalidRequest, "[password]"),
        ("a change in other words", vec![OK, SOMEBODY, ":1\r\n"], update, Unavailable, "neither yes nor no"),
        ("a change by others", vec![OK, SOMEBODY, "-ERR Error in ACL SETUSER modifier '!00': none\r\n"], update, Conflict, "changed by somebody"),
        ("logged out", vec![OK, "-NOAUTH Authentication required.\r\n"], update, Unavailable, "NOAUTH"),
        ("too old", vec![OK, "-ERR unknown command `ACL`\r\n"], update, InvalidRequest, "too old"),
    ];
    for (what, script, call, kind, expected) in table {
        let (_host, mut valkey) = serve(answers(&script));
        is_clear(what, &call(&mut valkey).unwrap_err(), kind, expected);
    }
}

#[test]
fn the_component_does_the_same_in_the_sandbox() {
    coffer_tests::plugin::once_more_as_component("valkey-database-plugin");
}
