//! The transit engine, over HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use coffer_keys::{Algorithm, Hash, Key};
use coffer_tests::{Client, KEY_TYPES, Server, check, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

fn dev() -> (Server, Client) {
    let server = Server::dev().unwrap();
    let client = server.client();
    client
        .post("sys/mounts/transit", json!({"type": "transit"}))
        .ok();
    (server, client)
}

#[test]
#[rustfmt::skip]
fn keys_and_their_lives() {
    let (_server, root) = dev();
    check! { root;
        "LIST transit/keys" => 404, {"errors": []};
        "GET transit/keys/a" => 404, {"errors": []};
        "POST transit/keys/a", {} => 200, {"data": {"name": "a", "type": "aes256-gcm96", "derived": false, "deletion_allowed": false,
            "min_available_version": 0, "min_decryption_version": 1, "min_encryption_version": 0, "latest_version": 1,
            "exportable": false, "allow_plaintext_backup": false, "supports_encryption": true, "supports_decryption": true,
            "supports_signing": false, "supports_derivation": true, "auto_rotate_period": 0, "imported_key": false,
            "soft_deleted": false, "keys": {"1": "*"}, "kdf": "?", "key_size": "?"}};
        "POST transit/keys/a", {} => 200, {"warnings": ["key a already existed"]};
        "POST transit/keys/x", {"type": "nope"} => 400, {"errors": ["unknown key type nope"]};
        "POST transit/keys/x", {"convergent_encryption": true} => 400, {"errors": ["convergent encryption requires derivation to be enabled"]};
        "POST transit/keys/x", {"auto_rotate_period": "5m"} => 400, {"errors": ["auto rotate period must be 0 to disable or at least an hour"]};
        "POST transit/keys/x", {"type": "rsa-2048", "derived": true} => 400, {"errors": ["~not supported for keys of type rsa-2048"]};
        "POST transit/keys/x", {"type": "ed25519", "derived": true, "convergent_encryption": true} => 400, {"errors": ["~not supported for keys of type ed25519"]};
        "POST transit/keys/x", {"type": "hmac", "key_size": 31} => 400, {"errors": ["~invalid key_size 31"]};
        "POST transit/keys/x", {"type": "hmac", "key_size": 513} => 400, {"errors": ["~invalid key_size 513"]};
        "POST transit/keys/x", {"key_size": 32} => 400, {"errors": ["key_size is not valid for algorithm aes256-gcm96"]};
        "POST transit/keys/-x", {} => 400, {"errors": ["~a key's name has letters"]};
        "POST transit/keys/x%2Fy", {} => 404, {"errors": "*"};
        "POST transit/keys/d", {"derived": true, "convergent_encryption": true} => 200, {"data": {"kdf": "hkdf_sha256",
            "convergent_encryption": true, "convergent_encryption_version": -1}};
        "POST transit/keys/e", {"type": "ed25519", "derived": true} => 200, {"data": {"keys": {"1": {"name": "ed25519", "public_key": ""}}}};
        "GET transit/keys/e?context=Zm9v" => 200, {"data": {"keys": {"1": {"public_key": "*"}}}};
        "GET transit/keys/e?context=*" => 400, {"errors": ["failed to base64-decode context"]};
        "POST transit/keys/p", {"type": "ecdsa-p521"} => 200, {"data": {"keys": {"1": {"name": "P-521", "certificate_chain": "",
            "public_key": "~-----BEGIN PUBLIC KEY-----\n", "creation_time": "*"}}}};
        "POST transit/keys/h", {"type": "hmac"} => 200, {"data": {"key_size": 32, "keys": "?"}};
        "LIST transit/keys" => 200, {"data": {"keys": ["a", "d", "e", "h", "p"]}};
        "LIST transit/keys?after=a&limit=2" => 200, {"data": {"keys": ["d", "e"]}};

        "POST transit/keys/nope/config", {} => 400, {"errors": ["no existing key named nope could be found"]};
        "POST transit/keys/a/config", {"min_decryption_version": 3} => 400, {"errors": ["cannot set min decryption version of 3, latest key version is 1"]};
        "POST transit/keys/a/config", {"min_encryption_version": 3} => 400, {"errors": ["cannot set min encryption version of 3, latest key version is 1"]};
        "POST transit/keys/a/config", {"min_encryption_version": -3} => 400, {"errors": ["min encryption version cannot be negative"]};
        "POST transit/keys/a/config", {"min_decryption_version": 0} => 200, {"warnings": ["~is now 1"], "data": {"min_decryption_version": 1}};
        "POST transit/keys/nope/rotate", {} => 400, {"errors": ["key not found"]};
        "POST transit/keys/a/rotate", {} => 200, {"data": {"latest_version": 2, "keys": {"1": "*", "2": "*"}}};
        "POST transit/keys/a/config", {"min_decryption_version": 2, "min_encryption_version": 1} => 400, {"errors": ["~must be greater than or equal to min decryption version of 2"]};
        "POST transit/keys/a/trim", {"min_available_version": 2} => 400, {"errors": ["minimum available version cannot be set when minimum encryption version is not set"]};
        "POST transit/keys/a/config", {"min_decryption_version": 2, "min_encryption_version": 2} => 200, {"data": {"keys": {"1": "?", "2": "*"}}};
        "POST transit/keys/a/config", {"min_decryption_version": 1} => 200, {"data": {"keys": {"1": "*", "2": "*"}}};
        "POST transit/keys/a/trim", {"min_available_version": 2} => 400, {"errors": ["~greater than minimum decryption version"]};
        "POST transit/keys/a/config", {"min_decryption_version": 2} => 200, {};
        "POST transit/keys/a/trim", {} => 400, {"errors": ["missing min_available_version"]};
        "POST transit/keys/a/trim", {"min_available_version": 3} => 400, {"errors": ["~cannot be greater than the latest key version"]};
        "POST transit/keys/a/trim", {"min_available_version": -1} => 400, {"errors": ["minimum available version cannot be decremented"]};
        "POST transit/keys/nope/trim", {"min_available_version": 1} => 400, {"errors": ["invalid key name"]};
        "POST transit/keys/a/trim", {"min_available_version": 2} => 200, {"data": {"min_available_version": 2, "keys": {"1": "?", "2": "*"}}};
        "POST transit/keys/a/trim", {"min_available_version": 1} => 400, {"errors": ["minimum available version cannot be decremented"]};
        "POST transit/keys/a/config", {"min_decryption_version": 1} => 400, {"errors": ["~should not be less then min available version"]};

        "DELETE transit/keys/a/soft-delete" => 200, {"data": {"soft_deleted": true}};
        "DELETE transit/keys/a/soft-delete" => 200, {"warnings": ["key was already marked as soft deleted"]};
        "POST transit/encrypt/a", {"plaintext": "eA=="} => 400, {"errors": ["refusing to use soft-deleted key"]};
        "POST transit/decrypt/a", {"ciphertext": "vault:v2:AAAA"} => 400, {"errors": ["refusing to use soft-deleted key"]};
        "POST transit/hmac/a", {"input": "eA=="} => 400, {"errors": ["refusing to use soft-deleted key"]};
        "POST transit/keys/a/rotate", {} => 400, {"errors": ["refusing to use soft-deleted key"]};
        "GET transit/keys/a" => 200, {"data": {"soft_deleted": true}};
        "POST transit/keys/a/soft-delete-restore", {} => 200, {"data": {"soft_deleted": false}};
        "POST transit/keys/a/soft-delete-restore", {} => 200, {"warnings": ["key was already restored"]};
        "DELETE transit/keys/nope/soft-delete" => 204, null;

        "DELETE transit/keys/nope" => 400, {"errors": ["error deleting policy nope: could not delete key; not found"]};
        "DELETE transit/keys/a" => 400, {"errors": ["error deleting policy a: deletion is not allowed for this key"]};
        "POST transit/keys/a/config", {"deletion_allowed": true, "exportable": true, "auto_rotate_period": "2h"} => 200,
            {"data": {"deletion_allowed": true, "exportable": true, "auto_rotate_period": 7200}};
        "POST transit/keys/a/config", {"exportable": false} => 200, {"data": {"exportable": true}};
        "DELETE transit/keys/a" => 204, null;
        "GET transit/keys/a" => 404, {"errors": []};
        "POST transit/keys/a", {} => 200, {"data": {"latest_version": 1, "exportable": false}};

        "GET transit/cache-config" => 200, {"data": {"size": 0}};
        "POST transit/cache-config", {"size": 5} => 400, {"errors": ["size must be 0 or a value greater or equal to 10"]};
        "POST transit/cache-config", {"size": 100} => 200, {"data": {"size": 100}};
        "GET transit/cache-config" => 200, {"data": {"size": 100}};
        "GET transit/config/keys" => 200, {"data": {"disable_upsert": false}};
    }
}

#[test]
#[rustfmt::skip]
fn encryption() {
    let (_server, root) = dev();
    check! { root;
        "POST transit/config/keys", {"disable_upsert": true} => 200, {"data": {"disable_upsert": true}};
        "POST transit/encrypt/a", {"plaintext": "eA=="} => 400, {"errors": ["encryption key not found"]};
        "POST transit/config/keys", {"disable_upsert": false} => 200, {"data": {"disable_upsert": false}};
        "POST transit/encrypt/a", {"plaintext": "eA==", "type": "nope"} => 400, {"errors": ["unknown key type nope"]};
        "POST transit/encrypt/a", {"plaintext": "eA==", "type": "ecdsa-p256"} => 400, {"errors": ["key type ecdsa-p256 not supported for this operation"]};
        "POST transit/encrypt/a", {"plaintext": "eA==", "convergent_encryption": true} => 400, {"errors": ["~so context is required"]};
        "POST transit/encrypt/a", {"plaintext": "eA=="} => 200, {"data": {"ciphertext": "~vault:v1:", "key_version": 1}};
        "POST transit/encrypt/a", {} => 400, {"errors": ["missing plaintext to encrypt"]};
        "POST transit/encrypt/a", {"plaintext": "%%%"} => 400, {"errors": ["illegal base64 data at input byte 0"]};
        "POST transit/encrypt/a", {"plaintext": "eA==", "key_version": 7} => 400, {"errors": ["requested version for encryption is higher than the latest key version"]};
        "POST transit/encrypt/a", {"plaintext": "eA==", "key_version": -1} => 400, {"errors": ["requested version for encryption is negative"]};
        "POST transit/encrypt/a", {"plaintext": "eA==", "associated_data": "%"} => 400, {"errors": ["~unable to decode associated_data"]};
        "POST transit/encrypt/d", {"plaintext": "eA==", "context": "Zm9v"} => 200, {"data": {"ciphertext": "*"}};
        "GET transit/keys/d" => 200, {"data": {"derived": true}};
        "POST transit/encrypt/d", {"plaintext": "eA=="} => 400, {"errors": ["~missing 'context' for key derivation"]};
        "POST transit/keys/e", {"type": "ed25519"} => 200, {};
        "POST transit/encrypt/e", {"plaintext": "eA=="} => 400, {"errors": ["message encryption not supported for key type ed25519"]};
        "POST transit/decrypt/e", {"ciphertext": "vault:v1:AAAA"} => 400, {"errors": ["message decryption not supported for key type ed25519"]};
        "POST transit/keys/r", {"type": "rsa-2048"} => 200, {};
        "POST transit/encrypt/r", {"plaintext": "eA==", "associated_data": "eQ=="} => 400, {"errors": ["'[0].associated_data' provided for non-AEAD cipher suite rsa-2048"]};
        "POST transit/decrypt/r", {"ciphertext": "vault:v1:AAAA"} => 400, {"errors": ["failed to RSA decrypt the ciphertext"]};

        "POST transit/decrypt/a", {} => 400, {"errors": ["missing ciphertext to decrypt"]};
        "POST transit/decrypt/nope", {"ciphertext": "vault:v1:AAAA"} => 400, {"errors": ["encryption key not found"]};
        "POST transit/decrypt/a", {"ciphertext": "zzz"} => 400, {"errors": ["invalid ciphertext: no prefix"]};
        "POST transit/decrypt/a", {"ciphertext": "vault:v1"} => 400, {"errors": ["invalid ciphertext: wrong number of fields"]};
        "POST transit/decrypt/a", {"ciphertext": "vault:vx:AAAA"} => 400, {"errors": ["invalid ciphertext: version number could not be decoded"]};
        "POST transit/decrypt/a", {"ciphertext": "vault:v9:AAAA"} => 400, {"errors": ["invalid ciphertext: version is too new"]};
        "POST transit/decrypt/a", {"ciphertext": "vault:v99999999999999999999:AAAA"} => 400, {"errors": ["invalid ciphertext: version number could not be decoded"]};
        "POST transit/decrypt/a", {"ciphertext": "vault:v-1:AAAA"} => 400, {"errors": ["ciphertext or signature version is disallowed by policy (too old)"]};
        "POST transit/decrypt/a", {"ciphertext": "vault:v1:%%"} => 400, {"errors": ["invalid ciphertext: could not decode base64"]};
        "POST transit/decrypt/a", {"ciphertext": "vault:v1:AAAA"} => 400, {"errors": ["invalid ciphertext length"]};
        "POST transit/decrypt/a", {"ciphertext": "vault:v1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"} => 400, {"errors": ["cipher: message authentication failed"]};
        "POST transit/rewrap/a", {} => 400, {"errors": ["missing ciphertext to decrypt"]};
        "POST transit/rewrap/nope", {} => 400, {"errors": ["encryption key not found"]};

        "POST transit/datakey/plaintext/a", {} => 200, {"data": {"ciphertext": "~vault:v1:", "plaintext": "*", "key_version": 1}};
        "POST transit/datakey/wrapped/a", {"bits": 512} => 200, {"data": {"ciphertext": "~vault:v1:", "plaintext": "?"}};
        "POST transit/datakey/wrapped/a", {"bits": 5} => 400, {"errors": ["invalid bit length"]};
        "POST transit/datakey/zz/a", {} => 400, {"errors": ["Invalid path, must be 'plaintext' or 'wrapped'"]};
        "POST transit/datakey/plaintext/nope", {} => 400, {"errors": ["encryption key not found"]};
        "POST transit/datakey/plaintext/d", {"context": "%"} => 400, {"errors": ["failed to base64-decode context"]};
    }
    // Associated data, contexts and versions.
    let text = |reply: coffer_tests::Reply| reply.text("/data/ciphertext");
    let sealed = text(root.post("transit/encrypt/a", json!({"plaintext": "eA==", "associated_data": "eQ=="})));
    let derived = text(root.post("transit/encrypt/d", json!({"plaintext": "eA==", "context": "Zm9v"})));
    root.post("transit/keys/a/rotate", json!({})).ok();
    check! { root;
        "POST transit/decrypt/a", {"ciphertext": (sealed), "associated_data": "eQ=="} => 200, {"data": {"plaintext": "eA=="}};
        "POST transit/decrypt/a", {"ciphertext": (sealed)} => 400, {"errors": ["cipher: message authentication failed"]};
        "POST transit/decrypt/d", {"ciphertext": (derived), "context": "Zm9v"} => 200, {"data": {"plaintext": "eA=="}};
        "POST transit/decrypt/d", {"ciphertext": (derived), "context": "Zm9w"} => 400, {"errors": ["cipher: message authentication failed"]};
        "POST transit/encrypt/a", {"plaintext": "eA=="} => 200, {"data": {"ciphertext": "~vault:v2:", "key_version": 2}};
        "POST transit/encrypt/a", {"plaintext": "eA==", "key_version": 1} => 200, {"data": {"ciphertext": "~vault:v1:", "key_version": 1}};
        "POST transit/rewrap/a", {"ciphertext": (sealed)} => 400, {"errors": ["cipher: message authentication failed"]};
    }
    let old = text(root.post("transit/encrypt/a", json!({"plaintext": "eA==", "key_version": 1})));
    let fresh = text(root.post("transit/rewrap/a", json!({ "ciphertext": old })));
    assert!(fresh.starts_with("vault:v2:"));
    root.post("transit/keys/a/config", json!({"min_decryption_version": 2})).ok();
    check! { root;
        "POST transit/decrypt/a", {"ciphertext": (fresh)} => 200, {"data": {"plaintext": "eA=="}};
        "POST transit/decrypt/a", {"ciphertext": (old)} => 400, {"errors": ["ciphertext or signature version is disallowed by policy (too old)"]};
        "POST transit/encrypt/a", {"plaintext": "eA==", "key_version": 1} => 400, {"errors": ["no such key version"]};
    }
}

#[test]
#[rustfmt::skip]
fn batches() {
    let (_server, root) = dev();
    check! { root;
        "POST transit/keys/a", {} => 200, {};
        "POST transit/keys/e", {"type": "ed25519"} => 200, {};
        "POST transit/encrypt/a", {"batch_input": []} => 400, {"errors": ["missing batch input to process"]};
        "POST transit/encrypt/a", {"batch_input": "x"} => 400, {"errors": ["failed to parse batch input: it must be a list"]};
        "POST transit/encrypt/a", {"batch_input": [{"plaintext": "eA=="}, {"plaintext": ["secret"]}]} => 400,
            {"errors": ["failed to parse batch input: [1] is no object of the right types"]};
        "POST transit/encrypt/a", {"batch_input": [{"ciphertext": "x"}]} => 400, {"errors": ["~missing plaintext to encrypt"]};
        "POST transit/encrypt/a", {"batch_input": [{"plaintext": "eA==", "reference": "r"}, {"plaintext": "eQ=="}]} => 200,
            {"data": {"batch_results": [{"ciphertext": "~vault:v1:", "key_version": 1, "reference": "r"}, {"ciphertext": "*", "reference": ""}]}};
        "POST transit/encrypt/a", {"batch_input": [{"plaintext": "eA=="}, {"plaintext": "%"}]} => 400,
            {"data": {"batch_results": [{"ciphertext": "*"}, {"error": "illegal base64 data at input byte 0", "ciphertext": "?"}]}};
        "POST transit/encrypt/a", {"partial_failure_response_code": 299, "batch_input": [{"plaintext": "eA=="}, {"plaintext": "%"}]} => 299,
            {"data": {"batch_results": "*"}};
        "POST transit/encrypt/a", {"partial_failure_response_code": 299, "batch_input": [{"plaintext": "%"}]} => 400, {"data": "*"};
        "POST transit/encrypt/a", {"partial_failure_response_code": 999, "batch_input": [{"plaintext": "eA=="}, {"plaintext": "%"}]} => 400,
            {"warnings": ["~invalid HTTP response code override"]};
        "POST transit/encrypt/a", {"batch_input": [{"plaintext": "eA==", "context": "AAAA"}, {"plaintext": "eA=="}]} => 400,
            {"errors": ["context should be set either in all the request blocks or in none"]};
        "POST transit/decrypt/a", {"batch_input": [{"ciphertext": "zz", "reference": "q"}]} => 400,
            {"data": {"batch_results": [{"plaintext": "", "error": "invalid ciphertext: no prefix", "reference": "q"}]}};
        "POST transit/rewrap/a", {"batch_input": [{"reference": "q"}]} => 200,
            {"data": {"batch_results": [{"error": "missing ciphertext to decrypt", "reference": "q"}]}};
        "POST transit/sign/e", {"batch_input": [{"input": "eA==", "reference": "1"}, {}, {"input": "%"}]} => 200,
            {"data": {"batch_results": [{"signature": "~vault:v1:", "key_version": 1, "reference": "1"}, {"error": "missing input", "key_version": 0}, {"error": "~unable to decode input"}]}};
        "POST transit/hmac/a", {"batch_input": [{"input": "eA==", "reference": "1"}, {}]} => 200,
            {"data": {"batch_results": [{"hmac": "~vault:v1:", "reference": "1"}, {"error": "missing input for HMAC"}]}};
        "POST transit/verify/e", {"batch_input": [{"input": "eA==", "signature": "x"}, {"input": "eA=="}]} => 400, {"errors": ["some elements of batch_input are missing 'signature'"]};
        "POST transit/verify/e", {"batch_input": [{"input": "eA==", "hmac": "x"}, {"input": "eA=="}]} => 400, {"errors": ["some elements of batch_input are missing 'hmac'"]};
        "POST transit/verify/e", {"batch_input": [{"input": "eA==", "hmac": "x"}, {"input": "eA==", "signature": "x"}]} => 400, {"errors": ["~must all provide"]};
        "POST transit/verify/e", {"batch_input": [{"input": "eA=="}]} => 400, {"errors": ["no batch_input elements have 'signature' or 'hmac'"]};
    }
    // What goes in comes out, in order.
    let texts: Vec<String> = (0..100).map(|n| format!("{n:04}")).collect();
    let items: Vec<Value> = texts.iter().map(|text| json!({ "plaintext": text, "reference": text })).collect();
    let sealed = root.post("transit/encrypt/a", json!({ "batch_input": items })).ok();
    let items: Vec<Value> = sealed["data"]["batch_results"].as_array().unwrap().clone();
    let opened = root.post("transit/decrypt/a", json!({ "batch_input": items })).ok();
    let opened = opened["data"]["batch_results"].as_array().unwrap();
    for (text, opened) in texts.iter().zip(opened) {
        assert_eq!((&opened["plaintext"], &opened["reference"]), (&json!(text), &json!(text)));
    }
}

#[test]
#[rustfmt::skip]
fn signatures_and_codes() {
    let (_server, root) = dev();
    check! { root;
        "POST transit/keys/e", {"type": "ed25519"} => 200, {};
        "POST transit/keys/d", {"type": "ed25519", "derived": true} => 200, {};
        "POST transit/keys/p", {"type": "ecdsa-p256"} => 200, {};
        "POST transit/keys/r", {"type": "rsa-2048"} => 200, {};
        "POST transit/keys/a", {} => 200, {};
        "POST transit/sign/nope", {} => 400, {"errors": ["signing key not found"]};
        "POST transit/sign/a", {} => 400, {"errors": ["key type aes256-gcm96 does not support signing"]};
        "POST transit/sign/e", {"input": "%"} => 400, {"errors": ["unable to decode input as base64: illegal base64 data at input byte 0"]};
        "POST transit/sign/e", {"input": "eA==", "key_version": 3} => 400, {"errors": ["requested version for signing is higher than the latest key version"]};
        "POST transit/sign/e", {"input": "eA==", "key_version": -3} => 400, {"errors": ["requested version for signing is negative"]};
        "POST transit/sign/d", {"input": "eA=="} => 400, {"errors": ["~missing 'context' for key derivation"]};
        "POST transit/sign/d", {"input": "eA==", "context": "Zm9v"} => 200, {"data": {"signature": "~vault:v1:", "public_key": "*", "key_version": 1}};
        "POST transit/sign/r", {"input": "eA==", "hash_algorithm": "zz"} => 400, {"errors": ["invalid hash algorithm \"zz\""]};
        "POST transit/sign/r/zz", {"input": "eA=="} => 400, {"errors": ["invalid hash algorithm \"zz\""]};
        "POST transit/sign/r", {"input": "eA==", "signature_algorithm": "zz"} => 400, {"errors": ["unsupported rsa signature algorithm zz"]};
        "POST transit/sign/r", {"input": "eA==", "marshaling_algorithm": "zz"} => 400, {"errors": ["invalid marshaling type \"zz\""]};
        "POST transit/sign/r", {"input": "eA==", "salt_length": "zz"} => 400, {"errors": ["salt length neither 'auto', 'hash', nor an int: zz"]};
        "POST transit/sign/r", {"input": "eA==", "salt_length": "-2"} => 400, {"errors": ["salt length is invalid: -2"]};
        "POST transit/sign/r", {"input": "eA==", "salt_length": "1000"} => 400, {"errors": ["a salt of 1000 bytes does not fit: at most 222"]};
        "POST transit/sign/r", {"input": "eA==", "hash_algorithm": "none"} => 400, {"errors": ["~requires both prehashed=true and signature_algorithm=pkcs1v15"]};
        "POST transit/sign/r", {"input": "eA==", "prehashed": true} => 400, {"errors": ["a digest of this hash function has 32 bytes, not 1"]};
        "POST transit/verify/nope", {"input": "eA==", "signature": "x"} => 400, {"errors": ["signature verification key not found"]};
        "POST transit/verify/nope", {"input": "eA==", "hmac": "x"} => 400, {"errors": ["encryption key not found"]};
        "POST transit/verify/a", {"input": "eA==", "signature": "x"} => 400, {"errors": ["key type aes256-gcm96 does not support verification"]};
        "POST transit/verify/e", {"input": "eA=="} => 400, {"errors": ["neither a 'signature' nor an 'hmac' were given to verify"]};
        "POST transit/verify/e", {"input": "eA==", "signature": "x", "hmac": "x"} => 400, {"errors": ["provide one of 'signature' or 'hmac'"]};
        "POST transit/verify/e", {"input": "eA==", "signature": "zz"} => 400, {"errors": ["invalid signature: no prefix"]};
        "POST transit/verify/e", {"input": "eA==", "signature": "vault:v1"} => 400, {"errors": ["invalid signature: wrong number of fields"]};
        "POST transit/verify/e", {"input": "eA==", "signature": "vault:v5:AA"} => 400, {"errors": ["invalid signature: version is too new"]};
        "POST transit/verify/e", {"input": "eA==", "signature": "vault:v0:AAAA"} => 400, {"errors": ["ciphertext or signature version is disallowed by policy (too old)"]};
        "POST transit/verify/e", {"input": "eA==", "signature": "vault:v1:%"} => 400, {"errors": ["invalid base64 signature value"]};
        "POST transit/verify/e", {"input": "eA==", "signature": "vault:v1:AAAA"} => 200, {"data": {"valid": false}};
        "POST transit/verify/p", {"input": "eA==", "signature": "vault:v1:AAAA"} => 400, {"errors": ["supplied signature is invalid"]};
        "POST transit/verify/p", {"input": "eA==", "signature": "vault:v1:AAAA", "marshaling_algorithm": "jws"} => 200, {"data": {"valid": false}};

        "POST transit/hmac/nope", {"input": "eA=="} => 400, {"errors": ["encryption key not found"]};
        "POST transit/hmac/a", {} => 400, {"errors": ["missing input for HMAC"]};
        "POST transit/hmac/a", {"input": "%"} => 400, {"errors": ["~unable to decode input as base64"]};
        "POST transit/hmac/a/zz", {"input": "eA=="} => 400, {"errors": ["unsupported algorithm \"zz\""]};
        "POST transit/hmac/a", {"input": "eA==", "key_version": 5} => 400, {"errors": ["key version does not exist; latest key version is 1"]};
        "POST transit/hmac/a", {"input": "eA==", "key_version": -5} => 400, {"errors": ["key version does not exist (cannot be negative)"]};
        "POST transit/verify/a", {"input": "eA==", "hmac": "vault:v9:AAAA"} => 400, {"errors": ["invalid HMAC: version is too new"]};
        "POST transit/verify/a", {"input": "eA==", "hmac": "vault:v1:AAAA"} => 200, {"data": {"valid": false}};

        "POST transit/hash", {} => 400, {"errors": ["input missing"]};
        "POST transit/hash", {"input": "eA=="} => 200, {"data": {"sum": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}};
        "POST transit/hash/sha3-224", {"input": "eA==", "format": "base64"} => 200, {"data": {"sum": "Y+bOsorUdPpRw9XdoiOa215Yoa4mANGMbhFnRg=="}};
        "POST transit/hash/sha1", {"input": "eA=="} => 400, {"errors": ["unsupported algorithm sha1"]};
        "POST transit/hash", {"input": "eA==", "format": "zz"} => 400, {"errors": ["~must be \"hex\" or \"base64\""]};
        "POST transit/random", {} => 200, {"data": {"random_bytes": "*"}};
        "POST transit/random/8", {"format": "hex"} => 200, {"data": {"random_bytes": "*"}};
        "POST transit/random/platform/8", {} => 200, {"data": {"random_bytes": "*"}};
        "POST transit/random/seal/8", {} => 200, {"warnings": ["~no seal/entropy augmentation available"]};
        "POST transit/random/zz/8", {} => 400, {"errors": ["~unsupported entropy source \"zz\""]};
        "POST transit/random/zz", {} => 400, {"errors": ["~error parsing url-set byte count"]};
        "POST transit/random/0", {} => 400, {"errors": ["'bytes' cannot be less than 1"]};
        "POST transit/random/200000", {} => 400, {"errors": ["'bytes' should be less than 131072"]};
    }
    let long = root.post("transit/random/131072", json!({"format": "hex"})).text("/data/random_bytes");
    assert_eq!(long.len(), 2 * 131_072);
}

/// Every type of key, in every way that it can be used, and no signature or ciphertext of which a bit was changed.
#[test]
fn every_type_does_what_it_is_for() {
    let (_server, root) = dev();
    for kind in KEY_TYPES {
        root.post(&format!("transit/keys/{kind}"), json!({ "type": kind }))
            .ok();
        root.post(&format!("transit/keys/{kind}/rotate"), json!({}))
            .ok();
        let shown = root.get(&format!("transit/keys/{kind}")).ok();
        let can = |what: &str| shown["data"][format!("supports_{what}")] == true;
        if can("encryption") {
            encrypts(&root, kind);
        }
        if can("signing") {
            signs(&root, kind);
        }
        for hash in ["sha1", "sha2-224", "sha2-512", "sha3-256"] {
            let input = json!({"input": "eA=="});
            let made = root
                .post(&format!("transit/hmac/{kind}/{hash}"), input)
                .text("/data/hmac");
            let verify = |input: &str, hash: &str| {
                let body = json!({ "input": input, "hmac": made });
                root.post(&format!("transit/verify/{kind}/{hash}"), body)
                    .ok()["data"]["valid"]
                    .clone()
            };
            assert_eq!(verify("eA==", hash), true);
            assert_eq!(verify("eQ==", hash), false);
            assert_eq!(verify("eA==", "sha3-512"), false);
        }
    }
}

/// The same text with one character of its base64 changed.
fn changed(text: &str) -> impl Iterator<Item = String> + '_ {
    let start = text.rfind(':').unwrap() + 1;
    let last = text.trim_end_matches('=').len() - 2;
    [start, start + 7, usize::midpoint(start, last), last]
        .into_iter()
        .map(move |at| {
            let other = if &text[at..=at] == "A" { "B" } else { "A" };
            format!("{}{other}{}", &text[..at], &text[at + 1..])
        })
}

fn encrypts(root: &Client, kind: &str) {
    for text in ["", "eA==", "AAECAwQFBgcICQ=="] {
        for version in [1, 2] {
            let body = json!({ "plaintext": text, "key_version": version });
            let sealed = root
                .post(&format!("transit/encrypt/{kind}"), body)
                .text("/data/ciphertext");
            let open = |ciphertext: &str| {
                root.post(
                    &format!("transit/decrypt/{kind}"),
                    json!({ "ciphertext": ciphertext }),
                )
            };
            assert_eq!(open(&sealed).ok()["data"]["plaintext"], text);
            for changed in changed(&sealed) {
                assert_eq!(open(&changed).status, 400, "{kind}: {changed}");
            }
            let fresh = root
                .post(
                    &format!("transit/rewrap/{kind}"),
                    json!({ "ciphertext": sealed }),
                )
                .text("/data/ciphertext");
            assert!(fresh.starts_with("vault:v2:") && fresh != sealed);
            assert_eq!(open(&fresh).ok()["data"]["plaintext"], text);
        }
    }
}

fn signs(root: &Client, kind: &str) {
    let ways = if kind.starts_with("rsa") {
        vec![
            json!({}),
            json!({"hash_algorithm": "sha3-512", "signature_algorithm": "pkcs1v15"}),
            json!({"hash_algorithm": "sha1", "salt_length": "hash"}),
            json!({"hash_algorithm": "sha2-384", "salt_length": "20", "marshaling_algorithm": "jws"}),
            json!({"hash_algorithm": "none", "prehashed": true, "signature_algorithm": "pkcs1v15"}),
        ]
    } else {
        vec![
            json!({}),
            json!({"marshaling_algorithm": "jws"}),
            json!({"hash_algorithm": "sha3-224"}),
            json!({"hash_algorithm": "sha2-512", "prehashed": true}),
        ]
    };
    for way in ways {
        let with = |more: Value| {
            let mut body = way.clone();
            body.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            body
        };
        let signed = root
            .post(
                &format!("transit/sign/{kind}"),
                with(json!({"input": "aW5wdXQ="})),
            )
            .text("/data/signature");
        let verify = |input: &str, signature: &str| {
            let body = with(json!({ "input": input, "signature": signature }));
            let reply = root.post(&format!("transit/verify/{kind}"), body);
            reply.is_ok() && reply.body["data"]["valid"] == true
        };
        assert!(verify("aW5wdXQ=", &signed), "{kind} {way}");
        assert!(!verify("aW5wdXU=", &signed), "{kind} {way}");
        for changed in changed(&signed) {
            assert!(!verify("aW5wdXQ=", &changed), "{kind} {way}: {changed}");
        }
    }
}

/// Convergent encryption, and what a restart has to do with any of it: nothing.
#[test]
fn keys_are_the_same_after_a_restart() {
    let (mut server, keys) = Server::ready().unwrap();
    let root = server.client();
    root.post("sys/mounts/transit", json!({"type": "transit"}))
        .ok();
    let mut sealed = Vec::new();
    let key = json!({"derived": true, "convergent_encryption": true});
    let text = json!({"plaintext": "eA==", "context": "Zm9v"});
    for kind in ["aes128-gcm96", "xchacha20-poly1305"] {
        let mut key = key.clone();
        key["type"] = json!(kind);
        root.post(&format!("transit/keys/{kind}"), key).ok();
        let made = root.post(&format!("transit/encrypt/{kind}"), text.clone());
        sealed.push((kind, made.text("/data/ciphertext")));
    }
    root.post("transit/keys/s", json!({"type": "rsa-3072"}))
        .ok();
    let signature = root
        .post("transit/sign/s", json!({"input": "eA=="}))
        .text("/data/signature");
    server.restart().unwrap();
    server.unseal(&keys).unwrap();
    for (kind, ciphertext) in sealed {
        let again = root.post(&format!("transit/encrypt/{kind}"), text.clone());
        assert_eq!(again.text("/data/ciphertext"), ciphertext);
        let other = json!({"plaintext": "eA==", "context": "Zm9w"});
        let other = root.post(&format!("transit/encrypt/{kind}"), other);
        assert_ne!(other.text("/data/ciphertext"), ciphertext);
    }
    let verified = root.post(
        "transit/verify/s",
        json!({"input": "eA==", "signature": signature}),
    );
    assert_eq!(verified.ok()["data"]["valid"], true);
}

/// Who may encrypt may not make keys by that, and who may create there may.
#[test]
#[rustfmt::skip]
fn who_may_only_update_makes_no_key() {
    let (_server, root) = dev();
    let who_may = |what: &str| {
        let rules = format!("path \"transit/encrypt/*\" {{ capabilities = [\"{what}\"] }}");
        root.post(&format!("sys/policies/acl/{what}"), json!({ "policy": rules })).ok();
        let token = root.post("auth/token/create", json!({"policies": [what]}));
        root.with_token(&token.text("/auth/client_token"))
    };
    let (updates, creates) = (who_may("update"), who_may("create"));
    check! { updates; "POST transit/encrypt/a", {"plaintext": "eA=="} => 403, {"errors": "*"}; }
    check! { creates;
        "POST transit/encrypt/a", {"plaintext": "eA=="} => 200, {"data": {"key_version": 1}};
        "POST transit/encrypt/a", {"plaintext": "eA=="} => 403, {"errors": "*"};
    }
    check! { updates;
        "POST transit/encrypt/a", {"plaintext": "eA=="} => 200, {"data": {"key_version": 1}};
        "POST transit/decrypt/a", {"ciphertext": "vault:v1:AAAA"} => 403, {"errors": "*"};
        "GET transit/export/encryption-key/a" => 403, {"errors": "*"};
    }
}

#[test]
#[rustfmt::skip]
fn exports_imports_and_backups() {
    let (_server, root) = dev();
    check! { root;
        "POST transit/keys/r", {"type": "rsa-2048", "exportable": true} => 200, {};
        "POST transit/keys/e", {"type": "ed25519", "exportable": true, "allow_plaintext_backup": true} => 200, {};
        "POST transit/keys/a", {} => 200, {};
        "GET transit/export/signing-key/nope" => 404, {"errors": []};
        "GET transit/export/zz/r" => 400, {"errors": ["invalid export type: zz"]};
        "GET transit/export/signing-key/r?format=zz" => 400, {"errors": ["invalid format: zz"]};
        "GET transit/export/signing-key/r/v1?format=raw" => 400, {"errors": ["unknown key format for rsa key; supported values are ``, `der`, or `pem`"]};
        "GET transit/export/signing-key/r/zz" => 400, {"errors": ["invalid key version"]};
        "GET transit/export/signing-key/r/7" => 400, {"errors": ["version does not exist or cannot be found"]};
        "GET transit/export/signing-key/r/latest" => 200, {"data": {"name": "r", "type": "rsa-2048", "keys": {"1": "~-----BEGIN RSA PRIVATE KEY-----\n"}}};
        "GET transit/export/encryption-key/a" => 400, {"errors": ["private key material is not exportable"]};
        "GET transit/export/public-key/a" => 400, {"errors": ["unknown key type aes256-gcm96 for export type public-key"]};
        "GET transit/export/certificate-chain/a" => 400, {"errors": ["certificate chain not supported for keys that do not support signing"]};
        "GET transit/export/certificate-chain/r" => 400, {"errors": ["selected key version does not have a certificate chain imported"]};
        "GET transit/export/encryption-key/e" => 400, {"errors": ["encryption not supported for the key"]};
        "GET transit/export/hmac-key/e?format=pem" => 400, {"errors": ["~unknown format for HMAC key"]};
        "GET transit/byok-export/nope/r" => 400, {"errors": ["no such destination key to export to"]};
        "GET transit/byok-export/r/nope" => 400, {"errors": ["no such source key for export"]};
        "GET transit/byok-export/r/a" => 400, {"errors": ["key is not exportable"]};
        "GET transit/byok-export/e/r" => 400, {"errors": ["unsupported key type in use; must be a rsa key"]};
        "GET transit/byok-export/r/e?hash=zz" => 400, {"errors": ["unknown hash function: zz"]};
        "GET transit/byok-export/r/e/9" => 400, {"errors": ["version does not exist or cannot be found"]};

        "POST transit/keys/i/import", {} => 400, {"errors": ["provided type does not support public_key import"]};
        "POST transit/keys/i/import", {"type": "rsa-2048"} => 400, {"errors": ["~not in PEM format"]};
        "POST transit/keys/i/import", {"ciphertext": "AAAA"} => 400, {"errors": ["provided ciphertext is too short"]};
        "POST transit/keys/i/import", {"ciphertext": "%"} => 400, {"errors": ["illegal base64 data at input byte 0"]};
        "POST transit/keys/i/import", {"ciphertext": "AAAA", "hash_function": "zz"} => 400, {"errors": ["unknown hash function: zz"]};
        "POST transit/keys/i/import", {"ciphertext": "AAAA", "type": "zz"} => 400, {"errors": ["unknown key type zz"]};
        "POST transit/keys/i/import", {"ciphertext": "AAAA", "auto_rotate_period": "2h"} => 400, {"errors": ["allow_rotation must be set to true if auto-rotation is enabled"]};
        "POST transit/keys/i/import", {"ciphertext": "AAAA", "convergent_encryption": true} => 400, {"errors": ["~convergent encryption"]};
        "POST transit/keys/i/import", {"ciphertext": "AAAA", "public_key": "x"} => 400, {"errors": ["~only one of the following fields"]};
        "POST transit/keys/r/import_version", {"public_key": "x"} => 400, {"errors": ["the import_version endpoint can only be used with an imported key"]};
        "POST transit/keys/nope/import_version", {"public_key": "x"} => 400, {"errors": ["~no key found with name nope"]};

        "GET transit/backup/nope" => 400, {"errors": ["key \"nope\" not found"]};
        "GET transit/backup/a" => 400, {"errors": ["exporting is disallowed on the policy"]};
        "GET transit/backup/r" => 400, {"errors": ["plaintext backup is disallowed on the policy"]};
        "GET transit/backup/e" => 200, {"data": {"backup": "*"}};
        "POST transit/restore/x", {} => 400, {"errors": ["'backup' must be supplied"]};
        "POST transit/restore/x", {"backup": "zz%"} => 400, {"errors": ["illegal base64 data at input byte 2"]};
        "POST transit/restore/x", {"backup": "e30="} => 400, {"errors": ["~the backup cannot be read"]};
        "POST transit/restore/x", {"backup": "bnVsbA=="} => 400, {"errors": ["~the backup cannot be read"]};

        "POST transit/keys/a/csr", {} => 400, {"errors": ["key type 'aes256-gcm96' does not support signing"]};
        "POST transit/keys/nope/csr", {} => 400, {"errors": ["key with provided name 'nope' not found"]};
        "POST transit/keys/r/csr", {"csr": "zz"} => 400, {"errors": ["could not decode PEM CSR"]};
        "POST transit/keys/r/csr", {"version": 9} => 400, {"errors": ["could not create the csr: no such key version"]};
        "POST transit/keys/r/set-certificate", {} => 400, {"errors": ["provided certificate chain did not contain any valid PEM encoded certificate"]};
        "POST transit/keys/r/set-certificate", {"certificate_chain": "zz"} => 400, {"errors": ["could not decode a PEM block in the certificate chain"]};

        "POST transit/derive-key/q", {} => 400, {"errors": ["peer public key not provided"]};
        "POST transit/derive-key/q", {"peer_public_key": "x", "base_key_name": "nope"} => 400, {"errors": ["specified base key not found"]};
        "POST transit/derive-key/q", {"peer_public_key": "x", "base_key_name": "r"} => 400, {"errors": ["base key type rsa-2048 does not support key agreement"]};
        "POST transit/derive-key/q", {"peer_public_key": "x", "base_key_name": "r", "key_derivation_algorithm": "zz"} => 400, {"errors": ["key derivation algorithm zz not supported"]};
        "POST transit/derive-key/q", {"peer_public_key": "x", "base_key_name": "r", "derived_key_type": "hmac"} => 400, {"errors": ["unknown key type hmac"]};
    }
    // A backup that was made here is played back here, once under a name.
    let backup = root.get("transit/backup/e").text("/data/backup");
    let signature = root.post("transit/sign/e", json!({"input": "eA=="})).text("/data/signature");
    check! { root;
        "POST transit/restore", {"backup": (backup)} => 400, {"errors": ["key \"e\" already exists"]};
        "POST transit/restore/f", {"backup": (backup)} => 204, null;
        "POST transit/restore/f", {"backup": (backup)} => 400, {"errors": ["key \"f\" already exists"]};
        "POST transit/restore/f", {"backup": (backup), "force": true} => 204, null;
        "GET transit/keys/f" => 200, {"data": {"restore_info": {"version": 1, "time": "*"}, "backup_info": "*"}};
        "POST transit/verify/f", {"input": "eA==", "signature": (signature)} => 200, {"data": {"valid": true}};
    }
    // What a public half alone cannot do, and what makes it whole.
    let public = root.get("transit/export/public-key/r").text("/data/keys/1");
    let wrapping = root.get("transit/wrapping_key").text("/data/public_key");
    check! { root;
        "POST transit/keys/own/import", {"type": "rsa-4096", "public_key": (wrapping)} => 204, null;
        "POST transit/keys/i/import", {"type": "rsa-3072", "public_key": (public)} => 400, {"errors": ["this is no key for rsa-3072: it is an RSA key of 2048 bits"]};
        "POST transit/keys/i/import", {"type": "rsa-2048", "public_key": (public)} => 204, null;
        "POST transit/keys/i/import", {"type": "rsa-2048", "public_key": (public)} => 400, {"errors": ["~cannot be used with an existing key"]};
        "GET transit/keys/i" => 200, {"data": {"imported_key": true, "imported_key_allow_rotation": false}};
        "POST transit/sign/i", {"input": "eA=="} => 400, {"errors": ["~does not contain a private part"]};
        "POST transit/decrypt/i", {"ciphertext": "vault:v1:AAAA"} => 400, {"errors": ["~does not have a private counterpart"]};
        "POST transit/encrypt/i", {"plaintext": "eA=="} => 200, {"data": {"ciphertext": "*"}};
        "POST transit/keys/i/rotate", {} => 400, {"errors": ["imported key i does not allow rotation"]};
        "POST transit/keys/i/import_version", {"public_key": (public), "version": 1} => 400, {"errors": ["~already has a public key set"]};
        "POST transit/keys/s", {"type": "rsa-2048", "exportable": true} => 200, {};
    }
    let wrapped = |key: &str| root.get(&format!("transit/byok-export/own/{key}")).text("/data/keys/1");
    check! { root;
        "POST transit/keys/i/import_version", {"ciphertext": (wrapped("s")), "version": 1} => 400, {"errors": ["cannot import key, key pair does not match"]};
        "POST transit/keys/i/import_version", {"ciphertext": (wrapped("e")), "version": 1} => 400, {"errors": ["~this is no key for rsa-2048"]};
        "POST transit/keys/i/import_version", {"ciphertext": (wrapped("r")), "version": 2} => 400, {"errors": ["no such key version"]};
        "POST transit/keys/i/import_version", {"ciphertext": (wrapped("r"))} => 204, null;
        "GET transit/keys/i" => 200, {"data": {"latest_version": 1}};
        "POST transit/sign/i", {"input": "eA=="} => 200, {"data": {"signature": "*"}};
        "POST transit/keys/i/import_version", {"ciphertext": (wrapped("r")), "version": 1} => 400, {"errors": ["private key imported, key version cannot be updated"]};
        "POST transit/keys/i/import_version", {"ciphertext": (wrapped("s"))} => 204, null;
        "GET transit/keys/i" => 200, {"data": {"latest_version": 2, "exportable": false}};
        "GET transit/export/signing-key/i" => 400, {"errors": ["private key material is not exportable"]};
    }
}

/// A certificate for a key that nobody has seen: the request carries its signature, and what comes back is kept beside it.
#[test]
fn certificates() {
    let (_server, root) = dev();
    let signer = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let issuer_pem = authority.self_signed(&signer).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, signer);
    let subject = rcgen::KeyPair::generate().unwrap();
    let mut template = rcgen::CertificateParams::new(vec!["service.example".to_owned()]).unwrap();
    template
        .distinguished_name
        .push(rcgen::DnType::CommonName, "service");
    let template = template.serialize_request(&subject).unwrap().pem().unwrap();
    for kind in ["ecdsa-p256", "ecdsa-p384", "ed25519", "rsa-2048"] {
        root.post(&format!("transit/keys/{kind}"), json!({ "type": kind }))
            .ok();
        let made = root.post(
            &format!("transit/keys/{kind}/csr"),
            json!({ "csr": template }),
        );
        let pem = made.text("/data/csr");
        // It is parsed, and its signature checked.
        let request = rcgen::CertificateSigningRequestParams::from_pem(&pem).unwrap();
        let name = request
            .params
            .distinguished_name
            .get(&rcgen::DnType::CommonName);
        assert_eq!(
            format!("{name:?}"),
            "Some(Utf8String(\"service\"))",
            "{kind}"
        );
        assert_eq!(request.params.subject_alt_names.len(), 1);
        let leaf = request.signed_by(&issuer).unwrap().pem();
        let chain = format!("{leaf}{issuer_pem}");
        let set = |chain: &str, key: &str| {
            let body = json!({ "certificate_chain": chain });
            root.post(&format!("transit/keys/{key}/set-certificate"), body)
        };
        set(&chain, kind).expect(204);
        let stored = root
            .get(&format!("transit/export/certificate-chain/{kind}"))
            .text("/data/keys/1");
        assert_eq!(stored.matches("BEGIN CERTIFICATE").count(), 2);
        let shown = root
            .get(&format!("transit/keys/{kind}"))
            .text("/data/keys/1/certificate_chain");
        assert_eq!(shown, stored);
        root.post(
            &format!("transit/keys/{kind}-other"),
            json!({ "type": kind }),
        )
        .ok();
        for (chain, key, why) in [
            (&chain, format!("{kind}-other"), "does not match"),
            (
                &format!("{issuer_pem}{leaf}"),
                kind.to_owned(),
                "not a valid leaf",
            ),
            (&format!("{leaf}{leaf}"), kind.to_owned(), "must be a CA's"),
        ] {
            let refused = set(chain, &key);
            assert!(
                refused.status == 400 && refused.errors().contains(why),
                "{refused:?}"
            );
        }
    }
}

/// What stands in the memory of the server's guests: each begins as the image of its component's data, which has a name among
/// the process's mappings, and goes on behind it.
fn guests(server: &Server) -> Vec<Vec<u8>> {
    let process = format!("/proc/{}", server.pid().unwrap());
    let maps = std::fs::read_to_string(format!("{process}/maps")).unwrap();
    let mut memory = std::fs::File::open(format!("{process}/mem")).unwrap();
    let mut found: Vec<Vec<u8>> = Vec::new();
    let mut follows = 0;
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let range = words.next().unwrap().split_once('-').unwrap();
        let [from, to] = [range.0, range.1].map(|at| u64::from_str_radix(at, 16).unwrap());
        let readable = words.next().unwrap().starts_with("rw");
        let is_image = line.contains("memfd:wasm-memory-image");
        if !readable || !(is_image || from == follows) {
            continue;
        }
        follows = to;
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        memory.seek(SeekFrom::Start(from)).unwrap();
        // A guest may end meanwhile.
        if memory.read_exact(&mut bytes).is_err() {
            continue;
        }
        if is_image {
            found.push(bytes);
        } else if let Some(last) = found.last_mut() {
            last.extend(bytes);
        }
    }
    found
}

fn is_in(what: &[u8], guests: &[Vec<u8>]) -> bool {
    guests
        .iter()
        .any(|guest| guest.windows(what.len()).any(|window| window == what))
}

/// Ends what threads do until they are told, also when a check fails.
struct Until<'s>(&'s AtomicBool);

impl Drop for Until<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What the server's guests have in their hands at some moment in which they are at work: everything is held still then.
fn caught(server: &Server) -> Vec<Vec<u8>> {
    let process = Pid::from_raw(i32::try_from(server.pid().unwrap()).unwrap()).unwrap();
    kill_process(process, Signal::STOP).unwrap();
    let found = guests(server);
    kill_process(process, Signal::CONT).unwrap();
    found
}

/// A key is imported and used in every way, and no guest ever has it; of what is exported, one has.
#[test]
fn no_guest_ever_sees_a_key() {
    let (server, root) = dev();
    let mut seed = 0_u8;
    let mut random = |out: &mut [u8]| {
        for byte in out {
            seed = seed.wrapping_mul(29).wrapping_add(71);
            *byte = seed;
        }
    };
    let pem = root.get("transit/wrapping_key").text("/data/public_key");
    let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let wrapping = Key::import_public(Algorithm::Rsa4096, &BASE64.decode(der).unwrap()).unwrap();
    let mut secrets = Vec::new();
    for algorithm in [
        Algorithm::Aes256Gcm96,
        Algorithm::Ed25519,
        Algorithm::EcdsaP256,
        Algorithm::Rsa2048,
        Algorithm::Hmac,
    ] {
        let key = Key::generate(algorithm, None, &mut random).unwrap();
        let wrapped = wrapping.wrap(&key, Hash::Sha2_256, &mut random).unwrap();
        let body = json!({
            "type": algorithm.name(), "ciphertext": BASE64.encode(wrapped), "exportable": true,
        });
        root.post(&format!("transit/keys/{algorithm}/import"), body)
            .ok();
        // The seed of Ed25519, and enough of any other.
        let secret = key.export().unwrap();
        let end = secret.len().min(120);
        secrets.push((algorithm, secret[end - 32..end].to_vec()));
    }
    let marked = BASE64.encode("marked for the scan");
    let item = json!({ "plaintext": marked, "input": marked });
    let batch = json!({ "batch_input": vec![item; 500] });
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _end = Until(&stop);
        for what in [
            "encrypt/aes256-gcm96",
            "sign/ed25519",
            "sign/ecdsa-p256",
            "sign/rsa-2048",
            "encrypt/rsa-2048",
            "hmac/hmac",
        ] {
            let (root, batch, stop) = (&root, &batch, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    root.post(&format!("transit/{what}"), batch.clone()).ok();
                }
            });
        }
        let mut seen = 0;
        until(Duration::from_secs(60), "guests are caught at work", || {
            let found = caught(&server);
            for (algorithm, secret) in &secrets {
                assert!(!is_in(secret, &found), "{algorithm}");
            }
            seen += u8::from(is_in(b"marked for the scan", &found));
            seen == 5
        });
    });
    // The scan would see one: an export is caught with the key that it gives out.
    stop.store(false, Ordering::Relaxed);
    std::thread::scope(|scope| {
        let _end = Until(&stop);
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    root.get("transit/export/hmac-key/hmac").ok();
                }
            });
        }
        let (_, exported) = secrets.last().unwrap();
        let text = BASE64.encode(exported);
        until(Duration::from_secs(60), "an export is caught", || {
            is_in(text.as_bytes(), &caught(&server))
        });
    });
}
