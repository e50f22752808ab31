//! Plugins in other languages, built by their stock toolchains. These come from npm and PyPI, so the tests that build with
//! them are run by hand: `cargo test --workspace --test languages -- --ignored`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use coffer_tests::{Client, Server, check, plugin};
use serde_json::json;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

/// What an example's `build.sh` makes.
fn built(name: &str) -> Vec<u8> {
    let folder = root().join("examples").join(name);
    run(&mut Command::new(folder.join("build.sh")));
    std::fs::read(folder.join(format!("{name}.wasm"))).unwrap()
}

/// Registers and mounts a component; compiling a language's whole runtime takes a while.
fn mount(client: &Client, name: &str, component: &[u8]) {
    let manifest = json!({"kind": "secret", "name": name, "version": "1.0.0"});
    let component = plugin::with_manifest(component, &manifest);
    let begun = Instant::now();
    let path = format!("sys/plugins/catalog/secret/{name}");
    let body = json!({ "component": BASE64_STANDARD.encode(&component) });
    // On a busy machine it takes longer than a client waits.
    let registered = (0..3).find_map(|_| client.send("POST", &path, Some(&body)).ok());
    registered.expect("an answer").ok();
    println!(
        "{name}: {} bytes, registered in {:?}",
        component.len(),
        begun.elapsed()
    );
    client
        .post(&format!("sys/mounts/{name}"), json!({"type": name}))
        .ok();
}

fn greets(name: &str) {
    let component = built(name);
    let server = Server::dev().unwrap();
    let client = server.client();
    mount(&client, name, &component);
    let at = |path: &str| format!("{name}/{path}");
    client
        .post(&at("greetings/Ada"), json!({"greeting": "Hello"}))
        .ok();
    let reply = client.get(&at("greetings/Ada"));
    assert_eq!(reply.text("/data/greeting"), "Hello, Ada!");
    let begun = Instant::now();
    client.get(&at("greetings/Ada"));
    println!("{name}: a call takes {:?}", begun.elapsed());
    for (path, status) in [("greetings/Bob", 404), ("nowhere", 404)] {
        assert_eq!(client.get(&at(path)).status, status, "{path}");
    }
    let reply = client.post(&at("greetings/Bob"), json!({}));
    assert_eq!(reply.status, 400, "{reply:?}");
    assert!(reply.errors().contains("missing greeting"), "{reply:?}");
}

#[test]
#[ignore = "examples/js-greeter/build.sh needs Node.js and npm"]
fn javascript() {
    greets("js-greeter");
}

#[test]
#[ignore = "examples/python-greeter/build.sh needs Python and PyPI"]
fn python() {
    greets("python-greeter");
}

#[test]
#[ignore = "examples/python-greeter/build.sh needs Python and PyPI"]
fn a_python_guest_sees_nothing_of_the_machine() {
    built("python-greeter");
    let (example, folder) = (
        root().join("examples/python-greeter"),
        tempfile::tempdir().unwrap(),
    );
    let file = folder.path().join("prying.wasm");
    run(Command::new(example.join(".venv/bin/componentize-py"))
        .current_dir(&example)
        .args(["-d", "../../wit", "-w", "plugin", "componentize", "prying"])
        .args(["-p", ".", "-p", "../../tests/guests/prying", "-o"])
        .arg(&file));
    let server = Server::dev().unwrap();
    let client = server.client();
    // It describes itself as the greeter does.
    mount(&client, "python-greeter", &std::fs::read(&file).unwrap());
    let seen = client.get("python-greeter/greetings/Ada").body;
    println!("{:#}", seen["data"]);
    let seen = seen["data"].as_object().unwrap();
    for what in ["passwd", "write", "connect", "listen", "resolve", "input"] {
        let found = seen[what].as_str().unwrap();
        assert!(found.starts_with("refused"), "{what}: {found}");
    }
    for what in ["here", "root"] {
        // The files of the interpreter that the component brought along may be there, and nothing else.
        let found = seen[what].as_str().unwrap();
        assert!(!found.contains("etc"), "{what}: {found}");
    }
    assert_eq!(seen["environment"], json!({}));
    check! { client; "DELETE sys/mounts/python-greeter" => 204; }
}
