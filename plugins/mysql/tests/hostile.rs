//! Servers that are none, or that want more than is theirs: each ends in a clear error, soon, and in bounded memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use coffer_sdk::testing::Host;
use coffer_sdk::{Backend, Error, ErrorKind};
use common::{host, open, user};
use serde_json::json;
use sha2::{Digest, Sha256};

const SEED: &[u8; 20] = b"abcdefghijklmnopqrst";
const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];
const SWITCH_TO_SHA2: &[u8] = b"\xfecaching_sha2_password\0abcdefghijklmnopqrst\0";

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

fn packet(number: u8, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_le_bytes();
    [&len[..3], &[number], payload].concat()
}

fn greeting(plugin: &str, tls: bool) -> Vec<u8> {
    let low: u16 = if tls { 0xffff } else { 0xf7ff };
    let mut out = b"\x0a8.4.0\0\x01\0\0\0".to_vec();
    out.extend(&SEED[..8]);
    out.push(0);
    out.extend(low.to_le_bytes());
    out.extend(b"\x2d\x02\0\xff\xdf\x15\0\0\0\0\0\0\0\0\0\0");
    out.extend(&SEED[8..]);
    out.push(0);
    out.extend(plugin.as_bytes());
    out.push(0);
    packet(0, &out)
}

/// The payload of a packet of the client's; empty at the end.
fn hear(stream: &mut (impl Read + ?Sized)) -> Vec<u8> {
    let mut header = [0; 4];
    if stream.read_exact(&mut header).is_err() {
        return Vec::new();
    }
    let mut payload = vec![0; u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize];
    stream.read_exact(&mut payload).ok();
    payload
}

fn ping(address: SocketAddr, query: &str) -> coffer_sdk::Result<()> {
    let _host = host(address.port());
    let url = format!("u:hunter22@tcp({address})/?{query}");
    open(json!({ "connection_url": url, "password": "hunter22" }))
        .unwrap()
        .ping()
}

fn refused(what: &str, error: &Error, expected: &str) {
    assert_eq!(error.kind, ErrorKind::Unavailable, "{what}: {error:?}");
    assert!(
        error.message.contains(expected),
        "{what}: {}",
        error.message
    );
    assert!(!error.message.contains("hunter22"), "{what}");
}

#[test]
fn at_the_door() {
    #[rustfmt::skip]
    let table: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", vec![], "closed the connection"),
        ("HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), "answers nonsense"),
        ("0xff", vec![0xff; 4096], "answers nonsense"),
        ("zeroes", vec![0; 4096], "answers nonsense"),
        ("a huge length", vec![0xff, 0xff, 0xff, 0], "a packet of 16777215 bytes"),
        ("half a packet", greeting("x", false)[..20].to_vec(), "closed the connection"),
        ("half a greeting", packet(0, &greeting("x", false)[4..30]), "answers nonsense"),
        ("an old protocol", packet(0, b"\x093.23\0"), "version 9 of the protocol"),
        ("an old server", packet(0, b"\x0a4.0.1\0\x01\0\0\0abcdefgh\0\x20\x00"), "too old a server"),
        ("an error", packet(0, b"\xff\x10\x04Too many connections"), "Too many connections"),
        ("half an error", packet(0, b"\xff\x10"), "answers nonsense"),
        ("nothing after a greeting", greeting("mysql_native_password", false), "closed the connection"),
    ];
    for (what, bytes, expected) in table {
        let address = serve(move |stream| {
            stream.write_all(&bytes).ok();
        });
        refused(what, &ping(address, "").unwrap_err(), expected);
    }
}

#[test]
fn in_the_login() {
    #[rustfmt::skip]
    let table: Vec<(&str, &[u8], &str)> = vec![
        ("an old password", b"\xfe", "the server wants the user to log in with \"\""),
        ("a password in the clear", b"\xfemysql_clear_password\0", "mysql_clear_password"),
        ("a dialogue", b"\xfedialog\0Password: ", "\"dialog\""),
        ("more, from nobody", b"\x01\x04", "no place in a login"),
        ("rows", &[1], "no place in a login"),
        ("a file", b"\xfb/etc/passwd", "no place in a login"),
        ("half an OK", &[0], "answers nonsense"),
        ("the password itself", SWITCH_TO_SHA2, "the password itself"),
    ];
    for (what, bytes, expected) in table {
        let bytes = bytes.to_vec();
        let address = serve(move |stream| {
            stream
                .write_all(&greeting("mysql_native_password", false))
                .ok();
            hear(stream);
            stream.write_all(&packet(2, &bytes)).ok();
            hear(stream);
            stream.write_all(&packet(4, &[1, 4])).ok();
            let told = hear(stream);
            assert!(!told.windows(8).any(|part| part == b"hunter22"));
        });
        refused(what, &ping(address, "").unwrap_err(), expected);
    }
    let endless = serve(|stream| {
        stream
            .write_all(&greeting("caching_sha2_password", false))
            .ok();
        hear(stream);
        for number in (2..=255).cycle() {
            if stream.write_all(&packet(number, &[1, 3])).is_err() {
                return;
            }
        }
    });
    let error = ping(endless, "").unwrap_err();
    refused("without an end", &error, "a login without an end");
}

#[test]
fn tls_that_is_none() {
    for (what, after, expected) in [
        ("rubbish", &b"rubbish that is no handshake"[..], "TLS with"),
        ("nothing", b"", "TLS with"),
    ] {
        let address = serve(move |stream| {
            stream
                .write_all(&greeting("mysql_native_password", true))
                .ok();
            assert_eq!(hear(stream).len(), 32, "no name before TLS");
            stream.write_all(after).ok();
        });
        refused(
            what,
            &ping(address, "tls=skip-verify").unwrap_err(),
            expected,
        );
    }
    // An OK that was put in front of the encrypted answers.
    let injected = serve(|stream| {
        let both = [greeting("mysql_native_password", true), packet(3, OK)].concat();
        stream.write_all(&both).ok();
        hear(stream);
    });
    let error = ping(injected, "tls=skip-verify").unwrap_err();
    refused("injected", &error, "in the clear");
}

/// Whether it proves that its sender knows the password, as MySQL checks it: with the hash of the hash.
fn proves(answer: &[u8], password: &[u8]) -> bool {
    let stored = Sha256::digest(Sha256::digest(password));
    let mask = Sha256::new()
        .chain_update(stored)
        .chain_update(SEED)
        .finalize();
    let hash: Vec<u8> = answer.iter().zip(mask).map(|(a, b)| a ^ b).collect();
    answer.len() == 32 && Sha256::digest(hash) == stored
}

/// Answers every command.
fn agree(stream: &mut (impl Read + Write)) {
    while !hear(stream).is_empty() {
        stream.write_all(&packet(1, OK)).ok();
        stream.flush().ok();
    }
}

/// A server of version 8, as far as its login goes.
#[test]
fn caching_sha2() {
    let plain = serve(|stream| {
        stream
            .write_all(&greeting("caching_sha2_password", false))
            .ok();
        let response = hear(stream);
        let at = 32 + 2;
        let good = response.get(at) == Some(&32) && proves(&response[at + 1..at + 33], b"hunter22");
        let verdict: &[u8] = if good {
            &[1, 3]
        } else {
            b"\xff\x15\x04#28000no"
        };
        stream.write_all(&packet(2, verdict)).ok();
        stream.write_all(&packet(3, OK)).ok();
        agree(stream);
    });
    ping(plain, "").unwrap();
    let switched = serve(|stream| {
        stream
            .write_all(&greeting("mysql_native_password", false))
            .ok();
        hear(stream);
        stream.write_all(&packet(2, SWITCH_TO_SHA2)).ok();
        let verdict: &[u8] = if proves(&hear(stream), b"hunter22") {
            &[1, 3]
        } else {
            b"\xff\x15\x04#28000no"
        };
        stream.write_all(&packet(4, verdict)).ok();
        stream.write_all(&packet(5, OK)).ok();
        agree(stream);
    });
    ping(switched, "").unwrap();
}

/// The password itself goes only to where nobody reads along.
#[test]
fn caching_sha2_in_full() {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let config = Arc::new(config);
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = told.clone();
    let address = serve(move |stream| {
        stream
            .write_all(&greeting("caching_sha2_password", true))
            .ok();
        // The head of a response alone asks for TLS.
        if hear(stream).len() > 32 {
            stream.write_all(&packet(2, &[1, 4])).ok();
            let said = hear(stream);
            heard.lock().unwrap().extend(said);
            return;
        }
        let connection = rustls::ServerConnection::new(config.clone()).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, stream);
        hear(&mut stream);
        stream.write_all(&packet(3, &[1, 4])).ok();
        let said = hear(&mut stream);
        heard.lock().unwrap().extend(said);
        stream.write_all(&packet(5, OK)).ok();
        agree(&mut stream);
    });
    let _host = host(address.port());
    let url = format!("u:hunter22@tcp(localhost:{})/", address.port());
    let login = json!({ "connection_url": url, "tls_ca": certificate.pem() });
    open(login).unwrap().ping().unwrap();
    assert_eq!(std::mem::take(&mut *told.lock().unwrap()), b"hunter22\0");
    drop(_host);
    // Even if the configuration does not ask for TLS.
    ping(address, "").unwrap();
    assert_eq!(std::mem::take(&mut *told.lock().unwrap()), b"hunter22\0");
    // Whom we cannot trust is told nothing.
    let other = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let other = other
        .self_signed(&rcgen::KeyPair::generate().unwrap())
        .unwrap();
    let _host = Host::new().allow("localhost", address.port());
    let login = json!({ "connection_url": url, "tls_ca": other.pem() });
    let error = open(login).unwrap().ping().unwrap_err();
    refused("another certificate", &error, "TLS with");
    assert!(told.lock().unwrap().is_empty());
}

/// A server that repeats a password gets no more of it into a log.
#[test]
fn what_is_quoted_back_is_blotted_out() {
    let address = serve(|stream| {
        stream
            .write_all(&greeting("mysql_native_password", false))
            .ok();
        hear(stream);
        stream.write_all(&packet(2, OK)).ok();
        loop {
            let statement = hear(stream);
            if statement.is_empty() {
                return;
            }
            let text = String::from_utf8_lossy(&statement[1..]).into_owned();
            let answer = if text.starts_with("SELECT GET_LOCK") {
                let column = b"\x03def\0\0\0\x011\0\x0c\x3f\0\x01\0\0\0\x08\x81\0\0\0\0";
                [
                    packet(1, &[1]),
                    packet(2, column),
                    packet(3, &[0xfe, 0, 0, 2, 0]),
                    packet(4, b"\x011"),
                    packet(5, &[0xfe, 0, 0, 2, 0]),
                ]
                .concat()
            } else if text.starts_with("CREATE") {
                let cut = &text[..text.len() - 3];
                let said = format!("#42000near '{text}' '{cut}' hunter22");
                packet(1, &[b"\xff\x28\x04", said.as_bytes()].concat())
            } else {
                packet(1, OK)
            };
            stream.write_all(&answer).ok();
        }
    });
    let _host = host(address.port());
    let url = format!("u:hunter22@tcp({address})/");
    let mut mysql = open(json!({ "connection_url": url, "password": "hunter22" })).unwrap();
    let error = mysql
        .create_user(&user("v-quoted", &["CREATE '{{password}}'"]))
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidRequest, "{error:?}");
    assert!(
        error.message.contains("near 'CREATE '[password]'"),
        "{}",
        error.message
    );
    for piece in ["Pa55", "hunter22", "v-quoted-"] {
        assert!(!error.message.contains(piece), "{piece}: {}", error.message);
    }
}
