#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::io::{self, Read, Write};

use proptest::prelude::*;

use super::*;
use crate::session::Session;

/// What a server says, whatever it is asked.
struct Script(io::Cursor<Vec<u8>>);

impl Read for Script {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out)
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Packets in order, from this number on.
fn packets(first: u8, payloads: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, payload) in (first..).zip(payloads) {
        out.extend(&u32::try_from(payload.len()).unwrap().to_le_bytes()[..3]);
        out.push(number);
        out.extend(*payload);
    }
    out
}

fn session(bytes: Vec<u8>) -> Session<Script> {
    Session::new(Wire::new(Script(io::Cursor::new(bytes))), 0)
}

fn query(payloads: &[&[u8]]) -> Result<crate::session::Rows, Error> {
    session(packets(1, payloads)).query("SELECT 1")
}

const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];
const OK_AND_MORE: &[u8] = &[0, 0, 0, 8, 0, 0, 0];
const END: &[u8] = &[0xfe, 0, 0, 2, 0];
const COLUMN: &[u8] =
    b"\x03def\x00\x00\x00\x011\x00\x0c\x3f\x00\x01\x00\x00\x00\x08\x81\x00\x00\x00\x00";

#[test]
fn answers() {
    assert!(query(&[OK]).unwrap().is_empty());
    let row: &[u8] = b"\x02ab\xfb";
    let rows = query(&[&[2], COLUMN, COLUMN, END, row, row, END]).unwrap();
    assert_eq!(rows, vec![vec![Some("ab".to_owned()), None]; 2]);
    let rows = query(&[OK_AND_MORE, &[1], COLUMN, END, b"\x01x", END]).unwrap();
    assert_eq!(rows, [[Some("x".to_owned())]]);
    let error = query(&[b"\xff\x28\x04#42000You have an error"]).unwrap_err();
    assert_eq!(error.to_string(), "Error 1064 (42000): You have an error");
    assert!(!error.is_fatal());
    let error = query(&[b"\xff\x10\x04Too many connections"]).unwrap_err();
    assert_eq!(error.to_string(), "Error 1040: Too many connections");
    assert!(error.is_fatal());
    // In the middle of rows.
    let error = query(&[&[1], COLUMN, END, b"\x01x", b"\xff\x25\x05#70100killed"]).unwrap_err();
    assert_eq!(error.code(), 1317);
    // A server that says goodbye says so as if it were first.
    let mut goodbye = session(packets(0, &[b"\xff\xbf\x0f#HY000inactivity"]));
    assert!(goodbye.ping().unwrap_err().is_fatal());
}

#[test]
fn answers_that_are_none() {
    let huge = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    let wide = [0xfc, 0xff, 0xff];
    #[rustfmt::skip]
    let table: &[(&str, &[&[u8]], &str)] = &[
        ("nothing", &[], "closed the connection"),
        ("an empty packet", &[&[]], "an empty packet"),
        ("half an OK", &[&[0, 0]], "cut off"),
        ("half an error", &[&[0xff, 1]], "cut off"),
        ("billions of columns", &[&huge], "9223372036854775807 columns"),
        ("many columns", &[&wide], "65535 columns"),
        ("no columns at all", &[&[0xfe]], "cut off"),
        ("columns that do not come", &[&[2], COLUMN], "closed the connection"),
        ("columns without an end", &[&[1], COLUMN, COLUMN], "without an end"),
        ("rows without an end", &[&[1], COLUMN, END, b"\x01x"], "closed the connection"),
        ("a row that is cut off", &[&[2], COLUMN, COLUMN, END, b"\x01x", END], "cut off"),
        ("a value that lies", &[&[1], COLUMN, END, &huge, END], "cut off"),
        ("a length that is none", &[&[1], COLUMN, END, b"\x05abc", END], "cut off"),
        ("a file", &[b"\xfb/etc/passwd"], "LOAD DATA LOCAL"),
    ];
    for (what, payloads, expected) in table {
        let error = query(payloads).unwrap_err();
        assert!(error.is_fatal(), "{what}: {error}");
        assert!(error.to_string().contains(expected), "{what}: {error}");
    }
}

#[test]
fn floods_and_lies() {
    // 15 MiB that do not come.
    let mut lie = session(vec![0, 0, 0xf0, 1, 1]);
    assert!(
        lie.query("x")
            .unwrap_err()
            .to_string()
            .contains("are allowed")
    );
    let mut order = session(packets(7, &[OK]));
    assert!(
        order
            .ping()
            .unwrap_err()
            .to_string()
            .contains("out of order")
    );
    let row = [&[0xfd, 0xff, 0xff, 0x03][..], &[b'x'; 0x3_ffff]].concat();
    let mut payloads: Vec<&[u8]> = vec![&[1], COLUMN, END];
    payloads.extend(std::iter::repeat_n(row.as_slice(), 100));
    let error = query(&payloads).unwrap_err();
    assert!(
        error.to_string().contains("an answer without an end"),
        "{error}"
    );
    let mut answers = session(packets(1, &vec![OK_AND_MORE; 200]));
    assert!(answers.query("x").is_err());
}

const GREETING: &[u8] = b"\x0a8.4.0\0\x01\0\0\0abcdefgh\0\xff\xff\x2d\x02\0\xff\xdf\x15\0\0\0\0\0\0\0\0\0\0ijklmnopqrst\0caching_sha2_password\0";

#[test]
fn greetings() {
    let greeting = Greeting::parse(GREETING).unwrap();
    assert_eq!(greeting.version, "8.4.0");
    assert_eq!(greeting.seed, b"abcdefghijklmnopqrst");
    assert_eq!(greeting.plugin, "caching_sha2_password");
    assert_ne!(greeting.capabilities & capability::SSL, 0);
    let refused = Greeting::parse(b"\xff\x6a\x04Host is not allowed").unwrap_err();
    assert_eq!(refused.code(), 1130);
    for bad in [
        &b"\x09"[..],
        b"",
        b"\x0a",
        b"\x0a8.4.0\0\x01\0\0\0abcdefgh\0\xff\xff",
    ] {
        assert!(Greeting::parse(bad).unwrap_err().is_fatal());
    }
    for len in 0..72 {
        assert!(Greeting::parse(&GREETING[..len.min(45)]).is_err(), "{len}");
    }
}

#[test]
fn our_introduction() {
    let response = Response {
        capabilities: capability::PLUGIN_AUTH | capability::CONNECT_WITH_DB,
        user: "u",
        database: "db",
        answer: b"xyz",
        plugin: "p",
    };
    let packet = response.encode().unwrap();
    assert_eq!(packet.get(..32).unwrap(), response.head());
    assert_eq!(packet.get(32..).unwrap(), b"u\0\x03xyzdb\0p\0");
}

proptest! {
    /// Whatever comes, it ends, and without a panic.
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        Greeting::parse(&bytes).ok();
        refusal(&bytes).to_string();
        session(bytes.clone()).query("x").ok();
        session(bytes).ping().ok();
    }

    /// The same, deeper: well-formed packets of anything.
    #[test]
    fn any_packets(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..40)) {
        let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
        query(&payloads).ok();
        let mut rows: Vec<&[u8]> = vec![&[2], COLUMN, COLUMN, END];
        rows.extend(payloads);
        query(&rows).ok();
    }
}
