//! Roles that tokens are made with.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use coffer_tests::{Client, Server, check};
use serde_json::json;

fn dev() -> (Server, Client) {
    let server = Server::dev().unwrap();
    let client = server.client();
    (server, client)
}

#[test]
#[rustfmt::skip]
fn a_role_is_written_read_listed_and_deleted() {
    let (_server, root) = dev();
    check! { root;
        "LIST auth/token/roles" => 404, {"errors": []};
        "GET auth/token/roles/none" => 404, {"errors": []};
        "POST auth/token/roles/a", {"allowed_policies": "app, CI"} => 204, null;
        "GET auth/token/roles/a" => 200, {"data": {"allowed_entity_aliases": null, "allowed_policies": ["app", "ci"],
            "allowed_policies_glob": [], "disallowed_policies": [], "disallowed_policies_glob": [], "explicit_max_ttl": 0,
            "name": "a", "orphan": false, "path_suffix": "", "period": 0, "renewable": true, "token_explicit_max_ttl": 0,
            "token_no_default_policy": false, "token_period": 0, "token_type": "default-service"}};
        "POST auth/token/roles/b", {"period": "10m", "explicit_max_ttl": "2h", "bound_cidrs": "127.0.0.1",
            "token_num_uses": 5, "allowed_entity_aliases": ["A", "b*"]} => 204, null;
        "GET auth/token/roles/b" => 200, {"data": {"period": 600, "token_period": 600, "explicit_max_ttl": 7200,
            "bound_cidrs": ["*"], "token_bound_cidrs": ["*"], "token_num_uses": 5, "allowed_entity_aliases": ["a", "b*"]}};
        // What is not given stays; by its own name it is shown under that only.
        "POST auth/token/roles/b", {"token_period": "5m"} => 204, null;
        "GET auth/token/roles/b" => 200, {"data": {"period": 0, "token_period": 300, "explicit_max_ttl": 7200}};
        "LIST auth/token/roles" => 200, {"data": {"keys": ["a", "b"]}};
        "DELETE auth/token/roles/a" => 204, null;
        "DELETE auth/token/roles/a" => 204, null;
        "POST auth/token/create/a", {} => 400, {"errors": ["unknown role a"]};
        "POST auth/token/roles/c", {"token_type": "weird"} => 400, {"errors": ["~invalid 'token_type' value"]};
        "POST auth/token/roles/c", {"token_type": "batch"} => 400, {"errors": ["~non-orphan tokens"]};
        "POST auth/token/roles/c", {"token_type": "batch", "orphan": true, "renewable": false, "token_period": "1h"} => 400, {"errors": ["~periodic tokens"]};
        "POST auth/token/roles/c", {"path_suffix": "../b"} => 400, {"errors": ["~path suffix contains invalid characters"]};
        "POST auth/token/roles/c", {"token_bound_cidrs": "x"} => 400, {"errors": "*"};
        "GET auth/token/roles/c" => 404, {"errors": []};
    }
}

#[test]
fn a_renewal_goes_by_what_the_role_says_now() {
    let (_server, root) = dev();
    root.post(
        "auth/token/roles/r",
        json!({"token_period": "60s", "path_suffix": "abc"}),
    )
    .expect(204);
    let made = root.post("auth/token/create/r", json!({"policies": ["default"]}));
    let token = root.with_token(&made.text("/auth/client_token"));
    let body = json!({"policies": ["default"], "explicit_max_ttl": "30s"});
    let short = root.post("auth/token/create/r", body);
    let short = root.with_token(&short.text("/auth/client_token"));
    check! { token;
        "GET auth/token/lookup-self" => 200, {"data": {"role": "r", "path": "auth/token/create/r/abc"}};
        "POST auth/token/renew-self", {} => 200, {"auth": {"lease_duration": 60}};
    }
    root.post("auth/token/roles/r", json!({"token_period": "120s"}))
        .expect(204);
    check! { token;
        "POST auth/token/renew-self", {} => 200, {"auth": {"lease_duration": 120}};
    }
    // A maximum of its own is not lifted by the role.
    let renewed = short.post("auth/token/renew-self", json!({})).ok();
    assert!(
        renewed["auth"]["lease_duration"].as_u64().unwrap() <= 30,
        "{renewed}"
    );
    root.delete("auth/token/roles/r").expect(204);
    check! { token;
        "POST auth/token/renew-self", {} => 400, {"errors": ["~original token role \"r\" could not be found"]};
        "GET auth/token/lookup-self" => 200, {};
    }
    check! { root;
        "GET auth/token/lookup-self" => 200, {"data": {"role": "!"}};
    }
}

#[test]
#[rustfmt::skip]
fn a_role_rules_policies() {
    let (_server, root) = dev();
    root.post("sys/policies/acl/maker", json!({"policy": r#"path "auth/token/create/*" { capabilities = ["update"] }"#})).ok();
    root.post("auth/token/roles/some", json!({"allowed_policies": ["app"], "allowed_policies_glob": ["ci-*"], "disallowed_policies": ["ci-bad"]})).ok();
    root.post("auth/token/roles/not", json!({"disallowed_policies": ["bad"], "disallowed_policies_glob": ["r*t"]})).ok();
    root.post("auth/token/roles/plain", json!({})).ok();
    let maker = root.post("auth/token/create", json!({"policies": ["maker"], "no_default_policy": true}));
    let maker = root.with_token(&maker.text("/auth/client_token"));
    check! { maker;
        "POST auth/token/create/some", {} => 200, {"auth": {"policies": ["app", "default"], "orphan": false}};
        "POST auth/token/create/some", {"no_default_policy": true} => 200, {"auth": {"policies": ["app"]}};
        "POST auth/token/create/some", {"policies": ["ci-1"]} => 200, {"auth": {"policies": ["ci-1", "default"]}};
        "POST auth/token/create/some", {"policies": ["other"]} => 400, {"errors":
            ["token policies ([\"default\" \"other\"]) must be subset of the role's allowed policies ([\"app\" \"default\"]) or glob policies ([\"ci-*\"])"]};
        "POST auth/token/create/some", {"policies": ["ci-bad"]} => 400, {"errors": ["token policy \"ci-bad\" is disallowed by this role"]};
        "POST auth/token/create/some", {"policies": ["root"]} => 400, {"errors": ["~must be subset"]};
        "POST auth/token/create/not", {"policies": ["anything"]} => 200, {"auth": {"policies": ["anything", "default"]}};
        "POST auth/token/create/not", {"policies": ["bad"]} => 400, {"errors": ["~is disallowed"]};
        "POST auth/token/create/not", {"policies": ["root"]} => 400, {"errors": ["~is disallowed"]};
        "POST auth/token/create/not", {} => 200, {"auth": {"policies": ["default", "maker"]}};
        // A role that says nothing of policies gives nobody more than they have.
        "POST auth/token/create/plain", {"policies": ["anything"]} => 400, {"errors": ["child policies must be subset of parent"]};
        "POST auth/token/create/plain", {} => 200, {"auth": {"policies": ["maker"]}};
        "POST auth/token/create", {} => 403, {"errors": "*"};
        "POST auth/token/roles/mine", {} => 403, {"errors": "*"};
    }
    // A role that would give root to who is not.
    root.post("auth/token/roles/all", json!({"allowed_policies_glob": ["*"]})).ok();
    check! { maker;
        "POST auth/token/create/all", {"policies": ["root"]} => 400, {"errors": ["root tokens may not be created without parent token being root"]};
        "POST auth/token/create/all", {"policies": ["response-wrapping"]} => 400, {"errors": ["~cannot assign policy"]};
    }
}

#[test]
#[rustfmt::skip]
fn a_role_bounds_what_is_asked_for() {
    let (_server, root) = dev();
    let role = json!({"allowed_policies": ["app"], "orphan": true, "renewable": false, "path_suffix": "team-a", "token_num_uses": 5,
        "token_explicit_max_ttl": "1h", "token_bound_cidrs": ["127.0.0.0/8"], "allowed_entity_aliases": ["bot-*"]});
    root.post("auth/token/roles/tight", role).ok();
    let made = root.post("auth/token/create/tight", json!({"num_uses": 9, "explicit_max_ttl": "2h", "renewable": true, "bound_cidrs": ["10.0.0.0/8"]}));
    let warnings = made.body["warnings"].to_string();
    assert!(warnings.contains("using the lesser value of 3600 seconds"), "{warnings}");
    let own = root.with_token(&made.text("/auth/client_token"));
    check! { own;
        "GET auth/token/lookup-self" => 200, {"data": {"path": "auth/token/create/tight/team-a", "orphan": true, "renewable": false,
            "num_uses": 4, "explicit_max_ttl": 3600, "bound_cidrs": ["127.0.0.0/8"]}};
    }
    check! { root;
        "POST auth/token/create/tight", {"entity_alias": "someone"} => 400, {"errors": ["invalid 'entity_alias' value"]};
        "POST auth/token/create/tight", {"entity_alias": "BOT-1", "num_uses": 2} => 200, {"auth": {"num_uses": 2}};
        "POST auth/token/create", {"entity_alias": "BOT-1"} => 400, {"errors": ["~only allowed in combination with token role"]};
        "POST auth/token/roles/batch", {"token_type": "default-batch", "allowed_policies": "app"} => 204, null;
        "POST auth/token/create/batch", {} => 200, {"auth": {"token_type": "batch", "renewable": false}};
        "POST auth/token/create/batch", {"type": "service"} => 200, {"auth": {"token_type": "service"}};
        "POST auth/token/roles/batch", {"token_type": "service"} => 204, null;
        "POST auth/token/create/batch", {"type": "batch"} => 200, {"auth": {"token_type": "service"}};
        "POST auth/token/roles/periodic", {"token_period": "5m", "allowed_policies": "app"} => 204, null;
        "POST auth/token/create/periodic", {} => 200, {"auth": {"lease_duration": 300, "renewable": true}};
        "POST auth/token/create/periodic", {"period": "2m"} => 200, {"auth": {"lease_duration": 120}};
    }
}

#[test]
fn roles_survive_a_restart() {
    let (mut server, keys) = Server::ready().unwrap();
    let root = server.client();
    let role = json!({"allowed_policies": "app"});
    root.post("auth/token/roles/a", role).ok();
    server.restart().unwrap();
    server.unseal(&keys).unwrap();
    check! { root;
        "POST auth/token/create/a", {} => 200, {"auth": {"policies": ["app", "default"]}};
    }
}
