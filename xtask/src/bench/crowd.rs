//! What a server that is full costs beside one that is empty: an audit device, many policies and mounts, many tokens.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::http::Call;
use crate::bench::report::Goal;
use crate::bench::scenario::{self, Scenario};
use crate::bench::target::Target;
use crate::error::{Error, Result};

const POLICIES: usize = 10_000;
const MOUNTS: usize = 5_000;
const TOKENS: u64 = 100_000;
/// How often each half of a comparison is taken in turn.
const ROUNDS: usize = 5;

/// Measures all of them.
///
/// # Errors
/// If the server refuses something.
pub fn run(target: &Target, connections: usize, limit: Duration) -> Result<Vec<Goal>> {
    let goal = |what: String, measured, limit| Goal {
        what,
        measured,
        limit,
        at_least: false,
    };
    let audited = audited(target, connections, limit)?;
    let before = cpu(target, connections, limit)?;
    for n in 0..POLICIES {
        let rules = format!("path \"bench-crowd-{n}/*\" {{ capabilities = [\"read\"] }}");
        let path = format!("sys/policies/acl/bench-crowd-{n}");
        target.ask("POST", &path, json!({ "policy": rules }))?;
    }
    for n in 0..MOUNTS {
        target.ask(
            "POST",
            &format!("sys/mounts/bench-crowd-{n}"),
            json!({ "type": "kv" }),
        )?;
    }
    let mut after = Vec::new();
    for _ in 0..ROUNDS {
        after.push(cpu(target, connections, limit)?);
    }
    let crowded = median(&mut after) / before;
    let (memory, disk) = tokens(target, connections)?;
    Ok(vec![
        goal(
            "a file audit device: processor time of KV reads, of that without".to_owned(),
            audited,
            1.3,
        ),
        goal(
            format!(
                "{POLICIES} policies and {MOUNTS} mounts: processor time of KV reads, of that without"
            ),
            crowded,
            1.1,
        ),
        goal(
            format!("{TOKENS} service tokens: memory more, MB"),
            memory,
            20.0,
        ),
        goal(
            format!("{TOKENS} service tokens: disk more, MB"),
            disk,
            100.0,
        ),
    ])
}

/// Processor time of a KV read, in microseconds.
fn cpu(target: &Target, connections: usize, limit: Duration) -> Result<f64> {
    let measured = scenario::run(target, Scenario::KvRead, connections, limit)?;
    measured
        .cpu
        .ok_or_else(|| Error::other("the server's processor time cannot be read"))
}

/// With a device that writes a file (the server's own log is one), of that without.
fn audited(target: &Target, connections: usize, limit: Duration) -> Result<f64> {
    let device = "sys/audit/bench-crowd";
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        without.push(cpu(target, connections, limit)?);
        let body = json!({ "type": "file", "options": { "file_path": "stdout" } });
        target.ask("POST", device, body)?;
        with.push(cpu(target, connections, limit)?);
        target.ask("DELETE", device, Value::Null)?;
    }
    let (without, with) = (median(&mut without), median(&mut with));
    println!(
        "KV reads on {connections} connections: {without:.1} µs of processor time, {with:.1} µs with a file audit device"
    );
    Ok(with / without)
}

fn median(all: &mut [f64]) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

/// By how much memory and disk grow, in MB.
fn tokens(target: &Target, connections: usize) -> Result<(f64, f64)> {
    let rest = || std::thread::sleep(Duration::from_secs(3));
    let used = || {
        let unknown = || Error::other("the server's memory or disk cannot be read");
        let disk = target.folder().map(on_disk).ok_or_else(unknown)?;
        target
            .resident()
            .map(|memory| (memory, disk))
            .ok_or_else(unknown)
    };
    rest();
    let (memory, disk) = used()?;
    let each = TOKENS.div_ceil(connections as u64);
    let token = target.client.token().to_owned();
    let body = json!({ "policies": ["default"], "ttl": "12h" });
    let source =
        move |_, n| (n < each).then(|| Call::post("auth/token/create-orphan", &token, &body));
    let hour = Duration::from_secs(3600);
    let made = scenario::measure(target, connections, hour, Rc::new(source), Rc::new(|_| {}))?;
    if made.load.requests() < TOKENS {
        return Err(Error::other(format!("{:?}", made.load.failure)));
    }
    rest();
    let (more_memory, more_disk) = used()?;
    Ok((
        (more_memory - memory) * 1.048_576,
        (more_disk - disk) as f64 / 1e6,
    ))
}

/// What a folder takes up, in bytes.
fn on_disk(folder: &Path) -> i64 {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.path() {
        path if path.is_dir() => on_disk(&path),
        path => path.metadata().map_or(0, |about| {
            use std::os::unix::fs::MetadataExt;
            // What it takes up, not what it says.
            i64::try_from(about.blocks() * 512).unwrap_or(i64::MAX)
        }),
    });
    sizes.sum()
}
