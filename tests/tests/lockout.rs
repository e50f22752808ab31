//! Who fails to log in too often is locked out for a while.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use coffer_tests::{Client, Server, check, until};
use serde_json::json;

fn login(client: &Client, user: &str, password: &str) -> u16 {
    let path = format!("auth/userpass/login/{user}");
    client.post(&path, json!({ "password": password })).status
}

#[test]
fn after_some_failures_the_right_password_is_refused_too() {
    let (mut server, keys) = Server::ready().unwrap();
    let (client, anonymous) = (server.client(), server.anonymous());
    check! { client;
        "POST sys/auth/userpass", {"type": "userpass"} => 204;
        "POST auth/userpass/users/amy", {"password": "swordfish"} => 204;
        "POST auth/userpass/users/bob", {"password": "swordfish"} => 204;
        "GET sys/locked-users" => 200, {"data": {"total": 0, "by_namespace": [{"namespace_id": "root", "counts": 0, "mount_accessors": []}]}};
    }
    let accessor = client.get("sys/auth/userpass").text("/accessor");
    // A login that succeeds begins the count anew.
    for _ in 0..3 {
        for _ in 0..4 {
            assert_eq!(login(&anonymous, "amy", "guess"), 400);
        }
        assert_eq!(login(&anonymous, "amy", "swordfish"), 200);
    }
    // However the name is written.
    for name in ["amy", "AMY", "Amy", "aMy", "amY"] {
        assert_eq!(login(&anonymous, name, "guess"), 400);
    }
    for name in ["amy", "AMY"] {
        assert_eq!(login(&anonymous, name, "swordfish"), 403);
    }
    // Somebody who does not exist is answered alike.
    for _ in 0..5 {
        assert_eq!(login(&anonymous, "nobody", "guess"), 400);
    }
    assert_eq!(login(&anonymous, "nobody", "guess"), 403);
    assert_eq!(login(&anonymous, "bob", "swordfish"), 200);
    check! { client;
        "GET sys/locked-users" => 200, {"data": {"total": 2, "by_namespace": [{"counts": 2, "mount_accessors": [{"mount_accessor": accessor, "counts": 2, "alias_identifiers": ["amy", "nobody"]}]}]}};
        "GET sys/locked-users?mount_accessor=other" => 200, {"data": {"total": 0}};
    }
    check! { anonymous;
        "GET sys/locked-users" => 403, {"errors": ["*"]};
    }
    server.restart().unwrap();
    server.unseal(&keys).unwrap();
    assert_eq!(login(&anonymous, "amy", "swordfish"), 403);
    let unlock = format!("sys/locked-users/{accessor}/unlock/amy");
    assert_eq!(anonymous.post(&unlock, json!({})).status, 403);
    client.post(&unlock, json!({})).expect(204);
    assert_eq!(login(&anonymous, "amy", "swordfish"), 200);
    check! { client;
        "GET sys/locked-users" => 200, {"data": {"total": 1}};
        "POST sys/locked-users/other/unlock/amy", {} => 204;
    }
}

#[test]
fn a_mount_is_tuned_to_lock_out_sooner_for_less_long_or_not_at_all() {
    let server = Server::dev().unwrap();
    let (client, anonymous) = (server.client(), server.anonymous());
    check! { client;
        "POST sys/auth/userpass", {"type": "userpass"} => 204;
        "POST auth/userpass/users/amy", {"password": "swordfish"} => 204;
        "POST sys/auth/userpass/tune", {"user_lockout_config": {"lockout_threshold": "2", "lockout_duration": "1s", "lockout_counter_reset_duration": "1m"}} => 204;
        "GET sys/auth/userpass/tune" => 200, {"data": {"user_lockout_threshold": 2, "user_lockout_duration": 1, "user_lockout_counter_reset_duration": 60, "user_lockout_disable": false}};
        "POST sys/auth/userpass/tune", {"user_lockout_config": {"lockout_duration": "x"}} => 400, {"errors": ["*"]};
        "POST sys/mounts/secret/tune", {"user_lockout_config": {"lockout_threshold": 2}} => 400, {"errors": ["~auth mounts"]};
    }
    assert_eq!(login(&anonymous, "amy", "guess"), 400);
    assert_eq!(login(&anonymous, "amy", "guess"), 400);
    assert_eq!(login(&anonymous, "amy", "swordfish"), 403);
    until(Duration::from_secs(10), "the lock ends", || {
        login(&anonymous, "amy", "swordfish") == 200
    });
    until(Duration::from_secs(10), "nothing is left of it", || {
        client.get("sys/locked-users").number("/data/total") == 0
    });
    check! { client;
        "POST sys/auth/userpass/tune", {"user_lockout_config": {"lockout_disable": true}} => 204;
    }
    for _ in 0..8 {
        assert_eq!(login(&anonymous, "amy", "guess"), 400);
    }
    assert_eq!(login(&anonymous, "amy", "swordfish"), 200);
}

#[test]
fn a_role_of_approle_is_locked_out_by_its_id() {
    let server = Server::dev().unwrap();
    let (client, anonymous) = (server.client(), server.anonymous());
    check! { client;
        "POST sys/auth/approle", {"type": "approle"} => 204;
        "POST auth/approle/role/app", {"policies": "default"} => 204;
    }
    let role = client
        .get("auth/approle/role/app/role-id")
        .text("/data/role_id");
    let secret = client.post("auth/approle/role/app/secret-id", json!({}));
    let secret = secret.text("/data/secret_id");
    let login = |secret: &str| {
        let body = json!({"role_id": role, "secret_id": secret});
        anonymous.post("auth/approle/login", body).status
    };
    for _ in 0..5 {
        assert_eq!(login("guess"), 400);
    }
    assert_eq!(login(&secret), 403);
}
