//! What the sandbox costs: a KV read in the component beside the same engine's own functions, on one thread.
//! `cargo bench -p coffer-runtime --bench sandbox`; `-- seconds` sets how long each round is.
//!
//! The component's call has everything that a server's has: a transaction over the barrier, storage that is decrypted, the
//! way in and out of the sandbox. The native one has the same engine over a map in memory, so the difference is more than
//! the sandbox alone. What share of a whole request that is, is told by the processor time of a KV read over HTTP, which
//! `cargo xtask bench --only kv-read` measures.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use coffer_runtime::{Caller, Component, MountContext, Operation, Request};
use coffer_sdk::testing::Host;
use serde_json::{Value, json};
use support::{
    Fixture, Granting, Kind, builtin, component, cpu_time, fixture_with, mount, token, wanted,
};

const ROUNDS: usize = 5;

fn main() {
    let seconds = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next()
        .unwrap_or(2.0);
    let length = Duration::from_secs_f64(seconds);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (fixture, kv) = runtime.block_on(async {
        let fixture = fixture_with(&[builtin(Kind::Secret, "kv", compiled())]).await;
        let (_, kv) = fixture
            .catalog
            .get(wanted(Kind::Secret, "kv"))
            .await
            .unwrap();
        (fixture, kv)
    });
    let mount = Arc::new(mount("kv"));
    let secret = json!({ "data": { "username": "user-1", "password": "correct horse battery staple", "number": 1 } });
    runtime.block_on(async {
        let outcome = call(&fixture, &kv, &mount, token("t"), Operation::Write, &secret).await;
        outcome.txn.unwrap().commit().await.unwrap();
    });
    let host = Host::new().options(json!({ "version": "2" }));
    let write = coffer_sdk::Operation::Write;
    host.call(&kv::KV, write, "data/app", secret).unwrap();

    let (mut kept, mut fresh, mut native) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (into, caller) in [(&mut kept, token("t")), (&mut fresh, Caller::Anonymous)] {
            into.push(runtime.block_on(per_call(length, async || {
                let none = json!({});
                let outcome = call(
                    &fixture,
                    &kv,
                    &mount,
                    caller.clone(),
                    Operation::Read,
                    &none,
                )
                .await;
                assert!(outcome.result.unwrap().unwrap().data.is_some());
            })));
        }
        native.push(runtime.block_on(per_call(length, async || {
            let read = native_request();
            let answer = coffer_sdk::dispatch::handle(&kv::KV, read).unwrap();
            assert!(answer.data.is_some());
        })));
    }
    let [kept, fresh, native] = [kept, fresh, native].map(median);
    println!("KV read, processor time per call in µs, medians of {ROUNDS} rounds");
    println!("  component, instance kept   {kept:>8.2}");
    println!("  component, instance fresh  {fresh:>8.2}");
    println!("  native, over a map         {native:>8.2}");
    println!("  at most for the sandbox    {:>8.2}", kept - native);
    drop(host);
}

/// The built-in engine, as `cargo xtask build` makes it.
fn compiled() -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = root.join("target/guests");
    let done = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--lib",
            "--profile",
            "component",
            "--package",
            "kv",
        ])
        .args(["--target", "wasm32-unknown-unknown", "--target-dir"])
        .arg(&target)
        .current_dir(&root)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", r#"--cfg=getrandom_backend="custom""#)
        .status()
        .unwrap();
    assert!(done.success(), "kv does not build");
    component(&std::fs::read(target.join("wasm32-unknown-unknown/component/kv.wasm")).unwrap())
}

async fn call(
    fixture: &Fixture,
    kv: &Arc<Component>,
    mount: &Arc<MountContext>,
    caller: Caller,
    operation: Operation,
    data: &Value,
) -> coffer_runtime::Outcome<coffer_runtime::Response> {
    let request = Request {
        operation,
        ..support::request("data/app", data.clone())
    };
    let txn = fixture.barrier.begin().unwrap();
    fixture
        .plugins
        .handle(kv, mount, caller, txn, Arc::new(Granting), request)
        .await
}

fn native_request() -> coffer_sdk::bindings::plugin::exports::coffer::plugin::engine::Request {
    use coffer_sdk::bindings::plugin::exports::coffer::plugin::engine;
    engine::Request {
        operation: engine::Operation::Read,
        path: "data/app".to_owned(),
        data: "{}".to_owned(),
        caller: engine::Caller {
            display_name: String::new(),
            token: String::new(),
            remote_address: "127.0.0.1".to_owned(),
        },
    }
}

/// Processor time of one call, in microseconds.
async fn per_call(length: Duration, mut call: impl AsyncFnMut()) -> f64 {
    let (until, before) = (Instant::now() + length, cpu_time());
    let mut calls = 0_u64;
    while Instant::now() < until {
        for _ in 0..64 {
            call().await;
        }
        calls += 64;
    }
    (cpu_time() - before).as_secs_f64() * 1e6 / calls as f64
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
