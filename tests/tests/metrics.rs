//! What is counted of each plugin, as `sys/metrics` tells it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use coffer_tests::{Server, metric, plugin};
use serde_json::json;

#[test]
fn metrics_move_with_the_calls_and_go_with_the_mount() {
    let server = Server::dev().unwrap();
    let client = server.client();
    plugin::mount_echo(&client, json!({"deadline": "1s"}));
    assert_eq!(
        client
            .with_token("")
            .get("sys/metrics?format=prometheus")
            .status,
        403
    );
    client.get("sys/metrics?format=xml").expect(400);
    let of = |name: &str, more: &[&str]| {
        metric(
            &client,
            name,
            &[
                &["plugin=\"echo\"", "version=\"v1.0.0-aaaa\"", "mount=\"e/\""],
                more,
            ]
            .concat(),
        )
    };
    let near = |a: f64, b: f64| assert!((a - b).abs() < 0.01, "{a} is not {b}");
    let (requests, commits) = (
        metric(&client, "coffer_requests_total", &[]),
        metric(&client, "coffer_storage_commits_total", &[]),
    );
    for _ in 0..5 {
        client.get("e/version").ok();
    }
    client.get("e/hold?size=300").ok();
    client.post("e/kept/a", json!({"value": "x"})).ok();
    client.post("e/kept/a", json!({})).expect(400);
    client.get("e/break").expect(500);
    client.get("e/hold?size=1500").expect(500);
    near(of("coffer_plugin_calls_total", &["kind=\"handle\""]), 10.0);
    near(of("coffer_plugin_errors_total", &[]), 1.0);
    near(of("coffer_plugin_traps_total", &[]), 2.0);
    near(of("coffer_plugin_call_seconds_count", &[]), 10.0);
    let (fast, slow) = (
        of("coffer_plugin_call_seconds_bucket", &["le=\"0.25\""]),
        of("coffer_plugin_call_seconds_bucket", &["le=\"0.5\""]),
    );
    assert!(fast <= 8.0 && slow <= 9.0 && slow > fast, "{fast} {slow}");
    let (took, busy) = (
        of("coffer_plugin_call_seconds_sum", &[]),
        of("coffer_plugin_busy_seconds_total", &[]),
    );
    assert!(busy >= 1.0 && busy <= took, "{busy} {took}");
    // None is left of those that were ended.
    near(of("coffer_plugin_instances", &[]), 0.0);
    client.get("e/version").ok();
    let memory = of("coffer_plugin_memory_bytes", &[]);
    assert!(memory >= 65536.0, "{memory}");
    let instances = of("coffer_plugin_instances", &[]);
    assert!(instances >= 1.0, "{instances}");
    assert!(metric(&client, "coffer_requests_total", &[]) >= requests + 10.0);
    assert!(metric(&client, "coffer_storage_commits_total", &[]) > commits);
    // The same in Vault's form.
    let json = client.get("sys/metrics").ok();
    let counters = json["Counters"].as_array().unwrap();
    let traps = counters
        .iter()
        .find(|one| one["Name"] == "coffer_plugin_traps_total" && one["Labels"]["mount"] == "e/")
        .unwrap();
    assert_eq!(traps["Count"], 2);
    assert!(
        json["Samples"]
            .as_array()
            .is_some_and(|samples| !samples.is_empty())
    );
    // A mount that is tuned goes on counting; one that is disabled is gone, and a new one in its place begins anew.
    client
        .post(
            "sys/mounts/e/tune",
            json!({"plugin_limits": {"deadline": 0}}),
        )
        .ok();
    near(of("coffer_plugin_traps_total", &[]), 2.0);
    client.delete("sys/mounts/e").ok();
    let text = client.get("sys/metrics?format=prometheus").ok();
    let text = text.as_str().unwrap();
    assert!(
        !text.contains("mount=\"e/\"")
            && text.contains("mount=\"other/\"")
            && text.ends_with("# EOF\n"),
        "{text}"
    );
    client.post("sys/mounts/e", json!({"type": "echo"})).ok();
    client.get("e/version").ok();
    near(of("coffer_plugin_calls_total", &["kind=\"handle\""]), 1.0);
}
