//! The TypeScript example, run by Node.js against a real server: what a service lives through.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::cell::RefCell;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use coffer_tests::postgres::{PASSWORD, SUPERUSER};
use coffer_tests::{Client, Database, Postgres, Server, check, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(40);

/// The service, and what it says.
struct App {
    child: Child,
    /// The accessor of the token that it said last to have.
    accessor: RefCell<Value>,
    events: Receiver<Value>,
}

impl App {
    fn start(client: &Client, database: &Database<'_>, port: u16) -> Self {
        let role_id = client
            .get("auth/approle/role/app/role-id")
            .text("/data/role_id");
        let secret_id = client
            .post("auth/approle/role/app/secret-id", json!({}))
            .text("/data/secret_id");
        let program = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../examples/typescript-app/dist/main.js");
        assert!(
            program.is_file(),
            "{} is not built: `cargo xtask test` builds it",
            program.display()
        );
        let mut child = Command::new("node")
            .arg(program)
            .envs([
                ("VAULT_ADDR", client.url()),
                ("ROLE_ID", &role_id),
                ("SECRET_ID", &secret_id),
            ])
            .envs([
                ("PGHOST", "127.0.0.1"),
                ("PGPORT", &port.to_string()),
                ("PGDATABASE", &database.name),
            ])
            .env("INTERVAL_MS", "200")
            .env_remove("VAULT_TOKEN")
            .stdout(Stdio::piped())
            .spawn()
            .expect("Node.js");
        let output = BufReader::new(child.stdout.take().unwrap());
        let (send, events) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if send
                    .send(serde_json::from_str(&line).unwrap_or(Value::String(line)))
                    .is_err()
                {
                    break;
                }
            }
        });
        Self {
            child,
            accessor: RefCell::default(),
            events,
        }
    }

    /// The next event of this kind; what comes before it is passed over.
    #[track_caller]
    fn next(&self, event: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while let Ok(said) = self
            .events
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            if said["event"] == "token acquired" {
                *self.accessor.borrow_mut() = said["accessor"].clone();
            }
            if said["event"] == event {
                return said;
            }
            seen.push(said.to_string());
        }
        panic!("no `{event}` in {PATIENCE:?}, but {seen:#?}");
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn set_up(client: &Client, database: &Database<'_>) {
    let policy = r#"
        path "database/creds/app" { capabilities = ["read"] }
        path "secret/data/app" { capabilities = ["create", "read", "update"] }
    "#;
    let create =
        r#"CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"#;
    check! { client;
        "POST sys/mounts/secret", {"type": "kv", "options": {"version": "2"}} => 204;
        "POST sys/mounts/database", {"type": "database"} => 204;
        "POST sys/auth/approle", {"type": "approle"} => 204;
        "POST sys/policies/acl/app", {"policy": policy} => 204;
        "POST auth/approle/role/app", {"token_policies": "app", "token_ttl": "5s", "token_max_ttl": "10m"} => 204;
        "POST database/config/app", {"plugin_name": "postgresql-database-plugin", "allowed_roles": "app", "connection_url": database.url_template(), "username": SUPERUSER, "password": PASSWORD}
            => 204, "?";
        "POST database/roles/app", {"db_name": "app", "creation_statements": create, "default_ttl": "5s", "max_ttl": "10m"}
            => 204, "?";
    }
    let written = || {
        client
            .post(
                "secret/data/app",
                json!({"data": {"greeting": "hello", "visits": 0}}),
            )
            .is_ok()
    };
    until(Duration::from_secs(10), "the secret is written", written);
}

#[test]
fn a_service_lives_on_leased_credentials() {
    let (mut server, keys) = Server::ready().unwrap();
    let client = server.client();
    let postgres = Postgres::shared();
    let database = postgres.database();
    set_up(&client, &database);
    let mut app = App::start(&client, &database, postgres.address().port());

    // It logs in, gets its user, works with it, and keeps both alive beyond their first life.
    app.next("token acquired");
    app.next("credential acquired");
    let user = app.next("worked")["user"].as_str().unwrap().to_owned();
    assert!(user.starts_with("v-approle-app-"), "{user}");
    app.next("token renewed");
    app.next("credential renewed");
    app.next("credential renewed");
    assert_eq!(app.next("worked")["user"], user);
    let secret = client.get("secret/data/app");
    assert!(
        secret.number("/data/data/visits") > 3 && secret.text("/data/data/greeting") == "hello",
        "{secret:?}"
    );

    // The server goes away under it for a moment, and comes back.
    server.kill9();
    app.next("waiting");
    server.start().unwrap();
    server.unseal(&keys).unwrap();
    app.next("worked");

    // Its token is taken from it: it logs in again and gets another user; the first is gone.
    let user = app.next("worked")["user"].as_str().unwrap().to_owned();
    client
        .post(
            "auth/token/revoke-accessor",
            json!({"accessor": *app.accessor.borrow()}),
        )
        .expect(204);
    app.next("token acquired");
    app.next("credential acquired");
    let mut another = user.clone();
    until(PATIENCE, "it works with another user", || {
        another = app.next("worked")["user"].as_str().unwrap().to_owned();
        another != user
    });
    until(Duration::from_secs(5), "the first user is gone", || {
        database.roles_like(&user).is_empty()
    });

    // It ends, and leaves nothing.
    kill_process(Pid::from_child(&app.child), Signal::TERM).unwrap();
    app.next("revoked");
    assert!(app.child.wait().unwrap().success());
    until(Duration::from_secs(5), "its user is gone", || {
        database.roles_like(&another).is_empty()
    });
    assert_eq!(
        client.list("sys/leases/lookup/database/creds/app").status,
        404,
        "no lease"
    );
}

#[test]
fn what_is_refused_ends_it() {
    let server = Server::dev().unwrap();
    let client = server.client();
    client
        .post("sys/auth/approle", json!({"type": "approle"}))
        .expect(204);
    client
        .post("auth/approle/role/app", json!({"token_policies": "app"}))
        .expect(204);
    let database = Postgres::shared().database();
    // It may log in, but no policy allows it a credential, and asking again would not help.
    let mut app = App::start(&client, &database, Postgres::shared().address().port());
    app.next("failed");
    assert_eq!(app.child.wait().unwrap().code(), Some(1));
}
