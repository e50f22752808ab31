//! Entities, their aliases, the groups that they are in, and what all of these let a token do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use coffer_tests::{Client, Server, check};
use serde_json::{Value, json};

/// A server where people log in with a name and a password, at one mount and at another.
struct House {
    _server: Server,
    root: Client,
    /// The accessors of the two.
    here: String,
    there: String,
}

fn house() -> House {
    let server = Server::dev().unwrap();
    let root = server.client();
    people(&root);
    let accessor = |path: &str| root.get(&format!("sys/auth/{path}")).text("/data/accessor");
    House {
        here: accessor("here"),
        there: accessor("there"),
        _server: server,
        root,
    }
}

fn people(root: &Client) {
    for mount in ["here", "there"] {
        root.post(&format!("sys/auth/{mount}"), json!({"type": "userpass"}))
            .ok();
        for user in ["ann", "bob"] {
            let user = format!("auth/{mount}/users/{user}");
            root.post(&user, json!({"password": "pw", "token_policies": "own"}))
                .ok();
        }
    }
}

/// What a login answers, and its token.
fn login(root: &Client, mount: &str, user: &str) -> (Value, Client) {
    let path = format!("auth/{mount}/login/{user}");
    let told = root
        .with_token("")
        .post(&path, json!({"password": "pw"}))
        .ok();
    let token = root.with_token(told["auth"]["client_token"].as_str().unwrap());
    (told["auth"].clone(), token)
}

fn may(token: &Client, path: &str) -> Value {
    let said = token.post("sys/capabilities-self", json!({"paths": [path]}));
    said.ok()["data"]["capabilities"].clone()
}

fn id(root: &Client, path: &str, body: Value) -> String {
    root.post(path, body).text("/data/id")
}

#[test]
#[rustfmt::skip]
fn entities() {
    let House { root, .. } = &house();
    check! { root;
        "LIST identity/entity/id" => 404, {"errors": []};
        "LIST identity/entity/name" => 404, {"errors": []};
        "POST identity/entity", {"name": "Bob", "metadata": {"a": "1"}, "policies": ["P2", "p1", "p2"]} => 200, {"data": {"aliases": null, "id": "*", "name": "Bob"}};
        "POST identity/entity", {"name": "bob", "metadata": ["b=1"]} => 204, null;
        "GET identity/entity/name/BOB" => 200, {"data": {"name": "bob", "metadata": {"b": "1"}, "policies": ["p1", "p2"], "aliases": [], "disabled": false,
            "direct_group_ids": [], "group_ids": [], "inherited_group_ids": [], "merged_entity_ids": null, "namespace_id": "root",
            "creation_time": "*", "last_update_time": "*"}};
        "POST identity/entity", {} => 200, {"data": {"name": "~entity_", "id": "*"}};
        "POST identity/entity", {"id": "nope"} => 400, {"errors": ["entity not found from id"]};
        "POST identity/entity/id/nope", {"name": "x"} => 400, {"errors": ["entity not found from id"]};
        "POST identity/entity/name/eve", {"disabled": true, "metadata": {}} => 200, {"data": {"name": "eve"}};
        "GET identity/entity/name/eve" => 200, {"data": {"disabled": true, "policies": [], "metadata": {}}};
        "GET identity/entity/id/none" => 404, {"errors": []};
        "GET identity/entity/name/none" => 404, {"errors": []};
        "DELETE identity/entity/id/none" => 204;
        "DELETE identity/entity/name/none" => 204;
        "GET identity/entity" => 405, {"errors": "*"};
        "GET identity/none" => 404, {"errors": "*"};
        "POST identity/entity", {"name": "x", "policies": "root"} => 400, {"errors": ["policies cannot contain root"]};
        "POST identity/entity", {"name": "x", "policies": ["a", " ROOT "]} => 400, {"errors": ["policies cannot contain root"]};
        "POST identity/entity", {"name": "x", "policies": "response-wrapping"} => 400, {"errors": ["policies cannot contain response-wrapping"]};
        "POST identity/entity", {"name": "x", "disabled": "perhaps"} => 400, {"errors": "*"};
        "POST identity/entity", {"name": "x", "metadata": "zz"} => 400, {"errors": "*"};
        "POST identity/entity", {"name": "x", "metadata": {"": "v"}} => 400, {"errors": ["~key cannot be blank"]};
        "POST identity/entity", {"name": "x", "metadata": {"k y": "v"}} => 400, {"errors": ["~key contains invalid characters"]};
        "POST identity/entity", {"name": "x", "metadata": {("k".repeat(129)): "v"}} => 400, {"errors": ["~key is too long"]};
        "POST identity/entity", {"name": "x", "metadata": {"k": ("v".repeat(513))}} => 400, {"errors": ["~value is too long"]};
        "POST identity/entity", {"name": ("n".repeat(1025))} => 400, {"errors": ["~between 1 and 1024 bytes"]};
        "GET identity/entity/name/x" => 404, {"errors": []};
        "POST identity/entity/batch-delete", {} => 400, {"errors": ["missing entity ids to delete"]};
    }
    let (bob, eve) = (root.get("identity/entity/name/bob").text("/data/id"), root.get("identity/entity/name/eve").text("/data/id"));
    check! { root;
        "POST identity/entity/id/{eve}", {"name": "BOB"} => 400, {"errors": ["entity name is already in use"]};
        "POST identity/entity/id/{eve}", {"name": "Eve", "policies": "e"} => 204, null;
        "GET identity/entity/name/eve" => 200, {"data": {"name": "Eve", "policies": ["e"], "disabled": true, "id": (eve)}};
        "POST identity/entity/id/{eve}", {"name": "ada"} => 204, null;
        "GET identity/entity/name/eve" => 404, {"errors": []};
        "GET identity/entity/id/{eve}" => 200, {"data": {"name": "ada"}};
        "POST identity/lookup/entity", {"name": "Ada"} => 200, {"data": {"id": (eve)}};
        "POST identity/lookup/entity", {"id": (bob)} => 200, {"data": {"name": "bob"}};
        "POST identity/lookup/entity", {"name": "nobody"} => 204, null;
        "POST identity/lookup/entity", {} => 400, {"errors": ["query parameter not supplied"]};
        "POST identity/lookup/entity", {"name": "ada", "id": (eve)} => 400, {"errors": ["query parameter conflict; please supply distinct set of query parameters"]};
        "POST identity/lookup/entity", {"alias_name": "ada"} => 400, {"errors": ["both 'alias_name' and 'alias_mount_accessor' needs to be set"]};
        "GET sys/internal/counters/entities" => 200, {"data": {"counters": {"entities": {"total": 3}}}};
        "POST identity/entity/batch-delete", {"entity_ids": [(bob), "none"]} => 204, null;
        "GET identity/entity/id/{bob}" => 404, {"errors": []};
        "GET identity/entity/name/bob" => 404, {"errors": []};
        "DELETE identity/entity/name/ada" => 204;
        "LIST identity/entity/name" => 200, {"data": {"keys": ["~entity_"]}};
    }
}

#[test]
#[rustfmt::skip]
fn aliases() {
    let House { root, here, there, .. } = &house();
    let ann = id(root, "identity/entity", json!({"name": "ann"}));
    let bob = id(root, "identity/entity", json!({"name": "bob"}));
    check! { root;
        "LIST identity/entity-alias/id" => 404, {"errors": []};
        "POST identity/entity-alias", {} => 400, {"errors": ["'id' or 'mount_accessor' and 'name' must be provided"]};
        "POST identity/entity-alias", {"name": "ann"} => 400, {"errors": ["'id' or 'mount_accessor' and 'name' must be provided"]};
        "POST identity/entity-alias", {"name": "ann", "mount_accessor": "nope"} => 400, {"errors": ["invalid mount accessor \"nope\""]};
        "POST identity/entity-alias", {"name": "ann", "mount_accessor": (here), "canonical_id": "nope"} => 400, {"errors": ["invalid canonical ID"]};
        "POST identity/entity-alias", {"id": "nope"} => 400, {"errors": ["invalid alias ID provided"]};
        "POST identity/entity-alias/id/nope", {"name": "x"} => 400, {"errors": ["invalid alias ID provided"]};
        "GET identity/entity-alias/id/nope" => 404, {"errors": []};
        "DELETE identity/entity-alias/id/nope" => 204;
    }
    let alias = id(root, "identity/entity-alias", json!({"name": "Ann", "mount_accessor": here, "canonical_id": ann, "custom_metadata": {"k": "v"}}));
    let shown = json!({"canonical_id": ann, "id": alias, "mount_accessor": here, "mount_path": "auth/here/", "mount_type": "userpass",
        "name": "ann", "local": false, "metadata": null, "custom_metadata": {"k": "w"}, "merged_from_canonical_ids": null});
    check! { root;
        // What has this name at this mount already is changed.
        "POST identity/entity-alias", {"name": "ann", "mount_accessor": (here), "canonical_id": (ann), "custom_metadata": {"k": "w"}} => 200, {"data": {"id": (alias), "canonical_id": (ann)}};
        "GET identity/entity-alias/id/{alias}" => 200, {"data": (shown)};
        "GET identity/entity/id/{ann}" => 200, {"data": {"aliases": [(shown)]}};
        "POST identity/entity-alias", {"name": "ann2", "mount_accessor": (here), "canonical_id": (ann)} => 400, {"errors": ["Alias already exists for requested entity and mount accessor"]};
        "POST identity/entity-alias", {"name": "ann2", "mount_accessor": (there), "canonical_id": (ann)} => 200, {"data": {"canonical_id": (ann)}};
        "POST identity/entity-alias", {"name": "bob", "mount_accessor": (here), "canonical_id": (bob)} => 200, {"data": {"canonical_id": (bob)}};
        "POST identity/entity-alias/id/{alias}", {"name": "bob"} => 400, {"errors": ["alias with combination of mount accessor and name already exists"]};
        "POST identity/entity-alias/id/{alias}", {"canonical_id": "nope"} => 400, {"errors": ["given 'canonical_id' is not associated with an entity"]};
        "POST identity/entity-alias/id/{alias}", {"canonical_id": (bob)} => 400, {"errors": ["Alias already exists for requested entity and mount accessor"]};
        "POST identity/entity-alias", {"name": "solo", "mount_accessor": (here)} => 200, {"data": {"canonical_id": "*"}};
        "POST identity/lookup/entity", {"alias_id": (alias)} => 200, {"data": {"id": (ann)}};
        "POST identity/lookup/entity", {"alias_name": "ANN", "alias_mount_accessor": (here)} => 200, {"data": {"id": (ann)}};
        "POST identity/lookup/entity", {"alias_name": "ann", "alias_mount_accessor": (there)} => 204, null;
        // By the names that these paths had before.
        "GET identity/alias/id/{alias}" => 200, {"data": {"id": (alias)}};
        "GET identity/persona/id/{alias}" => 200, {"data": {"id": (alias)}};
        "POST identity/persona", {"name": "p", "mount_accessor": (there), "entity_id": (bob)} => 200, {"data": {"canonical_id": (bob)}};
    }
    let solo = root.post("identity/lookup/entity", json!({"alias_name": "solo", "alias_mount_accessor": here})).text("/data/id");
    check! { root;
        "DELETE identity/entity/id/{solo}" => 204;
        "POST identity/lookup/entity", {"alias_name": "solo", "alias_mount_accessor": (here)} => 204, null;
        // To somebody else, under another name.
        "DELETE identity/entity/id/{bob}" => 204;
        "POST identity/entity/name/carl", {} => 200, {"data": {"name": "carl"}};
    }
    let carl = root.get("identity/entity/name/carl").text("/data/id");
    check! { root;
        "POST identity/entity-alias/id/{alias}", {"name": "carl", "canonical_id": (carl)} => 200, {"data": {"id": (alias), "canonical_id": (carl)}};
        "GET identity/entity/id/{carl}" => 200, {"data": {"aliases": [{"name": "carl", "id": (alias), "custom_metadata": {"k": "w"}}]}};
        "GET identity/entity/id/{ann}" => 200, {"data": {"aliases": [{"name": "ann2"}]}};
        "POST identity/lookup/entity", {"alias_name": "ann", "alias_mount_accessor": (here)} => 204, null;
        "POST identity/lookup/entity", {"alias_name": "carl", "alias_mount_accessor": (here)} => 200, {"data": {"name": "carl"}};
        "LIST identity/entity-alias/id" => 200, {"data": {"key_info": {(alias.clone()): {"name": "carl", "canonical_id": (carl), "mount_path": "auth/here/"}}}};
        "LIST identity/entity/id" => 200, {"data": {"key_info": {(carl.clone()): {"name": "carl", "aliases": [{"name": "carl", "mount_type": "userpass"}]}}}};
        // A mount that is gone is said to be nowhere.
        "DELETE sys/auth/here" => 204;
        "GET identity/entity-alias/id/{alias}" => 200, {"data": {"mount_accessor": (here), "mount_path": "!", "mount_type": "!"}};
        "DELETE identity/entity-alias/id/{alias}" => 204;
        "GET identity/entity/id/{carl}" => 200, {"data": {"aliases": []}};
    }
}

#[test]
#[rustfmt::skip]
fn groups() {
    let House { root, here, .. } = &house();
    let ann = id(root, "identity/entity", json!({"name": "ann"}));
    let bob = id(root, "identity/entity", json!({"name": "bob"}));
    let dev = id(root, "identity/group", json!({"name": "dev", "policies": ["D"], "metadata": {"x": "y"}}));
    let all = id(root, "identity/group", json!({"name": "all", "policies": "a", "member_group_ids": [dev]}));
    check! { root;
        "POST identity/group", {"name": "DEV", "member_entity_ids": [(ann), (bob)]} => 204, null;
        "GET identity/group/name/dev" => 200, {"data": {"id": (dev), "name": "DEV", "type": "internal", "policies": ["d"], "metadata": {"x": "y"}, "alias": {},
            "member_group_ids": null, "parent_group_ids": [(all)], "namespace_id": "root", "modify_index": 3}};
        "GET identity/group/id/{all}" => 200, {"data": {"member_group_ids": [(dev)], "member_entity_ids": null, "parent_group_ids": null, "modify_index": 1}};
        "GET identity/entity/id/{ann}" => 200, {"data": {"direct_group_ids": [(dev)], "inherited_group_ids": [(all)], "group_ids": [(dev), (all)]}};
        "POST identity/group/id/{dev}", {"member_group_ids": [(all)]} => 400, {"errors": [(format!("cyclic relationship detected for member group ID {all:?}"))]};
        "POST identity/group/id/{dev}", {"member_group_ids": [(dev)]} => 400, {"errors": ["~is same as the ID of the group"]};
        "POST identity/group/id/{dev}", {"member_group_ids": ["nope"]} => 400, {"errors": ["invalid member group ID \"nope\""]};
        "POST identity/group/id/{dev}", {"member_entity_ids": ["nope"]} => 400, {"errors": ["invalid entity ID \"nope\""]};
        "POST identity/group/id/{dev}", {"name": "ALL"} => 400, {"errors": ["group name is already in use"]};
        "POST identity/group/id/{dev}", {"type": "external"} => 400, {"errors": ["group type cannot be changed"]};
        "POST identity/group/id/nope", {"name": "x"} => 400, {"errors": ["invalid group ID"]};
        "POST identity/group", {"name": "x", "type": "odd"} => 400, {"errors": ["invalid group type \"odd\""]};
        "POST identity/group", {"name": "x", "policies": " Root"} => 400, {"errors": ["policies cannot contain root"]};
        "POST identity/group", {"name": "x", "metadata": {"k y": "v"}} => 400, {"errors": ["~key contains invalid characters"]};
        "POST identity/group", {} => 200, {"data": {"name": "~group_"}};
        "POST identity/group", {"name": "ext", "type": "external", "member_entity_ids": [(ann)]} => 400, {"errors": ["member entities can't be set manually for external groups"]};
        "POST identity/group", {"name": "ext", "type": "external", "member_group_ids": [(dev)]} => 400, {"errors": ["member groups can't be set for external groups"]};
        "POST identity/group/name/ext", {"type": "external", "policies": "e"} => 200, {"data": {"name": "ext"}};
        "GET identity/group/id/none" => 404, {"errors": []};
        "GET identity/group/name/none" => 404, {"errors": []};
        "DELETE identity/group/id/none" => 204;
        "DELETE identity/group/name/none" => 204;
        "POST identity/lookup/group", {"name": "Dev"} => 200, {"data": {"id": (dev)}};
        "POST identity/lookup/group", {"id": (dev)} => 200, {"data": {"name": "DEV"}};
        "POST identity/lookup/group", {"name": "none"} => 204, null;
        "POST identity/lookup/group", {} => 400, {"errors": ["query parameter not supplied"]};
        "LIST identity/group/id" => 200, {"data": {"key_info": {(dev.clone()): {"name": "DEV", "num_member_entities": 2, "num_parent_groups": 1}}}};
        "LIST identity/group/name" => 200, {"data": {"keys": ["all", "DEV", "ext", "~group_"]}};
    }
    let ext = root.get("identity/group/name/ext").text("/data/id");
    check! { root;
        "LIST identity/group-alias/id" => 404, {"errors": []};
        "POST identity/group-alias", {} => 400, {"errors": ["missing alias name"]};
        "POST identity/group-alias", {"name": "staff"} => 400, {"errors": ["missing mount_accessor"]};
        "POST identity/group-alias", {"name": "staff", "mount_accessor": "nope"} => 400, {"errors": ["invalid mount accessor \"nope\""]};
        "POST identity/group-alias", {"name": "staff", "mount_accessor": (here), "canonical_id": "nope"} => 400, {"errors": ["invalid group ID given in 'canonical_id'"]};
        "POST identity/group-alias", {"name": "staff", "mount_accessor": (here), "canonical_id": (dev)} => 400, {"errors": ["alias can't be set on an internal group"]};
        "POST identity/group-alias", {"name": "staff", "mount_accessor": (here), "canonical_id": (ext)} => 200, {"data": {"canonical_id": (ext), "id": "*"}};
        "POST identity/group-alias", {"name": "Staff", "mount_accessor": (here)} => 400, {"errors": ["combination of mount and group alias name is already in use"]};
        "POST identity/group-alias", {"name": "others", "mount_accessor": (here)} => 200, {"data": {"canonical_id": "*"}};
        "POST identity/group-alias/id/nope", {"name": "x"} => 400, {"errors": ["invalid group alias ID"]};
        "GET identity/group-alias/id/nope" => 404, {"errors": []};
        "DELETE identity/group-alias/id/nope" => 204;
        "GET identity/group/id/{ext}" => 200, {"data": {"type": "external", "alias": {"name": "staff", "canonical_id": (ext), "mount_path": "auth/here/"}}};
        "POST identity/lookup/group", {"alias_name": "STAFF", "alias_mount_accessor": (here)} => 200, {"data": {"id": (ext)}};
    }
    let alias = root.get("identity/group/name/ext").text("/data/alias/id");
    check! { root;
        "GET identity/group-alias/id/{alias}" => 200, {"data": {"name": "staff", "canonical_id": (ext), "custom_metadata": null, "local": false}};
        "POST identity/group-alias/id/{alias}", {"name": "people"} => 200, {"data": {"id": (alias)}};
        "POST identity/lookup/group", {"alias_id": (alias)} => 200, {"data": {"alias": {"name": "people"}}};
        "POST identity/lookup/group", {"alias_name": "staff", "alias_mount_accessor": (here)} => 204, null;
        "DELETE identity/group-alias/id/{alias}" => 204;
        "GET identity/group/id/{ext}" => 200, {"data": {"alias": {}}};
        // A name may have slashes in it.
        "POST identity/group/name/team/dev", {"policies": "t"} => 200, {"data": {"name": "team/dev"}};
        "GET identity/group/name/team/dev" => 200, {"data": {"policies": ["t"]}};
        "DELETE identity/group/name/team/dev" => 204;
        // Whoever is taken away, and what, is in nothing any more.
        "POST identity/group/id/{dev}", {"member_entity_ids": [(bob)]} => 204, null;
        "GET identity/entity/id/{ann}" => 200, {"data": {"group_ids": []}};
        "DELETE identity/entity/id/{bob}" => 204;
        "GET identity/group/id/{dev}" => 200, {"data": {"member_entity_ids": null}};
        "DELETE identity/group/id/{all}" => 204;
        "GET identity/group/id/{dev}" => 200, {"data": {"parent_group_ids": null}};
        "DELETE identity/group/name/dev" => 204;
        "POST identity/lookup/group", {"id": (dev)} => 204, null;
    }
}

/// Who logs in is the same each time, has what its entity and its groups have from the next request on, and nothing once
/// that is taken away.
#[test]
#[rustfmt::skip]
fn what_somebody_may_do_as_who_they_are() {
    let House { root, here, there, .. } = &house();
    for (name, path) in [("by-entity", "e/x"), ("by-group", "g/x"), ("by-parent", "p/x")] {
        let rules = format!("path \"{path}\" {{ capabilities = [\"read\"] }}");
        root.post(&format!("sys/policies/acl/{name}"), json!({"policy": rules})).ok();
    }
    let (auth, token) = login(root, "here", "ann");
    let ann = auth["entity_id"].as_str().unwrap().to_owned();
    assert_eq!(auth["policies"], json!(["default", "own"]));
    assert!(auth.get("identity_policies").is_none(), "{auth}");
    let (again, _) = login(root, "here", "ANN");
    assert_eq!(again["entity_id"], ann, "the same person");
    assert_ne!(login(root, "there", "ann").0["entity_id"], ann, "the same name elsewhere is somebody else");
    assert_ne!(login(root, "here", "bob").0["entity_id"], ann);
    check! { token;
        "GET auth/token/lookup-self" => 200, {"data": {"entity_id": (ann), "identity_policies": "!", "external_namespace_policies": {}}};
        // What the default policy lets everybody see of themselves, and of nobody else.
        "GET identity/entity/id/{ann}" => 200, {"data": {"aliases": [{"name": "ann", "mount_accessor": (here)}]}};
        "GET identity/entity/id/other" => 403, {"errors": "*"};
    }
    assert_eq!(may(&token, "e/x"), json!(["deny"]));
    root.post(&format!("identity/entity/id/{ann}"), json!({"policies": "by-entity", "name": "ann"})).ok();
    assert_eq!(may(&token, "e/x"), json!(["read"]), "at once, with the token that there is");
    let dev = id(root, "identity/group", json!({"name": "dev", "policies": "by-group", "member_entity_ids": [ann]}));
    assert_eq!(may(&token, "g/x"), json!(["read"]));
    let all = id(root, "identity/group", json!({"name": "all", "policies": "by-parent", "member_group_ids": [dev]}));
    assert_eq!(may(&token, "p/x"), json!(["read"]));
    let every = json!(["by-entity", "by-group", "by-parent", "default", "own"]);
    let besides = json!(["by-entity", "by-group", "by-parent"]);
    check! { token;
        "GET auth/token/lookup-self" => 200, {"data": {"policies": ["default", "own"], "identity_policies": (besides)}};
        "POST auth/token/renew-self", {} => 200, {"auth": {"policies": (every), "token_policies": ["default", "own"], "identity_policies": (besides), "entity_id": (ann)}};
        "GET identity/entity/name/ann" => 200, {"data": {"id": (ann)}};
    }
    let (auth, _) = login(root, "here", "ann");
    assert_eq!((&auth["policies"], &auth["identity_policies"]), (&every, &besides));
    // The root token sees what anybody may.
    let looked = root.post("auth/token/lookup", json!({"token": token.token()})).ok();
    assert_eq!(looked["data"]["identity_policies"], besides);
    let said = root.post("sys/capabilities", json!({"token": token.token(), "paths": ["p/x"]})).ok();
    assert_eq!(said["data"]["p/x"], json!(["read"]));

    root.delete(&format!("identity/group/id/{all}")).expect(204);
    assert_eq!(may(&token, "p/x"), json!(["deny"]));
    root.post(&format!("identity/group/id/{dev}"), json!({"policies": ""})).expect(204);
    assert_eq!(may(&token, "g/x"), json!(["deny"]));
    root.post(&format!("identity/group/id/{dev}"), json!({"policies": "by-group"})).expect(204);
    root.post(&format!("identity/group/id/{dev}"), json!({"member_entity_ids": []})).expect(204);
    assert_eq!(may(&token, "g/x"), json!(["deny"]));

    // Who is disabled can do nothing, by any token, and gets no other.
    root.post(&format!("identity/entity/id/{ann}"), json!({"disabled": true})).expect(204);
    check! { token;
        "GET auth/token/lookup-self" => 403, {"errors": ["permission denied"]};
        "POST auth/here/login/ann", {"password": "pw"} => 403, {"errors": "*"};
        "POST auth/there/login/ann", {"password": "pw"} => 200, {"auth": "*"};
    }
    check! { root;
        "POST auth/token/lookup", {"token": (token.token())} => 200, {"data": {"entity_id": (ann), "identity_policies": "!"}};
        "POST sys/capabilities", {"token": (token.token()), "paths": ["e/x"]} => 403, {"errors": "*"};
        "POST identity/entity/id/{ann}", {"disabled": false} => 204, null;
    }
    assert_eq!(may(&token, "e/x"), json!(["read"]));
    // Who is gone as well; the same name is somebody new then.
    root.delete(&format!("identity/entity/id/{ann}")).expect(204);
    token.get("auth/token/lookup-self").expect(403);
    let (auth, token) = login(root, "here", "ann");
    assert_ne!(auth["entity_id"], ann);
    assert_eq!(may(&token, "e/x"), json!(["deny"]));
    let _ = there;
}

/// A child is its parent's; an orphan is nobody's, unless a role says that its maker may say whose.
#[test]
#[rustfmt::skip]
fn tokens_of_tokens() {
    let House { root, .. } = &house();
    let rules = r#"path "auth/token/*" { capabilities = ["create", "update", "sudo"] }"#;
    root.post("sys/policies/acl/own", json!({"policy": rules})).ok();
    root.post("sys/policies/acl/idp", json!({"policy": "path \"e/x\" { capabilities = [\"read\"] }"})).ok();
    let (auth, token) = login(root, "here", "ann");
    let ann = auth["entity_id"].as_str().unwrap();
    root.post(&format!("identity/entity/id/{ann}"), json!({"policies": "idp"})).ok();
    check! { token;
        "POST auth/token/create", {} => 200, {"auth": {"entity_id": (ann), "policies": ["default", "idp", "own"], "token_policies": ["default", "own"], "identity_policies": ["idp"]}};
        "POST auth/token/create-orphan", {} => 200, {"auth": {"entity_id": "", "policies": ["default", "own"], "identity_policies": "!"}};
        "POST auth/token/create", {"type": "batch"} => 200, {"auth": {"entity_id": (ann), "identity_policies": ["idp"]}};
    }
    let batch = token.post("auth/token/create", json!({"type": "batch"})).text("/auth/client_token");
    assert_eq!(may(&root.with_token(&batch), "e/x"), json!(["read"]));
    check! { root;
        "POST auth/token/roles/named", {"allowed_entity_aliases": "al*", "allowed_policies": "own"} => 204, null;
        "POST auth/token/create/named", {"entity_alias": "bob"} => 400, {"errors": ["invalid 'entity_alias' value"]};
        "POST auth/token/create", {"entity_alias": "alpha"} => 400, {"errors": "*"};
        "POST auth/token/create/named", {"entity_alias": "alpha"} => 200, {"auth": {"entity_id": "*"}};
    }
    let first = root.post("auth/token/create/named", json!({"entity_alias": "alpha"})).text("/auth/entity_id");
    let second = root.post("auth/token/create/named", json!({"entity_alias": "Alpha"})).text("/auth/entity_id");
    assert_eq!(first, second);
    check! { root; "GET identity/entity/id/{first}" => 200, {"data": {"aliases": [{"name": "alpha", "mount_type": "token", "mount_path": "auth/token/"}]}}; }
}

#[test]
#[rustfmt::skip]
fn several_become_one() {
    let House { root, here, there, .. } = &house();
    let entity = |name: &str| id(root, "identity/entity", json!({"name": name, "policies": name}));
    let alias = |name: &str, at: &str, of: &str| id(root, "identity/entity-alias", json!({"name": name, "mount_accessor": at, "canonical_id": of}));
    let (to, one, two) = (entity("to"), entity("one"), entity("two"));
    let ours = alias("ann", here, &to);
    let theirs = alias("bob", here, &one);
    alias("bob", there, &one);
    let (_, token) = login(root, "there", "bob");
    let group = id(root, "identity/group", json!({"name": "g", "member_entity_ids": [one, two]}));
    check! { root;
        "POST identity/entity/merge", {} => 400, {"errors": ["missing entity id to merge to"]};
        "POST identity/entity/merge", {"to_entity_id": (to)} => 400, {"errors": ["missing entity ids to merge from"]};
        "POST identity/entity/merge", {"to_entity_id": "nope", "from_entity_ids": [(one)]} => 400, {"errors": ["entity id to merge to is invalid"]};
        "POST identity/entity/merge", {"to_entity_id": (to), "from_entity_ids": ["nope"]} => 400, {"errors": ["entity id to merge from is invalid"]};
        "POST identity/entity/merge", {"to_entity_id": (to), "from_entity_ids": [(to)]} => 400, {"errors": ["to_entity_id should not be present in from_entity_ids"]};
        "POST identity/entity/merge", {"to_entity_id": (to), "from_entity_ids": [(one)]} => 400, {"errors": ["~have aliases with the same mount accessor"]};
        "GET identity/entity/id/{one}" => 200, {"data": {"name": "one"}};
        "POST identity/entity/merge", {"to_entity_id": (to), "from_entity_ids": [(one), (two)], "conflicting_alias_ids_to_keep": [(theirs)]} => 204, null;
        "GET identity/entity/id/{one}" => 404, {"errors": []};
        "GET identity/entity/name/two" => 404, {"errors": []};
        "GET identity/entity-alias/id/{ours}" => 404, {"errors": []};
        "GET identity/entity-alias/id/{theirs}" => 200, {"data": {"canonical_id": (to), "merged_from_canonical_ids": [(one)]}};
        "GET identity/entity/id/{to}" => 200, {"data": {"policies": ["to"], "direct_group_ids": [(group)], "aliases": [{"name": "bob"}, {"name": "bob"}]}};
        "GET identity/group/id/{group}" => 200, {"data": {"member_entity_ids": [(to)]}};
    }
    // Its tokens are the other one's; and logins by what it was known by.
    check! { token; "GET auth/token/lookup-self" => 200, {"data": {"entity_id": (one), "identity_policies": ["to"]}}; }
    assert_eq!(login(root, "here", "bob").0["entity_id"], to);
    assert_ne!(login(root, "here", "ann").0["entity_id"], to);
    root.delete(&format!("identity/entity/id/{to}")).expect(204);
    token.get("auth/token/lookup-self").expect(403);
}

#[test]
#[rustfmt::skip]
fn policies_about_who_asks() {
    let House { root, here, .. } = &house();
    let rules = format!(r#"
        path "secret/data/{{{{identity.entity.name}}}}/*" {{ capabilities = ["read", "create", "update"] }}
        path "secret/data/alias/{{{{identity.entity.aliases.{here}.name}}}}" {{ capabilities = ["read"] }}
        path "secret/data/team/{{{{identity.entity.metadata.team}}}}" {{ capabilities = ["read"] }}
        path "secret/data/group/{{{{identity.groups.names.dev.id}}}}" {{ capabilities = ["read"] }}
        path "secret/data/pin/{{{{identity.entity.aliases.{here}.custom_metadata.pin}}}}" {{ capabilities = ["read"] }}
    "#);
    root.post("sys/policies/acl/own", json!({"policy": rules})).ok();
    let (auth, ann) = login(root, "here", "ann");
    let (_, bob) = login(root, "here", "bob");
    let id = auth["entity_id"].as_str().unwrap();
    root.post(&format!("identity/entity/id/{id}"), json!({"name": "ann", "metadata": {"team": "red"}})).ok();
    let alias = root.get(&format!("identity/entity/id/{id}")).text("/data/aliases/0/id");
    root.post(&format!("identity/entity-alias/id/{alias}"), json!({"custom_metadata": {"pin": "7"}})).ok();
    let group = self::id(root, "identity/group", json!({"name": "dev", "member_entity_ids": [id]}));
    for path in ["secret/data/ann/x", "secret/data/alias/ann", "secret/data/team/red", "secret/data/pin/7", &format!("secret/data/group/{group}")] {
        assert_ne!(may(&ann, path), json!(["deny"]), "{path}");
        assert_eq!(may(&bob, path), json!(["deny"]), "{path}");
    }
    ann.post("secret/data/ann/x", json!({"data": {"a": "b"}})).ok();
    bob.post("secret/data/ann/x", json!({"data": {"a": "b"}})).expect(403);
    // A name that would widen the rule gives nothing.
    for name in ["*", "+", "ann/*", "a/b"] {
        root.post(&format!("identity/entity/id/{id}"), json!({"name": name})).ok();
        assert_eq!(may(&ann, "secret/data/bob/x"), json!(["deny"]), "{name}");
        assert_eq!(may(&ann, "secret/data/ann/x"), json!(["deny"]), "{name}");
    }
    root.post(&format!("identity/entity/id/{id}"), json!({"name": "bob"})).ok();
    assert_ne!(may(&ann, "secret/data/bob/x"), json!(["deny"]), "as it is now");
}

/// Nobody writes to identity without being allowed to; all of it is there after a restart.
#[test]
#[rustfmt::skip]
fn who_may_and_after_a_restart() {
    let (mut server, keys) = Server::ready().unwrap();
    let root = server.client();
    people(&root);
    let (auth, token) = login(&root, "here", "ann");
    let ann = auth["entity_id"].as_str().unwrap();
    root.post(&format!("identity/entity/id/{ann}"), json!({"policies": "p"})).ok();
    let group = id(&root, "identity/group", json!({"name": "g", "policies": "q", "member_entity_ids": [ann]}));
    check! { token;
        "POST identity/entity/id/{ann}", {"policies": "more"} => 403, {"errors": "*"};
        "POST identity/group/id/{group}", {"policies": "more"} => 403, {"errors": "*"};
        "GET identity/group/id/{group}" => 403, {"errors": "*"};
        "LIST identity/entity/id" => 403, {"errors": "*"};
    }
    server.restart().unwrap();
    server.unseal(&keys).unwrap();
    check! { token; "GET auth/token/lookup-self" => 200, {"data": {"entity_id": (ann), "identity_policies": ["p", "q"]}}; }
    assert_eq!(login(&root, "here", "ann").0["entity_id"], ann);
    check! { root;
        "DELETE sys/mounts/identity" => 400, {"errors": "*"};
        "POST sys/plugins/catalog/secret/identity", {"component": "AGFzbQ=="} => 400, {"errors": ["~cannot be called \"identity\""]};
        "GET sys/mounts/identity" => 200, {"data": {"type": "identity", "accessor": "~identity_", "description": "identity store"}};
    }
}

/// Who may write what has a name can write nothing else by saying another id, or another name, besides.
#[test]
#[rustfmt::skip]
fn a_name_is_one_way_to_one_thing() {
    let House { root, .. } = &house();
    let boss = id(root, "identity/entity", json!({"name": "boss", "policies": "boss"}));
    let admins = id(root, "identity/group", json!({"name": "admins", "policies": "admin", "member_entity_ids": [boss]}));
    let lead = root.limited_to(r#"
        path "identity/group/name/dev-*" { capabilities = ["create", "update"] }
        path "identity/entity/name/dev-*" { capabilities = ["create", "update"] }
    "#);
    lead.post("identity/group/name/dev-x", json!({"id": admins, "name": "admins", "member_entity_ids": []})).expect(200);
    lead.post("identity/entity/name/dev-x", json!({"id": boss, "name": "boss", "policies": "dev"})).expect(200);
    check! { root;
        "GET identity/group/id/{admins}" => 200, {"data": {"name": "admins", "policies": ["admin"], "member_entity_ids": [(boss)]}};
        "GET identity/entity/id/{boss}" => 200, {"data": {"name": "boss", "policies": ["boss"]}};
        "GET identity/entity/name/dev-x" => 200, {"data": {"policies": ["dev"]}};
    }
}

/// Two who come for the first time with the same name are the same.
#[test]
fn first_logins_at_the_same_time() {
    let House { root, .. } = &house();
    let ids: Vec<String> = std::thread::scope(|scope| {
        let logins: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| login(root, "here", "ann").0))
            .collect();
        let auths = logins.into_iter().map(|login| login.join().unwrap());
        auths.map(|auth| auth["entity_id"].to_string()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let all = root.list("identity/entity/id").ok();
    assert_eq!(all["data"]["keys"].as_array().unwrap().len(), 1, "{all}");
}
