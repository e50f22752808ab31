use coffer_sdk::Operation::{Delete, List, Read, Write};
use coffer_sdk::testing::Host;

use super::*;

#[test]
fn a_key_is_good_until_its_lease_ends() {
    let host = Host::new();
    let call = |operation, path, data| host.call(&PLUGIN, operation, path, data).unwrap().value();
    call(Write, "roles/app", json!({ "ttl": "10m", "length": 40 }));

    let key = call(Read, "keys/app", json!({}))["key"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(key.len(), 40);
    let good = json!({ "valid": true, "role": "app" });
    assert_eq!(call(Write, "check", json!({ "key": key })), good);
    assert!(!host.keys().concat().contains(&key));

    let lease = host.leases().remove(0);
    assert_eq!(lease.ttl, 600);
    // What is gone already is gone.
    host.revoke(&PLUGIN, &lease).unwrap();
    host.revoke(&PLUGIN, &lease).unwrap();
    let bad = json!({ "valid": false, "role": null });
    assert_eq!(call(Write, "check", json!({ "key": key })), bad);
}

#[test]
fn roles() {
    let host = Host::new();
    let call = |operation, path, data| host.call(&PLUGIN, operation, path, data);
    call(Write, "roles/app", json!({ "ttl": 60 })).unwrap();
    call(Write, "roles/app", json!({ "length": 20 })).unwrap();
    let role = call(Read, "roles/app", json!({})).unwrap().value();
    assert_eq!(role, json!({ "ttl": 60, "length": 20 }));
    let listed = call(List, "roles", json!({})).unwrap().value();
    assert_eq!(listed, json!({ "keys": ["app"] }));
    call(Delete, "roles/app", json!({})).unwrap();
    call(Read, "keys/app", json!({})).unwrap_err();
    call(Write, "roles/app", json!({ "length": 3 })).unwrap_err();
}
