//! Guests, through the door that the core uses.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use coffer_runtime::{Builtin, CallError, ErrorKind, Lease, LeaseKind, LoadError, MountContext};
use serde_json::json;
use support::{Granting, Kind, builtin, fixture, guest, mount, request, token, wanted};

#[tokio::test]
async fn a_plugin_sees_its_request_its_mount_and_its_storage() {
    let fixture = fixture().await;
    let mount = Arc::new(mount("kv"));
    let ask = async |path: &str, data| fixture.ask(&mount, token("t"), path, data).await.unwrap();
    assert_eq!(
        ask("echo", json!({"a": [1, "ü"]})).await,
        json!({"a": [1, "ü"]})
    );
    let info = json!({"path": "kv/", "accessor": "guest_kv", "options": {"version": "2"}, "default": 3600, "max": 7200});
    assert_eq!(ask("mount", json!({})).await, info);
    ask("put", json!({"key": "a/b", "value": "1"})).await;
    ask("put", json!({"key": "a/c/d", "value": "2"})).await;
    ask("put", json!({"key": "e", "value": "3"})).await;
    assert_eq!(
        ask("get", json!({"key": "a/b"})).await,
        json!({"value": "1"})
    );
    assert_eq!(
        ask("get", json!({"key": "nothing"})).await,
        json!({"value": null})
    );
    assert_eq!(
        ask("scan", json!({"prefix": "a/", "limit": 10})).await,
        json!({"keys": ["a/b", "a/c/d"]})
    );
    assert_eq!(
        ask("scan", json!({"prefix": "", "after": "a/b", "limit": 1})).await,
        json!({"keys": ["a/c/d"]})
    );
    assert_eq!(
        ask("children", json!({"prefix": "", "limit": 10})).await,
        json!({"keys": ["a/", "e"]})
    );
    assert_eq!(
        ask(
            "children",
            json!({"prefix": "a/", "after": "b", "limit": 10})
        )
        .await,
        json!({"keys": ["c/"]})
    );
    ask("delete", json!({"key": "e"})).await;
    assert_eq!(
        ask("get", json!({"key": "e"})).await,
        json!({"value": null})
    );
    assert_eq!(
        fixture.stored("ns/root/mount/kv/a/b").await,
        Some(b"1".to_vec())
    );
    let random = ask("random", json!({"len": 32})).await;
    assert_eq!(random["bytes"].as_array().map(Vec::len), Some(32));
    assert_eq!(
        ask("password", json!({"policy": "letters"})).await,
        json!({"password": "abc"})
    );
    let error = fixture
        .ask(&mount, token("t"), "password", json!({"policy": "x"}))
        .await;
    assert_eq!(
        error,
        Err("ErrorKind::NotFound: no password policy found".to_owned())
    );
    assert!(ask("now", json!({})).await["now"].as_u64() > Some(1_700_000_000_000));

    let error = fixture
        .ask(
            &mount,
            token("t"),
            "fail",
            json!({"message": "no such role"}),
        )
        .await;
    assert_eq!(error, Err("ErrorKind::NotFound: no such role".to_owned()));
}

#[tokio::test]
async fn the_other_calls_reach_the_plugin() {
    let fixture = fixture().await;
    let mount = Arc::new(mount("kv"));
    let begin = || fixture.barrier.begin().unwrap();
    let (plugins, plugin) = (&fixture.plugins, &fixture.plugin);
    let exists = plugins
        .exists(
            plugin,
            &mount,
            token("t"),
            begin(),
            request("ticked", json!({})),
        )
        .await;
    assert_eq!(exists.result, Ok(Ok(Some(false))));
    let tick = plugins.tick(plugin, &mount, begin()).await;
    assert_eq!(tick.result, Ok(Ok(())));
    tick.txn.unwrap().commit().await.unwrap();
    let exists = plugins
        .exists(
            plugin,
            &mount,
            token("t"),
            begin(),
            request("ticked", json!({})),
        )
        .await;
    assert_eq!(exists.result, Ok(Ok(Some(true))));
    let lease = Lease {
        lease_id: "x".to_owned(),
        kind: LeaseKind::Secret,
        path: "creds/a".to_owned(),
        internal: r#"{"user":"u"}"#.to_owned(),
        issued: 1,
        expires: 2,
    };
    let renewal = plugins
        .renew(plugin, &mount, begin(), lease.clone(), 77)
        .await;
    assert_eq!(renewal.result.unwrap().unwrap().ttl, 77);
    let revoked = plugins.revoke(plugin, &mount, begin(), lease).await;
    assert!(!revoked.touched);
    revoked.txn.unwrap().commit().await.unwrap();
    assert_eq!(
        fixture.stored("ns/root/mount/kv/revoked/x").await,
        Some(br#"{"user":"u"}"#.to_vec())
    );
}

#[tokio::test]
async fn an_instance_ends_after_a_failure_and_after_a_thousand_calls() {
    let fixture = fixture().await;
    let mount = Arc::new(mount("kv"));
    let count = async || {
        let answer = fixture
            .ask(&mount, token("t"), "remember", json!({"secret": ""}))
            .await
            .unwrap();
        answer["remembered"].as_array().unwrap().len()
    };
    assert_eq!((count().await, count().await), (1, 2));
    // A plugin's own error is no failure of the instance.
    fixture
        .ask(&mount, token("t"), "fail", json!({"message": ""}))
        .await
        .unwrap_err();
    assert_eq!(count().await, 3);
    fixture
        .ask(&mount, token("t"), "panic", json!({}))
        .await
        .unwrap_err();
    assert_eq!(count().await, 1);
    for call in 2..=1000 {
        assert_eq!(count().await, call);
    }
    assert_eq!(count().await, 1);
    // A call that is given up takes its instance with it.
    let given_up = tokio::time::timeout(
        Duration::from_millis(20),
        fixture.call(&mount, token("t"), "spin", json!({})),
    );
    assert!(given_up.await.is_err());
    assert_eq!(count().await, 1);
}

#[tokio::test]
async fn a_call_that_fails_leaves_nothing() {
    let fixture = fixture().await;
    let mount = Arc::new(mount("kv"));
    let outcome = fixture
        .call(&mount, token("t"), "put-then-panic", json!({"key": "half"}))
        .await;
    assert_eq!(
        outcome.result.unwrap_err(),
        CallError::Trap("wasm `unreachable` instruction executed".to_owned())
    );
    assert!(outcome.txn.is_none());
    let outcome = fixture
        .call(&mount, token("t"), "fail", json!({"message": "m"}))
        .await;
    assert_eq!(
        outcome.result.unwrap().unwrap_err().kind,
        ErrorKind::NotFound
    );
    assert!(outcome.txn.is_none());
    assert_eq!(fixture.stored("ns/root/mount/kv/half").await, None);
}

#[tokio::test]
async fn prepare_makes_the_lease_durable_and_forbids_a_second_run() {
    let fixture = fixture().await;
    let mount = Arc::new(mount("db"));
    let outcome = fixture
        .call(
            &mount,
            token("t"),
            "prepare",
            json!({"ttl": 60, "internal": "{\"u\":1}"}),
        )
        .await;
    assert!(outcome.touched);
    assert_eq!(outcome.lease.unwrap().lease_id, "lease-1");
    let data = outcome.result.unwrap().unwrap().data.unwrap();
    assert_eq!(
        data.get(),
        r#"{"expires":1000,"lease_id":"lease-1","ttl":60}"#
    );
    // It is there although nobody has committed the rest.
    assert_eq!(
        fixture.stored("leases/1").await,
        Some(b"{\"u\":1}".to_vec())
    );
    let data = json!({"ttl": 60, "internal": "{}", "withdraw": true});
    let outcome = fixture.call(&mount, token("t"), "prepare", data).await;
    assert!(outcome.touched && outcome.lease.is_none());

    let short = Arc::new(MountContext {
        deadline: Duration::from_millis(100),
        ..support::mount("db")
    });
    let outcome = fixture
        .call(&short, token("t"), "prepare", json!({"spin": true}))
        .await;
    assert_eq!(outcome.result.unwrap_err(), CallError::Deadline(100));
    assert!(
        outcome.touched && outcome.lease.is_some(),
        "what was prepared is known although the call was cut off"
    );

    #[rustfmt::skip]
    let table = [
        (json!({"twice": true}), "a request can have one lease only"),
        (json!({"internal": "{"}), "the lease's internal data is not JSON: EOF while parsing an object at line 1 column 1"),
        (json!({"internal": format!("\"{}\"", "x".repeat(65_536))}), "the lease's internal data has 65538 bytes; 65536 are allowed"),
        (json!({"group": "g".repeat(257)}), "the lease's group has 257 bytes; 256 are allowed"),
    ];
    for (data, expected) in table {
        let answer = fixture.ask(&mount, token("t"), "prepare", data).await;
        assert_eq!(answer, Err(format!("ErrorKind::Internal: {expected}")));
    }
    let begin = || fixture.barrier.begin().unwrap();
    let tick = fixture.plugins.tick(&fixture.plugin, &mount, begin()).await;
    assert!(!tick.touched);
}

/// Two calls read the same; the first to commit wins, and the other is told to run again before it touches anything.
#[tokio::test]
async fn a_conflict_unwinds_the_guest() {
    let fixture = fixture().await;
    let mount = Arc::new(mount("kv"));
    let old = fixture.barrier.begin().unwrap();
    assert_eq!(
        fixture.ask(&mount, token("a"), "count", json!({})).await,
        Ok(json!({"count": 1}))
    );
    let data = json!({"prepare": true});
    let handle = async |txn| {
        let (plugins, plugin) = (&fixture.plugins, &fixture.plugin);
        plugins
            .handle(
                plugin,
                &mount,
                token("b"),
                txn,
                Arc::new(Granting),
                request("count", data.clone()),
            )
            .await
    };
    let outcome = handle(old).await;
    assert_eq!(
        outcome.result.unwrap_err(),
        CallError::Conflict("ns/root/mount/kv/count".to_owned())
    );
    assert!(!outcome.touched && outcome.txn.is_none() && outcome.lease.is_none());
    let again = handle(fixture.barrier.begin().unwrap()).await;
    assert_eq!(
        again.result.unwrap().unwrap().data.unwrap().get(),
        r#"{"count":2}"#
    );
    assert!(again.touched);
    assert_eq!(
        fixture
            .stored("ns/root/mount/kv/count")
            .await
            .map(|value| value.len()),
        Some(2)
    );
}

#[tokio::test]
async fn more_callers_than_instances_wait_their_turn() {
    let fixture = Arc::new(fixture().await);
    let calls = (0..700).map(|caller| {
        let fixture = fixture.clone();
        // More mounts than have room together.
        let mount = mount(&format!("kv{}", caller % 7));
        // All hold their instance until their deadline, or answer at once.
        let mount = Arc::new(MountContext {
            deadline: if caller % 2 == 0 {
                Duration::from_millis(300)
            } else {
                mount.deadline
            },
            ..mount
        });
        tokio::spawn(async move {
            let path = if caller % 2 == 0 { "spin" } else { "noop" };
            fixture
                .call(&mount, token(&caller.to_string()), path, json!({}))
                .await
                .result
                .map(|_| ())
        })
    });
    for (caller, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        let expected = if caller % 2 == 0 {
            Err(CallError::Deadline(300))
        } else {
            Ok(())
        };
        assert_eq!(call.await.unwrap(), expected);
    }
}

#[tokio::test]
async fn what_is_no_plugin_says_why() {
    let fixture = fixture().await;
    let get = async |builtin: Builtin| {
        let catalog = fixture.catalog_of(&[builtin]);
        let found = catalog.get(wanted(builtin.kind, builtin.name)).await;
        found.map(|_| ()).unwrap_err()
    };
    let nothing = fixture.catalog.get(wanted(Kind::Secret, "nothing")).await;
    assert_eq!(
        nothing.map(|_| ()),
        Err(LoadError::Unknown("nothing".to_owned()))
    );
    let empty = wat::parse_str("(component)").unwrap();
    #[rustfmt::skip]
    let table: [(&[u8], &str); 3] = [
        (&empty, "no exported instance named `coffer:plugin/engine@0.1.0`"),
        (b"\0asm\x01\0\0\0", "attempted to parse a wasm module with a component parser"),
        (b"garbage", "magic header not detected"),
    ];
    for (bytes, reason) in table {
        let LoadError::Contract(text) = get(builtin(Kind::Secret, "x", bytes.to_vec())).await
        else {
            panic!("{bytes:?} was loaded")
        };
        assert!(text.contains(reason), "{bytes:?}: {text}");
    }
    // The guest, with another version written over its own.
    let mut renamed = guest("plugin");
    while let Some(at) = renamed.windows(5).position(|found| found == b"1.2.3") {
        renamed[at..at + 5].copy_from_slice(b"1 2 3");
    }
    let refused = get(builtin(Kind::Secret, "renamed", renamed)).await;
    assert_eq!(
        refused.to_string(),
        "the component's description is refused: version \"1 2 3\" is no version"
    );
    // A backend is no plugin.
    let backend = wanted(Kind::Database, "backend");
    let (_, backend) = fixture.catalog.get(backend).await.unwrap();
    let txn = fixture.barrier.begin().unwrap();
    let outcome = fixture
        .plugins
        .tick(&backend, &Arc::new(mount("kv")), txn)
        .await;
    let expected = LoadError::WrongKind {
        name: "backend".to_owned(),
        expected: "secret or auth",
    };
    assert_eq!(outcome.result.unwrap_err(), CallError::Load(expected));
    assert_eq!(backend.backend().unwrap().default_port, 5432);
    assert_eq!(
        (
            fixture.plugin.version(),
            fixture.plugin.plugin().unwrap().name.as_str()
        ),
        ("1.2.3", "guest")
    );
    assert_eq!(fixture.plugin.sha256.len(), 64);
}

/// Compiled code that is not what the build made is not run: the component is compiled again.
#[tokio::test]
async fn doubtful_compiled_code_is_not_used() {
    let fixture = fixture().await;
    let plain = builtin(Kind::Database, "b", guest("backend"));
    let hash = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    for (compiled, compiled_sha256) in [(&b""[..], ""), (b"foo", hash), (b"foo", "00")] {
        let catalog = fixture.catalog_of(&[Builtin {
            compiled,
            compiled_sha256,
            ..plain
        }]);
        let (_, backend) = catalog.get(wanted(Kind::Database, "b")).await.unwrap();
        assert!(backend.backend().is_some());
    }
}
