//! The auth method in memory; with `COFFER_COMPONENT`, as a component.
#![allow(clippy::unwrap_used)]

use coffer_sdk::effects::LeaseRequest;
use coffer_sdk::prelude::*;
use coffer_sdk::testing::Host;
use coffer_sdk::{ErrorKind, Operation};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use signed_login::PLUGIN;

const KEY: [u8; 32] = [7; 32];

fn host() -> Host {
    let host = Host::new();
    let role =
        json!({ "key": hex::encode(KEY), "token_policies": "deploy,read", "token_ttl": "10m", "token_max_ttl": "1h" });
    host.call(&PLUGIN, Operation::Write, "role/web-1", role).unwrap();
    host
}

/// A login as `name`, signed at `time` with `key`.
fn login(host: &Host, name: &str, time: u64, key: &[u8]) -> Result<Auth> {
    let mac = Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(format!("{time}:{name}"));
    let signature = hex::encode(mac.finalize().into_bytes());
    let data = json!({ "name": name, "time": time, "signature": signature });
    Ok(host.call(&PLUGIN, Operation::Write, "login", data)?.auth.unwrap())
}

fn now() -> u64 {
    clock::now() / 1000
}

#[test]
fn a_machine_gets_what_its_role_says() {
    let host = host();
    let auth = login(&host, "web-1", now(), &KEY).unwrap();
    assert_eq!(auth.policies, ["deploy", "read"]);
    assert_eq!((auth.ttl, auth.max_ttl, auth.display_name.as_str()), (600, 3600, "web-1"));
    let token = LeaseRequest { ttl: 0, max_ttl: 0, renewable: true, group: String::new(), internal: auth.internal };
    assert_eq!(host.renew(&PLUGIN, &token, 0).unwrap().ttl, 600);
    host.call(&PLUGIN, Operation::Delete, "role/web-1", json!({})).unwrap();
    assert_eq!(host.renew(&PLUGIN, &token, 0).unwrap_err().kind, ErrorKind::PermissionDenied);
}

#[test]
fn who_is_refused_does_not_learn_why() {
    let host = host();
    let time = now();
    for (name, time, key) in
        [("web-1", time, [8; 32]), ("web-2", time, KEY), ("web-1", time - 61, KEY), ("web-1", time + 61, KEY)]
    {
        let error = login(&host, name, time, &key).unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::PermissionDenied, "permission denied"));
    }
    let garbled = json!({ "name": "web-1", "time": time, "signature": "00ff" });
    host.call(&PLUGIN, Operation::Write, "login", garbled).unwrap_err();
}

#[test]
fn a_signature_is_good_once() {
    let host = host();
    let time = now() + 30;
    login(&host, "web-1", time, &KEY).unwrap();
    for _ in 0..10 {
        login(&host, "web-1", time, &KEY).unwrap_err();
        host.advance(10);
    }
    login(&host, "web-1", now(), &KEY).unwrap();
}

#[test]
fn the_key_is_not_shown() {
    let host = host();
    let role = host.call(&PLUGIN, Operation::Read, "role/web-1", json!({})).unwrap().value();
    assert_eq!(role, json!({ "token_policies": ["deploy", "read"], "token_ttl": 600, "token_max_ttl": 3600 }));
    let short = json!({ "key": "00" });
    host.call(&PLUGIN, Operation::Write, "role/web-3", short).unwrap_err();
}
