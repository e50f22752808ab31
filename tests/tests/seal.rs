//! The life of a server that stores on disk: initialised once, unsealed after every start, sealed by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use coffer_tests::{Server, check, until};
use serde_json::{Value, json};

fn sealed_status(progress: u32) -> Value {
    json!({"type": "shamir", "initialized": true, "sealed": true, "t": 2, "n": 3, "progress": progress, "version": "*"})
}

#[test]
fn init_unseal_seal_restart() {
    let mut server = Server::durable().unwrap();
    let anonymous = server.anonymous();
    check! { anonymous;
        "GET sys/init" => 200, {"initialized": false};
        "GET sys/health" => 501, {"initialized": false, "sealed": true, "version": "*"};
        "GET sys/seal-status" => 200, {"initialized": false, "sealed": true, "t": 0, "n": 0};
        "GET secret/data/a" => 503, {"errors": ["*"]};
        "PUT sys/unseal", {"key": "00"} => 400, {"errors": ["*"]};
        "PUT sys/init", {"secret_shares": 0, "secret_threshold": 1} => 400, {"errors": ["*"]};
        "PUT sys/init", {"secret_shares": 3, "secret_threshold": 4} => 400, {"errors": ["*"]};
        "PUT sys/init", {"secret_shares": 300, "secret_threshold": 2} => 400, {"errors": ["*"]};
        "PUT sys/init", {"secret_shares": 3, "secret_threshold": 1} => 400, {"errors": ["*"]};
        "GET sys/init" => 200, {"initialized": false};
    }
    let keys = server.init(3, 2).unwrap();
    assert_eq!(keys.shares.len(), 3);
    check! { anonymous;
        "GET sys/init" => 200, {"initialized": true};
        "PUT sys/init", {"secret_shares": 1, "secret_threshold": 1} => 400, {"errors": ["~already initialized"]};
        "GET sys/health" => 503, {"initialized": true, "sealed": true};
        "GET sys/health?sealedcode=299" => 299, {"sealed": true};
        "GET sys/seal-status" => 200, (sealed_status(0));
        "PUT sys/unseal", {"key": keys.shares[0]} => 200, (sealed_status(1));
        // The same share again is no second share.
        "PUT sys/unseal", {"key": keys.shares[0]} => 200, (sealed_status(1));
        "PUT sys/unseal", {"reset": true} => 200, (sealed_status(0));
        "PUT sys/unseal", {"key": keys.shares[2]} => 200, (sealed_status(1));
        "PUT sys/unseal", {"key": keys.shares[1]} => 200, {"sealed": false, "progress": 0, "t": 2, "n": 3};
    }
    until(Duration::from_secs(10), "active", || {
        anonymous.get("sys/health").status == 200
    });
    let client = server.client();
    check! { client;
        "GET sys/health" => 200, {"initialized": true, "sealed": false, "standby": false, "server_time_utc": "*"};
        "GET sys/seal-status" => 200, {"sealed": false, "cluster_name": "*"};
        "POST sys/mounts/kv", {"type": "kv", "options": {"version": "1"}} => 204;
        "POST kv/a", {"x": "kept"} => 204;
        "PUT sys/unseal", {"key": keys.shares[1]} => 200, {"sealed": false};
    }

    let cluster = client.get("sys/health").body["cluster_id"].clone();
    check! { anonymous;
        "PUT sys/seal", {} => 403, {"errors": ["*"]};
    }
    check! { client;
        "PUT sys/seal", {} => 204;
    }
    until(Duration::from_secs(10), "sealed", || {
        anonymous.get("sys/seal-status").body["sealed"] == true
    });
    check! { client;
        "GET kv/a" => 503, {"errors": ["~sealed"]};
        "GET auth/token/lookup-self" => 503, {"errors": ["~sealed"]};
        "GET sys/health" => 503, {"sealed": true, "cluster_name": "!", "cluster_id": "!"};
        "PUT sys/seal", {} => 204;
    }
    server.unseal(&keys).unwrap();
    assert_eq!(client.get("sys/health").body["cluster_id"], cluster);
    check! { client;
        "GET kv/a" => 200, {"data": {"x": "kept"}};
    }

    server.restart().unwrap();
    check! { client;
        "GET kv/a" => 503, {"errors": ["~sealed"]};
    }
    server.unseal(&keys).unwrap();
    check! { client;
        "GET kv/a" => 200, {"data": {"x": "kept"}};
    }

    assert!(server.terminate().unwrap().success(), "{}", server.log());
    server.start().unwrap();
    check! { anonymous;
        "GET sys/seal-status" => 200, (sealed_status(0));
    }
}

#[test]
fn wrong_shares_do_not_unseal() {
    let mut server = Server::durable().unwrap();
    let keys = server.init(3, 2).unwrap();
    let client = server.anonymous();
    // As long as a real share, and not one.
    let mut wrong = keys.shares[1].clone().into_bytes();
    wrong[0] = if wrong[0] == b'0' { b'1' } else { b'0' };
    let wrong = String::from_utf8(wrong).unwrap();
    check! { client;
        "PUT sys/unseal", {} => 400, {"errors": ["*"]};
        "PUT sys/unseal", {"key": "not a key!"} => 400, {"errors": ["*"]};
        "PUT sys/unseal", {"key": "abcd"} => 400, {"errors": ["*"]};
        "PUT sys/unseal", {"key": "ab".repeat(500)} => 400, {"errors": ["*"]};
        "PUT sys/unseal", {"reset": true} => 200, (sealed_status(0));
        "PUT sys/unseal", {"key": keys.shares[0]} => 200, (sealed_status(1));
        "PUT sys/unseal", {"key": wrong} => 400, {"errors": ["*"]};
        // The attempt is over: its good share is not kept.
        "GET sys/seal-status" => 200, (sealed_status(0));
    }
    server.unseal(&keys).unwrap();
}

#[test]
fn of_two_inits_at_once_one_wins() {
    let server = Server::durable().unwrap();
    let client = server.anonymous();
    let replies: Vec<_> = std::thread::scope(|scope| {
        let inits: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    client.request(
                        "PUT",
                        "sys/init",
                        Some(&json!({"secret_shares": 1, "secret_threshold": 1})),
                    )
                })
            })
            .collect();
        inits.into_iter().map(|init| init.join().unwrap()).collect()
    });
    let winners: Vec<_> = replies.iter().filter(|reply| reply.status == 200).collect();
    assert_eq!(winners.len(), 1, "{replies:?}");
    assert!(
        replies
            .iter()
            .all(|reply| [200, 400].contains(&reply.status)),
        "{replies:?}"
    );
    let key = winners[0].text("/keys/0");
    check! { client;
        "PUT sys/unseal", {"key": key} => 200, {"sealed": false};
    }
    until(Duration::from_secs(10), "active", || {
        client.get("sys/health").status == 200
    });
    let root = client.with_token(&winners[0].text("/root_token"));
    check! { root;
        "GET auth/token/lookup-self" => 200, {"data": {"policies": ["root"]}};
    }
}

#[test]
fn the_shares_are_also_given_in_base64() {
    let server = Server::durable().unwrap();
    let client = server.anonymous();
    let reply = client.request(
        "PUT",
        "sys/init",
        Some(&json!({"secret_shares": 1, "secret_threshold": 1})),
    );
    assert_eq!(reply.text("/keys/0").len(), 64);
    let key = reply.text("/keys_base64/0");
    check! { client;
        "PUT sys/unseal", {"key": key} => 200, {"sealed": false};
    }
}

#[test]
fn nothing_readable_is_on_the_disk() {
    const NEEDLE: &str = "needle-in-the-haystack";
    let (mut server, keys) = Server::ready().unwrap();
    let client = server.client();
    client
        .post(
            "sys/mounts/kv",
            json!({"type": "kv", "options": {"version": "1"}}),
        )
        .expect(204);
    client.post("kv/a", json!({"x": NEEDLE})).expect(204);
    client
        .post(
            "sys/policies/acl/p",
            json!({"policy": format!("path \"{NEEDLE}\" {{ capabilities = [\"read\"] }}")}),
        )
        .expect(204);
    server.kill9();
    let mut seen = 0;
    for (path, bytes) in server.on_disk() {
        seen += bytes.len();
        for secret in [NEEDLE, &keys.root_token, &keys.shares[0]] {
            let found = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in {}", path.display());
        }
    }
    assert!(seen > 1000, "the disk was looked at");
}

#[test]
fn health_codes_are_the_callers_choice() {
    let server = Server::dev().unwrap();
    check! { server.anonymous();
        "GET sys/health" => 200, {"sealed": false};
        "HEAD sys/health" => 200;
        "GET sys/health?activecode=201" => 201, {"sealed": false};
        "GET sys/health?activecode=abc" => 400, "?";
        "GET sys/health?sealedcode=abc" => 400, "?";
        "GET sys/health" => 200, {"cluster_name": "~coffer-cluster-", "cluster_id": "*", "echo_duration_ms": 0, "clock_skew_ms": 0};
    }
}
