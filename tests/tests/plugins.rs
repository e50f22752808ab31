//! The catalog: plugins that are registered, granted what they ask for, swapped under load, and refused, on a running
//! server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use coffer_tests::{Client, Reply, Server, check, plugin, until};
use serde_json::{Value, json};

/// The guest, as this version of itself.
fn echo(version: &str) -> Vec<u8> {
    asking(version, json!({}))
}

fn asking(version: &str, needs: Value) -> Vec<u8> {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    let built = BUILT.get_or_init(|| plugin::build("tests/guests/echo"));
    plugin::echo(built, version, needs)
}

fn register(client: &Client, component: &[u8], more: Value) -> Reply {
    let mut body = json!({ "component": BASE64_STANDARD.encode(component), "source": "test" });
    let (into, Value::Object(more)) = (body.as_object_mut().unwrap(), more) else {
        panic!("an object")
    };
    into.extend(more);
    client.post("sys/plugins/catalog/secret/echo", body)
}

fn runs(client: &Client, mount: &str) -> String {
    client
        .get(&format!("{mount}/version"))
        .text("/data/version")
}

#[test]
fn only_headers_that_the_operator_lets_through_pass() {
    let server = Server::dev().unwrap();
    let client = server.client();
    register(&client, &echo("1.0.0-hdrs"), json!({})).ok();
    client
        .post("sys/mounts/e", json!({"type": "echo"}))
        .expect(204);
    let heard = |headers: &[&str], name: &str| {
        let reply = server.raw("GET", &format!("e/header/{name}"), headers, "");
        serde_json::from_str::<Value>(&reply.body).unwrap()["data"]["values"].clone()
    };
    let root = format!("X-Vault-Token: {}", server.root_token());
    let sent = [
        root.as_str(),
        "X-One: a",
        "x-one: b",
        "X-Two: c",
        "Authorization: Basic d",
    ];
    assert_eq!(heard(&sent, "x-one"), json!([]));
    let tuned = json!({"passthrough_request_headers": "X-One,authorization,X-Vault-Token", "allowed_response_headers": ["X-Said"]});
    client.post("sys/mounts/e/tune", tuned).expect(204);
    for (name, values) in [
        ("X-ONE", json!(["a", "b"])),
        ("x-two", json!([])),
        ("Authorization", json!(["Basic d"])),
        // Nobody's token reaches a plugin, whatever the operator says.
        ("X-Vault-Token", json!([])),
    ] {
        assert_eq!(heard(&sent, name), values, "{name}");
    }
    let bearer = format!("Authorization: Bearer {}", server.root_token());
    assert_eq!(heard(&[&bearer], "authorization"), json!([]));

    let say = |name: &str, value: &str| {
        let body = json!({ "value": value }).to_string();
        server.raw("POST", &format!("e/header/{name}"), &[&root], &body)
    };
    let said = say("X-Said", "something");
    assert!(
        said.status == 200 && said.head.contains("x-said: something\r\n"),
        "{}",
        said.head
    );
    let dropped = say("X-Other", "something");
    assert!(
        dropped.status == 200 && !dropped.head.contains("x-other"),
        "{}",
        dropped.head
    );
    for (name, value) in [
        ("Content-Length", "0"),
        ("X-Said", "a\r\nX-Other: b"),
        ("x:y", "z"),
        ("X-Vault-Token", "z"),
    ] {
        let refused = say(name, value);
        assert!(
            refused.status == 500 && !refused.head.contains("x-other"),
            "{name}: {}",
            refused.head
        );
    }
}

/// What a plugin answers in place of JSON; and that it gets no browser to do anything.
#[test]
fn a_plugin_answers_with_a_page() {
    let server = Server::dev().unwrap();
    let client = server.client();
    register(&client, &echo("1.0.0-page"), json!({})).ok();
    client
        .post("sys/mounts/e", json!({"type": "echo"}))
        .expect(204);
    let root = format!("X-Vault-Token: {}", server.root_token());
    let get = |query: &str, more: &str| {
        let headers = [root.as_str(), more];
        server.raw("GET", &format!("e/page?{query}"), &headers, "")
    };
    let shown = get("value=text/html&size=3", "X-A: b");
    assert!(shown.status == 203 && shown.body == "xxx", "{shown:?}");
    for header in [
        "content-type: text/html\r\n",
        "content-security-policy: sandbox allow-forms; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'\r\n",
        "x-content-type-options: nosniff\r\n",
        "cache-control: no-store\r\n",
    ] {
        assert!(shown.head.contains(header), "{}", shown.head);
    }
    let largest = get("value=application/octet-stream&size=1048576", "X-A: b");
    assert_eq!((largest.status, largest.body.len()), (203, 1 << 20));
    for (query, header, status, why) in [
        (
            "value=text/html&size=1048577",
            "X-A: b",
            500,
            "1048576 are allowed",
        ),
        ("value=html&size=3", "X-A: b", 500, "is no content type"),
        (
            "value=a/b%0d%0aX-C:%20d&size=3",
            "X-A: b",
            500,
            "is no content type",
        ),
        (
            "value=a/b&size=3",
            "X-Vault-Wrap-TTL: 60",
            400,
            "cannot be wrapped",
        ),
    ] {
        let refused = get(query, header);
        assert!(
            refused.status == status && refused.body.contains(why) && !refused.head.contains("x-c"),
            "{refused:?}"
        );
    }
    check! { client;
        "POST e/page", {"value": "a/b", "size": 3} => 500, {"errors": ["~something besides"]};
    }
}

#[test]
fn a_plugin_is_registered_mounted_upgraded_and_removed() {
    let (mut server, keys) = Server::ready().unwrap();
    let client = server.client();
    let first = register(&client, &echo("1.0.0-aaaa"), json!({}));
    let sha256 = first.text("/data/sha256");
    assert_eq!(first.body["warnings"], json!(["it is not signed"]));
    check! { client;
        "POST sys/mounts/e", {"type": "echo"} => 204;
        "POST sys/mounts/pinned", {"type": "echo", "plugin_version": "v1.0.0-aaaa"} => 204;
        "POST sys/mounts/none", {"type": "echo", "plugin_version": "v9.9.9"} => 400, {"errors": ["~plugin not found in the catalog: echo v9.9.9"]};
        "POST sys/auth/e", {"type": "echo"} => 400, {"errors": ["plugin \"echo\" is not an auth method"]};
        "GET sys/plugins/catalog/secret/echo" => 200, {"data": {"name": "echo", "type": "secret", "version": "v1.0.0-aaaa",
            "builtin": false, "sha256": sha256, "in_force": true, "used_by": ["e/", "pinned/"]}};
        "LIST sys/plugins/catalog/secret" => 200, {"data": {"keys": ["database", "echo", "kv", "transit"]}};
        "POST e/kept/a", {"value": "x"} => 204;
        "DELETE sys/plugins/catalog/secret/echo" => 400, {"errors": ["~in use by e/, pinned/"]};
    }
    // What is registered does not run before it is reloaded.
    register(&client, &echo("1.1.0-aaaa"), json!({})).ok();
    assert_eq!(runs(&client, "e"), "1.0.0-aaaa");
    check! { client;
        "POST sys/plugins/reload/backend", {"plugin": "echo"} => 204;
        "GET e/kept/a" => 200, {"data": {"value": "x", "version": "1.1.0-aaaa"}};
        "GET sys/mounts/e" => 200, {"data": {"plugin_version": "", "running_plugin_version": "v1.1.0-aaaa"}};
        "GET pinned/version" => 200, {"data": {"version": "1.0.0-aaaa"}};
        "POST sys/mounts/pinned/tune", {"plugin_version": "1.1.0-aaaa"} => 204;
        "GET pinned/version" => 200, {"data": {"version": "1.1.0-aaaa"}};
    }
    // All of it is there after a restart.
    server.kill9();
    server.start().unwrap();
    server.unseal(&keys).unwrap();
    assert_eq!(runs(&client, "e"), "1.1.0-aaaa");
    check! { client;
        "GET sys/plugins/catalog" => 200, {"data": {"secret": ["database", "echo", "kv", "transit"]}};
        "DELETE sys/plugins/catalog/secret/echo" => 400, {"errors": ["~several versions (1.0.0-aaaa, 1.1.0-aaaa)"]};
        "DELETE sys/plugins/catalog/secret/echo?version=v1.0.0-aaaa" => 204;
        "DELETE sys/plugins/catalog/secret/echo?version=v1.0.0-aaaa" => 204;
        "DELETE sys/mounts/e" => 204;
        "DELETE sys/mounts/pinned" => 204;
        "DELETE sys/plugins/catalog/secret/echo" => 204;
        "GET sys/plugins/catalog/secret/echo" => 404, {"errors": ["~no secret plugin"]};
        "GET sys/plugins/catalog/secret/kv" => 200, {"data": {"builtin": true, "version": "~+builtin"}};
    }
}

#[test]
fn pins_say_what_a_reload_takes() {
    let server = Server::dev().unwrap();
    let client = server.client();
    for version in ["1.0.0-aaaa", "2.0.0-aaaa", "3.0.0-aaaa"] {
        register(&client, &echo(version), json!({})).ok();
    }
    check! { client;
        "POST sys/mounts/e", {"type": "echo"} => 204;
        "GET sys/plugins/pins" => 200, {"data": {"pinned_versions": []}};
        "GET sys/plugins/pins/secret/echo" => 404, {"errors": ["no version of echo is pinned"]};
        "POST sys/plugins/pins/secret/echo", {"version": "v7.0.0"} => 400, {"errors": ["~not registered"]};
        "POST sys/plugins/pins/secret/echo", {} => 400, {"errors": ["~version must be specified"]};
        "POST sys/plugins/pins/secret/echo", {"version": "v2.0.0-aaaa"} => 204;
        "GET sys/plugins/pins" => 200, {"data": {"pinned_versions": [{"name": "echo", "type": "secret", "version": "v2.0.0-aaaa"}]}};
        "GET e/version" => 200, {"data": {"version": "1.0.0-aaaa"}};
        "POST sys/plugins/reload/secret/echo" => 204;
        "GET e/version" => 200, {"data": {"version": "2.0.0-aaaa"}};
        "DELETE sys/plugins/pins/secret/echo" => 204;
        "POST sys/plugins/reload/backend", {"plugin": "echo", "scope": "global"} => 202, {"data": {"reload_id": "*"}};
        "GET e/version" => 200, {"data": {"version": "3.0.0-aaaa"}};
        "POST sys/plugins/reload/backend", {"mounts": "e/"} => 204;
        "POST sys/plugins/reload/backend", {"mounts": ["nowhere"]} => 400, {"errors": ["~no plugin mounted"]};
        "POST sys/plugins/reload/backend", {} => 400, {"errors": ["~plugin or mounts"]};
        "POST sys/plugins/reload/backend", {"plugin": "nobody"} => 404, {"errors": ["~no plugin"]};
        "POST sys/plugins/reload/secret/kv" => 204;
        "GET sys/plugins/runtimes/catalog" => 200, {"data": {"runtimes": [{"type": "wasm"}]}};
        "POST sys/plugins/runtimes/catalog/container/x", {} => 400, {"errors": ["~sandbox"]};
    }
}

#[test]
fn what_a_plugin_asks_for_is_granted_first() {
    let server = Server::dev().unwrap();
    let client = server.client();
    register(&client, &echo("1.0.0-aaaa"), json!({})).ok();
    let needs = json!({"network": ["api.example.com:443"], "memory": 134_217_728, "deadline": 10});
    let done = register(&client, &asking("2.0.0-aaaa", needs), json!({}));
    let warning = done.body["warnings"].to_string();
    assert!(
        warning.contains("asks for network:api.example.com:443, memory:134217728"),
        "{warning}"
    );
    check! { client;
        "POST sys/mounts/e", {"type": "echo"} => 204;
        "POST sys/plugins/reload/secret/echo" => 200, {"warnings": ["~waits for an operator to grant it network:api.example.com:443"]};
        "GET e/version" => 200, {"data": {"version": "1.0.0-aaaa"}};
        "POST sys/mounts/e/tune", {"plugin_version": "2.0.0-aaaa"} => 400, {"errors": ["~waits for an operator"]};
        "GET sys/plugins/grants/secret/echo" => 200, {"data": {
            "asks": {"v1.0.0-aaaa": [], "v2.0.0-aaaa": ["network:api.example.com:443", "memory:134217728", "deadline:10"]},
            "granted": {},
            "waits_for": {"v2.0.0-aaaa": ["network:api.example.com:443", "memory:134217728"]}}};
        "POST sys/plugins/grants/secret/echo", {"capabilities": ["network:evil.example:443"]} => 400, {"errors": ["~no version of echo asks for"]};
        "POST sys/plugins/grants/secret/echo", {"capabilities": ["everything"]} => 400, {"errors": ["~no capability"]};
        "POST sys/plugins/grants/secret/echo", {"capabilities": ["memory:134217728"]} => 204;
        "POST sys/plugins/reload/secret/echo" => 200, {"warnings": ["~grant it network:api.example.com:443;"]};
        "POST sys/plugins/grants/secret/echo", {"version": "2.0.0-aaaa"} => 204;
        "POST sys/plugins/reload/secret/echo" => 204;
        "GET e/version" => 200, {"data": {"version": "2.0.0-aaaa"}};
        "GET sys/plugins/grants/secret/echo" => 200, {"data": {"granted": {"network:api.example.com:443": {"by": "root", "at": "*"}}, "waits_for": {}}};
        // Taken back: what runs with it runs no more, and says why.
        "DELETE sys/plugins/grants/secret/echo?capabilities=network:api.example.com:443" => 204;
        "GET e/version" => 503, {"errors": ["~mount \"e/\" is unavailable: plugin echo v2.0.0-aaaa waits for an operator"]};
        "GET sys/mounts/e" => 200, {"data": {"unavailable": "~waits for"}};
    }
}

#[test]
fn a_mount_reaches_what_its_configuration_names_and_nothing_else() {
    let server = Server::dev().unwrap();
    let client = server.client();
    let asking = asking("1.0.0-aaaa", json!({"network": ["configuration"]}));
    register(&client, &asking, json!({})).ok();
    register(&client, &echo("1.0.1-aaaa"), json!({})).ok();
    let health = format!("{}/v1/sys/health", client.url());
    let fetch = |mount: &str, url: &str| client.get(&format!("{mount}/fetch?url={url}"));
    let refused = |mount: &str, url: &str| {
        let reply = fetch(mount, url);
        assert_eq!(reply.status, 403, "{reply:?}");
        assert!(reply.errors().contains("is not granted"), "{reply:?}");
    };
    check! { client;
        "POST sys/mounts/e", {"type": "echo"} => 204;
        "POST sys/mounts/other", {"type": "echo"} => 204;
    }
    refused("e", &health);
    // Somebody without a token grants nothing.
    let nobody = client.with_token("");
    nobody.post("e/open", json!({"url": health})).ok();
    refused("e", &health);
    client.post("e/server", json!({"url": health})).ok();
    assert_eq!(fetch("e", &health).number("/data/status"), 200);
    refused("e", "http://127.0.0.1:1/");
    refused("other", &health);
    check! { client;
        "GET e/fetch?url=ftp://x" => 400, {"errors": ["~no URL of http"]};
        "DELETE e/server" => 204;
    }
    refused("e", &health);
    // One that never asked for it does not get it by being configured.
    check! { client; "POST sys/mounts/e/tune", {"plugin_version": "1.0.1-aaaa"} => 204; }
    client.post("e/server", json!({"url": health})).ok();
    refused("e", &health);
}

#[test]
fn what_is_wrong_with_a_component_is_said() {
    let server = Server::dev().unwrap();
    let client = server.client();
    let good = echo("1.0.0-aaaa");
    register(&client, &good, json!({})).ok();
    let bare = plugin::build("tests/guests/echo");
    let text = |wat: &str| wat::parse_str(wat).unwrap();
    let importing = |import: &str| {
        text(&format!(
            r#"(component (import "{import}" (instance)) (instance $e) (export "coffer:plugin/engine@0.1.0" (instance $e)))"#
        ))
    };
    let manifest = json!({"kind": "secret", "name": "echo", "version": "1.0.0-aaaa"});
    let named = |component: &[u8]| plugin::with_manifest(component, &manifest);
    let of_kind = |kind: &str| {
        let manifest = json!({"kind": kind, "name": "echo", "version": "7.7.7-echo"});
        plugin::with_manifest(&bare, &manifest)
    };
    let lying = plugin::with_manifest(
        &bare,
        &json!({"kind": "secret", "name": "echo", "version": "6.0.0"}),
    );
    let none = json!({});
    #[rustfmt::skip]
    let table: Vec<(Vec<u8>, Value, &str)> = vec![
        (b"\0asm\x01\0\0\0".to_vec(), none.clone(), "it is a core module"),
        (b"hello".to_vec(), none.clone(), "not a WebAssembly component"),
        (good[..good.len() / 2].to_vec(), none.clone(), "truncated"),
        (bare.clone(), none.clone(), "it has no manifest"),
        (named(&text("(component)")), none.clone(), "it is for another world: it exports nothing"),
        (named(&importing("wasi:http/outgoing-handler@0.2.0")), none.clone(), "use `coffer:plugin/http`"),
        (named(&importing("coffer:plugin/shell@0.1.0")), none.clone(), "which the contract does not offer"),
        (named(&importing("wbindgen:placeholder/x")), none.clone(), "which is for browsers: the crates `getrandom`"),
        (of_kind("auth"), none.clone(), "it is for auth, not for secret"),
        (lying, none.clone(), "its version is 7.7.7-echo, but its manifest says 6.0.0"),
        (echo("1.0.0-bbbb"), json!({"version": "2.0.0"}), "it is version 1.0.0-bbbb of itself, not 2.0.0"),
        (echo("1.0.0-bbbb"), json!({"version": "two"}), "\"two\" is no semantic version"),
        (echo("1.0.0-bbbb"), json!({"sha256": "00"}), "the component has the SHA-256"),
        (asking("1.0.0-aaaa", json!({"periodic": true})), none.clone(), "is registered with another component"),
        (good.clone(), json!({"replace": true, "oci_image": "x"}), "coffer plugin register` takes oci://"),
        (good.clone(), json!({"key": "x"}), "the key is no public key in PEM"),
        (good.clone(), json!({"signatures": [{"signature": "!"}]}), "the signature is not base64"),
        (good.clone(), json!({"signatures": "x"}), "signatures:"),
    ];
    for (component, more, expected) in table {
        let reply = register(&client, &component, more);
        assert_eq!(reply.status, 400, "{expected}: {reply:?}");
        assert!(reply.errors().contains(expected), "{expected}: {reply:?}");
    }
    check! { client;
        "POST sys/plugins/catalog/secret/echo", {} => 400, {"errors": ["~there is nothing to register"]};
        "POST sys/plugins/catalog/secret/echo", {"component": "?"} => 400, {"errors": ["~not base64"]};
        "POST sys/plugins/catalog/secret/echo", {"command": "x"} => 400, {"errors": ["missing SHA-256 value"]};
        "POST sys/plugins/catalog/secret/echo", {"command": "x", "sha256": "0"} => 400, {"errors": ["~names no plugin_directory"]};
        "POST sys/plugins/catalog/gadget/echo", {} => 400, {"errors": ["~plugin type"]};
        "POST sys/plugins/catalog/secret/a%20b", {"component": "AA=="} => 400, {"errors": ["~no name for a plugin"]};
        "GET sys/plugins/catalog/secret/echo" => 200, {"data": {"version": "v1.0.0-aaaa"}};
    }
}

#[test]
fn a_version_that_does_not_load_never_takes_over() {
    let (mut server, keys) = Server::ready().unwrap();
    let client = server.client();
    register(&client, &echo("1.0.0-aaaa"), json!({})).ok();
    let done = register(&client, &echo("2.0.0-aaaa"), json!({}));
    let sha256 = done.text("/data/sha256");
    client.post("sys/mounts/e", json!({"type": "echo"})).ok();
    // The bytes of the new one are gone from the store.
    server.kill9();
    tamper(&server, |key, _| key.contains(&sha256).then_some(None));
    server.start().unwrap();
    server.unseal(&keys).unwrap();
    check! { client;
        "POST sys/plugins/reload/secret/echo" => 400, {"errors": ["~echo v2.0.0-aaaa does not take over: the component cannot be had"]};
        "GET e/version" => 200, {"data": {"version": "1.0.0-aaaa"}};
        "POST sys/mounts/f", {"type": "echo", "plugin_version": "2.0.0-aaaa"} => 400, {"errors": ["~is not stored here"]};
    }
}

/// Changes what a stopped server has stored: for each key, None leaves it, `Some(None)` removes it.
fn tamper(server: &Server, change: impl Fn(&str, &[u8]) -> Option<Option<Vec<u8>>>) {
    use coffer_storage::{Batch, Op, RedbOptions, RedbStorage, Storage};
    let file = server.folder().join("coffer.redb/coffer.redb");
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let storage = RedbStorage::open(&file, RedbOptions::default()).unwrap();
        let snapshot = storage.snapshot().unwrap();
        let mut ops = Vec::new();
        for key in snapshot.list("", None, usize::MAX).await.unwrap() {
            let entry = snapshot.get(&key).await.unwrap().unwrap();
            match change(&key, &entry.value) {
                None => {}
                Some(None) => ops.push(Op::Delete { key }),
                Some(Some(value)) => ops.push(Op::Put {
                    key,
                    value: value.into(),
                }),
            }
        }
        let batch = Batch {
            require: Vec::new(),
            ops,
        };
        storage.commit(batch).await.unwrap();
    });
}

/// What was done to the store, and what the mount says then.
type Damage = (
    &'static str,
    fn(&str, &[u8]) -> Option<Option<Vec<u8>>>,
    &'static str,
);

#[test]
fn whatever_is_wrong_with_a_component_the_server_unseals_and_the_others_serve() {
    fn bytes(key: &str) -> bool {
        key.starts_with("plugin/bytes/") || key.starts_with("plugin/code/")
    }
    #[rustfmt::skip]
    let damages: [Damage; 5] = [
        ("all is well", |_, _| None, ""),
        ("a garbled cache is no harm", |key, value| key.starts_with("plugin/code/").then(|| Some(vec![0; value.len()])), ""),
        ("a cut piece", |key, value| key.starts_with("plugin/bytes/").then(|| Some(value[..value.len() / 2].to_vec())), "the component cannot be had"),
        ("deleted", |key, _| bytes(key).then_some(None), "is not stored here"),
        ("the entry is gone", |key, _| key.starts_with("plugin/entry/").then_some(None), "plugin not found in the catalog: echo"),
    ];
    let (mut server, keys) = Server::ready().unwrap();
    let client = server.client();
    register(&client, &echo("1.0.0-aaaa"), json!({})).ok();
    check! { client;
        "POST sys/mounts/e", {"type": "echo"} => 204;
        "POST sys/mounts/kv", {"type": "kv"} => 204;
        "POST kv/a", {"x": "1"} => 204;
    }
    for (what, damage, expected) in damages {
        server.kill9();
        tamper(&server, damage);
        server.start().unwrap();
        server.unseal(&keys).unwrap();
        check! { client; "GET kv/a" => 200, {"data": {"x": "1"}}; }
        // What has to be compiled anew takes its time; the others do not wait for it.
        let mut reply = client.get("e/version");
        until(Duration::from_secs(120), "it is compiled", || {
            reply = client.get("e/version");
            !reply.errors().contains("is being compiled")
        });
        if expected.is_empty() {
            assert_eq!(reply.text("/data/version"), "1.0.0-aaaa", "{what}");
        } else {
            assert_eq!(reply.status, 503, "{what}: {reply:?}");
            assert!(reply.errors().contains(expected), "{what}: {reply:?}");
        }
    }
    // It can be registered again, and the mount serves; or it can be disabled.
    register(&client, &echo("1.0.0-aaaa"), json!({})).ok();
    assert_eq!(runs(&client, "e"), "1.0.0-aaaa");
    check! { client; "DELETE sys/mounts/e" => 204; }
}

#[test]
fn two_who_register_at_once_both_succeed() {
    let server = Server::dev().unwrap();
    let client = server.client();
    let versions: Vec<String> = (0..4).map(|n| format!("1.{n}.0-aaaa")).collect();
    thread::scope(|scope| {
        for version in &versions {
            let client = client.clone();
            scope.spawn(move || register(&client, &echo(version), json!({})).ok());
        }
    });
    for version in &versions {
        client
            .get(&format!(
                "sys/plugins/catalog/secret/echo?version={version}"
            ))
            .ok();
        client
            .post(
                &format!("sys/mounts/m{version}"),
                json!({"type": "echo", "plugin_version": version}),
            )
            .ok();
        assert_eq!(runs(&client, &format!("m{version}")), *version);
    }
}

const CLIENTS: usize = 32;
const SWAPS: usize = 200;

#[test]
fn two_hundred_swaps_under_load_fail_no_request() {
    let server = Server::dev().unwrap();
    let client = server.client();
    let versions = ["1.0.0-aaaa", "2.0.0-aaaa"];
    for version in versions {
        register(&client, &echo(version), json!({})).ok();
    }
    client.post("sys/mounts/e", json!({"type": "echo"})).ok();
    client.post("e/kept/a", json!({"value": "x"})).ok();
    let (done, served) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let client = client.clone();
                while !done.load(Ordering::Relaxed) {
                    let reply = client.get("e/kept/a");
                    assert_eq!(reply.status, 200, "{reply:?}");
                    assert_eq!(reply.body["data"]["value"], "x");
                    assert!(versions.contains(&reply.text("/data/version").as_str()));
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut warm = 0;
        for swap in 0..SWAPS {
            if swap == SWAPS / 10 {
                warm = server.resident();
            }
            let version = versions[swap % 2];
            client
                .post("sys/plugins/pins/secret/echo", json!({"version": version}))
                .ok();
            client
                .post("sys/plugins/reload/secret/echo", json!({}))
                .ok();
            assert_eq!(runs(&client, "e"), version);
        }
        done.store(true, Ordering::Relaxed);
        // Each version that was swapped out would be some 2 MiB of code.
        let grown = server.resident().saturating_sub(warm);
        assert!(
            grown < 64 << 10,
            "{grown} KiB more than after the first swaps"
        );
    });
    println!(
        "{SWAPS} swaps beside {} requests",
        served.load(Ordering::Relaxed)
    );
}
