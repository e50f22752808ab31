//! What plugins cost a server beside their requests: memory of mounts, and compiling one while others are called.
//!
//! What the sandbox costs a call is measured where there is nothing else: `cargo bench -p coffer-runtime`, which sets the
//! same engine in a component beside its own functions.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use coffer_tests::{Client, plugin};
use serde_json::{Value, json};

use crate::bench::load::Load;
use crate::bench::report::Goal;
use crate::bench::scenario::{self, Scenario};
use crate::bench::target::Target;
use crate::error::{Error, Result};

const PLUGINS: usize = 10;
const MOUNTS: usize = 100;
/// The size of the components that are compiled, in bytes.
const COMPONENT: usize = 1 << 20;
/// How often each half of the comparison is taken in turn.
const ROUNDS: usize = 3;

/// Measures both.
///
/// # Errors
/// If the server refuses something.
pub fn run(target: &Target, connections: usize, limit: Duration) -> Result<Vec<Goal>> {
    let built = plugin::build("tests/guests/echo");
    let grown = mounts(target, &built)?;
    let slower = registering(target, connections, limit)?;
    let goal = |what: &str, measured, limit| Goal {
        what: what.to_owned(),
        measured,
        limit,
        at_least: false,
    };
    Ok(vec![
        goal(
            "100 mounts of 10 plugins, each called: memory more, MB",
            grown,
            50.0,
        ),
        goal(
            "KV reads while plugins are registered: p99, of that without",
            slower,
            1.5,
        ),
    ])
}

fn register(client: &Client, kind: &str, name: &str, component: &[u8]) -> Result<()> {
    let body = json!({ "component": BASE64_STANDARD.encode(component), "source": "bench" });
    let path = format!("sys/plugins/catalog/{kind}/{name}");
    let reply = client
        .send("POST", &path, Some(&body))
        .map_err(|error| Error::other(format!("{path}: {error}")))?;
    if reply.is_ok() {
        return Ok(());
    }
    Err(Error::other(format!("{path}: {reply:?}")))
}

/// By how much the server grows, in MB.
fn mounts(target: &Target, echo: &[u8]) -> Result<f64> {
    let rest = || std::thread::sleep(Duration::from_secs(3));
    rest();
    let resident = || {
        let unknown = || Error::other("the server's memory cannot be read");
        target.resident().ok_or_else(unknown)
    };
    let before = resident()?;
    for n in 0..PLUGINS {
        // Each is a component of its own: its version stands in its code.
        let bytes = plugin::echo(echo, &format!("1.0.0-aa{n:02}"), json!({}));
        let manifest = json!({ "kind": "secret", "name": format!("bench-{n}"), "version": format!("1.0.0-aa{n:02}") });
        let named = plugin::with_manifest(&bytes, &manifest);
        register(&target.client, "secret", &format!("bench-{n}"), &named)?;
    }
    for n in 0..MOUNTS {
        let mount = json!({ "type": format!("bench-{}", n % PLUGINS) });
        target.ask("POST", &format!("sys/mounts/bench-mount-{n}"), mount)?;
        target.ask("GET", &format!("bench-mount-{n}/version"), Value::Null)?;
    }
    rest();
    let after = resident()?;
    println!(
        "\n{MOUNTS} mounts of {PLUGINS} plugins: {before:.1} MiB before, {after:.1} MiB after"
    );
    Ok((after - before) * 1.048_576)
}

/// By how much the slowest requests get slower while components are compiled, one after the other.
fn registering(target: &Target, connections: usize, limit: Duration) -> Result<f64> {
    let component =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/plugins/mysql-database-plugin.wasm");
    let component = std::fs::read(&component).map_err(Error::file(&component))?;
    let component = plugin::grown(&component, COMPONENT);
    let (mut quiet, mut busy) = (Vec::new(), Vec::new());
    let (made, registered) = (AtomicU64::new(0), AtomicU64::new(0));
    for _ in 0..ROUNDS {
        let read = || scenario::run(target, Scenario::KvRead, connections, limit);
        quiet.push(p99(&read()?.load));
        let done = AtomicBool::new(false);
        busy.push(std::thread::scope(|threads| {
            threads.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    // As long as its own, or it would say another of itself: there are a hundred of them.
                    let n = made.fetch_add(1, Ordering::Relaxed);
                    let version = format!("1.{}.{}", n / 10, n % 10);
                    if version.len() != 5 {
                        break;
                    }
                    let next = plugin::reversion(
                        &component,
                        "database",
                        "mysql-database-plugin",
                        &version,
                        json!({ "network": ["configuration"] }),
                    );
                    if register(&target.client, "database", "mysql-database-plugin", &next).is_ok()
                    {
                        registered.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
            let measured = read();
            done.store(true, Ordering::Relaxed);
            measured.map(|measured| p99(&measured.load))
        })?);
    }
    let registered = registered.into_inner();
    if registered < ROUNDS as u64 || made.into_inner() > 100 {
        return Err(Error::other(format!(
            "{registered} components were registered: not enough to say anything, or not all the time"
        )));
    }
    let median = |all: &mut Vec<f64>| {
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or_default()
    };
    let (quiet, busy) = (median(&mut quiet), median(&mut busy));
    println!(
        "KV reads on {connections} connections: p99 {quiet:.2} ms; while {} components of {} KiB were registered: {busy:.2} ms",
        registered,
        component.len() / 1024,
    );
    Ok(busy / quiet.max(f64::EPSILON))
}

fn p99(load: &Load) -> f64 {
    load.percentile(0.99)
}
