//! The key-value engine, both versions, as its clients see it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Barrier;
use std::time::Duration;

use coffer_tests::{Client, Server, check, until};
use serde_json::{Value, json};

fn mounted(options: Value) -> (Server, Client) {
    let server = Server::dev().unwrap();
    let client = server.client();
    check(
        &client,
        &[(
            "POST sys/mounts/kv",
            json!({"type": "kv", "options": options}),
            204,
            json!(null),
        )],
    );
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
fn versions_are_written_and_read() {
    let (_server, client) = version_2();
    let metadata =
        json!({"version": 1, "created_time": "*", "deletion_time": "", "destroyed": false});
    check(
        &client,
        &[
            ("GET kv/data/a", json!(null), 404, json!({"errors": []})),
            (
                "POST kv/data/a",
                json!({"data": {"x": 1, "y": "two"}}),
                200,
                json!({"data": metadata}),
            ),
            (
                "PUT kv/data/a",
                json!({"data": {"x": 2}}),
                200,
                json!({"data": {"version": 2}}),
            ),
            (
                "GET kv/data/a",
                json!(null),
                200,
                json!({"data": {"data": {"x": 2, "y": "!"}, "metadata": {"version": 2, "custom_metadata": null}},
                   "lease_id": "", "renewable": false, "lease_duration": 0, "wrap_info": null, "auth": null,
                   "request_id": "*"}),
            ),
            (
                "GET kv/data/a?version=1",
                json!(null),
                200,
                json!({"data": {"data": {"x": 1, "y": "two"}, "metadata": metadata}}),
            ),
            (
                "GET kv/data/a?version=3",
                json!(null),
                404,
                json!({"errors": []}),
            ),
            (
                "GET kv/data/a?version=x",
                json!(null),
                400,
                json!({"errors": ["*"]}),
            ),
            (
                "POST kv/data/a",
                json!({}),
                400,
                json!({"errors": ["no data provided"]}),
            ),
            (
                "POST kv/data/a",
                json!({"data": "text"}),
                400,
                json!({"errors": ["*"]}),
            ),
            ("GET kv/nonsense/a", json!(null), 404, json!({})),
        ],
    );
}

#[test]
fn check_and_set() {
    let (_server, client) = version_2();
    let cas = |version: i64| json!({"options": {"cas": version}, "data": {"x": version}});
    let mismatch =
        json!({"errors": ["~check-and-set parameter did not match the current version"]});
    let required = json!({"errors": ["~check-and-set parameter required for this call"]});
    check(
        &client,
        &[
            ("POST kv/data/a", cas(1), 400, mismatch.clone()),
            (
                "POST kv/data/a",
                cas(0),
                200,
                json!({"data": {"version": 1}}),
            ),
            ("POST kv/data/a", cas(0), 400, mismatch.clone()),
            (
                "POST kv/data/a",
                cas(1),
                200,
                json!({"data": {"version": 2}}),
            ),
            (
                "POST kv/metadata/a",
                json!({"cas_required": true}),
                204,
                json!(null),
            ),
            ("POST kv/data/a", json!({"data": {}}), 400, required.clone()),
            (
                "POST kv/data/a",
                cas(2),
                200,
                json!({"data": {"version": 3}}),
            ),
            (
                "POST kv/config",
                json!({"cas_required": true}),
                204,
                json!(null),
            ),
            ("POST kv/data/b", json!({"data": {}}), 400, required),
            (
                "POST kv/data/b",
                cas(0),
                200,
                json!({"data": {"version": 1}}),
            ),
        ],
    );
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
    check(
        &client,
        &[
            (
                "POST kv/data/a",
                json!({"data": {"n": 1}}),
                200,
                json!({"data": {"version": 1}}),
            ),
            (
                "POST kv/data/a",
                json!({"data": {"n": 2}}),
                200,
                json!({"data": {"version": 2}}),
            ),
            ("DELETE kv/data/a", json!(null), 204, json!(null)),
            ("GET kv/data/a", json!(null), 404, deleted),
            (
                "GET kv/data/a?version=1",
                json!(null),
                200,
                json!({"data": {"data": {"n": 1}}}),
            ),
            ("POST kv/undelete/a", versions(json!([2])), 204, json!(null)),
            (
                "GET kv/data/a",
                json!(null),
                200,
                json!({"data": {"data": {"n": 2}}}),
            ),
            (
                "POST kv/delete/a",
                versions(json!([1, 2])),
                204,
                json!(null),
            ),
            (
                "GET kv/data/a?version=1",
                json!(null),
                404,
                json!({"data": {"data": null}}),
            ),
            (
                "POST kv/undelete/a",
                versions(json!(["1", "2"])),
                204,
                json!(null),
            ),
            (
                "GET kv/data/a?version=1",
                json!(null),
                200,
                json!({"data": {"data": {"n": 1}}}),
            ),
            ("POST kv/destroy/a", versions(json!([1])), 204, json!(null)),
            ("GET kv/data/a?version=1", json!(null), 404, destroyed),
            ("POST kv/undelete/a", versions(json!([1])), 204, json!(null)),
            (
                "GET kv/data/a?version=1",
                json!(null),
                404,
                json!({"data": {"data": null}}),
            ),
            (
                "POST kv/delete/a",
                json!({}),
                400,
                json!({"errors": ["~no version number provided"]}),
            ),
            (
                "POST kv/undelete/a",
                json!({}),
                400,
                json!({"errors": ["~no version number provided"]}),
            ),
            (
                "POST kv/destroy/a",
                json!({}),
                400,
                json!({"errors": ["~no version number provided"]}),
            ),
            ("DELETE kv/metadata/a", json!(null), 204, json!(null)),
            ("GET kv/data/a", json!(null), 404, json!({"errors": []})),
            ("GET kv/metadata/a", json!(null), 404, json!({"errors": []})),
            ("DELETE kv/metadata/a", json!(null), 204, json!(null)),
            ("DELETE kv/data/none", json!(null), 204, json!(null)),
        ],
    );
}

#[test]
fn metadata_and_its_limits() {
    let (_server, client) = version_2();
    let custom = json!({"owner": "team-a"});
    check(
        &client,
        &[
            (
                "POST kv/metadata/m",
                json!({"max_versions": 2, "custom_metadata": custom}),
                204,
                json!(null),
            ),
            ("GET kv/data/m", json!(null), 404, json!({})),
            (
                "POST kv/data/m",
                json!({"data": {"n": 1}}),
                200,
                json!({"data": {"custom_metadata": custom}}),
            ),
            ("POST kv/data/m", json!({"data": {"n": 2}}), 200, json!({})),
            (
                "POST kv/data/m",
                json!({"data": {"n": 3}}),
                200,
                json!({"data": {"version": 3}}),
            ),
            (
                "GET kv/data/m?version=1",
                json!(null),
                404,
                json!({"errors": []}),
            ),
            (
                "GET kv/metadata/m",
                json!(null),
                200,
                json!({"data": {"current_version": 3, "oldest_version": 2, "max_versions": 2, "cas_required": false,
                            "delete_version_after": "0s", "custom_metadata": custom, "created_time": "*",
                            "updated_time": "*", "versions": {"1": "!", "2": {"destroyed": false}, "3": {"deletion_time": ""}}}}),
            ),
            (
                "PATCH kv/metadata/m",
                json!({"custom_metadata": {"owner": null, "tier": "1"}}),
                204,
                json!(null),
            ),
            (
                "GET kv/metadata/m",
                json!(null),
                200,
                json!({"data": {"custom_metadata": {"owner": "!", "tier": "1"}, "max_versions": 2}}),
            ),
            (
                "POST kv/metadata/m",
                json!({"custom_metadata": {"k": {"deep": 1}}}),
                400,
                json!({"errors": ["*"]}),
            ),
            (
                "POST kv/metadata/m",
                json!({"custom_metadata": {"k": "x".repeat(600)}}),
                400,
                json!({"errors": ["*"]}),
            ),
            (
                "POST kv/config",
                json!({"max_versions": 5, "delete_version_after": "1h30m"}),
                204,
                json!(null),
            ),
            (
                "GET kv/config",
                json!(null),
                200,
                json!({"data": {"max_versions": 5, "cas_required": false, "delete_version_after": "1h30m0s"}}),
            ),
            (
                "POST kv/data/timed",
                json!({"data": {"n": 1}}),
                200,
                json!({"data": {"deletion_time": "~T"}}),
            ),
            (
                "POST kv/metadata/short",
                json!({"delete_version_after": "1s"}),
                204,
                json!(null),
            ),
            (
                "POST kv/data/short",
                json!({"data": {"n": 1}}),
                200,
                json!({"data": {"deletion_time": "~T"}}),
            ),
        ],
    );
    until(Duration::from_secs(5), "a version deletes itself", || {
        client.get("kv/data/short").status == 404
    });
}

#[test]
fn patch_and_subkeys() {
    let (_server, client) = version_2();
    check(
        &client,
        &[
            (
                "PATCH kv/data/p",
                json!({"data": {"a": 1}}),
                404,
                json!("?"),
            ),
            (
                "POST kv/data/p",
                json!({"data": {"a": 1, "b": {"c": 2, "d": {"e": 3}}, "gone": true}}),
                200,
                json!({}),
            ),
            (
                "PATCH kv/data/p",
                json!({"data": {"b": {"c": null, "f": 4}, "gone": null}}),
                200,
                json!({"data": {"version": 2}}),
            ),
            (
                "GET kv/data/p",
                json!(null),
                200,
                json!({"data": {"data": {"a": 1, "b": {"c": "!", "f": 4, "d": {"e": 3}}, "gone": "!"}}}),
            ),
            (
                "PATCH kv/data/p",
                json!({"options": {"cas": 1}, "data": {"a": 5}}),
                400,
                json!({"errors": ["~check-and-set"]}),
            ),
            (
                "PATCH kv/data/p",
                json!({}),
                400,
                json!({"errors": ["no data provided"]}),
            ),
            (
                "GET kv/subkeys/p",
                json!(null),
                200,
                json!({"data": {"subkeys": {"a": null, "b": {"f": null, "d": {"e": null}}}, "metadata": {"version": 2}}}),
            ),
            (
                "GET kv/subkeys/p?depth=1",
                json!(null),
                200,
                json!({"data": {"subkeys": {"a": null, "b": null}}}),
            ),
            (
                "GET kv/subkeys/p?version=1",
                json!(null),
                200,
                json!({"data": {"subkeys": {"gone": null, "b": {"c": null}}}}),
            ),
            (
                "GET kv/subkeys/none",
                json!(null),
                404,
                json!({"errors": []}),
            ),
        ],
    );
}

#[test]
fn lists_are_directories() {
    let (_server, client) = version_2();
    for path in ["a", "a/b", "a/b/c", "b/x", "z"] {
        client
            .post(&format!("kv/data/{path}"), json!({"data": {}}))
            .ok();
    }
    check(
        &client,
        &[
            (
                "LIST kv/metadata",
                json!(null),
                200,
                json!({"data": {"keys": ["a", "a/", "b/", "z"]}}),
            ),
            (
                "GET kv/metadata/?list=true",
                json!(null),
                200,
                json!({"data": {"keys": ["a", "a/", "b/", "z"]}}),
            ),
            (
                "LIST kv/metadata/a",
                json!(null),
                200,
                json!({"data": {"keys": ["b", "b/"]}}),
            ),
            (
                "LIST kv/metadata/a/",
                json!(null),
                200,
                json!({"data": {"keys": ["b", "b/"]}}),
            ),
            (
                "LIST kv/metadata/none",
                json!(null),
                404,
                json!({"errors": []}),
            ),
        ],
    );
}

#[test]
fn version_1() {
    let (_server, client) = mounted(json!({"version": "1"}));
    check(
        &client,
        &[
            ("GET kv/a", json!(null), 404, json!({"errors": []})),
            (
                "POST kv/a",
                json!({"x": 1, "nested": {"y": [2]}}),
                204,
                json!(null),
            ),
            (
                "GET kv/a",
                json!(null),
                200,
                json!({"data": {"x": 1, "nested": {"y": [2]}}, "lease_duration": 2_764_800, "lease_id": "", "renewable": false}),
            ),
            ("PUT kv/a", json!({"ttl": "30s", "x": 2}), 204, json!(null)),
            (
                "GET kv/a",
                json!(null),
                200,
                json!({"data": {"x": 2, "ttl": "30s"}, "lease_duration": 30}),
            ),
            ("POST kv/dir/b", json!({"x": 1}), 204, json!(null)),
            (
                "LIST kv/",
                json!(null),
                200,
                json!({"data": {"keys": ["a", "dir/"]}}),
            ),
            (
                "POST kv/a",
                json!({}),
                400,
                json!({"errors": ["~missing data fields"]}),
            ),
            ("DELETE kv/a", json!(null), 204, json!(null)),
            ("GET kv/a", json!(null), 404, json!({"errors": []})),
            ("DELETE kv/a", json!(null), 204, json!(null)),
        ],
    );
}

#[test]
fn mounts_come_and_go() {
    let server = Server::dev().unwrap();
    let client = server.client();
    check(
        &client,
        &[
            (
                "POST sys/mounts/team/kv",
                json!({"type": "kv", "description": "ours", "options": {"version": "1"}}),
                204,
                json!(null),
            ),
            (
                "POST sys/mounts/team/kv",
                json!({"type": "kv"}),
                400,
                json!({"errors": ["~path is already in use"]}),
            ),
            (
                "POST sys/mounts/team",
                json!({"type": "kv"}),
                400,
                json!({"errors": ["~path is already in use"]}),
            ),
            (
                "POST sys/mounts/other",
                json!({"type": "no-such-engine"}),
                400,
                json!({"errors": ["*"]}),
            ),
            (
                "POST sys/mounts/sys/x",
                json!({"type": "kv"}),
                400,
                json!({"errors": ["*"]}),
            ),
            (
                "GET sys/mounts",
                json!(null),
                200,
                json!({"data": {
                "team/kv/": {"type": "kv", "description": "ours", "accessor": "~kv_", "uuid": "*", "local": false,
                    "seal_wrap": false, "external_entropy_access": false, "options": {"version": "1"},
                    "config": {"default_lease_ttl": 0, "max_lease_ttl": 0, "force_no_cache": false}},
                "secret/": {"type": "kv", "options": {"version": "2"}},
                "sys/": {"type": "system"}}}),
            ),
            (
                "GET sys/mounts/team/kv",
                json!(null),
                200,
                json!({"data": {"type": "kv", "description": "ours"}}),
            ),
            (
                "POST sys/mounts/team/kv/tune",
                json!({"default_lease_ttl": "10m", "max_lease_ttl": "2h", "description": "tuned"}),
                204,
                json!(null),
            ),
            (
                "GET sys/mounts/team/kv/tune",
                json!(null),
                200,
                json!({"data": {"default_lease_ttl": 600, "max_lease_ttl": 7200, "description": "tuned"}}),
            ),
            ("POST team/kv/a", json!({"x": 1}), 204, json!(null)),
            ("DELETE sys/mounts/team/kv", json!(null), 204, json!(null)),
            (
                "GET team/kv/a",
                json!(null),
                404,
                json!({"errors": ["~no handler for route"]}),
            ),
            ("DELETE sys/mounts/team/kv", json!(null), 204, json!(null)),
            (
                "DELETE sys/mounts/sys",
                json!(null),
                400,
                json!({"errors": ["*"]}),
            ),
            // A new mount at the same path does not see what was there.
            (
                "POST sys/mounts/team/kv",
                json!({"type": "kv", "options": {"version": "1"}}),
                204,
                json!(null),
            ),
            ("GET team/kv/a", json!(null), 404, json!({"errors": []})),
        ],
    );
}
