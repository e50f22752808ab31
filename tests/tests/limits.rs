//! What a mount's plugin may use: limits that are set, shown, kept and lifted, on a running server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::thread;
use std::time::{Duration, Instant};

use coffer_tests::postgres::{PASSWORD, SUPERUSER};
use coffer_tests::{Cli, Client, Postgres, Reply, Server, check, metric, plugin};
use serde_json::{Value, json};

fn tune(client: &Client, limits: Value) -> Reply {
    client.post("sys/mounts/e/tune", json!({ "plugin_limits": limits }))
}

/// Some answers at the same time.
fn at_once(
    client: &Client,
    count: usize,
    ask: impl Fn(&Client, usize) -> Reply + Sync,
) -> Vec<Reply> {
    thread::scope(|scope| {
        let asking: Vec<_> = (0..count)
            .map(|n| {
                scope.spawn({
                    let ask = &ask;
                    move || ask(client, n)
                })
            })
            .collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

#[test]
fn limits_are_set_shown_bounded_and_put_back() {
    let server = Server::dev().unwrap();
    let client = server.client();
    plugin::mount_echo(
        &client,
        json!({"memory": "32MiB", "deadline": "10s", "connections": 3}),
    );
    check! { client;
        "GET sys/mounts/e/tune" => 200, {"data": {"plugin_limits": {"memory": 33_554_432, "deadline": 10, "connections": 3}}};
        "GET sys/mounts/e" => 200, {"data": {"config": {"plugin_limits": {"memory": 33_554_432, "deadline": 10, "connections": 3}}}};
        "POST sys/mounts/e/tune", {"plugin_limits": {"memory": 0, "deadline": null, "response_size": "1KB"}} => 204;
        "POST sys/mounts/e/tune", {"plugin_limits": {"memory": "1GiB"}} => 400, {"errors": ["~\"memory\" is 1073741824; it is from 65536 to 536870912"]};
        "POST sys/mounts/e/tune", {"plugin_limits": {"deadline": "2h"}} => 400, {"errors": ["~\"deadline\" is 7200"]};
        "POST sys/mounts/e/tune", {"plugin_limits": {"concurrency": 1000}} => 400, {"errors": ["~from 1 to 256"]};
        "POST sys/mounts/e/tune", {"plugin_limits": {"connections": -1}} => 400, {"errors": ["~expected a whole number"]};
        "POST sys/mounts/e/tune", {"plugin_limits": {"fuel": 1}} => 400, {"errors": ["~plugin_limits has no \"fuel\""]};
        "POST sys/mounts/bad", {"type": "echo", "config": {"plugin_limits": {"storage_bytes": "lots"}}} => 400, {"errors": ["~storage_bytes"]};
        "POST sys/auth/token/tune", {"plugin_limits": {"memory": "1MiB"}} => 400, {"errors": ["~it has no plugin"]};
        "POST sys/auth/approle", {"type": "approle"} => 204;
        "POST sys/auth/approle/tune", {"plugin_limits": {"concurrency": 5}} => 204;
        "GET sys/auth/approle/tune" => 200, {"data": {"plugin_limits": {"concurrency": 5}}};
    }
    let config = |path: &str| client.get(path).ok()["data"]["plugin_limits"].clone();
    assert_eq!(
        config("sys/mounts/e/tune"),
        json!({"connections": 3, "response_size": 1000})
    );
    assert_eq!(config("sys/mounts/other/tune"), Value::Null);
    let cli = Cli::new(&server).unwrap();
    cli.run("secrets tune -plugin-limit=connections=0 -plugin-limit=deadline=1m e/")
        .ok();
    assert_eq!(
        config("sys/mounts/e/tune"),
        json!({"deadline": 60, "response_size": 1000})
    );
    cli.run("secrets enable -plugin-limit=memory=1MiB -path=third echo")
        .ok();
    assert_eq!(config("sys/mounts/third/tune"), json!({"memory": 1 << 20}));
    cli.run("auth tune -plugin-limit=concurrency=6 approle/")
        .ok();
    assert_eq!(config("sys/auth/approle/tune"), json!({"concurrency": 6}));
}

#[test]
fn memory_time_and_answers_are_kept_within_what_the_mount_says() {
    let server = Server::dev().unwrap();
    let client = server.client();
    plugin::mount_echo(&client, json!({}));
    let (mib8, kib100) = (8 << 20, 100 << 10);
    check! { client;
        "GET e/take?size={mib8}" => 200, {"data": {"sum": mib8}};
        "GET e/answer?size={kib100}" => 200, "*";
        "GET e/hold?size=1200" => 200, "*";
        "POST sys/mounts/e/tune", {"plugin_limits": {"memory": "4MiB", "deadline": "1s", "response_size": "64KiB"}} => 204;
        "GET e/take?size={mib8}" => 500, {"errors": ["~memory limit of 4194304 bytes exceeded"]};
        "GET e/answer?size={kib100}" => 500, {"errors": ["~response too large"]};
        "GET e/hold?size=1200" => 500, {"errors": ["~deadline of 1000 ms exceeded"]};
        // Within them, and beside them, all goes on.
        "GET e/take?size=1000" => 200, "*";
        "GET e/answer?size=1000" => 200, "*";
        "GET e/hold?size=100" => 200, "*";
        "GET other/take?size={mib8}" => 200, "*";
        "GET other/answer?size={kib100}" => 200, "*";
        "GET other/hold?size=1200" => 200, "*";
        "POST sys/mounts/e/tune", {"plugin_limits": "memory=0,deadline=0,response_size=0"} => 204;
        "GET e/take?size={mib8}" => 200, "*";
        "GET e/answer?size={kib100}" => 200, "*";
        "GET e/hold?size=1200" => 200, "*";
    }
}

#[test]
fn calls_wait_for_their_turn_and_disturb_no_other_mount() {
    let server = Server::dev().unwrap();
    let client = server.client();
    plugin::mount_echo(&client, json!({"concurrency": 1, "deadline": "3s"}));
    client.get("e/version").ok();
    client.get("other/version").ok();
    // Each is busy for so long: one after the other they take all of it, however many processors there are.
    let begun = Instant::now();
    for reply in at_once(&client, 3, |client, _| client.get("e/hold?size=300")) {
        reply.ok();
    }
    assert!(
        begun.elapsed() >= Duration::from_millis(900),
        "{:?}",
        begun.elapsed()
    );
    // Who finds no turn for as long as a call may take is sent away; who has one keeps it though the mount is tuned.
    tune(&client, json!({"deadline": "20s"})).ok();
    thread::scope(|scope| {
        let busy = scope.spawn(|| client.get("e/hold?size=4000"));
        thread::sleep(Duration::from_millis(500));
        tune(&client, json!({"deadline": "1s"})).ok();
        check! { client;
            "GET e/version" => 429, {"errors": ["~no turn within 1000 ms: the mount may run 1 calls at the same time"]};
            "GET other/version" => 200, "*";
        }
        busy.join().unwrap().ok();
    });
    // With more turns they are busy together.
    tune(&client, json!({"concurrency": 8, "deadline": 0})).ok();
    for reply in at_once(&client, 8, |client, _| client.get("e/hold?size=100")) {
        reply.ok();
    }
}

#[test]
fn what_is_stored_is_counted_and_kept_within_its_limit() {
    let (mut server, keys) = Server::ready().unwrap();
    let client = server.client();
    plugin::mount_echo(&client, json!({}));
    for n in 0..1200 {
        // More than one page, before there is a limit.
        if n % 300 == 0 {
            let body = json!({"value": "12345", "copies": 300});
            client.post(&format!("e/kept/early{n}"), body).ok();
        }
    }
    tune(&client, json!({"storage_entries": 1203})).ok();
    check! { client;
        "POST e/kept/a", {"value": "x"} => 204;
        "POST e/kept/b", {"value": "x"} => 204;
        // Two are too many, and of the two not one is there.
        "POST e/kept/c", {"value": "x", "copies": 2} => 413, {"errors": ["~storage_entries is 1203, 1202 are in use, and this needs 2 more"]};
        "GET e/kept/c" => 200, {"data": {"value": null}};
        "POST e/kept/c", {"value": "x"} => 204;
        "POST e/kept/d", {"value": "x"} => 413, "*";
        "POST e/kept/c", {"value": "written over"} => 204;
        "POST other/kept/d", {"value": "x"} => 204;
        "DELETE e/kept/d" => 204;
        "POST e/kept/d", {"value": "x"} => 413, "*";
        "DELETE e/kept/a" => 204;
        "POST e/kept/d", {"value": "x"} => 204;
        "POST e/kept/e", {"value": "x"} => 413, "*";
    }
    server.kill9();
    server.start().unwrap();
    server.unseal(&keys).unwrap();
    check! { client;
        "POST e/kept/e", {"value": "x"} => 413, {"errors": ["~1203 are in use"]};
        "DELETE e/kept/d" => 204;
        "POST e/kept/e", {"value": "x"} => 204;
        // Lowered below what is in use, it lets nothing in until there is room; lifted, nothing is counted.
        "POST sys/mounts/e/tune", {"plugin_limits": {"storage_entries": 10}} => 204;
        "POST e/kept/f", {"value": "x"} => 413, {"errors": ["~storage_entries is 10, 1203 are in use"]};
        "DELETE e/kept/e" => 204;
        "POST sys/mounts/e/tune", {"plugin_limits": {"storage_entries": 0}} => 204;
        "POST e/kept/f", {"value": "x", "copies": 10} => 204;
        "POST sys/mounts/e/tune", {"plugin_limits": {"storage_entries": 1212}} => 204;
        "POST e/kept/g", {"value": "x"} => 413, {"errors": ["~1212 are in use"]};
    }
}

#[test]
fn bytes_are_counted_as_keys_and_values() {
    let server = Server::dev().unwrap();
    let client = server.client();
    plugin::mount_echo(&client, json!({"storage_bytes": 100}));
    let (v40, v60) = ("x".repeat(40), "x".repeat(60));
    check! { client;
        // One letter of key each.
        "POST e/kept/a", {"value": v40} => 204;
        "POST e/kept/b", {"value": v60} => 413, {"errors": ["~storage_bytes is 100, 42 are in use, and this needs 62 more"]};
        "POST e/kept/b", {"value": v40} => 204;
        "POST e/kept/b", {"value": v60} => 413, {"errors": ["~84 are in use, and this needs 20 more"]};
        "GET e/kept/b" => 200, {"data": {"value": v40}};
        "DELETE e/kept/a" => 204;
        "POST e/kept/b", {"value": v60} => 204;
        "POST e/kept/c", {"value": v40} => 413, {"errors": ["~62 are in use"]};
        "POST other/kept/c", {"value": v60} => 204;
    }
}

#[test]
fn clients_that_race_for_the_last_room_never_get_too_much() {
    let server = Server::dev().unwrap();
    let client = server.client();
    plugin::mount_echo(&client, json!({"storage_entries": 25}));
    let replies = at_once(&client, 8, |client, n| {
        let mut kept = 0;
        for m in 0..10 {
            let reply = client.post(&format!("e/kept/{n}-{m}"), json!({"value": "x"}));
            assert!(matches!(reply.status, 204 | 413), "{reply:?}");
            kept += u64::from(reply.status == 204);
            // The same name from all of them is one entry.
            client.post("e/kept/same", json!({"value": "x"}));
        }
        Reply {
            status: 200,
            body: json!(kept),
        }
    });
    let kept: u64 = replies
        .iter()
        .map(|reply| reply.body.as_u64().unwrap())
        .sum();
    let same = client.get("e/kept/same").ok()["data"]["value"].is_string();
    assert_eq!(kept + u64::from(same), 25);
    let refused = client.post("e/kept/more", json!({"value": "x"}));
    assert!(refused.errors().contains("25 are in use"), "{refused:?}");
}

#[test]
fn what_is_written_while_a_limit_is_set_is_counted_once() {
    let server = Server::dev().unwrap();
    let client = server.client();
    plugin::mount_echo(&client, json!({}));
    let replies = at_once(&client, 5, |client, n| {
        for m in 0..40 {
            if n == 0 {
                // On and off, under load.
                tune(
                    client,
                    json!({"storage_entries": if m % 2 == 0 { 1000 } else { 0 }}),
                )
                .ok();
            } else {
                client
                    .post(&format!("e/kept/{n}-{m}"), json!({"value": "x"}))
                    .ok();
                if m % 4 == 0 {
                    client.delete(&format!("e/kept/{n}-{m}")).ok();
                }
            }
        }
        Reply {
            status: 200,
            body: Value::Null,
        }
    });
    drop(replies);
    tune(&client, json!({"storage_entries": 1000})).ok();
    tune(&client, json!({"storage_entries": 120})).ok();
    let refused = client.post("e/kept/more", json!({"value": "x"}));
    assert!(refused.errors().contains("120 are in use"), "{refused:?}");
}

#[test]
fn a_mounts_databases_have_no_more_connections_than_it_says() {
    let server = Server::dev().unwrap();
    let client = server.client();
    let database = Postgres::shared().database();
    let config = json!({"plugin_name": "postgresql-database-plugin", "allowed_roles": "*", "max_open_connections": 4,
        "connection_url": database.url_template(), "username": SUPERUSER, "password": PASSWORD});
    let create = "SELECT pg_sleep(0.3); CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'";
    let limits = json!({"plugin_limits": {"connections": 1}});
    check! { client;
        "POST sys/mounts/db", {"type": "database", "config": limits} => 204;
        "POST db/config/pg", (&config) => 204, "?";
        "POST db/roles/app", {"db_name": "pg", "creation_statements": create, "default_ttl": "1h"} => 204, "?";
    }
    let connections = |client: &Client| {
        metric(
            client,
            "coffer_database_connections",
            &[
                "mount=\"db/\"",
                "connection=\"pg\"",
                "plugin=\"postgresql-database-plugin\"",
            ],
        )
    };
    for reply in at_once(&client, 4, |client, _| client.get("db/creds/app")) {
        reply.ok();
    }
    assert!((connections(&client) - 1.0).abs() < 0.1);
    assert!(
        metric(
            &client,
            "coffer_plugin_calls_total",
            &["connection=\"pg\"", "kind=\"database\""]
        ) >= 4.0
    );
    client
        .post(
            "sys/mounts/db/tune",
            json!({"plugin_limits": {"connections": 0}}),
        )
        .ok();
    for reply in at_once(&client, 4, |client, _| client.get("db/creds/app")) {
        reply.ok();
    }
    let many = connections(&client);
    assert!((1.1..=4.1).contains(&many), "{many}");
    client.delete("db/config/pg").ok();
    assert!(connections(&client).abs() < 0.1);
}
