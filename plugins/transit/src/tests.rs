#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use coffer_sdk::Operation::{Read, Write};
use coffer_sdk::testing::Host;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::kind::Kind;

fn write(host: &Host, path: &str, data: Value) -> Result<Response> {
    host.call(&TRANSIT, Write, path, data)
}

fn latest(host: &Host, key: &str) -> Value {
    let shown = host.call(&TRANSIT, Read, &format!("keys/{key}"), json!({}));
    shown.unwrap().value()["latest_version"].clone()
}

#[test]
fn keys_rotate_by_themselves_when_their_period_has_passed() {
    let host = Host::new();
    write(&host, "keys/hourly", json!({"auto_rotate_period": "1h"})).unwrap();
    write(&host, "keys/daily", json!({"auto_rotate_period": "24h"})).unwrap();
    write(&host, "keys/never", json!({})).unwrap();
    write(&host, "keys/deleted", json!({"auto_rotate_period": "1h"})).unwrap();
    let deleted = host.call(
        &TRANSIT,
        coffer_sdk::Operation::Delete,
        "keys/deleted/soft-delete",
        json!({}),
    );
    deleted.unwrap();
    let versions = || ["hourly", "daily", "never", "deleted"].map(|key| latest(&host, key));
    host.advance(3599);
    host.tick(&TRANSIT).unwrap();
    assert_eq!(versions(), [1, 1, 1, 1]);
    host.advance(1);
    host.tick(&TRANSIT).unwrap();
    host.tick(&TRANSIT).unwrap();
    assert_eq!(versions(), [2, 1, 1, 1]);
    // Asking for one by hand begins the period anew.
    host.advance(1800);
    write(&host, "keys/hourly/rotate", json!({})).unwrap();
    host.advance(1800);
    host.tick(&TRANSIT).unwrap();
    assert_eq!(versions(), [3, 1, 1, 1]);
    write(
        &host,
        "keys/hourly/config",
        json!({"auto_rotate_period": 0}),
    )
    .unwrap();
    host.advance(86_400);
    host.tick(&TRANSIT).unwrap();
    assert_eq!(versions(), [3, 2, 1, 1]);
    assert!(
        host.log()
            .iter()
            .any(|line| line.contains("key daily has version 2 now"))
    );
}

#[test]
fn a_key_that_is_deleted_leaves_nothing() {
    let host = Host::new();
    for kind in Kind::ALL {
        let key = json!({"type": kind.name(), "auto_rotate_period": if kind == Kind::Hmac { 0 } else { 7200 }});
        write(&host, "keys/a", key).unwrap();
        write(&host, "keys/a/rotate", json!({})).unwrap();
        write(&host, "keys/a/config", json!({"deletion_allowed": true})).unwrap();
        let gone = host.call(&TRANSIT, coffer_sdk::Operation::Delete, "keys/a", json!({}));
        gone.unwrap();
        assert_eq!(host.keys(), [""; 0], "{kind:?}");
        assert_eq!(host.held_keys(), [""; 0], "{kind:?}");
    }
}

/// What a key is called, but for those that take long to make.
fn quick() -> impl Strategy<Value = Kind> {
    prop::sample::select(
        Kind::ALL
            .into_iter()
            .filter(|kind| !kind.is_rsa())
            .collect::<Vec<_>>(),
    )
}

proptest! {
    #[test]
    fn what_is_encrypted_is_decrypted(
        kind in quick().prop_filter("encrypts", |kind| kind.is_aead()),
        text: Vec<u8>, aad: Vec<u8>, context in "[a-z]{1,8}", derived: bool, convergent: bool, rotations in 0_u8..3,
        rewrapped: bool,
    ) {
        let host = Host::new();
        let key = json!({"type": kind.name(), "derived": derived, "convergent_encryption": derived && convergent});
        write(&host, "keys/a", key).unwrap();
        let (text, context) = (encoding::base64(&text), encoding::base64(context.as_bytes()));
        let mut input = json!({"plaintext": text, "associated_data": encoding::base64(&aad), "context": context});
        let sealed = write(&host, "encrypt/a", input.clone()).unwrap().value();
        if derived && convergent {
            prop_assert_eq!(&write(&host, "encrypt/a", input.clone()).unwrap().value(), &sealed);
        }
        for _ in 0..rotations {
            write(&host, "keys/a/rotate", json!({})).unwrap();
        }
        input["ciphertext"] = sealed["ciphertext"].clone();
        if rewrapped {
            let fresh = write(&host, "rewrap/a", input.clone()).unwrap().value();
            prop_assert_eq!(&fresh["key_version"], &json!(rotations + 1));
            input["ciphertext"] = fresh["ciphertext"].clone();
        }
        let opened = write(&host, "decrypt/a", input).unwrap().value();
        prop_assert_eq!(&opened["plaintext"], &json!(text));
    }

    #[test]
    fn no_signature_is_good_when_a_bit_was_changed(
        kind in quick().prop_filter("signs", |kind| kind.signs()),
        input: Vec<u8>, at: prop::sample::Index, bit in 0_u8..8, jws: bool,
    ) {
        let host = Host::new();
        write(&host, "keys/a", json!({"type": kind.name()})).unwrap();
        let way = if jws { "jws" } else { "asn1" };
        let mut body = json!({"input": encoding::base64(&input), "marshaling_algorithm": way});
        let signed = write(&host, "sign/a", body.clone()).unwrap().value();
        let signature = signed["signature"].as_str().unwrap();
        body["signature"] = json!(signature);
        prop_assert_eq!(&write(&host, "verify/a", body.clone()).unwrap().value()["valid"], true);
        let text = signature.strip_prefix("vault:v1:").unwrap();
        let mut bytes = if jws { encoding::url_bytes(text).unwrap() } else { encoding::bytes(text).unwrap() };
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let text = if jws { encoding::base64_url(&bytes) } else { encoding::base64(&bytes) };
        body["signature"] = json!(encoding::versioned(1, &text));
        let verified = write(&host, "verify/a", body);
        prop_assert!(verified.is_err() || verified.unwrap().value()["valid"] == false);
    }

    #[test]
    fn no_input_is_too_strange(
        path in prop::sample::select(vec!["encrypt/a", "decrypt/a", "rewrap/a", "sign/a", "verify/a", "hmac/a", "restore/b", "keys/c/import",
            "keys/a/csr", "keys/a/set-certificate", "derive-key/d", "hash", "random"]),
        text in "\\PC*", field in prop::sample::select(vec!["plaintext", "ciphertext", "input", "signature", "hmac", "backup", "csr",
            "certificate_chain", "peer_public_key", "public_key", "batch_input", "context", "key_version", "salt_length"]),
    ) {
        let host = Host::new();
        write(&host, "keys/a", json!({"type": "ed25519"})).unwrap();
        let mut body = json!({"base_key_name": "a"});
        body[field] = json!(text);
        if let Err(error) = write(&host, path, body) {
            prop_assert!(!matches!(error.kind, coffer_sdk::ErrorKind::Internal), "{}", error.message);
        }
    }
}
