//! What a server tells of itself, and how it is looked after.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use coffer_tests::{Server, check, until};
use serde_json::json;

#[test]
fn the_machine_the_cluster_and_the_versions() {
    let (mut server, keys) = Server::ready().unwrap();
    let client = server.client();
    check! { client;
        "GET sys/host-info" => 200, {"data": {"timestamp": "*", "host": {"hostname": "*", "os": "linux", "kernelVersion": "*"}}};
        "GET sys/ha-status" => 200, {"nodes": [{"active_node": true, "last_echo": null, "version": "*", "api_address": "*"}]};
        "PUT sys/step-down", {} => 204;
        "GET sys/health" => 200, {"standby": false};
        "GET sys/internal/ui/namespaces" => 200, {"data": {}};
        "LIST sys/version-history" => 200, {"data": {"keys": ["*"]}};
    }
    let info = client.get("sys/host-info");
    assert!(info.number("/data/memory/total") > info.number("/data/memory/available"));
    assert!(!info.body["data"]["cpu"].as_array().unwrap().is_empty());
    let history = client.list("sys/version-history").ok();
    server.restart().unwrap();
    server.unseal(&keys).unwrap();
    assert_eq!(
        client.list("sys/version-history").ok()["data"],
        history["data"]
    );
    check! { server.anonymous();
        "GET sys/host-info" => 403, {"errors": ["*"]};
        "GET sys/ha-status" => 403, {"errors": ["*"]};
        "LIST sys/version-history" => 403, {"errors": ["*"]};
    }
}

#[test]
fn what_a_token_may_in_all() {
    let server = Server::dev().unwrap();
    let client = server.client();
    let rules = r#"
        path "secret/data/a" { capabilities = ["read", "update"] }
        path "secret/metadata/*" { capabilities = ["list"] }
        path "secret/+/b" { capabilities = ["deny"] }
    "#;
    client
        .post("sys/policies/acl/some", json!({ "policy": rules }))
        .expect(204);
    let made = client.post("auth/token/create", json!({"policies": ["some"]}));
    let token = client.with_token(&made.text("/auth/client_token"));
    check! { client;
        "GET sys/internal/ui/resultant-acl" => 200, {"data": {"root": true}};
    }
    check! { token;
        "GET sys/internal/ui/resultant-acl" => 200, {"data": {
            "root": false,
            "exact_paths": {"secret/data/a": {"capabilities": ["read", "update"]}},
            "glob_paths": {"secret/metadata/": {"capabilities": ["list"]}, "secret/+/b": {"capabilities": ["deny"]}},
        }};
    }
}

#[test]
fn tidying_takes_nothing_that_is_in_use() {
    let (server, _) = Server::ready().unwrap();
    let client = server.client();
    let parent = client.post("auth/token/create", json!({"policies": ["default"]}));
    let parent = client.with_token(&parent.text("/auth/client_token"));
    check! { parent;
        "PUT cubbyhole/kept", {"x": 1} => 204;
    }
    let child = client.post(
        "auth/token/create",
        json!({"policies": ["default"], "ttl": "1h"}),
    );
    let child = client.with_token(&child.text("/auth/client_token"));
    check! { client;
        "POST auth/token/tidy", {} => 202, {"warnings": ["*"]};
        "POST sys/leases/tidy", {} => 202, {"warnings": ["*"]};
        "GET sys/leases?type=irrevocable" => 200, {"data": {"lease_count": 0, "leases": []}};
        "GET sys/leases/count?type=irrevocable" => 200, {"data": {"lease_count": 0, "counts": {}}};
        "GET sys/leases" => 404, {"errors": []};
        "GET sys/leases/count" => 404, {"errors": []};
        "GET sys/leases?type=irrevocable&limit=x" => 400, {"errors": ["*"]};
    }
    until(Duration::from_secs(10), "it is done", || {
        server.log().contains("tidied tokens and leases")
    });
    assert!(server.log().contains("removed=0"), "{}", server.log());
    check! { parent;
        "GET cubbyhole/kept" => 200, {"data": {"x": 1}};
    }
    check! { child;
        "GET auth/token/lookup-self" => 200, {};
    }
}
