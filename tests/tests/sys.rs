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
fn parameters_that_say_nothing_are_told() {
    let server = Server::dev().unwrap();
    let client = server.client();
    check! { client;
        "POST auth/token/create", {"ttl": "1h", "bogus": 1, "another": 2} => 200, {"warnings": ["Endpoint ignored these unrecognized parameters: [another bogus]"]};
        "POST auth/token/lookup", {"token": "root", "type": "x"} => 200, {"warnings": ["~[type]"]};
        "POST sys/capabilities-self", {"paths": ["x"]} => 200, {"warnings": null};
        "GET sys/policies/acl/default?name=other" => 200, {"warnings": ["~replaced the value of these parameters with the values captured from the endpoint's path: [name]"]};
        // Nothing is said where nothing is answered, and what takes anything ignores nothing.
        "POST sys/policies/acl/x", {"policy": "path \"x\" {}", "bogus": 1} => 204;
        "POST cubbyhole/a", {"bogus": 1, "path": "b"} => 204;
        "GET cubbyhole/a" => 200, {"data": {"bogus": 1, "path": "b"}, "warnings": null};
    }
}

#[test]
fn answers_below_ui_have_headers_of_their_own() {
    let (mut server, keys) = Server::ready().unwrap();
    let client = server.client();
    check! { client;
        "LIST sys/config/ui/headers" => 404, {"errors": []};
        "POST sys/config/ui/headers/X-Team", {"values": ["a", "b"]} => 204;
        "GET sys/config/ui/headers/x-team" => 200, {"data": {"value": "a"}};
        "GET sys/config/ui/headers/X-Team?multivalue=true" => 200, {"data": {"values": ["a", "b"]}};
        "LIST sys/config/ui/headers" => 200, {"data": {"keys": ["X-Team"]}};
        "POST sys/config/ui/headers/X-Vault-Token", {"values": ["a"]} => 400, {"errors": ["X-Vault headers cannot be set"]};
        "POST sys/config/ui/headers/X-A", {} => 400, {"errors": ["header and values must be specified"]};
        "POST sys/config/ui/headers/X-A", {"values": ["a\r\nX-B: c"]} => 400, {"errors": ["*"]};
        "GET sys/config/ui/headers/none" => 404, {"errors": []};
    }
    server.restart().unwrap();
    assert!(!ui_head(&server).contains("x-team"));
    server.unseal(&keys).unwrap();
    // There is no UI yet; what is answered there has them all the same.
    let ui = ui_head(&server);
    assert!(
        ui.contains("x-team: a\r\n") && ui.contains("x-team: b\r\n"),
        "{ui}"
    );
    let health = server.raw("GET", "sys/health", &[], "");
    assert!(!health.head.contains("x-team"));
    check! { client; "DELETE sys/config/ui/headers/X-Team" => 204; }
    assert!(!ui_head(&server).contains("x-team"));
}

fn ui_head(server: &Server) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    write!(
        stream,
        "GET /ui/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
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

#[test]
fn pages_of_other_origins_call_only_if_they_are_named() {
    let server = Server::dev().unwrap();
    let client = server.client();
    let here = "Origin: https://app.example";
    let ask = |headers: &[&str]| server.raw("GET", "sys/health", headers, "");
    let preflight = |headers: &[&str]| server.raw("OPTIONS", "secret/data/a", headers, "");
    let wants = "Access-Control-Request-Method: PUT";
    let answer = ask(&[here]);
    assert_eq!(answer.status, 200);
    assert!(!answer.head.contains("access-control"), "{answer:?}");
    assert_eq!(preflight(&[here, wants]).status, 405);
    check! { client;
        "GET sys/config/cors" => 200, {"enabled": false};
        "POST sys/config/cors", {} => 400, {"errors": ["~at least one origin"]};
        "POST sys/config/cors", {"allowed_origins": ["*", "http://x"]} => 400, {"errors": ["~must be the only value"]};
        "POST sys/config/cors", {"allowed_origins": "*", "allow_credentials": true} => 400, {"errors": ["*"]};
        "POST sys/config/cors", {"allowed_origins": "https://app.example, https://b.example", "allowed_headers": "X-Own"} => 204;
        "GET sys/config/cors" => 200, {"enabled": true, "allowed_origins": ["https://app.example", "https://b.example"], "allow_credentials": false};
    }
    let answer = ask(&[here]);
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .head
            .contains("access-control-allow-origin: https://app.example\r\n"),
        "{answer:?}"
    );
    assert!(answer.head.contains("vary: Origin\r\n"), "{answer:?}");
    for other in ["https://app.example.evil", "http://app.example", "null"] {
        assert_eq!(ask(&[&format!("Origin: {other}")]).status, 403, "{other}");
        assert_eq!(
            preflight(&[&format!("Origin: {other}"), wants]).status,
            403,
            "{other}"
        );
    }
    let answer = preflight(&[here, wants]);
    assert_eq!(answer.status, 204);
    assert!(
        answer.head.contains("X-Vault-Token,") && answer.head.contains(",X-Own\r\n"),
        "{answer:?}"
    );
    assert_eq!(
        preflight(&[here, "Access-Control-Request-Method: TRACE"]).status,
        405
    );
    assert_eq!(preflight(&[here]).status, 405);
    check! { client;
        "DELETE sys/config/cors" => 204;
        "GET sys/config/cors" => 200, {"enabled": false};
    }
    check! { server.anonymous();
        "GET sys/config/cors" => 403, {"errors": ["*"]};
    }
}

#[test]
fn a_policy_ends_when_it_says() {
    let (mut server, keys) = Server::ready().unwrap();
    let client = server.client();
    let rules = r#"path "sys/host-info" { capabilities = ["read"] }"#;
    check! { client;
        "PUT sys/policies/acl/brief", {"policy": rules, "ttl": "1h", "expiration": "2090-01-01T00:00:00Z"} => 400, {"errors": ["cannot supply both 'expiration' and 'ttl' for policies"]};
        "PUT sys/policies/acl/brief", {"policy": rules, "expiration": "2020-01-01T00:00:00Z"} => 400, {"errors": ["~already elapsed"]};
        "PUT sys/policies/acl/brief", {"policy": rules, "expiration": "soon"} => 400, {"errors": ["*"]};
        "PUT sys/policies/acl/default", {"policy": rules, "ttl": "1h"} => 400, {"errors": ["*"]};
        "PUT sys/policies/acl/brief", {"policy": rules, "expiration": "2090-01-01T00:00:00Z"} => 204;
        "GET sys/policies/acl/brief" => 200, {"data": {"expiration": "2090-01-01T00:00:00.000Z"}};
        // Written anew without an end it has none.
        "PUT sys/policies/acl/brief", {"policy": rules, "ttl": "1s"} => 204;
        "PUT sys/policies/acl/brief", {"policy": rules} => 204;
        "PUT sys/policies/acl/other", {"policy": rules, "ttl": "1s"} => 204;
        "LIST sys/policies/detailed/acl" => 200, {"data": {"keys": ["brief", "default", "other"], "key_info": {"brief": {"policy": rules}}}};
        "LIST sys/policies/detailed/acl/bri" => 200, {"data": {"keys": ["brief"]}};
        "LIST sys/policies/detailed/acl/none" => 404, {"errors": []};
    }
    let token = |policy: &str| {
        let made = client.post("auth/token/create", json!({"policies": [policy]}));
        client.with_token(&made.text("/auth/client_token"))
    };
    let (brief, other) = (token("brief"), token("other"));
    until(Duration::from_secs(10), "it has ended", || {
        client.get("sys/policies/acl/other").status == 404
    });
    assert_eq!(other.get("sys/host-info").status, 403);
    assert_eq!(brief.get("sys/host-info").status, 200);

    client
        .post(
            "sys/policies/acl/other",
            json!({"policy": rules, "ttl": "2s"}),
        )
        .expect(204);
    assert_eq!(other.get("sys/host-info").status, 200);
    server.restart().unwrap();
    server.unseal(&keys).unwrap();
    until(
        Duration::from_secs(10),
        "it ends after a restart too",
        || other.get("sys/host-info").status == 403,
    );
    assert_eq!(brief.get("sys/host-info").status, 200);
}

#[test]
fn parts_of_the_server_log_more_or_less() {
    let server = Server::dev().unwrap();
    let client = server.client();
    check! { client;
        "GET sys/loggers" => 200, {"data": {"core": "info", "runtime": "info"}};
        "GET sys/loggers/core" => 200, {"data": {"core": "info"}};
        "POST sys/loggers/core", {"level": "error"} => 204;
        "GET sys/loggers" => 200, {"data": {"core": "error", "runtime": "info"}};
        "POST sys/loggers/core", {"level": "xx"} => 400, {"errors": ["invalid level provided: unknown log level: xx"]};
        "POST sys/loggers/core", {} => 400, {"errors": ["level is required"]};
        "POST sys/loggers/nope", {"level": "debug"} => 400, {"errors": ["logger \"nope\" not found"]};
        "DELETE sys/loggers/nope" => 400, {"errors": ["logger \"nope\" not found"]};
        "POST auth/token/tidy", {} => 202, {};
        "DELETE sys/loggers/core" => 204;
        "GET sys/loggers/core" => 200, {"data": {"core": "info"}};
        "POST sys/loggers", {"level": "warn"} => 204;
        "GET sys/loggers/api" => 200, {"data": {"api": "warn"}};
        "DELETE sys/loggers" => 204;
        "GET sys/loggers/api" => 200, {"data": {"api": "info"}};
        "GET sys/internal/counters/tokens" => 200, {"data": {"counters": {"service_tokens": {"total": 1}}}};
        "GET sys/internal/counters/requests" => 404, {"errors": ["~removed"]};
    }
    let told = || server.log().matches("tidied tokens and leases").count();
    until(Duration::from_secs(10), "it is logged", || {
        client.post("auth/token/tidy", json!({})).expect(202);
        told() > 0
    });
    check! { server.anonymous();
        "POST sys/loggers", {"level": "trace"} => 403, {"errors": ["*"]};
    }
}
