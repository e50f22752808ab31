//! Policies: who may do what, and who may ask.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use coffer_tests::{Client, Server, check, until};
use serde_json::{Value, json};

/// A server with a version 1 store at `kv/`, its root client, and a client whose token has this policy.
fn with_policy(policy: &str) -> (Server, Client, Client) {
    let server = Server::dev().unwrap();
    let root = server.client();
    check(
        &root,
        &[
            (
                "POST sys/mounts/kv",
                json!({"type": "kv", "options": {"version": "1"}}),
                204,
                json!(null),
            ),
            (
                "POST sys/policies/acl/p",
                json!({"policy": policy}),
                204,
                json!(null),
            ),
        ],
    );
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
            r#"path "kv/*" { capabilities = ["read", "list"] } path "kv/secret" { capabilities = ["deny"] }"#,
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
            r#"path "kv/team/*" { capabilities = ["read", "update"] } path "kv/team/x/*" { capabilities = ["update"] }"#,
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
            r#"path "sys/seal" { capabilities = ["update"] } path "sys/mounts" { capabilities = ["read"] }"#,
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
        path "kv/allowed"  { capabilities = ["create", "update"] allowed_parameters = { "color" = ["red", "bl*"] "size" = [] } }
        path "kv/denied"   { capabilities = ["create", "update"] denied_parameters = { "color" = ["red"] "secret" = [] } }
        path "kv/required" { capabilities = ["create", "update"] required_parameters = ["color", "size"] }
        path "kv/any"      { capabilities = ["create", "update"] allowed_parameters = { "color" = ["red"] "*" = [] } }
        "#,
    );
    check(
        &client,
        &[
            (
                "POST kv/allowed",
                json!({"color": "red", "size": 3}),
                204,
                json!(null),
            ),
            (
                "POST kv/allowed",
                json!({"color": "blue"}),
                204,
                json!(null),
            ),
            ("POST kv/allowed", json!({"color": "green"}), 403, denied()),
            ("POST kv/allowed", json!({"other": "x"}), 403, denied()),
            (
                "POST kv/denied",
                json!({"color": "blue", "x": 1}),
                204,
                json!(null),
            ),
            ("POST kv/denied", json!({"color": "red"}), 403, denied()),
            (
                "POST kv/denied",
                json!({"secret": "anything"}),
                403,
                denied(),
            ),
            (
                "POST kv/required",
                json!({"color": "x", "size": 1, "more": 2}),
                204,
                json!(null),
            ),
            ("POST kv/required", json!({"color": "x"}), 403, denied()),
            (
                "POST kv/any",
                json!({"color": "red", "more": 1}),
                204,
                json!(null),
            ),
            ("POST kv/any", json!({"color": "green"}), 403, denied()),
        ],
    );
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
    let text = "# ours\npath \"kv/a\" {\n  capabilities = [\"read\"]\n}\n";
    let wrong = |policy: &str| {
        (
            "POST sys/policies/acl/bad",
            json!({"policy": policy}),
            400,
            json!({"errors": ["*"]}),
        )
    };
    let client = server.client();
    check(
        &client,
        &[
            (
                "GET sys/policies/acl/none",
                json!(null),
                404,
                json!({"errors": []}),
            ),
            (
                "PUT sys/policies/acl/Team-A",
                json!({"policy": text}),
                204,
                json!(null),
            ),
            (
                "GET sys/policies/acl/team-a",
                json!(null),
                200,
                json!({"data": {"name": "team-a", "policy": text}, "name": "?"}),
            ),
            (
                "GET sys/policy/team-a",
                json!(null),
                200,
                json!({"data": {"name": "team-a", "rules": text}, "name": "team-a", "rules": text}),
            ),
            (
                "GET sys/policies/acl/default",
                json!(null),
                200,
                json!({"data": {"policy": "~lookup-self"}}),
            ),
            wrong(""),
            wrong("path \"x\" {"),
            wrong("path \"x\" { capabilities = [\"fly\"] }"),
            wrong("path \"x\" { capabilitys = [\"read\"] }"),
            wrong("path \"a/+*\" { capabilities = [\"read\"] }"),
            (
                "POST sys/policies/acl/root",
                json!({"policy": text}),
                400,
                json!({"errors": ["*"]}),
            ),
            (
                "DELETE sys/policies/acl/root",
                json!(null),
                400,
                json!({"errors": ["*"]}),
            ),
            (
                "DELETE sys/policies/acl/default",
                json!(null),
                400,
                json!({"errors": ["*"]}),
            ),
            (
                "GET sys/policies/acl?list=true",
                json!(null),
                200,
                json!({"data": {"keys": "*"}}),
            ),
            (
                "GET sys/policy",
                json!(null),
                200,
                json!({"data": {"policies": "*", "keys": "*"}, "policies": "*"}),
            ),
        ],
    );
    let keys = client.list("sys/policies/acl").ok()["data"]["keys"].clone();
    let mut keys: Vec<String> = serde_json::from_value(keys).unwrap();
    keys.sort();
    assert_eq!(keys, ["default", "root", "team-a"]);
    check(
        &client,
        &[
            (
                "DELETE sys/policies/acl/team-a",
                json!(null),
                204,
                json!(null),
            ),
            (
                "GET sys/policies/acl/team-a",
                json!(null),
                404,
                json!({"errors": []}),
            ),
            (
                "DELETE sys/policies/acl/team-a",
                json!(null),
                204,
                json!(null),
            ),
            (
                "POST sys/policy/old",
                json!({"policy": text}),
                204,
                json!(null),
            ),
            (
                "GET sys/policies/acl/old",
                json!(null),
                200,
                json!({"data": {"policy": text}}),
            ),
            ("DELETE sys/policy/old", json!(null), 204, json!(null)),
        ],
    );
}

#[test]
fn capabilities_are_told() {
    let (_server, root, client) = with_policy(
        r#"path "kv/a" { capabilities = ["read", "update"] } path "kv/no" { capabilities = ["deny"] }"#,
    );
    check(
        &client,
        &[
            (
                "POST sys/capabilities-self",
                json!({"paths": ["kv/a", "kv/no", "kv/other"]}),
                200,
                json!({"data": {"kv/a": ["read", "update"], "kv/no": ["deny"], "kv/other": ["deny"]}, "kv/a": ["read", "update"]}),
            ),
            (
                "POST sys/capabilities-self",
                json!({"path": "kv/a"}),
                200,
                json!({"capabilities": ["read", "update"], "kv/a": ["read", "update"]}),
            ),
            (
                "POST sys/capabilities-self",
                json!({}),
                400,
                json!({"errors": ["*"]}),
            ),
        ],
    );
    let accessor = client.get("auth/token/lookup-self").text("/data/accessor");
    check(
        &root,
        &[
            (
                "POST sys/capabilities-self",
                json!({"paths": ["kv/a"]}),
                200,
                json!({"data": {"kv/a": ["root"]}}),
            ),
            (
                "POST sys/capabilities",
                json!({"paths": ["kv/a"], "token": client.token()}),
                200,
                json!({"data": {"kv/a": ["read", "update"]}}),
            ),
            (
                "POST sys/capabilities-accessor",
                json!({"paths": ["kv/a"], "accessor": accessor}),
                200,
                json!({"data": {"kv/a": ["read", "update"]}}),
            ),
        ],
    );
}

#[test]
fn the_mounts_that_a_token_may_see() {
    let (_server, root, client) = with_policy(r#"path "kv/a" { capabilities = ["read"] }"#);
    check(
        &client,
        &[
            (
                "GET sys/internal/ui/mounts/kv/a",
                json!(null),
                200,
                json!({"data": {"type": "kv", "path": "kv/", "options": {"version": "1"}}}),
            ),
            (
                "GET sys/internal/ui/mounts/kv",
                json!(null),
                200,
                json!({"data": {"path": "kv/"}}),
            ),
            (
                "GET sys/internal/ui/mounts/secret/x",
                json!(null),
                403,
                json!({"errors": ["*"]}),
            ),
            (
                "GET sys/internal/ui/mounts/none/x",
                json!(null),
                403,
                json!({"errors": ["*"]}),
            ),
            (
                "GET sys/internal/ui/mounts",
                json!(null),
                200,
                json!({"data": {"secret": {"kv/": {"type": "kv"}, "secret/": "!"}, "auth": "*"}}),
            ),
        ],
    );
    check(
        &root,
        &[(
            "GET sys/internal/ui/mounts/secret/x",
            json!(null),
            200,
            json!({"data": {"type": "kv", "options": {"version": "2"}}}),
        )],
    );
}

#[test]
fn paths_carry_the_tokens_own_metadata() {
    // Templates of a token without an entity match nothing, and harm nothing.
    let (_server, _, client) = with_policy(
        r#"path "kv/{{identity.entity.id}}/*" { capabilities = ["read"] } path "kv/a" { capabilities = ["read"] }"#,
    );
    client.get("kv/a").expect(200);
    client.get("kv/x/y").expect(403);
    until(Duration::from_secs(1), "still alive", || {
        client.get("auth/token/lookup-self").status == 200
    });
}
