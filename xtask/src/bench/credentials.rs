//! PostgreSQL credentials, and what pgbench makes of the same statements: PostgreSQL itself is the measure.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use coffer_tests::postgres::{PASSWORD, SUPERUSER};
use coffer_tests::{Database, Postgres};
use serde_json::json;

use crate::bench::http::Call;
use crate::bench::scenario::{Measured, measure};
use crate::bench::target::Target;
use crate::error::{Error, Result};
use crate::run;

const MOUNT: &str = "bench-database";
const CREATE: &str = r#"CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'; GRANT pg_read_all_data TO "{{name}}";"#;
/// The same, as pgbench's language has it, with a password of as many characters.
const PGBENCH: &str = r#"
\set id random(1, 900000000000000)
BEGIN;
CREATE ROLE "v-token-app-:client_id-:id" LOGIN PASSWORD 'aB3-xxxxxxxxxxxxxxxx' VALID UNTIL '2099-01-01';
GRANT pg_read_all_data TO "v-token-app-:client_id-:id";
COMMIT;
"#;
/// Revoking all that was issued takes no longer, or is cut off.
const REVOKE: Duration = Duration::from_secs(300);

/// What came of it.
pub struct Credentials {
    /// Issuing.
    pub issue: Measured,
    /// Revoking what was issued, each lease by itself and waiting for it.
    pub revoke: Measured,
}

/// Mounts the engine, with at most `pool` connections to the database.
///
/// # Errors
/// If the target refuses.
pub fn set_up(target: &Target, database: &Database<'_>, pool: usize) -> Result<()> {
    tear_down(target);
    target.ask(
        "POST",
        &format!("sys/mounts/{MOUNT}"),
        json!({ "type": "database" }),
    )?;
    let connection = json!({
        "plugin_name": "postgresql-database-plugin", "allowed_roles": "app", "connection_url": database.url_template(),
        "username": SUPERUSER, "password": PASSWORD, "max_open_connections": pool, "max_idle_connections": pool,
    });
    target.ask("POST", &format!("{MOUNT}/config/app"), connection)?;
    let role = json!({ "db_name": "app", "creation_statements": CREATE, "default_ttl": "1h", "max_ttl": "24h" });
    target.ask("POST", &format!("{MOUNT}/roles/app"), role)?;
    Ok(())
}

/// Takes away what [`set_up`] made.
pub fn tear_down(target: &Target) {
    target.try_ask("DELETE", &format!("sys/mounts/{MOUNT}"));
}

/// Issues for `limit`, then revokes all that was issued.
///
/// # Errors
/// If the target stops answering.
pub fn run(target: &Target, connections: usize, limit: Duration) -> Result<Credentials> {
    let tokens = target.tokens(connections, "bench")?;
    let leases = Rc::new(RefCell::new(Vec::new()));
    let issue = measure(
        target,
        connections,
        limit,
        Rc::new(move |connection, _| {
            Some(Call::get(
                format!("{MOUNT}/creds/app"),
                tokens.get(connection)?,
            ))
        }),
        Rc::new({
            let leases = leases.clone();
            move |body| leases.borrow_mut().extend(lease(body))
        }),
    )?;
    let root = target.client.token().to_owned();
    let next = move |_, _| {
        let body = json!({ "lease_id": leases.borrow_mut().pop()?, "sync": true });
        Some(Call::post("sys/leases/revoke", &root, &body))
    };
    let revoke = measure(target, connections, REVOKE, Rc::new(next), Rc::new(|_| {}))?;
    Ok(Credentials { issue, revoke })
}

fn lease(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    body["lease_id"].as_str().map(str::to_owned)
}

/// Transactions per second that pgbench reaches with the same statements over as many connections.
///
/// # Errors
/// If it is not installed, or fails.
pub fn pgbench(
    postgres: &Postgres,
    database: &Database<'_>,
    pool: usize,
    limit: Duration,
) -> Result<f64> {
    // Read by PostgreSQL's own user.
    let script = tempfile::Builder::new()
        .prefix("coffer-pgbench-")
        .tempfile()
        .map_err(Error::file(&std::env::temp_dir()))?;
    std::fs::write(script.path(), PGBENCH).map_err(Error::file(script.path()))?;
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(script.path(), readable).map_err(Error::file(script.path()))?;
    let mut command = postgres.command("pgbench");
    command
        .env("PGPASSWORD", PASSWORD)
        .args([
            "--host",
            "127.0.0.1",
            "--port",
            &postgres.address().port().to_string(),
            "--username",
            SUPERUSER,
        ])
        .args([
            "--no-vacuum",
            "--client",
            &pool.to_string(),
            "--time",
            &limit.as_secs().max(1).to_string(),
            "--file",
        ])
        .arg(script.path())
        .arg(&database.name);
    let output = run::output(&mut command)?;
    let rate = output.lines().find_map(|line| {
        line.strip_prefix("tps = ")?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    });
    rate.ok_or_else(|| Error::other(format!("pgbench: {output}")))
}
