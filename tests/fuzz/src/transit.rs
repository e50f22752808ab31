//! A request to the transit engine: its path, NUL, and its body.

use coffer_sdk::ErrorKind;
use coffer_sdk::Operation::{Read, Write};
use coffer_sdk::testing::Host;
use serde_json::{Value, json};
use transit::TRANSIT;

const KEYS: [(&str, &str); 4] = [
    ("a", "aes256-gcm96"),
    ("x", "xchacha20-poly1305"),
    ("e", "ed25519"),
    ("p", "ecdsa-p256"),
];

pub(crate) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let (path, body) = text.split_once('\0').unwrap_or(("encrypt/a", text));
    // Making RSA keys takes longer than all the rest.
    let makes_rsa = path.starts_with("wrapping_key") || body.contains("rsa-");
    let Ok(body @ Value::Object(_)) = serde_json::from_str(body) else {
        return;
    };
    if makes_rsa || path.len() > 1000 {
        return;
    }
    let host = Host::new();
    for (name, kind) in KEYS {
        let path = format!("keys/{name}");
        host.call(&TRANSIT, Write, &path, json!({ "type": kind }))
            .unwrap();
    }
    for operation in [Write, Read] {
        if let Err(error) = host.call(&TRANSIT, operation, path, body.clone()) {
            assert_ne!(error.kind, ErrorKind::Internal, "{}", error.message);
        }
    }
    // Whatever that was, the keys work.
    let sealed = host.call(&TRANSIT, Write, "encrypt/a", json!({ "plaintext": "eA==" }));
    if let Ok(sealed) = sealed {
        let opened = host.call(&TRANSIT, Write, "decrypt/a", sealed.value());
        assert_eq!(opened.unwrap().value()["plaintext"], "eA==");
    }
}
