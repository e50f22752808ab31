//! Plugins in other languages, built by their stock toolchains: the examples, and what `plugin new` writes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
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
    let (path, engine) = match kind {
        "database" => ("database", "database"),
        _ => (name, name),
    };
    client
        .post(&format!("{table}/{path}"), json!({ "type": engine }))
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

/// A server that has its users over HTTP, as the frames of database backends take it.
struct Users {
    url: String,
    /// Names and passwords.
    all: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Users {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let users = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            all: Arc::default(),
        };
        let all = users.all.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let _ = answer(stream, &mut all.lock().unwrap());
            }
        });
        users
    }

    fn names(&self) -> Vec<String> {
        self.all.lock().unwrap().keys().cloned().collect()
    }
}

fn answer(stream: TcpStream, users: &mut BTreeMap<String, String>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut head, mut line) = (String::new(), String::new());
    while stream.read_line(&mut line)? > 2 {
        head.push_str(&line);
        line.clear();
    }
    let head = head.to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    stream.read_exact(&mut body)?;
    let mut words = head.split_whitespace();
    let (method, path) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let name = path.strip_prefix("/users/").map(str::to_owned);
    let status = match name {
        // admin:secret
        _ if !head.contains("authorization: basic ywrtaw46c2vjcmv0") => 401,
        None => 200,
        Some(name) if method == "put" => {
            let taken = users.contains_key(&name);
            if taken && head.contains("if-none-match: *") {
                412
            } else {
                let body: serde_json::Value = serde_json::from_slice(&body)?;
                users.insert(name, body["password"].as_str().unwrap().to_owned());
                if taken { 200 } else { 201 }
            }
        }
        Some(name) if !users.contains_key(&name) => 404,
        Some(name) => {
            if method == "delete" {
                users.remove(&name);
            }
            200
        }
    };
    let stream = stream.get_mut();
    write!(
        stream,
        "HTTP/1.1 {status} .\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
}

/// A frame of a database backend is whole: what it makes is there, logs in, and is gone with its lease.
fn makes_users(language: &str, borrowed: Option<(&str, &str)>) {
    let users = Users::start();
    let (_server, client) = from_new(language, "database", "people", borrowed);
    let config = |password: &str| {
        let config = json!({
            "plugin_name": "people", "allowed_roles": "*", "connection_url": users.url,
            "username": "admin", "password": password,
        });
        client.post("database/config/mine", config)
    };
    let wrong = config("wrong");
    assert_eq!(wrong.status, 400);
    assert!(wrong.errors().contains("/health with 401"), "{wrong:?}");
    config("secret").ok();
    let role = json!({"db_name": "mine", "default_ttl": "1h"});
    client.post("database/roles/app", role).ok();
    let made = client.get("database/creds/app");
    let (name, password) = (made.text("/data/username"), made.text("/data/password"));
    assert!(name.starts_with("v-root-app-"), "{name}");
    assert_eq!(
        users.all.lock().unwrap().get(&name.to_lowercase()),
        Some(&password)
    );
    let lease = made.text("/lease_id");
    let revoke = json!({"lease_id": lease, "sync": true});
    client.post("sys/leases/revoke", revoke).ok();
    assert_eq!(users.names(), [""; 0]);
}

#[test]
fn a_new_database_backend_in_javascript() {
    makes_users("js", Some(("node_modules", "js-greeter")));
}

#[test]
fn a_new_database_backend_in_python() {
    makes_users("python", Some((".venv", "python-greeter")));
}

#[test]
fn a_new_database_backend_in_go() {
    makes_users("go", None);
}

#[test]
fn a_language_is_known_or_not() {
    let server = Server::dev().unwrap();
    let cli = Cli::new(&server).unwrap();
    let ran = cli.run("plugin new db -kind=secret -lang=cobol");
    assert!(
        ran.code == 1 && ran.stderr.contains("rust, js, python, go"),
        "{ran:?}"
    );
    assert!(!cli.home().join("db").exists());
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
