//! Tokens, as their holders see them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use coffer_tests::{Client, Server, check, until};
use serde_json::{Value, json};

fn dev() -> (Server, Client) {
    let server = Server::dev().unwrap();
    let client = server.client();
    (server, client)
}

#[track_caller]
fn child(client: &Client, body: Value) -> Client {
    client.with_token(
        &client
            .post("auth/token/create", body)
            .text("/auth/client_token"),
    )
}

#[track_caller]
fn is_alive(client: &Client) -> bool {
    match client.get("auth/token/lookup-self").status {
        200 => true,
        403 => false,
        other => panic!("{other}"),
    }
}

#[test]
fn the_root_token() {
    let (_server, client) = dev();
    check! { client;
        "GET auth/token/lookup-self"
            => 200, {"data": {"id": "root", "policies": ["root"], "path": "*", "display_name": "*", "ttl": 0,
                "creation_ttl": 0, "num_uses": 0, "orphan": true, "expire_time": null, "explicit_max_ttl": 0,
                "type": "service", "accessor": "*", "creation_time": "*", "entity_id": "", "meta": null}};
        "POST auth/token/renew-self", {} => 400, {"errors": ["*"]};
    }
    check! { client.with_token("");
        "GET auth/token/lookup-self" => 403, {"errors": "*"};
    }
    check! { client.with_token("nonsense");
        "GET auth/token/lookup-self" => 403, {"errors": "*"};
    }
}

#[test]
fn create_says_what_was_made() {
    let (_server, client) = dev();
    check! { client;
        "POST auth/token/create", {"policies": ["app", "app"], "ttl": "1h", "meta": {"team": "a"}, "display_name": "ci job"}
            => 200, {"request_id": "*", "data": null, "auth": {"client_token": "*", "accessor": "*",
                "policies": ["app", "default"], "token_policies": ["app", "default"], "lease_duration": 3600,
                "renewable": true, "metadata": {"team": "a"}, "token_type": "service", "orphan": false,
                "entity_id": "", "mfa_requirement": null, "num_uses": 0}};
        "POST auth/token/create", {"policies": ["app"], "no_default_policy": true}
            => 200, {"auth": {"policies": ["app"], "lease_duration": 2_764_800}};
        "POST auth/token/create", {}
            => 200, {"auth": {"policies": ["root"], "lease_duration": 0, "renewable": false}};
        "POST auth/token/create", {"policies": ["app"], "renewable": false} => 200, {"auth": {"renewable": false}};
        "POST auth/token/create", {"policies": ["app"], "explicit_max_ttl": "10m"}
            => 200, {"auth": {"lease_duration": 600}};
        "POST auth/token/create", {"policies": ["app"], "no_parent": true} => 200, {"auth": {"orphan": true}};
        "POST auth/token/create-orphan", {"policies": ["app"]} => 200, {"auth": {"orphan": true}};
        "POST auth/token/create", {"policies": ["app"], "num_uses": 3} => 200, {"auth": {"num_uses": 3}};
        "POST auth/token/create", {"id": "mine", "policies": ["app"]} => 200, {"auth": {"client_token": "mine"}};
        "POST auth/token/create", {"id": "mine", "policies": ["app"]} => 400, {"errors": ["*"]};
        "POST auth/token/create", {"policies": ["app"], "ttl": "-1h"} => 400, {"errors": ["*"]};
        "POST auth/token/create", {"policies": ["app"], "ttl": "soon"} => 400, {"errors": ["*"]};
        "POST auth/token/create", {"policies": ["app"], "num_uses": -1} => 400, {"errors": ["*"]};
        "POST auth/token/create", {"policies": ["app"], "type": "odd"} => 400, {"errors": ["*"]};
    }
    let token = client
        .post("auth/token/create", json!({"policies": ["app"]}))
        .text("/auth/client_token");
    assert!(
        token.starts_with("hvs.") || token.starts_with("s."),
        "{token}"
    );
}

#[test]
fn lookup_forms_agree() {
    let (_server, client) = dev();
    let made = client.post(
        "auth/token/create",
        json!({"policies": ["app"], "ttl": "1h", "meta": {"k": "v"}}),
    );
    let (token, accessor) = (made.text("/auth/client_token"), made.text("/auth/accessor"));
    let data = json!({"policies": ["app", "default"], "ttl": "*", "creation_ttl": 3600, "meta": {"k": "v"}, "num_uses": 0,
                      "path": "auth/token/create", "display_name": "token", "orphan": false, "renewable": true,
                      "type": "service", "accessor": accessor, "issue_time": "*", "expire_time": "*"});
    check! { client;
        "POST auth/token/lookup", {"token": token} => 200, {"data": data};
        "POST auth/token/lookup-accessor", {"accessor": accessor} => 200, {"data": data};
        "POST auth/token/lookup", {"token": "none"} => 403, {"errors": ["~bad token"]};
    }
    let unknown = client.post("auth/token/lookup-accessor", json!({"accessor": "none"}));
    assert!(
        [400, 403].contains(&unknown.status) && unknown.errors().contains("invalid accessor"),
        "{unknown:?}"
    );
    // By accessor, the token itself stays unknown.
    let reply = client.post("auth/token/lookup-accessor", json!({"accessor": accessor}));
    assert!(!reply.body.to_string().contains(&token));
    let own = client.with_token(&token);
    check! { own;
        "GET auth/token/lookup-self" => 200, {"data": data};
        "POST auth/token/lookup", {"token": token} => 403, {"errors": ["*"]};
    }
}

#[test]
fn both_headers_carry_a_token() {
    let (server, _) = dev();
    for header in [("X-Vault-Token", "root"), ("Authorization", "Bearer root")] {
        let status = ureq::get(format!("{}/v1/auth/token/lookup-self", server.url()))
            .header(header.0, header.1)
            .call()
            .map(|reply| reply.status());
        assert_eq!(status.unwrap(), 200, "{header:?}");
    }
}

#[test]
fn renewal() {
    let (_server, client) = dev();
    let renewable = child(&client, json!({"policies": ["app"], "ttl": "10m"}));
    let fixed = child(
        &client,
        json!({"policies": ["app"], "ttl": "10m", "renewable": false}),
    );
    let capped = child(
        &client,
        json!({"policies": ["app"], "ttl": "10m", "explicit_max_ttl": "20m"}),
    );
    let period = child(&client, json!({"policies": ["app"], "period": "30m"}));
    check! { renewable;
        "POST auth/token/renew-self", {"increment": "1h"}
            => 200, {"auth": {"lease_duration": 3600, "renewable": true, "client_token": renewable.token()}};
        "POST auth/token/renew-self", {} => 200, {"auth": {"lease_duration": "*"}};
    }
    check! { fixed;
        "POST auth/token/renew-self", {} => 400, {"errors": ["~not renewable"]};
    }
    let ttl = capped
        .post("auth/token/renew-self", json!({"increment": "5h"}))
        .number("/auth/lease_duration");
    assert!((1190..=1200).contains(&ttl), "{ttl}");
    check! { period;
        "POST auth/token/renew-self", {"increment": "5h"} => 200, {"auth": {"lease_duration": 1800}};
    }
    check! { client;
        "POST auth/token/renew", {"token": renewable.token(), "increment": 60}
            => 200, {"auth": {"lease_duration": 60}};
        "POST auth/token/renew", {"token": "none"} => 400, {"errors": ["*"]};
    }
    let accessor = renewable
        .get("auth/token/lookup-self")
        .text("/data/accessor");
    check! { client;
        "POST auth/token/renew-accessor", {"accessor": accessor, "increment": 120}
            => 200, {"auth": {"lease_duration": 120, "client_token": ""}};
    }
}

#[test]
fn revocation_takes_the_children_along() {
    let (_server, client) = dev();
    for (path, body) in [
        ("auth/token/revoke", json!({"token": "TOKEN"})),
        (
            "auth/token/revoke-accessor",
            json!({"accessor": "ACCESSOR"}),
        ),
        ("auth/token/revoke-self", json!({})),
    ] {
        let parent = child(&client, json!({"policies": ["root"]}));
        let kid = child(&parent, json!({"policies": ["app"]}));
        let grandchild = child(
            &child(&parent, json!({"policies": ["root"]})),
            json!({"policies": ["app"]}),
        );
        let orphan = child(&parent, json!({"policies": ["app"], "no_parent": true}));
        let accessor = parent.get("auth/token/lookup-self").text("/data/accessor");
        let body: Value = serde_json::from_str(
            &body
                .to_string()
                .replace("TOKEN", parent.token())
                .replace("ACCESSOR", &accessor),
        )
        .unwrap();
        let caller = if path.ends_with("self") {
            &parent
        } else {
            &client
        };
        caller.post(path, body).expect(204);
        for (who, dead) in [
            ("parent", &parent),
            ("child", &kid),
            ("grandchild", &grandchild),
        ] {
            until(
                Duration::from_secs(5),
                &format!("{path}: {who} is dead"),
                || !is_alive(dead),
            );
        }
        assert!(is_alive(&orphan), "{path}");
    }
}

#[test]
fn revoke_orphan_leaves_the_children() {
    let (_server, client) = dev();
    let parent = child(&client, json!({"policies": ["root"]}));
    let kid = child(&parent, json!({"policies": ["app"]}));
    client
        .post("auth/token/revoke-orphan", json!({"token": parent.token()}))
        .expect(204);
    until(Duration::from_secs(5), "the parent is dead", || {
        !is_alive(&parent)
    });
    check! { kid;
        "GET auth/token/lookup-self" => 200, {"data": {"orphan": true}};
    }
}

#[test]
fn a_token_dies_of_its_ttl_and_of_its_uses() {
    let (_server, client) = dev();
    let short = child(&client, json!({"policies": ["root"], "ttl": "2s"}));
    let kid = child(&short, json!({"policies": ["app"], "ttl": "1h"}));
    assert!(is_alive(&short) && is_alive(&kid));
    until(Duration::from_secs(7), "the TTL ends it", || {
        !is_alive(&short)
    });
    until(Duration::from_secs(5), "and its child", || !is_alive(&kid));
    let twice = child(&client, json!({"policies": ["app"], "num_uses": 2}));
    assert!(is_alive(&twice));
    assert!(is_alive(&twice));
    assert!(!is_alive(&twice), "a third use");
    let last = child(&client, json!({"policies": ["root"], "num_uses": 1}));
    check! { last;
        "POST auth/token/create", {"policies": ["app"]} => 400, {"errors": ["*"]};
    }
}

#[test]
fn every_request_is_a_use() {
    let (_server, client) = dev();
    let policy = r#"path "sys/policies/acl/mine" { capabilities = ["update"] }
           path "secret/*" { capabilities = ["read"] }"#;
    client
        .post("sys/policies/acl/used", json!({"policy": policy}))
        .expect(204);
    let limited = |uses: u64| {
        child(
            &client,
            json!({"policies": ["used"], "num_uses": uses, "ttl": "1h"}),
        )
    };
    // Whatever comes of them.
    for (request, body, status) in [
        ("GET secret/data/none", Value::Null, 404),
        ("GET sys/mounts", Value::Null, 403),
        ("GET nowhere/x", Value::Null, 403),
        (
            "POST sys/policies/acl/mine",
            json!({"policy": "nonsense {"}),
            400,
        ),
        ("GET sys/mounts?help=1", Value::Null, 200),
        ("POST auth/token/renew-self", json!({}), 200),
        ("GET auth/token/lookup-self", Value::Null, 200),
    ] {
        let token = limited(2);
        let (method, path) = request.split_once(' ').unwrap();
        for _ in 0..2 {
            let reply = token.request(method, path, (!body.is_null()).then_some(&body));
            let last = reply.status == 400 && path.ends_with("renew-self");
            assert!(reply.status == status || last, "{request}: {reply:?}");
        }
        assert!(!is_alive(&token), "{request} was used twice");
    }
    let token = limited(5);
    check! { token;
        "POST auth/token/renew-self", {"increment": "2h"} => 200, {"auth": {"lease_duration": 7200, "num_uses": 4}};
        "POST auth/token/renew", {"token": token.token()} => 403, {"errors": "*"};
        "GET auth/token/lookup-self" => 200, {"data": {"num_uses": 2}};
    }
    // A use is not counted where none is made: the login that needs no token.
    client.request("GET", "sys/health", None).expect(200);
    check! { client;
        "POST auth/token/lookup", {"token": token.token()} => 200, {"data": {"num_uses": 2}};
    }
}

#[test]
fn what_is_given_and_empty_is_no_wish_for_everything() {
    let (_server, client) = dev();
    check! { client;
        "POST auth/token/create", {"policies": [""]} => 200, {"auth": {"policies": ["default"]}};
        "POST auth/token/create", {"policies": ""} => 200, {"auth": {"policies": ["default"]}};
        "POST auth/token/create", {"policies": []} => 200, {"auth": {"policies": ["root"]}};
        "POST auth/token/create", {"policies": null} => 200, {"auth": {"policies": ["root"]}};
        // One policy, of a strange name.
        "POST auth/token/create", {"policies": "root,app"} => 200, {"auth": {"policies": ["default", "root,app"]}};
        "POST auth/token/create", {"policies": ["a"], "meta": "k=v,l=w"}
            => 200, {"auth": {"metadata": {"k": "v", "l": "w"}}};
        "POST auth/token/create", {"policies": ["a"], "entity_alias": "x"} => 400, {"errors": ["~token role"]};
        "POST auth/token/create", {"policies": ["a"], "ttl": "300ms"} => 200, {"auth": {"lease_duration": 1}};
        "POST auth/token/create", {"policies": ["a"], "ttl": ".5h"} => 200, {"auth": {"lease_duration": 1800}};
        "POST auth/token/create", {"policies": ["a"], "ttl": "10M"} => 400, {"errors": ["*"]};
        "POST auth/token/create", {"policies": ["a"], "ttl": "400000000000s"} => 400, {"errors": ["*"]};
        "POST auth/token/create", {"policies": ["a"], "ttl": 400000000000i64} => 400, {"errors": ["*"]};
    }
}

#[test]
fn a_child_has_no_more_than_its_parent() {
    let (_server, client) = dev();
    let policy = r#"path "auth/token/create" { capabilities = ["update"] }
           path "auth/token/create-orphan" { capabilities = ["update"] }"#;
    client
        .post("sys/policies/acl/maker", json!({"policy": policy}))
        .expect(204);
    let maker = child(&client, json!({"policies": ["maker", "app"]}));
    check! { maker;
        "POST auth/token/create", {} => 200, {"auth": {"policies": ["app", "default", "maker"]}};
        "POST auth/token/create", {"policies": ["app"]} => 200, {"auth": {"policies": ["app", "default"]}};
        "POST auth/token/create", {"policies": ["other"]} => 400, {"errors": ["~subset"]};
        "POST auth/token/create", {"policies": ["root"]} => 400, {"errors": ["*"]};
        "POST auth/token/create", {"id": "chosen"} => 400, {"errors": ["~root or sudo privileges required"]};
        "POST auth/token/create", {"no_parent": true} => 400, {"errors": ["~root or sudo privileges required"]};
        "POST auth/token/create", {"period": "1h"} => 400, {"errors": ["~root or sudo privileges required"]};
        "POST auth/token/create-orphan", {"policies": ["app"]} => 200, {"auth": {"orphan": true}};
        "POST auth/token/create-orphan", {"policies": ["other"]} => 400, {"errors": ["~subset"]};
    }
    let bare = child(
        &client,
        json!({"policies": ["maker", "app"], "no_default_policy": true}),
    );
    check! { bare;
        "POST auth/token/create", {"policies": ["app"]} => 200, {"auth": {"policies": ["app"]}};
        "POST auth/token/create", {"policies": ["app", "default"]} => 400, {"errors": ["~subset"]};
    }
}

#[test]
fn batch_tokens() {
    let (_server, client) = dev();
    let made = client.post(
        "auth/token/create",
        json!({"type": "batch", "policies": ["app"], "ttl": "3s", "no_parent": true}),
    );
    let batch = client.with_token(&made.text("/auth/client_token"));
    assert_eq!(made.text("/auth/token_type"), "batch");
    assert!(
        batch.token().len() > 50,
        "it carries all that it says: {}",
        batch.token()
    );
    check! { batch;
        "GET auth/token/lookup-self"
            => 200, {"data": {"type": "batch", "accessor": "", "policies": ["app", "default"], "renewable": false,
                "orphan": true}};
        "POST auth/token/renew-self", {} => 400, {"errors": ["*"]};
        "POST auth/token/revoke-self", {} => 400, {"errors": ["*"]};
    }
    check! { client;
        "POST auth/token/revoke", {"token": batch.token()} => 400, {"errors": ["~batch"]};
        "POST auth/token/create", {"type": "batch", "policies": ["root"]} => 400, {"errors": ["*"]};
        "POST auth/token/create", {"type": "batch", "policies": ["app"], "num_uses": 2} => 400, {"errors": ["*"]};
        "POST auth/token/create", {"type": "batch", "policies": ["app"], "period": "1h"} => 400, {"errors": ["*"]};
        "POST auth/token/create", {"type": "batch", "policies": ["app"], "explicit_max_ttl": "1h"}
            => 400, {"errors": ["*"]};
    }
    let parent = child(&client, json!({"policies": ["root"]}));
    let of_parent = child(&parent, json!({"type": "batch", "policies": ["app"]}));
    assert!(is_alive(&of_parent));
    let look_up = |status| {
        client
            .post("auth/token/lookup", json!({"token": of_parent.token()}))
            .expect(status);
    };
    look_up(200);
    client
        .post("auth/token/revoke", json!({"token": parent.token()}))
        .expect(204);
    until(
        Duration::from_secs(5),
        "a batch token dies with its parent",
        || !is_alive(&of_parent),
    );
    look_up(403);
    until(Duration::from_secs(6), "and of its TTL", || {
        !is_alive(&batch)
    });
}
