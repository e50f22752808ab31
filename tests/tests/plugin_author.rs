//! What a plugin's author does, without a server: from an empty folder to a signed component, and all that can be wrong
//! on the way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use coffer_tests::cli::Ran;
use coffer_tests::{Cli, Client, port, until};
use serde_json::{Value, json};

/// As long as a build takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// All projects share what they are built of.
fn target() -> PathBuf {
    root().join("target/plugins-of-tests")
}

/// An author with a Rust toolchain, and no server.
fn author() -> Cli {
    let home = PathBuf::from(std::env::var_os("HOME").unwrap());
    let of = |name: &str, folder: &str| {
        let path = std::env::var_os(name).map_or_else(|| home.join(folder), PathBuf::from);
        path.to_str().unwrap().to_owned()
    };
    Cli::at("http://127.0.0.1:1", "")
        .unwrap()
        .with("PATH", &std::env::var("PATH").unwrap())
        .with("CARGO_HOME", &of("CARGO_HOME", ".cargo"))
        .with("RUSTUP_HOME", &of("RUSTUP_HOME", ".rustup"))
        .with("CARGO_TARGET_DIR", target().to_str().unwrap())
        .with("COFFER_SDK", root().join("sdk").to_str().unwrap())
}

/// A new project, with the versions that the workspace was tested with.
fn project(author: &Cli, kind: &str, name: &str) -> PathBuf {
    let made = author.words(["plugin", "new", name, "-kind", kind]).ok();
    assert!(made.starts_with("Success!"), "{made}");
    let folder = author.home().join(name);
    std::fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    folder
}

#[track_caller]
fn refused(ran: Ran, code: i32, expected: &str) {
    assert_eq!(ran.code, code, "{ran:?}");
    assert!(ran.stderr.contains(expected), "{expected:?} in {ran:?}");
}

/// A component that imports and exports instances of these names.
fn component(imports: &[&str], exports: &[&str]) -> Vec<u8> {
    let mut text = "(component\n".to_owned();
    for import in imports {
        text += &format!("(import {import:?} (instance))\n");
    }
    text += "(instance $empty)\n";
    for export in exports {
        text += &format!("(export {export:?} (instance $empty))\n");
    }
    wat::parse_str(text + ")").unwrap()
}

fn from_nothing_to_a_signature(kind: &str, name: &str, checked: &str) -> Value {
    let author = author();
    let folder = project(&author, kind, name);
    let tested = author.run(&format!("plugin test {name}")).ok();
    assert!(tested.contains("test result: ok."), "{tested}");
    let built = author.run(&format!("plugin build {name}")).ok();
    assert!(
        built.contains(&format!("Built {name}/{name}.wasm")),
        "{built}"
    );
    let file = format!("{name}/{name}.wasm");
    assert_eq!(author.run(&format!("plugin check {file}")).ok(), checked);
    assert_eq!(author.run(&format!("plugin check {name}")).ok(), checked);
    // The same source is the same component.
    let first = std::fs::read(folder.join(format!("{name}.wasm"))).unwrap();
    author
        .run(&format!("plugin build {name} -out=again.wasm"))
        .ok();
    assert_eq!(
        std::fs::read(author.home().join("again.wasm")).unwrap(),
        first
    );
    let text = String::from_utf8_lossy(&first);
    for path in [root().to_str().unwrap(), author.home().to_str().unwrap()] {
        assert!(!text.contains(path), "{path} is in the component");
    }
    author.run("plugin keygen").ok();
    author
        .run(&format!("plugin sign -key=author.key {file}"))
        .ok();
    let verified = author.run(&format!(
        "plugin verify -key=author.pub -format=json {file}"
    ));
    let inspected = author
        .run(&format!("plugin inspect -format=json {file}"))
        .json();
    assert_eq!(verified.json()["sha256"], inspected["sha256"]);
    assert_eq!(inspected["size"], first.len());
    assert_eq!(
        (&inspected["contract"], &inspected["wasi"]),
        (&json!("0.1.0"), &json!(false))
    );
    let table = author.run(&format!("plugin inspect {file}")).ok();
    assert!(table.contains("coffer:plugin/types@0.1.0"), "{table}");
    inspected
}

#[test]
fn a_secret_engine() {
    let about = from_nothing_to_a_signature(
        "secret",
        "tokens",
        "ok: secret plugin tokens 0.1.0, 4 paths",
    );
    assert_eq!(
        (&about["kind"], &about["name"], &about["needs"]),
        (&json!("secret"), &json!("tokens"), &json!([]))
    );
    assert_eq!(
        about["paths"][1]["operations"],
        json!(["read", "write", "delete"])
    );
    assert_eq!(about["paths"][1]["fields"][1]["type"], "duration");
}

#[test]
fn an_auth_method() {
    let about = from_nothing_to_a_signature(
        "auth",
        "Shared.Key",
        "ok: auth plugin Shared.Key 0.1.0, 3 paths",
    );
    assert_eq!(about["paths"][2]["unauthenticated"], true);
}

#[test]
fn a_database_backend() {
    let about = from_nothing_to_a_signature("database", "my-db", "ok: database plugin my-db 0.1.0");
    assert_eq!(about["destination_fields"], json!(["connection_url"]));
    assert_eq!(about["needs"], json!(["network:configuration"]));
}

#[test]
fn a_plugin_runs_anew_at_every_save() {
    let author = author();
    let folder = project(&author, "secret", "tokens");
    let address = port::free();
    let says = author.home().join("says");
    let line = format!("plugin run tokens -dev-listen-address={address} -dev-root-token-id=root");
    let mut running = author.spawn(&line, &says);
    let said = || std::fs::read_to_string(&says).unwrap();
    let client = Client::new(&format!("http://{address}"), "root");
    let says_so = |field: &str| {
        let answer = client.send("POST", "tokens/check", Some(&json!({"key": "k"})));
        answer.is_ok_and(|reply| reply.body["data"][field] == false)
    };
    until(PATIENCE, "it is mounted", || says_so("valid"));
    client
        .post("tokens/roles/app", json!({"ttl": "10m", "length": 40}))
        .ok();
    let source = std::fs::read_to_string(folder.join("src/lib.rs")).unwrap();
    let other = source.replace("\"valid\":", "\"good\":");
    author.write("tokens/src/lib.rs", &other);
    until(PATIENCE, "it is reloaded", || says_so("good"));
    let kept = client.get("tokens/roles/app");
    assert_eq!(kept.number("/data/ttl"), 600, "what it stored is there");
    // A mistake is shown, and what ran before runs on.
    author.write("tokens/src/lib.rs", "fn broken(");
    until(PATIENCE, "the mistake is shown", || {
        said().contains("unclosed")
    });
    until(PATIENCE, "it waits", || {
        said().contains("Waiting for the next save.")
    });
    assert!(says_so("good"));
    author.write("tokens/src/lib.rs", &source);
    until(PATIENCE, "it is mended", || says_so("valid"));
    assert!(running.interrupt().success());
    assert!(said().contains("Stopped."));
}

#[test]
fn names_and_folders() {
    let author = author();
    author.run("plugin new one -kind=secret").ok();
    let author = author.with("COFFER_SDK", "/none");
    for (line, code, expected) in [
        (
            "new one -kind=secret",
            1,
            "one is there already; nothing was changed",
        ),
        (
            "new ../two -kind=secret",
            1,
            "\"../two\" is no name for a plugin",
        ),
        (
            "new -kind=secret .two",
            1,
            "\".two\" is no name for a plugin",
        ),
        (
            "new two -kind=engine",
            1,
            "possible values: secret, auth, database",
        ),
        ("new two", 1, "-kind"),
        (
            "new two -kind=secret",
            1,
            "/none: this is not the source of coffer-sdk",
        ),
        (
            "build two",
            1,
            "There is no coffer.toml in two; `coffer plugin new` makes a project",
        ),
        ("check", 1, "There is no coffer.toml in ."),
        ("test .", 1, "There is no coffer.toml in ."),
        ("run .", 1, "There is no coffer.toml in ."),
        (
            "inspect none.wasm",
            1,
            "Error reading none.wasm: No such file",
        ),
    ] {
        refused(author.run(&format!("plugin {line}")), code, expected);
    }
    assert!(!author.home().join("two").exists());
}

#[test]
fn what_no_server_would_take() {
    let author = author();
    let engine = "coffer:plugin/engine@0.1.0";
    let empty = component(&[], &[]);
    let whole = component(&[], &[engine]);
    let cut = &whole[..whole.len() - 3];
    let module = wat::parse_str("(module)").unwrap();
    let http = component(&["wasi:http/outgoing-handler@0.2.0"], &[engine]);
    let unknown = component(&["acme:tools/hammer"], &[engine]);
    let later = component(&[], &["coffer:plugin/engine@0.2.0"]);
    #[rustfmt::skip]
    let table: [(&[u8], &str); 8] = [
        (b"#!/bin/sh\n", "not a WebAssembly component: it does not start as WebAssembly does"),
        (&module, "it is a core module: encode it with `coffer plugin build`"),
        (cut, "truncated"),
        (&empty, "it is for another world: it exports nothing"),
        (&later, "it was built against version 0.2.0 of the contract; this host has 0.1.0"),
        (&unknown, "it imports \"acme:tools/hammer\", which the contract does not have"),
        (&http, "use `coffer:plugin/http`"),
        // It exports the engine, but no function of it.
        (&whole, "does not fit the contract"),
    ];
    for (bytes, expected) in table {
        std::fs::write(author.home().join("x.wasm"), bytes).unwrap();
        for command in ["check", "inspect"] {
            let ran = author.run(&format!("plugin {command} x.wasm"));
            assert!(ran.stderr.starts_with("x.wasm: "), "{ran:?}");
            refused(ran, 2, expected);
        }
    }
    author.run("plugin keygen").ok();
    std::fs::write(author.home().join("x.wasm"), b"PK").unwrap();
    let ran = author.run("plugin sign -key=author.key x.wasm");
    refused(ran, 2, "not a WebAssembly component");
}

#[test]
fn signatures_and_keys() {
    use std::os::unix::fs::PermissionsExt as _;
    let author = author();
    let whole = component(&[], &["coffer:plugin/engine@0.1.0"]);
    let write = |name: &str, bytes: &[u8]| std::fs::write(author.home().join(name), bytes).unwrap();
    write("x.wasm", &whole);
    author.run("plugin keygen").ok();
    author.run("plugin keygen -out=other").ok();
    let key = std::fs::metadata(author.home().join("author.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    let again = author.run("plugin keygen");
    refused(again, 1, "author.key is there already; nothing was changed");
    author.run("plugin sign -key=author.key x.wasm").ok();
    author.run("plugin verify -key=author.pub x.wasm").ok();
    author
        .run("plugin sign -key=other.key -signature=other.sig x.wasm")
        .ok();
    author
        .run("plugin verify -key=other.pub -signature=other.sig x.wasm")
        .ok();
    let mut tampered = whole.clone();
    *tampered.last_mut().unwrap() ^= 1;
    write("y.wasm", &tampered);
    write("garbage.sig", b"?");
    let no = "the signature is by another key, or for something else";
    for (line, code, expected) in [
        ("verify -key=other.pub x.wasm", 2, no),
        ("verify -key=author.pub -signature=other.sig x.wasm", 2, no),
        ("verify -key=author.pub -signature=x.wasm.sig y.wasm", 2, no),
        (
            "verify -key=author.pub -signature=garbage.sig x.wasm",
            2,
            "garbage.sig: the signature is not base64",
        ),
        (
            "verify -key=author.pub y.wasm",
            1,
            "Error reading y.wasm.sig",
        ),
        (
            "verify -key=author.key x.wasm",
            1,
            "author.key: the key is no public key in PEM",
        ),
        (
            "sign -key=author.pub x.wasm",
            1,
            "author.pub: this is a public key",
        ),
        (
            "sign -key=x.wasm.sig x.wasm",
            1,
            "it has no private key in PEM",
        ),
    ] {
        refused(author.run(&format!("plugin {line}")), code, expected);
    }
}

#[test]
fn other_toolchains_and_what_disagrees() {
    let author = author();
    let folder = project(&author, "secret", "origin");
    author.run("plugin build origin").ok();
    let module = target().join("wasm32-unknown-unknown/release/coffer_plugin_origin.wasm");
    std::fs::copy(module, author.home().join("module.wasm")).unwrap();
    let config = |more: &str| {
        std::fs::create_dir_all(author.home().join("other")).unwrap();
        author.write(
            "other/coffer.toml",
            &format!("kind = \"secret\"\nname = \"other\"\n{more}"),
        );
    };
    // Its own command makes a core module, or a component; or the component is there.
    config(
        "version = \"0.1.0\"\n[build]\ncommand = \"echo made; cp ../module.wasm made\"\noutput = \"made\"\n",
    );
    let built = author.run("plugin build other");
    assert!(
        built.stderr.contains("made") && !built.stdout.contains("made"),
        "{built:?}"
    );
    built.ok();
    let checked = author.run("plugin check other/other.wasm");
    assert!(
        checked.stderr.contains("It calls itself \"origin\""),
        "{checked:?}"
    );
    assert_eq!(checked.ok(), "ok: secret plugin other 0.1.0, 4 paths");
    config("version = \"3.0.0\"\n");
    author
        .run("plugin build other -component=origin/origin.wasm -out=other.wasm")
        .ok();
    let ran = author.run("plugin check other.wasm");
    refused(ran, 2, "its version is 0.1.0, but its manifest says 3.0.0");
    #[rustfmt::skip]
    let table = [
        ("", 1, "coffer.toml: it does not say the version"),
        ("version = \"1.0.0\"\n", 1, "with -component, a component of another tool is taken"),
        ("version = \"1.0.0\"\nmore = 1\n", 1, "unknown field `more`"),
        ("version = \"1.0.0\"\n[needs]\nnetwork = [\"x\"]\n", 1, "\"x\" is no destination"),
        ("version = \"1.0.0\"\n[needs]\nmemory = 1\n", 1, "memory of 1 bytes"),
        ("version = \"1.0.0\"\n[build]\ncommand = \"exit 3\"\noutput = \"made\"\n", 1, "`exit 3` failed (exit status: 3)"),
        ("version = \"1.0.0\"\n[build]\ncommand = \":\"\noutput = \"none\"\n", 1, "Error reading"),
        ("version = \"1.0.0\"\n[build]\ncommand = \"printf x >made\"\noutput = \"made\"\n", 2, "not a WebAssembly component"),
        ("version = \"1.0.0\"\n[build]\ncommand = \"printf '\\\\0asm\\\\1\\\\0\\\\0\\\\0' >made\"\noutput = \"made\"\n", 2, "the core module is no component: "),
    ];
    for (more, code, expected) in table {
        config(more);
        refused(author.run("plugin build other"), code, expected);
    }
    config("version = \"1.0.0\"\n[build]\ncommand = \":\"\noutput = \"../module.wasm\"\n");
    for (import, expected) in [
        ("__wbindgen_placeholder__", "turn these features off"),
        // That is made of 0.2: what is missing is what it should export.
        (
            "wasi_snapshot_preview1",
            "failed to find export of interface",
        ),
        ("env", "a C library or a missing symbol"),
    ] {
        let module = format!("(module (import {import:?} \"f\" (func)))");
        std::fs::write(
            author.home().join("module.wasm"),
            wat::parse_str(module).unwrap(),
        )
        .unwrap();
        refused(author.run("plugin build other"), 2, expected);
    }
    let wasm = folder.join("origin.wasm");
    std::fs::remove_file(&wasm).unwrap();
    let own = std::fs::read_to_string(folder.join("coffer.toml")).unwrap();
    author.write("origin/coffer.toml", &format!("version = \"9.9.9\"\n{own}"));
    let expected = "it says version 9.9.9, but Cargo.toml says 0.1.0; say it there only";
    refused(author.run("plugin build origin"), 1, expected);
    author.write("origin/coffer.toml", &own);
    author.write("origin/src/lib.rs", "fn broken(");
    refused(author.run("plugin build origin"), 1, "cargo build failed");
    refused(author.run("plugin test origin"), 101, "unclosed");
    assert!(!wasm.exists());
}
