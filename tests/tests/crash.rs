//! The server is killed while clients write and ask for credentials, over and over. What was acknowledged is there
//! afterwards, and no user is without a lease.
//!
//! `COFFER_SEED` runs a printed seed again; `COFFER_CRASHES` says how often to kill (100 unless told).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use coffer_tests::postgres::{PASSWORD, SUPERUSER};
use coffer_tests::{Client, Database, Postgres, Server, until};
use serde_json::json;

const WRITERS: usize = 12;
const ISSUERS: usize = 4;
/// A kill comes this long after the load has begun, at most.
const LOAD: u64 = 400;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// SplitMix64: enough to choose moments by.
fn roll(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A secret that one client counts up.
#[derive(Default)]
struct Counter {
    /// The last value sent.
    sent: AtomicU64,
    /// The last value that was acknowledged.
    acknowledged: AtomicU64,
}

fn count_up(client: &Client, path: &str, counter: &Counter, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let next = counter.sent.fetch_add(1, Ordering::Relaxed) + 1;
        match client.send("POST", path, Some(&json!({"data": {"n": next}}))) {
            Ok(reply) if reply.is_ok() => counter.acknowledged.store(next, Ordering::Relaxed),
            _ => return,
        }
    }
}

fn issue(client: &Client, role: &str, issued: &AtomicU64, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        match client.send("GET", &format!("database/creds/{role}"), None) {
            Ok(reply) if reply.is_ok() => issued.fetch_add(1, Ordering::Relaxed),
            _ => return,
        };
    }
}

fn leases(client: &Client, role: &str) -> usize {
    let reply = client.list(&format!("sys/leases/lookup/database/creds/{role}"));
    reply
        .body
        .pointer("/data/keys")
        .and_then(|keys| keys.as_array())
        .map_or(0, Vec::len)
}

fn configure(client: &Client, database: &Database<'_>) {
    client
        .post(
            "sys/mounts/secret",
            json!({"type": "kv", "options": {"version": "2"}}),
        )
        .ok();
    client
        .post("sys/mounts/database", json!({"type": "database"}))
        .ok();
    let connection = json!({"plugin_name": "postgresql-database-plugin", "allowed_roles": "*", "connection_url": database.url_template(),
        "username": SUPERUSER, "password": PASSWORD});
    client.post("database/config/app", connection).ok();
    let create = r#"CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}'; GRANT pg_read_all_data TO "{{name}}""#;
    for (role, ttl) in [("long", "1h"), ("short", "1s")] {
        let role_body =
            json!({"db_name": "app", "creation_statements": create, "default_ttl": ttl});
        client
            .post(&format!("database/roles/{role}"), role_body)
            .ok();
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_no_user_is_orphaned() {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let seed = setting("COFFER_SEED", now);
    let crashes = setting("COFFER_CRASHES", 100);
    println!("seed {seed}, {crashes} crashes");
    let mut dice = seed;

    let postgres = Postgres::start(&["fsync=off"]).unwrap();
    let database = postgres.database();
    let (mut server, keys) = Server::ready().unwrap();
    let client = server.client();
    configure(&client, &database);
    let counters: Vec<Counter> = std::iter::repeat_with(Counter::default)
        .take(WRITERS)
        .collect();
    let issued = AtomicU64::new(0);

    for crash in 0..crashes {
        let stop = AtomicBool::new(false);
        let after = Duration::from_millis(roll(&mut dice) % LOAD);
        std::thread::scope(|scope| {
            let (client, stop, issued) = (&client, &stop, &issued);
            for (n, counter) in counters.iter().enumerate() {
                scope.spawn(move || count_up(client, &format!("secret/data/{n}"), counter, stop));
            }
            for n in 0..ISSUERS {
                let role = if n % 2 == 0 { "long" } else { "short" };
                scope.spawn(move || issue(client, role, issued, stop));
            }
            // The one wait that is meant: the moment of the crash is what the seed decides.
            std::thread::sleep(after);
            server.kill9();
            stop.store(true, Ordering::Relaxed);
        });
        server.start().unwrap();
        server.unseal(&keys).unwrap();
        for (n, counter) in counters.iter().enumerate() {
            let acknowledged = counter.acknowledged.load(Ordering::Relaxed);
            let reply = client.get(&format!("secret/data/{n}"));
            let stored = reply
                .body
                .pointer("/data/data/n")
                .and_then(|n| n.as_u64())
                .unwrap_or(0);
            let sent = counter.sent.load(Ordering::Relaxed);
            assert!(
                (acknowledged..=sent).contains(&stored),
                "crash {crash}, seed {seed}: {stored} is stored, {acknowledged} was acknowledged"
            );
        }
        // Asked in this order: a user that goes meanwhile only makes the first number too large.
        let users = database.roles_like("v-%-long-%").len();
        let live = leases(&client, "long");
        assert!(
            users <= live,
            "crash {crash}, seed {seed}: {users} users, {live} leases"
        );
    }

    println!(
        "{} writes and {} credentials acknowledged",
        counters
            .iter()
            .map(|c| c.acknowledged.load(Ordering::Relaxed))
            .sum::<u64>(),
        issued.load(Ordering::Relaxed)
    );
    until(
        Duration::from_secs(30),
        "the short leases are reaped",
        || database.roles_like("v-%-short-%").is_empty(),
    );
    client
        .post("sys/leases/revoke-prefix/database/creds", json!({}))
        .ok();
    until(Duration::from_secs(60), "every user is gone", || {
        database.roles_like("v-%").is_empty()
    });
    until(Duration::from_secs(10), "every lease is gone", || {
        leases(&client, "long") + leases(&client, "short") == 0
    });
    assert!(issued.load(Ordering::Relaxed) > 0, "the load did something");
}
