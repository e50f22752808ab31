//! `status`: sealed or not, also in the exit code (0 unsealed, 1 error, 2 sealed).

use std::process::ExitCode;

use serde_json::{Map, Value};

use super::Context;
use crate::client::{Client, ClientError, Method};
use crate::error::{CliError, CliResult};
use crate::output::{pairs, plain};

pub(super) fn run(context: Context) -> CliResult {
    let client = context.client.once();
    let answer = client
        .send(Method::Get, "sys/seal-status", &[], None)
        .and_then(|answer| answer.json());
    // 2 means sealed here, and a server that does not answer is not known to be sealed.
    let status = match answer {
        Ok(status) => status.unwrap_or_default(),
        Err(instead @ ClientError::Instead(_)) => {
            return Err(instead.into());
        }
        Err(error) => {
            return Err(CliError::Usage(format!(
                "Error checking seal status: {error}"
            )));
        }
    };
    let status = with_leader(&client, status);
    context.output.object(&status, || table(&status))?;
    Ok(ExitCode::from(if is(&status, "sealed") { 2 } else { 0 }))
}

fn with_leader(client: &Client, mut status: Map<String, Value>) -> Map<String, Value> {
    let leader: Option<Map<String, Value>> = client
        .aside()
        .send(Method::Get, "sys/leader", &[], None)
        .and_then(|answer| answer.json())
        .ok()
        .flatten();
    let leader = leader.unwrap_or_default();
    let enabled = is(&leader, "ha_enabled");
    status.insert("ha_enabled".to_owned(), enabled.into());
    if enabled {
        for key in [
            "is_self",
            "active_time",
            "leader_address",
            "leader_cluster_address",
        ] {
            if let Some(value) = leader.get(key) {
                status.insert(key.to_owned(), value.clone());
            }
        }
    }
    status
}

fn is(object: &Map<String, Value>, key: &str) -> bool {
    object.get(key).and_then(Value::as_bool).unwrap_or_default()
}

/// The status as a table, of `sys/seal-status` or of an answer to `sys/unseal`.
pub(super) fn table(status: &Map<String, Value>) -> String {
    let text = |key: &str| {
        status
            .get(key)
            .filter(|value| !value.is_null())
            .map(plain)
            .unwrap_or_default()
    };
    let mut rows = vec![
        ("Seal Type".to_owned(), text("type")),
        ("Initialized".to_owned(), text("initialized")),
        ("Sealed".to_owned(), text("sealed")),
        ("Total Shares".to_owned(), text("n")),
        ("Threshold".to_owned(), text("t")),
    ];
    let mut row = |title: &str, value: String| rows.push((title.to_owned(), value));
    if is(status, "sealed") {
        row(
            "Unseal Progress",
            format!("{}/{}", text("progress"), text("t")),
        );
        row("Unseal Nonce", text("nonce"));
    }
    for (title, key) in [
        ("Version", "version"),
        ("Build Date", "build_date"),
        ("Storage Type", "storage_type"),
        ("Cluster Name", "cluster_name"),
        ("Cluster ID", "cluster_id"),
    ] {
        let value = text(key);
        if !value.is_empty() {
            row(title, value);
        }
    }
    row("HA Enabled", is(status, "ha_enabled").to_string());
    if is(status, "ha_enabled") && !is(status, "sealed") {
        let active = is(status, "is_self");
        row(
            "HA Mode",
            if active { "active" } else { "standby" }.to_owned(),
        );
        if !active {
            row("Active Node Address", text("leader_address"));
        }
    }
    pairs(&rows)
}
