//! What key holders do: new shares, new keys of the barrier, a new root token.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use coffer_tests::server::Keys;
use coffer_tests::{Client, Reply, Server, check};
use serde_json::{Value, json};

/// A durable server of three shares, two of which open it.
fn server() -> (Server, Keys) {
    let mut server = Server::durable().unwrap();
    let keys = server.init(3, 2).unwrap();
    server.unseal(&keys).unwrap();
    (server, keys)
}

fn text(reply: &Reply, field: &str) -> String {
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body[field].as_str().expect(field).to_owned()
}

fn shares(reply: &Reply) -> Vec<String> {
    assert_eq!(reply.body["complete"], true, "{reply:?}");
    let shares = reply.body["keys"].as_array().unwrap();
    shares
        .iter()
        .map(|share| share.as_str().unwrap().to_owned())
        .collect()
}

fn begin(client: &Client, path: &str, body: Value) -> String {
    text(&client.post(path, body), "nonce")
}

/// Gives the share that was missing. Returns the new ones, and the answer.
fn last_share(client: &Client, old: &Keys, share: usize, nonce: &str) -> (Keys, Reply) {
    let body = json!({"key": old.shares[share], "nonce": nonce});
    let made = client.post("sys/rekey/update", body);
    let new = Keys {
        shares: shares(&made),
        root_token: old.root_token.clone(),
    };
    (new, made)
}

#[test]
fn a_rekey_replaces_the_shares() {
    let (mut server, old) = server();
    let (client, anonymous) = (server.client(), server.anonymous());
    check! { client;
        "POST sys/mounts/kv", {"type": "kv"} => 204;
        "POST kv/a", {"x": "kept"} => 204;
    }
    check! { anonymous;
        "GET sys/rekey/init" => 200, {"started": false, "nonce": "", "t": 0, "n": 0, "progress": 0, "required": 2, "backup": false};
        "PUT sys/rekey/init", {} => 400, {"errors": ["~shares must be at least one"]};
        "PUT sys/rekey/init", {"secret_shares": 3, "secret_threshold": 5} => 400, {"errors": ["~threshold cannot be larger"]};
        "PUT sys/rekey/init", {"secret_shares": 1, "secret_threshold": 1, "backup": true} => 400, {"errors": ["~PGP"]};
        "PUT sys/rekey/update", {"key": old.shares[0], "nonce": "x"} => 400, {"errors": ["no barrier rekey in progress"]};
        "PUT sys/rekey/verify", {"key": old.shares[0], "nonce": "x"} => 400, {"errors": ["no barrier rekey in progress"]};
        "DELETE sys/rekey/init" => 204;
    }
    let nonce = begin(
        &anonymous,
        "sys/rekey/init",
        json!({"secret_shares": 5, "secret_threshold": 3}),
    );
    check! { anonymous;
        "PUT sys/rekey/init", {"secret_shares": 1, "secret_threshold": 1} => 400, {"errors": ["rekey already in progress"]};
        "GET sys/rekey/init" => 200, {"started": true, "nonce": nonce, "t": 3, "n": 5, "progress": 0, "required": 2};
        "PUT sys/rekey/update", {"key": old.shares[0], "nonce": "x"} => 400, {"errors": ["~incorrect nonce"]};
        "PUT sys/rekey/update", {"nonce": nonce} => 400, {"errors": ["~'key' must be specified"]};
        "PUT sys/rekey/update", {"key": "zz", "nonce": nonce} => 400, {"errors": ["~valid hex or base64"]};
        "PUT sys/rekey/update", {"key": "abcd", "nonce": nonce} => 400, {"errors": ["~shorter than minimum"]};
        "PUT sys/rekey/update", {"key": old.shares[0], "nonce": nonce} => 200, {"progress": 1, "started": true};
        "PUT sys/rekey/update", {"key": old.shares[0], "nonce": nonce} => 400, {"errors": ["~already been provided"]};
        // It is young: somebody who knows nothing of it cannot end it.
        "DELETE sys/rekey/init" => 400, {"errors": ["~its nonce"]};
    }
    let (new, _) = last_share(&anonymous, &old, 2, &nonce);
    assert_eq!(new.shares.len(), 5);
    check! { anonymous;
        "GET sys/rekey/init" => 200, {"started": false, "required": 3};
        "GET sys/seal-status" => 200, {"t": 3, "n": 5};
    }
    check! { client;
        "GET kv/a" => 200, {"data": {"x": "kept"}};
    }

    server.restart().unwrap();
    check! { anonymous;
        "PUT sys/unseal", {"key": old.shares[0]} => 200, {"progress": 1};
        "PUT sys/unseal", {"key": old.shares[1]} => 200, {"progress": 2};
        "PUT sys/unseal", {"key": old.shares[2]} => 400, {"errors": ["*"]};
    }
    server.unseal(&new).unwrap();
    check! { client;
        "GET kv/a" => 200, {"data": {"x": "kept"}};
    }
}

#[test]
fn new_shares_can_be_verified_before_they_count() {
    let (mut server, old) = server();
    let anonymous = server.anonymous();
    let wanted = json!({"secret_shares": 2, "secret_threshold": 2, "require_verification": true});
    let nonce = begin(&anonymous, "sys/rekey/init", wanted);
    check! { anonymous;
        "GET sys/rekey/verify" => 200, {"started": false, "nonce": ""};
        "PUT sys/rekey/verify", {"key": old.shares[0], "nonce": ""} => 400, {"errors": ["no rekey verification in progress"]};
        "PUT sys/rekey/update", {"key": old.shares[0], "nonce": nonce} => 200, {"progress": 1, "verification_required": true};
    }
    let (new, made) = last_share(&anonymous, &old, 1, &nonce);
    let verification = text(&made, "verification_nonce");
    check! { anonymous;
        "PUT sys/rekey/update", {"key": old.shares[1], "nonce": nonce} => 400, {"errors": ["~verification must be performed"]};
        "GET sys/rekey/init" => 200, {"started": true, "verification_nonce": verification};
        "PUT sys/rekey/verify", {"key": new.shares[0], "nonce": nonce} => 400, {"errors": ["~incorrect nonce"]};
        "PUT sys/rekey/verify", {"key": new.shares[0], "nonce": verification} => 200, {"progress": 1, "started": true, "t": 2, "n": 2};
        // Somebody's old share is none of the new ones.
        "PUT sys/rekey/verify", {"key": old.shares[1], "nonce": verification} => 400, {"errors": ["*"]};
        "GET sys/rekey/verify" => 200, {"progress": 0};
    }
    // Until then the old ones count, and what was made is gone with the memory of it.
    check! { server.client();
        "PUT sys/seal", {} => 204;
    }
    server.unseal(&old).unwrap();
    check! { anonymous;
        "GET sys/rekey/init" => 200, {"started": false, "required": 2};
    }

    let wanted = json!({"secret_shares": 2, "secret_threshold": 2, "require_verification": true});
    let nonce = begin(&anonymous, "sys/rekey/init", wanted);
    check! { anonymous;
        "PUT sys/rekey/update", {"key": old.shares[0], "nonce": nonce} => 200, {"progress": 1};
    }
    let (new, made) = last_share(&anonymous, &old, 1, &nonce);
    let verification = text(&made, "verification_nonce");
    check! { anonymous;
        "PUT sys/rekey/verify", {"key": new.shares[0], "nonce": verification} => 200, {"progress": 1};
    }
    let again = anonymous.delete("sys/rekey/verify");
    let again = text(&again, "nonce");
    assert_ne!(again, verification);
    check! { anonymous;
        "PUT sys/rekey/verify", {"key": new.shares[1], "nonce": again} => 200, {"progress": 1};
        "PUT sys/rekey/verify", {"key": new.shares[0], "nonce": again} => 200, {"complete": true, "nonce": again};
        "GET sys/rekey/init" => 200, {"started": false};
    }
    server.restart().unwrap();
    server.unseal(&new).unwrap();
}

#[test]
fn those_with_a_token_rekey_below_rotate() {
    let (server, old) = server();
    let (client, anonymous) = (server.client(), server.anonymous());
    check! { anonymous;
        "GET sys/rotate/root/init" => 403, {"errors": ["*"]};
        "PUT sys/rotate/root/init", {"secret_shares": 1, "secret_threshold": 1} => 403, {"errors": ["*"]};
    }
    check! { client;
        "PUT sys/rotate/root/init", {"secret_shares": 1, "secret_threshold": 1} => 200, {"data": {"started": true, "n": 1, "t": 1, "required": 2}};
        "DELETE sys/rotate/root/init" => 204;
        "GET sys/rotate/root/init" => 200, {"data": {"started": false}};
        "GET sys/rotate/root/backup" => 400, {"errors": ["no backed-up keys found"]};
        "GET sys/rotate/recovery/init" => 400, {"errors": ["recovery keys not supported"]};
    }
    let nonce = begin(
        &client,
        "sys/rotate/root/init",
        json!({"secret_shares": 1, "secret_threshold": 1}),
    );
    check! { client;
        "PUT sys/rotate/root/update", {"key": old.shares[0], "nonce": nonce} => 200, {"data": {"progress": 1}};
        "PUT sys/rotate/root/update", {"key": old.shares[1], "nonce": nonce} => 200, {"data": {"complete": true, "keys": ["*"]}};
    }
    // With a token that has sudo there one may always cancel.
    begin(
        &anonymous,
        "sys/rekey/init",
        json!({"secret_shares": 1, "secret_threshold": 1}),
    );
    check! { client;
        "DELETE sys/rekey/init" => 204;
    }
}

#[test]
fn wrong_shares_neither_rekey_nor_make_a_root_token() {
    let (server, keys) = server();
    let anonymous = server.anonymous();
    let mut wrong = keys.shares[1].clone();
    let first = if wrong.starts_with('0') { "1" } else { "0" };
    wrong.replace_range(..1, first);
    let rekey = begin(
        &anonymous,
        "sys/rekey/init",
        json!({"secret_shares": 1, "secret_threshold": 1}),
    );
    let token = begin(&anonymous, "sys/generate-root/attempt", json!({}));
    check! { anonymous;
        "PUT sys/rekey/update", {"key": keys.shares[0], "nonce": rekey} => 200, {"progress": 1};
        "PUT sys/rekey/update", {"key": wrong, "nonce": rekey} => 400, {"errors": ["*"]};
        "GET sys/rekey/init" => 200, {"progress": 0, "started": true};
        "PUT sys/generate-root/update", {"key": keys.shares[0], "nonce": token} => 200, {"progress": 1};
        "PUT sys/generate-root/update", {"key": wrong, "nonce": token} => 400, {"errors": ["*"]};
        "GET sys/generate-root/attempt" => 200, {"progress": 0, "started": true};
    }
    // No secret of it is stored meanwhile, nor does a seal leave it.
    check! { server.client();
        "PUT sys/seal", {} => 204;
    }
    server.unseal(&keys).unwrap();
    check! { anonymous;
        "GET sys/rekey/init" => 200, {"started": false};
        "GET sys/generate-root/attempt" => 200, {"started": false};
    }
}

#[test]
fn enough_shares_make_a_root_token() {
    let (server, keys) = server();
    let anonymous = server.anonymous();
    let before = anonymous.get("sys/generate-root/attempt");
    let length = usize::try_from(before.body["otp_length"].as_u64().unwrap()).unwrap();
    check! { anonymous;
        "PUT sys/generate-root/attempt", {"otp": "short"} => 400, {"errors": ["OTP string has incorrect length"]};
        "PUT sys/generate-root/update", {"key": keys.shares[0], "nonce": "x"} => 400, {"errors": ["no root generation in progress"]};
    }
    let begun = anonymous.post("sys/generate-root/attempt", json!({}));
    let (nonce, otp) = (text(&begun, "nonce"), text(&begun, "otp"));
    assert_eq!(otp.len(), length);
    check! { anonymous;
        "PUT sys/generate-root/attempt", {} => 400, {"errors": ["~already in progress"]};
        // Only who began it has the password.
        "GET sys/generate-root/attempt" => 200, {"started": true, "otp": "", "progress": 0, "required": 2};
        "DELETE sys/generate-root/attempt" => 400, {"errors": ["~its nonce"]};
        "PUT sys/generate-root/update", {"key": keys.shares[0], "nonce": nonce} => 200, {"progress": 1, "complete": false};
        "PUT sys/generate-root/update", {"key": keys.shares[0], "nonce": nonce} => 400, {"errors": ["~already been provided"]};
    }
    let made = anonymous.post(
        "sys/generate-root/update",
        json!({"key": keys.shares[1], "nonce": nonce}),
    );
    let encoded = text(&made, "encoded_root_token");
    assert_eq!(made.body["complete"], true);
    let mixed = BASE64_STANDARD_NO_PAD.decode(&encoded).unwrap();
    let token: Vec<u8> = mixed.iter().zip(otp.bytes()).map(|(a, b)| a ^ b).collect();
    let token = String::from_utf8(token).unwrap();
    check! { anonymous;
        "PUT sys/decode-token", {"encoded_token": encoded, "otp": otp} => 200, {"data": {"token": token}};
        "PUT sys/decode-token", {"encoded_token": encoded, "otp": "x"} => 400, {"errors": ["*"]};
        "GET sys/generate-root/attempt" => 200, {"started": false};
    }
    check! { anonymous.with_token(&token);
        "GET auth/token/lookup-self" => 200, {"data": {"policies": ["root"], "ttl": 0, "path": "auth/token/root", "orphan": true}};
        "GET sys/policies/acl/default" => 200, {};
    }

    let nonce = begin(&anonymous, "sys/generate-root/attempt", json!({}));
    check! { anonymous;
        "DELETE sys/generate-root/attempt?nonce=wrong" => 400, {"errors": ["*"]};
    }
    assert_eq!(
        anonymous
            .delete(&format!("sys/generate-root/attempt?nonce={nonce}"))
            .status,
        204
    );
    check! { server.client();
        "GET sys/generate-root-token/attempt" => 200, {"data": {"started": false}};
    }
    check! { anonymous;
        "GET sys/generate-root-token/attempt" => 403, {"errors": ["*"]};
    }
}

#[test]
fn the_barriers_key_rotates() {
    let (mut server, keys) = server();
    let client = server.client();
    check! { client;
        "POST sys/mounts/kv", {"type": "kv"} => 204;
        "POST kv/a", {"x": "before"} => 204;
        "GET sys/key-status" => 200, {"term": 1, "install_time": "*", "data": {"term": 1}};
    }
    assert!(
        client.get("sys/key-status").body["encryptions"]
            .as_u64()
            .unwrap()
            > 0
    );
    check! { client;
        "PUT sys/rotate", {} => 204;
        "GET sys/key-status" => 200, {"term": 2, "encryptions": 0};
        "POST kv/b", {"x": "after"} => 204;
        "PUT sys/rotate/keyring", {} => 204;
        "PUT sys/rotate/root", {} => 204;
        "PUT sys/rotate", {} => 204;
        "GET sys/key-status" => 200, {"term": 4};
    }
    server.restart().unwrap();
    server.unseal(&keys).unwrap();
    check! { client;
        "GET sys/key-status" => 200, {"term": 4};
        "GET kv/a" => 200, {"data": {"x": "before"}};
        "GET kv/b" => 200, {"data": {"x": "after"}};
        "GET sys/rotate/config" => 200, {"data": {"enabled": true, "interval": 0, "max_operations": 3_865_470_566_u64}};
        "PUT sys/rotate/config", {"max_operations": 1} => 400, {"errors": ["max_operations must be in the range [1000000,3865470566]"]};
        "PUT sys/rotate/config", {"interval": "1h"} => 400, {"errors": ["interval must be greater or equal to 24h0m0s"]};
        "PUT sys/rotate/config", {"interval": "48h", "max_operations": 2_000_000_000} => 204;
        "PUT sys/rotate/keyring/config", {"enabled": false} => 204;
        "GET sys/rotate/keyring/config" => 200, {"data": {"enabled": false, "interval": "48h0m0s", "max_operations": 2_000_000_000}};
    }
}

#[test]
fn the_keys_change_while_others_write() {
    let (mut server, keys) = server();
    let client = server.client();
    check! { client;
        "POST sys/mounts/kv", {"type": "kv"} => 204;
    }
    std::thread::scope(|threads| {
        for writer in 0..4 {
            let client = &client;
            threads.spawn(move || {
                for n in 0..25 {
                    let path = format!("kv/{writer}-{n}");
                    assert_eq!(client.post(&path, json!({"n": n})).status, 204);
                }
            });
        }
        for _ in 0..2 {
            let client = &client;
            threads.spawn(move || {
                for path in ["sys/rotate", "sys/rotate/root", "sys/rotate"] {
                    assert_eq!(client.post(path, json!({})).status, 204);
                }
            });
        }
    });
    check! { client;
        "GET sys/key-status" => 200, {"term": 5};
    }
    server.restart().unwrap();
    server.unseal(&keys).unwrap();
    for writer in 0..4 {
        for n in 0..25 {
            let read = client.get(&format!("kv/{writer}-{n}"));
            assert_eq!(read.body["data"]["n"], n, "{read:?}");
        }
    }
}
