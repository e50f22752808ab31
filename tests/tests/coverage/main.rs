//! Every path and operation that there is: one [table](PATHS), which must say what the OpenAPI document says, and what comes
//! of each for whoever has no token, for a token whose policies lack it, and while the server is sealed.
//!
//! After a change that is meant, `COFFER_BLESS=1 cargo test --test coverage` writes both files anew; the difference is to be
//! read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use coffer_tests::{Client, Reply, Server, check};
use serde_json::{Value, json};

/// A line for each operation: the method, the path, and who may call it.
const PATHS: &str = "paths.txt";
/// What the server says of itself.
const DOCUMENT: &str = "openapi.json";

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Needs {
    /// Anybody, whatever state the server is in.
    Always,
    /// Anybody, while it is unsealed.
    Open,
    /// A token whose policies allow it.
    Token,
    /// A token whose policies allow it with `sudo`.
    Sudo,
}

const NEEDS: [(&str, Needs); 4] = [
    ("always", Needs::Always),
    ("open", Needs::Open),
    ("token", Needs::Token),
    ("sudo", Needs::Sudo),
];

type Operation = (String, String);

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/coverage")
        .join(name)
}

fn blesses() -> bool {
    std::env::var_os("COFFER_BLESS").is_some()
}

/// One mount of each engine and method, and of version 2 of the key/value engine.
fn mount_all(client: &Client) {
    client.mount_builtins();
    client
        .post(
            "sys/mounts/kv2",
            json!({"type": "kv", "options": {"version": "2"}}),
        )
        .expect(204);
}

fn document(client: &Client) -> Value {
    let mut document = client.get("sys/internal/specs/openapi").expect(200);
    document["info"]["version"] = "0".into();
    document
}

/// The operations of a document, by path; a list is one of its own.
fn operations(document: &Value) -> BTreeMap<Operation, &Value> {
    let mut all = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["get", "post", "patch", "delete"] {
            let Some(operation) = item.get(method) else {
                continue;
            };
            let mut list = operation["parameters"].as_array().into_iter().flatten();
            let list = list.find(|parameter| parameter["name"] == "list");
            if list.is_some() {
                all.insert((path.clone(), "LIST".to_owned()), item);
            }
            if list.is_none_or(|list| list["required"] == false) {
                all.insert((path.clone(), method.to_uppercase()), item);
            }
        }
    }
    all
}

fn table() -> BTreeMap<Operation, Needs> {
    let text = std::fs::read_to_string(file(PATHS)).unwrap();
    let rows = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let [method, path, needs] = words[..] else {
                panic!("{line}")
            };
            let (_, needs) = NEEDS
                .into_iter()
                .find(|(name, _)| *name == needs)
                .expect(line);
            ((path.to_owned(), method.to_owned()), needs)
        });
    rows.collect()
}

/// Calls an operation, with something in the place of each name.
fn call(client: &Client, (path, method): &Operation) -> Reply {
    let segments = path
        .trim_start_matches('/')
        .split('/')
        .map(|segment| match segment {
            "{path}" | "{name}" if path.contains("mounts") => "nowhere",
            segment if segment.starts_with('{') => "x",
            segment => segment,
        });
    let path = segments.collect::<Vec<_>>().join("/");
    let body = matches!(method.as_str(), "POST" | "PATCH").then(|| json!({}));
    client.request(method, &path, body.as_ref())
}

fn is_sealed(reply: &Reply) -> bool {
    reply.body["errors"].to_string().contains("Vault is sealed")
}

/// A token with these rules and no others.
fn token(client: &Client, name: &str, rules: &str) -> Client {
    client
        .post(
            &format!("sys/policies/acl/{name}"),
            json!({ "policy": rules }),
        )
        .expect(204);
    let body = json!({ "policies": [name], "no_default_policy": true });
    let made = client.post("auth/token/create", body);
    client.with_token(&made.text("/auth/client_token"))
}

#[test]
fn the_document_is_the_one_that_was_read() {
    let server = Server::dev().unwrap();
    mount_all(&server.client());
    let text = serde_json::to_string_pretty(&document(&server.client())).unwrap() + "\n";
    if blesses() {
        std::fs::write(file(DOCUMENT), &text).unwrap();
    }
    let stored = std::fs::read_to_string(file(DOCUMENT)).unwrap();
    let differ = stored
        .lines()
        .zip(text.lines())
        .find(|(stored, now)| stored != now);
    assert!(
        stored == text,
        "the API has changed: {differ:?}; if that is meant, COFFER_BLESS=1 writes {DOCUMENT} anew"
    );
}

#[test]
fn the_table_has_every_path_and_none_besides() {
    let server = Server::dev().unwrap();
    mount_all(&server.client());
    let document = document(&server.client());
    let operations = operations(&document);
    if blesses() {
        bless(&operations);
    }
    let table = table();
    let there: BTreeSet<_> = operations.keys().collect();
    let listed: BTreeSet<_> = table.keys().collect();
    assert!(
        there == listed,
        "not in the table: {:?}\nin the table only: {:?}",
        there.difference(&listed),
        listed.difference(&there)
    );
    for (operation, item) in operations {
        let of_path = || table.iter().filter(|((path, _), _)| *path == operation.0);
        let any = |wanted: &[Needs]| of_path().any(|(_, needs)| wanted.contains(needs));
        let open = item["x-vault-unauthenticated"] == true;
        assert_eq!(open, any(&[Needs::Always, Needs::Open]), "{operation:?}");
        // What answers while sealed wants sudo only when it is not.
        assert_eq!(
            item["x-vault-sudo"] == true,
            any(&[Needs::Sudo]),
            "{operation:?}"
        );
    }
}

/// Writes the table as the document has it, keeping what it says already.
fn bless(operations: &BTreeMap<Operation, &Value>) {
    let before = if file(PATHS).exists() {
        table()
    } else {
        BTreeMap::new()
    };
    let mut text =
        "# method path who: always (sealed too), open (no token), token, sudo\n".to_owned();
    for ((path, method), item) in operations {
        let said = match (&item["x-vault-unauthenticated"], &item["x-vault-sudo"]) {
            (Value::Bool(true), _) => Needs::Open,
            (_, Value::Bool(true)) => Needs::Sudo,
            _ => Needs::Token,
        };
        let needs = before
            .get(&(path.clone(), method.clone()))
            .copied()
            .unwrap_or(said);
        let (name, _) = NEEDS.into_iter().find(|(_, have)| *have == needs).unwrap();
        text += &format!("{method:6} {path} {name}\n");
    }
    std::fs::write(file(PATHS), text).unwrap();
}

#[test]
fn nobody_gets_in_without_the_right_token() {
    let server = Server::dev().unwrap();
    let client = server.client();
    mount_all(&client);
    let nothing = token(
        &client,
        "nothing",
        r#"path "no/such/path" { capabilities = ["read"] }"#,
    );
    let all =
        r#"path "*" { capabilities = ["create", "read", "update", "patch", "delete", "list"] }"#;
    let everything_but_sudo = token(&client, "no-sudo", all);
    let mut wrong = String::new();
    let mut refused = |who: &str, operation: &Operation, reply: &Reply, expected: bool| {
        if (reply.status == 403) != expected || reply.status >= 500 {
            wrong += &format!("{who}: {operation:?}: {reply:?}\n");
        }
    };
    for (operation, needs) in table() {
        let anonymous = call(&server.anonymous(), &operation);
        match needs {
            // Some of these ask a token for more than that it is there.
            Needs::Always | Needs::Open if anonymous.status == 403 => {
                assert!(asks_for_a_token(&operation), "{operation:?}: {anonymous:?}");
            }
            Needs::Always | Needs::Open => refused("anonymous", &operation, &anonymous, false),
            Needs::Token | Needs::Sudo => {
                refused("anonymous", &operation, &anonymous, true);
                let reply = call(&client.with_token("s.no-such-token"), &operation);
                refused("an unknown token", &operation, &reply, true);
                refused(
                    "a token without policies",
                    &operation,
                    &call(&nothing, &operation),
                    true,
                );
            }
        }
        // One of the reads goes on as long as the server does.
        let reads = matches!(operation.1.as_str(), "GET" | "LIST") && operation.0 != "/sys/monitor";
        match needs {
            Needs::Sudo => {
                let reply = call(&everything_but_sudo, &operation);
                refused("a token without sudo", &operation, &reply, true);
            }
            Needs::Token if reads => {
                let reply = call(&everything_but_sudo, &operation);
                refused("a token that may", &operation, &reply, false);
            }
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    check! { client;
        "GET sys/seal-status" => 200, {"sealed": false};
    }
}

/// Those that need no token in their path's name, and say themselves what they want.
fn asks_for_a_token((path, _): &Operation) -> bool {
    path.starts_with("/sys/internal/")
        || path.starts_with("/auth/")
        || path.starts_with("/sys/wrapping/")
}

#[test]
fn a_sealed_server_answers_only_what_it_must() {
    let (server, _) = Server::ready().unwrap();
    let client = server.client();
    mount_all(&client);
    client.post("sys/seal", json!({})).expect(204);
    let mut wrong = String::new();
    for (operation, needs) in table() {
        let reply = call(&client, &operation);
        let always =
            needs == Needs::Always || operation == ("/sys/seal".to_owned(), "POST".to_owned());
        if always == is_sealed(&reply) || !always && reply.status != 503 {
            wrong += &format!("{operation:?}: {reply:?}\n");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
