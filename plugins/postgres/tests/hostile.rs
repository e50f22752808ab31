//! Servers that are none: each ends in a clear error, soon, and in bounded memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use coffer_sdk::{Backend, ErrorKind};
use common::{open, user};
use serde_json::json;

fn serve(script: impl Fn(&mut TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        listener
            .incoming()
            .flatten()
            .for_each(|mut stream| script(&mut stream))
    });
    address
}

/// A message of the server's.
fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 4).unwrap();
    [&[tag], len.to_be_bytes().as_slice(), body].concat()
}

fn error(severity: &str, code: &str, text: &str) -> Vec<u8> {
    let fields = [
        (b'S', severity),
        (b'V', severity),
        (b'C', code),
        (b'M', text),
    ];
    let body: Vec<u8> = fields
        .iter()
        .flat_map(|(kind, value)| [&[*kind], value.as_bytes(), &[0]].concat())
        .collect();
    message(b'E', &[body, vec![0]].concat())
}

fn auth(kind: u32, rest: &[u8]) -> Vec<u8> {
    message(b'R', &[kind.to_be_bytes().as_slice(), rest].concat())
}

fn welcome() -> Vec<u8> {
    [auth(0, &[]), message(b'Z', b"I")].concat()
}

/// Reads what the client sends at once.
fn hear(stream: &mut TcpStream) -> usize {
    stream.read(&mut [0; 65_536]).unwrap_or(0)
}

fn ping(address: SocketAddr, sslmode: &str) -> coffer_sdk::Error {
    let url = format!("postgresql://u:hunter22@{address}/db?sslmode={sslmode}");
    open(json!({ "connection_url": url, "username": "u", "password": "hunter22" }))
        .unwrap()
        .ping()
        .unwrap_err()
}

#[test]
fn at_the_door() {
    #[rustfmt::skip]
    let table: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", vec![], "closed the connection"),
        ("HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), "answers nonsense"),
        ("0xff", vec![0xff; 4096], "answers nonsense"),
        ("zeroes", vec![0; 4096], "answers nonsense"),
        ("a huge length", [b"R".as_slice(), &0x7fff_ffffu32.to_be_bytes()].concat(), "a message of 2147483647 bytes"),
        ("a negative length", [b"R".as_slice(), &u32::MAX.to_be_bytes()].concat(), "answers nonsense"),
        ("a tiny length", message(b'R', &[])[..4].iter().copied().chain([3]).collect(), "answers nonsense"),
        ("half a message", auth(0, &[])[..7].to_vec(), "closed the connection"),
        ("an unknown method", auth(99, &[]), "answers nonsense"),
        ("Kerberos", auth(7, &[]), "Kerberos"),
        ("no mechanism that we know", auth(10, b"SCRAM-FOO\0\0"), "no way to log in"),
        ("mechanisms without an end", auth(10, b"SCRAM-SHA-256"), "answers nonsense"),
        ("rows", message(b'D', &[0, 1, 0, 0, 0, 1, 65]), "no place in a login"),
        ("rows after a welcome", [auth(0, &[]), message(b'D', &[0, 0])].concat(), "no place in a login"),
        ("an error", error("FATAL", "53300", "sorry, too many clients already"), "53300"),
        ("an error without an end", message(b'E', b"SFATAL"), "cannot connect"),
        ("an empty error", message(b'E', &[]), "cannot connect"),
        ("a MD5 salt that is short", auth(5, &[1, 2]), "cannot connect"),
    ];
    for (what, bytes, expected) in table {
        let address = serve(move |stream| {
            hear(stream);
            stream.write_all(&bytes).ok();
        });
        let error = ping(address, "disable");
        assert_eq!(error.kind, ErrorKind::Unavailable, "{what}: {error:?}");
        assert!(
            error.message.contains(expected),
            "{what}: {}",
            error.message
        );
        assert!(!error.message.contains("hunter22"), "{what}");
    }
}

#[test]
fn tls_that_is_none() {
    for (what, bytes, expected) in [
        ("no", b"N".to_vec(), "does not speak TLS"),
        ("neither", b"X".to_vec(), "neither yes nor no"),
        (
            "an error",
            error("FATAL", "0A000", "unsupported"),
            "neither yes nor no",
        ),
        (
            "nonsense after yes",
            b"Srubbish that is no handshake".to_vec(),
            "cannot connect",
        ),
        ("nothing", vec![], "cannot connect"),
    ] {
        let address = serve(move |stream| {
            hear(stream);
            stream.write_all(&bytes).ok();
        });
        let error = ping(address, "require");
        assert_eq!(error.kind, ErrorKind::Unavailable, "{what}: {error:?}");
        assert!(
            error.message.contains(expected),
            "{what}: {}",
            error.message
        );
    }
}

/// Somebody who does not know the password cannot pass for the server.
#[test]
fn scram_without_the_password() {
    let first =
        |iterations: &str| format!("r={{nonce}}X,s=AAAAAAAAAAAAAAAAAAAAAA==,i={iterations}");
    #[rustfmt::skip]
    let table: Vec<(&str, String, Vec<u8>)> = vec![
        ("a welcome at once", String::new(), auth(0, &[])),
        ("a false signature", first("4096"), [auth(12, b"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), welcome()].concat()),
        ("a signature that is left out", first("4096"), welcome()),
        ("a billion rounds", first("1000000000"), welcome()),
        ("no rounds", first("0"), welcome()),
        ("another nonce", "r=mine,s=AAAA,i=4096".to_owned(), welcome()),
        ("nonsense", "\u{0}\u{0}".to_owned(), welcome()),
    ];
    for (what, first, last) in table {
        let address = serve(move |stream| {
            hear(stream);
            stream.write_all(&auth(10, b"SCRAM-SHA-256\0\0")).ok();
            let mut bytes = [0; 4096];
            let len = stream.read(&mut bytes).unwrap_or(0);
            let text = String::from_utf8_lossy(&bytes[..len]).into_owned();
            let nonce = text.rsplit("r=").next().unwrap_or_default();
            if !first.is_empty() {
                stream
                    .write_all(&auth(11, first.replace("{nonce}", nonce).as_bytes()))
                    .ok();
                hear(stream);
            }
            stream.write_all(&last).ok();
        });
        let error = ping(address, "disable");
        assert_eq!(error.kind, ErrorKind::Unavailable, "{what}: {error:?}");
        assert!(
            error.message.contains("nonsense"),
            "{what}: {}",
            error.message
        );
    }
}

#[test]
fn after_the_welcome() {
    let row = |len: u32| {
        message(
            b'D',
            &[&[0, 1], len.to_be_bytes().as_slice(), b"x"].concat(),
        )
    };
    let flood = row(1).repeat(200_000);
    #[rustfmt::skip]
    let table: Vec<(&str, Vec<u8>, &str)> = vec![
        ("silence", vec![], "closed the connection"),
        ("a row that is cut off", [row(1000), message(b'Z', b"I")].concat(), "nonsense"),
        ("a login again", [auth(0, &[]), message(b'Z', b"I")].concat(), "answers no statement"),
        ("half an answer", message(b'C', b"SELECT 1\0"), "closed the connection"),
        ("a huge row", [b"D".as_slice(), &(64u32 << 20).to_be_bytes()].concat(), "67108864 bytes"),
        ("a shutdown", error("FATAL", "57P01", "terminating connection due to administrator command"), "57P01"),
        ("a flood, and then nothing", flood, "closed the connection"),
    ];
    for (what, bytes, expected) in table {
        let address = serve(move |stream| {
            hear(stream);
            stream.write_all(&welcome()).ok();
            hear(stream);
            stream.write_all(&bytes).ok();
        });
        let error = ping(address, "disable");
        assert_eq!(error.kind, ErrorKind::Unavailable, "{what}: {error:?}");
        assert!(
            error.message.contains(expected),
            "{what}: {}",
            error.message
        );
    }
}

/// A server that says only so much of the password gets no more of it into a log.
#[test]
fn what_is_quoted_back_is_blotted_out() {
    let address = serve(|stream| {
        hear(stream);
        stream.write_all(&welcome()).ok();
        let mut bytes = [0; 65_536];
        let len = stream.read(&mut bytes).unwrap_or(0);
        let text = String::from_utf8_lossy(&bytes[5..len.max(5)]).replace('\0', "");
        stream
            .write_all(
                &[
                    error("ERROR", "42601", &format!("{text} hunter22")),
                    message(b'Z', b"I"),
                ]
                .concat(),
            )
            .ok();
    });
    let url = format!("postgresql://u:hunter22@{address}/db?sslmode=disable");
    let mut postgres =
        open(json!({ "connection_url": url, "username": "u", "password": "hunter22" })).unwrap();
    let error = postgres
        .create_user(&user("v-quoted", &["CREATE '{{password}}'"]))
        .unwrap_err();
    assert!(
        error.message.contains("CREATE '[password]'"),
        "{}",
        error.message
    );
    assert!(
        !error.message.contains("Pa55") && !error.message.contains("hunter22"),
        "{}",
        error.message
    );
}
