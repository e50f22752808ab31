//! Keys that the host holds for a plugin: used by name, kept over a restart, and shown to nobody who was not granted it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::sync::OnceLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use coffer_tests::{Client, Server, check, plugin};
use serde_json::{Value, json};

/// A key that nobody would find by chance.
const MATERIAL: &[u8] = b"key-material-that-is never seen!";

fn register(client: &Client, version: &str, keys: Value) {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    let built = BUILT.get_or_init(|| plugin::build("tests/guests/echo"));
    let component = plugin::echo(built, version, json!({ "keys": keys }));
    let body = json!({ "component": BASE64_STANDARD.encode(component), "source": "test" });
    client.post("sys/plugins/catalog/secret/echo", body).ok();
}

fn output(client: &Client, path: &str, body: Value) -> String {
    client.post(path, body).text("/data/output")
}

#[test]
fn keys_are_used_by_name_and_kept() {
    let (mut server, unseal) = Server::ready().unwrap();
    let client = server.client();
    register(
        &client,
        "1.0.0-aaaa",
        json!(["encrypt", "sign", "mac", "derive", "import"]),
    );
    check! { client;
        "POST sys/mounts/e", {"type": "echo"} => 204;
        "POST sys/mounts/other", {"type": "echo"} => 204;
        "POST e/keys/aes", {"algorithm": "aes256-gcm96", "material": "6b65792d6d6174657269616c2d746861742d6973206e65766572207365656e21"} => 204;
        "POST e/keys/ed", {"algorithm": "ed25519"} => 204;
        "POST e/keys/mac", {"algorithm": "hmac"} => 204;
        "GET e/keys/ed" => 200, {"data": {"algorithm": "ed25519", "public": "~302a300506032b6570032100"}};
        "GET e/keys/aes" => 200, {"data": {"algorithm": "aes256-gcm96"}};
        // Another mount has none of them, and storage does not list them.
        "GET other/keys/aes" => 404, {"errors": ["no such key"]};
        "GET e/kept/aes" => 200, {"data": {"version": "1.0.0-aaaa"}};
        // Names and algorithms.
        "POST e/keys/aes", {"algorithm": "hmac"} => 409, {"errors": ["there is a key \"aes\" already"]};
        "POST e/keys/x", {"algorithm": "rot13"} => 400, {"errors": ["~there is no key algorithm \"rot13\"; there are aes128-gcm96"]};
        "POST e/keys/x", {"algorithm": "hmac", "material": "00"} => 400, {"errors": ["this is no key for hmac: it has 1 bytes, not 16 to 4096"]};
        "POST e/keys/ed/encrypt", {"input": "00"} => 400, {"errors": ["a key for ed25519 does not encrypt"]};
        "POST e/keys/aes/decrypt", {"input": "00"} => 400, {"errors": ["~the ciphertext does not open"]};
        // What fails leaves no key.
        "POST e/half-a-key/half", {"algorithm": "hmac"} => 400, {"errors": ["as it was asked to"]};
        "GET e/keys/half" => 404, {"errors": ["no such key"]};
        // Not granted.
        "POST e/keys/aes/export", {} => 403, {"errors": ["the plugin was not granted keys:export"]};
    }
    let sealed = output(
        &client,
        "e/keys/aes/encrypt",
        json!({"input": "68656c6c6f", "more": "61"}),
    );
    let signed = output(&client, "e/keys/ed/sign", json!({"input": "68656c6c6f"}));
    let derived = output(
        &client,
        "e/keys/mac/derived-mac",
        json!({"input": "68656c6c6f", "more": "61"}),
    );
    assert_ne!(
        derived,
        output(&client, "e/keys/mac/mac", json!({"input": "68656c6c6f"}))
    );

    server.kill9();
    for (path, bytes) in server.on_disk() {
        let found = bytes.windows(MATERIAL.len()).any(|found| found == MATERIAL);
        assert!(!found, "the key is in {}", path.display());
    }
    server.start().unwrap();
    server.unseal(&unseal).unwrap();
    assert_eq!(
        output(
            &client,
            "e/keys/aes/decrypt",
            json!({"input": sealed, "more": "61"})
        ),
        "68656c6c6f"
    );
    assert_eq!(
        output(
            &client,
            "e/keys/ed/verify",
            json!({"input": "68656c6c6f", "more": signed})
        ),
        "01"
    );
    assert_eq!(
        output(
            &client,
            "e/keys/ed/verify",
            json!({"input": "68656c6c70", "more": signed})
        ),
        "00"
    );
    assert_eq!(
        output(
            &client,
            "e/keys/mac/derived-mac",
            json!({"input": "68656c6c6f", "more": "61"})
        ),
        derived
    );
    check! { client;
        "DELETE e/keys/aes" => 204;
        "DELETE e/keys/aes" => 204;
        "GET e/keys/aes" => 404, {"errors": ["no such key"]};
    }
}

#[test]
fn what_is_not_asked_for_is_not_done_and_export_is_granted() {
    let server = Server::dev().unwrap();
    let client = server.client();
    register(&client, "1.0.0-aaaa", json!([]));
    register(&client, "2.0.0-aaaa", json!(["sign"]));
    register(&client, "3.0.0-aaaa", json!(["sign", "export"]));
    check! { client;
        "POST sys/mounts/none", {"type": "echo", "plugin_version": "v1.0.0-aaaa"} => 204;
        "POST none/keys/a", {"algorithm": "hmac"} => 403, {"errors": ["~its manifest asks for no operation"]};
        "GET none/keys/a" => 403, {"errors": ["~its manifest asks for no operation"]};
        "DELETE none/keys/a" => 403, {"errors": ["~its manifest asks for no operation"]};
        "POST sys/mounts/e", {"type": "echo", "plugin_version": "v2.0.0-aaaa"} => 204;
        "POST e/keys/a", {"algorithm": "hmac"} => 204;
        "POST e/keys/b", {"algorithm": "hmac", "material": "000102030405060708090a0b0c0d0e0f"} => 403, {"errors": ["the plugin was not granted keys:import"]};
        "POST e/keys/a/mac", {} => 403, {"errors": ["the plugin was not granted keys:mac"]};
        "POST e/keys/a/derived-mac", {} => 403, {"errors": ["the plugin was not granted keys:derive"]};
        "POST e/keys/a/encrypt", {} => 403, {"errors": ["the plugin was not granted keys:encrypt"]};
        "POST e/keys/a/export", {} => 403, {"errors": ["the plugin was not granted keys:export"]};
        // An upgrade that wants to see keys waits until somebody says so.
        "POST sys/mounts/e/tune", {"plugin_version": "v3.0.0-aaaa"} => 400, {"errors": ["~keys:export"]};
        "POST sys/plugins/grants/secret/echo", {"capabilities": ["keys:export"]} => 204;
        "POST sys/mounts/e/tune", {"plugin_version": "v3.0.0-aaaa"} => 204;
        "POST e/keys/a/export", {} => 200, {"data": {"output": "*"}};
        "DELETE sys/plugins/grants/secret/echo?capabilities=keys:export" => 204;
        "POST e/keys/a/export", {} => 503, {"errors": ["~keys:export"]};
    }
}

#[test]
fn keys_count_as_what_the_mount_stores() {
    let server = Server::dev().unwrap();
    let client = server.client();
    register(&client, "1.0.0-aaaa", json!(["mac"]));
    check! { client;
        "POST sys/mounts/e", {"type": "echo", "config": {"plugin_limits": {"storage_entries": 2}}} => 204;
        "POST e/keys/one", {"algorithm": "hmac"} => 204;
        "POST e/kept/two", {"value": "x"} => 204;
        "POST e/keys/three", {"algorithm": "hmac"} => 413, {"errors": ["~storage_entries is 2, 2 are in use"]};
        "GET e/keys/three" => 404, {"errors": ["no such key"]};
        "GET e/keys/one" => 200, {"data": {"algorithm": "hmac"}};
    }
}
