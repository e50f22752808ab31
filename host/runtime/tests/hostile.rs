//! Guests with malice, and what becomes of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use coffer_runtime::{CallError, Caller, MountContext};
use serde_json::json;
use support::{Granting, Kind, builtin, fixture, guest, mount, request, token, wanted};

#[tokio::test]
async fn nobody_reads_what_another_left_in_memory() {
    let fixture = fixture().await;
    let (kv, other) = (Arc::new(mount("kv")), Arc::new(mount("other")));
    let remembered = async |mount: &Arc<MountContext>, caller: Caller, secret: &str| {
        let answer = fixture
            .ask(mount, caller, "remember", json!({"secret": secret}))
            .await
            .unwrap();
        answer["remembered"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s.as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(remembered(&kv, token("alice"), "a1").await, ["a1"]);
    // The same caller on the same mount may find its own instance again.
    assert_eq!(remembered(&kv, token("alice"), "a2").await, ["a1", "a2"]);
    for (mount, caller) in [
        (&kv, token("bob")),
        (&other, token("alice")),
        (&kv, Caller::Host),
        (&kv, Caller::Anonymous),
        (&kv, Caller::Anonymous),
    ] {
        assert_eq!(remembered(mount, caller, "x").await, ["x"]);
    }
    assert_eq!(remembered(&kv, token("bob"), "b2").await, ["x", "b2"]);
    // A new version of the component starts afresh.
    let again = fixture.catalog_of(&[builtin(Kind::Secret, "guest", guest("plugin"))]);
    let (_, again) = again.get(wanted(Kind::Secret, "guest")).await.unwrap();
    let outcome = fixture
        .plugins
        .handle(
            &again,
            &kv,
            token("alice"),
            fixture.barrier.begin().unwrap(),
            Arc::new(Granting),
            request("remember", json!({"secret": "n"})),
        )
        .await;
    assert_eq!(
        outcome.result.unwrap().unwrap().data.unwrap().get(),
        r#"{"remembered":["n"]}"#
    );
    fixture.plugins.drop_mount("kv");
    assert_eq!(remembered(&kv, token("alice"), "a3").await, ["a3"]);
    assert_eq!(remembered(&other, token("alice"), "x2").await, ["x", "x2"]);
    fixture.plugins.clear();
    assert_eq!(remembered(&other, token("alice"), "x3").await, ["x3"]);
}

#[tokio::test]
async fn attacks_end_with_their_call_and_say_why() {
    let fixture = fixture().await;
    let small = Arc::new(MountContext {
        response: 1 << 20,
        ..mount("kv")
    });
    #[rustfmt::skip]
    let table = [
        ("allocate", json!({}), "memory limit of 67108864 bytes exceeded"),
        ("recurse", json!({}), "stack overflow"),
        ("recurse-in-memory", json!({}), "trap: out of bounds memory access"),
        ("panic", json!({}), "trap: wasm `unreachable` instruction executed"),
        ("beyond", json!({"len": 1 << 30}), "trap: string pointer/length out of bounds of memory"),
        ("beyond-warnings", json!({"len": 1 << 30}), "trap: string pointer/length out of bounds of memory"),
        ("beyond-put", json!({"len": 1 << 30}), "trap: list pointer/length out of bounds of memory"),
        ("aliases", json!({"count": 2000, "len": 1 << 20}), "response too large: more than may be passed to the host at once"),
        ("aliases-out", json!({"count": 2000, "len": 1 << 20}), "response too large: more than may be passed to the host at once"),
        ("large", json!({"len": 1 << 30}), "memory limit of 67108864 bytes exceeded"),
        ("large", json!({"len": 7 << 20}), "response too large: more than may be passed to the host at once"),
        ("large", json!({"len": 2 << 20}), "response too large: data of 2097160 bytes; 1048576 are allowed"),
        ("large-warnings", json!({"len": 2}), "response too large: warnings: at most 1000 items and 65536 bytes are allowed"),
        ("warnings", json!({"count": 1001}), "response too large: warnings: at most 1000 items and 65536 bytes are allowed"),
        ("raw", json!({"text": "[]"}), "invalid response: the data is not a JSON object"),
        ("status", json!({"status": 99}), "invalid response: status 99 is not between 200 and 599"),
        ("random", json!({"len": 65_537}), "trap: 65537 random bytes asked for; 65536 are allowed at a time"),
    ];
    let before = peak_memory();
    for (path, data, expected) in table {
        let outcome = fixture.call(&small, token("t"), path, data.clone()).await;
        let error = outcome
            .result
            .map(|_| ())
            .map_err(|error| error.to_string());
        assert_eq!(error, Err(expected.to_owned()), "{path} {data}");
        assert!(outcome.txn.is_none() && !outcome.touched, "{path} {data}");
        assert_eq!(
            fixture.ask(&small, token("t"), "echo", json!({})).await,
            Ok(json!({}))
        );
    }
    let grown = peak_memory() - before;
    assert!(grown < 512 << 20, "the host has grown by {grown} bytes");
}

/// The most that this process has had, in bytes.
fn peak_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<usize>().unwrap() << 10
}

#[tokio::test]
async fn storage_in_a_loop_ends_when_the_budget_does() {
    let fixture = fixture().await;
    let mount = Arc::new(MountContext {
        deadline: Duration::from_secs(120),
        ..mount("kv")
    });
    let mut txn = fixture.barrier.begin().unwrap();
    for key in 0..2000 {
        let name = "n".repeat(900);
        txn.put(format!("ns/root/mount/kv/on/{key}{name}"), Vec::new());
    }
    txn.put("ns/root/mount/kv/large", vec![0; 1 << 20]);
    txn.commit().await.unwrap();
    let before = peak_memory();
    #[rustfmt::skip]
    let table = [
        ("put-on", json!({"len": 1 << 20})),
        ("put-on", json!({"len": 0})),
        ("get-on", json!({"key": "large"})),
        ("get-on", json!({})),
        ("delete-on", json!({})),
        ("scan-on", json!({})),
        ("children-on", json!({})),
    ];
    for (path, data) in table {
        let outcome = fixture.call(&mount, token("t"), path, data.clone()).await;
        let error = outcome
            .result
            .map(|_| ())
            .map_err(|error| error.to_string());
        let expected = "storage budget exceeded: one call may read and write 200000 keys and 67108864 bytes; more takes \
                        several calls";
        assert_eq!(error, Err(expected.to_owned()), "{path} {data}");
        assert!(outcome.txn.is_none(), "{path} {data}");
    }
    assert_eq!(fixture.stored("ns/root/mount/kv/on/0").await, None);
    let grown = peak_memory() - before;
    assert!(grown < 512 << 20, "the host has grown by {grown} bytes");
}

#[tokio::test]
async fn a_flood_of_messages_is_cut_off() {
    let fixture = fixture().await;
    let mount = Arc::new(mount("kv"));
    let written = Log::default();
    let log = tracing_subscriber::fmt()
        .with_writer(written.clone())
        .finish();
    let _here = tracing::subscriber::set_default(log);
    let log = async |count: usize, len: usize| {
        let data = json!({"count": count, "message": "m".repeat(len)});
        fixture.ask(&mount, token("t"), "log", data).await.unwrap();
        written.take()
    };
    let dropped = "what else this call logs is dropped: 1000 messages and 262144 bytes are allowed";
    for (count, len, kept) in [(5000, 3, 1000), (100, 5000, 64)] {
        let lines = log(count, len).await;
        assert_eq!(lines.len(), kept + 1, "{count} of {len}");
        assert!(lines[kept].contains(dropped), "{}", lines[kept]);
    }
    assert_eq!(log(1000, 3).await.len(), 1000, "the next call has its own");
}

/// What was logged, by lines.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn take(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A key is good for the call that opened it: no deletion, and no caller of the same instance, is got round by keeping it.
#[tokio::test]
async fn a_key_that_was_kept_is_no_good() {
    let fixture = fixture().await;
    let (kv, other) = (Arc::new(mount("kv")), Arc::new(mount("other")));
    let ask = async |mount, path, data| fixture.ask(mount, token("t"), path, data).await;
    ask(&kv, "make-key", json!({})).await.unwrap();
    for _ in 0..2 {
        // Kept, and dropped by a later call.
        ask(&kv, "keep-key", json!({})).await.unwrap();
    }
    assert_eq!(
        ask(&kv, "use-kept-key", json!({})).await,
        Err("trap: a key was used after the call that opened it had ended".to_owned())
    );
    ask(&kv, "open-keys", json!({"count": 1000})).await.unwrap();
    assert_eq!(
        ask(&kv, "open-keys", json!({"count": 1001})).await,
        Err("trap: more than 1000 keys open at a time".to_owned())
    );
    assert_eq!(
        ask(&other, "key-of", json!({})).await,
        Err("ErrorKind::Internal: no key".to_owned())
    );
    for name in ["../kv.keys/k", "/k", "", "a/../k"] {
        let refused = ask(&other, "key-of", json!({ "name": name })).await;
        assert!(
            refused.unwrap_err().contains("invalid storage key"),
            "{name}"
        );
    }
}

/// What a call was refused, and lived with, is not the reason for a later one's end.
#[tokio::test]
async fn a_call_is_not_blamed_for_an_earlier_one() {
    let fixture = fixture().await;
    let mount = Arc::new(mount("kv"));
    let refused = fixture
        .ask(
            &mount,
            token("t"),
            "try-allocate",
            json!({"len": 100 << 20}),
        )
        .await;
    assert_eq!(refused, Ok(json!({"refused": true})));
    let panicked = fixture.ask(&mount, token("t"), "panic", json!({})).await;
    assert_eq!(
        panicked,
        Err("trap: wasm `unreachable` instruction executed".to_owned())
    );
}

/// Memory is used again by other instances: with what was in it wiped, however the one before has ended.
#[tokio::test]
async fn no_memory_holds_a_trace_of_another_caller() {
    let fixture = fixture().await;
    let short = Arc::new(MountContext {
        deadline: Duration::from_millis(300),
        ..mount("kv")
    });
    let mount = Arc::new(mount("kv"));
    let trace = "the-trace-of-another-callers-secret";
    let shifted: String = trace.bytes().map(|byte| (byte + 1) as char).collect();
    let search = async |caller: Caller| {
        let data = json!({"shifted": shifted, "pages": 300});
        fixture.ask(&mount, caller, "search", data).await.unwrap()["found"]
            .as_u64()
            .unwrap()
    };
    let leave = async |caller: Caller, len: usize, then: &str| {
        let data = json!({"trace": trace, "len": len, "then": then});
        let mount = if then == "spin" { &short } else { &mount };
        fixture.ask(mount, caller, "leave", data).await
    };
    leave(token("alice"), 1 << 20, "").await.unwrap();
    let own = search(token("alice")).await;
    assert!(own > 10_000, "it would find {own} of its own");
    for len in [300 << 10, 16 << 20] {
        for then in ["", "panic", "spin"] {
            for caller in [Caller::Anonymous, token("alice")] {
                assert_eq!(leave(caller, len, then).await.is_ok(), then.is_empty());
                fixture.plugins.clear();
                for _ in 0..3 {
                    assert_eq!(search(Caller::Anonymous).await, 0, "{len} {then}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_spinning_guest_is_stopped_on_time_and_lets_others_run() {
    let fixture = fixture().await;
    let mount = Arc::new(MountContext {
        deadline: Duration::from_secs(2),
        ..mount("kv")
    });
    let started = Instant::now();
    // On the same thread, waiting for timers.
    let others = async {
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        started.elapsed()
    };
    let spin = fixture.call(&mount, token("t"), "spin", json!({}));
    let (outcome, others) = tokio::join!(spin, others);
    let took = started.elapsed();
    assert_eq!(outcome.result.unwrap_err(), CallError::Deadline(2000));
    assert!(
        took >= Duration::from_secs(2) && took < Duration::from_secs(3),
        "{took:?}"
    );
    assert!(
        others < Duration::from_secs(1),
        "the others took {others:?}"
    );
}

#[tokio::test]
async fn keys_that_break_the_rules_are_refused_by_name_of_the_rule() {
    let fixture = fixture().await;
    let mount = Arc::new(mount("kv"));
    let long = "x".repeat(1025);
    #[rustfmt::skip]
    let table = [
        ("", "invalid storage key: it is empty"),
        ("/a", "invalid storage key: it starts with a slash"),
        ("../other/a", "invalid storage key: it contains a segment \".\" or \"..\""),
        ("a/../../other/a", "invalid storage key: it contains a segment \".\" or \"..\""),
        ("a/.", "invalid storage key: it contains a segment \".\" or \"..\""),
        ("a\0b", "invalid storage key: it contains NUL"),
        (long.as_str(), "invalid storage key: it has 1025 bytes; 1024 are allowed"),
    ];
    for (key, rule) in table {
        for path in ["get", "put", "delete"] {
            let answer = fixture
                .ask(&mount, token("t"), path, json!({"key": key, "value": "v"}))
                .await;
            assert_eq!(
                answer,
                Err(format!("ErrorKind::InvalidRequest: {rule}")),
                "{path} {key:?}"
            );
        }
    }
    let answer = fixture
        .ask(
            &mount,
            token("t"),
            "scan",
            json!({"prefix": "../", "limit": 1}),
        )
        .await;
    assert_eq!(
        answer,
        Err(
            "ErrorKind::InvalidRequest: invalid storage key: it contains a segment \".\" or \"..\""
                .to_owned()
        )
    );
    let answer = fixture
        .ask(
            &mount,
            token("t"),
            "children",
            json!({"prefix": "a", "limit": 1}),
        )
        .await;
    assert_eq!(
        answer,
        Err(
            "ErrorKind::InvalidRequest: invalid storage prefix: \"a\" does not end in a slash"
                .to_owned()
        )
    );
    let answer = fixture
        .ask(
            &mount,
            token("t"),
            "put-large",
            json!({"len": (1 << 20) + 1}),
        )
        .await;
    assert_eq!(
        answer,
        Err(
            "ErrorKind::InvalidRequest: a value of 1048577 bytes is too large; 1048576 are allowed"
                .to_owned()
        )
    );
    assert_eq!(
        fixture
            .ask(&mount, token("t"), "put-large", json!({"len": 1 << 20}))
            .await,
        Ok(json!({}))
    );
}
