//! Components for the suites: built from source, with a manifest, under any version.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use coffer_manifest::Manifest;
use serde_json::{Value, json};

use crate::Client;

/// The version that `tests/guests/echo` has in its binary.
const ECHO: &str = "7.7.7-echo";

/// The component of a crate that is no part of the workspace: `examples/api-tokens`, `tests/guests/echo`.
///
/// # Panics
/// If it does not build.
pub fn build(folder: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = root.join("target/guests-of-tests");
    let done = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--release", "--lib"])
        .args(["--target", "wasm32-unknown-unknown"])
        .current_dir(root.join(folder))
        .env("CARGO_TARGET_DIR", &target)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", r#"--cfg=getrandom_backend="custom""#)
        .status()
        .expect("cargo runs");
    assert!(done.success(), "{folder} does not build");
    let manifest = std::fs::read_to_string(root.join(folder).join("Cargo.toml")).expect("a crate");
    let name = manifest
        .lines()
        .find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
        .expect("a crate's name")
        .replace('-', "_");
    let module = target.join(format!("wasm32-unknown-unknown/release/{name}.wasm"));
    component(&std::fs::read(module).expect("the module"))
}

/// What `cargo xtask build` made of a plugin of ours that is not part of the executable.
///
/// # Panics
/// If it was not built.
pub fn ours(name: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../target/plugins/{name}.wasm"));
    assert!(
        file.is_file(),
        "{} was not built: cargo xtask build",
        file.display()
    );
    file
}

/// A component out of a core module that says which world it is for.
///
/// # Panics
/// If it says none.
pub fn component(module: &[u8]) -> Vec<u8> {
    wit_component::ComponentEncoder::default()
        .module(module)
        .and_then(|encoder| encoder.validate(true).encode())
        .expect("a component")
}

/// A component with a manifest.
///
/// # Panics
/// If it cannot have this one.
pub fn with_manifest(component: &[u8], manifest: &Value) -> Vec<u8> {
    let manifest = Manifest::parse(manifest.to_string().as_bytes()).expect("a manifest");
    manifest.embed(component).expect("a component")
}

/// One of our own components as another version of itself, `0.1.0` until now, asking for this.
///
/// # Panics
/// If it cannot be.
pub fn reversion(component: &[u8], kind: &str, name: &str, version: &str, needs: Value) -> Vec<u8> {
    let own = env!("CARGO_PKG_VERSION").as_bytes();
    assert_eq!(version.len(), own.len(), "{version}");
    let mut bytes = component.to_vec();
    for at in 1..bytes.len() - own.len() {
        // The contract's version stands behind an `@`.
        if bytes[at..].starts_with(own) && bytes[at - 1] != b'@' {
            bytes[at..at + own.len()].copy_from_slice(version.as_bytes());
        }
    }
    let manifest = serde_json::json!({
        "kind": kind, "name": name, "version": version, "contract": "0.1.0", "needs": needs,
    });
    with_manifest(&bytes, &manifest)
}

/// The component with its largest core module so often that there are `size` bytes to compile. It does what it did.
///
/// # Panics
/// If it is no component.
pub fn grown(component: &[u8], size: usize) -> Vec<u8> {
    let module = wasmparser::Parser::new(0)
        .parse_all(component)
        .filter_map(|payload| match payload.expect("a component") {
            wasmparser::Payload::ModuleSection {
                unchecked_range, ..
            } => Some(&component[unchecked_range]),
            _ => None,
        })
        .max_by_key(|module| module.len())
        .expect("a core module");
    let mut bytes = component.to_vec();
    while bytes.len() < size {
        // The section of a core module: its id, its length in LEB128, itself.
        bytes.push(1);
        let mut rest = module.len();
        while rest > 0x7f {
            bytes.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
        bytes.extend_from_slice(module);
    }
    bytes
}

/// The guest `echo` as this version of itself, asking for this. The version is as long as its own: `1.0.0-aaaa`.
///
/// # Panics
/// If it is not.
pub fn echo(component: &[u8], version: &str, needs: Value) -> Vec<u8> {
    assert_eq!(version.len(), ECHO.len(), "{version}");
    let mut bytes = component.to_vec();
    while let Some(at) = bytes
        .windows(ECHO.len())
        .position(|found| found == ECHO.as_bytes())
    {
        bytes[at..at + ECHO.len()].copy_from_slice(version.as_bytes());
    }
    let manifest = serde_json::json!({
        "kind": "secret", "name": "echo", "version": version, "contract": "0.1.0", "needs": needs,
    });
    with_manifest(&bytes, &manifest)
}

/// The guest `malice`, as bad as this says, under this name and version (of five characters); the manifest asks for this.
///
/// # Panics
/// If it is not as bad as that.
pub fn malice(kind: &str, name: &str, version: &str, mode: &str, needs: Value) -> Vec<u8> {
    const MODE: &[u8] = b"mode:plain............";
    const OWN: &[u8] = b"6.6.6";
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    let mut bytes = BUILT.get_or_init(|| build("tests/guests/malice")).clone();
    let at = bytes
        .windows(MODE.len())
        .position(|found| found == MODE)
        .expect("its mode");
    let wanted = format!("mode:{mode:.<17}");
    assert_eq!(wanted.len(), MODE.len(), "{mode}");
    bytes[at..at + MODE.len()].copy_from_slice(wanted.as_bytes());
    assert_eq!(version.len(), OWN.len(), "{version}");
    while let Some(at) = bytes
        .windows(OWN.len())
        .position(|found| found == OWN && version.as_bytes() != OWN)
    {
        bytes[at..at + OWN.len()].copy_from_slice(version.as_bytes());
    }
    let manifest = json!({ "kind": kind, "name": name, "version": version, "needs": needs });
    with_manifest(&bytes, &manifest)
}

/// Registers the guest, and mounts it at `e/` and, with nothing said of limits, at `other/`.
///
/// # Panics
/// If it cannot be.
pub fn mount_echo(client: &Client, limits: Value) {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build("tests/guests/echo"));
    let component = BASE64_STANDARD.encode(echo(built, "1.0.0-aaaa", json!({})));
    let registered = json!({"component": component, "source": "test"});
    client
        .post("sys/plugins/catalog/secret/echo", registered)
        .ok();
    let mount = json!({"type": "echo", "config": {"plugin_limits": limits}});
    client.post("sys/mounts/e", mount).ok();
    client
        .post("sys/mounts/other", json!({"type": "echo"}))
        .ok();
}

/// Runs this suite's own executable once more, against what `cargo xtask build` made of the plugin; nothing, if it is being
/// run so already.
///
/// # Panics
/// If a test fails then.
pub fn once_more_as_component(name: &str) {
    if std::env::var_os("COFFER_COMPONENT").is_some() {
        return;
    }
    let done = Command::new(std::env::current_exe().expect("an executable"))
        .env("COFFER_COMPONENT", ours(name))
        .env("COFFER", crate::server::binary().expect("coffer"))
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{text}");
    println!("{text}");
}
