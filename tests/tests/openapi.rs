//! What the server says of itself: help on a path, and the OpenAPI document.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashSet;

use coffer_tests::{Server, check};
use serde_json::{Value, json};

const DOCUMENT: &str = "sys/internal/specs/openapi";

#[test]
fn the_document_says_what_can_be_called() {
    let server = Server::dev().unwrap();
    let root = server.client();
    check! { root; "POST sys/auth/approle", {"type": "approle"} => 204; }
    let document = root.get(DOCUMENT).expect(200);
    assert_eq!(document["openapi"], "3.0.3");
    let paths = document["paths"].as_object().unwrap();
    let login = &paths["/auth/approle/login"];
    assert_eq!(login["x-vault-unauthenticated"], true);
    let body = &login["post"]["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(body["properties"]["role_id"]["type"], "string");
    assert_eq!(body["required"], json!(["role_id"]));
    let policies = &paths["/auth/approle/role/{role_name}/policies"]["post"];
    let body = &policies["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(body["properties"]["token_policies"]["type"], "array");
    assert_eq!(paths["/sys/seal"]["x-vault-sudo"], true);
    assert_eq!(paths["/sys/health"]["x-vault-unauthenticated"], true);
    let data = &paths["/secret/data/{path}"];
    assert_eq!(data["parameters"][0]["name"], "path");
    assert!(data["patch"]["requestBody"]["content"]["application/merge-patch+json"].is_object());
    let list = &paths["/secret/metadata/{path}"]["get"]["parameters"];
    assert!(
        list.as_array()
            .unwrap()
            .iter()
            .any(|parameter| parameter["name"] == "list")
    );
    let operations = paths.values().flat_map(|item| {
        item.as_object()
            .unwrap()
            .values()
            .filter_map(|operation| operation["operationId"].as_str())
    });
    let mut seen = HashSet::new();
    for id in operations {
        assert!(seen.insert(id), "{id} twice");
    }
}

#[test]
fn it_shows_only_the_mounts_that_the_caller_may_know() {
    let server = Server::dev().unwrap();
    let root = server.client();
    check! { root;
        "POST sys/mounts/other", {"type": "kv"} => 204;
        "POST sys/policies/acl/p", {"policy": "path \"secret/data/*\" { capabilities = [\"read\"] }"} => 204;
    }
    let made = root.post("auth/token/create", json!({"policies": ["p"]}));
    let client = root.with_token(&made.text("/auth/client_token"));
    let document = client.get(DOCUMENT).expect(200);
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.contains_key("/secret/data/{path}"));
    assert!(!paths.keys().any(|path| path.starts_with("/other/")));
    let nothing = server.anonymous().get(DOCUMENT).expect(200);
    assert_eq!(nothing["paths"], json!({}));
    let generic = root
        .get(&format!("{DOCUMENT}?generic_mount_paths=true"))
        .expect(200);
    let paths = generic["paths"].as_object().unwrap();
    let parameters = &paths["/{kv_mount_path}/data/{path}"]["parameters"];
    assert_eq!(parameters[0]["name"], "kv_mount_path");
    assert!(!paths.keys().any(|path| path.starts_with("/other/")));
    assert!(paths.contains_key("/auth/token/create"));
}

#[test]
fn help_is_for_everybody_with_a_token() {
    let server = Server::dev().unwrap();
    let root = server.client();
    let made = root.post("auth/token/create", json!({"policies": ["default"]}));
    let client = root.with_token(&made.text("/auth/client_token"));
    let help = |path: &str| -> Value { client.get(path).expect(200) };
    let data = help("secret/data/any/thing?help=1");
    let text = data["help"].as_str().unwrap();
    for expected in [
        "Request:        data/any/thing",
        "Matching Route: data/{path*}",
        "version (int)",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    assert!(data["openapi"]["paths"]["/secret/data/{path}"].is_object());
    let mount = help("secret/?help=1");
    assert!(mount["help"].as_str().unwrap().contains("undelete/{path*}"));
    let native = help("sys/leases/revoke-prefix/database/creds?help=1");
    assert!(native["help"].as_str().unwrap().contains("{prefix*}"));
    client.get("sys/no/such/path?help=1").expect(404);
    server.anonymous().get("secret/data/any?help=1").expect(403);
}
