//! A plugin author's own tests, run against the built component in the real sandbox.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use coffer_tests::plugin;

/// A component in a file, for as long as this lives.
struct Built(tempfile::TempDir);

impl Built {
    fn new(component: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("component.wasm"), component).unwrap();
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("component.wasm")
    }
}

/// `cargo test` in a plugin's folder, as its author runs it; with a component, if there is one.
fn cargo_test(folder: &str, component: Option<&Path>) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["test", "--quiet"])
        .current_dir(root.join(folder))
        .env("CARGO_TARGET_DIR", root.join("target/guests-of-tests"))
        .env("COFFER", coffer_tests::server::binary().unwrap())
        .env_remove("COFFER_COMPONENT")
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    if let Some(component) = component {
        cargo.env("COFFER_COMPONENT", component);
    }
    cargo.output().unwrap()
}

/// What it says, if it ended as it should.
fn said(output: &Output, passes: bool) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert_eq!(output.status.success(), passes, "{text}");
    text
}

/// The same bytes with another text in the place of this one.
fn altered(component: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = component.to_vec();
    let mut found = false;
    while let Some(at) = bytes
        .windows(from.len())
        .position(|text| text == from.as_bytes())
    {
        bytes.splice(at..at + from.len(), to.bytes());
        found = true;
    }
    assert!(found, "{from:?} stands nowhere");
    bytes
}

#[test]
fn the_same_tests_run_natively_and_against_the_component() {
    let component = plugin::build("examples/api-tokens");
    let built = Built::new(&component);
    said(&cargo_test("examples/api-tokens", None), true);
    said(
        &cargo_test("examples/api-tokens", Some(&built.file())),
        true,
    );
    // One that asks the service for something else is found out, with the same tests.
    let other = Built::new(&altered(&component, "/tokens/", "/tokenz/"));
    let text = said(
        &cargo_test("examples/api-tokens", Some(&other.file())),
        false,
    );
    assert!(
        text.contains("a_token_lives_as_long_as_its_lease"),
        "{text}"
    );
}

#[test]
fn what_cannot_be_run_is_said() {
    let text = said(
        &cargo_test("examples/api-tokens", Some(Path::new("/nowhere.wasm"))),
        false,
    );
    assert!(
        text.contains("cannot read the component /nowhere.wasm"),
        "{text}"
    );
    let module = Built::new(b"\0asm\x01\0\0\0");
    let text = said(
        &cargo_test("examples/api-tokens", Some(&module.file())),
        false,
    );
    assert!(text.contains("it is a core module"), "{text}");
}

#[test]
fn an_auth_method_is_tested_both_ways() {
    let built = Built::new(&plugin::build("examples/signed-login"));
    said(&cargo_test("examples/signed-login", None), true);
    said(
        &cargo_test("examples/signed-login", Some(&built.file())),
        true,
    );
}

#[test]
fn what_the_host_holds_is_tested_both_ways() {
    let component = plugin::build("tests/guests/echo");
    let needs = serde_json::json!({ "keys": ["mac"], "pod": true });
    let built = Built::new(&plugin::echo(&component, "1.0.0-aaaa", needs));
    said(&cargo_test("tests/guests/echo", None), true);
    said(&cargo_test("tests/guests/echo", Some(&built.file())), true);
}
