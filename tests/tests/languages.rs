//! Plugins in other languages, built by their stock toolchains: the examples, and what `plugin new` writes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use coffer_tests::{Cli, Client, Server, check, plugin};
use serde_json::json;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

/// What an example's `build.sh` makes; several tests want the same one.
fn built(name: &str) -> Vec<u8> {
    static BUILT: Mutex<BTreeMap<String, Vec<u8>>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let build = || {
        let folder = root().join("examples").join(name);
        run(&mut Command::new(folder.join("build.sh")));
        std::fs::read(folder.join(format!("{name}.wasm"))).unwrap()
    };
    built.entry(name.to_owned()).or_insert_with(build).clone()
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

fn greets(name: &str, component: &[u8]) {
    let server = Server::dev().unwrap();
    let client = server.client();
    mount(&client, name, component);
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
fn javascript() {
    greets("js-greeter", &built("js-greeter"));
}

#[test]
fn python() {
    greets("python-greeter", &built("python-greeter"));
}

/// The folder where Go is.
fn go() -> String {
    std::env::var("GO_BIN").unwrap_or_else(|_| "/usr/local/go/bin".to_owned())
}

fn author(server: &Server) -> Cli {
    let path = format!("{}:{}", go(), std::env::var("PATH").unwrap());
    Cli::new(server).unwrap().with("PATH", &path)
}

#[test]
fn go_lang() {
    let server = Server::dev().unwrap();
    let cli = author(&server);
    let example = root().join("examples/go-greeter");
    let example = example.to_str().unwrap();
    cli.words(["plugin", "test", example, "-native"]).ok();
    cli.words(["plugin", "build", example, "-out=greeter.wasm"])
        .ok();
    let component = std::fs::read(cli.home().join("greeter.wasm")).unwrap();
    greets("go-greeter", &component);
}

/// A project of `plugin new`; tested, built, and registered with a server. Where it says so, it borrows an example's toolchain.
fn from_new(
    language: &str,
    kind: &str,
    name: &str,
    borrowed: Option<(&str, &str)>,
) -> (Server, Client) {
    let server = Server::dev().unwrap();
    let cli = author(&server);
    let sdk = root().join("sdk").canonicalize().unwrap();
    let sdk = format!("-sdk={}", sdk.display());
    let made = cli
        .words([
            "plugin", "new", name, "-kind", kind, "-lang", language, &sdk,
        ])
        .ok();
    assert!(made.starts_with("Success!"), "{made}");
    if let Some((toolchain, of)) = borrowed {
        // Whoever builds it first installs it.
        built(of);
        let theirs = root().join("examples").join(of).join(toolchain);
        let theirs = theirs.canonicalize().unwrap();
        std::os::unix::fs::symlink(theirs, cli.home().join(name).join(toolchain)).unwrap();
    }
    cli.words(["plugin", "test", name, "-native"]).ok();
    cli.words(["plugin", "build", name]).ok();
    let component = format!("{name}/{name}.wasm");
    cli.words(["plugin", "register", kind, name, &component])
        .ok();
    let client = server.client();
    let table = if kind == "auth" {
        "sys/auth"
    } else {
        "sys/mounts"
    };
    client
        .post(&format!("{table}/{name}"), json!({ "type": name }))
        .ok();
    (server, client)
}

fn issues_keys(client: &Client) {
    client.post("tokens/roles/app", json!({"ttl": "10m"})).ok();
    let made = client.get("tokens/keys/app");
    let (key, lease) = (made.text("/data/key"), made.text("/lease_id"));
    assert_eq!(made.number("/lease_duration"), 600);
    let check = || client.post("tokens/check", json!({ "key": key }));
    assert_eq!(check().text("/data/role"), "app");
    client
        .post(
            "sys/leases/revoke",
            json!({"lease_id": lease, "sync": true}),
        )
        .ok();
    assert_eq!(check().status, 403);
    check! { client;
        "LIST tokens/roles" => 200, {"data": {"keys": ["app"]}};
        "GET tokens/nowhere" => 404, {"errors": ["~unsupported path"]};
        "POST tokens/check", {} => 400, {"errors": ["missing key"]};
    }
}

#[test]
fn a_new_secret_engine_in_javascript() {
    let (_server, client) = from_new(
        "js",
        "secret",
        "tokens",
        Some(("node_modules", "js-greeter")),
    );
    issues_keys(&client);
}

#[test]
fn a_new_secret_engine_in_go() {
    let (_server, client) = from_new("go", "secret", "tokens", None);
    issues_keys(&client);
}

fn logs_in(client: &Client) {
    let key = "0123456789abcdef0123";
    client
        .post(
            "auth/shared/users/build",
            json!({"key": key, "policies": "app,ci"}),
        )
        .ok();
    let nobody = client.with_token("");
    let login = |key: &str| nobody.post("auth/shared/login/build", json!({ "key": key }));
    let token = login(key);
    assert_eq!(
        token.body["auth"]["policies"],
        json!(["app", "ci", "default"])
    );
    assert_eq!(login("wrong").errors(), "wrong name or key");
    let own = client.with_token(&token.text("/auth/client_token"));
    own.post("auth/token/renew-self", json!({})).ok();
    client.delete("auth/shared/users/build").ok();
    assert_eq!(own.post("auth/token/renew-self", json!({})).status, 403);
}

#[test]
fn a_new_auth_method_in_python() {
    let (_server, client) = from_new(
        "python",
        "auth",
        "shared",
        Some((".venv", "python-greeter")),
    );
    logs_in(&client);
}

#[test]
fn a_new_auth_method_in_go() {
    let (_server, client) = from_new("go", "auth", "shared", None);
    logs_in(&client);
}

#[test]
fn a_language_says_what_it_has() {
    let server = Server::dev().unwrap();
    let cli = Cli::new(&server).unwrap();
    let ran = cli.run("plugin new db -kind=database -lang=js");
    assert!(
        ran.code == 1 && ran.stderr.contains("-lang=rust has one"),
        "{ran:?}"
    );
    assert!(!cli.home().join("db").exists());
    let ran = cli.run("plugin new db -kind=secret -lang=cobol");
    assert!(
        ran.code == 1 && ran.stderr.contains("rust, js, python, go"),
        "{ran:?}"
    );
}

#[test]
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
