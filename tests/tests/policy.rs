//! Policies: who may do what, and who may ask.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use coffer_tests::{Client, Server, check, until};
use serde_json::{Value, json};

/// A server with a version 1 store at `kv/`, its root client, and a client whose token has this policy.
fn with_policy(policy: &str) -> (Server, Client, Client) {
    let server = Server::dev().unwrap();
    let root = server.client();
    check! { root;
        "POST sys/mounts/kv", {"type": "kv", "options": {"version": "1"}} => 204;
        "POST sys/policies/acl/p", {"policy": policy} => 204;
    }
    for path in [
        "a",
        "team/x/config",
        "team/y/config",
        "team/y/deep/config",
        "secret",
    ] {
        root.post(&format!("kv/{path}"), json!({"v": 1}))
            .expect(204);
    }
    let token = root
        .post("auth/token/create", json!({"policies": ["p"]}))
        .text("/auth/client_token");
    let client = root.with_token(&token);
    (server, root, client)
}

fn denied() -> Value {
    json!({"errors": ["~permission denied"]})
}

#[test]
fn a_rule_on_a_policys_name_has_no_way_round() {
    let (_server, root, client) = with_policy(
        r#"path "sys/policies/acl/*" { capabilities = ["read", "update", "delete"] }
           path "sys/policies/acl/boss" { capabilities = ["deny"] }
           path "sys/policy/*" { capabilities = ["read"] }
           path "sys/policy/boss" { capabilities = ["deny"] }"#,
    );
    let text = json!({"policy": "path \"x\" { capabilities = [\"read\"] }"});
    root.post("sys/policies/acl/boss", text.clone()).expect(204);
    for name in ["boss", "BOSS", "Boss", "boss/", "bo%73s", "/boss"] {
        for request in [
            "GET sys/policies/acl/",
            "POST sys/policies/acl/",
            "DELETE sys/policies/acl/",
            "GET sys/policy/",
        ] {
            let (method, path) = request.split_once(' ').unwrap();
            let body = (method == "POST").then_some(&text);
            client
                .request(method, &format!("{path}{name}"), body)
                .expect(403);
        }
    }
    check! { root;
        "POST sys/policies/acl/Team/Red", (text.clone()) => 204;
        "GET sys/policies/acl/team/red" => 200, {"data": {"name": "team/red"}};
        "DELETE sys/policies/acl/TEAM/red" => 204;
        "GET sys/policies/acl/team/red" => 404, "?";
    }
}

#[test]
fn a_change_may_name_the_version_that_it_changes() {
    let (_server, root, _) = with_policy(r#"path "x" { capabilities = ["read"] }"#);
    let text = r#"path "y" { capabilities = ["read"] }"#;
    check! { root;
        "POST sys/policies/acl/c", {"policy": text, "cas": -1, "cas_required": true} => 204;
        "POST sys/policies/acl/c", {"policy": text, "cas": -1} => 400, {"errors": ["~check-and-set"]};
        "POST sys/policies/acl/c", {"policy": text, "cas": 2} => 400, {"errors": ["~check-and-set"]};
        "POST sys/policies/acl/c", {"policy": text} => 400, {"errors": ["~check-and-set parameter required"]};
        "POST sys/policies/acl/c", {"policy": text, "cas": 1} => 204;
        "GET sys/policies/acl/c" => 200, {"data": {"version": 2, "cas_required": true}};
    }
}

#[test]
fn parameters_of_a_read() {
    let (_server, root, client) = with_policy(
        r#"path "secret/data/a" { capabilities = ["read", "update"] denied_parameters = { "version" = ["1"] } }
           path "secret/data/b" { capabilities = ["read"] required_parameters = ["version"] }
           path "kv/twice" { capabilities = ["create", "update"] denied_parameters = { "x" = ["bad"] } }"#,
    );
    for path in ["secret/data/a", "secret/data/b"] {
        root.post(path, json!({"data": {"v": 1}})).expect(200);
    }
    check! { client;
        "GET secret/data/a" => 200, {"data": {"data": {"v": 1}}};
        "GET secret/data/a?version=1" => 403, (denied());
        "GET secret/data/b" => 403, (denied());
        "GET secret/data/b?version=1" => 200, {"data": {"data": {"v": 1}}};
        // The query of a write says nothing.
        "POST kv/twice?x=good", {"x": "bad"} => 403, (denied());
        "POST kv/twice?y=1", {"x": "good"} => 204;
    }
    check! { root;
        "GET kv/twice" => 200, {"data": {"x": "good", "y": "!"}};
    }
}

#[test]
fn rules_decide() {
    let cases: &[(&str, &[(&str, u16)])] = &[
        (
            r#"path "kv/a" { capabilities = ["read"] }"#,
            &[
                ("GET kv/a", 200),
                ("POST kv/a", 403),
                ("DELETE kv/a", 403),
                ("LIST kv/", 403),
                ("GET kv/ab", 403),
                ("GET kv/none", 403),
            ],
        ),
        (
            r#"path "kv/*" { capabilities = ["read", "list"] }
           path "kv/secret" { capabilities = ["deny"] }"#,
            &[
                ("GET kv/a", 200),
                ("GET kv/team/y/deep/config", 200),
                ("GET kv/none", 404),
                ("GET kv/secret", 403),
                ("LIST kv/", 200),
                ("POST kv/a", 403),
            ],
        ),
        (
            r#"path "kv/team/+/config" { capabilities = ["read"] }"#,
            &[
                ("GET kv/team/x/config", 200),
                ("GET kv/team/y/config", 200),
                ("GET kv/team/y/deep/config", 403),
                ("GET kv/team/config", 403),
            ],
        ),
        // The more exact rule wins, whichever stands first; it adds nothing to the other.
        (
            r#"path "kv/team/*" { capabilities = ["read", "update"] }
           path "kv/team/x/*" { capabilities = ["update"] }"#,
            &[
                ("GET kv/team/x/config", 403),
                ("POST kv/team/x/config", 204),
                ("GET kv/team/y/config", 200),
            ],
        ),
        // Creating and updating are two things.
        (
            r#"path "kv/*" { capabilities = ["create"] }"#,
            &[
                ("POST kv/new", 204),
                ("POST kv/new", 403),
                ("POST kv/a", 403),
            ],
        ),
        (
            r#"path "kv/*" { capabilities = ["update"] }"#,
            &[("POST kv/a", 204), ("POST kv/new", 403)],
        ),
        (
            r#"{"path": {"kv/a": {"capabilities": ["read"]}}}"#,
            &[("GET kv/a", 200), ("POST kv/a", 403)],
        ),
        (
            "# nothing",
            &[
                ("GET kv/a", 403),
                ("GET auth/token/lookup-self", 200),
                ("GET sys/mounts", 403),
            ],
        ),
        // Root-protected paths want more than the capability.
        (
            r#"path "sys/seal" { capabilities = ["update"] }
           path "sys/mounts" { capabilities = ["read"] }"#,
            &[("PUT sys/seal", 403), ("GET sys/mounts", 200)],
        ),
    ];
    for (policy, requests) in cases {
        let (_server, _, client) = with_policy(policy);
        for (line, status) in *requests {
            let (method, path) = line.split_once(' ').unwrap();
            let body = json!({"v": 2});
            let reply = client.request(
                method,
                path,
                ["POST", "PUT"].contains(&method).then_some(&body),
            );
            assert_eq!(reply.status, *status, "{line} under {policy}: {reply:?}");
        }
    }
}

#[test]
fn parameters_are_allowed_denied_and_required() {
    let (_server, _, client) = with_policy(
        r#"
        path "kv/allowed" {
          capabilities = ["create", "update"]
          allowed_parameters = {
            "color" = ["red", "bl*"]
            "size" = []
          }
        }
        path "kv/denied" {
          capabilities = ["create", "update"]
          denied_parameters = {
            "color" = ["red"]
            "secret" = []
          }
        }
        path "kv/required" {
          capabilities = ["create", "update"]
          required_parameters = ["color", "size"]
        }
        path "kv/any" {
          capabilities = ["create", "update"]
          allowed_parameters = {
            "color" = ["red"]
            "*" = []
          }
        }
        "#,
    );
    check! { client;
        "POST kv/allowed", {"color": "red", "size": 3} => 204;
        "POST kv/allowed", {"color": "blue"} => 204;
        "POST kv/allowed", {"color": "green"} => 403, (denied());
        "POST kv/allowed", {"other": "x"} => 403, (denied());
        "POST kv/denied", {"color": "blue", "x": 1} => 204;
        "POST kv/denied", {"color": "red"} => 403, (denied());
        "POST kv/denied", {"secret": "anything"} => 403, (denied());
        "POST kv/required", {"color": "x", "size": 1, "more": 2} => 204;
        "POST kv/required", {"color": "x"} => 403, (denied());
        "POST kv/any", {"color": "red", "more": 1} => 204;
        "POST kv/any", {"color": "green"} => 403, (denied());
    }
}

#[test]
fn a_change_counts_at_once() {
    let (_server, root, client) = with_policy(r#"path "kv/a" { capabilities = ["read"] }"#);
    client.get("kv/a").expect(200);
    for round in 0..20 {
        root.post(
            "sys/policies/acl/p",
            json!({"policy": "path \"kv/a\" { capabilities = [\"deny\"] }"}),
        )
        .expect(204);
        assert_eq!(client.get("kv/a").status, 403, "round {round}");
        root.post(
            "sys/policies/acl/p",
            json!({"policy": "path \"kv/a\" { capabilities = [\"read\"] }"}),
        )
        .expect(204);
        assert_eq!(client.get("kv/a").status, 200, "round {round}");
    }
    root.delete("sys/policies/acl/p").expect(204);
    client.get("kv/a").expect(403);
    client.get("auth/token/lookup-self").expect(200);
}

#[test]
fn policies_are_kept() {
    let server = Server::dev().unwrap();
    let client = server.client();
    let text = "# ours\npath \"kv/a\" {\n  capabilities = [\"read\"]\n}\n";
    check! { client;
        "GET sys/policies/acl/none" => 404, {"errors": []};
        "PUT sys/policies/acl/Team-A", {"policy": text} => 204;
        "GET sys/policies/acl/team-a" => 200, {"data": {"name": "team-a", "policy": text}};
        "GET sys/policy/team-a" => 200, {"data": {"name": "team-a", "rules": text}, "name": "team-a", "rules": text};
        "GET sys/policies/acl/default" => 200, {"data": {"policy": "~lookup-self"}};
        "GET sys/policies/acl?list=true" => 200, {"data": {"keys": "*"}};
        "GET sys/policy" => 200, {"data": {"policies": "*", "keys": "*"}, "policies": "*"};
        "POST sys/policies/acl/root", {"policy": text} => 400, {"errors": ["*"]};
        "DELETE sys/policies/acl/root" => 400, {"errors": ["*"]};
        "DELETE sys/policies/acl/default" => 400, {"errors": ["*"]};
    }
    let keys = client.list("sys/policies/acl").ok()["data"]["keys"].clone();
    let mut keys: Vec<String> = serde_json::from_value(keys).unwrap();
    keys.sort();
    assert_eq!(keys, ["default", "root", "team-a"]);
    check! { client;
        "DELETE sys/policies/acl/team-a" => 204;
        "GET sys/policies/acl/team-a" => 404, {"errors": []};
        "DELETE sys/policies/acl/team-a" => 204;
        "POST sys/policy/old", {"policy": text} => 204;
        "GET sys/policies/acl/old" => 200, {"data": {"policy": text}};
        "DELETE sys/policy/old" => 204;
    }
    for wrong in [
        "",
        "path \"x\" {",
        "path \"x\" { capabilities = [\"fly\"] }",
        "path \"x\" { capabilitys = [\"read\"] }",
        "path \"a/+*\" { capabilities = [\"read\"] }",
    ] {
        check! { client;
            "POST sys/policies/acl/bad", {"policy": wrong} => 400, {"errors": ["*"]};
            "GET sys/policies/acl/bad" => 404, {"errors": []};
        }
    }
}

#[test]
fn capabilities_are_told() {
    let (_server, root, client) = with_policy(
        r#"path "kv/a" { capabilities = ["read", "update"] }
           path "kv/no" { capabilities = ["deny"] }"#,
    );
    check! { client;
        "POST sys/capabilities-self", {"paths": ["kv/a", "kv/no", "kv/other"]}
            => 200, {"data": {"kv/a": ["read", "update"], "kv/no": ["deny"], "kv/other": ["deny"]}, "kv/a": ["read",
                "update"]};
        "POST sys/capabilities-self", {"path": "kv/a"}
            => 200, {"capabilities": ["read", "update"], "kv/a": ["read", "update"]};
        "POST sys/capabilities-self", {} => 400, {"errors": ["*"]};
    }
    check! { root;
        "POST sys/capabilities-self", {"paths": ["kv/a"]} => 200, {"data": {"kv/a": ["root"]}};
    }
    let token = client.token();
    let accessor = client.get("auth/token/lookup-self").text("/data/accessor");
    check! { root;
        "POST sys/capabilities", {"token": token, "paths": ["kv/a", "kv/none"]} => 200, {"data": {"kv/none": ["deny"]}};
        "POST sys/capabilities-accessor", {"accessor": accessor, "paths": ["kv/none"]}
            => 200, {"data": {"capabilities": ["deny"]}};
        "POST sys/capabilities", {"token": "none", "paths": ["kv/a"]} => 400, {"errors": ["~invalid token"]};
        "POST sys/capabilities", {"paths": ["kv/a"]} => 400, {"errors": ["*"]};
    }
}

#[test]
fn the_mounts_that_a_token_may_see() {
    let (_server, root, client) = with_policy(r#"path "kv/a" { capabilities = ["read"] }"#);
    check! { client;
        "GET sys/internal/ui/mounts/kv/a"
            => 200, {"data": {"type": "kv", "path": "kv/", "options": {"version": "1"}}};
        "GET sys/internal/ui/mounts/kv" => 200, {"data": {"path": "kv/"}};
        "GET sys/internal/ui/mounts/secret/x" => 403, {"errors": ["~preflight capability check returned 403"]};
        "GET sys/internal/ui/mounts/none/x" => 403, {"errors": ["*"]};
        "GET sys/internal/ui/mounts"
            => 200, {"data": {"secret": {"kv/": {"type": "kv"}, "secret/": "!"}, "auth": "*"}};
    }
    check! { root;
        "GET sys/internal/ui/mounts/secret/x" => 200, {"data": {"type": "kv", "options": {"version": "2"}}};
        "GET sys/internal/ui/mounts/auth/token/x" => 200, {"data": {"path": "token/"}};
        "POST sys/mounts/secret/tune", {"listing_visibility": "unauth"} => 204;
    }
    check! { client;
        "GET sys/internal/ui/mounts" => 200, {"data": {"secret": {"secret/": {"accessor": "*", "uuid": "*"}}}};
    }
    check! { root.with_token("");
        "GET sys/internal/ui/mounts" => 200, {"data": {"secret": {"secret/": {"type": "kv", "uuid": "!"}, "kv/": "!"}}};
    }
    check! { root.with_token("bad");
        "GET sys/internal/ui/mounts" => 403, {"errors": "*"};
    }
}

#[test]
fn paths_carry_the_tokens_own_metadata() {
    // Templates of a token without an entity match nothing, and harm nothing.
    let (_server, _, client) = with_policy(
        r#"path "kv/{{identity.entity.id}}/*" { capabilities = ["read"] }
           path "kv/a" { capabilities = ["read"] }"#,
    );
    client.get("kv/a").expect(200);
    client.get("kv/x/y").expect(403);
    until(Duration::from_secs(1), "still alive", || {
        client.get("auth/token/lookup-self").status == 200
    });
}

#[test]
fn policies_that_vault_takes_in_few_lines() {
    // Vault reads HCL 1, which wants no line breaks; such policies are in use.
    for policy in [
        r#"path "kv/a" { capabilities = ["read"] } path "kv/b" { capabilities = ["read"] }"#,
        r#"path "kv/a" { capabilities = ["read"] min_wrapping_ttl = "1s" }"#,
        r#"path "kv/a" { policy = "read" }"#,
        r#"path "kv/a" { capabilities = ["read"] denied_parameters = { "a" = [] "b" = ["x"] } }"#,
    ] {
        let (_server, _, client) = with_policy(policy);
        assert!(client.get("sys/internal/ui/mounts/kv").is_ok(), "{policy}");
    }
}

/// A name that reads like two gives nothing of either, whatever tokens with these have done before.
#[test]
fn a_policys_name_is_one_name() {
    let (_server, root, client) = with_policy(r#"path "kv/a" { capabilities = ["read"] }"#);
    check! { client; "GET kv/a" => 200, {"data": {"v": 1}}; }
    check! { root;
        "POST auth/token/roles/others", {"disallowed_policies": "p"} => 204, null;
    }
    for name in ["default\np", "p\ndefault", "root\ndefault\np"] {
        let asked = json!({"policies": [name], "no_default_policy": true});
        let made = root.post("auth/token/create/others", asked);
        if made.is_ok() {
            let client = root.with_token(&made.text("/auth/client_token"));
            client.get("kv/a").expect(403);
        }
    }
}
