//! What a call costs: a fresh instance against a kept one, on one thread and on two.
//! `cargo bench -p coffer-runtime`; `-- seconds` sets how long each line is measured.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use coffer_runtime::{Caller, MountContext};
use serde_json::{Value, json};
use support::{Fixture, cpu_time, fixture, mount, token};

struct Line {
    name: &'static str,
    reused: bool,
    path: &'static str,
    data: Value,
}

fn main() {
    let seconds = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next()
        .unwrap_or(2.0);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let (fixture, mount) = runtime.block_on(async {
        let (fixture, mount) = (Arc::new(fixture().await), Arc::new(mount("kv")));
        let value = json!({"key": "a", "value": "x".repeat(200)});
        fixture.ask(&mount, token("t"), "put", value).await.unwrap();
        (fixture, mount)
    });
    let lines = [
        Line {
            name: "noop, kept",
            reused: true,
            path: "noop",
            data: json!({}),
        },
        Line {
            name: "noop, fresh",
            reused: false,
            path: "noop",
            data: json!({}),
        },
        Line {
            name: "get, kept",
            reused: true,
            path: "get",
            data: json!({"key": "a"}),
        },
        Line {
            name: "get, fresh",
            reused: false,
            path: "get",
            data: json!({"key": "a"}),
        },
    ];
    println!(
        "{:<14}{:>8}{:>12}{:>12}{:>12}{:>14}",
        "", "threads", "calls/s", "p50 µs", "p99 µs", "CPU µs/call"
    );
    for threads in [1, 2] {
        for line in &lines {
            let (calls, took, cpu, mut latencies) =
                measure(&runtime, &fixture, &mount, line, threads, seconds);
            latencies.sort_unstable();
            let at = |part: f64| {
                latencies[(latencies.len() as f64 * part) as usize].as_nanos() as f64 / 1e3
            };
            println!(
                "{:<14}{threads:>8}{:>12.0}{:>12.2}{:>12.2}{:>14.2}",
                line.name,
                calls as f64 / took.as_secs_f64(),
                at(0.5),
                at(0.99),
                cpu.as_secs_f64() * 1e6 / calls as f64,
            );
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap_or_default();
    println!("{resident}");
}

fn measure(
    runtime: &tokio::runtime::Runtime,
    fixture: &Arc<Fixture>,
    mount: &Arc<MountContext>,
    line: &Line,
    threads: usize,
    seconds: f64,
) -> (usize, Duration, Duration, Vec<Duration>) {
    let (started, cpu) = (Instant::now(), cpu_time());
    let until = started + Duration::from_secs_f64(seconds);
    let workers: Vec<_> = (0..threads)
        .map(|worker| {
            let (fixture, mount, data) = (fixture.clone(), mount.clone(), line.data.clone());
            let caller = if line.reused {
                token(&worker.to_string())
            } else {
                Caller::Anonymous
            };
            let path = line.path;
            runtime.spawn(async move {
                let mut latencies = Vec::with_capacity(1 << 20);
                loop {
                    let before = Instant::now();
                    if before > until {
                        return latencies;
                    }
                    let outcome = fixture
                        .call(&mount, caller.clone(), path, data.clone())
                        .await;
                    assert!(outcome.result.is_ok_and(|result| result.is_ok()));
                    latencies.push(before.elapsed());
                    // As a server's tasks do.
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let latencies: Vec<_> = workers
        .into_iter()
        .flat_map(|worker| runtime.block_on(worker).unwrap())
        .collect();
    (
        latencies.len(),
        started.elapsed(),
        cpu_time() - cpu,
        latencies,
    )
}
