//! The key-value engine, both versions, as its clients see it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Barrier;
use std::time::Duration;

use coffer_tests::{Cli, Client, Server, check, until};
use serde_json::{Value, json};

fn mounted(options: Value) -> (Server, Client) {
    let server = Server::dev().unwrap();
    let client = server.client();
    check! { client;
        "POST sys/mounts/kv", {"type": "kv", "options": options} => 204;
    }
    // Vault upgrades a new version 2 mount behind the request that made it.
    until(Duration::from_secs(10), "the mount is ready", || {
        client.get("kv/metadata/none").status != 400
    });
    (server, client)
}

fn version_2() -> (Server, Client) {
    mounted(json!({"version": "2"}))
}

#[test]
fn a_mount_without_versions_gets_them_in_place() {
    let (mut server, keys) = Server::ready().unwrap();
    let client = server.client();
    client
        .post("sys/mounts/old", json!({"type": "kv"}))
        .expect(204);
    let name = |n: usize| format!("{}/{n}", n % 7);
    for n in 0..1200 {
        client
            .post(&format!("old/{}", name(n)), json!({ "n": n }))
            .expect(204);
    }
    let user = Cli::new(&server).unwrap();
    user.run("kv enable-versioning old").ok();
    // All of it is there at once; and a server that dies in the middle loses nothing.
    assert_eq!(client.get("old/data/3/3").body["data"]["data"]["n"], 3);
    assert_eq!(
        client
            .post("old/upgrade", json!({}))
            .number("/data/upgraded"),
        500
    );
    server.restart().unwrap();
    server.unseal(&keys).unwrap();
    let user = Cli::new(&server).unwrap();
    let done = user.run("secrets migrate -force kv old").ok();
    assert!(done.contains("(699 were migrated now)"), "{done}");
    let again = user.run("secrets migrate -force kv old").ok();
    assert!(again.contains("(0 were migrated now)"), "{again}");
    for n in (0..1200).step_by(50) {
        let read = client.get(&format!("old/data/{}", name(n)));
        assert_eq!(read.body["data"]["data"], json!({ "n": n }));
        assert_eq!(read.body["data"]["metadata"]["version"], 1);
    }
    check! { client;
        "GET sys/mounts/old" => 200, {"data": {"options": {"version": "2"}}};
        "POST sys/mounts/old/tune", {"options": {"version": "1"}} => 400, {"errors": ["~cannot change the version"]};
        "GET old/3/3" => 404, {"warnings": ["~Invalid path for a versioned"]};
    }
}

#[test]
fn versions_are_written_and_read() {
    let (_server, client) = version_2();
    let metadata =
        json!({"version": 1, "created_time": "*", "deletion_time": "", "destroyed": false});
    check! { client;
        "GET kv/data/a" => 404, {"errors": []};
        "POST kv/data/a", {"data": {"x": 1, "y": "two"}} => 200, {"data": metadata};
        "PUT kv/data/a", {"data": {"x": 2}} => 200, {"data": {"version": 2}};
        "GET kv/data/a"
            => 200, {"data": {"data": {"x": 2, "y": "!"}, "metadata": {"version": 2, "custom_metadata": null}},
                "lease_id": "", "renewable": false, "lease_duration": 0, "wrap_info": null, "auth": null,
                "request_id": "*"};
        "GET kv/data/a?version=1" => 200, {"data": {"data": {"x": 1, "y": "two"}, "metadata": metadata}};
        "GET kv/data/a?version=3" => 404, {"errors": []};
        "GET kv/data/a?version=x" => 400, {"errors": ["*"]};
        "POST kv/data/a", {} => 400, {"errors": ["no data provided"]};
        "POST kv/data/a", {"data": "text"} => 400, {"errors": ["*"]};
        "GET kv/nonsense/a" => 404, {};
        "PATCH kv/nonsense/a", {} => 404, {"warnings": ["~Invalid path"]};
        // A path that there is has the operations that it has.
        "LIST kv/data/a" => 405, {"errors": ["~unsupported operation"]};
        "POST kv/subkeys/a", {} => 405, {"errors": ["~unsupported operation"]};
        "DELETE kv/config" => 405, {"errors": ["~unsupported operation"]};
        "GET kv/destroy/a" => 405, {"errors": ["~unsupported operation"]};
    }
}

#[test]
fn a_secret_has_a_name() {
    let (_server, client) = version_2();
    let slash = json!({"errors": ["cannot write to a path ending in '/'"]});
    check! { client;
        "POST kv/data/", {"data": {}} => 400, (&slash);
        "POST kv/data/b/", {"data": {}} => 400, (&slash);
        "PATCH kv/data/", {"data": {}} => 400, (&slash);
        "POST kv/metadata/", {} => 400, (&slash);
        "GET kv/data/" => 404, {"errors": []};
        "GET kv/data/b/" => 404, {"errors": []};
        "GET kv/subkeys/" => 404, {"errors": []};
        "GET kv/metadata/" => 404, {"errors": []};
        "DELETE kv/data/" => 204;
        "DELETE kv/metadata/b/" => 204;
    }
}

#[test]
fn check_and_set() {
    let (_server, client) = version_2();
    let cas = |version: i64| json!({"options": {"cas": version}, "data": {"x": version}});
    let mismatch =
        json!({"errors": ["~check-and-set parameter did not match the current version"]});
    let required = json!({"errors": ["~check-and-set parameter required for this call"]});
    check! { client;
        "POST kv/data/a", (cas(1)) => 400, (&mismatch);
        "POST kv/data/a", (cas(0)) => 200, {"data": {"version": 1}};
        "POST kv/data/a", (cas(0)) => 400, (&mismatch);
        "POST kv/data/a", (cas(1)) => 200, {"data": {"version": 2}};
        "POST kv/metadata/a", {"cas_required": true} => 204;
        "POST kv/data/a", {"data": {}} => 400, (&required);
        "POST kv/data/a", (cas(2)) => 200, {"data": {"version": 3}};
        "POST kv/config", {"cas_required": true} => 204;
        "POST kv/data/b", {"data": {}} => 400, (&required);
        "POST kv/data/b", (cas(0)) => 200, {"data": {"version": 1}};
        // Null is 0: the secret must not be there.
        "POST kv/data/b", {"options": {"cas": null}, "data": {}} => 400, (&mismatch);
        "POST kv/data/c", {"options": {"cas": null}, "data": {}} => 200, {"data": {"version": 1}};
        "POST kv/data/c", {"options": {"cas": -1}, "data": {}} => 400, (&mismatch);
        "POST kv/data/c", {"options": {"cas": []}, "data": {}} => 400, {"errors": ["~error parsing check-and-set"]};
    }
}

#[test]
fn of_concurrent_writers_with_one_cas_one_wins() {
    const WRITERS: usize = 8;
    let (_server, client) = version_2();
    for round in 0..5 {
        let start = Barrier::new(WRITERS);
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let (client, start) = (&client, &start);
                    scope.spawn(move || {
                        start.wait();
                        let body = json!({"options": {"cas": round}, "data": {"writer": writer}});
                        client.post("kv/data/contended", body).status
                    })
                })
                .collect();
            writers
                .into_iter()
                .map(|writer| writer.join().unwrap())
                .collect()
        });
        assert_eq!(
            statuses.iter().filter(|status| **status == 200).count(),
            1,
            "round {round}: {statuses:?}"
        );
        assert!(
            statuses.iter().all(|status| [200, 400].contains(status)),
            "round {round}: {statuses:?}"
        );
    }
    assert_eq!(
        client
            .get("kv/data/contended")
            .number("/data/metadata/version"),
        5
    );
}

#[test]
fn delete_undelete_and_destroy() {
    let (_server, client) = version_2();
    let deleted = json!({"data": {"data": null, "metadata": {"version": 2, "deletion_time": "~T", "destroyed": false}}});
    let destroyed = json!({"data": {"data": null, "metadata": {"version": 1, "destroyed": true}}});
    let versions = |versions: Value| json!({"versions": versions});
    check! { client;
        "POST kv/data/a", {"data": {"n": 1}} => 200, {"data": {"version": 1}};
        "POST kv/data/a", {"data": {"n": 2}} => 200, {"data": {"version": 2}};
        "DELETE kv/data/a" => 204;
        "GET kv/data/a" => 404, (&deleted);
        "GET kv/data/a?version=1" => 200, {"data": {"data": {"n": 1}}};
        "POST kv/undelete/a", (versions(json!([2]))) => 204;
        "GET kv/data/a" => 200, {"data": {"data": {"n": 2}}};
        "POST kv/delete/a", (versions(json!([1, 2]))) => 204;
        "GET kv/data/a?version=1" => 404, {"data": {"data": null}};
        "POST kv/undelete/a", (versions(json!(["1", "2"]))) => 204;
        "GET kv/data/a?version=1" => 200, {"data": {"data": {"n": 1}}};
        "POST kv/destroy/a", (versions(json!([1]))) => 204;
        "GET kv/data/a?version=1" => 404, (&destroyed);
        "POST kv/undelete/a", (versions(json!([1]))) => 204;
        "GET kv/data/a?version=1" => 404, {"data": {"data": null}};
        "POST kv/delete/a", {} => 400, {"errors": ["~no version number provided"]};
        "POST kv/undelete/a", {} => 400, {"errors": ["~no version number provided"]};
        "POST kv/destroy/a", {} => 400, {"errors": ["~no version number provided"]};
        "DELETE kv/metadata/a" => 204;
        "GET kv/data/a" => 404, {"errors": []};
        "GET kv/metadata/a" => 404, {"errors": []};
        "DELETE kv/metadata/a" => 204;
        "DELETE kv/data/none" => 204;
    }
}

#[test]
fn metadata_and_its_limits() {
    let (_server, client) = version_2();
    let custom = json!({"owner": "team-a"});
    check! { client;
        "POST kv/metadata/m", {"max_versions": 2, "custom_metadata": custom} => 204;
        "GET kv/data/m" => 404, {};
        "POST kv/data/m", {"data": {"n": 1}} => 200, {"data": {"custom_metadata": custom}};
        "POST kv/data/m", {"data": {"n": 2}} => 200, {};
        "POST kv/data/m", {"data": {"n": 3}} => 200, {"data": {"version": 3}};
        "GET kv/data/m?version=1" => 404, {"errors": []};
        "GET kv/metadata/m"
            => 200, {"data": {"current_version": 3, "oldest_version": 2, "max_versions": 2, "cas_required": false,
                "delete_version_after": "0s", "custom_metadata": custom, "created_time": "*", "updated_time": "*",
                "versions": {"1": "!", "2": {"destroyed": false}, "3": {"deletion_time": ""}}}};
        "PATCH kv/metadata/m", {"custom_metadata": {"owner": null, "tier": "1"}} => 204;
        "GET kv/metadata/m" => 200, {"data": {"custom_metadata": {"owner": "!", "tier": "1"}, "max_versions": 2}};
        "POST kv/metadata/m", {"custom_metadata": {"k": {"deep": 1}}} => 400, {"errors": ["*"]};
        "POST kv/metadata/m", {"custom_metadata": {"k": "x".repeat(600)}} => 400, {"errors": ["*"]};
        "POST kv/config", {"max_versions": 5, "delete_version_after": "1h30m"} => 204;
        "GET kv/config"
            => 200, {"data": {"max_versions": 5, "cas_required": false, "delete_version_after": "1h30m0s"}};
        "POST kv/data/timed", {"data": {"n": 1}} => 200, {"data": {"deletion_time": "~T"}};
        "POST kv/metadata/short", {"delete_version_after": "1s"} => 204;
        "POST kv/data/short", {"data": {"n": 1}} => 200, {"data": {"deletion_time": "~T"}};
    }
    until(Duration::from_secs(5), "a version deletes itself", || {
        client.get("kv/data/short").status == 404
    });
}

#[test]
fn patch_and_subkeys() {
    let (_server, client) = version_2();
    check! { client;
        "PATCH kv/data/p", {"data": {"a": 1}} => 404, "?";
        "POST kv/data/p", {"data": {"a": 1, "b": {"c": 2, "d": {"e": 3}}, "gone": true}} => 200, {};
        "PATCH kv/data/p", {"data": {"b": {"c": null, "f": 4}, "gone": null}} => 200, {"data": {"version": 2}};
        "GET kv/data/p" => 200, {"data": {"data": {"a": 1, "b": {"c": "!", "f": 4, "d": {"e": 3}}, "gone": "!"}}};
        "PATCH kv/data/p", {"options": {"cas": 1}, "data": {"a": 5}} => 400, {"errors": ["~check-and-set"]};
        "PATCH kv/data/p", {} => 400, {"errors": ["no data provided"]};
        "PATCH kv/data/p", {"data": null} => 400, {"errors": ["no data provided"]};
        "GET kv/subkeys/p"
            => 200, {"data": {"subkeys": {"a": null, "b": {"f": null, "d": {"e": null}}},
                "metadata": {"version": 2}}};
        "GET kv/subkeys/p?depth=1" => 200, {"data": {"subkeys": {"a": null, "b": null}}};
        "GET kv/subkeys/p?version=1" => 200, {"data": {"subkeys": {"gone": null, "b": {"c": null}}}};
        "GET kv/subkeys/none" => 404, {"errors": []};
        // Of a deleted secret there is nothing to change, but what is known of it is said.
        "DELETE kv/data/p" => 204;
        "PATCH kv/data/p", {"options": {"cas": 1}, "data": {}} => 400, {"errors": ["~check-and-set"]};
        "PATCH kv/data/p", {"data": {"a": 1}} => 404, {"data": {"version": 2, "deletion_time": "~T"}};
    }
}

#[test]
fn lists_are_directories() {
    let (_server, client) = version_2();
    for path in ["a", "a/b", "a/b/c", "b/x", "z"] {
        client
            .post(&format!("kv/data/{path}"), json!({"data": {}}))
            .ok();
    }
    check! { client;
        "LIST kv/metadata" => 200, {"data": {"keys": ["a", "a/", "b/", "z"]}};
        "GET kv/metadata/?list=true" => 200, {"data": {"keys": ["a", "a/", "b/", "z"]}};
        "LIST kv/metadata/a" => 200, {"data": {"keys": ["b", "b/"]}};
        "LIST kv/metadata/a/" => 200, {"data": {"keys": ["b", "b/"]}};
        "LIST kv/metadata/none" => 404, {"errors": []};
        "LIST kv/metadata?limit=2&after=a" => 200, {"data": {"keys": ["a/", "b/"]}};
        "LIST kv/detailed-metadata"
            => 200, {"data": {"keys": ["a", "a/", "b/", "z"],
                "key_info": {"a": {"current_version": 1}, "a/": {}, "z": {"current_version": 1}}}};
    }
}

#[test]
fn version_1() {
    let (_server, client) = mounted(json!({"version": "1"}));
    check! { client;
        "GET kv/a" => 404, {"errors": []};
        "POST kv/a", {"x": 1, "nested": {"y": [2]}} => 204;
        "GET kv/a"
            => 200, {"data": {"x": 1, "nested": {"y": [2]}}, "lease_duration": 2_764_800, "lease_id": "",
                "renewable": false};
        "PUT kv/a", {"ttl": "30s", "x": 2} => 204;
        "GET kv/a" => 200, {"data": {"x": 2, "ttl": "30s"}, "lease_duration": 30};
        "POST kv/b", {"ttl": "", "x": {"n": 12345678901234567890_u64}} => 204;
        "GET kv/b" => 200, {"data": {"ttl": "", "x": {"n": 12345678901234567890_u64}}, "lease_duration": 0};
        "DELETE kv/b" => 204;
        "GET kv/" => 404, {"errors": []};
        "GET kv/x/" => 404, {"errors": []};
        "POST kv/x/", {"a": 1} => 400, {"errors": ["cannot write to a path ending in '/'"]};
        "DELETE kv/x/" => 204;
        "POST kv/dir/b", {"x": 1} => 204;
        "LIST kv/" => 200, {"data": {"keys": ["a", "dir/"]}};
        "POST kv/a", {} => 400, {"errors": ["~missing data fields"]};
        "DELETE kv/a" => 204;
        "GET kv/a" => 404, {"errors": []};
        "DELETE kv/a" => 204;
    }
}

#[test]
fn mounts_come_and_go() {
    let server = Server::dev().unwrap();
    let client = server.client();
    check! { client;
        "POST sys/mounts/team/kv", {"type": "kv", "description": "ours", "options": {"version": "1"}} => 204;
        "POST sys/mounts/team/kv", {"type": "kv"} => 400, {"errors": ["~path is already in use"]};
        "POST sys/mounts/team", {"type": "kv"} => 400, {"errors": ["~path is already in use"]};
        "POST sys/mounts/other", {"type": "no-such-engine"} => 400, {"errors": ["*"]};
        "POST sys/mounts/sys/x", {"type": "kv"} => 400, {"errors": ["*"]};
        "GET sys/mounts"
            => 200, {"data": { "team/kv/": {"type": "kv", "description": "ours", "accessor": "~kv_", "uuid": "*",
                "local": false, "seal_wrap": false, "external_entropy_access": false, "options": {"version": "1"},
                "config": {"default_lease_ttl": 0, "max_lease_ttl": 0, "force_no_cache": false}},
                "secret/": {"type": "kv", "options": {"version": "2"}}, "sys/": {"type": "system"}}};
        "GET sys/mounts/team/kv" => 200, {"data": {"type": "kv", "description": "ours"}};
        "POST sys/mounts/team/kv/tune", {"default_lease_ttl": "10m", "max_lease_ttl": "2h", "description": "tuned"}
            => 204;
        "GET sys/mounts/team/kv/tune"
            => 200, {"data": {"default_lease_ttl": 600, "max_lease_ttl": 7200, "description": "tuned"}};
        "POST team/kv/a", {"x": 1} => 204;
        // How it is tuned cannot be deleted, and the mount is not meant.
        "DELETE sys/mounts/team/kv/tune" => 405, {"errors": ["~unsupported operation"]};
        "GET team/kv/a" => 200, {"data": {"x": 1}};
        "POST sys/mounts/team/kv/tune", {"user_lockout_config": {"lockout_threshold": 3}} => 400, {"errors": ["~only be modified on auth mounts"]};
        "POST sys/mounts/sys/tune", {"max_lease_ttl": "1h"} => 400, {"errors": ["~cannot tune parameter"]};
        "POST sys/auth/token/tune", {"token_type": "batch"} => 400, {"errors": ["~token_type"]};
        "POST sys/mounts/x+y*z", {"type": "kv-v1"} => 204;
        "GET sys/mounts/x+y*z" => 200, {"data": {"type": "kv", "options": {"version": "1"}}};
        "POST sys/mounts/x/+/z", {"type": "kv"} => 400, {"errors": ["*"]};
        "POST sys/mounts/x*", {"type": "kv"} => 400, {"errors": ["*"]};
        "DELETE sys/mounts/team/kv" => 204;
        "GET team/kv/a" => 404, {"errors": ["~no handler for route"]};
        "DELETE sys/mounts/team/kv" => 204;
        "DELETE sys/mounts/sys" => 400, {"errors": ["*"]};
        // A new mount at the same path does not see what was there.
        "POST sys/mounts/team/kv", {"type": "kv", "options": {"version": "1"}} => 204;
        "GET team/kv/a" => 404, {"errors": []};
    }
}
