#![allow(clippy::unwrap_used)]

use coffer_sdk::ErrorKind;
use coffer_sdk::Operation::{self, Delete, List, Patch, Read, Write};
use coffer_sdk::testing::Host;
use serde_json::{Value, json};

use super::*;

struct Kv(Host);

impl Kv {
    fn version(version: &str) -> Self {
        Self(Host::new().options(json!({ "version": version })))
    }

    fn call(&self, operation: Operation, path: &str, data: Value) -> Value {
        self.0.call(&KV, operation, path, data).unwrap().value()
    }

    fn write(&self, path: &str, data: Value) -> Value {
        self.call(Write, path, data)
    }

    fn read(&self, path: &str) -> Value {
        self.call(Read, path, json!({}))
    }

    fn refused(&self, operation: Operation, path: &str, data: Value) -> Error {
        self.0.call(&KV, operation, path, data).unwrap_err()
    }

    /// The numbers of the versions that there are.
    fn versions(&self, path: &str) -> Vec<String> {
        let metadata = self.read(&format!("metadata/{path}"));
        let versions = metadata["versions"].as_object().unwrap();
        versions.keys().cloned().collect()
    }
}

fn n(n: u64) -> Value {
    json!({ "data": { "n": n } })
}

#[test]
fn what_version_1_has_stored_is_the_first_version() {
    let mut kv = Kv::version("1");
    for name in ["a", "b/c", "b/d", "e"] {
        kv.write(name, json!({ "n": name }));
    }
    kv.0 = kv.0.options(json!({ "version": "2" }));
    assert_eq!(
        kv.call(List, "metadata/", json!({}))["keys"],
        json!(["a", "b/", "e"])
    );
    let read = kv.read("data/b/c");
    assert_eq!(
        (&read["data"]["n"], &read["metadata"]["version"]),
        (&json!("b/c"), &json!(1))
    );
    // A new version comes behind it, and check-and-set sees it.
    let (kind, cas) = (ErrorKind::InvalidRequest, json!({ "cas": 0 }));
    let refused = kv.refused(Write, "data/a", json!({ "data": {}, "options": cas }));
    assert_eq!(refused.kind, kind);
    kv.write(
        "data/a",
        json!({ "data": { "n": 2 }, "options": { "cas": 1 } }),
    );
    assert_eq!(kv.read("data/a")["metadata"]["version"], 2);
    let first = kv.call(Read, "data/a", json!({ "version": 1 }));
    assert_eq!(first["data"]["n"], "a");
    // Moved and not, in one list, and in pages of it.
    assert_eq!(
        kv.call(List, "metadata/b", json!({}))["keys"],
        json!(["c", "d"])
    );
    let page = |after: &str| {
        kv.call(List, "metadata/", json!({ "after": after, "limit": 2 }))["keys"].clone()
    };
    assert_eq!((page(""), page("b/")), (json!(["a", "b/"]), json!(["e"])));
    kv.call(Delete, "metadata/e", json!({}));
    assert_eq!(
        kv.call(List, "metadata/", json!({}))["keys"],
        json!(["a", "b/"])
    );
    assert_eq!(
        kv.write("upgrade", json!({})),
        json!({ "upgraded": 1, "done": true })
    );
    assert_eq!(
        kv.write("upgrade", json!({})),
        json!({ "upgraded": 0, "done": true })
    );
    assert!(kv.0.keys().iter().all(|key| !key.starts_with("v1/")));
    assert_eq!(kv.read("data/b/d")["data"]["n"], "b/d");
}

#[test]
fn the_mount_and_the_secret_say_how_many_versions_are_kept() {
    let kv = Kv::version("2");
    for (of_mount, of_secret, kept) in [(0, 0, 10), (5, 2, 5), (2, 5, 5), (0, 3, 3), (3, 0, 3)] {
        kv.write("config", json!({ "max_versions": of_mount }));
        kv.write("metadata/a", json!({ "max_versions": of_secret }));
        for version in 0..12 {
            kv.write("data/a", n(version));
        }
        assert_eq!(
            kv.versions("a").len(),
            kept,
            "mount {of_mount}, secret {of_secret}"
        );
    }
}

#[test]
fn the_oldest_version_never_goes_back() {
    let kv = Kv::version("2");
    let oldest = |kv: &Kv| kv.read("metadata/a")["oldest_version"].clone();
    kv.write("data/a", n(1));
    assert_eq!(oldest(&kv), 0);
    for (max, expected) in [(1, 2), (20, 2), (2, 3)] {
        kv.write("metadata/a", json!({ "max_versions": max }));
        kv.write("data/a", n(1));
        assert_eq!(oldest(&kv), expected, "max_versions {max}");
    }
}

#[test]
fn what_is_undeleted_is_deleted_again_in_time() {
    let kv = Kv::version("2");
    let deletion = |version: &str| {
        let versions = kv.read("metadata/a")["versions"].clone();
        versions[version]["deletion_time"].clone()
    };
    kv.write("data/a", n(1));
    kv.write("data/a", n(2));
    kv.write("destroy/a", json!({ "versions": [1] }));
    kv.write("delete/a", json!({ "versions": [2] }));
    kv.write("metadata/a", json!({ "delete_version_after": "1h" }));
    kv.write("undelete/a", json!({ "versions": [1, 2, 3] }));
    assert_eq!(deletion("1"), "", "destroyed");
    assert_eq!(deletion("2"), clock::rfc3339(clock::now() + 3_600_000));
    kv.0.advance(3600);
    assert_eq!(kv.read("data/a")["data"], json!(null));
    kv.write("config", json!({ "delete_version_after": -5 }));
    assert_eq!(kv.read("config")["delete_version_after"], "-1s");
    kv.write("undelete/a", json!({ "versions": [2] }));
    assert_eq!(deletion("2"), "");
}

#[test]
fn metadata_is_changed_and_reset() {
    let kv = Kv::version("2");
    let set = json!({
        "max_versions": 3, "cas_required": true, "delete_version_after": "1h",
        "custom_metadata": {"n": 1.50, "yes": true, "no": false, "text": "x"},
    });
    let custom = json!({"n": "1.5", "yes": "1", "no": "0", "text": "x"});
    let reset = json!({
        "max_versions": null, "cas_required": null, "delete_version_after": null, "custom_metadata": null,
    });
    kv.write("data/a", n(1));
    kv.0.advance(60);
    kv.write("metadata/a", set);
    let before = kv.read("metadata/a");
    assert_eq!(before["custom_metadata"], custom);
    assert_eq!(before["updated_time"], clock::rfc3339(clock::now()));
    kv.0.advance(60);
    kv.call(Patch, "metadata/a", reset);
    let after = kv.read("metadata/a");
    assert_eq!(after["updated_time"], clock::rfc3339(clock::now()));
    for (field, expected) in [
        ("max_versions", json!(0)),
        ("cas_required", json!(false)),
        ("delete_version_after", json!("0s")),
        ("custom_metadata", json!(null)),
    ] {
        assert_eq!(after[field], expected, "{field}");
    }
    for nothing in [json!(null), json!({})] {
        kv.write("metadata/a", json!({"custom_metadata": {"a": "b"}}));
        kv.write("metadata/a", json!({ "custom_metadata": nothing }));
        assert_eq!(kv.read("metadata/a")["custom_metadata"], json!(null));
    }
    for (bad, message) in [
        (
            json!({"delete_version_after": "-1s"}),
            "delete_version_after",
        ),
        (json!({"max_versions": u64::from(u32::MAX) + 1}), "between"),
        (json!({"max_versions": -1}), "between"),
    ] {
        for operation in [Write, Patch] {
            let error = kv.refused(operation, "metadata/a", bad.clone());
            assert!(error.message.contains(message), "{bad}: {error:?}");
        }
    }
}

#[test]
fn metadata_is_checked_and_set() {
    let kv = Kv::version("2");
    let required = "metadata check-and-set parameter required for this call";
    let mismatch = "metadata check-and-set parameter does not match the current version";
    kv.write("config", json!({"metadata_cas_required": true}));
    assert_eq!(kv.read("config")["metadata_cas_required"], true);
    kv.write("data/a", n(1));
    #[rustfmt::skip]
    let table = [
        (Write, json!({"max_versions": 1}), Err(required)),
        (Write, json!({"max_versions": 1, "metadata_cas": 1}), Err(mismatch)),
        (Write, json!({"max_versions": 1, "metadata_cas": 0}), Ok(1)),
        (Write, json!({"max_versions": 2, "metadata_cas": 0}), Err(mismatch)),
        (Patch, json!({"max_versions": 2}), Err(required)),
        (Patch, json!({"max_versions": 2, "metadata_cas": null}), Err(mismatch)),
        (Patch, json!({"max_versions": 2, "metadata_cas": -1}), Err(mismatch)),
        (Patch, json!({"max_versions": 2, "metadata_cas": "1"}), Ok(2)),
    ];
    for (operation, data, expected) in table {
        let answer = kv.0.call(&KV, operation, "metadata/a", data.clone());
        let version = || {
            kv.read("metadata/a")["current_metadata_version"]
                .as_u64()
                .unwrap()
        };
        match expected {
            Err(message) => assert_eq!(answer.unwrap_err().message, message, "{data}"),
            Ok(expected) => {
                answer.unwrap();
                assert_eq!(version(), expected, "{data}");
            }
        }
    }
    let off = json!({"metadata_cas_required": false, "metadata_cas": 2});
    let warned = kv.0.call(&KV, Write, "metadata/a", off).unwrap();
    assert!(
        warned.warnings[0].starts_with("\"metadata_cas_required\" set to false"),
        "{warned:?}"
    );
}

#[test]
fn lists_have_no_end() {
    const SECRETS: usize = 100_001;
    let kv = Kv::version("2");
    for secret in 0..SECRETS {
        storage::put(&format!("meta/{secret:06}"), b"{}").unwrap();
    }
    let listed = |data: Value| {
        let keys = kv.call(List, "metadata", data)["keys"].clone();
        keys.as_array().unwrap().len()
    };
    assert_eq!(listed(json!({})), SECRETS);
    assert_eq!(listed(json!({"after": "000009"})), SECRETS - 10);
    assert_eq!(listed(json!({"limit": 3})), 3);
}

#[test]
fn only_what_can_be_created_is_asked_for() {
    let asked = |kv: &Kv, path: &str| kv.0.exists(&KV, path, json!({})).unwrap();
    let kv = Kv::version("2");
    for path in ["config", "delete/a", "undelete/a", "destroy/a"] {
        assert_eq!(asked(&kv, path), None, "{path}");
    }
    assert_eq!(asked(&kv, "data/a"), Some(false));
    kv.write("data/a", n(1));
    assert_eq!(asked(&kv, "data/a"), Some(true));
    // A version 1 secret may have any of these names.
    let kv = Kv::version("1");
    for path in ["config", "delete/a", "subkeys/a"] {
        assert_eq!(asked(&kv, path), Some(false), "{path}");
        kv.write(path, json!({"a": 1}));
        assert_eq!(asked(&kv, path), Some(true), "{path}");
    }
}

#[test]
fn a_name_does_not_end_in_a_slash() {
    let slash = "cannot write to a path ending in '/'";
    for (version, paths) in [
        (
            "2",
            &[
                "data/",
                "data/b/",
                "metadata/",
                "delete/",
                "undelete/b/",
                "destroy/",
            ][..],
        ),
        ("1", &["b/"]),
    ] {
        let kv = Kv::version(version);
        for path in paths {
            let error = kv.refused(Write, path, json!({"data": {}, "versions": [1]}));
            assert_eq!(
                (error.kind, error.message.as_str()),
                (ErrorKind::InvalidRequest, slash),
                "{path}"
            );
        }
        assert_eq!(kv.0.keys(), [""; 0]);
    }
    let kv = Kv::version("2");
    for path in ["data/", "data", "data/b/", "metadata/", "metadata/b/"] {
        for operation in [Read, Delete] {
            assert!(
                kv.0.call(&KV, operation, path, json!({}))
                    .unwrap()
                    .data
                    .is_none(),
                "{path}"
            );
        }
    }
    assert_eq!(
        kv.refused(Write, "data", n(1)).kind,
        ErrorKind::InvalidRequest
    );
}

#[test]
fn every_digit_is_kept_and_nothing_is_lost_silently() {
    let digits = r#"{"big":123456789012345678901234567890,"cents":1.10}"#;
    for (version, path) in [("1", "a"), ("2", "data/a")] {
        let kv = Kv::version(version);
        let send = |data: &str| {
            let body = match version {
                "1" => data.to_owned(),
                _ => format!(r#"{{"data":{data}}}"#),
            };
            kv.0.call_json(&KV, Write, path, &body, "127.0.0.1")
        };
        send(digits).unwrap();
        let read = kv.0.call(&KV, Read, path, json!({})).unwrap();
        assert!(read.data.unwrap().contains(digits), "version {version}");
        for unreadable in [r#"{"a":"\ud800"}"#, r#"{"a":1e400}"#] {
            let error = send(unreadable).unwrap_err();
            assert_eq!(error.kind, ErrorKind::InvalidRequest, "{unreadable}");
        }
    }
}

#[test]
fn a_version_1_secret_says_how_long_it_keeps() {
    let kv = Kv::version("1");
    let default = mount::info().default_lease_ttl;
    for (secret, kept) in [
        (json!({"ttl": "30m"}), 1800),
        (json!({"lease": 60}), 60),
        (json!({"ttl": 0}), 0),
        (json!({"ttl": ""}), 0),
        (json!({"ttl": null}), 0),
        (json!({"ttl": "-5s"}), 0),
        (json!({"ttl": "bogus", "lease": "1h"}), default),
        (json!({"ttl": 1.5}), default),
        (json!({"a": 1}), default),
    ] {
        kv.write("a", secret.clone());
        let read = kv.0.call(&KV, Read, "a", json!({})).unwrap();
        assert_eq!((read.value(), read.ttl), (secret, kept));
    }
}
